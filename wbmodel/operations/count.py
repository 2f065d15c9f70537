"""Count rows: by the server if its filter is exact, else by reading the fields that the condition uses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from wbmodel.compiler.extras import ALIASES, Extra, counting
from wbmodel.compiler.physical import ForEach, Merge, Scan
from wbmodel.compiler.requests import count_request
from wbmodel.compiler.target import Target
from wbmodel.meta.scopes import PARTS, PROJECT
from wbmodel.operations.answer import Operation, answer, send_all, walk
from wbmodel.operations.operand_types import say_why_empty
from wbmodel.operations.results import results
from wbmodel.operations.run import collect, planned, settle
from wbmodel.operations.ways_back import on_lesser_terms, refusable
from wbmodel.query.plan import Plan

__all__ = ["count", "count_in", "countable", "exists", "is_counted"]


def count(plan: Plan, target: Target) -> Operation[int]:
    """The number of results of a plan."""
    if plan.is_unique:
        return len((yield from results(plan, target)))
    if plan.is_empty:
        return 0
    bare = plan.bare(order=(), unordered=True, start=0, stop=None)
    total, _ = yield from on_lesser_terms(partial(_total, bare), target)
    if total == 0:
        yield from say_why_empty(plan, target)
    rows = max(total - plan.start, 0)
    return rows if plan.stop is None else min(rows, plan.stop - plan.start)


def _total(bare: Plan, target: Target) -> Operation[int]:
    scans, target = yield from countable(bare, target)
    total = None if scans is None else (yield from _server_count(scans, target))
    if total is None:
        # Each row is read with only the fields that the condition uses.
        total = len((yield from collect(bare, target)))
    return total


def exists(plan: Plan, target: Target) -> Operation[bool]:
    """Whether a plan has any row: reads one row, with only the fields that the condition uses."""
    stop = plan.start + 1 if plan.stop is None else min(plan.stop, plan.start + 1)
    found = yield from collect(plan.bare(order=(), unordered=True, stop=stop), target)
    if not found:
        yield from say_why_empty(plan, target)
    return bool(found)


def countable(plan: Plan, target: Target) -> Operation[tuple[list[Scan] | None, Target]]:
    """The connections whose rows the server counts exactly, none of them twice; None if it does not. With the target
    that they are for."""
    step, target = yield from planned(plan, target)
    if isinstance(step, ForEach) and step.pushed.grade != "exact":
        return None, target
    step = yield from settle(step, target)
    sources = step.sources if isinstance(step, Merge) else (step,)
    counted = [source for source in sources if isinstance(source, Scan)]
    if len(counted) < len(sources) or not all(is_counted(scan, target) for scan in counted):
        return None, target
    return (counted if len(counted) < 2 or _apart(counted) else None), target


def _server_count(counted: Sequence[Scan], target: Target) -> Operation[int | None]:
    """The sum of the server's counts; None if it does not tell one."""
    routes = {id(scan.route): scan.route for scan in counted}
    total = 0
    for route_id in routes:
        scans = [scan for scan in counted if id(scan.route) == route_id]
        most = target.capabilities.max_aliases
        chunks = [scans[at : at + most] for at in range(0, len(scans), most)]
        requests = [count_request(chunk) for chunk in chunks]
        with refusable(partial(_extras, scans, chunks), scans):
            responses = yield from send_all(requests)
            answers = [answer(target, *pair) for pair in zip(requests, responses, strict=True)]
        for chunk, data in zip(chunks, answers, strict=True):
            for index, scan in enumerate(chunk):
                number = count_in(scan, data, f"s{index}" if len(chunk) > 1 else None, target)
                if number is None:
                    return None
                total += number
    return total


def count_in(scan: Scan, data: dict[str, Any], alias: str | None, target: Target) -> int | None:
    """The number of a connection's rows in a response; 0 if its parent need not exist and does not."""
    route = scan.route
    parent, _ = walk(scan.node.meta, route, scan.parent, data, alias, target.place, optional=scan.optional)
    if parent is None:
        return 0
    place = parent if (route.count or "").startswith("parent:") else parent[route.connection]
    number: int | None = place[route.count_field]
    return number


def _extras(scans: Sequence[Scan], chunks: Sequence[Sequence[Scan]]) -> set[Extra]:
    found = {counting(scans[0].route.count_field)}
    return found | {ALIASES} if len(chunks) < len(scans) else found


def is_counted(scan: Scan, target: Target) -> bool:
    """Whether the server's count of rows is exact for this scan."""
    route = scan.route
    if scan.check is not None or route.count is None or counting(route.count_field) in target.refused:
        return False
    if scan.filter is None:
        return True
    honours = "(filters)" in route.count or route.count.startswith("connection:")
    return honours and target.capabilities.count


def _apart(scans: Sequence[Scan]) -> bool:
    """Whether the connections belong to different projects, so that they share no rows and counts add up."""
    places = {tuple(scan.parent.get(part) for part in PARTS[PROJECT]) for scan in scans}
    named = all(map(all, places))
    return named and len(places) == len(scans) and all(scan.route.context == PROJECT for scan in scans)
