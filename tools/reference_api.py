"""The pages about `wbmodel.Api`: its filters, and where it differs from the official client."""

from __future__ import annotations

import json
from typing import Any

from tools.docs_markdown import ROOT, markdown, members, signature, table
from wbmodel import Run, api
from wbmodel.api.attrs import Attrs
from wbmodel.api.paginator import Paginator
from wbmodel.query.dialects.mongo import OPERATORS, names

__all__ = ["DIFFERENCES", "classes", "differences", "mongo"]

DIFFERENCES = ROOT / "tools" / "reference" / "api-differences.json"
"""Each: the calls, the clients whose results differ, and the row of the table."""


def mongo() -> dict[str, str]:
    """The operators that are understood, and the names of a run's fields."""
    by_path: dict[str, list[str]] = {}
    for name, path in names(Run).items():
        by_path.setdefault(path.dotted, []).append(f"`{name}`")
    return {
        "operators": table(("operator", "keeps a row where"), [(f"`{key}`", said) for key, said in OPERATORS.items()]),
        "names": table(("in a filter", "on a run"), [(", ".join(them), f"`{path}`") for path, them in by_path.items()]),
    }


def differences() -> dict[str, str]:
    """The calls whose results differ between the official clients and ``wbmodel.Api``."""
    rows = []
    for one in json.loads(DIFFERENCES.read_text(encoding="utf-8")):
        rows.append((one["call"], ", ".join(one["clients"]), one["them"], one["here"], one["why"]))
    calls = (ROOT / "tests" / "clients" / "calls.py").read_text(encoding="utf-8")
    spec: dict[str, Any] = {}
    exec(compile(calls, "calls.py", "exec"), spec)
    return {
        "calls": str(len(spec["CALLS"]) + len(spec["WRITES"])),
        "differences": table(("call", "client", "there", "here", "why"), rows),
    }


def classes() -> dict[str, str]:
    """Every class of the facade, with its members."""
    parts, errors = [], []
    for name in api.__all__:
        item = getattr(api, name)
        if issubclass(item, Exception):
            errors.append((f"`{name}`", markdown(item.__doc__)))
            continue
        text = signature(item.__init__, name) if "__init__" in vars(item) else name
        parts.append(f"## {name}\n\n`{text}`\n\n{markdown(item.__doc__)}")
        # Bases that have no entry of their own are part of the class to its readers.
        bases = [base for base in reversed(item.__mro__[1:]) if base.__module__.startswith("wbmodel.api")]
        bases = [base for base in bases if base not in (Attrs, Paginator) and not hasattr(api, base.__name__)]
        own = members(item, bases=bases, types=True)
        if own:
            parts.append(table(("member", "meaning"), own))
    return {
        "paginator": table(("member", "meaning"), members(Paginator, types=True)),
        "classes": "\n\n".join(parts),
        "errors": table(("error", "meaning"), errors),
    }
