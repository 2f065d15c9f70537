"""Fetches many files to disk, one by one or several at once. Each gets its name only when it is complete and verified.

A group of finished files may be empty: it says that bytes still arrive, so that who waits for at most so many seconds
goes on waiting for a large file.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wbmodel.backend.asks import Fetched, FetchItem
from wbmodel.backend.parts import Part, unwritable
from wbmodel.errors import WbmodelError

if TYPE_CHECKING:
    import asyncio

__all__ = ["AT_ONCE", "afetch_by_open", "afetch_with", "fetch_by_open", "pour"]

AT_ONCE = 16
"""How many files are fetched at once."""
_LARGE = 2**18  # chunks that are hashed and written on a thread
_GATHERED = 0.05
_SIGN_OF_LIFE = 2.0
_WAITING = 1024


def _finished(item: FetchItem, size: int, error: Exception | None) -> Fetched:
    if isinstance(error, OSError) and not isinstance(error, WbmodelError):
        error = unwritable(item, error)
    if error is not None and not isinstance(error, WbmodelError):
        raise error
    return Fetched(item, size, error)


def fetch_by_open(open: Callable[..., Iterator[bytes]], items: Sequence[FetchItem]) -> Iterator[Sequence[Fetched]]:
    """Fetch ``items`` one by one. A failed item yields its error, and the others are fetched all the same."""
    for item in items:
        size, error = 0, None
        told = time.monotonic()
        try:
            with Part(item) as part:
                if part.size:
                    part.catch_up()
                for chunk in open(item.ref, start=part.size) if part.size else open(item.ref):
                    part.write(chunk)
                    if time.monotonic() - told > _SIGN_OF_LIFE:
                        told = time.monotonic()
                        yield []
                size = part.size
        except Exception as raised:
            size, error = 0, raised
        yield [_finished(item, size, error)]


def afetch_by_open(
    aopen: Callable[..., AsyncIterator[bytes]], items: Sequence[FetchItem]
) -> AsyncGenerator[Sequence[Fetched], None]:
    """The twin of :func:`fetch_by_open`, several at once."""

    async def fill(part: Part) -> None:
        ref = part.item.ref
        await pour(part, aopen(ref, start=part.size) if part.size else aopen(ref))

    return afetch_with(fill, items)


async def afetch_with(
    fill: Callable[[Part], Awaitable[None]], items: Sequence[FetchItem], at_once: int = AT_ONCE
) -> AsyncGenerator[Sequence[Fetched], None]:
    """Fetch ``items``, ``at_once`` at a time, with ``fill``, which writes what a part lacks. Items that finish within
    0.05 s are one group. If nobody takes the groups, no new items are begun."""
    import asyncio

    waiting, active = iter(items), set[Part]()
    done: asyncio.Queue[Fetched | Exception] = asyncio.Queue(_WAITING)

    async def work() -> None:
        for item in waiting:
            try:
                await done.put(await _fetched(fill, item, active))
            except Exception as raised:
                await done.put(raised)

    workers = [asyncio.ensure_future(work()) for _ in range(min(at_once, len(items)))]
    left, told, before = len(items), 0.0, 0
    try:
        while left:
            try:
                group = [await asyncio.wait_for(done.get(), _SIGN_OF_LIFE)]
            except asyncio.TimeoutError:
                now = sum(part.size for part in active)
                if now != before:
                    yield []
                before = now
                continue
            if (pause := told + _GATHERED - time.monotonic()) > 0:
                await asyncio.wait(workers, timeout=pause)
            while not done.empty():
                group.append(done.get_nowait())
            left, told = left - len(group), time.monotonic()
            yield [_came(each) for each in group]
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def _came(each: Fetched | Exception) -> Fetched:
    if isinstance(each, Exception):
        raise each
    return each


async def _fetched(fill: Callable[[Part], Awaitable[None]], item: FetchItem, active: set[Part]) -> Fetched:
    import asyncio

    size, error, part = 0, None, Part(item)
    active.add(part)
    try:
        with part:
            if part.size:
                await asyncio.to_thread(part.catch_up)
            await fill(part)
            size = part.size
    except Exception as raised:
        size, error = 0, raised
    finally:
        active.discard(part)
    return _finished(item, size, error)


async def pour(part: Part, source: AsyncIterator[bytes | None]) -> None:
    """Write what ``source`` yields to ``part``; None means that the content begins again. Large chunks are hashed and
    written on a thread, while the next one is received."""
    import asyncio

    writing: asyncio.Future[None] | None = None
    stream: Any = source
    try:
        async for chunk in source:
            if writing is not None:
                await writing
                writing = None
            if chunk is None:
                part.restart()
            elif len(chunk) < _LARGE:
                part.write(chunk)
            else:
                writing = asyncio.ensure_future(asyncio.to_thread(part.write, chunk))
        if writing is not None:
            await writing
    finally:
        if writing is not None and not writing.done():
            await asyncio.wait((writing,))
        if hasattr(stream, "aclose"):
            await stream.aclose()
