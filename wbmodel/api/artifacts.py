"""Versions of artifacts: one, those in a collection, and those that a run made or used."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

from wbmodel.api.attrs import OfProject, as_text, take
from wbmodel.api.errors import NotHere, normalize_exceptions
from wbmodel.api.files import ArtifactFiles
from wbmodel.api.manifests import ArtifactManifest, ArtifactManifestEntry
from wbmodel.api.orders import order_keys
from wbmodel.api.paginator import Paginator
from wbmodel.api.tables import Table
from wbmodel.entities.artifact import Artifact as ArtifactEntity
from wbmodel.errors import DoesNotExist, IntegrityError
from wbmodel.meta import state
from wbmodel.query.dialects.mongo import condition
from wbmodel.table.table import Table as Rows

if TYPE_CHECKING:
    from wbmodel.api.artifact_collections import ArtifactCollection
    from wbmodel.api.client import Client
    from wbmodel.api.runs import Run
    from wbmodel.objects.queryset import QuerySet

__all__ = ["Artifact", "ArtifactVersions", "RunArtifacts"]

StrPath: TypeAlias = "str | os.PathLike[str]"


ALSO = ("commit_hash", "updated_at")
"""What a version loads besides its default fields."""


class Artifact(OfProject[ArtifactEntity]):
    """One version of an artifact. ``name`` is ``collection:v3``, whatever it was asked by."""

    client: Client
    _aliases: list[str] | None = None
    _manifest: ArtifactManifest | None = None

    def __init__(
        self, client: Client, entity: str | None, project: str, name: str, attrs: Mapping[str, Any] | None = None
    ) -> None:
        self.client = client
        self.model = _fetch(client, entity, project, name)

    @classmethod
    def from_id(cls, artifact_id: str, client: Client) -> Artifact:
        """The version with this GraphQL id."""
        return cls.of(client, ArtifactEntity.objects.using(client.session).get(node_id=artifact_id), None)

    @staticmethod
    def expected_type(client: Client, name: str, entity_name: str | None, project_name: str) -> str | None:
        """The type of an existing name, of its latest version where none is named; None if there is none."""
        try:
            return _fetch(client, entity_name, project_name, name).type_name
        except ValueError as error:
            if isinstance(error.__cause__, DoesNotExist):
                return None
            raise

    def _again(self) -> QuerySet[ArtifactEntity]:
        return ArtifactEntity.objects.using(self.client.session)

    def _read(self, name: str) -> Any:
        # Alone: versions have no listing by which some of them could be loaded together.
        row = self.model
        if not state.holds(row, name):
            take(row, self._again().only(name).get(node_id=row.node_id), name)
        return getattr(row, name)

    @property
    def id(self) -> str:
        """The GraphQL id."""
        return self.model.node_id

    @property
    def name(self) -> str:
        """``collection:v3``."""
        return self.model.name

    @property
    def qualified_name(self) -> str:
        """``entity/project/collection:v3``."""
        return self.model.path

    @property
    def version(self) -> str:
        """``v3``."""
        return self.model.version

    @property
    def type(self) -> str:
        """The type: ``dataset``, ``model``."""
        return self.model.type_name

    @property
    def collection(self) -> ArtifactCollection:
        """The collection through which it was asked."""
        from wbmodel.api.artifact_collections import ArtifactCollection

        row = self.model.collection
        return ArtifactCollection(self.client, self.entity, self.project, row.name, self.type)

    @property
    def state(self) -> str:
        """``PENDING``, ``COMMITTED`` or ``DELETED``."""
        found: str = self._read("state")
        return found

    @property
    def digest(self) -> str:
        """The digest of its content."""
        found: str = self._read("digest")
        return found

    @property
    def size(self) -> int:
        """The size of all files in bytes."""
        found: int = self._read("size")
        return found

    @property
    def file_count(self) -> int:
        """How many files it has."""
        found: int = self._read("file_count")
        return found

    @property
    def commit_hash(self) -> str | None:
        """The hash of the commit."""
        found: str | None = self._read("commit_hash")
        return found

    @property
    def description(self) -> str | None:
        """What it is about. ``save()`` sends a new one."""
        found: str | None = self._read("description")
        return found

    @description.setter
    def description(self, value: str | None) -> None:
        self._read("description")
        self.model.description = value

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata: a dict to edit in place, or to set. ``save()`` sends it."""
        if self._read("metadata") is None:
            self.model.metadata = {}
        found: dict[str, Any] = self._read("metadata")
        return found

    @metadata.setter
    def metadata(self, value: dict[str, Any]) -> None:
        self._read("metadata")
        self.model.metadata = value

    @property
    def aliases(self) -> list[str]:
        """The aliases in its collection, without version numbers: a list to edit in place, or to set. ``save()`` sends
        what was added and removed."""
        if self._aliases is None:
            self._aliases = [alias for alias in self._read("aliases") if not re.fullmatch(r"v\d+", alias)]
        return self._aliases

    @aliases.setter
    def aliases(self, value: Sequence[str]) -> None:
        if isinstance(value, str) or any("/" in alias or ":" in alias for alias in value):
            raise ValueError(f"aliases must be a list of text without / and :, not {value!r:.80}")
        self._aliases = list(value)

    @property
    def tags(self) -> list[str]:
        """The tags: a list to edit in place, or to set. ``save()`` sends what was added and removed."""
        found: list[str] = self._read("tags")
        return found

    @tags.setter
    def tags(self, value: Sequence[str]) -> None:
        self._read("tags")
        self.model.tags = list(value)

    @normalize_exceptions
    def save(self) -> bool:
        """Send what was changed, and nothing else. Returns True, as 0.10.28 does."""
        row = self._row()
        if self._aliases is not None:
            numbers = [alias for alias in self._read("aliases") if re.fullmatch(r"v\d+", alias)]
            wanted = [*dict.fromkeys(self._aliases), *numbers]
            if wanted != row.aliases:
                row.aliases = wanted
        row.save()
        return True

    @normalize_exceptions
    def delete(self, delete_aliases: bool = False) -> bool:
        """Delete the version and its files; one that has aliases only with ``delete_aliases``. Returns True, as 0.10.28
        does."""
        self._row().delete(delete_aliases=delete_aliases)
        return True

    # -- content --

    @property
    def manifest(self) -> ArtifactManifest:
        """The list of its files and references."""
        if self._manifest is None:
            self._manifest = ArtifactManifest(self, self._row().manifest())
        return self._manifest

    def get_entry(self, name: StrPath) -> ArtifactManifestEntry:
        """The entry at a path, or of the object of this name. Raises ``KeyError``."""
        row = self._row()
        return ArtifactManifestEntry(self, row.get_path(os.fspath(name), self.manifest.rows))

    get_path = get_entry

    def get(self, name: str) -> Any:
        """The table or other object that was added under ``name``; None if there is none.

        A table is a :class:`Table`, with ``columns`` and ``data``; anything else is the JSON value.
        """
        row = self._row()
        try:
            found = row.get(name)
        except KeyError:
            return None
        return Table(found) if isinstance(found, Rows) else found

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    @normalize_exceptions
    def download(
        self,
        root: StrPath | None = None,
        recursive: bool = False,
        allow_missing_references: bool = False,
        skip_cache: bool | None = None,
        path_prefix: StrPath | None = None,
        multipart: bool | None = None,
    ) -> str:
        """Download it to ``root`` (by default ``artifacts/collection:v3``), or what is below ``path_prefix``, and
        return the folder. Files that are not in it stay. ``multipart`` is taken and means nothing here."""
        if allow_missing_references:
            raise NotHere("Artifact.download(allow_missing_references=True) is not in wbmodel: each file is told of")
        prefix = None if path_prefix is None else os.fspath(path_prefix)
        row = self._row()
        return str(row.download(root, recursive=recursive, path_prefix=prefix, skip_cache=bool(skip_cache)))

    @normalize_exceptions
    def checkout(self, root: StrPath | None = None) -> str:
        """Make ``root`` the content of the version: download it, and **delete what is not in it**. Returns the folder.
        A home or working folder and a Git repository are refused."""
        return str(self._row().checkout(root).root)

    def verify(self, root: StrPath | None = None) -> None:
        """Raise ``ValueError``, which names every file, if ``root`` is not the content of the version."""
        try:
            self._row().verify(root)
        except IntegrityError as error:
            raise ValueError(str(error)) from error

    @normalize_exceptions
    def file(self, root: StrPath | None = None) -> str:
        """Download the only file, and return its path."""
        return str(self._row().file(root))

    def wait(self, timeout: float | None = None) -> Artifact:
        """This version: what a server gave was committed."""
        return self

    def is_draft(self) -> bool:
        """False: it came from a server."""
        return False

    def _refuse(self, *args: Any, **options: Any) -> NoReturn:
        """Raise ``ValueError``: a saved version is what it is."""
        raise ValueError(f"Cannot add files to an artifact once it has been saved: {self.qualified_name}")

    new_file = add_file = add_dir = add_reference = add = remove = __setitem__ = _refuse
    _out = {
        **dict.fromkeys(("new_draft", "finalize"), "it does not make and upload versions yet"),
        **dict.fromkeys(("link", "unlink", "linked_artifacts", "is_link"), "it does not link versions yet"),
        "ttl": "it does not know of the end of versions",
    }

    @property
    def created_at(self) -> str:
        """When it was made, as the server's text."""
        found: str = as_text(self._read("created_at"))
        return found

    @property
    def updated_at(self) -> str:
        """When it last changed, as the server's text."""
        found: str = as_text(self._read("updated_at"))
        return found or self.created_at

    @property
    def url(self) -> str | None:
        """The address of its page; None on a backend without web pages."""
        base = self.client.app_url
        place = f"{self.entity}/{self.project}/artifacts/{self.type}/{self.name.replace(':', '/')}"
        return base + place if base else None

    @normalize_exceptions
    def files(self, names: Sequence[str] | None = None, per_page: int | None = 50) -> ArtifactFiles:
        """Its files."""
        return ArtifactFiles(self.client, self, names, per_page)

    def logged_by(self) -> Run | None:
        """The run that made it, if a run did."""
        from wbmodel.api.runs import Run

        found = self._read("logged_by")
        return None if found is None else Run(self.client, found.project.entity, found.project.name, found.id)

    def used_by(self) -> list[Run]:
        """The runs that used it."""
        from wbmodel.api.runs import Run

        rows = self.model.used_by.using(self.client.session)
        return [Run.of(self.client, row) for row in rows]

    def __repr__(self) -> str:
        return f"<Artifact {self.id}>"


