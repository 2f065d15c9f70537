"""Content of the reference pages on names, querysets, sessions, hooks, errors and evaluation, made from docstrings.

Each function returns the texts for the placeholders ``{{name}}`` of one template in tools/reference.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

import wbmodel
from tools.docs_markdown import ROOT, function_of, markdown, members, public_methods, signature, table, twin
from wbmodel import errors, hookspecs, testing
from wbmodel.backend import API_VERSION
from wbmodel.compiler.explain import Explanation
from wbmodel.display.progress import Status
from wbmodel.objects.console import ConsoleLine, ConsoleLog
from wbmodel.objects.history import HistorySet
from wbmodel.objects.manager import Manager
from wbmodel.objects.queryset import QuerySet
from wbmodel.operations.bulk_result import BulkResult, RowResult
from wbmodel.operations.histories.explained import HistoryExplanation
from wbmodel.operations.histories.key_info import KeyInfo
from wbmodel.query.changes import Add, Remove, Set, Unset
from wbmodel.query.f import PathExpr
from wbmodel.query.q import Q
from wbmodel.session import current, otel, redact, trace
from wbmodel.session.session import Session
from wbmodel.session.stats import SessionStats
from wbmodel.table.scan import scan
from wbmodel_fixtures.plugin import fixtures

__all__ = [
    "FOR_DRIVERS",
    "api",
    "error_classes",
    "errors_page",
    "evaluation",
    "evaluation_table",
    "histories",
    "hooks",
    "querysets",
    "settings",
    "variables_read",
]

# -- public names ----------------------------------------------------------------------------------

_WHERE = {
    **dict.fromkeys(
        ("Count", "First", "Last", "Max", "Mean", "Median", "Min", "Quantile", "Std", "Sum"),
        "aggregates.md#the-aggregates",
    ),
    **dict.fromkeys(("Add", "Remove", "Set", "Unset"), "querysets.md#what-update-takes"),
    **dict.fromkeys(("BulkResult", "RowResult"), "querysets.md#what-update-and-delete-return"),
    "Api": "wandb-api.md#api",
    "everything_but": "aggregates.md#everything_but",
    "Change": "querysets.md#watch",
    "Part": "entities.md#fields-loaded-in-part",
    "F": "querysets.md#f",
    "HistorySet": "histories.md#historyset",
    "Q": "querysets.md#q",
    "QuerySet": "querysets.md#queryset",
    "TERMINAL": "entities.md#run",
    "Manager": "querysets.md#manager",
    "Session": "settings.md#session",
    "connect": "settings.md#connect",
    "connections": "settings.md#connections",
    "current_session": "settings.md#current_session",
    "get_session": "settings.md#get_session",
    "scan": "histories.md#scan",
    "trace": "settings.md#trace",
    "errors": "errors.md",
    "WbmodelError": "errors.md#wbmodelerror",
    "__version__": "../../CHANGELOG.md",
}
_MEANINGS = {
    "F": "A path to a field or to a key inside one, written in Python.",
    "TERMINAL": "The states in which a run has ended.",
    "connections": "The open sessions by name: a live, read-only view.",
    "errors": "Every exception and warning.",
    "__version__": "The version of wbmodel, as text.",
}


def _first(doc: str | None) -> str:
    return markdown(doc).split("\n\n")[0]


def api() -> dict[str, str]:
    """Every public name, with a link to its description."""
    names = []
    for name in wbmodel.__all__:
        item = getattr(wbmodel, name)
        where = f"entities.md#{name.lower()}" if hasattr(item, "__wbmodel_meta__") else _WHERE[name]
        names.append((f"[`{name}`]({where})", _MEANINGS.get(name) or _first(item.__doc__)))
    tests = []
    for name in testing.__all__:
        item = getattr(testing, name)
        text = signature(item, name, bound=False) if inspect.isfunction(item) else name
        tests.append((f"`{text}`", _first(item.__doc__)))
    columns = ("name", "what it is")
    return {"names": table(columns, names), "testing": table(columns, tests)}


# -- querysets -------------------------------------------------------------------------------------


def _methods(cls: type[Any]) -> dict[str, str]:
    """Every method of a lazy class: those that return another of its kind, those that send requests, and the rest."""
    groups: dict[str, list[str]] = {"chain": [], "terminal": [], "looking": []}
    methods = public_methods(cls, inherited=True)
    for name, item in methods.items():
        if name.startswith("a") and name[1:] in methods:
            continue
        function = function_of(item)
        text = name if isinstance(item, property) else signature(function, name)
        made = str(inspect.signature(function).return_annotation)
        chained = made == "Self" or made.startswith(("Grouped[", "QuerySet["))
        looks = name == "explain" or isinstance(item, (property, classmethod))
        group = "looking" if looks else "chain" if chained else "terminal"
        groups[group].append(f"### {name}\n\n`{text}`\n\n{markdown(function.__doc__)}{twin(name, methods)}")
    return {name: "\n\n".join(entries) for name, entries in groups.items()}


def histories() -> dict[str, str]:
    """Every method of HistorySet, and what its methods give."""
    return {
        **_methods(HistorySet),
        "history": markdown(HistorySet.__doc__),
        "console": markdown(ConsoleLog.__doc__),
        "console_line": "`ConsoleLine`: " + markdown(ConsoleLine.__doc__),
        "console_members": table(("method", "meaning"), [("`text()`", markdown(ConsoleLog.text.__doc__))]),
        "key_info": markdown(KeyInfo.__doc__),
        "explanation": markdown(HistoryExplanation.__doc__),
        "explanation_members": table(("member", "meaning"), members(HistoryExplanation)),
        "status": markdown(Status.__doc__),
        "scan": f"`{signature(scan, 'scan', bound=False)}`\n\n{markdown(scan.__doc__)}",
    }


def querysets() -> dict[str, str]:
    """Every method of QuerySet, Manager and F paths."""
    explained = [(f"`{item.name}`", f"`{item.type}`") for item in attrs.fields(Explanation)]
    return {
        **_methods(QuerySet),
        "queryset": markdown(QuerySet.__doc__),
        "explanation": markdown(Explanation.__doc__),
        "explained": table(("attribute", "type"), explained),
        "explained_members": table(("member", "meaning"), members(Explanation)),
        "acts": table(
            ("value", "meaning"), [(f"`{item.__name__}`", markdown(item.__doc__)) for item in (Add, Remove, Set, Unset)]
        ),
        "result": markdown(BulkResult.__doc__),
        "result_members": table(("member", "meaning"), members(BulkResult, types=True)),
        "row_result": markdown(RowResult.__doc__),
        "manager": markdown(Manager.__doc__),
        "manager_methods": table(("method", "meaning"), members(Manager)),
        "paths": table(("method", "meaning"), members(PathExpr)),
        "q": markdown(Q.__doc__),
    }


# -- sessions and settings -------------------------------------------------------------------------

FOR_DRIVERS = {"sending", "received", "failed", "call_info", "in_turn", "wrappers"}
"""Members of Session that only the drivers use."""

COUNTING = {"count_sending", "count_received", "count_failed"}
"""Members of SessionStats that only sessions use."""


def settings() -> dict[str, str]:
    """The functions that make and find sessions, and the members of Session, its statistics and traces."""
    parts = []
    for name in ("connect", "current_session", "get_session"):
        function = getattr(current, name)
        parts.append(f"### {name}\n\n`{signature(function, name, bound=False)}`\n\n{markdown(function.__doc__)}")
    stats = [item for item in attrs.fields(SessionStats) if not item.name.startswith("_")]
    options = list(inspect.signature(fixtures).parameters)[1:]
    return {
        "options": ", ".join(f"`{name}`" for name in options),
        "functions": "\n\n".join(parts),
        "session": markdown(Session.__doc__),
        "members": table(("member", "meaning"), members(Session, without=FOR_DRIVERS)),
        "stats": markdown(SessionStats.__doc__),
        "stats_fields": table(("attribute", "type"), [(f"`{item.name}`", f"`{item.type}`") for item in stats]),
        "trace": f"`{signature(trace.trace, 'trace', bound=False)}`\n\n{markdown(trace.trace.__doc__)}",
        "trace_records": markdown(trace.TraceRecord.__doc__),
        "trace_fields": table(
            ("attribute", "type"), [(f"`{item.name}`", f"`{item.type}`") for item in attrs.fields(trace.TraceRecord)]
        ),
        "redact": markdown(redact.__doc__).partition("\n\n")[2],
        "otel": "\n\n".join(
            f"`{signature(item, item.__name__, bound=False)}`\n\n{markdown(item.__doc__)}"
            for item in (otel.instrument, otel.uninstrument)
        ),
        "otel_spans": markdown(otel.__doc__),
        "stats_members": table(("method", "meaning"), members(SessionStats, without=COUNTING)),
    }


_READERS = ("env.get", "environ.get", "os.environ.get", "os.getenv", "_variable")


def variables_read() -> set[str]:
    """The environment variables that the code reads, found by parsing its source."""
    found: set[str] = set()
    for base in ("wbmodel", "plugins"):
        for file in sorted((ROOT / base).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and ast.unparse(node.func) in _READERS):
                    continue
                found.update(arg.value for arg in node.args if isinstance(arg, ast.Constant) and arg.value)
    return found


# -- hooks -----------------------------------------------------------------------------------------

_NOT_HANDED = {"GROUP", "HOOKS", "hookspec", "hookimpl"}


def hooks() -> dict[str, str]:
    """The hooks with their exact signatures, and the types of their arguments."""
    described = []
    for name in _in_order(hookspecs.HOOKS):
        function = getattr(hookspecs, name)
        described.append(f"## {name}\n\n`{signature(function, name, bound=False)}`\n\n{markdown(function.__doc__)}")
    notes = _notes(Path(hookspecs.__file__))
    handed = []
    for name in _in_order(set(hookspecs.__all__) - _NOT_HANDED):
        item = getattr(hookspecs, name)
        if name in notes:  # a type alias, described by the string below it
            handed.append(f"### {name}\n\n{markdown(notes[name])}")
            continue
        handed.append(f"### {name}\n\n{markdown(item.__doc__)}")
        rows = members(item, types=True)
        call = vars(item).get("__call__")
        if inspect.isfunction(call):
            rows.insert(0, (f"`{signature(call, '__call__')}`", markdown(call.__doc__)))
        if rows:
            handed.append(table(("member", "meaning"), rows))
    return {
        "module": markdown(hookspecs.__doc__),
        "group": hookspecs.GROUP,
        "version": str(API_VERSION),
        "hooks": "\n\n".join(described),
        "handed": "\n\n".join(handed),
    }


def _in_order(names: Iterable[str]) -> list[str]:
    """Sort names by the order of their definition in hookspecs."""
    return sorted(names, key=list(vars(hookspecs)).index)


def _notes(file: Path) -> dict[str, str]:
    """The strings below assignments of a module, by the assigned name."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    found: dict[str, str] = {}
    for one, other in itertools.pairwise(body):
        if isinstance(one, ast.Assign) and isinstance(other, ast.Expr) and isinstance(other.value, ast.Constant):
            for target in one.targets:
                found[ast.unparse(target)] = inspect.cleandoc(str(other.value.value))
    return found


