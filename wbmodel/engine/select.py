"""What the engine asks of a store, as frozen values: a :class:`Select` is one question for rows, a :class:`Page` its
answer. A field can be added to the question without breaking a store that does not know it.
"""

from __future__ import annotations

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
"""The place of a value's type among the types, and the value: a number, text, bool, or the JSON text of a list or
object. Dates are microseconds."""

Place = tuple[Any, ...]
"""Where a row stands in an order: its rank for each term (None where it has no value), then its tie key
``(number, name, node id)``. Plain JSON, so that a cursor can hold it; a page goes on behind it without the row."""


@attrs.frozen(slots=True)
class Term:
    """One key of an order."""

    path: Path
    descending: bool = False


@attrs.frozen(slots=True)
class Collation:
    """How values stand in an order where that is not the documented way, which is the default. Lists of Python objects
    can do all of it; another store refuses what it cannot, with :class:`~wbmodel.engine.store.StoreError`."""

    types: tuple[ValueType, ...] = TYPES
    """The types in ascending order."""
    nulls_first: bool = False
    nan_text: bool = False
    """Numbers inside JSON that are not finite stand as their texts."""
    shuffle: int | None = None
    """Rows that tie stand shuffled by this seed, instead of newest first."""


EVERY = All()
DOCUMENTED = Collation()


@attrs.frozen(slots=True)
class Relation:
    """A list that a store has: the kind of its rows, as filters and orders name fields of it, and the order of its own
    where that is not newest first."""

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
"""Every relation, by the name that :attr:`Select.relation` has. ``Artifact`` rows are memberships, as version and
aliases belong to the place; ``ArtifactVersion`` rows are artifacts."""


@attrs.frozen(slots=True)
class Select:
    """A question for the rows of a relation."""

    relation: str
    """A name in :data:`RELATIONS`."""
    parent: str | None = None
    """Node id of whose rows they are; None for ``users`` and ``entities``, which are everybody's."""
    where: Condition = EVERY
    order: tuple[Term, ...] = ()
    """Empty: the relation's own. Rows that tie in all terms stand newest first, then by name, then by node id."""
    after: Place | None = None
    """Only rows behind this place of the same order."""
    first: int | None = None
    """The most rows; None: all, 0: none, for the total alone."""
    collation: Collation = DOCUMENTED

    @property
    def kind(self) -> str:
        """The kind of the rows."""
        return RELATIONS[self.relation].kind

    @property
    def terms(self) -> tuple[Term, ...]:
        """The order that holds: the one asked, or the relation's own."""
        return self.order or RELATIONS[self.relation].order


class Page(Protocol):
    """The answer to a :class:`Select`. It is asked inside the view that gave it, and may answer lazily."""

    @property
    def rows(self) -> Sequence[Any]:
        """The records, in order. They share one loader for parts that they came without."""
        ...

    @property
    def has_next(self) -> bool:
        """Whether rows follow."""
        ...

    @property
    def places(self) -> Sequence[Place]:
        """The place of each row, so that a cursor needs no part of it."""
        ...

    @property
    def total(self) -> int:
        """How many rows match, wherever the page begins. Counted when read, as documents seldom ask."""
        ...


@attrs.frozen(slots=True)
class Group:
    """Rows that have the same values: the values (None for null, absent and NaN), and how many rows."""

    values: tuple[Any, ...]
    count: int


JSON_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "list", dict: "map"}
"""The name that key facts have for the type of a value; what is not here is ``nil``."""


@attrs.frozen(slots=True)
class KeyFacts:
    """What is known of one key: how many rows have it, and how many of them by type (``number``, ``string``,
    ``boolean``, ``list``, ``map``, ``nil``). In a stream also the last value, and whether numbers never fall."""

    count: int
    types: Mapping[str, int]
    last: Any = None
    monotonic: bool = False

    @property
    def info(self) -> dict[str, Any]:
        """The facts of a key of a history, as the schema shows them and filters by ``keys_info`` see them."""
        counts = [{"type": kind, "count": count} for kind, count in self.types.items()]
        return {"typeCounts": counts, "monotonic": self.monotonic, "previousValue": self.last}
