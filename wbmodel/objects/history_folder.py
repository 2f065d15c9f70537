"""Save histories to a folder of Parquet files, run by run, so that an interrupted saving goes on where it was."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING

from wbmodel.operations.histories.blocks import Block
from wbmodel.operations.histories.pieces import Ended, Head
from wbmodel.table.folder import Folder, PartWriter

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Saving"]

PART_ROWS = 500_000
"""A file takes no more runs once it has this many rows."""

HELD_ROWS = 200_000
"""A run with more rows than this has a file of its own."""


class Saving:
    """Writes blocks and ends of runs to a folder. ``names`` are the columns that come first.

    The rows of a run are in the folder once the run has ended without an error, and as a whole. Runs that may still log
    have files of their own, which a later saving writes anew.
    """

    def __init__(self, path: str | os.PathLike[str], query: str, names: Iterable[str]) -> None:
        self.folder = Folder(path, query)
        self.names = tuple(names)
        self._held: list[Block] = []
        self._rows = 0
        self._open: _OpenPart | None = None
        self._own: _OpenPart | None = None

    @property
    def done(self) -> frozenset[str]:
        """The paths of the runs that need not be read again."""
        return frozenset(run for part in self.folder.manifest.parts if not _is_growing(part.file) for run in part.runs)

    def __enter__(self) -> Self:
        self.folder.__enter__()
        return self

    def take(self, items: Sequence[Block | Ended]) -> None:
        """Write some blocks, and note the ends of runs."""
        for item in items:
            if isinstance(item, Ended):
                self._end(item)
            else:
                self._add(item)

    def _add(self, block: Block) -> None:
        if self._own is not None:
            self._own.add(block)
            return
        self._held.append(block)
        self._rows += block.length
        if self._rows > HELD_ROWS:
            self._own = self._write(_OpenPart(self.folder, _own_name(block.head), self.names))

    def _write(self, part: _OpenPart) -> _OpenPart:
        for block in self._held:
            part.add(block)
        self._held, self._rows = [], 0
        return part

    def _end(self, end: Ended) -> None:
        path, own = end.head.ref.path, self._own
        self._own = None
        if end.error is not None:
            self._held, self._rows = [], 0
            if own is not None:
                own.drop()
            self.folder.failed(path, end.error)
            return
        known = {part.file for part in self.folder.manifest.parts}
        if own is None and (end.head.growing or _own_name(end.head, growing=True) in known):
            # Written under the same name once it has ended, so that its rows are there once.
            own = self._write(_OpenPart(self.folder, _own_name(end.head, growing=True), self.names))
        if own is not None:
            own.finish(end)
            return
        if self._open is None:
            number = sum(1 for name in known if name.startswith("part-"))
            while f"part-{number:05}.parquet" in known:
                number += 1
            self._open = _OpenPart(self.folder, f"part-{number:05}.parquet", self.names)
        self._write(self._open)
        self._open.take(end)
        if self._open.rows >= PART_ROWS:
            self._open.close()
            self._open = None

    def finish(self) -> None:
        """Write what is left. There is no more to come."""
        if self._open is not None:
            self._open.close()
            self._open = None
        self.folder.finish()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._own is not None:
                self._own.drop()
            if self._open is not None:
                # What is whole is kept, whatever ended the saving.
                self._open.close()
        finally:
            self.folder.__exit__(kind, error, trace)


class _OpenPart:
    """A part that is being written."""

    def __init__(self, folder: Folder, name: str, names: Sequence[str]) -> None:
        self.runs: list[str] = []
        self.rows = 0
        self._stack = ExitStack()
        self._writer: PartWriter = self._stack.enter_context(folder.part(name, self.runs, names))

    def add(self, block: Block) -> None:
        self._writer.add(block.columns, block.length)
        self.rows += block.length

    def take(self, end: Ended) -> None:
        """Note that a run is whole."""
        self.runs.append(end.head.ref.path)
        self._writer.complete = self._writer.complete and end.is_complete
        self._writer.missing += end.missing or 0

    def finish(self, end: Ended) -> None:
        """Note that the only run is whole, and close."""
        self.take(end)
        self.close()

    def close(self) -> None:
        """Put the part into the folder."""
        self._stack.close()

    def drop(self) -> None:
        """Throw the part away."""
        error = _Dropped()
        self._stack.__exit__(_Dropped, error, None)


class _Dropped(Exception):
    """Ends the writing of a part without keeping it."""


def _own_name(head: Head, *, growing: bool = False) -> str:
    mark = hashlib.sha256(head.ref.node_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{'growing' if growing or head.growing else 'run'}-{mark}.parquet"


def _is_growing(file: str) -> bool:
    return file.startswith("growing-")
