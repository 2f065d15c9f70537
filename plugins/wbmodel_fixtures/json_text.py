"""JSON text to plain values. ``json`` decides and supplies every value; the lines of what is wrong come from the YAML
reader, since JSON is YAML."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from wbmodel_fixtures.yaml12 import Marks, NotYaml, TextProblem, read_yaml

__all__ = ["locate", "read_json"]

_MAX_LOCATED = 8 * 1024 * 1024
"""Longer texts are not read a second time for the sake of line numbers."""

_MORE_LINE_ENDS = ("\x85", "\u2028", "\u2029")
"""What ends a line for libyaml, and is a character like any other in JSON."""


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
        value = json.loads(text, object_pairs_hook=_pairs)
        if not _depth_over(value, max_depth):
            return value
        problem = deep
    except json.JSONDecodeError as error:
        raise TextProblem(f"this is not JSON: {error.msg} (column {error.colno})", error.lineno) from None
    except _Twice as error:
        problem = f"key {error.args[0]!r} stands twice in one object"
    except RecursionError:
        problem = deep
    except ValueError as error:
        raise TextProblem(f"this JSON cannot be read: {error}", None) from None
    # The YAML reader refuses the same, and knows the lines.
    locate(text, max_depth)
    raise TextProblem(problem, None)


def locate(text: str, max_depth: int) -> tuple[Any, Marks] | None:
    """A tree with the containers of a JSON text, and the lines in it; None where libyaml cannot read the text.

    Raises :class:`TextProblem` with its line for duplicate keys and nesting.
    """
    import yaml

    if len(text) <= _MAX_LOCATED and yaml.__with_libyaml__ and not any(end in text for end in _MORE_LINE_ENDS):
        try:
            return read_yaml(text, max_depth)
        except NotYaml:
            pass  # such as a character beyond U+FFFF that is written as two escapes
    return None


def _depth_over(value: Any, limit: int) -> bool:
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
