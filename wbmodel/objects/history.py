"""``HistorySet``: the rows that runs logged. Lazy and chainable like a queryset, but its rows have no identity, no
relations and no order to choose."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from wbmodel.display.tables import ROWS, html_of, repr_of
from wbmodel.errors import QueryError
from wbmodel.objects.history_chain import whole
from wbmodel.objects.history_exports import HistoryExports
from wbmodel.objects.history_plots import Drawing
from wbmodel.objects.watch import Pace
from wbmodel.operations.answer import passed_on
from wbmodel.operations.histories import answers
from wbmodel.operations.histories.answers import as_rows
from wbmodel.operations.histories.explained import HistoryExplanation, explained
from wbmodel.operations.histories.follow import Following
from wbmodel.operations.histories.outcome import Outcome
from wbmodel.query.f import PathExpr
from wbmodel.query.histories import Histories, Slice
from wbmodel.query.q import Q
from wbmodel.safe_text import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from typing_extensions import Self

    from wbmodel.display.plots import LogAxes
    from wbmodel.operations.answer import Operation
    from wbmodel.operations.histories.blocks import Block
    from wbmodel.operations.histories.key_info import KeyInfo
    from wbmodel.session.session import Session
    from wbmodel.table.table import Table

__all__ = ["HistorySet"]

Row = dict[str, Any]


class HistorySet(HistoryExports):
    """The rows of one run or of all runs of a query: ``run.history``, ``Run.objects.filter(...).history``.

    Rows are dicts without the cells that are missing or null, ordered by ``_step``, and within a step as they came.
    ``_step`` comes first; in rows of a query, ``run`` (the short id) comes before it. Lazy: chain methods return a new
    set and make no requests; the rows are read once and kept.
    """

    @overload
    def __getitem__(self, key: int) -> Row: ...

    @overload
    def __getitem__(self, key: slice) -> Self: ...

    def __getitem__(self, key: int | slice) -> Row | Self:
        if isinstance(key, slice):
            step = Slice(*_slice(key))
            known = self._result.rows[step.start : step.stop : step.step] if self._result.complete else None
            return self._with(self._plan.with_step(step), known)
        at = whole(key)
        if at < 0:
            raise QueryError("a negative index would need every row; use last(), or tail(n)")
        if self._result.complete or at < len(self._result.rows):
            return cast(Row, self._result.rows[at])
        found = list(self[at : at + 1])
        if not found:
            raise IndexError(f"row index {at} is out of range")
        return found[0]

    # -- evaluation --

    def _rows(self, session: Session) -> tuple[Operation[None], Outcome]:
        outcome = Outcome()

        def rows(items: Sequence[Block]) -> list[Row]:
            for block in items:
                outcome.names.update(dict.fromkeys(block.columns))
            return list(self._made(as_rows(items)))

        return passed_on(self._blocks(session, outcome), rows), outcome

    def _made(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows as they are given to callers."""
        return rows

    def _begin(self) -> tuple[Session, Iterator[Sequence[Any]]]:
        session = self._bind()
        operation, self._outcome = self._rows(session)
        return session, session.iterate(operation, timeout=self._timeout)

    def _fetch_all(self) -> list[Row]:
        while self._result.more(self._begin):
            pass
        return self._result.rows

    def __iter__(self) -> Iterator[Row]:
        at, result = 0, self._result
        while True:
            while at < len(result.rows):
                yield result.rows[at]
                at += 1
            if not result.more(self._begin) and at >= len(result.rows):
                return

    async def __aiter__(self) -> AsyncIterator[Row]:
        if self._result.complete:
            for row in self._result.rows:
                yield row
            return
        session = self._bind()
        rows: list[Row] = []
        operation, outcome = self._rows(session)
        async with aclosing(session.aiterate(operation, timeout=self._timeout)) as parts:
            async for part in parts:
                for row in part:
                    rows.append(row)
                    yield row
        self._outcome = outcome
        self._result.take(rows, session)

    def iterator(self) -> Iterator[Row]:
        """Iterate over the rows without keeping them."""
        session = self._bind()

        def rows() -> Iterator[Row]:
            operation, outcome = self._rows(session)
            for part in session.iterate(operation, timeout=self._timeout):
                yield from part
            self._outcome = outcome

        return rows()

    def aiterator(self) -> AsyncIterator[Row]:
        """The async twin of :meth:`iterator`."""
        session = self._bind()

        async def rows() -> AsyncIterator[Row]:
            operation, outcome = self._rows(session)
            async with aclosing(session.aiterate(operation, timeout=self._timeout)) as parts:
                async for part in parts:
                    for row in part:
                        yield row
            self._outcome = outcome

        return rows()

    def __len__(self) -> int:
        return len(self._fetch_all())

    def __bool__(self) -> bool:
        while not self._result.rows and self._result.more(self._begin):
            pass
        return bool(self._result.rows)

    # -- following --

    def follow(self, every: float = 10.0) -> Iterator[Row]:
        """The rows so far, then those that come, until no run logs any more: asks every ``every`` seconds, for the rows
        from the last step on. Rows that arrive late, at steps before, are not seen. Nothing is kept."""
        following, pace = self._following(every)
        session = self._bind()

        def rows() -> Iterator[Row]:
            while True:
                blocks = session.run(following.poll(session.target), timeout=self._timeout)
                yield from self._made(as_rows(blocks))
                if following.ended:
                    return
                time.sleep(pace)

        return rows()

    def afollow(self, every: float = 10.0) -> AsyncIterator[Row]:
        """The async twin of :meth:`follow`."""
        import asyncio

        following, pace = self._following(every)
        session = self._bind()

        async def rows() -> AsyncIterator[Row]:
            while True:
                blocks = await session.arun(following.poll(session.target), timeout=self._timeout)
                for row in self._made(as_rows(blocks)):
                    yield row
                if following.ended:
                    return
                await asyncio.sleep(pace)

        return rows()

    def _following(self, every: float) -> tuple[Following, float]:
        self._plan.refuse_steps("follow")
        return Following(self._plan, self._source), Pace(every, None).interval

    # -- answers --

    def _ask(self, operation: Callable[..., Operation[Any]], *args: Any, plan: Histories | None = None) -> Any:
        session, outcome = self._bind(), Outcome()
        asked = operation(plan or self._plan, self._source, session.target, outcome, *args)
        answer = session.run(asked, timeout=self._timeout)
        if outcome.settled:
            self._learn(outcome)
        return answer

    async def _aask(self, operation: Callable[..., Operation[Any]], *args: Any, plan: Histories | None = None) -> Any:
        session, outcome = self._bind(), Outcome()
        asked = operation(plan or self._plan, self._source, session.target, outcome, *args)
        answer = await session.arun(asked, timeout=self._timeout)
        if outcome.settled:
            self._learn(outcome)
        return answer

    def count(self) -> int:
        """The number of rows. Of a whole history it is the server's own count of its lines; else the rows are read, as
        far as needed."""
        return len(self._result.rows) if self._result.complete else int(self._ask(answers.count))

    async def acount(self) -> int:
        """The async twin of :meth:`count`."""
        return len(self._result.rows) if self._result.complete else int(await self._aask(answers.count))

    def first(self) -> Row | None:
        """The first row, or None."""
        return cast("Row | None", self._ask(answers.first))

    async def afirst(self) -> Row | None:
        """The async twin of :meth:`first`."""
        return cast("Row | None", await self._aask(answers.first))

    def last(self) -> Row | None:
        """The last row, or None."""
        return cast("Row | None", self._ask(answers.last))

    async def alast(self) -> Row | None:
        """The async twin of :meth:`last`."""
        return cast("Row | None", await self._aask(answers.last))

    def at(self, step: int, *, nearest: bool = False) -> Row | None:
        """The first row of this step, or None; with ``nearest``, of the step that is nearest (the lower one of two)."""
        plan, operation, args = self._at(step, nearest)
        return cast("Row | None", self._ask(operation, *args, plan=plan))

    async def aat(self, step: int, *, nearest: bool = False) -> Row | None:
        """The async twin of :meth:`at`."""
        plan, operation, args = self._at(step, nearest)
        return cast("Row | None", await self._aask(operation, *args, plan=plan))

    def _at(self, step: Any, nearest: bool) -> tuple[Histories, Callable[..., Operation[Any]], tuple[Any, ...]]:
        if self._plan.stream != "history":
            raise QueryError(f"at() needs steps, which the rows of {self._plan.stream} do not have; use an index")
        step = whole(step)
        if nearest:
            if self._plan.is_long:
                raise QueryError("at() must come before long(), whose rows are keys and values")
            return self._plan, answers.at, (step,)
        return self._plan.with_where(Q(_step=step)), answers.first, ()

    def min(self, key: str | PathExpr) -> float | None:
        """The smallest number of a key, exact; None if there is none. Null, NaN, infinities and values that are not
        numbers are left out. Of long histories the server's buckets tell it, where it has them; else the values are
        read. Raises :class:`~wbmodel.errors.FieldError` if there are values, but no numbers."""
        return cast("float | None", self._extremes(key).least)

    async def amin(self, key: str | PathExpr) -> float | None:
        """The async twin of :meth:`min`."""
        return cast("float | None", (await self._aextremes(key)).least)

    def max(self, key: str | PathExpr) -> float | None:
        """The greatest number of a key, as :meth:`min`."""
        return cast("float | None", self._extremes(key).greatest)

    async def amax(self, key: str | PathExpr) -> float | None:
        """The async twin of :meth:`max`."""
        return cast("float | None", (await self._aextremes(key)).greatest)

    def mean(self, key: str | PathExpr) -> float | None:
        """The arithmetic mean of a key, over all rows; None and NaN as for :meth:`min`."""
        return self._extremes(key, mean=True).mean

    async def amean(self, key: str | PathExpr) -> float | None:
        """The async twin of :meth:`mean`."""
        return (await self._aextremes(key, mean=True)).mean

    def _extremes(self, key: str | PathExpr, *, mean: bool = False) -> answers.Extremes:
        plan, column = self._plan.column(key)
        return cast(answers.Extremes, self._ask(answers.extremes, column, mean, plan=plan))

    async def _aextremes(self, key: str | PathExpr, *, mean: bool = False) -> answers.Extremes:
        plan, column = self._plan.column(key)
        return cast(answers.Extremes, await self._aask(answers.extremes, column, mean, plan=plan))

    def keys(self) -> Mapping[str, KeyInfo]:
        """The keys of the whole stream, with their types and the number of rows that have them: of a history as the
        server counts them, in one request per page of runs; else counted in all rows."""
        return cast("Mapping[str, KeyInfo]", self._ask(answers.keys))

    async def akeys(self) -> Mapping[str, KeyInfo]:
        """The async twin of :meth:`keys`."""
        return cast("Mapping[str, KeyInfo]", await self._aask(answers.keys))

    def best(self, key: str | PathExpr, goal: Literal["min", "max"] = "min") -> Row | None:
        """The row with the smallest or the greatest number at ``key``, the first of equal ones; None if no row has a
        number there (NaN and infinities do not count)."""
        plan, column = self._best(key, goal)
        return cast("Row | None", self._ask(answers.best, column, goal, plan=plan))

    async def abest(self, key: str | PathExpr, goal: Literal["min", "max"] = "min") -> Row | None:
        """The async twin of :meth:`best`."""
        plan, column = self._best(key, goal)
        return cast("Row | None", await self._aask(answers.best, column, goal, plan=plan))

    def _best(self, key: str | PathExpr, goal: Any) -> tuple[Histories, str]:
        if goal not in ("min", "max"):
            raise QueryError(f"goal must be 'min' or 'max', not {goal!r}")
        return self._plan.with_column(key)

    # -- inspecting and display --

    def explain(self) -> HistoryExplanation:
        """How the rows are read, and what is done here. Makes no requests."""
        return explained(self._plan, self._source, self._bind().target)

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self._words}>"

    def _peek(self) -> tuple[Callable[[], Table], str]:
        """How to get the first rows, and what to say of them."""
        note = f"{self}: the first {ROWS} rows at most"
        if self._result.complete:
            total = len(self._result.rows)
            note = f"{self}: {counted(total, 'row')}" + (f", showing the first {ROWS}" if total > ROWS else "")
        return self[:ROWS]._all, note

    def _all(self) -> Table:
        return self._table()

    def __repr__(self) -> str:
        read, note = self._peek()
        return repr_of(str(self), read, "row", note)

    def _repr_html_(self) -> str | None:
        read, note = self._peek()
        return html_of(str(self), read, "row", note)

    # -- figures --

    def plot(
        self,
        *keys: str | PathExpr,
        by: str | PathExpr | None = None,
        x: str | PathExpr = "",
        log: LogAxes = "",
        title: str = "",
    ) -> Figure:
        """A Matplotlib figure of the keys over the steps (or over the key ``x``): a curve per run, or with
        ``by="config.lr"`` the mean of each group with a band of one standard deviation.

        ``log`` names logarithmic axes (``"y"``, ``"xy"``). NaN and infinities are marked, and gaps stay gaps. Notebooks
        show the figure; ``figure.savefig("loss.png")`` saves it. Raises
        :class:`~wbmodel.errors.LibraryNotInstalled` without the extra ``plot``.
        """
        drawing, rows = self._drawing(keys, by, x, log, title)
        figure = drawing.figure(rows.iterator())
        self._outcome = rows._outcome
        return figure

    async def aplot(
        self,
        *keys: str | PathExpr,
        by: str | PathExpr | None = None,
        x: str | PathExpr = "",
        log: LogAxes = "",
        title: str = "",
    ) -> Figure:
        """The async twin of :meth:`plot`."""
        drawing, rows = self._drawing(keys, by, x, log, title)
        figure = drawing.figure([row async for row in rows.aiterator()])
        self._outcome = rows._outcome
        return figure

    def _drawing(self, keys: tuple[str | PathExpr, ...], by: Any, x: Any, log: Any, title: str) -> tuple[Drawing, Self]:
        drawing = Drawing.of(self._plan, keys, by, x, log, title)
        # After a slice the columns are settled.
        return drawing, self if self._plan.steps else self.values(*drawing.columns(self._plan))


def _slice(key: slice) -> tuple[int, int | None, int]:
    parts = [None if part is None else whole(part) for part in (key.start, key.stop, key.step)]
    if any(part is not None and part < 0 for part in parts):
        raise QueryError("a negative slice would need every row; use tail(n) for the last n")
    start, stop, step = parts
    if step == 0:
        raise QueryError("the step of a slice cannot be 0")
    return start or 0, stop, step or 1
