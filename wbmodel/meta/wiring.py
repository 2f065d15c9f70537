"""How an entity is wired to GraphQL: the ways to its nodes, its relations to many, and the mutations that write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["Arg", "Expansion", "Route", "Step", "ToManyMeta", "Writes"]


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
