"""The frames of an event file (TFRecord): length u64, masked CRC32C of it, payload, masked CRC32C of the payload.

Reads in chunks, never maps: a mapped file that is truncated kills the process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from struct import Struct
from typing import Any, BinaryIO

from wbmodel.errors import LibraryNotInstalled
from wbmodel_files import Damage

__all__ = ["BIG", "HEAD", "Frames", "frame", "masked"]

BIG = 4096
"""Records over so many bytes are shown to ``skip`` before they are read."""

HEAD = 512
"""So much of a big record is shown to ``skip``."""

LARGEST = 256 * 2**20
"""A record over so many bytes is not read."""

_FIRST, _CHUNK = 2**14, 2**22
"""Bytes of the first chunk after a skip, and of the largest. Chunks double in between."""

_LENGTH, _CRC = Struct("<Q"), Struct("<I")
_NOT_ZERO = re.compile(rb"[^\0]")


def _crc32c() -> Callable[[bytes], int]:
    try:
        import google_crc32c
    except ImportError:
        raise LibraryNotInstalled(
            'event files are read with google-crc32c, which is not installed: pip install "wbmodel[tensorboard]"'
        ) from None
    value: Callable[[bytes], int] = google_crc32c.value
    return value


def masked() -> Callable[[bytes], bytes]:
    """A function that gives the masked CRC32C of bytes as it stands in a file."""
    crc32c, pack = _crc32c(), _CRC.pack

    def check(data: bytes) -> bytes:
        crc = crc32c(data)
        return pack(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    return check


def frame(payload: bytes) -> bytes:
    """A payload as it stands in a file."""
    check, length = masked(), _LENGTH.pack(len(payload))
    return length + check(length) + payload + check(payload)


class Frames:
    """The records of an open file from ``start`` to ``end`` as ``(offset, payload, check)``. The reader compares
    ``check`` with the masked CRC of the payload where it uses it; lengths are checked here.

    ``skip(offset, head, length)`` says whether a big record need not be read. After iteration, ``offset`` is behind the
    last whole record; what could not be read is in ``damage``. ``end`` is the size of the file at the beginning: what
    is written meanwhile is read the next time.
    """

    def __init__(
        self,
        file: BinaryIO,
        start: int,
        end: int,
        damage: list[Damage],
        skip: Callable[[int, bytes, int], bool] | None = None,
    ) -> None:
        self._file, self._end, self._damage, self._skip = file, end, damage, skip
        self.offset = start
        self._check = masked()

    def __iter__(self) -> Iterator[tuple[int, bytes, bytes]]:
        file, end, skip = self._file, self._end, self._skip
        lengths: dict[bytes, int] = {}  # by header: most records of a file have one of a few lengths
        base, at, data, size = self.offset, 0, b"", _FIRST  # ``data`` starts at ``base``, and ``at`` is a place in it
        while True:
            header = data[at : at + 12]
            length = lengths.get(header, -1)
            if length < 0:
                if len(header) < 12:
                    if base + at + 12 > end:
                        break
                    base, at, data, size = self._more(base + at, 12, size)
                    if len(data) < 12:
                        break
                    continue
                length = _LENGTH.unpack_from(header)[0]
                if header[8:] != self._check(header[:8]):
                    # Zeros to the end are space that a writer has set aside, or what a crash left of a write.
                    zeros = not any(header)
                    found = self._resume(base + at, "bad length", "the checksum of a length is wrong", zeros)
                    if found is None:
                        return
                    base, at, data, size = found, 0, b"", _FIRST
                    continue
                if len(lengths) < 10_000:
                    lengths[header] = length
            stop = at + length + 16
            if length > BIG:
                if base + stop > end:
                    found = self._resume(base + at, "bad length", f"a record of {length:,} bytes is announced", True)
                    if found is None:
                        return
                    base, at, data, size = found, 0, b"", _FIRST
                    continue
                if len(data) < at + 12 + HEAD:
                    base, at, data, size = self._more(base + at, 12 + HEAD, size)
                    stop = length + 16
                if length > LARGEST:
                    self._damage.append(Damage("too large", base + at, length, f"more than {LARGEST:,} bytes"))
                if length > LARGEST or (skip is not None and skip(base + at, data[at + 12 : at + 12 + HEAD], length)):
                    if stop <= len(data):
                        at = stop
                    else:
                        base, at, data, size = base + stop, 0, b"", _FIRST
                    self.offset = base + at
                    continue
            if stop > len(data):
                if base + stop > end:
                    break
                base, at, data, size = self._more(base + at, length + 16, size)
                stop = length + 16
                if len(data) < stop:
                    break  # truncated meanwhile
            self.offset = base + stop
            yield base + at, data[at + 12 : stop - 4], data[stop - 4 : stop]
            at = stop
        left = end - self.offset
        if left > 0:
            file.seek(0, 2)
            gone = file.tell() < end
            detail = "the file was truncated while it was read" if gone else "its last record is not whole"
            self._damage.append(Damage("torn tail", self.offset, left, detail))

    def _more(self, base: int, need: int, size: int) -> tuple[int, int, bytes, int]:
        """Data from ``base`` on, at least ``need`` bytes where there are so many: ``(base, at, data, next size)``."""
        self._file.seek(base)
        data = self._file.read(min(max(need, size), self._end - base))
        return base, 0, data, min(size * 2, _CHUNK)

    def _resume(self, offset: int, kind: Any, detail: str, maybe_torn: bool = False) -> int | None:
        """Where the next sound header is; None if there is none."""
        found = self._search(offset + 1)
        if found is None and maybe_torn:
            self._damage.append(Damage("torn tail", offset, self._end - offset, "its last record is not whole"))
            return None
        stop = self._end if found is None else found
        self._damage.append(Damage(kind, offset, stop - offset, detail))
        self.offset = max(offset, stop - 11) if found is None else found  # a header may stand across the end
        return found

    def _search(self, start: int) -> int | None:
        """The next offset with a sound header. Lengths below 2**32 have four zero bytes in a row."""
        base = start
        while base + 12 <= self._end:
            self._file.seek(base)
            data = self._file.read(min(_CHUNK, self._end - base))
            if len(data) < 12:
                return None
            at = data.find(b"\0\0\0\0", 4)
            while at != -1 and at + 8 <= len(data):
                begin = at - 4
                length = _LENGTH.unpack_from(data, begin)[0]
                if length == 0:  # a tail of zeros: go to where the last of them may be a part of a length
                    other = _NOT_ZERO.search(data, at)
                    if other is None:
                        break
                    at = data.find(b"\0\0\0\0", max(at + 1, other.start() - 3))
                    continue
                if length <= self._end - base - begin - 16 and data[begin + 8 : begin + 12] == self._check(
                    data[begin : begin + 8]
                ):
                    return base + begin
                at = data.find(b"\0\0\0\0", at + 1)
            base += len(data) - 11
        return None
