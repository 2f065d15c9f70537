"""``filter()`` on groups: which of their columns a condition names."""

from __future__ import annotations

from collections.abc import Mapping

from wbmodel.errors import FieldError, suggestion
from wbmodel.meta import Kind
from wbmodel.query.column_tests import ColumnTest, column_test
from wbmodel.query.q import Q, Term

__all__ = ["having"]


def having(condition: Q, columns: Mapping[str, Kind]) -> ColumnTest:
    """A function that tells which groups match. ``columns`` maps the names of their columns to their kinds.

    Raises :class:`~wbmodel.errors.FieldError` for an unknown column or lookup, or a value that it does not take.
    """
    return column_test(condition, lambda term: _column(term, columns), columns.__getitem__, "groups")


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
