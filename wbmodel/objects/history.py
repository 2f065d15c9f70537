"""``HistorySet``: the rows that runs logged. Lazy and chainable like a queryset, but its rows have no identity, no
relations and no order to choose."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from wbmodel.backend.asks import Failure, StreamName
from wbmodel.errors import QueryError
from wbmodel.meta import EntityMeta
from wbmodel.objects.chain import Origin, bound
from wbmodel.objects.exports import Exports
from wbmodel.objects.history_plots import Drawing
from wbmodel.objects.result import Result
from wbmodel.operations.histories import answers, shaped
from wbmodel.operations.histories.answers import as_rows
from wbmodel.operations.histories.blocks import Block
from wbmodel.operations.histories.outcome import Outcome
from wbmodel.query.f import PathExpr
from wbmodel.query.histories import OCCURRENCE, RUN, STEP, Histories, Key, Long, Sample, Slice, Tail
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q
from wbmodel.table.growing import Growing
from wbmodel.table.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from typing_extensions import Self

    from wbmodel.display.plots import LogAxes
    from wbmodel.meta.parts import Wanted
    from wbmodel.operations.answer import Operation
    from wbmodel.query.histories import How
    from wbmodel.session.session import Session

__all__ = ["HistorySet"]

Row = dict[str, Any]


class HistorySet(Exports):
    """The rows of one run or of all runs of a query: ``run.history``, ``Run.objects.filter(...).history``.

    Rows are dicts without the cells that are missing or null, ordered by ``_step``, and within a step as they came.
    ``_step`` comes first; in rows of a query, ``run`` (the short id) comes before it. Lazy: chain methods return a new
    set and make no requests; the rows are read once and kept.
    """

    def __init__(self, plan: Histories, source: Plan | Sequence[Any], using: Session | Origin | str | None) -> None:
        self._plan, self._source, self._using = plan, source, using
        self._timeout: float | None = None
        self._result = Result()
        self._outcome: Outcome | None = None

    @classmethod
    def of_run(cls, run: Any, stream: StreamName = "history") -> Self:
        """The rows of a stream of one run."""
        meta: EntityMeta = type(run).__wbmodel_meta__
        return cls(Histories(meta=meta, stream=stream), (run,), run.session)

    @classmethod
    def of_runs(
        cls,
        runs: Plan,
        held: Callable[[Sequence[Wanted]], list[Any] | None],
        using: Session | Origin | str | None,
    ) -> Self:
        """The histories of the runs of a query. ``held`` gives those that are loaded already, with all that is wanted.
        Raises ``AttributeError`` for entities that log no rows."""
        streams = runs.meta.options.streams
        if streams is None:
            raise AttributeError(f"{runs.meta.plural} have no history")
        runs.refuse_shaped("history")
        return cls(Histories(meta=runs.meta, many=True), held(streams.fields) or runs, using)

    # -- chain methods --

    def _with(self, plan: Histories) -> Self:
        made = type(self).__new__(type(self))
        made._plan, made._source, made._timeout = plan, self._source, self._timeout
        made._using = self._using if self._using is not None else self._result.session
        made._result, made._outcome = Result(), None
        return made

    @property
    def plan(self) -> Histories:
        """The plan, with every name and value checked. For tools and plugins."""
        return self._plan

    def all(self) -> Self:
        """A fresh, unevaluated copy: evaluating it reads again."""
        return self._with(self._plan)

    def values(self, *keys: str | PathExpr, how: How = "outer", occurrence: bool = False) -> Self:
        """Only these columns, of the rows that have one of the keys, or with ``how="inner"`` all of them.

        Names that start with ``config.``, ``summary.`` or ``run.`` are fields of the run, repeated in each of its rows:
        ``values("config.lr", "run.name", "loss")``. A key of the rows that starts like that is written
        ``history.config.x``. Where a step repeats, the k-th values of the keys at that step are one row;
        ``occurrence=True`` adds the column ``_occurrence`` (0, 1, ...). Raises :class:`~wbmodel.errors.FieldError` for
        a field that runs do not have.
        """
        return self._with(self._plan.with_values(keys, how, occurrence))

    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        """Keep only rows that match all conditions: ``filter(_step__gte=100, loss__lt=0.3)``,
        ``filter(F.history["eval/acc"] > 0.9)``.

        The lookups are those of querysets, and see every key of a row, whatever :meth:`values` shows. ``step`` is short
        for ``_step``, and bounds on it are not even read. Missing and null are the same. Conditions on runs belong in
        the queryset before ``.history``.
        """
        for item in conditions:
            if not isinstance(item, Q):
                raise QueryError(f"filter() takes conditions such as Q(...) or F.history['x'] > 1, not {item!r}")
        return self._with(self._plan.with_where(Q(*conditions, **lookups)))

    def sample(self, n: int, seed: int = 0) -> Self:
        """``n`` rows chosen at random from all rows, in order, with the first and the last. All are read, but only
        ``n`` are held. The same seed chooses the same rows."""
        return self._with(self._plan.with_step(Sample(_count(n, "sample"), _count(seed, "seed", least=None))))

    def tail(self, n: int) -> Self:
        """The last ``n`` rows."""
        return self._with(self._plan.with_step(Tail(_count(n, "tail", least=0))))

    def long(self) -> Self:
        """A row per value, with the columns ``key`` and ``value``, besides ``run``, ``_step`` and fields of the run."""
        if self._plan.is_long:
            raise QueryError("long() was called already")
        return self._with(self._plan.with_step(Long()))

    def using(self, session: Session | str | None) -> Self:
        """Use this session, or the connection of this name."""
        if session is not None and not isinstance(session, str) and not hasattr(session, "iterate"):
            raise QueryError(f"using() takes a session or the name of a connection, not {session!r}")
        made = self._with(self._plan)
        made._using = session
        return made

    def timeout(self, seconds: float | None) -> Self:
        """Limit the total time of each evaluation's requests to ``seconds``; None: no such limit."""
        if seconds is not None and (type(seconds) not in (int, float) or not 0 < seconds < float("inf")):
            raise QueryError(f"timeout() takes a number of seconds above 0, or None, not {seconds!r}")
        made = self._with(self._plan)
        made._timeout = seconds
        return made

    @overload
    def __getitem__(self, key: int) -> Row: ...

    @overload
    def __getitem__(self, key: slice) -> Self: ...

    def __getitem__(self, key: int | slice) -> Row | Self:
        if isinstance(key, slice):
            step = Slice(*_slice(key))
            made = self._with(self._plan.with_step(step))
            if self._result.complete:
                made._result = Result(self._result.rows[step.start : step.stop : step.step])
                made._outcome = self._outcome
            return made
        at = _index(key)
        if at < 0:
            raise QueryError("a negative index would need every row; use last(), or tail(n)")
        if self._result.complete or at < len(self._result.rows):
            return cast(Row, self._result.rows[at])
        found = list(self[at : at + 1])
        if not found:
            raise IndexError(f"row index {at} is out of range")
        return found[0]

    # -- evaluation --

    def _bind(self) -> Session:
        return bound(self._using if self._using is not None else self._result.session)

    def _blocks(self, session: Session, outcome: Outcome) -> Operation[None]:
        return shaped.blocks(self._plan, self._source, session.target, outcome)

    def _rows(self, session: Session) -> tuple[Operation[None], Outcome]:
        outcome = Outcome()
        operation = shaped.passed_on(
            self._blocks(session, outcome), lambda items: list(self._made(as_rows(items))), lambda: False
        )
        return operation, outcome

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

    # -- answers --

    def _ask(self, operation: Callable[..., Operation[Any]], *args: Any, plan: Histories | None = None) -> Any:
        session, outcome = self._bind(), Outcome()
        asked = operation(plan or self._plan, self._source, session.target, outcome, *args)
        answer = session.run(asked, timeout=self._timeout)
        self._learn(outcome)
        return answer

    async def _aask(self, operation: Callable[..., Operation[Any]], *args: Any, plan: Histories | None = None) -> Any:
        session, outcome = self._bind(), Outcome()
        asked = operation(plan or self._plan, self._source, session.target, outcome, *args)
        answer = await session.arun(asked, timeout=self._timeout)
        self._learn(outcome)
        return answer

    def _learn(self, outcome: Outcome) -> None:
        if not self._result.complete:
            self._outcome = outcome

    def count(self) -> int:
        """The number of rows; only their steps are read."""
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
        step = _index(step)
        if nearest:
            if self._plan.is_long:
                raise QueryError("at() must come before long(), whose rows are keys and values")
            return self._plan, answers.at, (step,)
        return self._plan.with_where(Q(_step=step)), answers.first, ()

    def min(self, key: str | PathExpr) -> float | None:
        """The smallest number of a key; None if there is none. Null, NaN and values that are not numbers are left out.
        Raises :class:`~wbmodel.errors.FieldError` if there are values, but no numbers."""
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
        return self._extremes(key).mean

    async def amean(self, key: str | PathExpr) -> float | None:
        """The async twin of :meth:`mean`."""
        return (await self._aextremes(key)).mean

    def _extremes(self, key: str | PathExpr) -> answers.Extremes:
        plan, column = self._plan.column(key)
        return cast(answers.Extremes, self._ask(answers.extremes, column, plan=plan))

    async def _aextremes(self, key: str | PathExpr) -> answers.Extremes:
        plan, column = self._plan.column(key)
        return cast(answers.Extremes, await self._aask(answers.extremes, column, plan=plan))

    def best(self, key: str | PathExpr, goal: Literal["min", "max"] = "min") -> Row | None:
        """The row with the smallest or the greatest number at ``key``, the first of equal ones; None if no row has a
        number there (NaN does not count)."""
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

    # -- what came of it --

    def _known(self) -> Outcome:
        if self._outcome is None or not self._outcome.settled:
            raise QueryError("this is known once the rows are read: list(...), to_polars() and so on")
        return self._outcome

    @property
    def failures(self) -> Sequence[Failure]:
        """The runs that could not be read, with their errors. Known after an evaluation; else
        :class:`~wbmodel.errors.QueryError` is raised."""
        return tuple(self._known().failures)

    @property
    def missing(self) -> Mapping[str, int | None]:
        """Paths of runs, each with how many of its rows are missing; None if nothing proves that all are there. Known
        after an evaluation."""
        return dict(self._known().missing)

    @property
    def complete(self) -> bool:
        """Whether every row is proven to be there. Known after an evaluation."""
        return self._known().is_complete

    # -- tables --

    def _names(self) -> tuple[str, ...]:
        """The columns that are there in any case."""
        plan, names = self._plan, []
        names += [RUN] if plan.many else []
        if plan.stream == "history":
            names += [STEP, OCCURRENCE] if plan.occurrence else [STEP]
        asked = plan.asked or ()
        names += [item.name for item in asked if not (plan.is_long and isinstance(item, Key))]
        return (*names, "key", "value") if plan.is_long else tuple(names)

    def _grown(self, to: Literal["polars", "arrow", "pandas", "table"]) -> Growing:
        return Growing(to, self._names())

    def _frame(self, to: Literal["polars", "arrow", "pandas", "table"]) -> Any:
        made = self._grown(to)
        if self._result.complete:
            return _of_rows(made, self._result.rows)
        session, outcome = self._bind(), Outcome()
        for items in session.iterate(self._blocks(session, outcome), timeout=self._timeout):
            for block in cast("Sequence[Block]", items):
                made.add(block.columns, block.length)
        self._learn(outcome)
        return made.finish()

    async def _aframe(self, to: Literal["polars", "arrow", "pandas", "table"]) -> Any:
        made = self._grown(to)
        if self._result.complete:
            return _of_rows(made, self._result.rows)
        session, outcome = self._bind(), Outcome()
        async with aclosing(session.aiterate(self._blocks(session, outcome), timeout=self._timeout)) as parts:
            async for items in parts:
                for block in cast("Sequence[Block]", items):
                    made.add(block.columns, block.length)
        self._learn(outcome)
        return made.finish()

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
        return drawing.figure(rows.iterator())

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
        return drawing.figure([row async for row in rows.aiterator()])

    def _drawing(self, keys: tuple[str | PathExpr, ...], by: Any, x: Any, log: Any, title: str) -> tuple[Drawing, Self]:
        drawing = Drawing.of(self._plan, keys, by, x, log, title)
        # After a slice the columns are settled.
        return drawing, self if self._plan.steps else self.values(*drawing.columns(self._plan))

    def _table(self) -> Table:
        return cast(Table, self._frame("table"))

    async def _atable(self) -> Table:
        return cast(Table, await self._aframe("table"))

    # -- copies and pickles --

    def __copy__(self) -> Self:
        return self.all()

    def __deepcopy__(self, memo: Any) -> Self:
        return self.all()


def _of_rows(made: Growing, rows: Sequence[Row]) -> Any:
    from wbmodel.table.batch import ColumnBatch

    made.add_batch(ColumnBatch.of_rows("", rows))
    return made.finish()


def _index(value: Any) -> int:
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise QueryError(f"takes a whole number, not {value!r}")


def _count(value: Any, what: str, least: int | None = 1) -> int:
    try:
        number = _index(value)
    except QueryError:
        raise QueryError(f"{what}() takes a whole number of rows, not {value!r}") from None
    if least is not None and number < least:
        raise QueryError(f"{what}() takes a number of rows from {least}, not {value!r}")
    return number


def _slice(key: slice) -> tuple[int, int | None, int]:
    parts = [None if part is None else _index(part) for part in (key.start, key.stop, key.step)]
    if any(part is not None and part < 0 for part in parts):
        raise QueryError("a negative slice would need every row; use tail(n) for the last n")
    start, stop, step = parts
    if step == 0:
        raise QueryError("the step of a slice cannot be 0")
    return start or 0, stop, step or 1
