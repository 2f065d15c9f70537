"""The engine's queries to a store, as frozen values: a :class:`Select` asks for rows, a :class:`Page` is the answer. A
field can be added to :class:`Select` without breaking stores that do not know it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from wbmodel.engine.conditions import All, Condition
from wbmodel.engine.dialect import TYPES, ValueType
from wbmodel.engine.fields import Path

__all__ = [
    "JSON_TYPES",
    "RELATIONS",
    "Collation",
    "Group",
    "KeyFacts",
    "Page",
    "Place",
    "Rank",
    "Relation",
    "Select",
    "Term",
]

Rank = tuple[int, Any]
"""The index of a value's type, and the value: a number, text, bool, or the JSON text of a list or object. Dates are
microseconds."""

Place = tuple[Any, ...]
"""The position of a row in an order: its rank for each term (None if it has no value), then its tie key ``(number,
name, node id)``. Plain JSON, so that a cursor can hold it; the next page starts after it without needing the row."""


@attrs.frozen(slots=True)
class Term:
    """One key of an order."""

    path: Path
    descending: bool = False


@attrs.frozen(slots=True)
class Collation:
    """Deviations from the documented order of values, which is the default. Lists of Python objects support all of
    them; other stores raise :class:`~wbmodel.engine.store.StoreError` for those they do not support."""

    types: tuple[ValueType, ...] = TYPES
    """The types in ascending order."""
    nulls_first: bool = False
    nan_text: bool = False
    """Sort non-finite numbers inside JSON as text."""
    shuffle: int | None = None
    """Shuffle tied rows with this seed, instead of newest first."""


EVERY = All()
DOCUMENTED = Collation()


@attrs.frozen(slots=True)
class Relation:
    """A list in a store: the kind of its rows, which determines the fields of filters and orders, and its default order
    if that is not newest first."""

    kind: str
    order: tuple[Term, ...] = ()


def _by(name: str) -> tuple[Term, ...]:
    return (Term(Path("plain", name)),)


RELATIONS: Mapping[str, Relation] = {
    "users": Relation("User"),
    "entities": Relation("Entity", _by("name")),
    "user.teams": Relation("Entity", (*_by("is_team"), *_by("name"))),
    "entity.projects": Relation("Project"),
    "project.runs": Relation("Run"),
    "project.sweeps": Relation("Sweep"),
    "project.views": Relation("View"),
    "project.artifact_types": Relation("ArtifactType", _by("name")),
    "project.collections": Relation("ArtifactCollection"),
    "sweep.runs": Relation("Run"),
    "run.files": Relation("File", _by("name")),
    "run.logged": Relation("ArtifactVersion", (Term(Path("time", "created_at")),)),
    "run.used": Relation("ArtifactVersion", (Term(Path("time", "created_at")),)),
    "artifact_type.collections": Relation("ArtifactCollection"),
    "collection.versions": Relation("Artifact"),
    "collection.aliases": Relation("Alias", _by("alias")),
    "artifact.files": Relation("File", _by("name")),
    "artifact.memberships": Relation("Membership", (*_by("version_index"), *_by("path"))),
    "artifact.used_by": Relation("Run"),
}
"""Every relation, by its name in :attr:`Select.relation`. ``Artifact`` rows are memberships, because version and
aliases belong to the membership; ``ArtifactVersion`` rows are artifacts."""


@attrs.frozen(slots=True)
class Select:
    """A query for the rows of a relation."""

    relation: str
    """A name in :data:`RELATIONS`."""
    parent: str | None = None
    """Node id of the parent; None for ``users`` and ``entities``, which are global."""
    where: Condition = EVERY
    order: tuple[Term, ...] = ()
    """Empty: the relation's own order. Rows that tie in all terms are ordered newest first, then by name, then by node
    id."""
    after: Place | None = None
    """Only rows after this position in the same order."""
    first: int | None = None
    """Maximum number of rows; None: all, 0: none (for the total alone)."""
    collation: Collation = DOCUMENTED

    @property
    def kind(self) -> str:
        """The kind of the rows."""
        return RELATIONS[self.relation].kind

    @property
    def terms(self) -> tuple[Term, ...]:
        """The effective order: :attr:`order`, or the relation's own."""
        return self.order or RELATIONS[self.relation].order


class Page(Protocol):
    """The answer to a :class:`Select`. Valid inside the view that returned it; it may be lazy."""

    @property
    def rows(self) -> Sequence[Any]:
        """The records, in order. They share one loader for deferred attributes."""
        ...

    @property
    def has_next(self) -> bool:
        """Whether rows follow."""
        ...

    @property
    def places(self) -> Sequence[Place]:
        """The position of each row, for cursors."""
        ...

    @property
    def total(self) -> int:
        """The number of matching rows, wherever the page begins. Counted on access, as documents rarely need it."""
        ...


@attrs.frozen(slots=True)
class Group:
    """Rows with equal values: the values (None for null, absent and NaN), and the number of rows."""

    values: tuple[Any, ...]
    count: int


JSON_TYPES = {bool: "bool", int: "number", float: "number", str: "string", list: "list", dict: "map"}
"""The names of types in key facts; any other type is ``nil``."""


@attrs.frozen(slots=True)
class KeyFacts:
    """Facts about one key: the number of rows that have it, and their number by type (``number``, ``string``,
    ``bool``, ``list``, ``map``, ``nil``). For a stream also the last value, and whether its numbers never
    decrease."""

    count: int
    types: Mapping[str, int]
    last: Any = None
    monotonic: bool = False

    @property
    def info(self) -> dict[str, Any]:
        """The facts about a history key, as in the schema and in filters by ``keys_info``."""
        counts = [{"type": kind, "count": count} for kind, count in self.types.items()]
        # Infinity is the largest float there (measured by a public client).
        last = math.copysign(sys.float_info.max, self.last) if self.last in (math.inf, -math.inf) else self.last
        return {"typeCounts": counts, "monotonic": self.monotonic, "previousValue": last}
