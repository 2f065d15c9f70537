"""The physical plan: how a question is answered on one backend, decided before anything runs. Frozen data.

``compile_plan`` makes it, ``explain()`` prints it, and ``operations`` maps each node to what runs it. A node is a
source of rows; nodes are stacked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any

import attrs

from wbmodel.compiler.filters import Compiled
from wbmodel.compiler.hydrate import Hydrator, hydrator
from wbmodel.compiler.selection import related_fields
from wbmodel.meta import EntityMeta, Expansion, Route, entity_meta
from wbmodel.query.conditions import Node
from wbmodel.query.evaluate import predicate
from wbmodel.query.order import OrderKey
from wbmodel.query.plan import Plan

__all__ = [
    "Check",
    "ForEach",
    "Get",
    "KeysetBy",
    "Merge",
    "NodeSpec",
    "Parent",
    "Scan",
    "SortHere",
    "Step",
    "Ties",
    "ValuesFirst",
    "scans",
]

Parent = Mapping[str, Any]
"""Where a route leads: the variables of its steps (``project``, ``entity``, ``run`` ...)."""


@attrs.frozen(slots=True, kw_only=True)
class NodeSpec:
    """What is selected of each node, and the class of the rows that are made of them."""

    meta: EntityMeta
    fields: tuple[str, ...]
    related: tuple[str, ...] = ()
    cls: type[Any] | None = None

    def hydrator(self, route: Route) -> Hydrator:
        """The function that makes rows of the nodes of a route."""
        return hydrator(self.meta, self.fields, self.related, route.context, self.cls)

    def context_hydrator(self, route: Route) -> Hydrator | None:
        """What makes the object of the route's context step, which all its rows share."""
        if route.context is None:
            return None
        return hydrator(*self.context(route.context))

    def context(self, name: str) -> tuple[EntityMeta, tuple[str, ...], tuple[str, ...]]:
        """The entity that the context step answers, its fields to load, and what to widen inside it."""
        field = self.meta.fields[name]
        assert field.target is not None
        target = entity_meta(field.target)
        return (target, *related_fields(name, self.related, target, field.identity))


@attrs.frozen(slots=True)
class Check:
    """What is asked of each row here: a condition, and scopes that the route does not go through, by the dotted
    attribute that shows them."""

    where: Node | None
    scopes: tuple[tuple[str, frozenset[str]], ...] = ()

    def predicate(self) -> Callable[[Any], bool]:
        """The function that says whether a row passes."""
        tests = [_shows(attrgetter(dotted), values) for dotted, values in self.scopes]
        condition = predicate(self.where)
        if condition is not None:
            tests.append(condition)
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)


def _shows(get: Callable[[Any], Any], values: frozenset[str]) -> Callable[[Any], bool]:
    def test(row: Any) -> bool:
        shown = get(row)
        # A project that was named without its entity is shown with it.
        return shown in values or (isinstance(shown, str) and shown.rpartition("/")[2] in values)

    return test


@attrs.frozen(slots=True)
class KeysetBy:
    """That pages go on by the date of the last row instead of the server's cursor. ``date`` and ``name`` are pairs: the
    node's field of the date (of the short id), and the server's filter path of it."""

    date: tuple[str, str]
    name: tuple[str, str | None]
    descending: bool


@attrs.frozen(slots=True, kw_only=True)
class Scan:
    """The rows of one connection, page by page, in the order that the server gives them.

    ``place`` is the backend that it was made for. ``filter`` is sent and ``order`` is the order text; ``check`` is
    asked again here. ``limit`` is how many rows will be wanted at most, None for all or for as many as the check leaves
    over. ``counted``: each page comes with the number of all rows. ``optional``: the parent was not asked for by name,
    so what it lacks is not an error.

    ``far`` is the opposite order: page 1 then comes with the one row that is first in it (see :class:`Ties`), of which
    ``far_key`` is the field that it is ordered by.
    """

    node: NodeSpec
    route: Route
    parent: Parent
    place: str
    pushed: Compiled
    filter: dict[str, Any] | None = None
    order: str | None = None
    far: str | None = None
    far_key: str | None = None
    keyset: KeysetBy | None = None
    check: Check | None = None
    limit: int | None = None
    counted: bool = False
    optional: bool = False

    @property
    def far_node(self) -> NodeSpec:
        """What is selected of the row from the other end."""
        assert self.far_key is not None
        return NodeSpec(meta=self.node.meta, fields=("node_id", self.far_key))


@attrs.frozen(slots=True)
class Ties:
    """Rows that the server orders by one ``key``; those that tie in it are ordered here by ``rest``.

    With ``far`` the key may hold values of several types, and how a server orders types, text and infinities is not
    known. Finite numbers are then taken in the server's order. What stands before them is met in ``source`` and what
    stands behind them in ``far``, the same rows from the other end; both are read up to the first number, and what is
    found is ordered here.
    """

    source: Scan
    key: OrderKey
    rest: tuple[OrderKey, ...]
    far: Scan | None = None


@attrs.frozen(slots=True)
class ValuesFirst:
    """Rows that have a value for the key, then those that lack one: a second query, made only if still needed."""

    present: Ties
    absent: Step
    rest: tuple[OrderKey, ...]


@attrs.frozen(slots=True)
class SortHere:
    """All rows of ``source``, ordered here by ``keys``."""

    source: Step
    keys: tuple[OrderKey, ...]


@attrs.frozen(slots=True)
class Merge:
    """The rows of several sources as one: in the order of ``keys`` that each has, or one source after the other where
    there are none. No sources: no rows."""

    sources: tuple[Step, ...] = ()
    keys: tuple[OrderKey, ...] = ()


@attrs.frozen(slots=True, kw_only=True)
class Get:
    """One node for each parent, by its ``key`` (None: the parent alone names it), if it passes the check."""

    node: NodeSpec
    route: Route
    parents: tuple[Parent, ...]
    place: str
    pushed: Compiled
    key: str | None = None
    check: Check | None = None
    optional: bool = False


@attrs.frozen(slots=True, kw_only=True)
class ForEach:
    """The rows of ``plan`` for each row of ``listing``, which gives the values of the scopes that are missing. ``then``
    is what is done for one of them."""

    listing: Plan
    expansion: Expansion
    plan: Plan
    then: Step
    scopes: Mapping[str, tuple[Any, ...]]
    pushed: Compiled


Step = Scan | Ties | ValuesFirst | SortHere | Merge | Get | ForEach


def scans(step: Step) -> Iterator[Scan]:
    """The connections whose first pages a step begins with."""
    if isinstance(step, Scan):
        yield step
    elif isinstance(step, Merge):
        for source in step.sources:
            yield from scans(source)
    elif isinstance(step, ValuesFirst):
        yield step.present.source
    elif isinstance(step, (Ties, SortHere)):
        yield from scans(step.source)
