"""What resolvers get beside their source: the store, the dialect, the pager, and how file URLs are written."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import attrs

from wbmodel.engine.dialect import Dialect
from wbmodel.engine.pages import Pager
from wbmodel.engine.records import (
    ArtifactRecord,
    CollectionRecord,
    EntityRecord,
    FileRecord,
    MembershipRecord,
    ProjectRecord,
    RunRecord,
    UserRecord,
)
from wbmodel.engine.store import Store

__all__ = ["MANIFEST", "Alias", "Context", "blob_url", "manifest_file"]

MANIFEST = "wandb_manifest.json"
"""The name under which an artifact's manifest can be opened."""


def blob_url(file: FileRecord) -> str:
    """A URL that names the bytes of a file inside this engine; a server in front of it writes its own."""
    kind = "run_file" if isinstance(file.owner, RunRecord) else "artifact_file"
    return f"wbmodel:blob/{kind}/{quote(file.owner.id, safe='')}/{quote(file.name.encode('utf-8', 'surrogatepass'))}"


_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
_NOBODY = UserRecord(id="User:0", created_at=_EPOCH, username="nobody", name="nobody")


@attrs.frozen(slots=True, eq=False)
class Context:
    """One engine's parts, shared by all its requests."""

    store: Store
    dialect: Dialect
    pager: Pager
    url_for: Callable[[FileRecord], str] = blob_url
    given_up: Callable[[], bool] | None = None
    """Whether the client of this one request has stopped waiting."""

    @property
    def nobody(self) -> UserRecord | None:
        """Who is shown for a run that has no user."""
        return _NOBODY if self.dialect.missing_user == "nobody" else None

    def entity(self, name: str | None) -> EntityRecord | None:
        """An entity by name; null and "" mean the viewer's default entity (both clients send them, seen)."""
        if not name:
            viewer = self.store.viewer
            name = viewer.entity if viewer is not None else None
        return self.store.entity(name) if name else None

    def project(self, entity: str | None, name: str | None) -> ProjectRecord | None:
        """A project by the names of a document."""
        owner = self.entity(entity)
        return self.store.project(owner.name, name) if owner is not None and name else None

    def membership(self, collection: CollectionRecord, alias: str) -> MembershipRecord | None:
        """The version that an alias means; ``latest`` is the newest one where nothing holds that alias."""
        found = self.store.membership(collection, alias or "latest")
        if found is None and alias in ("", "latest"):
            versions = self.store.versions(collection)
            found = max(versions, key=lambda m: m.version_index) if versions else None
        return found

    def artifact(self, project: ProjectRecord, name: str) -> MembershipRecord | None:
        """The version that ``collection:alias`` (or ``collection`` alone: its latest) means."""
        collection, _, alias = name.partition(":")
        found = self.store.collection(project, collection)
        return None if found is None else self.membership(found, alias)


@attrs.frozen(slots=True, eq=False)
class Alias:
    """An alias of a version in a collection, as the schema shows it."""

    alias: str
    membership: MembershipRecord

    @property
    def id(self) -> str:
        """An id of its own: the membership's, and the alias."""
        return f"{self.membership.id}:{self.alias}"


@attrs.frozen(slots=True, eq=False)
class Tag:
    """A tag of an artifact or a collection, as the schema shows it."""

    id: str
    name: str


def manifest_file(artifact: ArtifactRecord) -> FileRecord:
    """The manifest of an artifact, version 1, as a file that can be read."""
    contents: dict[str, Any] = {}
    for path, file in artifact.files.items():
        entry: dict[str, Any] = {"digest": file.digest or "", "size": file.size}
        contents[path] = {**entry, "ref": file.ref} if file.ref else {**entry, "birthArtifactID": artifact.id}
    manifest = {
        "version": 1,
        "storagePolicy": "wandb-storage-policy-v1",
        "storagePolicyConfig": {"storageLayout": "V2"},
        "contents": contents,
    }
    data = json.dumps(manifest).encode()
    created: datetime = artifact.created_at
    return FileRecord(
        id=f"{artifact.id}:manifest",
        created_at=created,
        name=MANIFEST,
        owner=artifact,
        size=len(data),
        mimetype="application/json",
        content=data,
    )
