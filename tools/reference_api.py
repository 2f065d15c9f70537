"""The pages about `wbmodel.Api`: its filters, and where it differs from the official client."""

from __future__ import annotations

from tools.docs_markdown import table
from wbmodel import Run
from wbmodel.query.dialects.mongo import OPERATORS, names

__all__ = ["mongo"]


def mongo() -> dict[str, str]:
    """The operators that are understood, and the names of a run's fields."""
    by_path: dict[str, list[str]] = {}
    for name, path in names(Run).items():
        by_path.setdefault(path.dotted, []).append(f"`{name}`")
    return {
        "operators": table(("operator", "keeps a row where"), [(f"`{key}`", said) for key, said in OPERATORS.items()]),
        "names": table(("in a filter", "on a run"), [(", ".join(them), f"`{path}`") for path, them in by_path.items()]),
    }
