"""A plan, compiled for one backend: the way, the filter, the order and the shape of its documents. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, cast

import attrs

from wbmodel.backend.asks import Request
from wbmodel.codec import dumps
from wbmodel.compiler.access import Slot, Way, choose
from wbmodel.compiler.document import Shape, build, freeze
from wbmodel.compiler.filters import Compiled, compile_filter, order_path, server_path
from wbmodel.compiler.hydrate import Hydrator, hydrator
from wbmodel.compiler.selection import node_selection, related_fields
from wbmodel.compiler.target import Target
from wbmodel.meta import EntityMeta, Kind, Point, Route, entity_meta
from wbmodel.operations.keyset import Keyset
from wbmodel.query.conditions import fields_of
from wbmodel.query.evaluate import predicate
from wbmodel.query.order import OrderKey, tie_break
from wbmodel.query.paths import Path
from wbmodel.query.plan import Plan

__all__ = ["CompiledQuery", "compile_plan"]


@attrs.frozen(slots=True, kw_only=True, eq=False)
class CompiledQuery:
    """A compiled plan. ``keys`` is the complete order: the plan's keys, then what orders ties. ``check`` is what is
    still
    to be asked of each row, None when the server's answer is exact; ``whole`` is all that is asked of a row, for
    connections that take no filters."""

    plan: Plan
    target: Target
    way: Way
    filter: Compiled
    keys: tuple[OrderKey, ...]
    fields: tuple[str, ...]
    check: Callable[[Any], bool] | None
    whole: Callable[[Any], bool] | None

    @property
    def meta(self) -> EntityMeta:
        """The entity that is asked for."""
        return self.plan.meta

    def can_filter(self, route: Route) -> bool:
        """Whether this route's connection takes filters here."""
        return route.filters and self.meta.graphql in self.target.capabilities.filtered

    def can_order(self, route: Route) -> bool:
        """Whether this route's connection takes an order here."""
        return route.order and self.meta.graphql in self.target.capabilities.filtered

    def server_order(self, route: Route, keys: Sequence[OrderKey]) -> str | None:
        """The order text when the server can do all of ``keys`` just as it is meant; else None."""
        can = self.target.capabilities
        if not (self.can_order(route) and can.nulls_last and (can.multi_order or len(keys) == 1)):
            return None
        texts = [self.order_text(key) for key in keys]
        return None if None in texts else ",".join(text for text in texts if text is not None)

    def order_text(self, key: OrderKey) -> str | None:
        """One key as the server writes it, None when it has no name for it."""
        path = order_path(key.path, self.target.capabilities)
        return None if path is None else ("-" if key.descending else "+") + path

    def creation_order(self, route: Route, keys: Sequence[OrderKey]) -> Keyset | None:
        """The keyset of an order whose first key is the date of creation, None where there is none or no need of it:
        where a cursor goes on at its row anyway, and where a connection takes no filter or order by that date."""
        if self.target.capabilities.stable_cursors or not route.paged:
            return None
        if not (self.can_filter(route) and self.can_order(route)):
            return None
        first, fields = keys[0], self.meta.fields
        if first.path.field.name != "created_at" or first.path.related is not None or first.path.keys:
            return None
        date = server_path(first.path, self.target.capabilities)
        if date is None or self.order_text(first) is None:
            return None
        key = fields[self.meta.key]
        name = server_path(Path(key), self.target.capabilities)
        return Keyset((first.path.field.wire, date), (key.wire, name), first.descending)

    def any_order(self, route: Route) -> tuple[str | None, Keyset | None]:
        """The order to send where any will do, with its keyset: one in which no page misses a row, if there is one."""
        newest = [key for key in tie_break(self.meta) if key.path.field.name == "created_at"]
        keyset = self.creation_order(route, newest) if newest else None
        return (None, None) if keyset is None else (self.order_text(newest[0]), keyset)

    def counts_beside(self, route: Route) -> bool:
        """Whether a page of this route can come with the number of all rows, of which the filter holds too."""
        place, filtered = _count_of(route)
        if not (place == "parent" and filtered and (self.filter.wire is None or self.can_filter(route))):
            return False
        # Selected for another reason, the same field would count something else.
        return all(name != self.count_field(route) for name, _ in self._context(route))

    def count_field(self, route: Route) -> str:
        """The field that counts a route's rows."""
        assert route.count is not None
        return route.count.partition(":")[2].partition("(")[0]

    def hydrate(self, route: Route | Point) -> Hydrator:
        """The function that makes entities of this query's nodes."""
        return hydrator(self.meta, self.fields, self.plan.related, route.context, self.plan.cls)

    def shape(
        self,
        route: Route | Point,
        mode: str,
        *,
        slots: int = 1,
        filters: bool = False,
        order: bool = False,
        counted: bool = False,
    ) -> Shape:
        """The shape of a document along ``route``."""
        if isinstance(route, Point):
            route = _as_route(route)
        return Shape(
            name=self.meta.plural + ("Count" if mode == "count" else "") if mode != "point" else self.meta.name,
            mode=mode,
            route=route,
            graphql=self.meta.graphql,
            node=() if mode == "count" else self._node(route),
            context=() if mode == "count" else self._context(route),
            filters=filters,
            order=order,
            slots=slots,
            counted=counted,
        )

    def _node(self, route: Route) -> tuple[Any, ...]:
        key = ("node", self.fields, self.plan.related, route.context)
        found = self.meta.caches.get(key)
        if found is None:
            found = freeze(node_selection(self.meta, self.fields, self.plan.related, route.context))
            self.meta.caches[key] = found
        return cast("tuple[Any, ...]", found)

    def _context(self, route: Route) -> tuple[Any, ...]:
        if route.context is None:
            return ()
        key = ("context", route.context, self.plan.related)
        found = self.meta.caches.get(key)
        if found is None:
            field = self.meta.fields[route.context]
            assert field.target is not None
            target = entity_meta(field.target)
            inner = related_fields(field.name, self.plan.related, target, field.identity)
            found = self.meta.caches[key] = freeze(node_selection(target, *inner))
        return cast("tuple[Any, ...]", found)

    def context_hydrator(self, route: Route | Point) -> Hydrator | None:
        """What makes the object of the route's context step."""
        if route.context is None:
            return None
        field = self.meta.fields[route.context]
        assert field.target is not None
        target = entity_meta(field.target)
        return hydrator(target, *related_fields(field.name, self.plan.related, target, field.identity))

    def request(
        self,
        route: Route,
        slots: Sequence[Slot],
        filters: Sequence[dict[str, Any] | None],
        order: str | None = None,
        first: int | None = None,
        after: Sequence[str | None] = (),
        mode: str = "list",
        *,
        counted: bool = False,
    ) -> Request:
        """The request for one page of each slot (or for the count of each); ``counted``: with the number of all rows
        beside the page."""
        filtering = any(item is not None for item in filters)
        shape = self.shape(
            route, mode, slots=len(slots), filters=filtering, order=order is not None, counted=counted
        )  # fmt: skip
        variables: dict[str, Any] = {}
        many = len(slots) > 1
        for index, slot in enumerate(slots):
            suffix = f"_{index}" if many else ""
            for name in _variables(route):
                variables[name + suffix] = slot.get(name)
            if filtering:
                variables["filters" + suffix] = dumps(filters[index] or {})
            if mode == "list" and route.paged:
                variables["after" + suffix] = after[index] if after else None
        if order is not None:
            variables["order"] = order
        if mode == "list" and route.paged:
            variables["first"] = first
        return Request(build(shape), variables, shape.name)

    def point_request(self, slots: Sequence[Slot], keys: Sequence[Any]) -> Request:
        """The request for one node of each slot, by its key."""
        assert self.way.point is not None
        shape = self.shape(self.way.point, "point", slots=len(slots))
        variables: dict[str, Any] = {}
        for index, (slot, key) in enumerate(zip(slots, keys, strict=True)):
            values = {**slot, "key": key}
            for name in _variables(shape.route):
                variables[f"{name}_{index}" if len(slots) > 1 else name] = values.get(name)
        return Request(build(shape), variables, shape.name)


