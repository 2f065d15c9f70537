"""The ``Store`` protocol: what the engine asks of the place where records are kept.

The methods are narrow on purpose (one thing by key, the list of one parent, add, update, delete), so that a SQL
store can answer each with one statement. Filters, orders and pages are the engine's work. Lists come in the order
of creation in the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

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

__all__ = ["Store", "StoreError"]


class StoreError(Exception):
    """A record cannot be added, changed or found. The message names it and where it should be.

    The engine turns it into a GraphQL error; code that fills a store catches it.
    """


class Store(Protocol):
    """Records of one world. All names are compared exactly. Every mutation counts :attr:`version` up."""

    @property
    def version(self) -> int:
        """Grows with each change; equal versions mean equal content."""
        ...

    @property
    def viewer(self) -> UserRecord | None:
        """Who asks. None: nobody is logged in, then there is no default entity either."""
        ...

    # -- one thing ---------------------------------------------------------------------------------

    def node(self, node_id: str) -> Record | None:
        """Any record by its node id."""
        ...

    def user(self, username: str) -> UserRecord | None: ...

    def entity(self, name: str) -> EntityRecord | None: ...

    def project(self, entity: str, name: str) -> ProjectRecord | None: ...

    def run(self, project: ProjectRecord, name: str) -> RunRecord | None: ...

    def sweep(self, project: ProjectRecord, name: str) -> SweepRecord | None: ...

    def artifact_type(self, project: ProjectRecord, name: str) -> ArtifactTypeRecord | None: ...

    def collection(self, project: ProjectRecord, name: str) -> CollectionRecord | None: ...

    def membership(self, collection: CollectionRecord, alias: str) -> MembershipRecord | None:
        """The version that ``alias`` (``latest``, ``v3``, ``best``) means in this collection."""
        ...

    # -- lists -------------------------------------------------------------------------------------

    def users(self) -> Sequence[UserRecord]: ...

    def entities(self) -> Sequence[EntityRecord]: ...

    def teams(self, user: UserRecord) -> Sequence[EntityRecord]:
        """Teams that list ``user`` among their members, and the user's own entity."""
        ...

    def projects(self, entity: EntityRecord) -> Sequence[ProjectRecord]: ...

    def runs(self, project: ProjectRecord) -> Sequence[RunRecord]: ...

    def sweeps(self, project: ProjectRecord) -> Sequence[SweepRecord]: ...

    def sweep_runs(self, sweep: SweepRecord) -> Sequence[RunRecord]: ...

    def views(self, project: ProjectRecord) -> Sequence[ViewRecord]: ...

    def artifact_types(self, project: ProjectRecord) -> Sequence[ArtifactTypeRecord]: ...

    def collections(self, project: ProjectRecord) -> Sequence[CollectionRecord]: ...

    def versions(self, collection: CollectionRecord) -> Sequence[MembershipRecord]: ...

    def memberships(self, artifact: ArtifactRecord) -> Sequence[MembershipRecord]:
        """Every collection that has ``artifact``, its own sequence first."""
        ...

    def files(self, run: RunRecord) -> Sequence[FileRecord]: ...

    def logged(self, run: RunRecord) -> Sequence[ArtifactRecord]:
        """Artifacts that ``run`` made."""
        ...

    def used(self, run: RunRecord) -> Sequence[ArtifactRecord]:
        """Artifacts that ``run`` took as input."""
        ...

    def used_by(self, artifact: ArtifactRecord) -> Sequence[RunRecord]: ...

    # -- changes -----------------------------------------------------------------------------------

    def add_project(self, entity: str | EntityRecord, name: str, **fields: Any) -> ProjectRecord: ...

    def add_run(self, project: ProjectRecord, name: str, **fields: Any) -> RunRecord: ...

    def add_sweep(self, project: ProjectRecord, name: str, **fields: Any) -> SweepRecord: ...

    def add_view(self, project: ProjectRecord, name: str, **fields: Any) -> ViewRecord: ...

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

    def set_aliases(self, membership: MembershipRecord, aliases: Sequence[str]) -> None:
        """Give a version exactly these aliases; an alias that another version of the collection had moves here."""
        ...

    def update(self, record: Record, **changes: Any) -> None:
        """Change fields of a record. ``updated_at`` becomes now unless it is among the changes.

        Raises :class:`StoreError` for a field that the record has not, and for a new name that is taken.
        """
        ...

    def delete(self, record: Record) -> None:
        """Remove a record and what hangs off it. A deleted sweep leaves its runs, without the sweep."""
        ...
