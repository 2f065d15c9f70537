"""Downloads files: what is there already stays, what is in the cache is copied, and the rest is fetched, each verified.

One file's failure does not stop the others. URLs that expired are replaced by fresh ones, content with a wrong digest
is fetched once more from its beginning, and what breaks off is kept as a part file, from which the next call goes on.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from wbmodel.backend.asks import BlobRef, Fetch, Fetched, FetchItem, Work
from wbmodel.backend.parts import SMALL, part_path, unwritable
from wbmodel.backend.verbs import END, Next, Send
from wbmodel.digests import Digest, is_digest
from wbmodel.errors import IntegrityError, LinkExpired, PluginError, UnsafeName, WbmodelError, WbmodelWarning, warn
from wbmodel.files_cache import Cache
from wbmodel.operations.answer import Operation, asked
from wbmodel.operations.downloads import Downloads, FileDownload, How, TransferProgress
from wbmodel.safe_names import Targets, inside

__all__ = ["Renew", "download"]

Renew = Callable[[Sequence[BlobRef]], Operation[Sequence[BlobRef]]]
"""Gives the same files fresh URLs, in the same order. It is also asked for the URLs of files that have none."""

_BATCH = 2_000
"""How many files get their URLs at once: signed URLs expire, so they are asked for shortly before they are used."""
_LOOKED_AT = 500
_COPIED_AT_ONCE = 2**25
"""Bytes of files that are copied out of the cache at once: file by file, it would slow down what is being received."""
_RENEWALS = 3
_STEP = 2**20


@attrs.define(slots=True, eq=False)
class _File:
    """A file to download, and what has been tried."""

    ref: BlobRef
    name: str
    target: Path | None = None
    renewals: int = 0
    spoiled: bool = False
    result: FileDownload | None = None


def download(
    refs: Sequence[BlobRef],
    root: str | os.PathLike[str],
    *,
    names: Sequence[str] | None = None,
    cache: Cache | None = None,
    link: bool = False,
    replace: bool = True,
    renew: Renew | None = None,
    progress: Callable[[TransferProgress], object] | None = None,
    raise_failures: bool = True,
) -> Operation[Downloads]:
    """Download files to the folder ``root``, each under its name (``names``, by default that of its ref).

    A file that is there with the right size and digest is not fetched again; others are replaced, or with
    ``replace=False`` refused. With ``cache``, content is taken from there and kept there; ``link=True`` makes read-only
    hard links instead of copies. ``progress`` is called as files come in.

    Raises :class:`~wbmodel.errors.TransferError` at the end if any file failed (for a single file, its own error),
    unless ``raise_failures=False``.
    """
    given = [_File(ref, name) for ref, name in zip(refs, names or [ref.name for ref in refs], strict=True)]
    folder = Path(os.path.abspath(os.fspath(root)))
    files = yield from asked(Work(lambda: _placed(given, folder)))
    if cache is not None and (error := (yield from asked(Work(cache.usable)))) is not None:
        warn(
            f"the cache in {cache.place} cannot be used ({error.strerror or error}); files are downloaded without it. "
            "Set WBMODEL_CACHE_DIR or connect(cache_dir=) to another folder",
            WbmodelWarning,
        )
        cache = None
    at_work = _Transfer(files, folder, cache, link, replace, renew, progress)
    waiting = [file for file in files if file.result is None]
    for begin in range(0, len(waiting), _BATCH):
        yield from at_work.batch(waiting[begin : begin + _BATCH])
    results = tuple(file.result for file in files if file.result is not None)
    made = Downloads(folder, results)
    if raise_failures:
        made.raise_for_failures()
    return made


def _placed(given: Sequence[_File], root: Path) -> list[_File]:
    """Give the files their targets. A file that is named twice is there once."""
    try:
        os.makedirs(root, exist_ok=True)
    except OSError as error:
        raise WbmodelError(f"nothing can be downloaded to {root}: {error.strerror or error}") from error
    targets, files = Targets(root), dict[str, _File]()
    for file in given:
        first = files.get(file.name)
        if first is not None and (first.ref.digest, first.ref.size) == (file.ref.digest, file.ref.size):
            continue
        try:
            file.target = targets.target(file.name)
        except UnsafeName as error:
            file.result = FileDownload(file.name, None, "failed", 0, error)
        files[file.name if first is None else f"{file.name}\0{len(files)}"] = file
    return list(files.values())


class _Transfer:
    """One download."""

    def __init__(
        self,
        files: Sequence[_File],
        root: Path,
        cache: Cache | None,
        link: bool,
        replace: bool,
        renew: Renew | None,
        progress: Callable[[TransferProgress], object] | None,
    ) -> None:
        self.files, self.root, self.cache, self.link, self.replace = files, root, cache, link, replace
        self.renew, self.progress = renew, progress
        self._safe: set[str] = set()
        self._files, self._bytes = sum(file.result is not None for file in files), 0
        sizes = [file.ref.size for file in files if file.result is None]
        self._total = None if None in sizes else sum(size or 0 for size in sizes)

    def batch(self, files: Sequence[_File]) -> Operation[None]:
        """Download some of the files."""
        for some in _slices(files, _LOOKED_AT):
            yield from asked(Work(functools.partial(self._look, some)))
            self._tell()
        while waiting := [file for file in files if file.result is None]:
            yield from self._renewed(waiting)
            yield from self._fetched(waiting)

    def _end(self, file: _File, how: How, size: int = 0, error: WbmodelError | None = None) -> None:
        file.result = FileDownload(file.name, file.target, how, size, error)
        self._files += 1
        self._bytes += size if file.ref.size is None else file.ref.size

    # -- what is here already ----------------------------------------------------------------------

    def _look(self, files: Sequence[_File]) -> None:
        for file in files:
            with self._failing(file) as target:
                self._look_at(file, target)

    def _look_at(self, file: _File, target: Path) -> None:
        folder = os.path.dirname(target)
        if folder not in self._safe:
            inside(self.root, Path(folder))
            self._safe.add(folder)
        try:
            mode = os.lstat(target).st_mode
        except (FileNotFoundError, NotADirectoryError):
            pass
        else:
            if stat.S_ISDIR(mode):
                raise WbmodelError(f"{file.name} cannot be written to {target}: a folder is there")
            if stat.S_ISLNK(mode):
                inside(self.root, target)
            if os.path.isfile(target) and _has(target, file.ref):
                self._end(file, "present", file.ref.size or os.path.getsize(target))
                return
            if not self.replace:
                raise WbmodelError(
                    f"{target} is there already, and does not have the content of {file.name} as far as can be told; "
                    "replace=True replaces it"
                )
        if self.cache is not None and (size := self.cache.get(file.ref, target, link=self.link)) is not None:
            self._end(file, "cached", size)

    @contextlib.contextmanager
    def _failing(self, file: _File) -> Iterator[Path]:
        """A block whose errors are those of one file."""
        assert file.target is not None
        try:
            yield file.target
        except WbmodelError as error:
            self._end(file, "failed", error=error)
        except OSError as error:
            self._end(file, "failed", error=unwritable(FetchItem(file.ref, file.target), error))

    # -- what is fetched ---------------------------------------------------------------------------

    def _fetched(self, files: Sequence[_File]) -> Operation[None]:
        left: dict[Path, list[_File]] = {}
        for file in files:
            assert file.target is not None
            digest = file.ref.digest
            kept = self.cache is not None and digest is not None and is_digest(digest)
            left.setdefault(self.cache.entry(digest) if self.cache and digest and kept else file.target, []).append(
                file
            )
        arrived: list[tuple[Fetched, list[_File]]] = []  # in the cache, and still to be copied out of it
        stream = yield Send(Fetch([FetchItem(same[0].ref, target) for target, same in left.items()]))
        while (group := (yield Next(stream))) is not END:
            for each in group:
                same = left.pop(each.item.target, [])
                if each.error is not None:
                    for file in same:
                        self._went_wrong(file, each.error)
                elif self.cache is None:
                    for file in same:
                        self._end(file, "fetched", each.bytes)
                else:
                    arrived.append((each, same))
            self._tell(left, arrived)
            if self.cache is not None and sum(each.bytes for each, _ in arrived) > _COPIED_AT_ONCE:
                yield from asked(Work(functools.partial(self._keep, arrived, self.cache)))
                arrived = []
        if self.cache is not None:
            yield from asked(Work(functools.partial(self._keep, arrived, self.cache)))
            self._tell()
        for file in [file for same in left.values() for file in same]:
            self._end(file, "failed", error=PluginError(f"the backend ended without a word on {file.name}"))

    def _went_wrong(self, file: _File, error: WbmodelError) -> None:
        """Decide whether another attempt makes sense."""
        if isinstance(error, LinkExpired) and self.renew is not None and file.renewals < _RENEWALS:
            file.renewals += 1
            file.ref = attrs.evolve(file.ref, url=None)
        elif isinstance(error, IntegrityError) and not file.spoiled:
            file.spoiled = True
        else:
            self._end(file, "failed", error=error)

    def _keep(self, good: Sequence[tuple[Fetched, list[_File]]], cache: Cache) -> None:
        """Copy what was fetched into the cache to where it belongs, and what was fetched elsewhere into the cache."""
        for each, same in good:
            for number, file in enumerate(same):
                with self._failing(file) as target:
                    if each.item.target == target:
                        cache.put(file.ref, target)
                    else:
                        cache.seal(each.item.target)
                        if cache.get(file.ref, target, link=self.link, verify=False) is None:
                            raise IntegrityError(
                                f"{file.name} left the cache before it was copied; repeat the download"
                            )
                    self._end(file, "cached" if number else "fetched", each.bytes)

    def _renewed(self, files: Sequence[_File]) -> Operation[None]:
        """Give URLs to files that have none."""
        asking = [file for file in files if file.ref.url is None]
        if self.renew is None or not asking:
            return
        fresh = yield from self.renew([file.ref for file in asking])
        for file, ref in zip(asking, fresh, strict=True):
            file.ref = attrs.evolve(file.ref, url=ref.url, headers=ref.headers)

    def _tell(
        self,
        left: Mapping[Path, Sequence[_File]] = types.MappingProxyType({}),
        arrived: Sequence[tuple[Fetched, Sequence[_File]]] = (),
    ) -> None:
        if self.progress is None:
            return
        files = self._files + sum(len(same) for _, same in arrived)
        size = self._bytes + sum(len(same) * (same[0].ref.size or each.bytes) for each, same in arrived)
        for target, same in left.items():
            if (same[0].ref.size or SMALL) >= SMALL:
                with contextlib.suppress(OSError):
                    size += os.stat(part_path(target)).st_size
        self.progress(TransferProgress(files, len(self.files), size, self._total))


def _slices(files: Sequence[_File], size: int) -> Iterator[Sequence[_File]]:
    return (files[at : at + size] for at in range(0, len(files), size))


def _has(path: Path, ref: BlobRef) -> bool:
    """Whether a file has the content of ``ref``. Without a digest, nobody can tell."""
    digest = Digest(ref.digest)
    if not digest.known or ref.size not in (None, os.path.getsize(path)):
        return False
    with open(path, "rb", buffering=0) as file:
        while data := file.read(_STEP):
            digest.update(data)
    return digest.matches
