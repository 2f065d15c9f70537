"""Evaluate conditions on local rows: lookups mean the same on every backend, whatever the server does."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from wbmodel.errors import DamagedRow, UnreadableValue, warn
from wbmodel.json_values import ABSENT
from wbmodel.meta.parts import Part
from wbmodel.query.conditions import Leaf, Node, WireLeaf
from wbmodel.query.paths import Path

__all__ = ["dig", "getter", "predicate", "tolerant"]


def dig(value: Any, keys: tuple[str, ...]) -> Any:
    """The value at a path of literal keys inside dicts, or :data:`ABSENT`."""
    for key in keys:
        if not isinstance(value, (dict, Part)) or key not in value:
            return ABSENT
        value = value[key]
    return value


def getter(path: Path) -> Callable[[Any], Any]:
    """A function that returns the value of a path in an entity, or :data:`ABSENT`."""
    name, keys = path.field.name, path.keys
    if path.related is not None:
        inner = path.related.name

        def follow(row: Any) -> Any:
            target = getattr(row, name)
            return None if target is None else getattr(target, inner)

        return follow
    if not keys:
        return attrgetter(name)
    if len(keys) == 1:
        only = keys[0]

        def look(row: Any) -> Any:
            value = getattr(row, name)
            return value.get(only, ABSENT) if value.__class__ is dict or value.__class__ is Part else ABSENT

        return look
    return lambda row: dig(getattr(row, name), keys)


def tolerant(path: Path) -> Callable[[Any], Any]:
    """Like :func:`getter`, for filters, orders and lists of keys.

    A value that cannot be read counts as absent, with a warning, so that it costs its own row only.
    """
    get, missing = getter(path), ABSENT if path.keys else None

    def look(row: Any) -> Any:
        try:
            return get(row)
        except UnreadableValue as error:
            warn(f"{error}; here it counts as absent", DamagedRow)
            return missing

    return look


def predicate(node: Node | None) -> Callable[[Any], bool] | None:
    """A function that tells whether an entity matches; None if every entity does."""
    return None if node is None else _predicate(node)


def _predicate(node: Node) -> Callable[[Any], bool]:
    if isinstance(node, Leaf):
        return _leaf(node)
    if isinstance(node, WireLeaf):
        # What can only be sent was sent: the compiler refuses every query that would need it checked again.
        return (lambda row: True) if node.here is None else _predicate(node.here)
    tests = [_predicate(child) for child in node.children]
    if node.connector == "AND":
        return lambda row: all(test(row) for test in tests)
    return lambda row: any(test(row) for test in tests)


def _leaf(leaf: Leaf) -> Callable[[Any], bool]:
    get, test = tolerant(leaf.path), leaf.lookup.matches(leaf.operand, leaf.path.kind)
    if leaf.negated:
        return lambda row: not test(get(row))
    return lambda row: test(get(row))
