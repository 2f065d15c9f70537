"""Read the parts of a ``.wandb`` log that the demo world needs: a small reader of its framing and of protobuf.

The framing is LevelDB's log format with a 7-byte file header. Each record is a ``wandb_internal.Record``; only a few of
its fields are read, by number (as in ``wandb_internal_pb2`` of the 0.31.0 client).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from wbmodel.codec import loads

__all__ = ["Log", "read_log"]

_BLOCK = 32768


@attrs.define
class Log:
    """The intact parts of a log. ``exit_code`` is None if the log has no exit record."""

    run: dict[str, Any] = attrs.field(factory=dict)
    config: dict[str, Any] = attrs.field(factory=dict)
    summary: dict[str, Any] = attrs.field(factory=dict)
    history: list[dict[str, Any]] = attrs.field(factory=list)
    artifacts: list[dict[str, str]] = attrs.field(factory=list)
    exit_code: int | None = None


def _chunks(data: bytes) -> Iterator[bytes]:
    """Yield whole records; stop silently at the first truncated or corrupt one."""
    at, record = 7, b""
    while at < len(data):
        room = _BLOCK - at % _BLOCK
        if room < 7:
            at += room
            continue
        if at + 7 > len(data):
            return
        crc, length, kind = struct.unpack_from("<IHB", data, at)
        body = data[at + 7 : at + 7 + length]
        if len(body) < length or zlib.crc32(bytes([kind]) + body) != crc:
            return
        at += 7 + length
        record = body if kind in (1, 2) else record + body
        if kind in (1, 4):
            yield record


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _message(data: bytes) -> dict[int, list[Any]]:
    """Field number -> values: ints, or bytes for strings and messages."""
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 2:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value, at = data[at : at + size], at + size
        else:
            raise ValueError(f"wire type {wire}")
        found.setdefault(number, []).append(value)
    return found


def _text(message: dict[int, list[Any]], number: int) -> str:
    return bytes(message.get(number, [b""])[-1]).decode()


def _items(message: dict[int, list[Any]], number: int) -> Iterator[tuple[list[str], Any]]:
    """``(path, value)`` of history, summary and config items: key 1, nested_key 2, value_json 16."""
    for raw in message.get(number, ()):
        item = _message(raw)
        path = [_text(item, 1)] if 1 in item else [part.decode() for part in item.get(2, [])]
        if 16 in item:
            yield path, loads(_text(item, 16))


def _put(target: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        below = target.setdefault(part, {})
        if not isinstance(below, dict):
            below = target[part] = {}
        target = below
    target[path[-1]] = value


def read_log(file: Path) -> Log:
    """The contents of a log, empty for a file without a valid header."""
    log, data = Log(), file.read_bytes()
    if data[:4] != b":W&B":
        return log
    for chunk in _chunks(data):
        record = _message(chunk)
        if 17 in record:
            run = _message(record[17][-1])
            start = _message(run[17][-1]) if 17 in run else {}
            log.run = {
                "id": _text(run, 1),
                "project": _text(run, 3),
                "group": _text(run, 6),
                "job_type": _text(run, 7),
                "name": _text(run, 8),
                "notes": _text(run, 9),
                "tags": [tag.decode() for tag in run.get(10, [])],
                "start": start.get(1, [0])[-1] + start.get(2, [0])[-1] / 1e9,
            }
            for path, value in _items(_message(run[4][-1]) if 4 in run else {}, 1):
                _put(log.config, path, value)
        if 5 in record:
            for path, value in _items(_message(record[5][-1]), 1):
                _put(log.config, path, value)
        if 3 in record:
            for path, value in _items(_message(record[3][-1]), 1):
                _put(log.summary, path, value)
        if 2 in record:
            history = _message(record[2][-1])
            row: dict[str, Any] = {}
            for path, value in _items(history, 1):
                _put(row, path, value)
            if "_step" not in row and 2 in history:
                row["_step"] = _message(history[2][-1]).get(1, [0])[-1]
            log.history.append(row)
        if 8 in record:
            artifact = _message(record[8][-1])
            log.artifacts.append({"type": _text(artifact, 4), "name": _text(artifact, 5), "digest": _text(artifact, 6)})
        if 18 in record:
            log.exit_code = _message(record[18][-1]).get(1, [0])[-1]
    return log
