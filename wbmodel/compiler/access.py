"""The access path of a query: a route to a connection or to one node, or through another entity first."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import product
from typing import Any

import attrs

from wbmodel.compiler.physical import Parent
from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError
from wbmodel.meta import EntityMeta, Expansion, Kind, Route
from wbmodel.meta.scopes import ENTITY, INSIDE, MEMBER, PARTS, PROJECT, TEXT
from wbmodel.query.conditions import fixed, leaves, only_sent
from wbmodel.query.paths import Path
from wbmodel.query.plan import Plan
from wbmodel.query.scopes import split_inside, split_project

__all__ = ["Access", "parent_of", "plan_access"]


@attrs.frozen(slots=True, kw_only=True)
class Access:
    """How to reach the rows: by ``route`` from each of ``parents``, or ``through`` another entity.

    ``key`` is the key of the node if the route leads to a single one. The rows of the entity in ``through`` provide the
    values of a missing scope. ``checks`` are scopes that the route does not go through: they are checked on each row,
    by the dotted attribute that holds their value.
    """

    route: Route | None = None
    key: str | None = None
    parents: tuple[Parent, ...] = ()
    through: Expansion | None = None
    scopes: Mapping[str, tuple[Any, ...]] = attrs.field(factory=dict)
    checks: tuple[tuple[str, frozenset[str]], ...] = ()


def plan_access(plan: Plan, target: Target, *, listed: bool = False) -> Access:
    """The access path of a plan. With ``listed``, only connections are considered.

    Raises :class:`FieldError` if a required scope is missing, or if two scopes need routes that cannot be combined, and
    :class:`~wbmodel.errors.ConfigurationError` for a page of another server.
    """
    meta = plan.meta
    for leaf in leaves(plan.where):
        if leaf.path.field.kind is Kind.REF:
            for operand in leaf.operand if isinstance(leaf.operand, list) else (leaf.operand,):
                target.refuse_page(operand)
    scopes = dict(plan.scopes)
    placed = any(meta.options.scopes[name] not in (TEXT, MEMBER) for name in scopes)
    if meta.home == PROJECT and not placed and target.project is not None:
        scopes[PROJECT] = (target.project,)
    elif meta.home == ENTITY and not scopes and (target.entity or not target.capabilities.all_projects):
        # Projects without a scope: those of the session's entity, else all projects, else the viewer's own.
        scopes[ENTITY] = (target.entity,)
    pointed = None if listed else _point(plan, scopes, target)
    if pointed is not None:
        return pointed
    route = _route(meta, frozenset(scopes))
    if route is not None:
        parents, checks = _parents(meta, scopes, route.needs, target), _checks(meta, scopes, route.needs, target)
        return Access(route=route, parents=parents, scopes=scopes, checks=checks)
    for expansion in meta.options.expand:
        if expansion.gives.keys() <= scopes.keys() or not _covers(meta, scopes, expansion):
            continue
        if (
            not set(PARTS[PROJECT]) & (expansion.gives.keys() - scopes.keys())
            or ENTITY in scopes
            or target.capabilities.all_projects
        ):
            return Access(through=expansion, scopes=scopes)
    if meta.home == PROJECT and PROJECT not in scopes:
        raise FieldError(
            f"{meta.name}: which project? Give project='entity/project' in filter() or in connect(), or "
            "entity='...' for all projects of one entity; this backend cannot list the projects of all entities"
        )
    needs = sorted({name for item in meta.options.routes for name in item.needs if name not in scopes})
    raise FieldError(f"{meta.name}: the query needs {' or '.join(needs)}; give it in filter()")


def _point(plan: Plan, scopes: Mapping[str, tuple[Any, ...]], target: Target) -> Access | None:
    """The access to a single node, if the condition or the scopes fix its key.

    The rest of the condition is checked locally on that node, so the result is the same.
    """
    if only_sent(plan.where) is not None:
        return None  # only a connection takes a filter
    for point in plan.meta.options.points:
        key = None if point.key is None else fixed(plan.where, Path(plan.meta.fields[point.key]))
        if point.key is not None and key is None:
            continue
        if not set(point.needs) <= scopes.keys() or _unchecked(plan.meta, scopes.keys(), point.needs):
            continue
        parents = _parents(plan.meta, scopes, point.needs, target)
        if key is None or len(parents) == 1:
            checks = _checks(plan.meta, scopes, point.needs, target)
            return Access(route=point, key=key, parents=parents, scopes=scopes, checks=checks)
    return None


def _covers(meta: EntityMeta, scopes: Mapping[str, Any], expansion: Expansion) -> bool:
    """Whether a route is available once this expansion, and possibly another one, has provided its scopes."""
    if expansion.gives.keys() == {PROJECT}:
        return True
    known = scopes.keys() | expansion.gives.keys()
    return any(set(route.needs) <= known for route in meta.options.routes)


@lru_cache(maxsize=512)
def _route(meta: EntityMeta, names: frozenset[str]) -> Route | None:
    """The connection that covers most of these scopes."""
    fitting = [route for route in meta.options.routes if set(route.needs) <= names]
    whole = [route for route in fitting if not _unchecked(meta, names, route.needs)]
    if fitting and not whole:
        more = sorted(_unchecked(meta, names, max(fitting, key=lambda route: len(route.needs)).needs))
        others = sorted(names - set(more))
        raise FieldError(
            f"{meta.name}: {', '.join(more)} and {', '.join(others)} lead to the rows by different routes and cannot "
            "be combined; use one of them and filter its rows"
        )
    return max(whole, key=lambda route: len(route.needs)) if whole else None


def _taken(needs: tuple[str, ...]) -> set[str]:
    """The scopes that a route with these needs covers. A project's name includes its entity."""
    return {*needs, ENTITY} if PROJECT in needs else set(needs)


