"""Reads the body of an HTTP response within a limit: counts while it unpacks, and stops as soon as the limit is passed.

aiohttp unpacks as much as a chunk of the network holds in one go, and 830 bytes of brotli hold a gigabyte. Here every
step makes at most :data:`PIECE` bytes, each coding of several counts its own, and what takes long leaves the event loop
to the other requests.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import aiohttp
import attrs

from wbmodel.safe_text import readable

__all__ = [
    "ACCEPTED",
    "AT_ONCE",
    "ERROR_LIMIT",
    "Body",
    "Garbled",
    "TooLarge",
    "UnknownCoding",
    "aside",
    "is_garbled",
    "read_body",
    "stages_of",
    "unpacked_by",
    "values_in",
]

ERROR_LIMIT = 1_000_000
"""How many unpacked bytes of an error response are read; the rest is not needed for its words."""
PIECE = 2**18
_FEED = 2**14
_ON_THE_LOOP = 2**20
_MOST_CODINGS = 3
_MOST_MEMBERS = 1024
_WINDOW_LOG = 23  # what RFC 9659 allows in HTTP: 8 MB; the format itself allows 2 GB
_VALUE, _CONTAINER, _NAME, _SPREAD = 64, 80, 32, 5
AT_ONCE = 400_000
"""Values that are decoded in one step, for about 0.1 s of which no other thread gets its turn."""
_FEW = 2**22  # bytes, which hold no more values than 0.5 s decode

T = TypeVar("T")


class TooLarge(Exception):
    """A response that passes the limit of ``limit`` unpacked bytes. ``what`` continues "it answered with"."""

    def __init__(self, limit: int, what: str = "") -> None:
        self.what = what or f"more than {readable(limit)}"
        super().__init__(self.what)


class UnknownCoding(Exception):
    """A response in a content coding that was not asked for."""


class Garbled(Exception):
    """A body that its content coding cannot unpack."""


@attrs.frozen(slots=True)
class Body:
    """The unpacked ``content``, the bytes ``received`` for it, and whether it is the ``whole`` body."""

    content: bytes
    received: int
    whole: bool = True


# -- one coding ------------------------------------------------------------------------------------


class _Coding:
    """Unpacks one content coding. Members that follow each other (gzip, zstd) are unpacked one after the other."""

    def __init__(self, limit: int) -> None:
        self._limit, self._made, self._members = limit, 0, 1
        self._begun = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Unpack ``data``, at most :data:`PIECE` bytes at a time; a piece may be empty."""
        for at in range(0, len(data), _FEED):
            rest: bytes | None = data[at : at + _FEED]
            while rest is not None:
                made, rest = self._step(rest)
                self._made += len(made)
                if self._made > self._limit:
                    raise TooLarge(self._limit)
                yield made

    def _step(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Unpack a piece; what is left of ``data``, or None once more of it is needed."""
        raise NotImplementedError

    @property
    def ended(self) -> bool:
        """Whether the packed data is complete."""
        raise NotImplementedError

    def _another(self) -> None:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise Garbled(f"more than {_MOST_MEMBERS} members")


class _Zlib(_Coding):
    """gzip, and deflate with or without zlib's frame: servers send both."""

    def __init__(self, limit: int, bits: int | None) -> None:
        super().__init__(limit)
        self._bits = bits
        self._inner: Any = None

    def _step(self, data: bytes) -> tuple[bytes, bytes | None]:
        if self._inner is None:
            if self._bits is None:
                self._bits = zlib.MAX_WBITS if data[0] & 0xF == 8 else -zlib.MAX_WBITS
            self._inner = zlib.decompressobj(self._bits)
        elif self._inner.eof:
            self._another()
            self._inner = zlib.decompressobj(self._bits or 0)
        made = self._inner.decompress(data, PIECE)
        left = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail
        # Output may wait inside although all input was taken.
        return made, left or (b"" if len(made) == PIECE and not self._inner.eof else None)

    @property
    def ended(self) -> bool:
        return self._inner is None or self._inner.eof


class _Brotli(_Coding):
    def __init__(self, limit: int) -> None:
        import brotli  # type: ignore[import-untyped,unused-ignore]

        super().__init__(limit)
        self._inner: Any = brotli.Decompressor()

    def _step(self, data: bytes) -> tuple[bytes, bytes | None]:
        made = self._inner.process(data, output_buffer_limit=PIECE)
        waits = made or not self._inner.can_accept_more_data()  # more output may wait than one step made
        return made, b"" if waits and not self._inner.is_finished() else None

    @property
    def ended(self) -> bool:
        return bool(self._inner.is_finished())


class _Zstandard(_Coding):
    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._inner: Any = _zstd_decompressor()

    def _step(self, data: bytes) -> tuple[bytes, bytes | None]:
        if self._inner.eof:
            self._another()
            self._inner = _zstd_decompressor()
        made = self._inner.decompress(data, PIECE)
        if self._inner.eof:
            return made, self._inner.unused_data or None
        return made, None if self._inner.needs_input else b""

    @property
    def ended(self) -> bool:
        return bool(self._inner.eof)


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _zstd_decompressor() -> Any:
    zstd = _zstd()
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})


