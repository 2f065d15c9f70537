"""JSON text to plain values. ``json`` decides and supplies every value. JSON is YAML, so the marks of the C YAML loader
say on which line a wrong value is."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from wbmodel.codec import finite
from wbmodel.structuring import FieldPath, nested_deeper
from wbmodel_fixtures.yaml12 import NotYaml, TextProblem, read_yaml

__all__ = ["find_lines", "read_json"]

_MAX_LOCATED = 8 * 1024 * 1024
"""Longer texts are not read a second time for the sake of line numbers."""

_MORE_LINE_ENDS = ("\x85", "\u2028", "\u2029")
"""What ends a line for libyaml, and is a character like any other in JSON."""


_MAY_OVERFLOW = re.compile(r"[eE]\+?\d{3}|\d{300}")
"""What stands in every number beyond the range of a float."""


class _Twice(Exception):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _Twice(next(key for key, count in counts.items() if count > 1))
    return found


def read_json(text: str, max_depth: int) -> Any:
    """The value of ``text``; bare NaN and Infinity are numbers. Raises :class:`TextProblem`."""
    deep = f"values are nested more than {max_depth} deep"
    try:
        # A function for floats makes reading slower, so only text that may need it gets one.
        floats: Any = finite if _MAY_OVERFLOW.search(text) else None
        value = json.loads(text, object_pairs_hook=_pairs, parse_float=floats)
        if not nested_deeper(value, max_depth):
            return value
        problem = deep
    except json.JSONDecodeError as error:
        raise TextProblem(f"this is not JSON: {error.msg} (column {error.colno})", error.lineno) from None
    except _Twice as error:
        problem = f"key {error.args[0]!r} appears twice in one object"
    except RecursionError:
        problem = deep
    except ValueError as error:
        problem = f"this JSON cannot be read: {error}"
    if _has_marks(text):
        try:
            read_yaml(text, max_depth)  # refuses the same, and knows the lines
        except NotYaml:
            pass
    raise TextProblem(problem, None)


def find_lines(text: str, paths: Collection[FieldPath]) -> dict[FieldPath, int | None]:
    """The line (from 1) of each path in a JSON text, or of as much of the path as there is. All are None where libyaml
    cannot read the text. One pass, which ends at the last of the paths."""
    if not _has_marks(text):
        return dict.fromkeys(paths)
    import yaml

    wanted = {prefix for path in paths for prefix in _prefixes(path)}
    lines: dict[FieldPath, int] = {}
    try:
        for path, line in _walk(text, wanted):
            lines[path] = line
            if len(lines) == len(wanted):
                break
    except yaml.YAMLError:
        return dict.fromkeys(paths)  # such as a character beyond U+FFFF that is written as two escapes
    return {path: next((lines[prefix] for prefix in _prefixes(path) if prefix in lines), 1) for path in paths}


def _has_marks(text: str) -> bool:
    import yaml

    return len(text) <= _MAX_LOCATED and yaml.__with_libyaml__ and not any(end in text for end in _MORE_LINE_ENDS)


def _prefixes(path: FieldPath) -> Iterator[FieldPath]:
    """The path and what leads to it, the longest first."""
    return (path[:length] for length in range(len(path), 0, -1))


def _walk(text: str, wanted: Collection[FieldPath]) -> Iterator[tuple[FieldPath, int]]:
    """The ``wanted`` paths and their lines. Only values that lead to one of them are gone into."""
    import yaml

    starts, ends = (yaml.MappingStartEvent, yaml.SequenceStartEvent), (yaml.MappingEndEvent, yaml.SequenceEndEvent)
    leading = {path[:-1] for path in wanted}
    events: Iterator[Any] = iter(yaml.CLoader(text).get_event, None)

    def skip() -> None:
        depth = 1
        for event in events:
            kind = type(event)
            if kind is not yaml.ScalarEvent:
                depth += 1 if kind in starts else -1
                if not depth:
                    return

    def below(path: FieldPath, start: Any) -> Iterator[tuple[FieldPath, int]]:
        keys = type(start) is yaml.MappingStartEvent
        for index, event in enumerate(events):
            if type(event) in ends:
                return
            part, value = (event.value, next(events)) if keys else (index, event)
            here = (*path, part)
            if here in wanted:
                yield here, event.start_mark.line + 1
            if type(value) in starts:
                if here in leading:
                    yield from below(here, value)
                else:
                    skip()

    root = next(event for event in events if type(event) in (*starts, yaml.ScalarEvent))
    return below((), root) if type(root) in starts else iter(())