def _fetch(client: Client, entity: str | None, project: str, name: str) -> ArtifactEntity:
    """A version by ``name:alias``, ``name`` (its latest) or digest. Raises ``ValueError`` if there is none."""
    if ":" not in name and not re.fullmatch(r"[0-9a-f]{32}", name):
        name = f"{name}:latest"
    place = client.place(entity, project)
    try:
        return ArtifactEntity.objects.using(client.session).also(*ALSO).get(project=place, name=name)
    except DoesNotExist as error:
        raise ValueError(f"Project {place} does not contain artifact: {name!r}") from error


class ArtifactVersions(Paginator[Artifact]):
    """The versions in a collection, newest first. Raises ``ValueError`` if the collection does not exist."""

    def __init__(
        self,
        client: Client,
        entity: str | None,
        project: str,
        collection_name: str,
        type: str | None,
        filters: Mapping[str, Any] | None = None,
        order: str | None = None,
        per_page: int | None = 50,
        tags: Sequence[str] | None = None,
    ) -> None:
        super().__init__(client, per_page)
        self._entity = entity
        self.project = project
        self.collection_name = collection_name
        self.type = type
        self.filters = dict(filters or {})
        self.order = order
        self._tags = [tags] if isinstance(tags, str) else list(tags or [])
        self._condition = condition(ArtifactEntity, filters)
        self._keys = order_keys(ArtifactEntity, order)

    def _make_rows(self) -> QuerySet[ArtifactEntity]:
        rows = ArtifactEntity.objects.using(self.client.session).filter(
            self._condition, project=self.client.place(self._entity, self.project), collection=self.collection_name
        )
        if self.type is not None:
            rows = rows.filter(type=self.type)
        for tag in self._tags:
            rows = rows.filter(tags__contains=tag)
        return rows.order_by(*self._keys).also(*ALSO)

    def _make(self, row: ArtifactEntity) -> Artifact:
        return Artifact.of(self.client, row, self._siblings)

    def __repr__(self) -> str:
        return f"<ArtifactVersions {self._entity or ''}/{self.project}/{self.collection_name}>"


class RunArtifacts(Paginator[Artifact]):
    """The versions that a run logged or used."""

    def __init__(
        self, client: Client, run: Run, mode: Literal["logged", "used"] = "logged", per_page: int | None = 50
    ) -> None:
        if mode not in ("logged", "used"):
            raise ValueError(f"mode must be logged or used, not {mode!r}")
        super().__init__(client, per_page)
        self.run = run
        self.mode = mode

    def _make_rows(self) -> QuerySet[ArtifactEntity]:
        row = self.run.model
        rows = row.logged_artifacts if self.mode == "logged" else row.used_artifacts
        return rows.using(self.client.session).also(*ALSO)

    def _make(self, row: ArtifactEntity) -> Artifact:
        return Artifact.of(self.client, row, self._siblings)

    def __repr__(self) -> str:
        return f"<RunArtifacts {'/'.join(self.run.path)} ({self.mode})>"
