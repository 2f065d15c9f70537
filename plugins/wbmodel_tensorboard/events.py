"""Reads one event file into columns.

Scalars have a fast lane: all bytes of their record between the step and the value are the same for one tag, so a
dictionary from these bytes (the *tail*) finds the column. A new tail is checked with the real parser; everything that
is not of this form is parsed.
"""

from __future__ import annotations

from collections.abc import Container
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Any, BinaryIO

from wbmodel_files import Damage
from wbmodel_files.descriptors import DecodeError
from wbmodel_files.report import MOST
from wbmodel_tensorboard.columns import Column, Rows, Stored
from wbmodel_tensorboard.framing import Frames, masked
from wbmodel_tensorboard.hparams import HParams
from wbmodel_tensorboard.messages import message
from wbmodel_tensorboard.values import classify, kind_of, plugin_of
from wbmodel_tensorboard.wire import Broken, Head, fields, head_of

__all__ = ["EventFile", "name_of"]

_WALL, _VALUE = Struct("<d"), Struct("<f")
_PROBE = b"\x09" + _WALL.pack(-7.25) + b"\x10\x05", _VALUE.pack(-3.5)
_SMALL = 512
"""Bytes of the largest record in the fast lane."""
_LIMIT = 2**16
"""Larger records are taken apart value by value, so that a small one cannot become a large object."""
_MOST_VALUES = 100_000
"""Values that are read of one event."""
_RESERVED = ("_step", "_timestamp", "_runtime", "_wandb")
_UNKNOWN: Any = object()


def name_of(tag: bytes) -> str:
    """The key of a tag. Bytes that are not UTF-8 become ``\\xNN``, and names that rows use for themselves get a
    prefix."""
    text = tag.decode("utf-8", "backslashreplace")
    return f"tag.{text}" if text in _RESERVED else text


