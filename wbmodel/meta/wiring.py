"""How an entity is wired to GraphQL: the ways to its nodes, its relations to many, and the mutations that write it.

:func:`in_project` says the common case, what lives in projects, in one call.
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
    "Expansion",
    "Options",
    "Route",
    "Step",
    "ToManyMeta",
    "Writes",
    "in_project",
    "listing",
]

_KEY = "key"  # the variable of a node's key

TOTAL = "connection:totalCount"
"""The ``count`` of a route whose connection counts its rows, as its filter asks."""


@attrs.frozen(slots=True, eq=False)
class Arg:
    """A GraphQL argument that takes its value from the scope: ``name: $project`` of type ``String!``."""

    name: str
    variable: str
    type: str = "String!"


@attrs.frozen(slots=True, eq=False)
class Step:
    """One field on the way to a connection. When it answers null, ``entity`` (an entity name) does not exist.
    ``relation`` is the relation that it answers for every node below."""

    field: str
    args: tuple[Arg, ...] = ()
    entity: str | None = None
    relation: str | None = None


def _given_scopes(route: Route) -> tuple[str, ...]:
    """The scopes that give a route's variables. A project is named with its entity."""
    names = route.variables
    return tuple(name for name in names if name != _KEY and not (name == ENTITY and PROJECT in names))


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Route:
    """A way to an entity's nodes: the steps down from the root, and the ``connection`` there with what it can do.

    Without a connection the last step is one node: ``project(...) { run(name: $key) }``. ``key`` is then the Python
    field whose value is ``$key``; without one, the scopes alone name the node.

    ``needs`` are the scopes that have to be known; unless they are said, those that give the variables. ``count`` is
    where the number of rows stands: ``"parent:runCount"`` (a field beside the connection),
    ``"parent:runCount(filters)"`` (the same, honouring filters) or :data:`TOTAL`. ``args`` are the connection's own
    scope arguments, ``fixed`` its literal ones. ``context`` names the relation that the answer of one of the steps is
    taken for; without it, each node is asked.
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
    needs: tuple[str, ...] = attrs.field(default=attrs.Factory(_given_scopes, takes_self=True))

    @property
    def count_field(self) -> str:
        """The field that counts its rows; "" where none does."""
        return (self.count or "").partition(":")[2].partition("(")[0]

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables of its scopes, in the order of the document."""
        return tuple(arg.variable for step in self.steps for arg in step.args) + tuple(a.variable for a in self.args)

    def is_context(self, step: Step) -> bool:
        """Whether the answer of this step is an object that all rows of the route share."""
        return self.context is not None and step.relation == self.context


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Expansion:
    """Where the values of missing scopes come from: every ``via`` entity within the scopes ``takes``. ``gives`` maps
    each scope to the dotted attribute of a ``via`` object that is its value."""

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
class Writes:
    """How an entity is made, changed and deleted: the names of W&B's mutations and of their input fields.

    ``upsert`` is the mutation that makes and changes, ``answer`` the field of its payload that holds the node and
    ``warnings`` the one that lists what the server finds odd in a new one. ``place`` maps the parts of a path
    (``project``, ``entity``) to input fields; with ``placed`` they and the key are sent with changes too. ``key`` is
    the input field of the short id where the caller may choose it, ``key_length`` how long one is that is made here
    (0: the caller has to choose). ``creates`` maps fields that may be given at creation only to input fields,
    ``defaults`` are values for those that are not given, and ``required`` says of those that have to be given why.
    ``fixed`` are inputs that are always sent, as GraphQL literals; ``types`` the GraphQL types that do not follow from
    a field's kind.

    ``delete`` is the mutation that deletes, ``flags`` maps what ``delete()`` takes to its input fields, and
    ``confirms`` says whether its payload has a ``success``.
    """

    upsert: str
    answer: str
    place: Mapping[str, str]
    placed: bool = False
    key: str | None = None
    key_length: int = 8
    creates: Mapping[str, str] = attrs.field(factory=dict)
    defaults: Mapping[str, Any] = attrs.field(factory=dict)
    required: Mapping[str, str] = attrs.field(factory=dict)
    warnings: str | None = None
    fixed: Mapping[str, str] = attrs.field(factory=dict)
    types: Mapping[str, str] = attrs.field(factory=dict)
    delete: str | None = None
    delete_id: str = "ID!"
    flags: Mapping[str, str] = attrs.field(factory=dict)
    confirms: bool = False


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Options:
    """What an entity class says about itself beside its fields, as ``__wbmodel__``, at its end.

    ``key`` is the field that names a row within its place, ``graphql`` and ``plural`` are names where they are not the
    class's. ``scopes`` maps the scopes of a query to their kinds, ``routes`` lead to connections and ``points`` to one
    node, ``expand`` says where missing scopes come from. ``checks`` maps a scope to the dotted attribute of a row that
    shows it, for ways to the rows that do not go through it. ``scope_value`` maps a kind of scope to the attribute by
    which a row is given as one. ``node_context`` are fields that are always selected, as they say where a row belongs.

    ``keyed``: others refer to it by its key, without a node id, so its project and key are who it is. ``shown`` are the
    fields that a table of rows has first; without any, the key and the first plain fields.
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
    writes: Writes | None = None


# -- the common case -------------------------------------------------------------------------------

PROJECT_STEP = Step(
    "project",
    (Arg("name", PROJECT, "String"), Arg("entityName", ENTITY, "String")),
    entity="Project",
    relation=PROJECT,
)
"""The step from the root to one project, which most routes begin with."""

RUN_STEP = Step("run", (Arg("name", "run"),), entity="Run")
"""The step from a project to one run."""

EVERY_PROJECT = Expansion(via="Project", gives={PROJECT: "path"}, takes=(ENTITY,))
"""All projects of an entity, or all there are."""


def listing(connection: str, *steps: Step, count: str | None = None, **more: Any) -> Route:
    """The route to a connection that filters and orders. ``more`` as :class:`Route` takes it."""
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
    """The wiring of what lives in projects and has a relation ``project``: the rows of ``project(...) { connection }``,
    which filters and orders where it is ``filtered``, and one row by ``project(...) { node(argument: $key) }``. The
    project may be given by its entity alone, and is then each of the entity's. What is special about it stands beside:
    other ``routes`` (behind that one), ``points`` (before it), scopes and checks, and ``more`` as :class:`Options`
    takes it."""
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
