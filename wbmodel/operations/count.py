"""Count rows: by the server if its filter is exact, else by reading the fields that the condition uses."""

from __future__ import annotations

from collections.abc import Sequence

from wbmodel.compiler.physical import ForEach, Merge, Scan, Step
from wbmodel.compiler.requests import count_request
from wbmodel.compiler.target import Target
from wbmodel.meta.scopes import PARTS, PROJECT
from wbmodel.operations.answer import Operation, answer, send_all, walk
from wbmodel.operations.operand_types import say_why_empty
from wbmodel.operations.results import results
from wbmodel.operations.run import collect, planned, settle
from wbmodel.query.plan import Plan

__all__ = ["count", "exists"]


def count(plan: Plan, target: Target) -> Operation[int]:
    """The number of results of a plan."""
    if plan.is_unique:
        return len((yield from results(plan, target)))
    if plan.is_empty:
        return 0
    bare = plan.bare(order=(), unordered=True, start=0, stop=None)
    step, target = yield from planned(bare, target)
    total: int | None = None
    if not isinstance(step, ForEach) or step.pushed.grade == "exact":
        settled = yield from settle(step, target)
        total = yield from _server_count(settled, target)
    if total is None:
        # Each row is read with only the fields that the condition uses.
        total = len((yield from collect(bare, target)))
    if total == 0:
        yield from say_why_empty(plan, target)
    rows = max(total - plan.start, 0)
    return rows if plan.stop is None else min(rows, plan.stop - plan.start)


def exists(plan: Plan, target: Target) -> Operation[bool]:
    """Whether a plan has any row: reads one row, with only the fields that the condition uses."""
    stop = plan.start + 1 if plan.stop is None else min(plan.stop, plan.start + 1)
    found = yield from collect(plan.bare(order=(), unordered=True, stop=stop), target)
    if not found:
        yield from say_why_empty(plan, target)
    return bool(found)


def _server_count(step: Step, target: Target) -> Operation[int | None]:
    """The sum of the server's counts; None if a connection's count would not be exact."""
    sources = step.sources if isinstance(step, Merge) else (step,)
    counted = [source for source in sources if isinstance(source, Scan)]
    if len(counted) < len(sources) or not all(_is_counted(scan, target) for scan in counted):
        return None
    if len(counted) > 1 and not _apart(counted):
        return None
    routes = {id(scan.route): scan.route for scan in counted}
    total = 0
    for route_id in routes:
        scans = [scan for scan in counted if id(scan.route) == route_id]
        most = target.capabilities.max_aliases
        chunks = [scans[at : at + most] for at in range(0, len(scans), most)]
        requests = [count_request(chunk) for chunk in chunks]
        responses = yield from send_all(requests)
        for chunk, request, response in zip(chunks, requests, responses, strict=True):
            data = answer(target, request, response)
            for index, scan in enumerate(chunk):
                alias = f"s{index}" if len(chunk) > 1 else None
                route = scan.route
                parent, _ = walk(scan.node.meta, route, scan.parent, data, alias, target.place, optional=scan.optional)
                if parent is None:
                    continue
                place = parent if (route.count or "").startswith("parent:") else parent[route.connection]
                number = place[route.count_field]
                if number is None:
                    return None
                total += number
    return total


def _is_counted(scan: Scan, target: Target) -> bool:
    """Whether the server's count of rows is exact for this scan."""
    route = scan.route
    if scan.check is not None or route.count is None:
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
