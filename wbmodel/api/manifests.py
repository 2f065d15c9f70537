"""``artifact.manifest`` and its entries."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from wbmodel.api.errors import normalize_exceptions
from wbmodel.errors import FieldError

if TYPE_CHECKING:
    from wbmodel.api.attrs import Attrs
    from wbmodel.entities.artifact import Artifact as ArtifactEntity
    from wbmodel.entities.contents.entries import Entry
    from wbmodel.entities.contents.manifest import Manifest

__all__ = ["ArtifactManifest", "ArtifactManifestEntry"]


class ArtifactManifestEntry:
    """One file or reference of a version: ``artifact.get_entry(name)``."""

    def __init__(self, artifact: Attrs[ArtifactEntity], entry: Entry) -> None:
        self._artifact = artifact
        self.entry = entry
        """The entry behind it, which can also be read without downloading."""

    @property
    def path(self) -> str:
        """The path in the version, with slashes."""
        return self.entry.name

    name = path

    @property
    def digest(self) -> str:
        """The base64 of the MD5; of a reference, whatever its store tells contents apart by."""
        return self.entry.digest

    @property
    def size(self) -> int | None:
        """The size in bytes, None if it was not recorded."""
        return self.entry.size

    @property
    def ref(self) -> str | None:
        """The URL of a reference; None for a file."""
        return self.entry.ref

    @property
    def extra(self) -> dict[str, Any]:
        """What was recorded about a reference."""
        return self.entry.extra

    @property
    def birth_artifact_id(self) -> str | None:
        """The GraphQL id of the version that the file was first uploaded with."""
        return self.entry.birth_artifact_id

    def parent_artifact(self) -> Any:
        """The version that it is in."""
        return self._artifact

    @normalize_exceptions
    def download(self, root: str | os.PathLike[str] | None = None, skip_cache: bool | None = None) -> str:
        """Download it to its path below ``root`` (by default the folder of the version), and return where it is."""
        return str(self.entry.download(root, skip_cache=bool(skip_cache)))

    def ref_target(self) -> str:
        """Where a reference leads. Raises ``ValueError`` for a file."""
        try:
            return self.entry.ref_target()
        except FieldError as error:
            raise ValueError(str(error)) from error

    def ref_url(self) -> str:
        """A reference to this file, for the manifest of another version: ``wandb-artifact://...``."""
        return self.entry.ref_url()

    def __repr__(self) -> str:
        return f"<ArtifactManifestEntry {self.path}>"


class ArtifactManifest:
    """The files and references of a version: ``artifact.manifest``."""

    def __init__(self, artifact: Attrs[ArtifactEntity], rows: Manifest) -> None:
        self._artifact = artifact
        self.rows = rows
        """The manifest of the object model, which is behind it."""

    @property
    def entries(self) -> dict[str, ArtifactManifestEntry]:
        """The entries by path."""
        return {path: self._made(path) for path in self.rows}

    def _made(self, path: str) -> ArtifactManifestEntry:
        return ArtifactManifestEntry(self._artifact, self._artifact.model.get_path(path, self.rows))

    def get_entry_by_path(self, path: str) -> ArtifactManifestEntry | None:
        """The entry at a path; None if there is none."""
        return self._made(path) if path in self.rows else None

    def get_entries_in_directory(self, directory: str) -> list[ArtifactManifestEntry]:
        """The entries in a folder and below it."""
        return [self._made(path) for path in self.rows.under(directory)]

    def digest(self) -> str:
        """The digest of the version, computed from the entries."""
        return self.rows.digest

    def size(self) -> int:
        """The size in bytes of all entries whose size is known."""
        return self.rows.size

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<ArtifactManifest of {self.rows.name}: {len(self)} entries>"
