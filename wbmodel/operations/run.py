"""Run a query: its rows, page by page, each row once and cut to the slice."""

from __future__ import annotations

from typing import Any

import attrs

from wbmodel.compiler.compile import compile_plan, expand
from wbmodel.compiler.physical import Along, ForEach, Get, Merge, Scan, Step, ValuesFirst, scans, with_along
from wbmodel.compiler.target import Target
from wbmodel.errors import QueryWarning, warn
from wbmodel.json_values import ABSENT
from wbmodel.meta.scopes import ENTITY
from wbmodel.operations.answer import Operation
from wbmodel.operations.keys import look_for
from wbmodel.operations.paging import PageBudget, Seen
from wbmodel.operations.streams import RowStream, open_stream
from wbmodel.operations.ways_back import on_lesser_terms
from wbmodel.query.conditions import Leaf, WireLeaf
from wbmodel.query.evaluate import getter
from wbmodel.query.plan import Plan
from wbmodel.query.scopes import Scopes

__all__ = ["Cut", "Rows", "collect", "planned", "settle"]


class Rows:
    """The entities of a plan, each once, cut to the plan's slice.

    ``along``: what comes along with them, where the server's pages are what is asked for and a refusal leaves it in.
    """

    def __init__(self, plan: Plan, target: Target, along: Along | None = None) -> None:
        self.plan, self.target, self.along = plan, target, along
        self.brings = False
        """Whether anything comes along with the rows that are being read."""
        self.came: dict[str, dict[str, Any]] = {}
        """What came along with the rows, by node id, until it is taken."""
        self.stream: RowStream | None = None
        self.broken = False
        """Whether the stream ended in an error, so that another one has to be opened."""
        self.seen = Seen(plan.meta.row_id)
        self.cut = Cut(plan)
        self.checked = plan.glance

    def pull(self) -> Operation[list[Any] | None]:
        """The next rows; None at the end, or as soon as the slice is filled."""
        if self.cut.is_full or self.plan.is_empty:
            return None
        rows, self.target = yield from on_lesser_terms(self._fresh, self.target)
        return None if rows is None else self.cut.take(rows)

    def _fresh(self, target: Target) -> Operation[list[Any] | None]:
        """The next rows that were not given yet, by a plan for these terms."""
        again = self.stream is not None
        if self.stream is None or self.broken:
            step, target = yield from planned(self.plan, target)
            if not again:
                _say_what_is_local(step, target)
            step = yield from settle(step, target)
            self.brings = False
            if self.along is not None and self.along.extra not in target.refused and not self.plan.start:
                bare, step = step, with_along(step, self.along)
                self.brings = step is not bare
            budget = PageBudget(target, sliced=self.plan.stop is not None)
            self.stream, self.came = open_stream(step, budget, []), budget.along
        self.broken = True
        rows, fresh = (yield from self.stream.pull()), list[Any]()
        while rows is not None and not (fresh := self.seen.fresh(rows)) and again:
            rows = yield from self.stream.pull()
        self.broken = False
        if rows and not self.checked:
            self.checked = True
            yield from self._check_key(rows)
        return None if rows is None else fresh

    def _check_key(self, rows: list[Any]) -> Operation[None]:
        """Warn if no row has the first order key: rows that have it come first."""
        key = self.plan.order[0].path if self.plan.order and not self.plan.unordered else None
        if key is not None and key.keys and getter(key)(rows[0]) is ABSENT:
            yield from look_for(key, rows, self.plan, self.target, whole=self.plan.where is None)


class Cut:
    """Applies a plan's slice to a stream of items."""

    def __init__(self, plan: Plan) -> None:
        self.start, self.stop = plan.start, plan.stop
        self.position = 0

    @property
    def is_full(self) -> bool:
        """Whether the slice is filled."""
        return self.stop is not None and self.position >= self.stop

    def take(self, items: list[Any]) -> list[Any]:
        """The part of the next items inside the slice."""
        begin = max(self.start - self.position, 0)
        end = None if self.stop is None else max(self.stop - self.position, 0)
        self.position += len(items)
        return items[begin:end]


def collect(plan: Plan, target: Target) -> Operation[list[Any]]:
    """All entities of a plan as a list, for use inside another operation. Relations are not prefetched."""
    found: list[Any] = []
    rows = Rows(plan, target)
    while (more := (yield from rows.pull())) is not None:
        found += more
    return found


def planned(plan: Plan, target: Target) -> Operation[tuple[Step, Target]]:
    """The step of a plan, and the target with the entity that it means.

    Where the query and the session name no entity, it is the viewer's default one, which is asked for once in a
    session. A server need not know what a missing entity means.
    """
    step = compile_plan(plan, target)
    can = target.capabilities
    if target.viewer is None or can.in_process or can.all_projects or not _lacks_entity(step):
        return step, target
    home = yield from target.viewer.find_home()
    if home is None:
        return step, target
    target = attrs.evolve(target, entity=home)
    return compile_plan(plan, target), target


def _lacks_entity(step: Step) -> bool:
    """Whether a step would send null for an entity."""
    if isinstance(step, ForEach):
        return False  # its listing is planned by itself, and names the entities of the others
    if isinstance(step, Merge):
        return any(map(_lacks_entity, step.sources))
    if isinstance(step, (Scan, Get)):
        parents = (step.parent,) if isinstance(step, Scan) else step.parents
        return ENTITY in step.route.variables and any(parent.get(ENTITY) is None for parent in parents)
    return _lacks_entity(step.present if isinstance(step, ValuesFirst) else step.source)


# -- scopes from other entities --------------------------------------------------------------------


def settle(step: Step, target: Target) -> Operation[Step]:
    """Replace the parts of a step that go through another entity, by listing that entity (every project, say)."""
    if isinstance(step, ForEach):
        found = yield from _listed(step, target)
        return (yield from settle(expand(step, found, target), target))
    if isinstance(step, Merge) and any(isinstance(source, ForEach) for source in step.sources):
        sources: list[Step] = []
        for source in step.sources:
            settled = yield from settle(source, target)
            sources += settled.sources if isinstance(settled, Merge) else [settled]
        return attrs.evolve(step, sources=tuple(sources))
    return step


def _listed(each: ForEach, target: Target) -> Operation[list[Scopes]]:
    """The scopes that each row of a step's listing provides."""
    rows = yield from collect(each.listing, target)
    found = []
    for row in rows:
        scopes = dict(each.scopes)
        for name, path in each.expansion.gives.items():
            value = row
            for part in path.split("."):
                value = getattr(value, part)
            scopes[name] = (value,)
        found.append(scopes)
    return found


def _of_every_listing(leaf: Leaf | WireLeaf) -> bool:
    """Whether a listing has this condition by itself."""
    if isinstance(leaf, WireLeaf):
        return False
    owner: Any = leaf.path.field.owner
    return leaf.path.field.name in owner.__wbmodel_meta__.options.listed


def _say_what_is_local(step: Step, target: Target) -> None:
    """Warn once about conditions that cannot be pushed down, so that every row has to be read."""
    if target.capabilities.in_process or isinstance(step, Get):
        return
    pushed = step.pushed if isinstance(step, ForEach) else next((scan.pushed for scan in scans(step)), None)
    notes = () if pushed is None else pushed.notes
    local = [str(note.leaf) for note in notes if note.grade == "local" and not _of_every_listing(note.leaf)]
    if local:
        shown = "; ".join(local[:5]) + (f"; and {len(local) - 5} more" if len(local) > 5 else "")
        warn(
            f"{target.place} cannot evaluate this filter; it is applied locally to every row: {shown} "
            "(explain() shows details)",
            QueryWarning,
        )
