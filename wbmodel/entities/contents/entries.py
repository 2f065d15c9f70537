"""``Entry``: one file or reference of an artifact version, with the verbs that read and download it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from wbmodel.entities.contents.content import Content
from wbmodel.errors import FieldError
from wbmodel.query.artifact_names import reference

if TYPE_CHECKING:
    from wbmodel.backend.asks import BlobRef
    from wbmodel.compiler.target import Target
    from wbmodel.entities.contents.located import Version
    from wbmodel.entities.contents.manifest import Manifest, ManifestEntry
    from wbmodel.operations.answer import Operation
    from wbmodel.session.session import Session

__all__ = ["Entry"]

T = TypeVar("T")


@attrs.frozen(slots=True, repr=False)
class Entry(Content):
    """An entry of a manifest, from ``artifact.get_path(name)``. A reference to a file of another version is followed;
    other references are read through fsspec, and only then is their store touched."""

    name: str
    """The path in the version, with slashes."""
    size: int | None
    """The size in bytes, None if it was not recorded."""
    digest: str
    """Base64 of the MD5; of a reference, whatever its store tells contents apart by."""
    session: Session = attrs.field(eq=False)  # pyright: ignore[reportIncompatibleMethodOverride]
    version: Version
    manifest: Manifest = attrs.field(eq=False)

    @property
    def path(self) -> str:
        """``"entity/project/collection:v3/name"``."""
        return f"{self.version.name}/{self.name}"

    @property
    def ref(self) -> str | None:
        """The URL of a reference, as it was recorded; None for a file."""
        return self._entry.ref

    @property
    def extra(self) -> dict[str, Any]:
        """What the client recorded about a reference: its ETag, the version of its bucket."""
        return dict(self._entry.extra)

    @property
    def birth_artifact_id(self) -> str | None:
        """The node id of the version that the file was first uploaded with."""
        return self._entry.birth_artifact_id

    @property
    def _entry(self) -> ManifestEntry:
        return self.manifest[self.name]

    def ref_target(self) -> str:
        """The URL of a reference; for one to another version, of what that refers to in the end. Raises
        :class:`~wbmodel.errors.FieldError` for a file."""
        from wbmodel.entities.contents.transfers import ref_target

        self._need_reference()
        return self._run(ref_target)

    async def aref_target(self) -> str:
        """The async twin of :meth:`ref_target`."""
        from wbmodel.entities.contents.transfers import ref_target

        self._need_reference()
        return await self._arun(ref_target)

    def _need_reference(self) -> None:
        if self._entry.ref is None:
            raise FieldError(f"{self.path} is a file, not a reference; ref_url() is a reference to it")

    def ref_url(self) -> str:
        """A reference to this file, for the manifest of another version: ``wandb-artifact://...``."""
        return reference(self.version.node_id, self.name)

    def download(self, root: str | os.PathLike[str] | None = None, *, skip_cache: bool = False) -> Path:
        """Download the file to its name below ``root`` (default: ``./artifacts/collection:v3``), and return its path.
        Raises what :meth:`File.download` raises."""
        from wbmodel.entities.contents.transfers import download_entry

        return self._run(download_entry, root, skip_cache)

    async def adownload(self, root: str | os.PathLike[str] | None = None, *, skip_cache: bool = False) -> Path:
        """The async twin of :meth:`download`."""
        from wbmodel.entities.contents.transfers import download_entry

        return await self._arun(download_entry, root, skip_cache)

    def _run(self, operation: Callable[..., Operation[T]], *args: Any) -> T:
        return self.session.run(operation(self, self.session.target, *args))

    async def _arun(self, operation: Callable[..., Operation[T]], *args: Any) -> T:
        return await self.session.arun(operation(self, self.session.target, *args))

    def _locate(self, target: Target) -> Operation[BlobRef | ManifestEntry]:
        from wbmodel.entities.contents.transfers import locate

        return locate(self, target)

    def _renew(self, ref: BlobRef, target: Target) -> Operation[BlobRef]:
        from wbmodel.entities.contents.transfers import renewed

        return renewed(ref, target)

    def __repr__(self) -> str:
        return f"<Entry {self.path}>"
