"""Order keys, and the order in which the rows of every backend are returned.

Ascending: numbers and dates, then text, then booleans, then lists, then objects (both by their JSON text); descending:
the reverse. Absent, null and NaN come last in both. Rows that tie on every key are ordered newest first, then by id.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import attrs

from wbmodel.codec import dumps
from wbmodel.errors import FieldError, QueryError
from wbmodel.json_values import ABSENT, operand_type
from wbmodel.meta import EntityMeta, Kind
from wbmodel.query.evaluate import tolerant
from wbmodel.query.f import PathExpr
from wbmodel.query.paths import Path, resolve_parts, resolve_path
from wbmodel.query.spelling import split_dotted

__all__ = ["OrderKey", "default_order", "has_value", "parse_order", "rank", "sort_key", "tie_break"]

_CLASSES = {"number": 0, "time": 0, "text": 1, "bool": 2, "list": 3, "object": 4}


@attrs.frozen(slots=True)
class OrderKey:
    """One key of an order."""

    path: Path
    descending: bool = False

    def flipped(self) -> OrderKey:
        """The same key in the other direction."""
        return OrderKey(self.path, not self.descending)

    def __str__(self) -> str:
        return ("-" if self.descending else "") + self.path.dotted


def parse_order(meta: EntityMeta, spelling: str | PathExpr) -> OrderKey:
    """An order key from ``"-summary.loss"``, ``"-summary__loss"`` or ``-F.summary["loss"]``."""
    if isinstance(spelling, PathExpr):
        path, descending = resolve_parts(meta, spelling.field, spelling.keys, spelling), spelling.descending
    elif isinstance(spelling, str):
        if spelling == "?":
            raise FieldError("a random order cannot be paged; take the rows you need and shuffle them")
        sign, _ = split_dotted(spelling)
        path, descending = resolve_path(meta, spelling[len(sign) :] if sign else spelling), sign == "-"
    else:
        raise FieldError(f"an order key is text such as '-summary.loss' or an F path, not {spelling!r}")
    if path.kind.is_keyed and not path.keys:
        raise FieldError(
            f"{meta.name}.{path.field.name} has no order by itself; name a key, as in {path.field.name}.lr"
        )
    if path.kind in (Kind.TEXTS, Kind.REF):
        raise FieldError(f"{meta.name}.{path.field.name} has no order; order by one of its fields or by another field")
    return OrderKey(path, descending)


def best_key(meta: EntityMeta, path: str | PathExpr, goal: str | None) -> OrderKey:
    """The key that puts the smallest (``"min"``) or largest (``"max"``) number at ``path`` first.

    Raises :class:`~wbmodel.errors.QueryError` for another goal and :class:`~wbmodel.errors.FieldError` for a field that
    does not hold numbers.
    """
    if goal is None:
        raise QueryError("best() needs goal='min' for the smallest value, or goal='max' for the largest")
    if goal not in ("min", "max"):
        raise QueryError(f"goal must be 'min' or 'max', not {goal!r}")
    key = parse_order(meta, path)
    if not (key.path.kind.is_keyed or key.path.kind in (Kind.INT, Kind.FLOAT, Kind.TIME)):
        name = key.path.dotted
        raise FieldError(
            f"best({name!r}): {meta.name}.{name} does not hold numbers; "
            f"use order_by({name!r}).first() for the first row by it"
        )
    return attrs.evolve(key, descending=goal == "max")


@cache
def default_order(meta: EntityMeta) -> tuple[OrderKey, ...]:
    """The order of rows if the query does not give one: newest first, for entities that have a date."""
    return tuple(parse_order(meta, key) for key in meta.options.order)


def has_value(value: Any) -> bool:
    """Whether a value can be ordered: not absent, not null, not NaN."""
    return value is not ABSENT and value is not None and value == value


class _Down:
    """A value that sorts in reverse."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Down) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Down) and bool(self.value == other.value)


_LAST = (1,)


def rank(value: Any, descending: bool) -> tuple[Any, ...]:
    """The sort key of one value."""
    if not has_value(value):
        return _LAST
    kind = operand_type(value)
    if kind in ("list", "object"):
        value = dumps(value)
    return (0, _Down((_CLASSES[kind], value))) if descending else (0, (_CLASSES[kind], value))


def sort_key(keys: tuple[OrderKey, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """A sort key function for entities by these order keys (without the tie-break)."""
    parts = [(tolerant(key.path), key.descending) for key in keys]
    return lambda row: tuple(rank(get(row), descending) for get, descending in parts)


@cache
def tie_break(meta: EntityMeta) -> tuple[OrderKey, ...]:
    """The order of rows that tie on every key: newest first, then by the entity's own key."""
    created = meta.find("created_at")
    keys = (OrderKey(Path(created), True),) if created is not None else ()
    return (*keys, OrderKey(Path(meta.fields[meta.key]), False))
