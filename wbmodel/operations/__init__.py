"""Every operation on a backend, as a generator that does no I/O and is neither sync nor async.

An operation takes a plan, or an object, and a target. Its modules are imported on first use, which keeps ``import
wbmodel`` fast.
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
