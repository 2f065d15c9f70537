"""Which way a query takes to its rows: a route to a connection, a point to one node, or through another entity
first."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import attrs

from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError
from wbmodel.meta import EntityMeta, Expansion, Point, Route
from wbmodel.query.conditions import Leaf, Node
from wbmodel.query.plan import Plan
from wbmodel.query.scopes import split_project, split_run

__all__ = ["Slot", "Way", "choose", "slot_variables"]


Slot = Mapping[str, Any]
"""One parent: the variables of the steps (``project``, ``entity``, ``run`` ...)."""


@attrs.frozen(slots=True, kw_only=True)
class Way:
    """The way to take: ``route`` to a connection or ``point`` to one node (by ``key`` where it has one), for each of
    ``slots``; or ``through`` another entity, whose rows give the values of a missing scope. ``checks`` are scopes that
    the way does not go through: each row is asked for them, by the dotted attribute that shows them."""

    route: Route | None = None
    point: Point | None = None
    key: str | None = None
    slots: tuple[Slot, ...] = ()
    through: Expansion | None = None
    scopes: Mapping[str, tuple[Any, ...]] = attrs.field(factory=dict)
    checks: tuple[tuple[str, frozenset[str]], ...] = ()


_PLACES = frozenset({"project", "run", "artifact", "entity"})


def choose(plan: Plan, target: Target, *, listed: bool = False) -> Way:
    """The way for a plan. Raises :class:`FieldError` when a scope that is needed is missing, or when two scopes name
    ways that cannot be taken together. ``listed``: only ways to a connection will do."""
    meta = plan.meta
    known = meta.options.scopes
    scopes = dict(plan.scopes)
    if "project" in known and not {known[name] for name in scopes} & _PLACES and target.project is not None:
        scopes["project"] = (target.project,)
    elif (
        known.get("entity")
        and "project" not in known
        and not scopes
        and (target.entity or not target.capabilities.all_projects)
    ):
        # Projects of nobody in particular: those of the session's entity, else all there are, else the viewer's own.
        scopes["entity"] = (target.entity,)
    pointed = None if listed else _point(plan, scopes, target)
    if pointed is not None:
        return pointed
    route = _route(meta, scopes)
    if route is not None:
        slots, checks = _slots(meta, scopes, route.needs, target), _checks(meta, scopes, route.needs, target)
        return Way(route=route, slots=slots, scopes=scopes, checks=checks)
    for expansion in meta.options.expand:
        if expansion.gives.keys() <= scopes.keys() or not _covers(meta, scopes, expansion):
            continue
        if (
            not {"project", "entity"} & (expansion.gives.keys() - scopes.keys())
            or "entity" in scopes
            or target.capabilities.all_projects
        ):
            return Way(through=expansion, scopes=scopes)
    if "project" in known and "project" not in scopes:
        raise FieldError(
            f"{meta.name}: which project? Give project='entity/project' in filter() or in connect(), or "
            "entity='...' for "
            "all projects of one entity; this backend does not list every project there is"
        )
    needs = sorted({name for item in meta.options.routes for name in item.needs if name not in scopes})
    raise FieldError(f"{meta.name}: the query does not say {' or '.join(needs)}; give it in filter()")


def _point(plan: Plan, scopes: Mapping[str, tuple[Any, ...]], target: Target) -> Way | None:
    """The way to one node, when the condition or the scopes fix its key. The rest of the condition is asked of the node
    here, so nothing is lost by taking it."""
    for point in plan.meta.options.points:
        key = None if point.key is None else _fixed(plan.where, point.key)
        if point.key is not None and key is None:
            continue
        if not set(point.needs) <= scopes.keys() or _unchecked(plan.meta, scopes, point.needs):
            continue
        slots = _slots(plan.meta, scopes, point.needs, target)
        if key is None or len(slots) == 1:
            checks = _checks(plan.meta, scopes, point.needs, target)
            return Way(point=point, key=key, slots=slots, scopes=scopes, checks=checks)
    return None


def _fixed(where: Node | None, key: str) -> str | None:
    """The one value that the condition leaves for the field ``key``, or None."""
    for leaf in _top(where):
        path = leaf.path
        same = path.field.name == key and path.related is None and not path.keys
        if same and leaf.lookup.name == "exact" and not leaf.negated and isinstance(leaf.operand, str) and leaf.operand:
            return leaf.operand
    return None


def _covers(meta: EntityMeta, scopes: Mapping[str, Any], expansion: Expansion) -> bool:
    """Whether some route can be taken once the expansion has given its scopes, or has been followed by another."""
    if "project" in expansion.gives and len(expansion.gives) == 1:
        return True
    known = scopes.keys() | expansion.gives.keys()
    return any(set(route.needs) <= known for route in meta.options.routes)


def _route(meta: EntityMeta, scopes: Mapping[str, Any]) -> Route | None:
    key = ("route", *scopes)
    known: Route | None = meta.caches.get(key)
    if known is not None:
        return known
    fitting = [route for route in meta.options.routes if set(route.needs) <= scopes.keys()]
    whole = [route for route in fitting if not _unchecked(meta, scopes, route.needs)]
    if fitting and not whole:
        more = sorted(_unchecked(meta, scopes, max(fitting, key=lambda route: len(route.needs)).needs))
        others = sorted(scopes.keys() - set(more))
        raise FieldError(
            f"{meta.name}: {', '.join(more)} and {', '.join(others)} are different ways to the rows and cannot be "
            "taken together; ask for one and filter its rows"
        )
    if not whole:
        return None
    found = meta.caches[key] = max(whole, key=lambda route: len(route.needs))
    return found


def _taken(needs: tuple[str, ...]) -> set[str]:
    """The scopes that a way with these needs goes through: the entity is half of a project's name."""
    return {*needs, "entity"} if "project" in needs else set(needs)


