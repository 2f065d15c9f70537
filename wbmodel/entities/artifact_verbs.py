"""What an artifact version can do with its content: the base of ``Artifact``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wbmodel.entities.written import Written

if TYPE_CHECKING:
    from wbmodel.entities.contents.entries import Entry
    from wbmodel.entities.contents.folder import Difference
    from wbmodel.entities.contents.lineage import Lineage
    from wbmodel.entities.contents.manifest import Manifest
    from wbmodel.operations.downloads import TransferProgress

__all__ = ["WithContent"]


class WithContent(Written):
    """The verbs for the content of a version. Each makes its requests anew: only ``get_path()`` keeps the manifest."""

    __slots__ = ()

    def manifest(self) -> Manifest:
        """The list of its files and references, as a mapping of paths to entries: one document, and one file.

        Raises :class:`~wbmodel.errors.IntegrityError` for a manifest that cannot be right.
        """
        from wbmodel.entities.contents.transfers import manifest_of

        return self._run(manifest_of)

    async def amanifest(self) -> Manifest:
        """The async twin of :meth:`manifest`."""
        from wbmodel.entities.contents.transfers import manifest_of

        return await self._arun(manifest_of)

    def get_path(self, name: str, manifest: Manifest | None = None) -> Entry:
        """The entry at the path ``name``, or of the object of this name (``t`` for ``t.table.json``). A ``manifest``
        that was loaded before saves its requests. Raises ``KeyError`` with the nearest names."""
        return self._entry(name, self.manifest() if manifest is None else manifest)

    async def aget_path(self, name: str, manifest: Manifest | None = None) -> Entry:
        """The async twin of :meth:`get_path`."""
        return self._entry(name, (await self.amanifest()) if manifest is None else manifest)

    def _entry(self, name: str, manifest: Manifest) -> Entry:
        from wbmodel.entities.contents.entries import Entry
        from wbmodel.entities.contents.transfers import version_of

        found = manifest.find(name)
        return Entry(found.path, found.size, found.digest, self.session, version_of(self), manifest)

    def get(self, name: str) -> Any:
        """The table or other object that was added under ``name``, or whose JSON file has this path.

        A table is a :class:`~wbmodel.table.Table` (``records()``, ``to_pandas()``, ``to_polars()``), one in parts too;
        a joined table has its two tables; anything else is the JSON value. References are followed.
        """
        from wbmodel.entities.contents.transfers import get_object

        return self._run(get_object, name)

    async def aget(self, name: str) -> Any:
        """The async twin of :meth:`get`."""
        from wbmodel.entities.contents.transfers import get_object

        return await self._arun(get_object, name)

    def download(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        recursive: bool = False,
        path_prefix: str | None = None,
        skip_cache: bool = False,
        progress: Callable[[TransferProgress], object] | None = None,
    ) -> Path:
        """Download the version, or only what is below ``path_prefix``, and return the folder: ``root``, by default
        ``artifacts/collection:v3``.

        Each file is verified before it gets its name, and what is there already is not fetched again. Files that are
        not in the version stay (:meth:`checkout` deletes them). References to other versions are followed, and other
        references are read through fsspec; ``recursive`` also downloads the versions that are referred to, whole, each
        into a folder beside ``root``. Raises :class:`~wbmodel.errors.TransferError` at the end if a file failed; the
        others are there, and the next call goes on.
        """
        from wbmodel.entities.contents.transfers import download_all

        return self._run(download_all, root, recursive, path_prefix, skip_cache, progress)

    async def adownload(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        recursive: bool = False,
        path_prefix: str | None = None,
        skip_cache: bool = False,
        progress: Callable[[TransferProgress], object] | None = None,
    ) -> Path:
        """The async twin of :meth:`download`."""
        from wbmodel.entities.contents.transfers import download_all

        return await self._arun(download_all, root, recursive, path_prefix, skip_cache, progress)

    def file(self, root: str | os.PathLike[str] | None = None) -> Path:
        """Download the only file of the version and return its path. Raises :class:`~wbmodel.errors.FieldError` if it
        has none or several."""
        from wbmodel.entities.contents.transfers import only_file

        return self._run(only_file, root)

    async def afile(self, root: str | os.PathLike[str] | None = None) -> Path:
        """The async twin of :meth:`file`."""
        from wbmodel.entities.contents.transfers import only_file

        return await self._arun(only_file, root)

    def checkout(self, root: str | os.PathLike[str] | None = None, *, dry_run: bool = False) -> Difference:
        """Make ``root`` the content of the version: download what differs, **delete what is not in it**. Returns how
        the folder differed; with ``dry_run``, that is all.

        A home or working folder, one that holds it, the root of a file system and a Git repository are refused.
        """
        from wbmodel.entities.contents.transfers import checkout

        return self._run(checkout, root, dry_run)

    async def acheckout(self, root: str | os.PathLike[str] | None = None, *, dry_run: bool = False) -> Difference:
        """The async twin of :meth:`checkout`."""
        from wbmodel.entities.contents.transfers import checkout

        return await self._arun(checkout, root, dry_run)

    def verify(self, root: str | os.PathLike[str] | None = None) -> Difference:
        """Compare ``root`` with the version, each file by size and digest. Raises
        :class:`~wbmodel.errors.IntegrityError`, which names every file that is missing, that is not in it or that has
        other content."""
        from wbmodel.entities.contents.transfers import verify

        return self._run(verify, root)

    async def averify(self, root: str | os.PathLike[str] | None = None) -> Difference:
        """The async twin of :meth:`verify`."""
        from wbmodel.entities.contents.transfers import verify

        return await self._arun(verify, root)

    def lineage(self, direction: Literal["both", "inputs", "outputs"] = "both", depth: int | None = None) -> Lineage:
        """The graph of what it was made from (``inputs``) and what was made from it (``outputs``): versions, runs and
        edges. ``depth`` is how many steps to go, each from a version to runs or from a run to versions."""
        from wbmodel.entities.contents.lineage import lineage

        return self._run(lineage, direction, depth)

    async def alineage(
        self, direction: Literal["both", "inputs", "outputs"] = "both", depth: int | None = None
    ) -> Lineage:
        """The async twin of :meth:`lineage`."""
        from wbmodel.entities.contents.lineage import lineage

        return await self._arun(lineage, direction, depth)
