"""A little of protobuf's wire format: enough to see what a big record is without reading it, and to take a large one
apart without parsing it as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

import attrs

__all__ = ["Broken", "Head", "NoSummary", "fields", "head_of"]

_DOUBLE = Struct("<d")


class Broken(ValueError):
    """The bytes are not a message."""


@attrs.frozen(slots=True)
class Head:
    """The only value of a summary: its event's wall time and step, its tag, and the number and size of the field with
    its content."""

    wall: float
    step: int
    tag: bytes
    field: int
    size: int


@attrs.frozen(slots=True)
class NoSummary:
    """An event with something else: a graph, metadata of a session."""


def fields(
    data: bytes, at: int = 0, stop: int | None = None, whole: bool = True
) -> Iterator[tuple[int, int, int, int]]:
    """``(number, wire type, start, stop)`` of the fields of a message. Raises :class:`Broken`. If the data are only the
    head of a message (``whole`` false), the last field may stop behind it."""
    end = len(data) if stop is None else stop
    have = min(end, len(data))
    while at < have:
        key, at = _number(data, at, have)
        number, wire = key >> 3, key & 7
        if wire == 2:
            size, start = _number(data, at, have)
        elif wire == 0:
            start, (_, behind) = at, _number(data, at, have)
            size = behind - at
        elif wire in (1, 5):
            start, size = at, 8 if wire == 1 else 4
        else:
            raise Broken(f"a field of wire type {wire}")
        at = start + size
        if number == 0 or at > end or (whole and at > have):
            raise Broken("a field that does not end in its message")
        yield number, wire, start, at


def head_of(head: bytes, length: int) -> Head | NoSummary | None:
    """What a record of ``length`` bytes is that begins with ``head``; None if that cannot be seen."""
    wall, step = 0.0, 0
    try:
        for number, wire, start, stop in fields(head, 0, length, whole=False):
            if (number, wire) == (1, 1):
                wall = _DOUBLE.unpack_from(head, start)[0]
            elif (number, wire) == (2, 0):
                step = _number(head, start, len(head))[0]
                step -= 2**64 if step >= 2**63 else 0
            elif (number, wire) == (5, 2):
                return _value(head, start, stop, wall, step) if stop == length else None
            else:
                return NoSummary() if stop == length else None
    except (Broken, IndexError, ValueError):
        pass
    return None


def _value(head: bytes, start: int, stop: int, wall: float, step: int) -> Head | None:
    for number, wire, begin, end in fields(head, start, stop, whole=False):
        if (number, wire) != (1, 2) or end != stop:
            return None  # several values
        tag = b""
        for inner, kind, first, last in fields(head, begin, end, whole=False):
            if inner in (3, 4, 5, 6, 8) and kind == 2:
                return Head(wall, step, tag, inner, last - first)
            if (inner, kind) == (1, 2) and last <= len(head):
                tag = head[first:last]
            elif last > len(head):
                return None
    return None


def _number(data: bytes, at: int, stop: int) -> tuple[int, int]:
    number = shift = 0
    while at < stop and shift < 70:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number & (2**64 - 1), at
        shift += 7
    raise Broken("a number that does not end")
