"""The artifact half of ``MemoryStore``: types, collections, versions, aliases, edges to runs; and the node table."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

from wbmodel.engine.records import (
    ArtifactRecord,
    ArtifactTypeRecord,
    CollectionRecord,
    FileRecord,
    MembershipRecord,
    ProjectRecord,
    Record,
    RunRecord,
    UserRecord,
)
from wbmodel.engine.store import StoreError
from wbmodel.errors import suggestion

__all__ = ["ArtifactShelf", "manifest_digest"]

R = TypeVar("R", bound=Record)


def manifest_digest(files: Mapping[str, FileRecord]) -> str:
    """Hex MD5 that names a manifest, version 1: the fixed first line, then ``path:digest`` per file in path order
    (recomputed from both clients' manifests, seen)."""
    digest = hashlib.md5(b"wandb-artifact-manifest-v1\n", usedforsecurity=False)
    for path in sorted(files):
        digest.update(f"{path}:{files[path].digest or ''}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class ArtifactShelf:
    """Artifacts of all projects, and the table of node ids that every record enters."""

    _clock: Callable[[], datetime]

    def __init__(self) -> None:
        self._version = 0
        self._numbers: dict[str, int] = {}
        self._nodes: dict[str, Record] = {}
        self._types: dict[ProjectRecord, dict[str, ArtifactTypeRecord]] = {}
        self._collections: dict[ProjectRecord, dict[str, CollectionRecord]] = {}
        self._versions: dict[CollectionRecord, dict[int, MembershipRecord]] = {}
        self._aliases: dict[CollectionRecord, dict[str, MembershipRecord]] = {}
        self._memberships: dict[ArtifactRecord, list[MembershipRecord]] = {}
        self._logged: dict[RunRecord, dict[ArtifactRecord, None]] = {}
        self._used: dict[RunRecord, dict[ArtifactRecord, None]] = {}
        self._used_by: dict[ArtifactRecord, dict[RunRecord, None]] = {}

    @property
    def version(self) -> int:
        """Grows with each change."""
        return self._version

    # -- reading -----------------------------------------------------------------------------------

    def artifact_type(self, project: ProjectRecord, name: str) -> ArtifactTypeRecord | None:
        return self._types[project].get(name)

    def artifact_types(self, project: ProjectRecord) -> Sequence[ArtifactTypeRecord]:
        return list(self._types[project].values())

    def collection(self, project: ProjectRecord, name: str) -> CollectionRecord | None:
        return self._collections[project].get(name)

    def collections(self, project: ProjectRecord) -> Sequence[CollectionRecord]:
        return list(self._collections[project].values())

    def versions(self, collection: CollectionRecord) -> Sequence[MembershipRecord]:
        return list(self._versions[collection].values())

    def membership(self, collection: CollectionRecord, alias: str) -> MembershipRecord | None:
        if alias[:1] == "v" and alias[1:].isdecimal() and alias.isascii():
            return self._versions[collection].get(int(alias[1:]))
        return self._aliases[collection].get(alias)

    def memberships(self, artifact: ArtifactRecord) -> Sequence[MembershipRecord]:
        return list(self._memberships.get(artifact, ()))

    def logged(self, run: RunRecord) -> Sequence[ArtifactRecord]:
        return list(self._logged.get(run, ()))

    def used(self, run: RunRecord) -> Sequence[ArtifactRecord]:
        return list(self._used.get(run, ()))

    def used_by(self, artifact: ArtifactRecord) -> Sequence[RunRecord]:
        return list(self._used_by.get(artifact, ()))

    # -- adding ------------------------------------------------------------------------------------

    def add_artifact_type(self, project: ProjectRecord, name: str, **fields: Any) -> ArtifactTypeRecord:
        """Add a type of artifact to a project."""
        if name in self._types[project]:
            raise StoreError(f"artifact type {name!r} exists already in project {project.path!r}")
        key = f"ArtifactType:{self._next_number('type')}"
        record = self._new(ArtifactTypeRecord, key, fields, name=name, project=project)
        self._types[project][name] = record
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
        """Add a collection. A type given by name is made when the project has none of that name."""
        if name in self._collections[project]:
            raise StoreError(f"artifact collection {name!r} exists already in project {project.path!r}")
        if kind not in ("sequence", "portfolio"):
            raise StoreError(f"collection {name!r} is a 'sequence' or a 'portfolio', not {kind!r}")
        of_type = type if isinstance(type, ArtifactTypeRecord) else self._types[project].get(type)
        if of_type is None:
            of_type = self.add_artifact_type(project, str(type), created_at=fields.get("created_at"))
        key = f"ArtifactCollection:{self._next_number('collection')}"
        record = self._new(CollectionRecord, key, fields, name=name, project=project, type=of_type, kind=kind)
        self._collections[project][name] = record
        self._versions[record], self._aliases[record] = {}, {}
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
        ``digest``, ``content``...). ``digest`` defaults to that of the manifest. Raises for a version that exists.
        """
        if collection.kind != "sequence":
            raise StoreError(f"versions belong to a sequence, and {collection.path!r} is a portfolio: use link()")
        taken = self._versions[collection]
        index = max(taken, default=-1) + 1 if version is None else version
        if index in taken:
            raise StoreError(f"version v{index} exists already in artifact collection {collection.path!r}")
        aliases = _checked_aliases(aliases)
        key = f"Artifact:{self._next_number('artifact')}"
        digest = fields.pop("digest", None)
        fields["files"] = {}
        artifact = self._new(
            ArtifactRecord, key, fields, sequence=collection, version_index=index, digest="", logged_by=logged_by
        )
        for path, content in (files or {}).items():
            given = dict(content) if isinstance(content, Mapping) else {"content": content}
            artifact.files[path] = self._new_file(artifact, path, {"created_at": artifact.created_at, **given})
        artifact.digest = digest or manifest_digest(artifact.files)
        self._join(artifact, collection, index, aliases)
        if isinstance(logged_by, RunRecord):
            self._logged.setdefault(logged_by, {})[artifact] = None
        return artifact

    def link(
        self, artifact: ArtifactRecord, portfolio: CollectionRecord, aliases: Sequence[str] = ()
    ) -> MembershipRecord:
        """Make ``artifact`` the next version of a portfolio, or give its place there more aliases."""
        if portfolio.kind != "portfolio":
            raise StoreError(f"{portfolio.path!r} is a sequence; only a portfolio takes links")
        for membership in self._memberships[artifact]:
            if membership.collection is portfolio:
                self.set_aliases(membership, [*membership.aliases, *aliases])
                return membership
        return self._join(artifact, portfolio, max(self._versions[portfolio], default=-1) + 1, aliases)

    def use(self, run: RunRecord, artifact: ArtifactRecord) -> None:
        self._used.setdefault(run, {})[artifact] = None
        self._used_by.setdefault(artifact, {})[run] = None
        self._changed()

    def set_aliases(self, membership: MembershipRecord, aliases: Sequence[str]) -> None:
        table = self._aliases[membership.collection]
        kept = _checked_aliases(aliases)
        for alias in membership.aliases:
            table.pop(alias, None)
        for alias in kept:
            holder = table.get(alias)
            if holder is not None:
                holder.aliases = [a for a in holder.aliases if a != alias]
            table[alias] = membership
        membership.aliases = kept
        self._changed()

    # -- inside ------------------------------------------------------------------------------------

    def _new(self, cls: type[R], key: str, fields: Mapping[str, Any], **fixed: Any) -> R:
        """Make a record, give it a node id that nobody has, and enter it."""
        fields = dict(fields)
        if fields.get("created_at") is None:
            fields["created_at"] = self._clock()
        try:
            record = cls(id=self._free_id(key), **fixed, **fields)
        except TypeError as error:
            import attrs

            known = {a.alias for a in attrs.fields(cls) if a.init}
            wrong = sorted(set(fields) - known)
            if not wrong:
                raise StoreError(f"{cls.__name__}: {error}") from None
            raise StoreError(f"{cls.__name__} has no field {wrong[0]!r}{suggestion(wrong[0], known)}") from None
        self._nodes[record.id] = record
        self._changed()
        return record

    def _free_id(self, key: str) -> str:
        # A renamed project keeps its id, so a new one of the old name needs another.
        node_id, turn = _opaque(key), 2
        while node_id in self._nodes:
            node_id, turn = _opaque(f"{key}:{turn}"), turn + 1
        return node_id

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
        key = f"ArtifactCollectionMembership:{self._next_number('membership')}"
        fields = {"created_at": artifact.created_at}
        membership = self._new(
            MembershipRecord, key, fields, collection=collection, artifact=artifact, version_index=index
        )
        self._versions[collection][index] = membership
        self._memberships.setdefault(artifact, []).append(membership)
        self.set_aliases(membership, aliases)
        return membership

    def _leave(self, membership: MembershipRecord) -> None:
        self.set_aliases(membership, ())
        del self._versions[membership.collection][membership.version_index]
        self._memberships[membership.artifact].remove(membership)
        self._nodes.pop(membership.id, None)

    def _delete_from_shelf(self, record: ArtifactRecord | CollectionRecord | ArtifactTypeRecord) -> None:
        if isinstance(record, ArtifactRecord):
            for membership in self.memberships(record):
                self._leave(membership)
            for file in record.files.values():
                self._nodes.pop(file.id, None)
            for run in self._used_by.pop(record, ()):
                self._used[run].pop(record, None)
            if isinstance(record.logged_by, RunRecord):
                self._logged[record.logged_by].pop(record, None)
            self._memberships.pop(record, None)
            record.state = "DELETED"
        elif isinstance(record, CollectionRecord):
            for membership in self.versions(record):
                if record.kind == "sequence":
                    self._delete_from_shelf(membership.artifact)
                    self._nodes.pop(membership.artifact.id, None)
                else:
                    self._leave(membership)
            del self._collections[record.project][record.name], self._versions[record], self._aliases[record]
        else:
            for collection in self.collections(record.project):
                if collection.type is record:
                    raise StoreError(f"artifact type {record.name!r} still has collection {collection.name!r}")
            del self._types[record.project][record.name]

    def _open_shelf(self, project: ProjectRecord) -> None:
        self._types[project], self._collections[project] = {}, {}

    def _clear_shelf(self, project: ProjectRecord) -> None:
        shelf: list[CollectionRecord | ArtifactTypeRecord] = [*self.collections(project), *self.artifact_types(project)]
        for record in shelf:
            self._delete_from_shelf(record)
            self._nodes.pop(record.id, None)
        del self._types[project], self._collections[project]

    def _forget_run(self, run: RunRecord) -> None:
        for artifact in self._logged.pop(run, ()):
            artifact.logged_by = None
        for artifact in self._used.pop(run, ()):
            self._used_by[artifact].pop(run, None)

    def _rename_collection(self, record: CollectionRecord, name: str) -> None:
        shelf = self._collections[record.project]
        if name in shelf:
            raise StoreError(f"artifact collection {name!r} exists already in project {record.project.path!r}")
        del shelf[record.name]
        shelf[name] = record

    def _next_number(self, kind: str) -> int:
        self._numbers[kind] = number = self._numbers.get(kind, 0) + 1
        return number

    def _changed(self) -> None:
        self._version += 1


def _checked_aliases(aliases: Sequence[str]) -> list[str]:
    for alias in aliases:
        if alias[:1] == "v" and alias[1:].isdecimal():
            raise StoreError(f"alias {alias!r} looks like a version number, which the server gives")
    return list(dict.fromkeys(aliases))


def _opaque(key: str) -> str:
    return base64.b64encode(key.encode("utf-8", "surrogatepass")).decode()