def _codings() -> dict[str, Callable[[int], _Coding]]:
    found: dict[str, Callable[[int], _Coding]] = {
        "gzip": lambda limit: _Zlib(limit, 16 + zlib.MAX_WBITS),
        "deflate": lambda limit: _Zlib(limit, None),
    }
    # Only what can be unpacked piece by piece: brotli before 1.2 and brotlicffi cannot.
    try:
        import brotli

        brotli.Decompressor().process(b"", output_buffer_limit=PIECE)
        found["br"] = _Brotli
    except (ImportError, AttributeError, TypeError):
        pass
    try:
        _zstd_decompressor()
        found["zstd"] = _Zstandard
    except (ImportError, AttributeError, TypeError):
        pass
    return found


_CODINGS = _codings()
ACCEPTED = ", ".join(_CODINGS)
"""The value of ``Accept-Encoding``: the codings that are unpacked here."""


# -- a body ----------------------------------------------------------------------------------------


async def read_body(answer: aiohttp.ClientResponse, limit: int) -> Body:
    """The body of a response that was asked for with ``auto_decompress=False``.

    Raises :class:`TooLarge` once it passes ``limit`` unpacked bytes, and :class:`UnknownCoding`. The connection is
    dropped then. Of an error response the beginning is returned instead.
    """
    failed = answer.status >= 400
    limit = min(limit, ERROR_LIMIT) if failed else limit
    parts: list[bytes] = []
    received = 0
    try:
        stages = stages_of(answer.headers.getall("Content-Encoding", ()), limit)
        if not stages and not failed and (answer.content_length or 0) > limit:
            raise TooLarge(limit)
        unpacked = 0
        async for chunk in answer.content.iter_any():
            received += len(chunk)
            if received > limit:
                parts.append(chunk[: limit - received] if not stages else b"")
                raise TooLarge(limit)
            if not stages:
                parts.append(chunk)
                continue
            step: Callable[[], bytes | None] = functools.partial(next, unpacked_by(stages, chunk), None)
            while True:
                piece = step() if unpacked < _ON_THE_LOOP else await aside(step)
                if piece is None:
                    break
                unpacked += len(piece)
                if piece:
                    parts.append(piece)
        if received and not all(stage.ended for stage in stages):
            raise Garbled("it ends early")
    except (TooLarge, UnknownCoding):
        answer.close()
        if not failed:
            raise
    except Exception as error:
        if not is_garbled(error):
            raise
        answer.close()
    else:
        return Body(_joined(parts), received)
    return Body(_joined(parts), received, whole=False)


def is_garbled(error: Exception) -> bool:
    """Whether an error says that a body cannot be unpacked."""
    return isinstance(error, (Garbled, zlib.error)) or type(error).__module__.partition(".")[0] in _PACKERS


_PACKERS = ("brotli", "_brotli", "backports", "compression")


def _joined(parts: list[bytes]) -> bytes:
    return parts[0] if len(parts) == 1 else b"".join(parts)


def stages_of(headers: Sequence[str], limit: int) -> list[_Coding]:
    """What unpacks a body with these ``Content-Encoding`` headers, to at most ``limit`` bytes."""
    names = [name.strip().lower() for header in headers for name in header.split(",")]
    names = [name.removeprefix("x-") for name in names if name not in ("", "identity")]
    if len(names) > _MOST_CODINGS or any(name not in _CODINGS for name in names):
        raise UnknownCoding(", ".join(names)[:60])
    return [_CODINGS[name](limit) for name in reversed(names)]


def unpacked_by(stages: Sequence[_Coding], data: bytes) -> Iterator[bytes]:
    """Unpack ``data``, piece by piece; a piece may be empty."""
    if not stages:
        yield data
        return
    for piece in stages[0].pieces(data):
        if len(stages) == 1:
            yield piece
        elif piece:
            yield from unpacked_by(stages[1:], piece)
        else:
            yield b""


def values_in(content: bytes, limit: int) -> int:
    """How many values JSON holds; 0 for what is too short to hold many.

    Raises :class:`TooLarge` for so many tiny ones that they would take many times the memory of the text: 60 MB of
    ``{}`` make 1.5 GB of objects.
    """
    most = _SPREAD * limit
    if len(content) < _FEW and len(content) * _CONTAINER <= most:
        return 0
    marks = len(content) - len(content.translate(None, b"{[,:"))  # also those inside of texts
    if marks <= AT_ONCE and marks * _CONTAINER <= most:
        return marks
    opened = parted = named = 0
    for outside in _outside_of_texts(content):
        opened += outside.count(b"{") + outside.count(b"[")
        parted, named = parted + outside.count(b","), named + outside.count(b":")
    if opened * _CONTAINER + parted * _VALUE + named * _NAME > most:
        raise TooLarge(limit, f"more values than an answer of {readable(limit)} may hold")
    return opened + parted + named


def _outside_of_texts(content: bytes) -> Iterator[bytes]:
    """What of JSON stands outside of its strings: a config is a string, however many values are written in it."""
    inside, rest = 0, b""
    for at in range(0, len(content), PIECE):
        piece = rest + content[at : at + PIECE]
        escapes = len(piece) - len(piece.rstrip(b"\\"))
        piece, rest = (piece[:-1], piece[-1:]) if escapes % 2 else (piece, b"")
        parts = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        yield b"".join(parts[inside::2])
        inside = (inside + len(parts) - 1) % 2


async def aside(function: Callable[..., T], *given: Any) -> T:
    """Call a function on another thread, so that the event loop goes on with other requests."""
    loop = asyncio.get_running_loop()
    try:
        future = loop.run_in_executor(None, function, *given)
    except RuntimeError:  # no more threads at the interpreter's exit
        return function(*given)
    return await future
