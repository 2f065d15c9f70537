"""Conditions on columns of plain values, with the lookups of querysets: of groups, and of the rows of histories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wbmodel.errors import FieldError
from wbmodel.meta import Kind
from wbmodel.query.lookups import LOOKUPS, find_lookup
from wbmodel.query.q import Item, Q, Term

__all__ = ["ColumnTest", "column_test"]

ColumnTest = Callable[[Mapping[str, Sequence[Any]], int], list[bool]]
"""Tells for each of so many rows whether it matches. A column that is not there is all None."""


def column_test(
    condition: Q, find: Callable[[Term], tuple[str, str]], kind_of: Callable[[str], Kind], what: str
) -> ColumnTest:
    """The test of a condition. ``find`` gives the column and the lookup that a term names, ``kind_of`` the kind of a
    column; ``what`` has the columns, for messages. A cell that is None is null and missing at once.

    Raises :class:`~wbmodel.errors.FieldError` for an unknown lookup, or a value that it does not take.
    """
    tests = [_test(item, find, kind_of, what) for item in condition.children]
    join = all if condition.connector == "AND" else any
    negated = condition.negated

    def test(columns: Mapping[str, Sequence[Any]], length: int) -> list[bool]:
        if not tests:
            return [True] * length
        found = [each(columns, length) for each in tests]
        joined = found[0] if len(found) == 1 else list(map(join, zip(*found, strict=True)))
        return [not value for value in joined] if negated else joined

    return test


def _test(item: Item, find: Callable[[Term], tuple[str, str]], kind_of: Callable[[str], Kind], what: str) -> ColumnTest:
    if isinstance(item, Q):
        return column_test(item, find, kind_of, what)
    if not isinstance(item, Term):
        raise FieldError(f"{item.text} is a filter for a server, and {what} are tested here; filter the entities first")
    return _term(item, find, kind_of, what)


def _term(term: Term, find: Callable[[Term], tuple[str, str]], kind_of: Callable[[str], Kind], what: str) -> ColumnTest:
    name, lookup = find(term)
    entry = find_lookup(lookup)
    if entry is None:
        raise FieldError(f"unknown lookup {lookup!r}; the lookups are {', '.join(LOOKUPS)}")
    if entry.rewrite is not None:
        raise FieldError(f"the plugin lookup {lookup!r} needs a field; use it in filter() on entities")
    kind = kind_of(name)
    operand = entry.accept(term.value, kind, f"{what} {name} {lookup}")
    flipped = entry.inverse is not None
    if lookup == "exists":
        entry, flipped = LOOKUPS["isnull"], True
    matches = (LOOKUPS[entry.inverse] if entry.inverse else entry).matches(operand, kind)

    def test(columns: Mapping[str, Sequence[Any]], length: int) -> list[bool]:
        column = columns.get(name)
        if column is None:
            return [matches(None) is not flipped] * length
        return [matches(value) is not flipped for value in column]

    return test