def _count_of(route: Route) -> tuple[str, bool]:
    place, _, field = (route.count or "").partition(":")
    return place, field.endswith("(filters)")


_pointed: dict[Point, Route] = {}


def _as_route(point: Point) -> Route:
    """The route of a point's steps; one object per point, as shapes compare routes by identity."""
    found = _pointed.get(point)
    if found is None:
        found = _pointed[point] = Route(needs=point.needs, steps=point.steps, connection="", context=point.context)
    return found


def _variables(route: Route) -> list[str]:
    return [arg.variable for step in route.steps for arg in step.args] + [arg.variable for arg in route.args]


def compile_plan(plan: Plan, target: Target) -> CompiledQuery:
    """Compile a plan. Raises :class:`~wbmodel.errors.FieldError` when the query does not say where to look."""
    way = choose(plan, target)
    meta = plan.meta
    routes = [way.route] if way.route is not None else list(meta.options.routes)
    pushed = (
        way.point is None and meta.graphql in target.capabilities.filtered and any(route.filters for route in routes)
    )
    compiled = compile_filter(plan.where, target.capabilities, pushed)
    asked = plan.order_keys
    known = {key.path.field.name for key in asked if not key.path.keys and key.path.related is None}
    keys = (*asked, *(key for key in tie_break(meta) if key.path.field.name not in known))
    exact = compiled.grade == "exact" and not way.checks
    needed = {key.path.field.name for key in keys}
    if not exact:
        needed.update(fields_of(plan.where))
        needed.update(head for dotted, _ in way.checks if (head := dotted.partition(".")[0]) in meta.fields)
    whole = _whole(plan, way)
    return CompiledQuery(
        plan=plan,
        target=target,
        way=way,
        filter=compiled,
        keys=keys,
        fields=plan.fields(needed),
        check=None if exact else whole,
        whole=whole,
    )


def _whole(plan: Plan, way: Way) -> Callable[[Any], bool] | None:
    """All that is asked of a row: the condition, and the scopes that the way does not go through."""
    tests = [_shows(attrgetter(dotted), values) for dotted, values in way.checks]
    condition = predicate(plan.where)
    if condition is not None:
        tests.append(condition)
    if len(tests) > 1:
        return lambda row: all(test(row) for test in tests)
    return tests[0] if tests else None


def _shows(get: Callable[[Any], Any], values: frozenset[str]) -> Callable[[Any], bool]:
    def test(row: Any) -> bool:
        shown = get(row)
        # A project that was named without its entity is shown with it.
        return shown in values or (isinstance(shown, str) and shown.rpartition("/")[2] in values)

    return test


def is_nullable(key: OrderKey) -> bool:
    """Whether rows may lack this key, so that the order has two parts: those that have it, then the rest."""
    return bool(key.path.keys) or (key.path.leaf.nullable and key.path.kind is not Kind.ID)
