"""Content of the reference page on the conformance kit, made from the cases."""

from __future__ import annotations

import inspect

from tools.docs_markdown import markdown, table
from wbmodel.testing import conformance
from wbmodel.testing.conformance import Case, all_cases
from wbmodel.testing.conformance.lookups import OPERANDS, SUBJECTS
from wbmodel.testing.conformance.rows import UNCHECKED

__all__ = ["page"]

_ABOUT = {
    "row": "Every field of every entity has the value that the world gave it.",
    "lookup": "`lookup/LOOKUP/OPERAND/FIELD` and its opposite, `.../not`: every lookup, with every type of operand "
    "that it takes, on every field.",
    "order": "`order/FIELD/ascending` and `/descending`, several keys, slices.",
    "relation": "To one and to many, both ways, in the same document and prefetched.",
    "page": "`first`, cursors, ends, slices, and rows that come while pages are read.",
    "count": "The server's counts and those of querysets.",
    "beyond": "What a server may lack: a backend that refuses it is skipped, one that serves it must be right.",
    "error": "Wrong questions are refused in words that name what is wrong.",
    "document": "How documents are written, which variables come with them, and what JSON may hold.",
    "flag": "Each promise is kept, and each ability is claimed.",
    "history": "What runs logged, by columns or documents: histories, system metrics, console lines.",
    "door": "Columns and bytes.",
    "hook": "Each hook does its work with the backend.",
    "mutation": "What each mutation changes, what null leaves alone, what is refused. Only for `writable` backends.",
}


def page() -> dict[str, str]:
    """The public names, the number of cases, and the cases by group."""
    cases = all_cases()
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.id.split("/")[0], []).append(case)
    if groups.keys() != _ABOUT.keys():
        raise LookupError(f"groups of cases and their descriptions differ: {sorted(groups.keys() ^ _ABOUT.keys())}")
    core = sum(case.core for case in cases)
    rest = "the others with `--wbmodel-full` (or `full = True`)"
    totals = f"{len(cases)} cases; the {core} of the core run always, {rest}."
    parts = [_group(name, found) for name, found in groups.items()]
    return {"names": _names(), "totals": totals, "groups": "\n\n".join(parts)}


def _names() -> str:
    rows = []
    for name in conformance.__all__:
        told = inspect.getdoc(getattr(conformance, name)) or ""
        rows.append((f"`{name}`", markdown(told.split("\n\n")[0])))
    return table(("name", "meaning"), rows)


def _group(name: str, cases: list[Case]) -> str:
    core = sum(case.core for case in cases)
    head = f"### {name}\n\n{_ABOUT[name]} {len(cases)} cases, {core} of them core."
    if name == "row":
        return f"{head}\n\n{_rows(cases)}"
    if name == "lookup":
        return f"{head}\n\n{_lookups(cases)}"
    if name == "order":
        cases = [case for case in cases if not case.id.endswith("/descending")]
    return f"{head}\n\n{_cases(cases)}"


def _rows(cases: list[Case]) -> str:
    rest = [case for case in cases if "." not in case.id]
    fields = ", ".join(f"`{case.id.removeprefix('row/')}`" for case in cases if case not in rest)
    rows = [
        (f"`{entity}.{field}`" if entity != "*" else f"any `{field}`", markdown(reason))
        for entity, reasons in UNCHECKED.items()
        for field, reason in reasons.items()
    ]
    return "\n\n".join(
        [f"A case, `row/FIELD`, for each of {fields}.", _cases(rest), table(("not compared", "because"), rows)]
    )


def _cases(cases: list[Case]) -> str:
    rows = [(f"`{case.id}`", markdown(case.about), _needs(case)) for case in cases]
    return table(("case", "asks", "needs"), rows)


def _needs(case: Case) -> str:
    words = [f"`{flag}`" for flag in sorted(case.flags)] + sorted(case.parts)
    return ", ".join(words) + ("" if case.core else f"{', ' if words else ''}`--wbmodel-full`")


def _lookups(cases: list[Case]) -> str:
    rest = [case for case in cases if case.id.count("/") < 3]
    names = list(dict.fromkeys(case.id.split("/")[1] for case in cases if case not in rest))
    rows = [(f"`{word}`", ", ".join(f"`{item!r}`" for item in operands[:4])) for word, operands in OPERANDS.items()]
    core = ", ".join(f"`{item.entity}.{item.label}`" for item in SUBJECTS if item.core)
    more = ", ".join(f"`{item.entity}.{item.label}`" for item in SUBJECTS if not item.core)
    return "\n\n".join(
        [
            f"Lookups: {', '.join(f'`{name}`' for name in names)}.",
            f"Fields of the core: {core}.",
            f"Other fields: {more}.",
            table(("operand", "such as"), rows),
            _cases(rest),
        ]
    )
