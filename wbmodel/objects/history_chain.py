"""The methods of a history set that return another one, and what it cannot do. They make no requests."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from wbmodel.backend.asks import Failure, StreamName
from wbmodel.errors import ConfigurationError, QueryError
from wbmodel.meta import EntityMeta
from wbmodel.objects.chain import Origin, bound, warn_of_version
from wbmodel.objects.history_names import calling, missing
from wbmodel.objects.result import Result
from wbmodel.operations.histories.outcome import Outcome
from wbmodel.query.f import PathExpr
from wbmodel.query.histories import Histories, Long, Sample, Tail
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q

if TYPE_CHECKING:
    from typing_extensions import Self

    from wbmodel.meta.parts import Wanted
    from wbmodel.query.histories import How
    from wbmodel.session.session import Session

__all__ = ["HistoryChain", "at_least", "whole"]

Row = dict[str, Any]


class HistoryChain:
    """A plan of histories with its runs and its session, and the methods that return a modified copy."""

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
        return self._with(self._plan.with_step(Sample(at_least(1, n, "sample"), whole(seed))))

    def tail(self, n: int) -> Self:
        """The last ``n`` rows."""
        return self._with(self._plan.with_step(Tail(at_least(0, n, "tail"))))

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

    def _bind(self) -> Session:
        return bound(self._using if self._using is not None else self._result.session)

    def _learn(self, outcome: Outcome) -> None:
        if not self._result.complete:
            self._outcome = outcome

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

    @property
    def _words(self) -> str:
        """What it is, for people."""
        plan, source = self._plan, self._source
        if isinstance(source, Plan):
            of = source.meta.plural
        else:
            of = source[0].path if len(source) == 1 else f"{len(source)} {plan.meta.plural}"
        keys = "" if plan.asked is None else ": " + ", ".join(item.name for item in plan.asked)
        return f"{plan.stream} of {of}{keys}"

    # -- what it is not --

    if not TYPE_CHECKING:
        # Hidden from type checkers, to which a call or a misspelt name stays an error.
        def __call__(self, *args: Any, **options: Any) -> NoReturn:
            raise TypeError(calling(self._plan, options))

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(missing(type(self), name), name=name, obj=self)

    # -- copies and pickles --

    def __copy__(self) -> Self:
        return self.all()

    def __deepcopy__(self, memo: Any) -> Self:
        return self.all()

    def _evaluated(self) -> list[Row] | None:
        return self._result.rows if self._result.complete else None

    def __getstate__(self) -> dict[str, Any]:
        from wbmodel._version import __version__

        try:
            using: Origin | None = Origin(self._bind().origin)
        except ConfigurationError:
            using = None  # rows that are cached need no session; a new evaluation uses the current one
        return {
            "plan": self._plan,
            "source": self._source,
            "using": using,
            "timeout": self._timeout,
            "rows": self._evaluated(),
            "outcome": self._outcome if self._result.complete else None,
            "version": __version__,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._plan, self._source = state["plan"], state["source"]
        self._using, self._timeout = state["using"], state["timeout"]
        self._result, self._outcome = Result(state["rows"]), state["outcome"]
        warn_of_version("history set", state["version"])


def whole(value: Any) -> int:
    """A whole number, also of another library. Raises :class:`~wbmodel.errors.QueryError` for anything else."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise QueryError(f"this takes a whole number, not {value!r}")


def at_least(least: int, value: Any, what: str) -> int:
    """A whole number of rows. Raises :class:`~wbmodel.errors.QueryError` for anything else."""
    try:
        number = whole(value)
    except QueryError:
        raise QueryError(f"{what}() takes a whole number of rows, not {value!r}") from None
    if number < least:
        raise QueryError(f"{what}() takes a number of rows from {least}, not {value!r}")
    return number
