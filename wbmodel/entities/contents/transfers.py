"""Download versions and single entries of them, and make folders equal to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from wbmodel.backend.asks import BlobRef, Work
from wbmodel.compiler.target import Target
from wbmodel.entities.contents.folder import Difference, compare, refuse_suspicious, remove_extra
from wbmodel.entities.contents.located import Version, cache_of, load_manifest, read_bytes, urls_of
from wbmodel.entities.contents.manifest import Manifest, ManifestEntry
from wbmodel.entities.contents.references import Located, Manifests, read_reference, save_reference
from wbmodel.entities.contents.tables import read_object
from wbmodel.errors import FieldError, WbmodelError
from wbmodel.operations.answer import Operation, asked
from wbmodel.operations.downloads import Downloads, FileDownload, TransferProgress
from wbmodel.operations.transfer import download
from wbmodel.safe_names import Targets

__all__ = [
    "checkout",
    "download_all",
    "download_entry",
    "get_object",
    "locate",
    "manifest_of",
    "only_file",
    "ref_target",
    "renewed",
    "version_of",
    "verify",
]


def version_of(row: Any) -> Version:
    """The version that a row stands for."""
    return Version(row.node_id, row.project.entity, row.path)


def manifest_of(row: Any, target: Target) -> Operation[Manifest]:
    """The manifest of a version."""
    target.refuse_foreign(row)
    return (yield from load_manifest(version_of(row), target))


# -- one entry -------------------------------------------------------------------------------------


def _located(entry: Any, target: Target) -> Operation[Located]:
    manifests = Manifests(target)
    manifests.know(entry.version, entry.manifest)
    return (yield from manifests.locate(entry.version, entry.manifest[entry.name]))


def locate(entry: Any, target: Target) -> Operation[BlobRef | ManifestEntry]:
    """Where the bytes of an entry are: behind the bytes door, or at a reference."""
    found = yield from _located(entry, target)
    if found.entry.is_reference:
        return found.entry
    (ref,) = yield from urls_of(found.version, found.manifest, [found.ref], target)
    return ref


def renewed(ref: BlobRef, target: Target) -> Operation[BlobRef]:
    """The same bytes, with a fresh URL."""
    version = Version(ref.owner, None, ref.name)
    (fresh,) = yield from urls_of(version, (yield from load_manifest(version, target)), [ref], target)
    return fresh


def ref_target(entry: Any, target: Target) -> Operation[str]:
    """Where a reference leads in the end: the URL of another store, or the reference to a file of a version."""
    from wbmodel.query.artifact_names import reference

    found = yield from _located(entry, target)
    return found.entry.ref or reference(found.version.node_id, found.entry.path)


def download_entry(
    entry: Any, target: Target, root: str | os.PathLike[str] | None, skip_cache: bool
) -> Operation[Path]:
    """Download one entry below ``root``, by default the folder of its version."""
    folder = default_root(entry.version.name) if root is None else root
    wanted = {entry.name: entry.manifest[entry.name]}
    made = yield from _download(entry.version, entry.manifest, wanted, folder, target, skip_cache=skip_cache)
    return made.files[0]


def get_object(row: Any, target: Target, name: str) -> Operation[Any]:
    """The table or JSON value ``name`` of a version."""
    version = version_of(row)
    manifests = Manifests(target)
    manifest = yield from manifests.load(version)
    place = manifest

    def read(path: str) -> Operation[bytes]:
        found = yield from manifests.locate(version, place[path])
        if found.entry.is_reference:
            data: bytes = yield from asked(Work(partial(read_reference, found.entry)))
            return data
        (ref,) = yield from urls_of(found.version, found.manifest, [found.ref], target)
        return (yield from read_bytes(ref))

    return (yield from read_object(manifest.find(name).path, manifest, read))


# -- whole versions --------------------------------------------------------------------------------


def default_root(name: str) -> Path:
    """``artifacts/collection:v3`` in the working folder, or in the folder of ``WANDB_ARTIFACT_DIR``, as W&B's client
    has it (seen); with a dash for the colon on Windows."""
    last = name.rpartition("/")[2]
    folder = os.environ.get("WANDB_ARTIFACT_DIR") or "artifacts"
    return Path(folder, last.replace(":", "-") if os.name == "nt" else last)


def download_all(
    row: Any,
    target: Target,
    root: str | os.PathLike[str] | None,
    recursive: bool,
    path_prefix: str | None,
    skip_cache: bool,
    progress: Callable[[TransferProgress], object] | None,
) -> Operation[Path]:
    """Download a version, or the part of it below ``path_prefix``. Returns the folder."""
    version = version_of(row)
    manifest = yield from manifest_of(row, target)
    folder = default_root(version.name) if root is None else Path(root)
    wanted = manifest if path_prefix is None else manifest.under(path_prefix)
    if path_prefix is not None and not wanted:
        raise FieldError(f"{version.name} has no file below {path_prefix!r}")
    yield from _download(
        version, manifest, dict(wanted), folder, target, skip_cache=skip_cache, progress=progress, recursive=recursive
    )
    return folder


def only_file(row: Any, target: Target, root: str | os.PathLike[str] | None) -> Operation[Path]:
    """Download the only file of a version. Returns its path."""
    manifest = yield from manifest_of(row, target)
    if len(manifest) != 1:
        raise FieldError(
            f"{row.path} has {len(manifest):,} files, and file() is for versions that have one; download() takes all, "
            "get_path(name) one of several"
        )
    version = version_of(row)
    folder = default_root(version.name) if root is None else Path(root)
    made = yield from _download(version, manifest, dict(manifest), folder, target)
    return made.files[0]


def checkout(row: Any, target: Target, root: str | os.PathLike[str] | None, dry_run: bool) -> Operation[Difference]:
    """Make a folder the content of a version: download it, and delete what is not in it. Returns how the folder
    differed."""
    version = version_of(row)
    folder = default_root(version.name) if root is None else Path(root)
    yield from asked(Work(partial(refuse_suspicious, folder)))
    manifest = yield from manifest_of(row, target)
    there = yield from asked(Work(folder.is_dir))
    before: Difference
    if there:
        before = yield from asked(Work(partial(compare, manifest, folder)))
    else:
        before = Difference(Path(os.path.abspath(folder)), missing=tuple(manifest))
    if not dry_run:
        # Deleted first: a file may stand where the version has a folder. What is there and equal is not fetched again.
        yield from asked(Work(partial(remove_extra, before)))
        yield from _download(version, manifest, dict(manifest), folder, target)
    return before


def verify(row: Any, target: Target, root: str | os.PathLike[str] | None) -> Operation[Difference]:
    """Compare a folder with a version. Raises :class:`~wbmodel.errors.IntegrityError`, which names what differs."""
    version = version_of(row)
    manifest = yield from manifest_of(row, target)
    folder = default_root(version.name) if root is None else Path(root)
    # The digest of a file of another version is in the manifest of that version.
    manifests = Manifests(target)
    manifests.know(version, manifest)
    known: dict[str, ManifestEntry] = {}
    for path, entry in manifest.items():
        if entry.leads_to_artifact:
            found = yield from manifests.locate(version, entry)
            entry = attrs.evolve(found.entry, path=path)
        known[path] = entry
    difference: Difference = yield from asked(Work(partial(compare, Manifest(known, name=version.name), folder)))
    difference.raise_for_difference(version.name)
    return difference


def _download(
    version: Version,
    manifest: Manifest,
    wanted: dict[str, ManifestEntry],
    root: str | os.PathLike[str],
    target: Target,
    *,
    skip_cache: bool = False,
    progress: Callable[[TransferProgress], object] | None = None,
    recursive: bool = False,
) -> Operation[Downloads]:
    """Download entries of a version, with what they refer to. With ``recursive``, the versions that they refer to are
    downloaded whole, each into its folder beside ``root``."""
    manifests = Manifests(target)
    manifests.know(version, manifest)
    here: list[Located] = []
    names: list[str] = []
    elsewhere: dict[str, ManifestEntry] = {}
    for path, entry in wanted.items():
        found = Located(version, manifest, entry)
        if entry.leads_to_artifact:
            found = yield from manifests.locate(version, entry)
        if found.entry.is_reference:
            elsewhere[path] = attrs.evolve(found.entry, path=path)
        else:
            here.append(found)
            names.append(path)
    of = {found.version.node_id: found for found in here}

    def renew(refs: Sequence[BlobRef]) -> Operation[Sequence[BlobRef]]:
        made: dict[tuple[str, str], BlobRef] = {}
        for owner in dict.fromkeys(ref.owner for ref in refs):
            mine = [ref for ref in refs if ref.owner == owner]
            for fresh in (yield from urls_of(of[owner].version, of[owner].manifest, mine, target)):
                made[owner, fresh.name] = fresh
        return [made[ref.owner, ref.name] for ref in refs]

    done = yield from download(
        [found.ref for found in here],
        root,
        names=names,
        cache=cache_of(target, skip_cache),
        renew=renew,
        progress=progress,
        raise_failures=False,
    )
    if elsewhere:
        results = yield from asked(Work(partial(_fetch_references, list(elsewhere.items()), Path(root), list(names))))
        done = attrs.evolve(done, results=(*done.results, *results))
    done.raise_for_failures()
    if recursive:
        for other in [found for found in of.values() if found.version.node_id != version.node_id]:
            name = yield from _name_of(other.version, target)
            yield from _download(
                attrs.evolve(other.version, name=name),
                other.manifest,
                dict(other.manifest),
                Path(root).parent / default_root(name).name,
                target,
                skip_cache=skip_cache,
                progress=progress,
            )
    return done


def _name_of(version: Version, target: Target) -> Operation[str]:
    from wbmodel.meta import entity_meta
    from wbmodel.operations.run import collect
    from wbmodel.query.conditions import resolve
    from wbmodel.query.plan import Plan
    from wbmodel.query.q import Q

    meta = entity_meta("Artifact")
    where, scopes = resolve(meta, Q(node_id=version.node_id))
    found = yield from collect(Plan(meta=meta, where=where, scopes=scopes, only=("version_index", "digest")), target)
    return str(found[0].path) if found else version.name


def _fetch_references(
    wanted: Iterable[tuple[str, ManifestEntry]], root: Path, taken: Sequence[str]
) -> list[FileDownload]:
    """Read references from their stores, one by one. One that fails does not stop the others."""
    targets = Targets(Path(os.path.abspath(root)))
    for name in taken:
        try:
            targets.target(name)
        except WbmodelError:
            continue
    made = []
    for name, entry in wanted:
        path = None
        try:
            path = targets.target(name)
            save_reference(entry, path)
            made.append(FileDownload(name, path, "fetched", path.stat().st_size))
        except WbmodelError as error:
            made.append(FileDownload(name, path, "failed", 0, error))
        except OSError as error:
            wrong = WbmodelError(f"{name} cannot be written to {path}: {error.strerror or error}")
            wrong.__cause__ = error
            made.append(FileDownload(name, path, "failed", 0, wrong))
    return made
