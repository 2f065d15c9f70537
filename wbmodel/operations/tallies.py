"""Count groups on the server: by each value of an enumeration, or by a field that tallies the values.

A tally is taken only if its numbers add up to the server's number of all rows; else the rows are read. So a value that
nobody knows of, a row with two values, or a list that the server cut are never lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

import attrs

from wbmodel.backend.asks import Request
from wbmodel.compiler.compile import compile_plan
from wbmodel.compiler.extras import ALIASES, Extra, counting, tallying
from wbmodel.compiler.filters import Compiled, conjoined, server_path
from wbmodel.compiler.physical import Scan
from wbmodel.compiler.requests import count_request, tally_request
from wbmodel.compiler.target import Target
from wbmodel.meta import FieldMeta, Kind
from wbmodel.operations.answer import Operation, answer, send_all, walk
from wbmodel.operations.count import count_in, countable, is_counted
from wbmodel.operations.ways_back import on_lesser_terms, refusable
from wbmodel.query.paths import Path
from wbmodel.query.plan import Plan

__all__ = ["Tally", "sent", "tally"]

Tally: TypeAlias = "Mapping[Any, int]"
"""The number of rows of each value, as rows hold it; ``None`` (or an empty tuple) for rows without one."""


def _is_tallied(plan: Plan, path: Path, target: Target) -> bool:
    """Whether a server may be asked for the number of rows of each value of a path."""
    field = path.field
    if path.keys or path.related is not None or plan.sliced or plan.is_empty:
        return False
    if server_path(path, target.capabilities) is None or len(_values(field)) >= target.capabilities.max_aliases:
        return False
    if field.choices:
        return True
    return field.tally is not None and plan.where is None and tallying(field.tally.name) not in target.refused


def tally(plan: Plan, path: Path, target: Target) -> Operation[Tally | None]:
    """The number of rows of each value; None if the server does not tell, so that rows have to be read."""
    found, _ = yield from on_lesser_terms(partial(_found, plan, path), target)
    return found


def _found(plan: Plan, path: Path, target: Target) -> Operation[Tally | None]:
    if not _is_tallied(plan, path, target):
        return None
    scans, target = yield from countable(plan.bare(order=(), unordered=True), target)
    return None if scans is None or len(scans) != 1 else (yield from _tally(scans[0], path.field, target))


def sent(plan: Plan, path: Path, target: Target) -> list[Request] | None:
    """The requests that :func:`tally` sends; None if it sends none. No I/O."""
    step = compile_plan(plan.bare(order=(), unordered=True), target) if _is_tallied(plan, path, target) else None
    return _requests(step, path.field, target) if isinstance(step, Scan) and is_counted(step, target) else None


def _requests(scan: Scan, field: FieldMeta, target: Target) -> list[Request]:
    """The requests that tally a field: numbers of rows, all and of each value, and the server's own list of values."""
    counts = count_request([scan, *(_only(scan, field, value, target) for value in _values(field))])
    return [counts] if field.choices else [counts, tally_request(scan, field)]


def _values(field: FieldMeta) -> list[Any]:
    """The values that are counted by filters: all that are declared, and none."""
    if field.kind is Kind.TEXTS:
        return []  # what a server takes for no item is unknown
    return [*field.choices, *([None] if field.nullable or not field.choices else ())]


def _extras(scan: Scan, field: FieldMeta) -> set[Extra]:
    found = {ALIASES, counting(scan.route.count_field)}
    return found if field.tally is None else {tallying(field.tally.name), *found}


def _tally(scan: Scan, field: FieldMeta, target: Target) -> Operation[Tally | None]:
    values = _values(field)
    first, *more = yield from _asked(scan, field, _requests(scan, field, target), target)
    several = bool(values)
    numbers = [count_in(scan, first, f"s{at}" if several else None, target) for at in range(len(values) + 1)]
    found: dict[Any, int | None] = dict(zip(values, numbers[1:], strict=True))
    if more:
        named = _named(scan, field, more[0], target)
        if named is None:
            return None
        found = {**named, **found}
    if field.kind is Kind.TEXTS:
        found = yield from _of_items(scan, field, found, numbers[0], target)
    told = {value: number for value, number in found.items() if number is not None}
    if len(told) < len(found) or sum(told.values()) != numbers[0]:
        return None
    return {value: number for value, number in told.items() if number}


def _of_items(
    scan: Scan, field: FieldMeta, found: dict[Any, int | None], total: int | None, target: Target
) -> Operation[dict[Any, int | None]]:
    """The numbers of rows that have one item each, and of those that have none. They do not add up if a row has two."""
    if not found:
        return {(): total}
    items = _only(scan, field, {"$in": list(found)}, target)
    (data,) = yield from _asked(scan, field, [count_request([items])], target)
    some = count_in(scan, data, None, target)
    none = None if total is None or some is None else total - some
    return {(): none, **{(item,): number for item, number in found.items()}}


def _asked(scan: Scan, field: FieldMeta, requests: list[Request], target: Target) -> Operation[list[dict[str, Any]]]:
    with refusable(lambda: _extras(scan, field), [scan]):
        responses = yield from send_all(requests)
        return [answer(target, *pair) for pair in zip(requests, responses, strict=True)]


def _only(scan: Scan, field: FieldMeta, value: Any, target: Target) -> Scan:
    """The scan of the rows with this value."""
    name = server_path(Path(field), target.capabilities)
    assert name is not None
    own: dict[str, Any] = {name: value}
    if value is None and field.is_blank:
        own = {"$or": [own, {name: ""}]}
    return attrs.evolve(scan, pushed=Compiled(conjoined(scan.filter, own), "exact", ()))


def _named(scan: Scan, field: FieldMeta, data: dict[str, Any], target: Target) -> dict[Any, int] | None:
    """The values and numbers of the server's own list; None if it does not have a whole one."""
    tally = field.tally
    assert tally is not None
    parent, _ = walk(scan.node.meta, scan.route, scan.parent, data, None, target.place, optional=scan.optional)
    at = None if parent is None else parent[tally.name]
    if isinstance(at, dict):
        at = [None if edge is None else edge["node"] for edge in at.get("edges", ())]
    found: dict[Any, int] = {}
    for item in at or ():
        if item is None or item[tally.value] is None or item[tally.value] in found:
            return None
        if item[tally.value] or not field.is_blank:  # "" means the same as null, which is counted by itself
            found[item[tally.value]] = item[tally.number]
    return None if at is None else found
