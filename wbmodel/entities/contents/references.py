"""References of manifests: followed to the files of other versions, or read from their stores through fsspec."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import attrs

from wbmodel.backend.asks import BlobRef
from wbmodel.compiler.target import Target
from wbmodel.digests import Digest, is_digest
from wbmodel.entities.contents.located import Version, blob_of, load_manifest
from wbmodel.entities.contents.manifest import Manifest, ManifestEntry
from wbmodel.errors import IntegrityError, LibraryNotInstalled, NotSupported, WbmodelError
from wbmodel.meta import entity_meta
from wbmodel.operations.answer import Operation
from wbmodel.operations.run import collect
from wbmodel.query.artifact_names import ByClient, ById, ByName, parse
from wbmodel.query.conditions import resolve
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q
from wbmodel.urls import mask_url

__all__ = ["Located", "Manifests", "open_reference", "read_reference", "save_reference"]

_STEP = 2**20


@attrs.frozen(slots=True)
class Located:
    """Where the bytes of an entry are: in ``version`` (whose ``manifest`` lists ``entry``), unless ``entry`` is a
    reference to another store."""

    version: Version
    manifest: Manifest
    entry: ManifestEntry

    @property
    def ref(self) -> BlobRef:
        """The bytes, for an entry that is a file."""
        return blob_of(self.version, self.entry)


class Manifests:
    """The manifests that were loaded, by node id: references to one version load it once."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._known: dict[str, tuple[Version, Manifest]] = {}
        self._ids: dict[str, str] = {}

    def know(self, version: Version, manifest: Manifest) -> None:
        """Take a manifest that was loaded already."""
        self._known[version.node_id] = (version, manifest)

    def load(self, version: Version) -> Operation[Manifest]:
        """The manifest of a version."""
        if version.node_id not in self._known:
            self._known[version.node_id] = (version, (yield from load_manifest(version, self.target)))
        return self._known[version.node_id][1]

    def locate(self, version: Version, entry: ManifestEntry) -> Operation[Located]:
        """Follow an entry until it is a file, or a reference to another store. Raises
        :class:`~wbmodel.errors.IntegrityError` for references in a circle."""
        manifest = yield from self.load(version)
        way = {(version.node_id, entry.path): f"{version.name}/{entry.path}"}
        while entry.leads_to_artifact:
            assert entry.ref is not None
            named = parse(entry.ref, f"{version.name}: the reference of {entry.path!r}")
            node_id = yield from self._node_id(named, version, entry)
            version = self._known[node_id][0] if node_id in self._known else Version(node_id, None, entry.ref)
            manifest = yield from self.load(version)
            try:
                entry = manifest.find(named.inside)
            except KeyError as error:
                raise IntegrityError(
                    f"{list(way.values())[-1]} refers to a file that is not there: {error.args[0]}"
                ) from None
            mark = (node_id, entry.path)
            if mark in way:
                raise IntegrityError(f"references lead in a circle: {' -> '.join([*way.values(), way[mark]])}")
            way[mark] = f"{version.name}/{entry.path}" if not named.inside else entry.path
        return Located(version, manifest, entry)

    def _node_id(self, named: ById | ByName | ByClient, version: Version, entry: ManifestEntry) -> Operation[str]:
        if isinstance(named, ById):
            return named.node_id
        if isinstance(named, ByClient):
            raise NotSupported(
                f"{version.name}: {entry.path!r} refers to a version by the id that its client gave it, "
                f"{named.client_id!r}, which the server did not replace by its own"
            )
        if named.path not in self._ids:
            meta = entity_meta("Artifact")
            where, scopes = resolve(meta, Q(path=named.path))
            found = yield from collect(Plan(meta=meta, where=where, scopes=scopes, only=("node_id",)), self.target)
            if not found:
                raise IntegrityError(f"{version.name}: {entry.path!r} refers to {named.path}, which does not exist")
            self._ids[named.path] = found[0].node_id
        return self._ids[named.path]


# -- other stores ----------------------------------------------------------------------------------


def open_reference(entry: ManifestEntry) -> IO[bytes]:
    """The bytes of a reference, as a file to read. Raises :class:`~wbmodel.errors.LibraryNotInstalled` without
    fsspec."""
    url = entry.ref or ""
    try:
        import fsspec  # type: ignore[import-untyped, import-not-found, unused-ignore]

        file: Any = fsspec.open(url, "rb")
        opened: Any = file.open()
    except ImportError as error:
        raise LibraryNotInstalled(
            f"{entry.path!r} is kept at {mask_url(url)}, and reading it needs {error.name or error}; install fsspec "
            'with: pip install "wbmodel[fsspec]", and for s3:// and gs:// also s3fs or gcsfs'
        ) from error
    except WbmodelError:
        raise
    except Exception as error:
        raise _unreadable(entry, error) from error
    found: IO[bytes] = opened
    return found


def _chunks(entry: ManifestEntry) -> Iterable[bytes]:
    """The bytes of a reference. Raises :class:`~wbmodel.errors.IntegrityError` at the end, unless they have the size
    and the digest of the manifest; an ETag of an unknown kind proves nothing."""
    digest = Digest(entry.digest if is_digest(entry.digest) else None)
    size = 0
    with open_reference(entry) as file:
        while True:
            try:
                data = file.read(_STEP)
            except OSError as error:
                raise _unreadable(entry, error) from error
            if not data:
                break
            digest.update(data)
            size += len(data)
            yield data
    if entry.size is not None and size != entry.size:
        raise IntegrityError(f"{entry.path!r} had {entry.size:,} bytes when it was recorded, and now has {size:,}")
    if digest.known and not digest.matches:
        raise IntegrityError(
            f"{entry.path!r} has changed since it was recorded: its digest is not {entry.digest} any more"
        )


def read_reference(entry: ManifestEntry) -> bytes:
    """All bytes of a reference."""
    return b"".join(_chunks(entry))


def save_reference(entry: ManifestEntry, target: Path) -> None:
    """Write the bytes of a reference to ``target``, which gets its name when they are whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
    try:
        with open(part, "xb") as file:
            file.writelines(_chunks(entry))
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _unreadable(entry: ManifestEntry, error: Exception) -> WbmodelError:
    # The library's own words may hold a signed URL.
    why = (
        f"{type(error).__name__}: {error.strerror}"
        if isinstance(error, OSError) and error.strerror
        else type(error).__name__
    )
    return WbmodelError(f"{entry.path!r} cannot be read from {mask_url(entry.ref or '')}: {why}")