# -- errors ----------------------------------------------------------------------------------------


def error_classes() -> list[type[Any]]:
    """Every exception and warning class, in source order."""
    return [item for item in vars(errors).values() if inspect.isclass(item) and item.__module__ == errors.__name__]


def errors_page() -> dict[str, str]:
    """The class tree, then one section per class."""
    classes = error_classes()
    parts = []
    for cls in classes:
        bases = ", ".join(f"`{base.__name__}`" for base in cls.__bases__)
        parts.append(f"## {cls.__name__}\n\nBases: {bases}. {markdown(cls.__doc__)}")
    tree = [*_tree(errors.WbmodelError, classes), *_tree(errors.WbmodelWarning, classes)]
    return {"tree": "\n".join(tree), "classes": "\n\n".join(parts)}


def _tree(cls: type[Any], classes: list[type[Any]], depth: int = 0) -> list[str]:
    others = [base.__name__ for base in cls.__bases__ if base not in classes and base is not Exception]
    line = "    " * depth + cls.__name__ + (f" ({', '.join(others)})" if others else "")
    return [line, *(found for item in classes if cls in item.__bases__ for found in _tree(item, classes, depth + 1))]


# -- evaluation ------------------------------------------------------------------------------------


def evaluation_table(name: str = "TABLE") -> list[tuple[str, str, int, int, str]]:
    """A table that a test checks: (name, code, requests when cold, requests when warm, note)."""
    file = ROOT / "tests" / "objects" / "evaluation_table.py"
    spec = importlib.util.spec_from_file_location("evaluation_table", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [tuple(row) for row in getattr(module, name)]


def evaluation() -> dict[str, str]:
    """One row per operation."""
    made = {}
    for place, kind in (("table", "TABLE"), ("histories", "HISTORIES")):
        rows = [
            (name, f"`{code}`", str(cold), str(warm), note) for name, code, cold, warm, note in evaluation_table(kind)
        ]
        made[place] = table(("operation", "code", "cold", "warm", "note"), rows)
    return made