def _unchecked(meta: EntityMeta, names: AbstractSet[str], needs: tuple[str, ...]) -> set[str]:
    return set(names) - _taken(needs) - meta.options.checks.keys()


def _checks(
    meta: EntityMeta, scopes: Mapping[str, tuple[Any, ...]], needs: tuple[str, ...], target: Target
) -> tuple[tuple[str, frozenset[str]], ...]:
    left = [name for name in scopes if name not in _taken(needs)]
    return tuple((meta.options.checks[name], _values(meta, name, scopes[name], target)) for name in left)


def _values(meta: EntityMeta, name: str, values: tuple[Any, ...], target: Target) -> frozenset[str]:
    """The values of a scope as rows hold them: full paths."""
    whole = set()
    for value in values:
        parent = parent_of(meta, {name: value}, None, target) or {}
        parts = PARTS.get(meta.options.scopes[name], ())
        whole.add("/".join(str(parent[part]) for part in parts if parent.get(part)) or str(value))
    return frozenset(whole)


def _parents(
    meta: EntityMeta, scopes: Mapping[str, tuple[Any, ...]], needs: tuple[str, ...], target: Target
) -> tuple[Parent, ...]:
    # Skip a project that belongs to another entity; if none is left, the query contradicts itself.
    entities = scopes.get(ENTITY, (None,)) if PROJECT in needs else (None,)
    parents: list[Parent] = []
    for entity in entities:
        for values in product(*(scopes[name] for name in needs)):
            parent = parent_of(meta, dict(zip(needs, values, strict=True)), entity, target)
            if parent is not None and parent not in parents:
                parents.append(parent)
    if not parents and all(scopes[name] for name in needs):
        projects, owners = (", ".join(map(repr, scopes[name])) for name in (PROJECT, ENTITY))
        raise FieldError(f"project={projects} is not a project of entity={owners}; give only one of the two")
    return tuple(parents)


def parent_of(meta: EntityMeta, values: Mapping[str, Any], entity: str | None, target: Target) -> dict[str, Any] | None:
    """The variables of one parent, for one value of each scope; None if the project is not the entity's."""
    parent: dict[str, Any] = {}
    for name, value in values.items():
        target.refuse_page(value)
        kind = meta.options.scopes[name]
        if kind == PROJECT:
            owner, parent[PROJECT] = split_project(value)
            if owner is not None and entity is not None and owner != entity:
                return None
            parent[ENTITY] = owner or entity or target.entity
        elif kind in INSIDE:
            variable, _, example = INSIDE[kind]
            owner, project, parent[variable] = split_inside(kind, value, name)
            if project is None and target.project is not None:
                home, project = split_project(target.project)
                owner = owner or home
            if project is None:
                raise FieldError(f"{name}={value!r} does not name the project; write {example}")
            parent[PROJECT] = project
            parent[ENTITY] = owner or target.entity
        else:
            parent[name] = value
    return parent
