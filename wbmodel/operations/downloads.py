"""What a download of several files did."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import attrs

from wbmodel.errors import TransferError, WbmodelError
from wbmodel.safe_text import brief, readable

__all__ = ["Downloads", "FileDownload", "How", "TransferProgress"]

_MOST_TOLD = 3

How = Literal["fetched", "cached", "present", "failed"]


@attrs.frozen(slots=True)
class TransferProgress:
    """How far a download is: ``files`` of ``total_files``, ``bytes`` of ``total_bytes`` (None if some sizes are not
    known). Files that were there already, or that failed, count as done."""

    files: int
    total_files: int
    bytes: int
    total_bytes: int | None


@attrs.frozen(slots=True)
class FileDownload:
    """What became of one file: ``fetched``, copied from the cache (``cached``), there already with the right content
    (``present``), or ``failed`` with an ``error``. ``path`` is None if its name is not safe."""

    name: str
    path: Path | None
    how: How
    bytes: int = 0
    error: WbmodelError | None = None


@attrs.frozen(slots=True)
class Downloads:
    """The result of a download: what became of each file, in the order in which they were asked for."""

    root: Path
    results: tuple[FileDownload, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are there now, whole and verified as far as their digests are known."""
        return tuple(each.path for each in self.results if each.error is None and each.path is not None)

    @property
    def failures(self) -> tuple[FileDownload, ...]:
        """The files that could not be downloaded, each with its ``error``."""
        return tuple(each for each in self.results if each.error is not None)

    @property
    def skipped(self) -> tuple[FileDownload, ...]:
        """The files that were there already with the right size and digest."""
        return tuple(each for each in self.results if each.how == "present")

    @property
    def bytes(self) -> int:
        """How many bytes were received from the backend."""
        return sum(each.bytes for each in self.results if each.how == "fetched")

    def raise_for_failures(self) -> None:
        """Raise if any file failed: the error of the only file, or :class:`~wbmodel.errors.TransferError`."""
        failures = self.failures
        if not failures:
            return
        first = failures[0].error
        if len(self.results) == 1 and first is not None:
            raise first
        told = "; ".join(brief(str(each.error)) for each in failures[:_MOST_TOLD])
        more = f" (and {len(failures) - _MOST_TOLD:,} more)" if len(failures) > _MOST_TOLD else ""
        raise TransferError(
            f"{len(failures):,} of {len(self.results):,} files were not downloaded to {self.root}: {told}{more}; "
            "the others are there. Repeat it to go on: what is there is not fetched again",
            result=self,
        ) from first

    def __str__(self) -> str:
        counts = {how: sum(each.how == how for each in self.results) for how in ("fetched", "cached", "present")}
        words = [f"{counts['fetched']:,} fetched ({readable(self.bytes)})"]
        words += [f"{counts['cached']:,} from the cache"] if counts["cached"] else []
        words += [f"{counts['present']:,} there already"] if counts["present"] else []
        words += [f"{len(self.failures):,} failed"] if self.failures else []
        return f"{len(self.results):,} files in {self.root}: {', '.join(words)}"

    def __len__(self) -> int:
        return len(self.results)