def _unchecked(meta: EntityMeta, scopes: Mapping[str, Any], needs: tuple[str, ...]) -> set[str]:
    return scopes.keys() - _taken(needs) - meta.options.checks.keys()


def _checks(
    meta: EntityMeta, scopes: Mapping[str, tuple[Any, ...]], needs: tuple[str, ...], target: Target
) -> tuple[tuple[str, frozenset[str]], ...]:
    left = [name for name in scopes if name not in _taken(needs)]
    return tuple((meta.options.checks[name], _values(meta, name, scopes[name], target)) for name in left)


def _values(meta: EntityMeta, name: str, values: tuple[Any, ...], target: Target) -> frozenset[str]:
    """The values of a scope as rows show them: whole paths."""
    whole = set()
    for value in values:
        slot = slot_variables(meta, {name: value}, None, target) or {}
        whole.add("/".join(str(slot[part]) for part in ("entity", "project", "run") if slot.get(part)) or str(value))
    return frozenset(whole)


def _slots(
    meta: EntityMeta, scopes: Mapping[str, tuple[Any, ...]], needs: tuple[str, ...], target: Target
) -> tuple[Slot, ...]:
    # A project whose entity is another one has no slot; when none is left, the query contradicts itself.
    with_project = "project" in needs
    entities = scopes.get("entity", (None,)) if with_project else (None,)
    slots: list[Slot] = []
    for entity in entities:
        for values in product(*(scopes[name] for name in needs)):
            slot = slot_variables(meta, dict(zip(needs, values, strict=True)), entity, target)
            if slot is not None and slot not in slots:
                slots.append(slot)
    if not slots and all(scopes[name] for name in needs):
        projects, owners = (", ".join(map(repr, scopes[name])) for name in ("project", "entity"))
        raise FieldError(f"project={projects} is not a project of entity={owners}; say one of the two")
    return tuple(slots)


def slot_variables(
    meta: EntityMeta, values: Mapping[str, Any], entity: str | None, target: Target
) -> dict[str, Any] | None:
    """The variables of one slot, for one value of each scope; None when the project is not the entity's."""
    slot: dict[str, Any] = {}
    for name, value in values.items():
        kind = meta.options.scopes[name]
        if kind == "project":
            owner, slot["project"] = split_project(value)
            if owner is not None and entity is not None and owner != entity:
                return None
            slot["entity"] = owner or entity or target.entity
        elif kind == "run":
            owner, project, slot["run"] = split_run(value)
            if project is None and target.project is not None:
                home, project = split_project(target.project)
                owner = owner or home
            if project is None:
                raise FieldError(f"{name}={value!r} does not say the project; write entity/project/run_id")
            slot["project"] = project
            slot["entity"] = owner or target.entity
        else:
            slot[name] = value
    return slot


def _top(node: Node | None) -> list[Leaf]:
    if node is None:
        return []
    if isinstance(node, Leaf):
        return [node]
    return [item for item in node.children if isinstance(item, Leaf)] if node.connector == "AND" else []
