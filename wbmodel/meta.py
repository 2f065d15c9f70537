"""The vocabulary in which entities declare themselves, and the description that the other layers read.

An entity is an attrs class whose attributes are made by :func:`field` and :func:`relation`. From these
declarations come selection, hydration, filtering, ordering, the reference table and "did you mean". The query
and compiler layers see an :class:`EntityMeta` only, never an entity class, which is what keeps imports acyclic.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from wbmodel.errors import FieldError, suggestion

__all__ = [
    "Arg",
    "EntityMeta",
    "Expansion",
    "FieldMeta",
    "Kind",
    "Options",
    "Route",
    "Step",
    "ToManyMeta",
    "Writes",
    "all_entities",
    "entity_meta",
    "field",
    "register",
    "relation",
]


class Kind(enum.Enum):
    """What a field holds, in Python and on the wire."""

    ID = "id"  # opaque text
    TEXT = "text"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    TIME = "time"  # aware datetime; RFC 3339 text on the wire
    TEXTS = "texts"  # list of text
    CONFIG = "config"  # dict; JSON text on the wire, each value wrapped in {"value": ...}
    SUMMARY = "summary"  # dict; JSON text on the wire, "NaN" and friends stand for floats
    JSON = "json"  # any value; JSON text on the wire
    VALUE = "value"  # any value, in place on the wire (scalar JSON)
    YAML = "yaml"  # dict; YAML text on the wire
    REF = "ref"  # another entity

    @property
    def is_keyed(self) -> bool:
        """Whether a path may go on into the value: ``config.lr``."""
        return self in _KEYED


_KEYED = frozenset({Kind.CONFIG, Kind.SUMMARY, Kind.JSON, Kind.VALUE, Kind.YAML})
_LAZY = frozenset({Kind.CONFIG, Kind.SUMMARY, Kind.JSON, Kind.YAML, Kind.TEXTS})


@attrs.frozen(slots=True, kw_only=True, eq=False)
class FieldMeta:
    """One declared field.

    ``wire`` is the GraphQL field; ``sub`` the path inside it where the value sits (``artifactType { name }``).
    ``filter_path`` and ``order_key`` are the server's names, None where the server has none (such filters and
    orders are done here). ``selected`` says whether a plain query asks for it. ``editable`` says whether it may be set
    and saved, ``input`` is then its name in the input of the mutation; ``fixed`` is why it may not.
    """

    name: str
    wire: str
    kind: Kind
    doc: str
    sub: tuple[str, ...] = ()
    selected: bool = True
    filter_path: str | None = None
    order_key: str | None = None
    nullable: bool = True
    aliases: tuple[str, ...] = ()
    editable: bool = False
    input: str | None = None
    fixed: str = ""
    shared: bool = False
    target: str | None = None
    identity: tuple[str, ...] = ()
    by_key: bool = False
    on: str | None = None
    filters: Mapping[str, str] = attrs.field(factory=dict)
    entity: str = ""

    @property
    def is_lazy(self) -> bool:
        """Whether what came over the wire is kept and made into a value at first access: the kept part is what changes
        are found by. What is asked for by name is wanted, so that is decoded at once and costs no slot for it."""
        return self.kind in _LAZY and self.selected

    @property
    def names(self) -> tuple[str, ...]:
        """Every spelling that a query may use."""
        return (self.name, *self.aliases)

    def __reduce__(self) -> tuple[Any, ...]:
        # Compared by identity, so a pickle names the field instead of holding it.
        return (_field_of, (self.entity, self.name))


def field(
    wire: str,
    kind: Kind,
    doc: str,
    *,
    sub: tuple[str, ...] = (),
    selected: bool = True,
    filter: str | None = None,
    order: str | None = None,
    nullable: bool = True,
    aliases: tuple[str, ...] = (),
    editable: bool = False,
    input: str | None = None,
    fixed: str = "",
    shared: bool = False,
) -> Any:
    """Declare a field of an entity: its GraphQL name, what it holds, and what may be done with it. ``shared``: many
    rows have the same text there, so that one copy is kept for all rows of a page. ``input`` is its name in a mutation
    where that is another one, ``fixed`` why it cannot be set."""
    info = {
        "wire": wire,
        "kind": kind,
        "doc": doc,
        "sub": sub,
        "selected": selected,
        "filter_path": filter,
        "order_key": order,
        "nullable": nullable,
        "aliases": aliases,
        "editable": editable,
        "input": input or wire,
        "fixed": fixed,
        "shared": shared,
    }
    return attrs.field(init=False, metadata={"wbmodel": info})


def relation(
    target: str,
    wire: str,
    doc: str,
    *,
    identity: tuple[str, ...] = (),
    by_key: bool = False,
    on: str | None = None,
    filters: Mapping[str, str] | None = None,
    aliases: tuple[str, ...] = (),
    selected: bool = True,
) -> Any:
    """Declare a to-one relation.

    ``identity`` names the target's fields that are always selected, which make up the reference. ``by_key``: the
    wire field is a text that holds the target's key (``sweepName``), so the reference is built from it and
    ``select_related`` cannot widen it. ``on``: the wire field is a union, of which only this member is meant.
    ``filters`` maps the target's fields to the server's filter paths.
    """
    info = {
        "wire": wire,
        "kind": Kind.REF,
        "doc": doc,
        "target": target,
        "identity": identity,
        "by_key": by_key,
        "on": on,
        "filters": dict(filters or {}),
        "aliases": aliases,
        "selected": selected,
    }
    return attrs.field(init=False, metadata={"wbmodel": info})


# -- how an entity is reached ----------------------------------------------------------------------


@attrs.frozen(slots=True, eq=False)
class Arg:
    """A GraphQL argument that takes its value from the scope: ``name: $project`` of type ``String!``."""

    name: str
    variable: str
    type: str = "String!"


@attrs.frozen(slots=True, eq=False)
class Step:
    """One field on the way to a connection. When it answers null, ``entity`` (an entity name) does not exist."""

    field: str
    args: tuple[Arg, ...] = ()
    entity: str | None = None


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Route:
    """A way to an entity's nodes: the steps down from the root, and the ``connection`` there with what it can do.

    Without a connection the last step is one node: ``project(...) { run(name: $key) }``. ``key`` is then the Python
    field whose value is ``$key``; without one, the scopes alone name the node.

    ``needs`` are the scopes that have to be known. ``count`` is where the number of rows stands: ``"parent:runCount"``
    (a field beside the connection), ``"parent:runCount(filters)"`` (the same, honouring filters) or
    ``"connection:totalCount"``. ``args`` are the connection's own scope arguments, ``fixed`` its literal ones.
    ``context`` names the relation that a step answers for every node of this route.
    """

    needs: tuple[str, ...]
    steps: tuple[Step, ...]
    connection: str | None = None
    key: str | None = None
    filters: bool = False
    order: bool = False
    paged: bool = True
    count: str | None = None
    args: tuple[Arg, ...] = ()
    fixed: tuple[tuple[str, str | bool], ...] = ()
    context: str | None = None

    @property
    def count_field(self) -> str:
        """The field that counts its rows; "" where none does."""
        return (self.count or "").partition(":")[2].partition("(")[0]

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables of its scopes, in the order of the document."""
        return tuple(arg.variable for step in self.steps for arg in step.args) + tuple(a.variable for a in self.args)


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

    ``upsert`` is the mutation that makes and changes, ``answer`` the field of its payload that holds the node.
    ``place`` maps the parts of a path (``project``, ``entity``) to input fields; with ``placed`` they and the key are
    sent with changes too. ``key`` is the input field of the short id where the caller may choose it, ``key_length``
    how long one is that is made here (0: the caller has to choose). ``creates`` maps fields that may be given at
    creation only to input fields, ``defaults`` are values for those that are not given. ``fixed`` are inputs that are
    always sent, as GraphQL literals; ``types`` the GraphQL types that do not follow from a field's kind.

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
    fixed: Mapping[str, str] = attrs.field(factory=dict)
    types: Mapping[str, str] = attrs.field(factory=dict)
    delete: str | None = None
    delete_id: str = "ID!"
    flags: Mapping[str, str] = attrs.field(factory=dict)
    confirms: bool = False


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Options:
    """What an entity class says about itself beside its fields, as ``__wbmodel__``.

    ``checks`` maps a scope to the dotted attribute of a row that shows it, for ways to the rows that do not go through
    it.

    ``keyed``: others refer to it by its key, without a node id, so its project and key are who it is.
    """

    graphql: str
    plural: str
    key: str
    scopes: Mapping[str, str] = attrs.field(factory=dict)
    checks: Mapping[str, str] = attrs.field(factory=dict)
    routes: tuple[Route, ...] = ()
    points: tuple[Route, ...] = ()
    expand: tuple[Expansion, ...] = ()
    order: tuple[str, ...] = ("-created_at",)
    node_context: tuple[str, ...] = ()
    keyed: bool = False
    writes: Writes | None = None


