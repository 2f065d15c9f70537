"""The artifact half of ``ListStore``: types, collections, versions, aliases, files, edges to runs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from wbmodel.engine.records import (
    AliasRecord,
    ArtifactRecord,
    ArtifactTypeRecord,
    CollectionRecord,
    FileRecord,
    MembershipRecord,
    ProjectRecord,
    RunRecord,
    UserRecord,
)
from wbmodel.engine.store import StoreError
from wbmodel.engine.tables import Tables

__all__ = ["ArtifactTables", "manifest_digest"]


def manifest_digest(files: Mapping[str, FileRecord]) -> str:
    """The hex MD5 digest of a manifest, version 1: the fixed first line, then ``path:digest`` per file in path order
    (recomputed from both clients' manifests, seen)."""
    digest = hashlib.md5(b"wandb-artifact-manifest-v1\n", usedforsecurity=False)
    for path in sorted(files):
        digest.update(f"{path}:{files[path].digest or ''}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class ArtifactTables(Tables):
    """The artifacts of all projects, and the files of runs and artifacts. Tables are keyed by node id."""

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        super().__init__(clock)
        self._types: dict[str, dict[str, ArtifactTypeRecord]] = {}
        self._collections: dict[str, dict[str, CollectionRecord]] = {}
        self._versions: dict[str, dict[int, MembershipRecord]] = {}
        self._aliases: dict[str, dict[str, MembershipRecord]] = {}
        self._logged: dict[str, dict[str, ArtifactRecord]] = {}
        self._used: dict[str, dict[str, ArtifactRecord]] = {}
        self._used_by: dict[str, dict[str, RunRecord]] = {}
        self._files: dict[str, dict[str, FileRecord]] = {}

    # -- one thing ---------------------------------------------------------------------------------

    def artifact_type(self, project: ProjectRecord, name: str) -> ArtifactTypeRecord | None:
        """An artifact type by its name in a project."""
        return self._types.get(project.id, {}).get(name)

    def collection(self, project: ProjectRecord, name: str) -> CollectionRecord | None:
        """A collection by its name in a project."""
        return self._collections.get(project.id, {}).get(name)

    def membership(self, collection: CollectionRecord, alias: str) -> MembershipRecord | None:
        """The version with an alias, else with that digest; ``latest`` is the highest version if no version has that
        alias."""
        versions = self._versions.get(collection.id, {})
        if alias[:1] == "v" and alias[1:].isdecimal() and alias.isascii():
            return versions.get(int(alias[1:]))
        found = self._aliases.get(collection.id, {}).get(alias)
        if found is not None or not versions:
            return found
        if alias == "latest":
            return versions[max(versions)]
        # Several versions may have the same content: the newest one.
        return next(
            (versions[at] for at in sorted(versions, reverse=True) if versions[at].artifact.digest == alias), None
        )

    # -- lists -------------------------------------------------------------------------------------

    def artifact_types(self, project: ProjectRecord) -> Sequence[ArtifactTypeRecord]:
        """The artifact types of a project. Like all lists here, in the order in which they were added."""
        return list(self._types.get(project.id, {}).values())

    def collections(self, project: ProjectRecord) -> Sequence[CollectionRecord]:
        """Collections of a project."""
        return list(self._collections.get(project.id, {}).values())

    def versions(self, collection: CollectionRecord) -> Sequence[MembershipRecord]:
        """Versions of a collection."""
        return list(self._versions.get(collection.id, {}).values())

    def files(self, owner: RunRecord | ArtifactRecord) -> Sequence[FileRecord]:
        """Files of a run or an artifact."""
        return list(self._files.get(owner.id, {}).values())

    def logged(self, run: RunRecord) -> Sequence[ArtifactRecord]:
        """Artifacts that a run logged."""
        return list(self._logged.get(run.id, {}).values())

    def used(self, run: RunRecord) -> Sequence[ArtifactRecord]:
        """Artifacts that a run used as input."""
        return list(self._used.get(run.id, {}).values())

    def used_by(self, artifact: ArtifactRecord) -> Sequence[RunRecord]:
        """Runs that used an artifact as input."""
        return list(self._used_by.get(artifact.id, {}).values())

    # -- adding ------------------------------------------------------------------------------------

    def add_artifact_type(self, project: ProjectRecord, name: str, **fields: Any) -> ArtifactTypeRecord:
        """Add an artifact type to a project."""
        project = self._own(project)
        if name in self._types[project.id]:
            raise StoreError(f"artifact type {name!r} already exists in project {project.path!r}")
        key = f"ArtifactType:{self._next_number('type')}"
        record = self._new(ArtifactTypeRecord, key, fields, name=name, project=project)
        self._journal.put(self._types[project.id], name, record)
        return record

    def add_collection(
        self,
        project: ProjectRecord,
        name: str,
        *,
        type: str | ArtifactTypeRecord,
        kind: Literal["sequence", "portfolio"] = "sequence",
        **fields: Any,
    ) -> CollectionRecord:
        """Add a collection. A type given by name is created if the project does not have it."""
        project = self._own(project)
        if name in self._collections[project.id]:
            raise StoreError(f"artifact collection {name!r} already exists in project {project.path!r}")
        if kind not in ("sequence", "portfolio"):
            raise StoreError(f"collection {name!r} must be a 'sequence' or a 'portfolio', not {kind!r}")
        of_type = self._own(type) if isinstance(type, ArtifactTypeRecord) else self._types[project.id].get(type)
        if of_type is None:
            of_type = self.add_artifact_type(project, str(type), created_at=fields.get("created_at"))
        key = f"ArtifactCollection:{self._next_number('collection')}"
        record = self._new(CollectionRecord, key, fields, name=name, project=project, type=of_type, kind=kind)
        self._journal.put(self._collections[project.id], name, record)
        self._journal.put(self._versions, record.id, {})
        self._journal.put(self._aliases, record.id, {})
        return record

    def add_version(
        self,
        collection: CollectionRecord,
        *,
        version: int | None = None,
        aliases: Sequence[str] = (),
        files: Mapping[str, Any] | None = None,
        logged_by: RunRecord | UserRecord | None = None,
        **fields: Any,
    ) -> ArtifactRecord:
        """Add a version to a sequence. Aliases move here from other versions; ``latest`` is added only if listed.

        ``files`` maps paths to bytes, callables, or mappings of :class:`FileRecord` fields (``ref``, ``size``,
        ``digest``, ``content``...). ``digest`` defaults to the manifest's digest. Raises :class:`StoreError` if the
        version already exists.
        """
        collection = self._own(collection)
        if collection.kind != "sequence":
            raise StoreError(f"{collection.path!r} is a portfolio and cannot own versions; use link()")
        taken = self._versions[collection.id]
        index = max(taken, default=-1) + 1 if version is None else version
        if index in taken:
            raise StoreError(f"version v{index} already exists in artifact collection {collection.path!r}")
        aliases = _checked_aliases(aliases)
        if logged_by is not None:
            logged_by = self._own(logged_by)
        key = f"Artifact:{self._next_number('artifact')}"
        digest = fields.pop("digest", None)
        artifact = self._new(
            ArtifactRecord, key, fields, sequence=collection, version_index=index, digest="", logged_by=logged_by
        )
        entries: dict[str, FileRecord] = {}
        for path, content in (files or {}).items():
            given = dict(content) if isinstance(content, Mapping) else {"content": content}
            entries[path] = self._new_file(artifact, path, {"created_at": artifact.created_at, **given})
        self._journal.put(self._files, artifact.id, entries)
        artifact.digest = digest or manifest_digest(entries)
        artifact.size = sum(file.size for file in entries.values())
        self._join(artifact, collection, index, aliases)
        if isinstance(logged_by, RunRecord):
            self._journal.put(self._logged.setdefault(logged_by.id, {}), artifact.id, artifact)
        return artifact

    def link(
        self, artifact: ArtifactRecord, portfolio: CollectionRecord, aliases: Sequence[str] = ()
    ) -> MembershipRecord:
        """Make ``artifact`` the next version of a portfolio, or add aliases to its existing membership."""
        artifact, portfolio = self._own(artifact), self._own(portfolio)
        if portfolio.kind != "portfolio":
            raise StoreError(f"{portfolio.path!r} is a sequence; only a portfolio can have links")
        for membership in artifact.memberships:
            if membership.collection.id == portfolio.id:
                return self.set_aliases(membership, [*membership.aliases, *aliases])
        return self._join(artifact, portfolio, max(self._versions[portfolio.id], default=-1) + 1, aliases)

    def use(self, run: RunRecord, artifact: ArtifactRecord) -> None:
        """Record that ``run`` uses ``artifact`` as input. Idempotent."""
        run, artifact = self._own(run), self._own(artifact)
        self._journal.put(self._used.setdefault(run.id, {}), artifact.id, artifact)
        self._journal.put(self._used_by.setdefault(artifact.id, {}), run.id, run)
        self._changed()

    def set_aliases(self, membership: MembershipRecord, aliases: Sequence[str]) -> MembershipRecord:
        """Set the aliases of a version. An alias of another version in the collection moves here."""
        membership = self._own(membership)
        table = self._aliases[membership.collection.id]
        kept = _checked_aliases(aliases)
        for alias in membership.aliases:
            self._journal.drop(table, alias)
        for alias in kept:
            holder = table.get(alias)
            if holder is not None:
                self._journal.assign(holder, "aliases", [a for a in holder.aliases if a != alias])
            self._journal.put(table, alias, membership)
        self._journal.assign(membership, "aliases", kept)
        self._changed()
        return membership

    # -- inside ------------------------------------------------------------------------------------

    def _all_aliases(self, collection: str) -> list[AliasRecord]:
        return [
            alias for membership in self._versions.get(collection, {}).values() for alias in AliasRecord.of(membership)
        ]

    def _new_file(self, owner: RunRecord | ArtifactRecord, name: str, fields: dict[str, Any]) -> FileRecord:
        content = fields.get("content")
        if isinstance(content, bytes):
            fields.setdefault("size", len(content))
            if fields.get("digest") is None:
                md5 = hashlib.md5(content, usedforsecurity=False).digest()
                fields["digest"] = base64.b64encode(md5).decode()
        kind = "File" if isinstance(owner, RunRecord) else "ArtifactFile"
        return self._new(FileRecord, f"{kind}:{self._next_number('file')}", fields, name=name, owner=owner)

    def _join(
        self, artifact: ArtifactRecord, collection: CollectionRecord, index: int, aliases: Sequence[str]
    ) -> MembershipRecord:
        aliases = _checked_aliases(aliases)
        key = f"ArtifactCollectionMembership:{self._next_number('membership')}"
        fields = {"created_at": artifact.created_at}
        membership = self._new(
            MembershipRecord, key, fields, collection=collection, artifact=artifact, version_index=index
        )
        self._journal.put(self._versions[collection.id], index, membership)
        self._journal.assign(artifact, "memberships", [*artifact.memberships, membership])
        return self.set_aliases(membership, aliases)

    def _leave(self, membership: MembershipRecord) -> None:
        self.set_aliases(membership, ())
        self._journal.drop(self._versions[membership.collection.id], membership.version_index)
        artifact = membership.artifact
        left = [other for other in artifact.memberships if other.id != membership.id]
        self._journal.assign(artifact, "memberships", left)
        self._forget(membership)

    def _forget_files(self, owner: RunRecord | ArtifactRecord) -> None:
        for file in self.files(owner):
            self._forget(file)
        self._journal.forget(self._files, owner.id)

    def _delete_artifact(self, artifact: ArtifactRecord) -> None:
        for membership in artifact.memberships:
            self._leave(membership)
        self._forget_files(artifact)
        for run in self.used_by(artifact):
            self._journal.drop(self._used[run.id], artifact.id)
        self._journal.forget(self._used_by, artifact.id)
        if isinstance(artifact.logged_by, RunRecord):
            self._journal.drop(self._logged[artifact.logged_by.id], artifact.id)
        self._journal.assign(artifact, "state", "DELETED")
        self._forget(artifact)

    def _delete_collection(self, collection: CollectionRecord) -> None:
        for membership in self.versions(collection):
            if collection.kind == "sequence":
                self._delete_artifact(membership.artifact)
            else:
                self._leave(membership)
        self._journal.drop(self._collections[collection.project.id], collection.name)
        self._journal.forget(self._versions, collection.id)
        self._journal.forget(self._aliases, collection.id)
        self._forget(collection)

    def _delete_type(self, kind: ArtifactTypeRecord) -> None:
        for collection in self.collections(kind.project):
            if collection.type.id == kind.id:
                raise StoreError(f"artifact type {kind.name!r} still has collection {collection.name!r}")
        self._journal.drop(self._types[kind.project.id], kind.name)
        self._forget(kind)

    def _open_project(self, project: ProjectRecord) -> None:
        self._journal.put(self._types, project.id, {})
        self._journal.put(self._collections, project.id, {})

    def _clear_project(self, project: ProjectRecord) -> None:
        for collection in self.collections(project):
            self._delete_collection(collection)
        for kind in self.artifact_types(project):
            self._delete_type(kind)
        self._journal.forget(self._types, project.id)
        self._journal.forget(self._collections, project.id)

    def _forget_run(self, run: RunRecord) -> None:
        for artifact in self.logged(run):
            self._journal.assign(artifact, "logged_by", None)
        for artifact in self.used(run):
            self._journal.drop(self._used_by[artifact.id], run.id)
        self._journal.forget(self._logged, run.id)
        self._journal.forget(self._used, run.id)
        self._forget_files(run)

    def _rename_collection(self, record: CollectionRecord, name: str) -> None:
        table = self._collections[record.project.id]
        if name in table:
            raise StoreError(f"artifact collection {name!r} already exists in project {record.project.path!r}")
        self._journal.drop(table, record.name)
        self._journal.put(table, name, record)


def _checked_aliases(aliases: Sequence[str]) -> list[str]:
    for alias in aliases:
        if alias[:1] == "v" and alias[1:].isdecimal():
            raise StoreError(f"alias {alias!r} looks like a version number, which only the server assigns")
    return list(dict.fromkeys(aliases))
