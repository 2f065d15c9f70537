"""Requests for the values of single keys of histories: one spec per key, unsampled, and the counts that prove them.

A server answers a spec with the rows that have *all* of its keys, so a spec with several keys would lose rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import attrs

from wbmodel.backend.asks import Document, Request, RunRef
from wbmodel.codec import dumps
from wbmodel.compiler.document import Selection, Shape, build, write
from wbmodel.compiler.extras import Extra
from wbmodel.compiler.physical import Along, Scan
from wbmodel.meta import EntityMeta, Route
from wbmodel.meta.scopes import ENTITY, PROJECT

__all__ = [
    "ALL_KEYS",
    "BUCKETS",
    "COUNTS",
    "KEYS_ALONG",
    "SERIES",
    "KeyAsk",
    "all_keys_request",
    "along_of",
    "answered",
    "bucket_spec",
    "key_ask_request",
    "spec_of",
]

UNSAMPLED = 2**53 - 1
"""The number of samples that W&B's web application asks for, to get every row."""

SERIES = Extra("values of single keys of histories", "whole rows are read", ("sampledhistory", "specs"), costs=True)
COUNTS = Extra("counts of the keys of histories", "the values are proven by line counts", ("historykeys",))

_IN_PAGES = Extra("values of keys in pages of runs", "they are asked for run by run", ("sampledhistory", "specs"))
_IN_A_PAGE = 64
"""Specs in one page: W&B's own MCP server asks for 8 specs of 8 runs. The first page has half as many."""

BUCKETS = Extra("extremes of histories by buckets", "all values are read", ("bucketedhistory", "specs"))
ALL_KEYS = Extra("the keys of all histories of a listing", "each history is asked for its keys", ("historykeys",))

KEYS_ALONG = Along(
    fields=("historyKeys",),
    variables=(),
    extra=Extra("keys of histories in pages of runs", "they are asked for run by run", ("historykeys",)),
    first=50,
    later=200,
)
"""What is known of the keys of each run, along with the runs."""

_STEP = "_step"
_ROWS = "_timestamp"
"""The key that stands for all rows: a server answers a spec for nothing but steps with nothing."""


def spec_of(key: str, low: int | None = None, high: int | None = None, *, samples: int = UNSAMPLED) -> str:
    """The spec of one key between two steps, both included."""
    spec: dict[str, Any] = {"keys": [_STEP, _ROWS if key == _STEP else key], "samples": samples}
    if low is not None:
        spec["minStep"] = low
    if high is not None:
        spec["maxStep"] = high
    return dumps(spec)


@attrs.frozen(slots=True)
class KeyAsk:
    """Specs of one object."""

    ref: RunRef
    specs: tuple[str, ...]


def bucket_spec(key: str) -> str:
    """The spec of the extremes of a key in equal ranges of steps."""
    return dumps({"keys": [key], "bins": _BINS, "samples": _BINS, "xAxis": _STEP})


_BINS = 50
"""A few: the extremes of all of them are what is wanted."""


def key_ask_request(
    meta: EntityMeta, asks: Sequence[KeyAsk], *, counts: bool, field: str = "sampledHistory"
) -> Request:
    """The request for the specs of several objects. ``counts``: and for what is known of their keys."""
    route = _point(meta)
    variables: dict[str, Any] = {}
    for slot, ask in enumerate(asks):
        parent = {PROJECT: ask.ref.project, ENTITY: ask.ref.entity, _KEY: ask.ref.name}
        for name in route.variables:
            variables[f"{name}_{slot}"] = parent[name]
        variables[f"specs_{slot}"] = list(ask.specs)
    divisible = len(asks) > 1 or len(asks[0].specs) > 1
    document = _document(route, _operation(meta), len(asks), counts, field)
    return Request(document, variables, _operation(meta), divisible=divisible)


def along_of(specs: Sequence[str]) -> Along | None:
    """The specs in the pages of a listing; None if a page would have but a few rows."""
    if len(specs) > _IN_A_PAGE // 8:
        return None
    return Along(
        fields=("historyKeys", "sampledHistory(specs: $specs)"),
        variables=(("specs", "[JSONString!]!", tuple(specs)),),
        extra=_IN_PAGES,
        first=_IN_A_PAGE // 2 // len(specs),
        later=_IN_A_PAGE // len(specs),
    )


def all_keys_request(scans: Sequence[Scan]) -> Request:
    """The request for the keys of all histories of several connections."""
    scan = scans[0]
    filtering = any(item.pushed.wire is not None for item in scans)
    name = f"{scan.node.meta.plural}HistoryKeys"
    variables: dict[str, Any] = {}
    for slot, item in enumerate(scans):
        suffix = f"_{slot}" if len(scans) > 1 else ""
        variables |= {variable + suffix: item.parent.get(variable) for variable in item.route.variables}
        if filtering:
            variables["filters" + suffix] = dumps(item.pushed.wire or {})
    return Request(_all_keys_document(scan.route, scan.node.meta.graphql, name, len(scans), filtering), variables, name)


@lru_cache(maxsize=16)
def _all_keys_document(route: Route, graphql: str, name: str, slots: int, filtering: bool) -> Document:
    beside = attrs.evolve(route, count="connection:historyKeys")
    return build(Shape(name=name, mode="count", route=beside, graphql=graphql, node=(), filters=filtering, slots=slots))


_KEY = "key"


def _operation(meta: EntityMeta) -> str:
    return f"{meta.name}Histories"


def _point(meta: EntityMeta) -> Route:
    """The route to one object by its key."""
    return next(route for route in meta.options.points if route.key == meta.options.key)


@lru_cache(maxsize=512)
def _document(route: Route, operation: str, slots: int, counts: bool, field: str) -> Document:
    declared: dict[str, str] = {}
    selection = []
    for slot in range(slots):
        declared[f"specs_{slot}"] = "[JSONString!]!"
        inside: Selection = (
            ("id", ()),
            *((("historyKeys", ()),) if counts else ()),
            (f"{field}(specs: $specs_{slot})", ()),
        )
        for step in reversed(route.steps):
            arguments = ", ".join(f"{arg.name}: ${arg.variable}_{slot}" for arg in step.args)
            declared |= {f"{arg.variable}_{slot}": arg.type for arg in step.args}
            inside = ((f"{step.field}({arguments})", inside),)
        head, within = inside[0]
        selection.append((f"s{slot}: {head}", within))
    return write(f"query {operation}", declared.items(), tuple(selection))


def answered(data: Mapping[str, Any], meta: EntityMeta, slot: int) -> Any:
    """The object of one slot in an answer, or None."""
    at: Any = data
    for index, step in enumerate(_point(meta).steps):
        at = at[f"s{slot}" if index == 0 else step.field]
        if at is None:
            return None
    return at
