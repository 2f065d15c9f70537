"""The store protocols: the interface between the engine and the place where records are kept.

A query reads one :class:`View`; a mutation document changes one :class:`Writer`, all or nothing. A view finds objects
by key (:class:`Catalog`) and rows by query (:class:`Selection`); a writer also makes changes (:class:`Changes`).
:class:`~wbmodel.engine.lists.ListStore` implements reading for lists of Python objects.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TypeGuard

from wbmodel.engine.fields import Path
from wbmodel.engine.records import (
    ArtifactRecord,
    ArtifactTypeRecord,
    CollectionRecord,
    EntityRecord,
    FileRecord,
    MembershipRecord,
    ProjectRecord,
    Record,
    RunRecord,
    SweepRecord,
    UserRecord,
    ViewRecord,
)
from wbmodel.engine.select import Group, KeyFacts, Page, Select

__all__ = [
    "Catalog",
    "Changes",
    "Selection",
    "Store",
    "StoreError",
    "View",
    "WritableStore",
    "Writer",
    "is_writable",
]


class StoreError(Exception):
    """A record cannot be added, changed or found. The message names it and its expected place.

    The engine turns this into a GraphQL error; code that fills a store should catch it.
    """


class Catalog(Protocol):
    """Finds objects by key; returns None if there is none. Names must match exactly. A view has one record per id."""

    @property
    def viewer(self) -> UserRecord | None:
        """The current user. None if nobody is logged in; there is no default entity then."""
        ...

    def node(self, node_id: str) -> Record | None:
        """Any record by its node id."""
        ...

    def user(self, username: str) -> UserRecord | None: ...

    def entity(self, name: str) -> EntityRecord | None: ...

    def project(self, entity: str, name: str) -> ProjectRecord | None: ...

    def run(self, project: ProjectRecord, name: str) -> RunRecord | None:
        """The newest run with this short id."""
        ...

    def runs_named(self, project: ProjectRecord, name: str) -> Sequence[RunRecord]:
        """All runs with this short id, newest first."""
        ...

    def sweep(self, project: ProjectRecord, name: str) -> SweepRecord | None: ...

    def artifact_type(self, project: ProjectRecord, name: str) -> ArtifactTypeRecord | None: ...

    def collection(self, project: ProjectRecord, name: str) -> CollectionRecord | None: ...

    def membership(self, collection: CollectionRecord, alias: str) -> MembershipRecord | None:
        """The version with ``alias`` (``latest``, ``v3``, ``best``) in this collection. ``latest`` is the highest
        version if no version has that alias."""
        ...


class Selection(Protocol):
    """Finds rows by query. Answers are exact: a store that can express only part of a condition tests the rest with
    :func:`~wbmodel.engine.evaluate.predicate`."""

    def select(self, ask: Select, /) -> Page:
        """A page of rows; empty if the parent does not exist."""
        ...

    def count(self, ask: Select, parents: Sequence[str] | None = None, /) -> Mapping[str | None, int]:
        """The number of matching rows by parent: for ``ask.parent``, or for each of ``parents`` at once."""
        ...

    def groups(self, ask: Select, by: tuple[Path, ...], /) -> Sequence[Group]:
        """The number of rows for each combination of values at ``by``, largest first. A row counts once for each
        element of a list."""
        ...

    def keys(self, ask: Select, part: Path, /) -> Mapping[str, KeyFacts]:
        """The keys of the rows in a JSON column (``Path("json", "config")``), written as in filters. Of
        ``Path("json", "keys_info")``: those of the rows' histories, counted in their rows; ``last`` is that of the
        first row of the list that has the key, and ``monotonic`` means in each row."""
        ...


class View(Catalog, Selection, Protocol):
    """One state of a store. Records and pages are valid until the view is closed."""

    @property
    def token(self) -> Hashable:
        """Equal tokens mean equal content."""
        ...


class Changes(Protocol):
    """Changes to a store. Arguments are looked up by id, so a record from an older view is accepted; the record
    returned is current, and older ones are stale. A method that fails raises :class:`StoreError` and changes
    nothing."""

    def add_project(self, entity: str | EntityRecord, name: str, **fields: Any) -> ProjectRecord: ...

    def add_run(self, project: ProjectRecord, name: str, *, node_id: str | None = None, **fields: Any) -> RunRecord: ...

    def add_sweep(self, project: ProjectRecord, name: str, **fields: Any) -> SweepRecord: ...

    def add_view(self, project: ProjectRecord, name: str, **fields: Any) -> ViewRecord: ...

    def add_file(self, run: RunRecord, name: str, content: bytes, **fields: Any) -> FileRecord:
        """Add a run file, or replace the one with that name."""
        ...

    def add_artifact_type(self, project: ProjectRecord, name: str, **fields: Any) -> ArtifactTypeRecord: ...

    def add_collection(
        self,
        project: ProjectRecord,
        name: str,
        *,
        type: str | ArtifactTypeRecord,
        kind: Literal["sequence", "portfolio"] = "sequence",
        **fields: Any,
    ) -> CollectionRecord: ...

    def add_version(
        self,
        collection: CollectionRecord,
        *,
        version: int | None = None,
        aliases: Sequence[str] = (),
        files: Mapping[str, Any] | None = None,
        logged_by: RunRecord | UserRecord | None = None,
        **fields: Any,
    ) -> ArtifactRecord: ...

    def link(
        self, artifact: ArtifactRecord, portfolio: CollectionRecord, aliases: Sequence[str] = ()
    ) -> MembershipRecord: ...

    def use(self, run: RunRecord, artifact: ArtifactRecord) -> None:
        """Record that ``run`` uses ``artifact`` as input. Idempotent."""
        ...

    def set_aliases(self, membership: MembershipRecord, aliases: Sequence[str]) -> MembershipRecord:
        """Set the aliases of a version. An alias of another version in the collection moves here."""
        ...

    def update(self, record: str, /, **changes: Any) -> Record:
        """Change fields of the record with this node id. ``updated_at`` becomes now, unless it is one of the changes.
        Raises :class:`StoreError` for an unknown field, or a name that is taken."""
        ...

    def delete(self, record: str, /) -> None:
        """Remove the record with this node id and everything below it. The runs of a deleted sweep stay, without it."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """A block that is undone by itself if it raises; each mutation of a document runs in one."""
        ...


class Writer(View, Changes, Protocol):
    """A view that can be changed, and that shows its own changes."""


class Store(Protocol):
    """The records of one world."""

    @property
    def token(self) -> Hashable:
        """The token that a view opened now would have. Cheap and non-blocking."""
        ...

    def view(self) -> AbstractContextManager[View]:
        """A view of the current state, for one request."""
        ...


class WritableStore(Store, Protocol):
    """A store that can be changed."""

    def change(self) -> AbstractContextManager[Writer]:
        """A writer for one request. Leaving the block commits; an exception undoes everything."""
        ...


def is_writable(store: Store) -> TypeGuard[WritableStore]:
    """Whether a store can be changed."""
    return callable(getattr(store, "change", None))
