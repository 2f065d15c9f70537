"""Read long histories from the Parquet files that a server exports, and the rest of their rows by documents.

The server says which files there are, and the steps of the rows that are in none of them, the live ones. Every step is
taken from one of these sources only. So no row comes twice, and if there are as many rows as the history has lines,
none is missing. If there are not, or anything is odd about the files, they are thrown away, and the rows are read by
documents as if there were none.
"""

from __future__ import annotations

import shutil
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from wbmodel.backend.asks import BlobRef, ColumnBatch, ReadSpec, Work
from wbmodel.backend.verbs import Emit
from wbmodel.compiler.extras import EXPORTS, Extra, unexported
from wbmodel.compiler.histories import FILES_AND_LIVE, FILES_OF_HISTORY, LINES_ONLY, Kind
from wbmodel.compiler.target import Target
from wbmodel.errors import WbmodelError
from wbmodel.loggers import get_logger
from wbmodel.meta.state import holds
from wbmodel.operations.answer import Operation, asked, kept
from wbmodel.operations.histories.documents import ALIASES_AT_MOST, Asked, Documents
from wbmodel.operations.histories.export_file import ExportFile, Unfit, can_read, read_file
from wbmodel.operations.histories.ladder import BITE, Range
from wbmodel.operations.histories.one_range import read_range
from wbmodel.operations.histories.pieces import Ended, Head, Part
from wbmodel.operations.histories.rows import STEP, Row, columns_of, step_of
from wbmodel.operations.histories.runs import Known
from wbmodel.operations.transfer import download

__all__ = ["LONG", "Exports"]

LONG = 20_000
"""Histories with more lines, and ranges of more steps, are looked for in files: each needs requests of its own."""
_ROWS = 65_536
"""Rows of one part."""
_KEPT = 16 * 2**20
"""Files of so many bytes together are not read once more after they were found to be good."""


Hear = Callable[[Head, Iterable[str]], object]
"""Hears of each run which columns its files have."""


class Exports:
    """The exported files of the runs of one reading. Only the columns that have the keys of ``spec`` are read."""

    def __init__(self, spec: ReadSpec, target: Target, hear: Hear = lambda head, names: None) -> None:
        self.spec, self._target, self.hear = spec, target, hear
        self._found: dict[str, _Links] = {}
        self._asked: set[str] = set()
        can = target.capabilities
        low, high = spec.min_step, spec.max_step
        is_narrow = low is not None and high is not None and high - low <= LONG
        self.is_on = can.blobs and not can.in_process and not is_narrow and can_read()
        """Whether files can be read at all."""

    @property
    def target(self) -> Target:
        """The target without what its server refused meanwhile."""
        for extra in self._target.refusals.known - self._target.refused:
            self._target = self._target.without(extra)
        return self._target

    @property
    def waiting(self) -> int:
        """How many runs have files that were not read yet."""
        return len(self._found)

    def has(self, head: Head) -> bool:
        """Whether the rows of a run are to be read from files."""
        return head.ref.node_id in self._found

    # -- what there is -----------------------------------------------------------------------------

    def is_new(self, head: Head) -> bool:
        """Whether a run may have files, and nobody asked for them yet."""
        if not self.is_on or _lines(head) <= LONG or head.ref.node_id in self._asked:
            return False
        return not {EXPORTS, _nothing_in(head)} & self.target.refused

    def ask(self, heads: Iterable[Head]) -> Operation[None]:
        """Find out which of some runs have files, for the first :data:`ALIASES_AT_MOST` of those that are new."""
        some = list(islice(filter(self.is_new, heads), ALIASES_AT_MOST))
        self._asked.update(head.ref.node_id for head in some)
        asked = (yield from self._links(some, FILES_OF_HISTORY)) if some else []
        exported = [links.head for links in asked if links.urls]
        self._learn(asked)
        # Of a run without files, all steps are live: they are not asked for.
        for links in (yield from self._links(exported, FILES_AND_LIVE)) if exported else []:
            if links.urls:
                self._found[links.head.ref.node_id] = links

    def _learn(self, asked: Sequence[_Links]) -> None:
        """Remember the projects without files. A run that goes on may have some later."""
        over = {_nothing_in(links.head) for links in asked if not links.head.growing and (links.count or 0) > LONG}
        for extra in over - {_nothing_in(links.head) for links in asked if links.urls or links.error is not None}:
            self.target.refusals.learn(extra)

    def _links(self, heads: Sequence[Head], kind: Kind) -> Operation[list[_Links]]:
        found: list[_Links] = []

        def begin(head: Head) -> _Links:
            found.append(_Links(head, kind))
            return found[-1]

        yield from kept(Documents(Known(heads), self.target, begin).read())
        return found

    # -- the rows of a run -------------------------------------------------------------------------

    def read(self, head: Head) -> Operation[bool]:
        """Emit the parts and the end of a run; False if its files cannot be used, and nothing was emitted."""
        links = self._found.pop(head.ref.node_id)
        folder = Path((yield from asked(Work(partial(tempfile.mkdtemp, prefix="wbmodel-")))))
        try:
            rows = yield from self._live(links)
            files = yield from self._files(links, folder)
            live = _proven(files, rows, links.count)
        except Unfit as why:
            get_logger("wbmodel.histories").debug("%s: its exported files are not used: %s", head.ref.path, why)
            return False
        else:
            yield from self._emitted(head, files, live)
            return True
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _live(self, links: _Links) -> Operation[list[Row]]:
        """The rows that are in no file, and perhaps some that are."""
        steps, growing = {step for step in links.live if step is not None}, links.head.growing
        if None in links.live or len(links.live) > BITE:
            raise Unfit(f"{len(links.live)} rows are in none of them, or have no step")
        if not steps:
            return []
        low, high = min(steps), max(steps)
        wanted = Range(low, None, 2 * len(links.live) + 1000, len(links.live))
        try:
            found = yield from read_range(links.head, self.target, wanted)
        except WbmodelError as error:
            raise Unfit(str(error)) from error
        links.count = found.count
        there = [row for row in found.rows if row[STEP] is not None]
        return [row for row in there if row[STEP] in steps or (growing and row[STEP] > high)]

    def _files(self, links: _Links, folder: Path) -> Operation[list[_File]]:
        """The files, in the order of their steps."""
        names = {_place(url): f"{at}.parquet" for at, url in enumerate(links.urls)}
        node, path = links.head.ref.node_id, links.head.ref.path
        refs = [BlobRef("run_file", node, names[_place(url)], url) for url in links.urls]

        def renew(expired: Sequence[BlobRef]) -> Operation[Sequence[BlobRef]]:
            again = yield from self._links([links.head], FILES_OF_HISTORY)
            fresh = {names.get(_place(url)): url for url in again[0].urls}
            return [attrs.evolve(ref, url=fresh.get(ref.name)) for ref in expired]

        made = yield from download(refs, folder, renew=renew, raise_failures=False)
        if made.failures:
            raise Unfit(f"{path}: {made.failures[0].error}")
        files: list[_File] = []
        size = 0
        for each in made.files:
            read: ExportFile = yield from asked(Work(partial(read_file, each, node, self.spec.keys)))
            self.hear(links.head, read.names)
            size += each.stat().st_size
            if read.steps:
                files.append(_File(each, read.steps, read.batch if size <= _KEPT else None))
        return sorted(files, key=lambda file: file.steps[0])

    def _emitted(self, head: Head, files: Sequence[_File], live: list[Row]) -> Operation[None]:
        rows, node = 0, head.ref.node_id
        for file in files:
            batch, file.batch = file.batch, None
            if batch is None:
                try:
                    read: ExportFile = yield from asked(Work(partial(read_file, file.path, node, self.spec.keys)))
                except Unfit as error:
                    gone = WbmodelError(f"{head.ref.path}: a file of its history changed while it was read: {error}")
                    yield Emit((Ended(head, rows, None, gone),))
                    return
                batch = read.batch
            start, stop = self._within(file.steps)
            for at in range(max(start, file.start), stop, _ROWS):
                part = batch.slice(at, min(at + _ROWS, stop))
                rows += part.length
                yield Emit((Part(head, part),))
        start, stop = self._within([row[STEP] for row in live])
        if start < stop:
            rows += stop - start
            yield Emit((Part(head, columns_of(node, live[start:stop])),))
        yield Emit((Ended(head, rows),))

    def _within(self, steps: Sequence[int]) -> tuple[int, int]:
        low, high = self.spec.min_step, self.spec.max_step
        start = 0 if low is None else bisect_left(steps, low)
        return start, len(steps) if high is None else bisect_left(steps, high)


