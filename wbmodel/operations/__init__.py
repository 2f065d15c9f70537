"""Run it: every operation on a backend, as a generator without I/O and without a colour.

An operation takes a plan, or an object, and a target. Its modules load when they are first wanted, which keeps
``import wbmodel`` quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wbmodel.operations import answers, bulk, count, create, groups, keys, reload, results, save, table

__all__ = ["answers", "bulk", "count", "create", "groups", "keys", "reload", "results", "save", "table"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
