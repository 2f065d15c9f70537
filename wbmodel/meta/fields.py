"""Field declarations: what a field holds, its names on the wire, and how it may be used."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from wbmodel.meta.json_fields import Codec, Config, Json, Summary, Text, Texts, Time, Value, Yaml

if TYPE_CHECKING:
    from typing_extensions import Never

__all__ = ["Belongs", "FieldMeta", "Kind", "ReadOnly", "Tally", "field", "relation"]

T = TypeVar("T")


class ReadOnly(Generic[T]):
    """The type of a field that cannot be set, for type checkers only: read as ``T``, never assigned.

    The attribute itself is a plain slot, so reading it costs nothing more. Its run-time check is that of every field.
    """

    if TYPE_CHECKING:

        def __get__(self, instance: object, owner: Any) -> T: ...

        def __set__(self, instance: object, value: Never) -> None: ...


class Kind(enum.Enum):
    """The type of a field, in Python and on the wire."""

    ID = "id"  # opaque text
    TEXT = "text"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    TIME = "time"  # aware datetime; RFC 3339 text on the wire
    TEXTS = "texts"  # list of text
    CONFIG = "config"  # dict; JSON text on the wire, each value wrapped in {"value": ...}
    SUMMARY = "summary"  # dict; JSON text on the wire, where "NaN", "Infinity" and "-Infinity" stand for floats
    JSON = "json"  # dict; JSON text on the wire
    VALUE = "value"  # dict, in place on the wire (scalar JSON)
    YAML = "yaml"  # dict; YAML text on the wire
    REF = "ref"  # another entity

    @property
    def is_keyed(self) -> bool:
        """Whether a path may continue into the value: ``config.lr``."""
        return self in _KEYED

    @property
    def is_decoded(self) -> bool:
        """Whether :attr:`codec` decodes what comes over the wire, rather than it being the value itself."""
        return self in _DECODED

    @property
    def codec(self) -> Codec:
        """How values are read and written. Raises ``KeyError`` for a kind that is never written."""
        return _CODECS[self]


_KEYED = frozenset({Kind.CONFIG, Kind.SUMMARY, Kind.JSON, Kind.VALUE, Kind.YAML})
_DECODED = frozenset({*_KEYED, Kind.TEXTS})
_CODECS: dict[Kind, Codec] = {
    Kind.TEXT: Text(),
    Kind.TIME: Time(),
    Kind.TEXTS: Texts(),
    Kind.CONFIG: Config(),
    Kind.SUMMARY: Summary(),
    Kind.JSON: Json(),
    Kind.VALUE: Value(),
    Kind.YAML: Yaml(),
    Kind.REF: Text(),  # written as the key that refers to it
}


@attrs.frozen(slots=True, eq=False)
class Belongs:
    """How the items of a list name the object that each belongs to: the row's ``relation``, and in each item the field
    that holds the same entity, with the field that holds its name alone (for servers without the former)."""

    relation: str
    object: str
    name: str


@attrs.frozen(slots=True, eq=False)
class Tally:
    """A GraphQL field beside a connection that lists the values of a field with the number of rows of each.

    ``arguments`` are as written; ``on`` is the type of the union member, if it is one. Each item, in a list or at the
    nodes of a connection, has ``value`` and ``number``.
    """

    name: str
    value: str
    number: str
    arguments: str = ""
    on: str | None = None


@attrs.frozen(slots=True, kw_only=True, eq=False)
class FieldMeta:
    """One declared field.

    ``wire`` is the GraphQL field; ``sub`` is the path of the value inside it (``artifactType { name }``).
    ``filter_path`` and ``order_key`` are the server's names; if None, such filters and orders are applied locally.
    ``belongs``: each item of the list belongs to the value of this relation or to another one, and only the former
    count. ``selected``: a plain query loads it. ``needs`` are the fields from which a property is computed.
    ``editable``: it may be set and saved; ``input`` is then its name in the mutation's input. ``fixed`` is the reason
    why it is not editable. ``choices`` are its values, if known: others are refused at creation, and warned about in
    conditions. ``in_part``: the server can answer only some of its top-level keys, by the argument ``keys``.
    ``through``: the relation is only known where the route goes through it.
    ``tally`` is the server's own count of its values, ``index`` the GraphQL field beside a connection that lists its
    keys, each as a path that starts with ``filter_path``. ``owner`` is the entity class that declares it.
    """

    name: str
    wire: str
    kind: Kind
    doc: str
    sub: tuple[str, ...] = ()
    belongs: Belongs | None = None
    selected: bool = True
    filter_path: str | None = None
    order_key: str | None = None
    nullable: bool = True
    aliases: tuple[str, ...] = ()
    editable: bool = False
    input: str | None = None
    fixed: str = ""
    choices: tuple[str, ...] = ()
    shared: bool = False
    in_part: bool = False
    tally: Tally | None = None
    index: str | None = None
    target: str | None = None
    identity: tuple[str, ...] = ()
    by_key: bool = False
    on: str | None = None
    through: bool = False
    filters: Mapping[str, str] = attrs.field(factory=dict)
    needs: tuple[str, ...] | None = None
    owner: type[Any] | None = None

    @property
    def is_lazy(self) -> bool:
        """Whether the wire text is kept and decoded at first access; changes are found by comparing with it."""
        return self.kind.is_decoded

    @property
    def is_blank(self) -> bool:
        """Whether ``""`` on the server means the same as null, because clearing the field writes ``""``."""
        return self.kind is Kind.TEXT and self.editable and self.nullable

    @property
    def names(self) -> tuple[str, ...]:
        """Every spelling that a query may use."""
        return (self.name, *self.aliases)

    def __reduce__(self) -> tuple[Any, ...]:
        # Compared by identity, so a pickle stores a reference to the field.
        return (_field_of, (self.owner, self.name))


def _field_of(owner: Any, name: str) -> FieldMeta:
    meta = owner.__wbmodel_meta__
    found: FieldMeta = meta.fields[name] if name in meta.fields else meta.computed[name]
    return found


def field(
    wire: str,
    kind: Kind,
    doc: str,
    *,
    sub: tuple[str, ...] = (),
    belongs: Belongs | None = None,
    selected: bool = True,
    path: str | None = None,
    filter: str | None = None,
    order: str | None = None,
    nullable: bool = True,
    aliases: tuple[str, ...] = (),
    editable: bool = False,
    input: str | None = None,
    fixed: str = "",
    choices: tuple[str, ...] = (),
    shared: bool = False,
    in_part: bool = False,
    tally: Tally | None = None,
    index: str | None = None,
) -> Any:
    """Declare a field of an entity: its GraphQL name, its type, and how it may be used.

    ``path`` is the name by which the server filters and orders; give ``filter`` or ``order`` if it does only one of
    them. ``shared``: many rows have the same text, so one copy is kept for all rows of a page. ``input`` is the name in
    the mutation's input if it differs, ``fixed`` the reason why the field cannot be set. ``in_part``: the GraphQL field
    takes ``keys``. ``tally`` is the GraphQL field that counts its values, ``index`` the one that lists its keys.
    """
    info = {
        "wire": wire,
        "kind": kind,
        "doc": doc,
        "sub": sub,
        "belongs": belongs,
        "selected": selected,
        "filter_path": filter or path,
        "order_key": order or path,
        "nullable": nullable,
        "aliases": aliases,
        "editable": editable,
        "input": input or wire,
        "fixed": fixed,
        "choices": choices,
        "shared": shared,
        "in_part": in_part,
        "tally": tally,
        "index": index,
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
    through: bool = False,
    filters: Mapping[str, str] | None = None,
    aliases: tuple[str, ...] = (),
    selected: bool = True,
) -> Any:
    """Declare a to-one relation.

    ``identity`` names the target's fields that are always selected and make up the reference. ``by_key``: the wire
    field is text that holds the target's key (``sweepName``), so the reference is built from it and ``select_related``
    cannot widen it. ``on``: the wire field is a union, and only this member of it is used. ``through``: the node has no
    such field, so only rows of a route through the relation have it. ``filters`` maps the target's fields to the
    server's filter paths.
    """
    info = {
        "wire": wire,
        "kind": Kind.REF,
        "doc": doc,
        "target": target,
        "identity": identity,
        "by_key": by_key,
        "on": on,
        "through": through,
        "filters": dict(filters or {}),
        "aliases": aliases,
        "selected": selected,
    }
    return attrs.field(init=False, metadata={"wbmodel": info})
