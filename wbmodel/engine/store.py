"""The protocols of a store: what the engine asks of the place where records are kept.

A query reads one :class:`View`; a mutation document changes one :class:`Writer`, all of it or nothing. Views find one
thing by its key (:class:`Catalog`) and rows by a question (:class:`Selection`); writers change (:class:`Changes`).
Lists of Python objects have all of it in :class:`~wbmodel.engine.lists.ListStore`.
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
    """A record cannot be added, changed or found. The message names it and where it should be.

    The engine turns it into a GraphQL error; code that fills a store catches it.
    """


class Catalog(Protocol):
    """One thing by its key; None where there is none. Names are compared exactly. A view gives one record per id."""

    @property
    def viewer(self) -> UserRecord | None:
        """Who asks. None: nobody is logged in, then there is no default entity either."""
        ...

    def node(self, node_id: str) -> Record | None:
        """Any record by its node id."""
        ...

    def user(self, username: str) -> UserRecord | None: ...

    def entity(self, name: str) -> EntityRecord | None: ...

    def project(self, entity: str, name: str) -> ProjectRecord | None: ...

    def run(self, project: ProjectRecord, name: str) -> RunRecord | None:
        """The newest run of this short id."""
        ...

    def runs_named(self, project: ProjectRecord, name: str) -> Sequence[RunRecord]:
        """All runs of this short id, newest first."""
        ...

    def sweep(self, project: ProjectRecord, name: str) -> SweepRecord | None: ...

    def artifact_type(self, project: ProjectRecord, name: str) -> ArtifactTypeRecord | None: ...

    def collection(self, project: ProjectRecord, name: str) -> CollectionRecord | None: ...

    def membership(self, collection: CollectionRecord, alias: str) -> MembershipRecord | None:
        """The version that ``alias`` (``latest``, ``v3``, ``best``) means in this collection. ``latest`` is the highest
        version where no version holds that alias."""
        ...


class Selection(Protocol):
    """Rows by a question. Every answer is exact: a store that can say only a part of a condition tests the rest with
    :func:`~wbmodel.engine.evaluate.predicate`."""

    def select(self, ask: Select, /) -> Page:
        """A page of rows; of a parent that does not exist, none."""
        ...

    def count(self, ask: Select, parents: Sequence[str] | None = None, /) -> Mapping[str | None, int]:
        """How many rows match, by parent: of ``ask.parent``, or in one question of each of ``parents``."""
        ...

    def groups(self, ask: Select, by: tuple[Path, ...], /) -> Sequence[Group]:
        """How many of the rows have the same values at ``by``, most first. A row counts for each element of a list."""
        ...

    def keys(self, ask: Select, part: Path, /) -> Mapping[str, KeyFacts]:
        """The keys that the rows have in a JSON column (``Path("json", "config")``), as filters write them."""
        ...


class View(Catalog, Selection, Protocol):
    """One state of a store. Records and pages are good until the view is closed."""

    @property
    def token(self) -> Hashable:
        """Equal tokens mean equal content."""
        ...


class Changes(Protocol):
    """Changes of what is there. What they are given is looked up by its id, so a record of an older view will do; what
    they return is the record as it is now, and older ones are stale. All raise :class:`StoreError`, and have then
    changed nothing."""

    def add_project(self, entity: str | EntityRecord, name: str, **fields: Any) -> ProjectRecord: ...

    def add_run(self, project: ProjectRecord, name: str, *, node_id: str | None = None, **fields: Any) -> RunRecord: ...

    def add_sweep(self, project: ProjectRecord, name: str, **fields: Any) -> SweepRecord: ...

    def add_view(self, project: ProjectRecord, name: str, **fields: Any) -> ViewRecord: ...

    def add_file(self, run: RunRecord, name: str, content: bytes, **fields: Any) -> FileRecord:
        """Add a run file, or replace the one of that name."""
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
        """Note that ``run`` takes ``artifact`` as input. Twice is once."""
        ...

    def set_aliases(self, membership: MembershipRecord, aliases: Sequence[str]) -> MembershipRecord:
        """Give a version exactly these aliases; an alias that another version of the collection had moves here."""
        ...

    def update(self, record: str, /, **changes: Any) -> Record:
        """Change fields of the record with this node id. ``updated_at`` becomes now unless it is among the changes.
        An unknown field and a new name that is taken are refused."""
        ...

    def delete(self, record: str, /) -> None:
        """Remove the record with this node id and what hangs off it. A deleted sweep leaves its runs, without it."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """A part that is undone alone when it raises, as each mutation of a document is."""
        ...


class Writer(View, Changes, Protocol):
    """A view that can change what it shows, and sees its own changes."""


class Store(Protocol):
    """Records of one world."""

    @property
    def token(self) -> Hashable:
        """The token that a view opened now would have. Cheap, and waits for nobody."""
        ...

    def view(self) -> AbstractContextManager[View]:
        """A view of the store as it is now, for one request."""
        ...


class WritableStore(Store, Protocol):
    """A store that can be changed."""

    def change(self) -> AbstractContextManager[Writer]:
        """A writer for one request: leaving commits, an exception undoes everything."""
        ...


def is_writable(store: Store) -> TypeGuard[WritableStore]:
    """Whether a store can be changed."""
    return callable(getattr(store, "change", None))