class EntityMeta:
    """The description of one entity class, made once when the class is finished."""

    def __init__(self, cls: type[Any], options: Options, to_many: Mapping[str, ToManyMeta]) -> None:
        self.cls = cls
        self.name = cls.__name__
        self.options = options
        self.graphql = options.graphql
        self.plural = options.plural
        self.key = options.key
        self.to_many = dict(to_many)
        self.fields: dict[str, FieldMeta] = {}
        for attribute in attrs.fields(cls):
            info = attribute.metadata.get("wbmodel")
            if info is not None:
                self.fields[attribute.name] = FieldMeta(entity=self.name, name=attribute.name, **info)
        self._by_name: dict[str, FieldMeta] = {}
        for item in self.fields.values():
            for name in item.names:
                if name in self._by_name:
                    raise TypeError(f"{self.name} declares the name {name!r} twice")
                self._by_name[name] = item
        self.slots: dict[str, str] = {item.name: f"_{item.name}_text" for item in self.fields.values() if item.is_lazy}
        self._default = tuple(item.name for item in self.fields.values() if item.selected)
        # Of each field that is decoded at first access: read the text, decode it, read and set the value.
        self.lazy: dict[
            str, tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any], Callable[[Any, Any], Any]]
        ] = {}
        self.caches: dict[Any, Any] = {}

    @property
    def does_not_exist(self) -> type[Exception]:
        """The class that ``get()`` raises for nothing found."""
        found: type[Exception] = self.cls.DoesNotExist
        return found

    @property
    def names(self) -> list[str]:
        """Every field name and alias, for messages."""
        return list(self._by_name)

    def find(self, name: str) -> FieldMeta | None:
        """The field of this name or alias, or None."""
        return self._by_name.get(name)

    def need(self, name: str, what: str = "field") -> FieldMeta:
        """The field of this name or alias. Raises :class:`FieldError` with the nearest names."""
        found = self._by_name.get(name)
        if found is None:
            if name in self.options.scopes:
                raise FieldError(
                    f"{self.name}: {name} routes a query and stands in filter() only; it is no {what} to read"
                )
            if name in self.to_many:
                raise FieldError(
                    f"{self.name}.{name} is a to-many relation, which a query cannot look through; ask it itself"
                )
            choices = [*self._by_name, *self.options.scopes]
            raise FieldError(f"{self.name} has no {what} {name!r}{suggestion(name, choices, 'fields')}")
        return found

    def editable(self, name: str, verb: str = "set") -> FieldMeta:
        """The field of this name or alias, which may be changed. Raises :class:`FieldError` with the reason when it may
        not, or with the nearest names when there is no such field."""
        found = self._by_name.get(name)
        if found is None:
            choices = [item.name for item in self.fields.values() if item.editable]
            if name in self.to_many or name in self.options.scopes:
                raise FieldError(
                    f"{self.name}.{name} is what others refer to, and cannot be {verb}; it takes {choices}"
                )
            raise FieldError(f"{self.name} has no field {name!r}{suggestion(name, self._by_name)}")
        if self.options.writes is None:
            raise FieldError(f"{self.name}.{found.name} cannot be {verb}: {self.plural} are read only here")
        if not found.editable:
            why = found.fixed or "W&B has no mutation that changes it"
            raise FieldError(f"{self.name}.{found.name} cannot be {verb}: {why}")
        return found

    def default_fields(self) -> tuple[str, ...]:
        """The names of the fields that a plain query loads."""
        return self._default

    def __repr__(self) -> str:
        return f"<EntityMeta {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (entity_meta, (self.name,))


_registry: dict[str, EntityMeta] = {}


def register(meta: EntityMeta) -> None:
    """Make an entity known by its class name."""
    _registry[meta.name] = meta


def entity_meta(name: str) -> EntityMeta:
    """The description of the entity class called ``name``. Raises ``LookupError`` for an unknown one."""
    if name not in _registry:
        # Entities register when their module is imported; a pickle may ask before anyone has.
        import importlib

        importlib.import_module("wbmodel.entities")
    try:
        return _registry[name]
    except KeyError:
        raise LookupError(f"there is no entity {name!r}{suggestion(name, _registry)}") from None


def _field_of(entity: str, name: str) -> FieldMeta:
    return entity_meta(entity).fields[name]


def all_entities() -> dict[str, EntityMeta]:
    """Every registered entity by class name."""
    return dict(_registry)
