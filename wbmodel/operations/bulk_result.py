"""The result of each row of a bulk update or delete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, overload

import attrs

from wbmodel.errors import BulkError

if TYPE_CHECKING:
    from wbmodel.table.table import Table

__all__ = ["BulkResult", "Outcome", "RowResult"]

Outcome = Literal["done", "unchanged", "planned", "failed", "unknown", "untried", "left"]


@attrs.frozen(slots=True, kw_only=True)
class RowResult:
    """The result of one row.

    ``path`` is ``"entity/project/id"``, ``error`` explains why the row was not written, and ``earlier`` is true if a
    previous call settled the row, according to the journal.

    Outcomes: ``done``; ``unchanged`` (it already had these values, nothing was sent); ``planned`` (a dry run would have
    sent it); ``failed`` (the server or a check refused it); ``unknown`` (it was sent but no response arrived: it may or
    may not be done); ``untried`` (time ran out, or the server became unreachable, before it was sent); ``left`` (the
    journal has it as failed or unknown, but it no longer matches the query: nothing was sent).
    """

    path: str
    node_id: str
    outcome: Outcome
    error: Exception | None = None
    earlier: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.outcome}" + (f" ({self.error})" if self.error is not None else "")


@attrs.frozen(slots=True, repr=False)
class BulkResult(Sequence[RowResult]):
    """The results of all rows: a sequence of :class:`RowResult`, in the order in which they were settled."""

    verb: str
    what: str
    rows: tuple[RowResult, ...]
    cause: Exception | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, key: int) -> RowResult: ...

    @overload
    def __getitem__(self, key: slice) -> tuple[RowResult, ...]: ...

    def __getitem__(self, key: int | slice) -> RowResult | tuple[RowResult, ...]:
        return self.rows[key]

    def __iter__(self) -> Iterator[RowResult]:
        return iter(self.rows)

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows per outcome; outcomes without rows are omitted."""
        found: dict[str, int] = {}
        for row in self.rows:
            found[row.outcome] = found.get(row.outcome, 0) + 1
        return found

    def having(self, *outcomes: Outcome) -> list[RowResult]:
        """The rows with one of these outcomes."""
        return [row for row in self.rows if row.outcome in outcomes]

    @property
    def failures(self) -> list[RowResult]:
        """The rows that were not written, or may not have been: ``failed``, ``unknown`` and ``untried``."""
        return self.having("failed", "unknown", "untried")

    def raise_for_failures(self) -> None:
        """Raise a :class:`~wbmodel.errors.BulkError` with this result if there are failures."""
        failures = self.failures
        if not failures:
            return
        said = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        told = next((row for row in failures if row.error is not None), failures[0])
        error = BulkError(
            f"{self.verb} of {len(self.rows)} {self.what}: {said}. First failure: {told}. The other rows were "
            "written; error.result has every row, and with journal= the same call resumes where this one ended",
            result=self,
        )
        raise error from (self.cause or told.error)

    def __str__(self) -> str:
        said = ", ".join(f"{count} {name}" for name, count in self.counts.items()) or "no rows"
        return f"<BulkResult {self.verb} {self.what}: {said}>"

    def __repr__(self) -> str:
        from wbmodel.display.tables import repr_of

        return repr_of(str(self), self._table, "row")

    def _repr_html_(self) -> str | None:
        from wbmodel.display.tables import html_of

        return html_of(str(self), self._table, "row")

    def _table(self) -> Table:
        from wbmodel.table.column import Column
        from wbmodel.table.table import Table

        errors = [str(row.error) if row.error is not None else None for row in self.rows]
        made = [Column("path", [row.path for row in self.rows]), Column("outcome", [row.outcome for row in self.rows])]
        return Table([*made, *([Column("error", errors)] if any(errors) else [])], len(self.rows))
