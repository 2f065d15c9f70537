"""Reads request bodies from the socket: each within its limit, all together within one budget, unpacked piece by piece.

aiohttp could unpack them, but then it would do so before the key is checked, and outside of the budget.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

from aiohttp import StreamReader, web

from wbmodel.server import errors
from wbmodel.server.errors import Refusal
from wbmodel.server.limits import Limits

__all__ = ["Budget", "Share", "read_body"]

_PIECE = 64 * 1024
"""Maximum bytes to unpack before other requests have their turn."""
_CLOSE = {"Connection": "close"}


class Budget:
    """The bytes that all bodies in flight may hold together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0


class Share:
    """One request's part of a :class:`Budget`, until :meth:`release`."""

    __slots__ = ("_budget", "size")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.size = 0

    def take(self, size: int) -> None:
        """Take ``size`` more bytes. Raises :class:`Refusal` if the budget is used up."""
        if self._budget.used + size > self._budget.limit:
            raise errors.overloaded(
                f"the bodies of all requests in flight here have more than {self._budget.limit} bytes; try again",
                _CLOSE,
            )
        self._budget.used += size
        self.size += size

    def release(self) -> None:
        """Give everything back."""
        self._budget.used -= self.size
        self.size = 0


async def read_body(request: web.BaseRequest, limits: Limits, share: Share) -> bytes:
    """The unpacked body. Raises :class:`Refusal` if it exceeds a limit, stalls, or cannot be unpacked."""
    packing = request.headers.get("Content-Encoding", "").strip().lower()
    if packing not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise Refusal(
            415, f"a body in {packing[:40]!r} cannot be read; use gzip", "UNSUPPORTED_MEDIA_TYPE", {**_CLOSE, **_TAKEN}
        )
    if (request.content_length or 0) > limits.body:
        raise _too_long(limits)
    unpacker = None if packing in ("", "identity") else _Unpacker()
    parts: list[bytes] = []
    try:
        async for chunk in _chunks(request.content, limits):
            for piece in (chunk,) if unpacker is None else unpacker.pieces(chunk):
                share.take(len(piece))
                parts.append(piece)
                if share.size > limits.body:
                    raise _too_long(limits)
                if unpacker is not None:
                    await asyncio.sleep(0)
        if unpacker is not None and not unpacker.complete:
            raise Refusal(400, f"the body cannot be read: its {packing} ends early", "BAD_REQUEST", _CLOSE)
        return b"".join(parts)
    except asyncio.TimeoutError:
        raise Refusal(408, "the body did not arrive in time", "TIMEOUT", _CLOSE) from None
    except web.RequestPayloadError as error:
        raise Refusal(400, f"the body cannot be read: {error}", "BAD_REQUEST", _CLOSE) from None
    except zlib.error:
        raise Refusal(400, f"the body cannot be read: it is not valid {packing}", "BAD_REQUEST", _CLOSE) from None
    finally:
        parts.clear()  # the traceback of a refusal would hold them


async def _chunks(content: StreamReader, limits: Limits) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    end = loop.time() + limits.seconds
    while True:
        # Not wait_for: its task would leave a traceback in the log for each client that disconnects.
        late = loop.call_at(min(loop.time() + limits.stall, end), content.set_exception, asyncio.TimeoutError())
        try:
            chunk = await content.readany()
        finally:
            late.cancel()
        if not chunk:
            return
        yield chunk


def _too_long(limits: Limits) -> Refusal:
    return errors.over_limit(413, f"the body has more than {limits.body} bytes", _CLOSE)


_TAKEN = {"Accept-Encoding": "gzip, deflate"}


class _Unpacker:
    """Unpacks gzip (of one member or several) and zlib."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(32 + zlib.MAX_WBITS)
        self.complete = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` unpacks to, in small pieces. Raises ``zlib.error``."""
        while data:
            if self.complete:
                self._stream = zlib.decompressobj(32 + zlib.MAX_WBITS)
            piece = self._stream.decompress(data, _PIECE)
            self.complete = self._stream.eof
            data = self._stream.unused_data if self.complete else self._stream.unconsumed_tail
            if piece:
                yield piece
        # All input is taken in, but a full piece may not have been all of its output.
        while not self._stream.eof and (piece := self._stream.decompress(b"", _PIECE)):
            yield piece
        self.complete = self._stream.eof
