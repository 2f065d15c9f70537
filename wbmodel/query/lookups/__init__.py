"""Lookups: one class per operator, with the values it takes, its meaning, its pushdown, and a phrase."""

from __future__ import annotations

# The modules register their lookups; messages and docs list them in this order.
from wbmodel.query.lookups import comparison, text, presence, time  # noqa: F401  # isort: skip
from wbmodel.query.lookups.base import (
    LOCAL,
    LOOKUPS,
    Grade,
    Lookup,
    Pushed,
    add_lookup,
    add_source,
    find_lookup,
    graded,
    rewrites,
)

__all__ = [
    "LOCAL",
    "LOOKUPS",
    "Grade",
    "Lookup",
    "Pushed",
    "add_lookup",
    "add_source",
    "find_lookup",
    "graded",
    "rewrites",
]
