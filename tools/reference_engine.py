"""Content of the reference page on the engine: dialects, stores, their records, and the protocols of a store."""

from __future__ import annotations

import ast
import inspect
import itertools
from typing import Any

import attrs

from tools.docs_markdown import function_of, markdown, members, public_methods, signature, table
from wbmodel import engine
from wbmodel.engine import Engine, ListStore, MemoryStore, Record

__all__ = ["page", "records"]


def records() -> list[type[Any]]:
    """Every class of records that the engine makes public."""
    found = [getattr(engine, name) for name in engine.__all__]
    return [
        item for item in found if inspect.isclass(item) and (issubclass(item, Record) or item is engine.ConsoleLine)
    ]


def _methods(cls: type[Any]) -> str:
    made = []
    for name, item in public_methods(cls, inherited=True).items():
        function = function_of(item)
        text = name if isinstance(item, property) else signature(function, name)
        made.append(f"### {cls.__name__}.{name}\n\n`{text}`\n\n{markdown(function.__doc__)}".rstrip())
    return "\n\n".join(made)


def _record(cls: type[Any]) -> str:
    fields = [field for field in attrs.fields(cls) if not field.name.startswith("_")] if attrs.has(cls) else []
    told = "\n\n".join(filter(None, [f"### {cls.__name__}", markdown(cls.__doc__)]))
    rows = [(f"`{field.name}`", f"`{field.type}`") for field in fields]
    return f"{told}\n\n{table(('attribute', 'type'), rows)}" if rows else told


def _switches(cls: type[Any]) -> str:
    """The fields of an attrs class, with the texts below them in its source."""
    (made,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(made, ast.ClassDef)
    notes = {
        ast.unparse(one.target): str(other.value.value)
        for one, other in itertools.pairwise(made.body)
        if isinstance(one, ast.AnnAssign) and isinstance(other, ast.Expr) and isinstance(other.value, ast.Constant)
    }
    rows = [(f"`{field.name}: {field.type}`", _one_line(notes[field.name])) for field in attrs.fields(cls)]
    return f"### {cls.__name__}\n\n{markdown(cls.__doc__)}\n\n{table(('switch', 'meaning'), rows)}"


def _one_line(text: str) -> str:
    return " ".join(markdown(text).split())


def page() -> dict[str, str]:
    """The texts of ``engine.md``."""
    contracts = [engine.Catalog, engine.Selection, engine.Store, engine.Changes, engine.WritableStore]
    return {
        "engine": markdown(Engine.__doc__),
        "engine_members": table(("member", "meaning"), members(Engine)),
        "dialects": "\n\n".join(map(_switches, (engine.Dialect, engine.Histories, engine.Exports))),
        "memory": markdown(MemoryStore.__doc__),
        "memory_methods": _methods(MemoryStore),
        "list_store": markdown(ListStore.__doc__),
        "records": "\n\n".join(map(_record, records())),
        "contracts": "\n\n".join(
            f"### {cls.__name__}\n\n{markdown(cls.__doc__)}\n\n{table(('member', 'meaning'), members(cls))}"
            for cls in contracts
        ),
    }
