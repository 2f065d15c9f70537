"""The physical plan: how a query runs on one backend, decided before anything runs. Frozen data.

``compile_plan`` makes it, ``explain()`` formats it, and ``operations`` maps each node to the code that runs it. A node
is a source of rows; nodes are nested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any

import attrs

from wbmodel.compiler.extras import Extra
from wbmodel.compiler.filters import Compiled
from wbmodel.compiler.hydrate import Hydrator, hydrator
from wbmodel.compiler.selection import related_fields
from wbmodel.meta import EntityMeta, Expansion, Route, entity_meta
from wbmodel.meta.parts import Keys, Wanted, keys_of, names_of
from wbmodel.query.conditions import Node
from wbmodel.query.evaluate import predicate
from wbmodel.query.order import OrderKey
from wbmodel.query.paths import Path
from wbmodel.query.plan import Plan

__all__ = [
    "Along",
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
    "with_along",
]

Parent = Mapping[str, Any]
"""Where a route leads: the variables of its steps (``project``, ``entity``, ``run`` ...)."""


@attrs.frozen(slots=True, kw_only=True)
class Along:
    """Fields to ask of each node beside those that its row is made of. Their values come along with the rows, as the
    server sent them.

    ``fields`` are as written in a document, ``variables`` those in their arguments: name, type and value. ``extra`` is
    what a server refuses that refuses them. The first page has at most ``first`` rows, a later one ``later``.
    """

    fields: tuple[str, ...]
    variables: tuple[tuple[str, str, tuple[str, ...]], ...]
    extra: Extra
    first: int
    later: int

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the values in an answer."""
        return tuple(field.partition("(")[0] for field in self.fields)


@attrs.frozen(slots=True, kw_only=True)
class NodeSpec:
    """What is selected of each node, and the class of the rows made from the nodes.

    ``keys`` are the fields to load in part, each with its keys; with ``whole``, the server is asked for all of them.
    ``along`` comes along with the rows.
    """

    meta: EntityMeta
    fields: tuple[str, ...]
    keys: Keys = ()
    whole: bool = False
    related: tuple[str, ...] = ()
    cls: type[Any] | None = None
    along: Along | None = None

    @property
    def is_light(self) -> bool:
        """Whether rows are small: no JSON field is loaded whole."""
        there = () if self.whole else dict(self.keys)
        return not any(self.meta.fields[name].kind.is_keyed and name not in there for name in self.fields)

    @property
    def asks(self) -> bool:
        """Whether the server is asked for keys of a field."""
        return bool(self.keys) and not self.whole

    def variables(self, prefix: str = "") -> dict[str, str]:
        """The names of the variables that hold the keys, by field."""
        if not self.asks:
            return {}
        wires = {name: self.meta.fields[name].wire for name, _ in self.keys}
        return {
            name: f"{prefix}{wire[0].upper()}{wire[1:]}Keys" if prefix else f"{wire}Keys"
            for name, wire in wires.items()
        }

    def hydrator(self, route: Route) -> Hydrator:
        """The function that makes rows from the nodes of a route."""
        return hydrator(self.meta, self.fields, self.related, route.context, self.cls, self.keys)

    def context_hydrator(self, route: Route) -> Hydrator | None:
        """The function that makes the object of the route's context step, which all rows share."""
        if route.context is None:
            return None
        return hydrator(*self.context(route.context))

    def context(self, name: str) -> tuple[EntityMeta, tuple[str, ...], tuple[str, ...]]:
        """The entity of the context step, its fields to load, and the relations to widen inside it."""
        field = self.meta.fields[name]
        assert field.target is not None
        target = entity_meta(field.target)
        return (target, *related_fields(name, self.related, target, field.identity))


@attrs.frozen(slots=True)
class Check:
    """The local check of each row: a condition, and scopes that the route does not go through.

    Each scope is checked by the dotted attribute that holds its value.
    """

    where: Node | None
    scopes: tuple[tuple[str, frozenset[str]], ...] = ()

    def predicate(self) -> Callable[[Any], bool]:
        """The function that tells whether a row passes."""
        tests = [_shows(attrgetter(dotted), values) for dotted, values in self.scopes]
        condition = predicate(self.where)
        if condition is not None:
            tests.append(condition)
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)


def _shows(get: Callable[[Any], Any], values: frozenset[str]) -> Callable[[Any], bool]:
    def test(row: Any) -> bool:
        shown = get(row)
        # The query may name a project without its entity, but rows hold both.
        return shown in values or (isinstance(shown, str) and shown.rpartition("/")[2] in values)

    return test


