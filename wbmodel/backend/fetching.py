"""Fetches many files to disk with ``open``. Each is verified, and gets its name only when it is complete."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from wbmodel.backend.asks import BlobRef, Fetched, FetchItem
from wbmodel.errors import IntegrityError, WbmodelError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["afetch_by_open", "fetch_by_open"]

_AT_ONCE = 16
_SMALL = 2**20


class _Part:
    """A file being fetched: written next to its target, then verified and renamed at the end of the block."""

    def __init__(self, item: FetchItem) -> None:
        self.item = item
        self.size = 0
        self._digest = hashlib.md5(usedforsecurity=False)

    def __enter__(self) -> Self:
        target = self.item.target
        target.parent.mkdir(parents=True, exist_ok=True)
        import tempfile  # heavy, and most sessions fetch no file

        handle, self._path = tempfile.mkstemp(prefix=f".{target.name[:32]}.", suffix=".part", dir=target.parent)
        self._file = os.fdopen(handle, "wb")
        return self

    def write(self, chunk: bytes) -> None:
        """Add a chunk."""
        self._digest.update(chunk)
        self.size += self._file.write(chunk)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        try:
            if error is None:
                self._verify()
                os.replace(self._path, self.item.target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)

    def _verify(self) -> None:
        ref = self.item.ref
        if ref.size is not None and ref.size != self.size:
            raise IntegrityError(f"{ref.name} has {ref.size:,} bytes, but {self.size:,} were received")
        digest = base64.b64encode(self._digest.digest()).decode()
        if ref.digest is not None and ref.digest != digest:
            raise IntegrityError(f"{ref.name} has the digest {ref.digest}, but the received bytes have {digest}")


def _finished(item: FetchItem, size: int, error: Exception | None) -> Fetched:
    if error is not None and not isinstance(error, (WbmodelError, OSError)):
        raise error
    if isinstance(error, OSError):
        made = WbmodelError(f"{item.ref.name} cannot be written to {item.target}: {error.strerror or error}")
        made.__cause__ = error
        error = made
    return Fetched(item, size, error)


def fetch_by_open(
    open: Callable[[BlobRef], Iterator[bytes]], items: Sequence[FetchItem]
) -> Iterator[Sequence[Fetched]]:
    """Fetch ``items`` one by one. A failed item yields its error, and the others are fetched all the same."""
    for item in items:
        size, error = 0, None
        try:
            with _Part(item) as part:
                for chunk in open(item.ref):
                    part.write(chunk)
                size = part.size
        except Exception as raised:
            size, error = 0, raised
        yield [_finished(item, size, error)]


async def afetch_by_open(
    aopen: Callable[[BlobRef], AsyncIterator[bytes]], items: Sequence[FetchItem]
) -> AsyncIterator[Sequence[Fetched]]:
    """The twin of :func:`fetch_by_open`, several at once: items that finish together are yielded as one group. Large
    chunks are hashed and written on a thread, to keep the event loop free."""
    import asyncio

    waiting = iter(items)
    running: set[asyncio.Task[Fetched]] = set()
    try:
        while True:
            for item in waiting:
                running.add(asyncio.ensure_future(_fetched(aopen, item)))
                if len(running) >= _AT_ONCE:
                    break
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            yield [task.result() for task in done]
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _fetched(aopen: Callable[[BlobRef], AsyncIterator[bytes]], item: FetchItem) -> Fetched:
    import asyncio

    size, error = 0, None
    try:
        with _Part(item) as part:
            source: Any = aopen(item.ref)
            try:
                async for chunk in source:
                    if len(chunk) < _SMALL:
                        part.write(chunk)
                    else:
                        await asyncio.to_thread(part.write, chunk)
            finally:
                if hasattr(source, "aclose"):
                    await source.aclose()
            size = part.size
    except Exception as raised:
        size, error = 0, raised
    return _finished(item, size, error)
