"""How an entity is wired to GraphQL: routes to its nodes, to-many relations, and mutations.

:func:`in_project` covers the common case, entities that live in projects, in one call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from wbmodel.meta.scopes import ENTITY, PROJECT

__all__ = [
    "EVERY_PROJECT",
    "PROJECT_STEP",
    "RUN_STEP",
    "TOTAL",
    "Arg",
    "Beside",
    "Difference",
    "Expansion",
    "Options",
    "Route",
    "Step",
    "Streams",
    "ToManyMeta",
    "Writes",
    "in_project",
    "listing",
]

_KEY = "key"  # the variable of a node's key

TOTAL = "connection:totalCount"
"""The ``count`` of a route whose connection counts the rows that match its filter."""


@attrs.frozen(slots=True, eq=False)
class Arg:
    """A GraphQL argument whose value comes from a scope: ``name: $project`` of type ``String!``."""

    name: str
    variable: str
    type: str = "String!"


@attrs.frozen(slots=True, eq=False)
class Step:
    """One field on the path to a connection.

    If it is null, the ``entity`` (an entity name) does not exist. ``relation`` is the relation whose value it gives for
    every node below.
    """

    field: str
    args: tuple[Arg, ...] = ()
    entity: str | None = None
    relation: str | None = None


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Beside:
    """A field beside a single node, whose values replace the node's own: ``gives``, named as in the node, and the
    ``relation``, which is called ``wire`` here.

    A server that has no such field answers null, and the node's own values stay.
    """

    field: str
    args: tuple[Arg, ...]
    gives: tuple[str, ...]
    relation: str
    wire: str


def _given_scopes(route: Route) -> tuple[str, ...]:
    """The scopes that provide a route's variables. A project scope includes its entity."""
    names = route.variables
    return tuple(name for name in names if name != _KEY and not (name == ENTITY and PROJECT in names))


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Route:
    """A route to an entity's nodes: the steps from the root, the ``connection`` there and its capabilities.

    Without a connection, the last step is a single node: ``project(...) { run(name: $key) }``. ``key`` is then the
    Python field whose value is ``$key``; without it, the scopes alone identify the node.

    ``needs`` are the required scopes; by default, those that provide the variables. ``count`` says where to find the
    number of rows: ``"parent:runCount"`` (a field beside the connection), ``"parent:runCount(filters)"`` (the same,
    honouring filters) or :data:`TOTAL`. ``args`` are the connection's own scope arguments, ``fixed`` its literal ones.
    ``context`` names the relation whose value comes from one of the steps; without it, the relation is selected on each
    node. ``edge`` maps fields to those of the edge that hold their value here, as text such as ``v3``. ``beside`` is a
    field next to a single node that has values of its own for some of the node's fields. ``names`` is an argument that
    takes the keys of the wanted rows; a server that ignores it answers with more rows.
    """

    steps: tuple[Step, ...] = ()
    connection: str | None = None
    key: str | None = None
    filters: bool = False
    order: bool = False
    paged: bool = True
    count: str | None = None
    args: tuple[Arg, ...] = ()
    fixed: tuple[tuple[str, str | bool], ...] = ()
    context: str | None = None
    edge: Mapping[str, str] = attrs.field(factory=dict)
    beside: Beside | None = None
    names: Arg | None = None
    needs: tuple[str, ...] = attrs.field(default=attrs.Factory(_given_scopes, takes_self=True))

    @property
    def count_field(self) -> str:
        """The field that counts the rows, or ""."""
        return (self.count or "").partition(":")[2].partition("(")[0]

    @property
    def variables(self) -> tuple[str, ...]:
        """The scope variables, in document order."""
        return tuple(arg.variable for step in self.steps for arg in step.args) + tuple(a.variable for a in self.args)

    def is_context(self, step: Step) -> bool:
        """Whether this step gives an object that all rows of the route share."""
        return self.context is not None and step.relation == self.context


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Expansion:
    """Where the values of missing scopes come from: every ``via`` entity within the scopes ``takes``.

    ``gives`` maps each scope to the dotted attribute of a ``via`` object that holds its value.
    """

    via: str
    gives: Mapping[str, str]
    takes: tuple[str, ...] = ()