@attrs.frozen(slots=True)
class KeysetBy:
    """Page by the date of the last row instead of by the server's cursor.

    ``date`` and ``name`` (the short id) are pairs: the node's field, and the server's filter path for it.
    """

    date: tuple[str, str]
    name: tuple[str, str | None]
    descending: bool


@attrs.frozen(slots=True, kw_only=True)
class Scan:
    """The rows of one connection, page by page, in the server's order.

    ``place`` is the backend that it was compiled for. ``filter`` is pushed and ``order`` is the order text; ``check``
    is applied locally. ``limit`` is the most rows that will be needed; None for all, or if a check may drop rows.
    ``counted``: each page includes the number of all rows. ``sides``: page 1 does, and the others may be read side by
    side. ``split`` is the path by whose filter rows that lack a value
    are read apart, ``names`` are the keys of the rows, if the condition fixes them and the route takes them.
    ``optional``: the query did not name the parent, so missing parts of it are not an error.

    ``far`` is the opposite order: page 1 then includes its first row, which tells whether the server heeds the order
    (see also :class:`Ties`). ``far_key`` is the path that it orders by. ``sorted_by`` are the keys of an order that the
    backend promises as a whole.
    """

    node: NodeSpec
    route: Route
    parent: Parent
    place: str
    pushed: Compiled
    filter: dict[str, Any] | None = None
    order: str | None = None
    far: str | None = None
    far_key: Path | None = None
    sorted_by: tuple[OrderKey, ...] = ()
    keyset: KeysetBy | None = None
    check: Check | None = None
    limit: int | None = None
    counted: bool = False
    sides: bool = False
    split: str | None = None
    names: tuple[str, ...] = ()
    optional: bool = False

    @property
    def far_node(self) -> NodeSpec:
        """What is selected of the row at the far end."""
        assert self.far_key is not None
        wanted: tuple[Wanted, ...] = ("node_id", *self.far_key.reads)
        return NodeSpec(meta=self.node.meta, fields=names_of(wanted), keys=keys_of(wanted), whole=self.node.whole)


@attrs.frozen(slots=True)
class Ties:
    """Rows that the server orders by one ``key``; rows that tie on it are ordered locally by ``rest``.

    With ``far``, the key may hold values of several types, and the server's order of types, text and infinities is
    unknown. Only finite numbers are then taken in the server's order. Values before the numbers are found in
    ``source``, values after them in ``far``, which holds the same rows from the other end. Both are read up to the
    first number, and the other values are ordered locally.
    """

    source: Scan
    key: OrderKey
    rest: tuple[OrderKey, ...]
    far: Scan | None = None


@attrs.frozen(slots=True)
class ValuesFirst:
    """Rows that have a value for the key, then rows that lack it: a second query, made only if still needed."""

    present: Ties
    absent: Step
    rest: tuple[OrderKey, ...]


@attrs.frozen(slots=True)
class SortHere:
    """All rows of ``source``, ordered locally by ``keys``."""

    source: Step
    keys: tuple[OrderKey, ...]


@attrs.frozen(slots=True)
class Merge:
    """The rows of several sources: merged by ``keys``, or one source after the other if there are no keys."""

    sources: tuple[Step, ...] = ()
    keys: tuple[OrderKey, ...] = ()


@attrs.frozen(slots=True, kw_only=True)
class Get:
    """One node for each parent, by its ``key`` (None: the parent alone identifies it), if it passes the check."""

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
    """The rows of ``plan`` for each row of ``listing``, which provides the values of the missing scopes.

    ``then`` is the step for one of them.
    """

    listing: Plan
    expansion: Expansion
    plan: Plan
    then: Step
    scopes: Mapping[str, tuple[Any, ...]]
    pushed: Compiled


Step = Scan | Ties | ValuesFirst | SortHere | Merge | Get | ForEach


def scans(step: Step) -> Iterator[Scan]:
    """The connections whose first pages a step reads first."""
    if isinstance(step, Scan):
        yield step
    elif isinstance(step, Merge):
        for source in step.sources:
            yield from scans(source)
    elif isinstance(step, ValuesFirst):
        yield step.present.source
    elif isinstance(step, (Ties, SortHere)):
        yield from scans(step.source)


def with_along(step: Step, along: Along) -> Step:
    """The step with ``along`` in its pages; unchanged where rows of a page may be no results, or come in another order.

    Of a slice, one row more is read than it has, and those that tie with it.
    """
    if isinstance(step, Ties) and step.far is None:
        source = with_along(step.source, along)
        return attrs.evolve(step, source=source) if isinstance(source, Scan) and source is not step.source else step
    if isinstance(step, Scan) and step.check is None and step.route.paged:
        return attrs.evolve(step, node=attrs.evolve(step.node, along=along))
    return step