class EventFile:
    """The columns of an open file. ``keys`` are the tags to read (None: all); the others are not even checked.
    ``plugins`` remembers the plugin of each tag: it may stand only in the first event of a tag, in another file of the
    folder."""

    def __init__(self, keys: Container[str] | None, plugins: dict[str, str]) -> None:
        self.columns: dict[str, Column] = {}
        self.rows = Rows()
        self.damage: list[Damage] = []
        self.hparams = HParams()
        self.first_wall = 0.0
        self._keys = keys
        self._plugins = plugins
        self._tails: dict[bytes, Any] = {}
        self._event, self._value = message("Whole"), message("Value")

    def read(self, file: BinaryIO, start: int, end: int) -> int:
        """Read the events from ``start`` to ``end``; returns the offset behind the last whole one."""
        frames = Frames(file, start, end, self.damage, self._skip)
        check, tails, unpack, unpack_wall = masked(), self._tails, _VALUE.unpack, _WALL.unpack_from
        place, steps = self.rows.place, self.rows.steps
        last_step: int | None = None
        last_row = 0
        for at, payload, stored in frames:
            lane, step, tail = _UNKNOWN, 0, b""
            if 20 <= len(payload) < _SMALL and payload[0] == 9:
                here = 9
                if payload[9] == 16:
                    step, here = payload[10], 11
                    if step > 127:  # the usual lengths of a varint, without a call
                        second, third = payload[11], payload[12]
                        if second < 128:
                            step, here = step + (second << 7) - 0x80, 12
                        elif third < 128:
                            step, here = step + (second << 7) + (third << 14) - 0x4080, 13
                        else:
                            step, here = _varint(payload, 10)
                tail = payload[here:-4]
                lane = tails.get(tail, _UNKNOWN)
                if lane is None:
                    continue  # a tag that nobody asked for
            if check(payload) != stored:
                self._lose("bad checksum", at, len(payload))
                continue
            if lane is _UNKNOWN:
                self._slowly(at, payload, tail)
                continue
            column, add_row, add_wall, add_value = lane
            wall = unpack_wall(payload, 1)[0]
            if step > column.top:
                column.top = step
                if step != last_step:
                    last_step, last_row = step, place(step, 0, wall)
                add_row(last_row)
            else:
                add_row(place(step, column.occurrence(step, steps), wall))
            add_wall(wall)
            add_value(unpack(payload[-4:])[0])
        return frames.offset

    # -- inside --------------------------------------------------------------------------------------

    def _skip(self, at: int, head: bytes, length: int) -> bool:
        """Whether a big record need not be read: nobody asked for it, or its value can stay where it is."""
        found = head_of(head, length)
        if found is None:
            return False
        if not isinstance(found, Head):
            return True  # no summary
        name = name_of(found.tag)
        if self._keys is not None and name not in self._keys:
            return True
        kind = kind_of(found.field, self._plugins.get(name))
        if kind is None:
            return False
        self._point(name, found.step, found.wall, Stored(at, 0, kind, found.size))
        return True

    def _slowly(self, at: int, payload: bytes, tail: bytes) -> None:
        try:
            if len(payload) > _LIMIT:
                wall, step, values = self._apart(payload)
            else:
                event = self._event.FromString(payload)
                wall, step, values = event.wall_time, event.step, event.summary.value
                if event.HasField("file_version"):
                    self.first_wall = self.first_wall or wall
        except (ValueError, DecodeError) as error:
            self._lose("bad record", at, len(payload), str(error))
            return
        plain = False
        for index, value in enumerate(values):
            try:
                plain = self._take(at, index, step, wall, value)
            except (ValueError, DecodeError, StructError) as error:
                plain = False
                self._lose("bad record", at, len(payload), f"value {index} of tag {name_of(value.tag)!r}: {error}")
        if plain and tail and len(values) == 1 and len(self._tails) < _MOST_VALUES:
            self._learn(tail, payload, values[0])

    def _apart(self, payload: bytes) -> tuple[float, int, list[Any]]:
        wall, step, values = 0.0, 0, list[Any]()
        for number, wire, start, stop in fields(payload):
            if (number, wire) == (1, 1):
                wall = _WALL.unpack_from(payload, start)[0]
            elif (number, wire) == (2, 0):
                step = _varint(payload, start)[0]
            elif (number, wire) == (5, 2):
                for inner, kind, begin, end in fields(payload, start, stop):
                    if (inner, kind) == (1, 2):
                        if len(values) >= _MOST_VALUES:
                            raise Broken(f"an event with more than {_MOST_VALUES:,} values")
                        values.append(self._value.FromString(payload[begin:end]))
        return wall, step, values

    def _take(self, at: int, index: int, step: int, wall: float, value: Any) -> bool:
        """Add a value. Returns whether it is a scalar in the form that the fast lane knows, asked for or not."""
        name = name_of(value.tag)
        if value.HasField("metadata"):
            plugin, content = plugin_of(value.metadata)
            if plugin == "hparams":
                self.hparams.add(content)
                return False
            if plugin:
                self._plugins.setdefault(name, plugin)
        plain: bool = value.HasField("simple_value")
        if self._keys is not None and name not in self._keys:
            return plain
        if plain:
            self._point(name, step, wall, value.simple_value)
            return True
        for number, field in _FIELDS:
            if value.HasField(field):
                data = getattr(value, field)
                kind, found = classify(number, self._plugins.get(name), data)
                self._point(name, step, wall, Stored(at, index, kind, len(data)) if found is None else found)
                break
        return False

    def _point(self, name: str, step: int, wall: float, value: Any) -> None:
        column = self._column(name)
        if step > column.top:
            column.top, occurrence = step, 0
        else:
            occurrence = column.occurrence(step, self.rows.steps)
        if column.add(self.rows.place(step, occurrence, wall), wall, value):
            self._tails.clear()  # they hold the methods of the array that the values were in

    def _column(self, name: str) -> Column:
        column = self.columns.get(name)
        if column is None:
            column = self.columns[name] = Column(name)
        return column

    def _learn(self, tail: bytes, payload: bytes, value: Any) -> None:
        """Take a tail into the fast lane, if another wall time, step and value around it are read as such."""
        last = payload[-4:]
        if last == _PROBE[1] or _VALUE.pack(value.simple_value) != last:
            return
        try:
            probe = self._event.FromString(_PROBE[0] + tail + _PROBE[1])
        except DecodeError:  # the step is not where it seems to be
            return
        values = probe.summary.value
        if (probe.wall_time, probe.step, len(values)) != (-7.25, 5, 1) or values[0].simple_value != -3.5:
            return
        name = name_of(value.tag)
        wanted = self._keys is None or name in self._keys
        self._tails[tail] = self._column(name).lane if wanted else None

    def _lose(self, kind: Any, at: int, size: int, detail: str = "") -> None:
        if len(self.damage) < MOST:
            self.damage.append(Damage(kind, at, size, detail))


_FIELDS = ((8, "tensor"), (5, "histo"), (4, "image"), (6, "audio"), (3, "obsolete_histogram"))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A signed 64-bit number, and the place behind it."""
    number = shift = 0
    for behind, byte in enumerate(data[at : at + 10], at + 1):
        number |= (byte & 127) << shift
        if byte < 128:
            number &= 2**64 - 1
            return number - 2**64 if number >= 2**63 else number, behind
        shift += 7
    return 0, len(data)  # not a number: no tail is left, so the real parser says so