@attrs.define(slots=True, eq=False)
class _File:
    """A file with rows, and from which one on they count."""

    path: Path
    steps: Sequence[int]
    batch: ColumnBatch | None
    start: int = 0


def _proven(files: Sequence[_File], rows: Sequence[Row], count: int | None) -> list[Row]:
    """The live rows after those of the files. Each step counts where it comes first. Raises :class:`Unfit` if these are
    not all rows."""
    total = 0
    last: int | None = None
    for file in files:
        file.start = 0 if last is None else bisect_right(file.steps, last)
        total += len(file.steps) - file.start
        last = file.steps[-1] if last is None else max(last, file.steps[-1])
    live = [row for row in rows if last is None or row[STEP] > last]
    if total + len(live) != count:
        raise Unfit(f"they have {total} rows, {len(live)} are live, and {count} lines were logged")
    return live


class _Links:
    """What the server says of the files of one run."""

    def __init__(self, head: Head, kind: Kind) -> None:
        self.head, self.kind = head, kind
        self.urls: list[str] = []
        self.live: list[int | None] = []
        self.count: int | None = None
        self.error: WbmodelError | None = None
        self.done = False
        self.weight = 0
        self._is_asked = False

    def wanted(self) -> list[Asked]:
        """The only request."""
        if self._is_asked:
            return []
        self._is_asked = True
        return [Asked(self, self._kind, lambda _: {}, 10)]

    def _kind(self, target: Target) -> tuple[Kind, frozenset[Extra]]:
        return (LINES_ONLY, frozenset()) if EXPORTS in target.refused else (self.kind, frozenset({EXPORTS}))

    def take(self, asked: Asked, found: dict[str, Any]) -> int:
        """The URLs and the live steps."""
        self.done, self.count = True, found["historyLineCount"]
        if (files := found.get("parquetHistory")) is not None:
            self.urls = files["parquetUrls"]
            self.live = [step_of(row[STEP]) for row in files.get("liveData", ())]
        return 0

    def too_much(self, asked: Asked) -> bool:
        """Nothing less can be asked."""
        return False

    def failed(self, error: WbmodelError) -> None:
        """Then rows are read by documents."""
        self.error, self.done = error, True

    def parts(self) -> Iterator[Part | Ended]:
        """Nothing: this is about no rows."""
        return iter(())


def _lines(head: Head) -> int:
    """The number of lines; where it is not known, the last step tells how many there may be."""
    if head.count is not None:
        return head.count
    step = head.row.summary.get(STEP) if holds(head.row, ("summary", STEP)) else None
    return step + 1 if type(step) is int else 0


def _nothing_in(head: Head) -> Extra:
    return unexported(f"{head.ref.entity}/{head.ref.project}")


def _place(url: str) -> str:
    """What stays of a URL when it is signed anew."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"