@attrs.frozen(slots=True, kw_only=True, eq=False)
class ToManyMeta:
    """A to-many relation: a queryset of ``target`` whose scope or filter ``scope`` is this object."""

    name: str
    target: str
    scope: str
    doc: str


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Difference:
    """How a list is saved of which only the difference is sent: the items that were added, and those removed.

    ``add`` and ``remove`` are input fields of the entity's own mutation, or, with ``apart``, mutations of their own,
    whose input has the items in the field ``apart``. Each item is an input object of a list of ``type``: ``item`` is
    its field for the text, ``place`` maps its other fields to dotted attributes of the row. An item that is added has
    to match ``pattern``; ``rule`` says so in words.
    """

    item: str
    add: str
    remove: str
    type: str
    pattern: str
    rule: str
    apart: str = ""
    place: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Writes:
    """How an entity is created, changed and deleted: the names of W&B's mutations and of their input fields.

    ``upsert`` is the mutation that creates and changes ("" for an entity that is only deleted); ``answer`` is the field
    of its payload that holds the node, ``id`` the input field of the node id. With ``existing``, it creates nothing.
    ``differences`` are the fields of which only the difference is sent. ``warnings`` is the field of the payload that
    lists the server's warnings about a new object. ``place`` maps the parts of a path
    ``warnings`` the one that lists the server's warnings about a new object. ``place`` maps the parts of a path
    (``project``, ``entity``) to input fields; with ``placed``, changes send them and the key too. ``key`` is the input
    field of the short id if the caller may choose it, ``key_length`` the length of a generated id (0: the caller has to
    choose); with ``claimed``, the mutation finds a row by that key and says whether it was ``inserted``. ``creates``
    maps fields that can only be given at creation to input fields, ``defaults`` holds their default values, and
    ``required`` maps required fields to the reason. ``fixed`` are inputs that are always sent, as GraphQL literals;
    ``types`` are the GraphQL types that do not follow from a field's kind.

    ``delete`` is the mutation that deletes, ``flags`` maps the arguments of ``delete()`` to its input fields, and
    ``confirms`` says whether its payload has a ``success`` field. ``delete_reads`` are the fields, and
    ``delete_related`` the relations to widen, by which an object decides whether it may be deleted. With
    ``delete_list``, the mutation takes a list of node ids.
    """

    upsert: str = ""
    answer: str = ""
    place: Mapping[str, str] = attrs.field(factory=dict)
    id: str = "id"
    existing: bool = False
    differences: Mapping[str, Difference] = attrs.field(factory=dict)
    placed: bool = False
    key: str | None = None
    key_length: int = 8
    claimed: bool = False
    creates: Mapping[str, str] = attrs.field(factory=dict)
    defaults: Mapping[str, Any] = attrs.field(factory=dict)
    required: Mapping[str, str] = attrs.field(factory=dict)
    warnings: str | None = None
    fixed: Mapping[str, str] = attrs.field(factory=dict)
    types: Mapping[str, str] = attrs.field(factory=dict)
    delete: str | None = None
    delete_id: str = "ID!"
    delete_list: bool = False
    delete_reads: tuple[str, ...] = ()
    delete_related: tuple[str, ...] = ()
    flags: Mapping[str, str] = attrs.field(factory=dict)
    confirms: bool = False


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Streams:
    """What reading the streams of an entity's objects (history, events, console) needs: ``fields`` of an object, and
    the states in which it has ``ended``, so that nothing more is logged."""

    fields: tuple[str, ...]
    ended: tuple[str, ...]


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Options:
    """What an entity class declares about itself besides its fields: ``__wbmodel__``, at the end of the class.

    ``key`` is the field that identifies a row within its place; ``graphql`` and ``plural`` are names that differ from
    the class name. ``scopes`` maps the scopes of a query to their kinds, ``routes`` lead to connections and ``points``
    to single nodes, ``expand`` says where missing scopes come from. ``checks`` maps a scope to the dotted attribute of
    a row that holds its value, for routes that do not go through the scope. ``scope_value`` maps a kind of scope to the
    attribute that holds the value of a row used as that scope. ``node_context`` are fields that are always selected
    because they say where a row belongs.

    ``keyed``: other entities refer to it by its key, without a node id, so it is identified by (project, key).
    ``shown`` are the first fields of a table of rows; by default, the key and the first plain fields. ``within`` is the
    relation through which one node may be listed several times, each time as another row. ``computed`` are properties
    that ``values()`` can read besides ``path`` and ``url``, with the fields that each needs besides the identity.
    ``streams``: its objects log rows. ``listed`` maps fields to the values that a listing keeps unless its condition
    names the field.
    """

    key: str
    graphql: str = ""
    plural: str = ""
    scopes: Mapping[str, str] = attrs.field(factory=dict)
    checks: Mapping[str, str] = attrs.field(factory=dict)
    scope_value: Mapping[str, str] = attrs.field(factory=dict)
    routes: tuple[Route, ...] = ()
    points: tuple[Route, ...] = ()
    expand: tuple[Expansion, ...] = ()
    order: tuple[str, ...] = ("-created_at",)
    node_context: tuple[str, ...] = ()
    keyed: bool = False
    shown: tuple[str, ...] = ()
    within: str | None = None
    computed: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    writes: Writes | None = None
    streams: Streams | None = None
    listed: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)


