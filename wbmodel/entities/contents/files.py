"""The bytes of run files and artifact files that queries gave, one by one and many at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import attrs

from wbmodel.backend.asks import BlobRef, Open, Work
from wbmodel.backend.verbs import END, Emit, Next, Send
from wbmodel.compiler.target import Target
from wbmodel.digests import is_digest
from wbmodel.entities.contents.located import cache_of, file_urls, read_bytes
from wbmodel.entities.contents.manifest import ManifestEntry
from wbmodel.entities.contents.references import read_reference
from wbmodel.errors import LinkExpired
from wbmodel.meta.state import is_loaded
from wbmodel.operations.answer import Operation, asked
from wbmodel.operations.downloads import Downloads, TransferProgress
from wbmodel.operations.results import results
from wbmodel.operations.transfer import Renew, download
from wbmodel.query.plan import Plan

__all__ = ["FIELDS", "Holder", "chunks", "download_one", "download_rows", "read", "ref_of", "urls_of_rows"]

FIELDS = ("name", "size", "md5", "url", "digest", "direct_url")
"""What a download needs of each file."""


class Holder(Protocol):
    """What has bytes."""

    def _locate(self, target: Target) -> Operation[BlobRef | ManifestEntry]:
        """Where they are: behind the bytes door, or at the reference of an entry."""
        ...

    def _renew(self, ref: BlobRef, target: Target) -> Operation[BlobRef]:
        """The same with a fresh URL."""
        ...


def read(holder: Holder, target: Target) -> Operation[bytes]:
    """All bytes, verified."""
    found = yield from holder._locate(target)
    if isinstance(found, ManifestEntry):
        data: bytes = yield from asked(Work(partial(read_reference, found)))
        return data
    try:
        return (yield from read_bytes(found))
    except LinkExpired:
        return (yield from read_bytes((yield from holder._renew(found, target))))


def chunks(holder: Holder, target: Target, start: int = 0) -> Operation[None]:
    """Emit the bytes from ``start`` on, as they come."""
    found = yield from holder._locate(target)
    if isinstance(found, ManifestEntry):
        data = yield from asked(Work(partial(read_reference, found)))
        yield Emit((data[start:],))
        return
    stream = yield Send(Open(found, start))
    try:
        first = yield Next(stream)
    except LinkExpired:
        stream = yield Send(Open((yield from holder._renew(found, target)), start))
        first = yield Next(stream)
    while first is not END:
        yield Emit((first,))
        first = yield Next(stream)


def ref_of(file: Any) -> BlobRef:
    """The bytes of a file that a query gave, with the URL that was loaded with it."""
    of_run = is_loaded(file, "run")
    names = ("url", "direct_url") if of_run else ("direct_url", "url")
    url = next((found for name in names if is_loaded(file, name) and (found := getattr(file, name))), None)
    known = (getattr(file, name) for name in ("md5", "digest") if is_loaded(file, name))
    digest = next((text for text in known if text and is_digest(text)), None)
    size = file.size if is_loaded(file, "size") else None
    return BlobRef("run_file" if of_run else "artifact_file", file.owner.node_id, file.name, url, size, digest)


def urls_of_rows(files: Sequence[Any], target: Target) -> Renew:
    """Gives fresh URLs to the refs of these files."""
    owners = {file.owner.node_id: file for file in files}

    def renew(refs: Sequence[BlobRef]) -> Operation[Sequence[BlobRef]]:
        if target.capabilities.in_process:
            return refs
        by_owner: dict[str, list[str]] = {}
        for ref in refs:
            by_owner.setdefault(ref.owner, []).append(ref.name)
        found: dict[tuple[str, str], str] = {}
        for owner, names in by_owner.items():
            of_run = is_loaded(owners[owner], "run")
            place = {"run": owners[owner].run.path} if of_run else {"artifact": owner}
            urls = yield from file_urls(place, "url" if of_run else "direct_url", names, target)
            found.update(((owner, name), url) for name, url in urls.items())
        return [attrs.evolve(ref, url=found.get((ref.owner, ref.name))) for ref in refs]

    return renew


def download_one(file: Any, target: Target, root: str | os.PathLike[str], replace: bool) -> Operation[Path]:
    """Download one file below ``root``. Returns its path."""
    made = yield from download([ref_of(file)], root, replace=replace, renew=urls_of_rows([file], target))
    return made.files[0]


def download_rows(
    plan: Plan,
    target: Target,
    root: str | os.PathLike[str],
    replace: bool,
    progress: Callable[[TransferProgress], object] | None,
    skip_cache: bool,
) -> Operation[Downloads]:
    """Download every file of a plan below ``root``. If they belong to several runs or versions, each gets a folder."""
    plan.refuse_shaped("download()")
    rows = yield from results(attrs.evolve(plan, only=FIELDS, defer=frozenset(), prefetch=()), target)
    owners = {row.owner.node_id: row.owner for row in rows}
    several = len(owners) > 1
    names = [f"{_folder(row.owner)}/{row.name}" if several else row.name for row in rows]
    return (
        yield from download(
            [ref_of(row) for row in rows],
            root,
            names=names,
            cache=cache_of(target, skip_cache),
            replace=replace,
            renew=urls_of_rows(rows, target),
            progress=progress,
        )
    )


def _folder(owner: Any) -> str:
    """The folder of one of several owners: ``run_id``, or ``collection-v3``, as a colon is not safe everywhere."""
    return str(owner.path.rpartition("/")[2]).replace(":", "-")
