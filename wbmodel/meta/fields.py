"""What an entity declares of each field: what it holds, its names on the wire, and what may be done with it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import attrs

from wbmodel.meta.json_fields import Codec, Config, Json, Summary, Text, Texts, Yaml

__all__ = ["FieldMeta", "Kind", "field", "relation"]


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

    @property
    def is_decoded(self) -> bool:
        """Whether what comes over the wire is not yet the value, but what :attr:`codec` makes it of."""
        return self in _DECODED

    @property
    def codec(self) -> Codec:
        """How values are read and written. Raises ``KeyError`` for a kind that nothing writes."""
        return _CODECS[self]


_KEYED = frozenset({Kind.CONFIG, Kind.SUMMARY, Kind.JSON, Kind.VALUE, Kind.YAML})
_DECODED = frozenset({Kind.CONFIG, Kind.SUMMARY, Kind.JSON, Kind.YAML, Kind.TEXTS})
_CODECS: dict[Kind, Codec] = {
    Kind.TEXT: Text(),
    Kind.TEXTS: Texts(),
    Kind.CONFIG: Config(),
    Kind.SUMMARY: Summary(),
    Kind.JSON: Json(),
    Kind.YAML: Yaml(),
    Kind.REF: Text(),  # written as the key that refers to it
}


@attrs.frozen(slots=True, kw_only=True, eq=False)
class FieldMeta:
    """One declared field.

    ``wire`` is the GraphQL field; ``sub`` the path inside it where the value sits (``artifactType { name }``).
    ``filter_path`` and ``order_key`` are the server's names, None where the server has none (such filters and
    orders are done here). ``selected`` says whether a plain query asks for it. ``editable`` says whether it may be set
    and saved, ``input`` is then its name in the input of the mutation; ``fixed`` is why it may not. ``choices`` are the
    values that it may be made with, where they are known. ``owner`` is the entity class that declares it.
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
    choices: tuple[str, ...] = ()
    shared: bool = False
    target: str | None = None
    identity: tuple[str, ...] = ()
    by_key: bool = False
    on: str | None = None
    filters: Mapping[str, str] = attrs.field(factory=dict)
    owner: type[Any] | None = None

    @property
    def is_lazy(self) -> bool:
        """Whether what came over the wire is kept and made into a value at first access: the kept part is what changes
        are found by. What is asked for by name is wanted, so that is decoded at once and costs no slot for it."""
        return self.kind.is_decoded and self.selected

    @property
    def names(self) -> tuple[str, ...]:
        """Every spelling that a query may use."""
        return (self.name, *self.aliases)

    def __reduce__(self) -> tuple[Any, ...]:
        # Compared by identity, so a pickle names the field instead of holding it.
        return (_field_of, (self.owner, self.name))


def _field_of(owner: Any, name: str) -> FieldMeta:
    found: FieldMeta = owner.__wbmodel_meta__.fields[name]
    return found


def field(
    wire: str,
    kind: Kind,
    doc: str,
    *,
    sub: tuple[str, ...] = (),
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
) -> Any:
    """Declare a field of an entity: its GraphQL name, what it holds, and what may be done with it. ``path`` is the name
    by which the server filters and orders, ``filter`` or ``order`` where it does only one of them. ``shared``: many
    rows have the same text there, so that one copy is kept for all rows of a page. ``input`` is its name in a mutation
    where that is another one, ``fixed`` why it cannot be set."""
    info = {
        "wire": wire,
        "kind": kind,
        "doc": doc,
        "sub": sub,
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
