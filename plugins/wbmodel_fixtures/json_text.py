"""JSON text to plain values, and the line that a path stands on.

Reading is the standard library's; the second look, which knows about lines, happens only when there is something to
complain about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["JsonLines", "JsonProblem", "depth_over", "read_json"]

_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


class JsonProblem(ValueError):
    """The text is not the JSON that is read here; ``line`` counts from 1 (None: unknown)."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class _Twice(Exception):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def read_json(text: str, max_depth: int) -> Any:
    """The value of ``text``; bare NaN and Infinity are numbers. Raises :class:`JsonProblem`."""
    try:
        value = json.loads(text, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        raise JsonProblem(f"this is not JSON: {error.msg} (column {error.colno})", error.lineno) from None
    except _Twice:
        raise _duplicate(text) from None
    except RecursionError:
        raise JsonProblem(f"values are nested more than {max_depth} deep", _deep_line(text, max_depth)) from None
    except ValueError as error:
        raise JsonProblem(f"this JSON cannot be read: {error}", None) from None
    if depth_over(value, max_depth):
        raise JsonProblem(f"values are nested more than {max_depth} deep", _deep_line(text, max_depth))
    return value


def depth_over(value: Any, limit: int) -> bool:
    """Whether lists and dicts are nested more than ``limit`` deep."""
    level = [value] if isinstance(value, (dict, list)) else []
    depth = 0
    while level:
        depth += 1
        if depth > limit:
            return True
        below = []
        for container in level:
            for item in container.values() if isinstance(container, dict) else container:
                if type(item) is dict or type(item) is list:
                    below.append(item)
        level = below
    return False


class JsonLines:
    """The lines of paths in a JSON text that is known to be valid.

    A container's children are found one after the other, no further than asked for, and remembered; what is between
    them is skipped by the standard library's scanner, at the speed of reading.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._skip = json.JSONDecoder().raw_decode
        self._known: dict[tuple[Any, ...], dict[Any, tuple[int, int]]] = {}
        self._going: dict[tuple[Any, ...], Iterator[tuple[Any, int, int]]] = {}

    def line(self, path: tuple[Any, ...]) -> int:
        """The line (from 1) of the last part of ``path`` that exists."""
        offset = value = self._space(0)
        for depth, part in enumerate(path):
            found = self._child(path[:depth], value, part)
            if found is None:
                break
            offset, value = found
        return self._text.count("\n", 0, offset) + 1

    def _child(self, path: tuple[Any, ...], start: int, wanted: Any) -> tuple[int, int] | None:
        """Offsets of a child (its key or itself, and its value)."""
        known = self._known.setdefault(path, {})
        if wanted in known:
            return known[wanted]
        going = self._going.get(path)
        if going is None:
            going = self._going[path] = self._children(start)
        for part, offset, value in going:
            known[part] = offset, value
            if part == wanted:
                return offset, value
        return None

    def _children(self, start: int) -> Iterator[tuple[Any, int, int]]:
        text, kind = self._text, self._text[start]
        if kind not in "{[":
            return
        at, index = self._space(start + 1), 0
        while text[at] not in "}]":
            part, value = index, at
            if kind == "{":
                part, end = self._skip(text, at)
                value = self._space(self._space(end) + 1)
            yield part, at, value
            index += 1
            at = self._space(self._skip(text, value)[1])
            if text[at] == ",":
                at = self._space(at + 1)

    def _space(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return match.end() if match else at


def _walk(text: str) -> Iterator[tuple[int, list[Any]]]:
    """``(offset, path)`` of every key and every list item, in document order. The path is one list that changes."""
    path: list[Any] = []
    kinds: list[str] = []
    wants_key = False
    fresh_item = False
    for match in _TOKEN.finditer(text):
        token, offset = match.group(), match.start()
        if token in "}]":
            if kinds:
                kinds.pop()
                path.pop()
            wants_key = fresh_item = False
        elif token == ",":
            if kinds and kinds[-1] == "[":
                path[-1] += 1
                fresh_item = True
            else:
                wants_key = True
        elif token == ":":
            pass
        elif wants_key:
            path[-1] = json.loads(token)
            wants_key = False
            yield offset, path
        else:
            if fresh_item:
                fresh_item = False
                yield offset, path
            if token in "{[":
                kinds.append(token)
                path.append(None if token == "{" else 0)
                wants_key, fresh_item = token == "{", token == "["


def _duplicate(text: str) -> JsonProblem:
    seen: list[dict[Any, int]] = []
    for offset, path in _walk(text):
        del seen[len(path) :]
        while len(seen) < len(path):
            seen.append({})
        key = path[-1]
        if not isinstance(key, str):
            continue
        # Siblings share a table only while their parent goes on; a parent's next key clears the tables below it.
        if key in seen[-1]:
            first = text.count("\n", 0, seen[-1][key]) + 1
            return JsonProblem(f"key {key!r} stands here twice; first on line {first}", text.count("\n", 0, offset) + 1)
        seen[-1][key] = offset
    return JsonProblem("a key stands twice in one object", None)


def _deep_line(text: str, limit: int) -> int | None:
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in "{[":
            depth += 1
            if depth > limit:
                return text.count("\n", 0, match.start()) + 1
        elif token in "}]":
            depth -= 1
    return None
