"""``filter()`` on groups: conditions on their columns, evaluated locally with the lookups of querysets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wbmodel.errors import FieldError, suggestion
from wbmodel.meta import Kind
from wbmodel.query.lookups import LOOKUPS, find_lookup
from wbmodel.query.q import Item, Q, Term

__all__ = ["Test", "having"]

Test = Callable[[Mapping[str, Any]], bool]


def having(condition: Q, columns: Mapping[str, Kind]) -> Test:
    """A function that tells whether a group matches. ``columns`` maps the names of its columns to their kinds.

    Raises :class:`~wbmodel.errors.FieldError` for an unknown column or lookup, or a value that it does not take.
    """
    tests = [_test(item, columns) for item in condition.children]
    if condition.connector == "AND" or not tests:
        test: Test = lambda row: all(each(row) for each in tests)  # noqa: E731
    else:
        test = lambda row: any(each(row) for each in tests)  # noqa: E731
    return (lambda row: not test(row)) if condition.negated else test


def _test(item: Item, columns: Mapping[str, Kind]) -> Test:
    if isinstance(item, Q):
        return having(item, columns)
    if not isinstance(item, Term):
        raise FieldError(f"{item.text} is a filter for a server, and groups are made here; filter before group_by()")
    return _term(item, columns)


def _term(term: Term, columns: Mapping[str, Kind]) -> Test:
    name, lookup = _column(term, columns)
    entry = find_lookup(lookup)
    if entry is None:
        raise FieldError(f"unknown lookup {lookup!r}; the lookups are {', '.join(LOOKUPS)}")
    if entry.rewrite is not None:
        raise FieldError(f"the plugin lookup {lookup!r} needs a field; use it in filter() before group_by()")
    kind = columns[name]
    operand = entry.accept(term.value, kind, f"groups {name} {lookup}")
    flipped = entry.inverse is not None
    matches = (LOOKUPS[entry.inverse] if entry.inverse else entry).matches(operand, kind)
    return lambda row: matches(row[name]) is not flipped


def _column(term: Term, columns: Mapping[str, Kind]) -> tuple[str, str]:
    """The column and the lookup that a term names."""
    if not isinstance(term.path, str):
        spelling, lookup = term.path.dotted, term.lookup or "exact"
        if spelling in columns:
            return spelling, lookup
        raise _unknown(spelling, columns)
    asked = term.path.replace(".", "__")
    # The longest name first: a column may be called like the beginning of another.
    for name in sorted(columns, key=len, reverse=True):
        word = name.replace(".", "__")
        if asked == word:
            return name, "exact"
        if asked.startswith(word + "__"):
            return name, asked[len(word) + 2 :]
    raise _unknown(term.path, columns)


def _unknown(spelling: str, columns: Mapping[str, Kind]) -> FieldError:
    near = suggestion(spelling.partition("__")[0], columns, "columns")
    return FieldError(
        f"the groups have no column {spelling!r}{near}; conditions on single rows go into filter() before group_by()"
    )
