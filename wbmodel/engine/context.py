"""The context of resolvers: the request's view of the store, the reader of arguments, and the writer of file URLs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import attrs

from wbmodel.engine.conditions import All, Condition
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.history import HistoryReader
from wbmodel.engine.pages import Connection, Reader, RestOfPage, stamp_of
from wbmodel.engine.records import (
    ArtifactRecord,
    EntityRecord,
    FileRecord,
    MembershipRecord,
    ProjectRecord,
    Record,
    RunRecord,
    UserRecord,
)
from wbmodel.engine.select import Select, Term
from wbmodel.engine.store import StoreError, View, Writer

__all__ = ["MANIFEST", "Context", "Counts", "Tag", "blob_url", "manifest_file"]

MANIFEST = "wandb_manifest.json"
"""The name under which an artifact's manifest can be opened."""


def blob_url(file: FileRecord) -> str:
    """A URL that names the bytes of a file inside this engine. A server in front of it uses its own URLs."""
    kind = "run_file" if isinstance(file.owner, RunRecord) else "artifact_file"
    return f"wbmodel:blob/{kind}/{quote(file.owner.id, safe='')}/{quote(file.name.encode('utf-8', 'surrogatepass'))}"


_SUGGESTED = 1000
"""Maximum number of names that suggestions are chosen from."""

_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
_NOBODY = UserRecord(id="User:0", created_at=_EPOCH, username="nobody", name="nobody")


class Counts:
    """Counts the rows below a record (``Run.fileCount``), for all rows of its page at once."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._pages: list[Sequence[Record]] = []
        self._page_of: dict[str, Sequence[Record]] = {}
        self._known: dict[str, dict[str | None, int]] = {}

    def note(self, rows: Sequence[Record]) -> None:
        """Register a page that was returned to the document."""
        self._pages.append(rows)

    def of(self, relation: str, parent: str) -> int:
        """The number of rows that ``relation`` has for the record with the node id ``parent``."""
        known = self._known.setdefault(relation, {})
        if parent not in known:
            while self._pages:
                rows = self._pages.pop()
                self._page_of.update((row.id, rows) for row in rows)
            rows = self._page_of.get(parent, ())
            known.update(self._view.count(Select(relation), [row.id for row in rows] or [parent]))
        return known[parent]

    def forget(self) -> None:
        """Drop the counts after a change."""
        self._known.clear()


@attrs.frozen(slots=True, eq=False)
class Context:
    """The state of one request."""

    store: View
    """The view of the store that this request reads, and that a mutation document changes."""
    reader: Reader
    url_for: Callable[[FileRecord], str] = blob_url
    change: Writer | None = None
    """:attr:`store`, if it can be changed."""
    histories: HistoryReader = attrs.field(
        default=attrs.Factory(lambda self: HistoryReader(self.dialect), takes_self=True)
    )
    """What reads histories, and keeps what it made of them for the next request."""
    counts: Counts = attrs.field(init=False, default=attrs.Factory(lambda self: Counts(self.store), takes_self=True))

    @property
    def dialect(self) -> Dialect:
        """How this engine behaves."""
        return self.reader.dialect

    @property
    def writer(self) -> Writer:
        """The store as a writer. Raises :class:`StoreError` if it is read-only."""
        if self.change is None:
            raise StoreError("this store is read-only")
        return self.change

    @property
    def nobody(self) -> UserRecord | None:
        """The user to show for a run without a user."""
        return _NOBODY if self.dialect.missing_user == "nobody" else None

    # -- rows --------------------------------------------------------------------------------------

    def connection(
        self,
        relation: str,
        parent: Record | None,
        args: Mapping[str, Any],
        where: Condition = All(),  # noqa: B008  frozen
        order: tuple[Term, ...] = (),
    ) -> Connection:
        """The page that a document requests; see :meth:`Reader.ask`."""
        ask = self.reader.ask(relation, None if parent is None else parent.id, args, where, order)
        start = self.reader.start(args)
        if not start:
            return self.page(ask, start)
        found = self.store.select(attrs.evolve(ask, first=start + (ask.first or 0)))
        return self._noted(Connection(RestOfPage(found, start), 0, True, ask, start))

    def page(self, ask: Select, start: int | None = None) -> Connection:
        """A page as a document sees it. ``start``: as in :class:`Connection`."""
        return self._noted(Connection(self.store.select(ask), stamp_of(ask), ask.after is not None, ask, start))

    def _noted(self, connection: Connection) -> Connection:
        self.counts.note(connection.rows)
        return connection

    def names(self, relation: str, parent: Record | None = None) -> list[str]:
        """Names of the first rows, for suggestions in messages."""
        rows = self.store.select(Select(relation, None if parent is None else parent.id, first=_SUGGESTED)).rows
        return [row.name for row in rows]

    # -- one thing ---------------------------------------------------------------------------------

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

    def artifact(self, project: ProjectRecord, name: str) -> MembershipRecord | None:
        """The version named by ``collection:alias`` (or by ``collection`` alone: its latest)."""
        collection, _, alias = name.partition(":")
        found = self.store.collection(project, collection)
        return None if found is None else self.store.membership(found, alias or "latest")

    def manifest(self, artifact: ArtifactRecord) -> FileRecord:
        """The manifest of an artifact, as a readable file."""
        return manifest_file(artifact, self.store.select(Select("artifact.files", artifact.id)).rows)


@attrs.frozen(slots=True, eq=False)
class Tag:
    """A tag of an artifact or a collection, as the schema shows it."""

    id: str
    name: str


def manifest_file(artifact: ArtifactRecord, files: Sequence[FileRecord]) -> FileRecord:
    """The manifest (version 1) of an artifact with these files, as a readable file."""
    contents: dict[str, Any] = {}
    for file in files:
        entry: dict[str, Any] = {"digest": file.digest or "", "size": file.size}
        contents[file.name] = {**entry, "ref": file.ref} if file.ref else {**entry, "birthArtifactID": artifact.id}
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
