"""Compile a logical plan to a physical plan: connections, order, pushdown and local work. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import attrs

from wbmodel.compiler.access import Access, plan_access
from wbmodel.compiler.extras import BY_DATE, FAR, KEYS, NAMES, SIDES, Extra, counting, in_order, split
from wbmodel.compiler.filters import UNFILTERED, Note, compile_filter, conjoined, order_path, server_path
from wbmodel.compiler.physical import (
    Check,
    ForEach,
    Get,
    KeysetBy,
    Merge,
    NodeSpec,
    Parent,
    Scan,
    SortHere,
    Step,
    Ties,
    ValuesFirst,
)
from wbmodel.compiler.requests import around
from wbmodel.compiler.target import Target
from wbmodel.meta import Expansion, Kind, Route, entity_meta
from wbmodel.meta.parts import Wanted
from wbmodel.query.conditions import leaves, one_of, reads_of, refuse_unsent
from wbmodel.query.order import OrderKey, tie_break
from wbmodel.query.paths import Path
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q
from wbmodel.query.scopes import Scopes

__all__ = ["compile_plan", "expand"]

MOST_NAMES = 1000
"""The most rows that are asked for by name: some 30 kB of names."""


def compile_plan(plan: Plan, target: Target) -> Step:
    """The physical plan of a query. Raises :class:`~wbmodel.errors.FieldError` if a required scope is missing."""
    if plan.is_empty:
        return Merge()
    access = plan_access(plan, target)
    if access.route is None or access.route.connection is not None:
        plan = _listed(plan)
    return _Planner(plan, target, access).step(access)


def _listed(plan: Plan) -> Plan:
    """A plan of a listing, without the rows that it has only if its condition asks for them, such as deleted ones."""
    named = {leaf.path.field.name for leaf in leaves(plan.where) if leaf.path.related is None}
    for name, values in plan.meta.options.listed.items():
        if name not in named:
            alone = len(values) == 1
            plan = plan.where_also(Q(**({name: values[0]} if alone else {f"{name}__in": values})))
    return plan


def expand(each: ForEach, found: Sequence[Scopes], target: Target) -> Step:
    """The step that replaces ``each`` once its listing has provided the missing scopes, ``found``."""
    plan = attrs.evolve(each.plan, lenient=True)
    paths = [plan_access(attrs.evolve(plan, scopes=scopes), target, listed=True) for scopes in found]
    if not paths:
        return Merge()
    return _Planner(plan, target, paths[0]).combined(paths)


class _Planner:
    """Plans one query, access path by access path."""

    def __init__(self, plan: Plan, target: Target, access: Access) -> None:
        self.plan, self.target, self.can, self.meta = plan, target, target.capabilities, plan.meta
        routes = (access.route,) if access.route is not None else self.meta.options.routes
        self.pushed = compile_filter(plan.where, self.can, any(map(self._can_filter, routes)))
        asked = plan.order_keys
        known = {key.path.field.name for key in asked if not key.path.keys and key.path.related is None}
        self.keys = (*asked, *(key for key in tie_break(self.meta) if key.path.field.name not in known))
        # A single node is never ordered.
        is_single = access.route is not None and access.route.connection is None and len(access.parents) == 1
        needed: set[Wanted] = set() if is_single else {wanted for key in self.keys for wanted in key.path.reads}
        # The keys of the rows, for a route that takes them; the rows are checked all the same.
        can_name = any(route.names is not None for route in routes) and NAMES not in target.refused
        self.names = one_of(plan.where, Path(self.meta.fields[self.meta.key])) if can_name else ()
        if not 0 < len(self.names) <= MOST_NAMES:
            self.names = ()
        if self.names:
            self.pushed = attrs.evolve(self.pushed, notes=tuple(map(self._with_names, self.pushed.notes)))
        # The whole check of a row, for connections without filters; and what is left of it if the filter is pushed.
        self.whole = Check(plan.where, access.checks) if plan.where is not None or access.checks else None
        self.left = None if self.pushed.grade == "exact" and not access.checks else self.whole
        if self.left is not None:
            needed.update(reads_of(plan.where))
            needed.update(head for dotted, _ in access.checks if (head := dotted.partition(".")[0]) in self.meta.fields)
        fields, keys = plan.fields(needed), plan.keys(needed)
        whole = KEYS in target.refused
        self.node = NodeSpec(meta=self.meta, fields=fields, keys=keys, whole=whole, related=plan.related, cls=plan.cls)

    def _with_names(self, note: Note) -> Note:
        """The note on a leaf, which the route's names evaluate if it is about them."""
        path, names = Path(self.meta.fields[self.meta.key]), list(self.names)
        if note.grade != "local" or one_of(note.leaf, path) != self.names:
            return note
        return attrs.evolve(note, grade="superset", wire={"names": names})

    # -- access paths ------------------------------------------------------------------------------

    def step(self, access: Access) -> Step:
        """The step of one access path."""
        if access.route is None or access.route.connection is not None:
            return self.combined([access])
        get = Get(
            node=self.node,
            route=access.route,
            parents=access.parents,
            place=self.target.place,
            pushed=self.pushed,
            key=access.key,
            check=self.left,
            optional=self.plan.lenient,
        )
        return get if len(access.parents) == 1 else SortHere(get, self.keys)

    def combined(self, paths: Sequence[Access]) -> Step:
        """The step of several access paths to connections."""
        sources: list[Step] = []
        for access in paths:
            if access.through is not None:
                sources.append(self._for_each(access, access.through))
                continue
            assert access.route is not None
            for parent in access.parents:
                if self.plan.unordered:
                    sources.append(self._any_order(access.route, parent, self._bounded(access.route)))
                else:
                    sources.append(self._ordered(access.route, parent, self.keys))
        if len(sources) == 1:
            return sources[0]
        return Merge(tuple(sources), () if self.plan.unordered else self.keys)

    def _for_each(self, access: Access, expansion: Expansion) -> ForEach:
        via = entity_meta(expansion.via)
        heads = [path.partition(".")[0] for path in expansion.gives.values()]
        listing = Plan(
            meta=via,
            scopes={name: access.scopes[name] for name in expansion.takes if name in access.scopes},
            only=tuple(dict.fromkeys(head for head in heads if head in via.fields)),
            lenient=self.plan.lenient,
        )
        return ForEach(
            listing=listing,
            expansion=expansion,
            plan=self.plan,
            then=self._ordered(self.meta.options.routes[0], {}, self.keys),
            scopes=access.scopes,
            pushed=self.pushed,
        )

    # -- connections -------------------------------------------------------------------------------

    def _refused(self, make: Callable[[str], Extra], name: str) -> bool:
        refused = self.target.refused
        return bool(refused) and make(name) in refused

    def _can_filter(self, route: Route) -> bool:
        return route.filters and self.meta.graphql in self.can.filtered

    def _can_order(self, route: Route) -> bool:
        return route.order and self.meta.graphql in self.can.filtered

    def _check(self, route: Route) -> Check | None:
        if self._can_filter(route):
            return self.left
        refuse_unsent(self.plan.where, UNFILTERED)
        return self.whole

    def _bounded(self, route: Route) -> int | None:
        """The most rows needed from a connection, if every row it returns is a result."""
        return self.plan.stop if self._check(route) is None and not self.plan.is_unique else None

    def _scan(
        self,
        route: Route,
        parent: Parent,
        *,
        extra: dict[str, Any] | None,
        order: str | None,
        keyset: KeysetBy | None,
        limit: int | None,
        far: OrderKey | None = None,
        split: str | None = None,
    ) -> Scan:
        can = self.can
        far = None if FAR in self.target.refused else far
        several = limit is None or limit > can.max_page_size
        # With cursors of unknown semantics, pages may silently miss rows; the count reveals that.
        counted = several and can.count and not can.stable_cursors and self._counts_beside(route)
        sides = counted and keyset is not None and can.concurrent and SIDES not in self.target.refused
        return Scan(
            node=self.node,
            route=route,
            parent=parent,
            place=self.target.place,
            pushed=self.pushed,
            filter=conjoined(self.pushed.wire if self._can_filter(route) else None, extra),
            order=order,
            far=None if far is None else self._order_text(far),
            far_key=None if far is None else far.path,
            keyset=keyset,
            check=self._check(route),
            limit=limit,
            counted=counted and keyset is None,
            sides=sides,
            split=split,
            names=self.names if route.names is not None else (),
            optional=self.plan.lenient,
        )

    def _counts_beside(self, route: Route) -> bool:
        """Whether a page can include the number of all rows that match the filter."""
        if not (route.count or "").startswith("parent:") or not (route.count or "").endswith("(filters)"):
            return False
        if self._refused(counting, route.count_field):
            return False
        if not (self.pushed.wire is None or self._can_filter(route)):
            return False
        # If it is also selected for the context, the same field would count all rows.
        return route.context is None or route.count_field not in dict(around(self.node, route.context))

    def _any_order(self, route: Route, parent: Parent, limit: int | None, extra: dict[str, Any] | None = None) -> Scan:
        """All rows in any order, preferably one in which pages cannot miss rows."""
        order, keyset = None, None
        newest = next((key for key in tie_break(self.meta) if key.path.field.name == "created_at"), None)
        # If only one page is read, the server need not sort.
        if limit is None and newest is not None:
            text = self._order_text(newest) if self._can_order(route) else None
            keyset = None if text is None else self._keyset(route, newest)
            order = None if keyset is None else text
        return self._scan(route, parent, extra=extra, order=order, keyset=keyset, limit=limit)

    def _ordered(
        self, route: Route, parent: Parent, keys: tuple[OrderKey, ...], extra: dict[str, Any] | None = None
    ) -> Step:
        """The rows of one connection in the order of ``keys``."""
        head, rest = keys[0], keys[1:]
        order = self._order_text(head) if self._can_order(route) else None
        if order is None:
            return SortHere(self._any_order(route, parent, None, extra), keys)
        keyset = self._keyset(route, head)
        bounded = self._bounded(route)
        complete = self._server_order(keys)
        if complete is not None:
            scan = self._scan(route, parent, extra=extra, order=complete, keyset=keyset, limit=bounded)
            return attrs.evolve(scan, sorted_by=keys)
        one_more = None if bounded is None else bounded + 1
        # Where nothing is promised, the row from the far end tells whether the server heeds the order.
        doubted = not (self.can.nulls_last or self.plan.glance) and bool(self.plan.order or bounded is not None)
        far_end = head.flipped() if doubted else None
        if not (_is_nullable(head) and self._can_filter(route)):
            source = self._scan(route, parent, extra=extra, order=order, keyset=keyset, limit=one_more, far=far_end)
            return Ties(source, head, rest)
        name = server_path(head.path, self.can)
        if name is None or self._refused(split, name):
            return SortHere(self._any_order(route, parent, None, extra), keys)
        absent: dict[str, Any] = {name: None}
        there = conjoined(extra, {name: {"$ne": None}})
        if head.path.leaf.is_blank:
            absent, there = {"$or": [absent, {name: ""}]}, conjoined(there, {name: {"$ne": ""}})
        present = partial(self._scan, route, parent, extra=there, keyset=keyset, split=name)
        if head.path.kind.is_keyed and not (self.can.nulls_last or self.plan.glance):
            source = present(order=order, limit=one_more, far=head.flipped())
            far = present(order=self._order_text(head.flipped()), limit=min(self.can.page_size, self.can.max_page_size))
        else:
            source, far = present(order=order, limit=one_more, far=far_end), None
        without = self._ordered(route, parent, rest, conjoined(extra, absent))
        return ValuesFirst(Ties(source, head, rest, far), without, rest)

    # -- orders ------------------------------------------------------------------------------------

    def _server_order(self, keys: Sequence[OrderKey]) -> str | None:
        """The order text if the server can order by all ``keys`` with our semantics; else None."""
        can = self.can
        # A server has "" before other text, and here it counts as no value.
        blank = any(key.path.leaf.is_blank for key in keys)
        if blank or not (can.nulls_last and (can.multi_order or len(keys) == 1)):
            return None
        texts = [self._order_text(key) for key in keys]
        return None if None in texts else ",".join(text for text in texts if text is not None)

    def _order_text(self, key: OrderKey) -> str | None:
        """One key as the server writes it; None if the server has no name for it."""
        path = order_path(key.path, self.can)
        if path is None or self._refused(in_order, path):
            return None
        return ("-" if key.descending else "+") + path

    def _keyset(self, route: Route, first: OrderKey) -> KeysetBy | None:
        """The keyset of a server order whose first key is the date of creation, or None.

        It is not needed with stable cursors, and not possible on connections without filters.
        """
        if first.path.field.name != "created_at" or first.path.related is not None or first.path.keys:
            return None
        if BY_DATE in self.target.refused or self.can.stable_cursors or not route.paged or not self._can_filter(route):
            return None
        date = server_path(first.path, self.can)
        if date is None:
            return None
        key = self.meta.fields[self.meta.key]
        name = server_path(Path(key), self.can)
        return KeysetBy((first.path.field.wire, date), (key.wire, name), first.descending)


def _is_nullable(key: OrderKey) -> bool:
    """Whether rows may lack this key, so that the order has two parts: rows with the key, then rows without."""
    return bool(key.path.keys) or (key.path.leaf.nullable and key.path.kind is not Kind.ID)
