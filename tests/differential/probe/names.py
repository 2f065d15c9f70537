"""The part ``names``: every public name, what it is, and how it is called."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from .recording import Writer

__all__ = ["MODULES", "write_names"]

MODULES = (
    "wbmodel", "wbmodel.backend", "wbmodel.codec", "wbmodel.engine", "wbmodel.engine.dialect", "wbmodel.engine.execute",
    "wbmodel.engine.memory", "wbmodel.engine.server", "wbmodel.errors", "wbmodel.hookspecs",
    "wbmodel.objects.discovery",
    "wbmodel.registry", "wbmodel.request", "wbmodel.session", "wbmodel.session.otel", "wbmodel.session.trace",
    "wbmodel.testing", "wbmodel.testing.conformance", "wbmodel.testing.oracle", "wbmodel.testing.world",
    "wbmodel_fixtures", "wbmodel_live",
)  # fmt: skip
"""The modules that the docs name, and those whose names they show."""

_DUNDERS = (
    "__aiter__", "__and__", "__bool__", "__call__", "__contains__", "__eq__", "__enter__", "__exit__", "__aenter__",
    "__aexit__", "__getitem__", "__hash__", "__invert__", "__iter__", "__len__", "__neg__", "__or__",
)  # fmt: skip


def write_names(writer: Writer) -> None:
    """One record for each name of each module, and for each public member of each class."""
    for module in MODULES:
        found = importlib.import_module(module)
        for name in getattr(found, "__all__", None) or [item for item in vars(found) if not item.startswith("_")]:
            try:
                value = getattr(found, name)
            except AttributeError as error:
                writer.write("names", f"{module}.{name}", "-", {"kind": f"missing: {error}"})
                continue
            writer.write("names", f"{module}.{name}", "-", _fields(value))
            if isinstance(value, type):
                for member in dir(value):
                    if not member.startswith("_") or (member in _DUNDERS and hasattr(value, member)):
                        writer.write("names", f"{module}.{name}.{member}", "-", _member(value, member))


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, type):
        kind = "exception" if issubclass(value, BaseException) else "class"
        told: dict[str, Any] = {"kind": kind, "signature": _signature(value), "doc": _doc(value)}
        if kind == "exception":
            told["bases"] = [base.__name__ for base in value.__mro__]
        return told
    if callable(value):
        return {"kind": "callable", "signature": _signature(value), "doc": _doc(value)}
    if inspect.ismodule(value):
        return {"kind": "module"}
    plain = isinstance(value, (str, int, float, tuple, frozenset, type(None)))
    shown = sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)
    return {"kind": type(value).__name__, "value": shown if plain else "-"}


def _member(owner: type, name: str) -> dict[str, Any]:
    value = inspect.getattr_static(owner, name)
    if isinstance(value, property):
        return {"kind": "property", "signature": _signature(value.fget), "doc": _doc(value.fget)}
    if isinstance(value, (classmethod, staticmethod)):
        return {"kind": type(value).__name__, "signature": _signature(value.__func__), "doc": _doc(value.__func__)}
    if inspect.isfunction(value):
        return {"kind": "method", "signature": _signature(value), "doc": _doc(value)}
    return {"kind": "attribute"} if not isinstance(value, type) else {"kind": "class"}


def _signature(value: Any) -> str:
    try:
        return str(inspect.signature(value))
    except (TypeError, ValueError):
        return "-"


def _doc(value: Any) -> str:
    return (inspect.getdoc(value) or "").partition("\n")[0]