# -- the common case -------------------------------------------------------------------------------

PROJECT_STEP = Step(
    "project",
    (Arg("name", PROJECT, "String"), Arg("entityName", ENTITY, "String")),
    entity="Project",
    relation=PROJECT,
)
"""The step from the root to a project, with which most routes start."""

RUN_STEP = Step("run", (Arg("name", "run"),), entity="Run")
"""The step from a project to a run."""

EVERY_PROJECT = Expansion(via="Project", gives={PROJECT: "path"}, takes=(ENTITY,))
"""All projects of an entity, or all projects."""


def listing(connection: str, *steps: Step, count: str | None = None, **more: Any) -> Route:
    """A route to a connection that filters and orders. ``more`` are arguments of :class:`Route`."""
    return Route(steps=steps, connection=connection, filters=True, order=True, count=count, **more)


def in_project(
    connection: str,
    *,
    node: str | None = None,
    argument: str = "name",
    key: str = "id",
    filtered: bool = True,
    count: str | None = None,
    fixed: tuple[tuple[str, str | bool], ...] = (),
    scopes: Mapping[str, str] | None = None,
    checks: Mapping[str, str] | None = None,
    routes: tuple[Route, ...] = (),
    points: tuple[Route, ...] = (),
    **more: Any,
) -> Options:
    """The options of an entity that lives in projects and has a relation ``project``.

    Its rows are ``project(...) { connection }``, which filters and orders if ``filtered``; a single row is
    ``project(...) { node(argument: $key) }``. If only the entity is given, all its projects are read. Additional
    ``routes`` come after the standard one, ``points`` before it; scopes and checks are added, and ``more`` are
    arguments of :class:`Options`.
    """
    home = (PROJECT_STEP,)
    rows = Route(
        steps=home,
        connection=connection,
        filters=filtered,
        order=filtered,
        count=count,
        fixed=fixed,
        context=PROJECT,
    )
    if node is not None:
        one = Route(steps=(*home, Step(node, (Arg(argument, _KEY),))), key=key, context=PROJECT)
        points = (*points, one)
    return Options(
        key=key,
        scopes={PROJECT: PROJECT, ENTITY: ENTITY, **(scopes or {})},
        checks={PROJECT: "project.path", ENTITY: "project.entity", **(checks or {})},
        routes=(rows, *routes),
        points=points,
        expand=(EVERY_PROJECT,),
        node_context=(PROJECT,),
        **more,
    )
