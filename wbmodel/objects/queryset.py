"""``QuerySet``: a lazy, chainable query. Chain methods give a new queryset; terminal methods ask the backend.

Evaluation rules are Django's (``docs/reference/evaluation.md`` lists what asks and what does not). Each terminal method
is written once, as an operation, and offered in both colours: ``count()`` and ``await acount()``.
"""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import attrs

from wbmodel.display.notebook import Shown
from wbmodel.errors import ConfigurationError, FieldError, QueryError
from wbmodel.meta import Kind
from wbmodel.objects.chain import Chain, E_co, Origin, R_co
from wbmodel.objects.exports import Questions
from wbmodel.objects.manager import Manager
from wbmodel.objects.watch import Watching
from wbmodel.objects.writes import Writes
from wbmodel.query.f import PathExpr
from wbmodel.query.order import parse_order
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q

if TYPE_CHECKING:
    from typing_extensions import Self

    from wbmodel.compiler.explain import Explanation
    from wbmodel.operations.pages import Operation
    from wbmodel.session.session import Session

__all__ = ["QuerySet"]


class QuerySet(Shown, Watching[E_co], Writes[E_co], Questions, Chain[E_co, R_co]):
    """A query over entities of one class. ``QuerySet[Run]`` gives runs; ``QuerySet[Run, dict]`` gives ``values()``
    rows.

    Made by ``Run.objects`` or a relation (``project.runs``), never by hand. It binds to its session when it is
    evaluated: the one given to :meth:`using`, else the current one.
    """

    @classmethod
    def as_manager(cls) -> Manager[Self]:
        """A manager for the ``objects`` attribute of an entity class, whose querysets are of this class."""
        return Manager(cls)

    # -- slices --

    @overload
    def __getitem__(self, key: int) -> R_co: ...

    @overload
    def __getitem__(self, key: slice) -> Self: ...

    def __getitem__(self, key: int | slice) -> R_co | Self | list[R_co]:
        if isinstance(key, slice):
            return self._slice(slice(*(_whole(part) for part in (key.start, key.stop, key.step))))
        key = cast(int, _whole(key))
        if isinstance(key, bool) or not isinstance(key, int):
            raise QueryError(f"an index is a whole number or a slice, not {key!r}")
        if key < 0:
            raise QueryError("a negative index would need every row; use .last() or .reverse()[...]")
        if self._complete or key < len(self._cache):
            return cast(R_co, self._cache[key])
        rows = list(self._slice(slice(key, key + 1)))
        if not rows:
            raise IndexError(f"there is no row {key}")
        return rows[0]

    def _slice(self, key: slice) -> Self:
        start, stop, step = key.start, key.stop, key.step
        for part in (start, stop, step):
            if part is not None and (isinstance(part, bool) or not isinstance(part, int)):
                raise QueryError(f"a slice is made of whole numbers, not {part!r}")
            if part is not None and part < 0:
                raise QueryError("a negative slice would need every row; use .reverse()[:n] for the last n")
        if step == 0:
            raise QueryError("the step of a slice cannot be 0")
        if self._complete:
            return cast("Self", self._cache[key])
        plan = self._plan
        begin = plan.start + (start or 0)
        end = plan.stop if stop is None else plan.start + stop
        if plan.stop is not None:
            begin, end = min(begin, plan.stop), min(end if end is not None else plan.stop, plan.stop)
        made = self._clone(start=begin, stop=None if end is None else max(begin, end))
        # As in Django: a step evaluates.
        return made if step is None or step == 1 else cast("Self", list(made)[::step])

    # -- evaluation --

    def _bind(self) -> Session:
        from wbmodel.session.current import current_session, get_session

        session = self._session
        if session is None:
            return current_session()
        if isinstance(session, Origin):
            return session.find()
        return get_session(session) if isinstance(session, str) else session

    def _rows(self, session: Session, chunk: int | None = None) -> Operation[None]:
        """The operation that emits this queryset's results. ``chunk`` bounds what is prefetched for at a time."""
        from wbmodel.operations import answers as terminal

        return terminal.emit(self._evaluable(), self._shape, self._distinct, session.target, chunk)

    def _evaluable(self) -> Plan:
        # A subclass of an entity gets its own rows: same fields, its own class.
        return self._plan if self._entity is self._meta.cls else attrs.evolve(self._plan, cls=self._entity)

    def _fill(self, rows: list[Any]) -> None:
        self._cache, self._complete = rows, True

    def _more(self) -> bool:
        """Read on into the cache; False at the end. Iterators of one queryset share what was read."""
        with self._lock:
            if self._complete:
                return False
            if self._source is None:
                session = self._bind()
                self._source = session.iterate(self._rows(session), timeout=self._timeout)
            try:
                rows = next(self._source, None)
            except BaseException:
                # What was read so far is a part. The next one who asks begins anew, and never takes it for the whole.
                self._cache, self._source = [], None
                raise
            if rows is None:
                self._complete, self._source = True, None
                return False
            self._cache.extend(rows)
            return True

    def _fetch_all(self) -> list[Any]:
        while self._more():
            pass
        return self._cache

    def __iter__(self) -> Iterator[R_co]:
        at = 0
        while True:
            while at < len(self._cache):
                yield cast(R_co, self._cache[at])
                at += 1
            if not self._more() and at >= len(self._cache):
                return

    async def __aiter__(self) -> AsyncIterator[R_co]:
        if self._complete:
            for row in self._cache:
                yield cast(R_co, row)
            return
        session = self._bind()
        rows: list[Any] = []
        # Closed here and not by the garbage collector: whoever stops early has nothing left running.
        async with aclosing(session.aiterate(self._rows(session), timeout=self._timeout)) as parts:
            async for part in parts:
                for row in part:
                    rows.append(row)
                    yield cast(R_co, row)
        with self._lock:
            if not self._complete:
                self._cache, self._complete, self._source = rows, True, None

    def __len__(self) -> int:
        return len(self._fetch_all())

    def __bool__(self) -> bool:
        # One row answers it; the rest is read when somebody wants it.
        while not self._cache and self._more():
            pass
        return bool(self._cache)

    def __contains__(self, item: object) -> bool:
        return any(row == item for row in self)

    def iterator(self, chunk_size: int | None = None) -> Iterator[R_co]:
        """The rows one by one, without keeping them. ``chunk_size`` (rows) must be given after ``prefetch_related``:
        relations are loaded for so many rows at a time."""
        chunk = self._chunk(chunk_size)
        session = self._bind()

        def rows() -> Iterator[R_co]:
            for part in session.iterate(self._rows(session, chunk), timeout=self._timeout):
                yield from part

        return rows()

    def aiterator(self, chunk_size: int | None = None) -> AsyncIterator[R_co]:
        """The twin of :meth:`iterator`."""
        chunk = self._chunk(chunk_size)
        session = self._bind()

        async def rows() -> AsyncIterator[R_co]:
            async with aclosing(session.aiterate(self._rows(session, chunk), timeout=self._timeout)) as parts:
                async for part in parts:
                    for row in part:
                        yield row

        return rows()

    def _chunk(self, chunk_size: int | None) -> int | None:
        if chunk_size is None:
            if self._plan.prefetch:
                raise QueryError(
                    "iterator() after prefetch_related() needs chunk_size=, the rows to prefetch for at a time"
                )
            return None
        if type(chunk_size) is not int or chunk_size <= 0:
            raise QueryError(f"chunk_size is a number of rows above 0, not {chunk_size!r}")
        return chunk_size

    # -- terminal methods, in both colours --

    def _ask(self, method: str, *args: Any) -> Any:
        session = self._bind()
        return session.run(self._operation(method, session, args), timeout=self._timeout)

    async def _aask(self, method: str, *args: Any) -> Any:
        session = self._bind()
        return await session.arun(self._operation(method, session, args), timeout=self._timeout)

    def _operation(self, method: str, session: Session, args: tuple[Any, ...]) -> Operation[Any]:
        from wbmodel.operations import answers as terminal

        operation: Operation[Any] = getattr(terminal, method)(self, session.target, *args)
        return operation

    def get(self, *conditions: Q, **lookups: Any) -> R_co:
        """The one row that meets the conditions. Raises the class's ``DoesNotExist`` or ``MultipleObjectsReturned``."""
        return cast(R_co, self._narrow(conditions, lookups)._ask("get"))

    async def aget(self, *conditions: Q, **lookups: Any) -> R_co:
        """The twin of :meth:`get`."""
        return cast(R_co, await self._narrow(conditions, lookups)._aask("get"))

    def get_or_none(self, *conditions: Q, **lookups: Any) -> R_co | None:
        """Like :meth:`get`, with None where there is no such row."""
        return cast("R_co | None", self._narrow(conditions, lookups)._ask("get_or_none"))

    async def aget_or_none(self, *conditions: Q, **lookups: Any) -> R_co | None:
        """The twin of :meth:`get_or_none`."""
        return cast("R_co | None", await self._narrow(conditions, lookups)._aask("get_or_none"))

    def _narrow(self, conditions: tuple[Q, ...], lookups: dict[str, Any]) -> Self:
        return self.filter(*conditions, **lookups) if conditions or lookups else self._clone()

    def first(self) -> R_co | None:
        """The first row, or None."""
        return cast("R_co | None", self._ask("first"))

    async def afirst(self) -> R_co | None:
        """The twin of :meth:`first`."""
        return cast("R_co | None", await self._aask("first"))

    def last(self) -> R_co | None:
        """The first row of :meth:`reverse`, or None."""
        return cast("R_co | None", self.reverse()._ask("first"))

    async def alast(self) -> R_co | None:
        """The twin of :meth:`last`."""
        return cast("R_co | None", await self.reverse()._aask("first"))

    def latest(self, *keys: str | PathExpr) -> R_co:
        """The last row by these keys (``created_at``). Raises ``DoesNotExist`` when there is none."""
        return cast(R_co, self.order_by(*(keys or ("created_at",))).reverse()._ask("first_or_raise"))

    async def alatest(self, *keys: str | PathExpr) -> R_co:
        """The twin of :meth:`latest`."""
        return cast(R_co, await self.order_by(*(keys or ("created_at",))).reverse()._aask("first_or_raise"))

    def earliest(self, *keys: str | PathExpr) -> R_co:
        """The first row by these keys (``created_at``). Raises ``DoesNotExist`` when there is none."""
        return cast(R_co, self.order_by(*(keys or ("created_at",)))._ask("first_or_raise"))

    async def aearliest(self, *keys: str | PathExpr) -> R_co:
        """The twin of :meth:`earliest`."""
        return cast(R_co, await self.order_by(*(keys or ("created_at",)))._aask("first_or_raise"))

    def best(self, path: str | PathExpr, *, goal: Literal["min", "max"]) -> R_co | None:
        """The row with the smallest or largest number at ``path``; None when no row has one (NaN is none)."""
        return cast("R_co | None", self._best(path, goal)._ask("best"))

    async def abest(self, path: str | PathExpr, *, goal: Literal["min", "max"]) -> R_co | None:
        """The twin of :meth:`best`."""
        return cast("R_co | None", await self._best(path, goal)._aask("best"))

    def _best(self, path: str | PathExpr, goal: str) -> Self:
        if goal not in ("min", "max"):
            raise QueryError(f"goal is 'min' or 'max', not {goal!r}")
        key = parse_order(self._meta, path)
        if not (key.path.kind.is_keyed or key.path.kind in (Kind.INT, Kind.FLOAT, Kind.TIME)):
            name = key.path.dotted
            raise FieldError(
                f"best({name!r}): {self._meta.name}.{name} holds no numbers; order_by({name!r}).first() gives the "
                "first by it"
            )
        self._refuse_sliced("best")
        return self._clone(order=(attrs.evolve(key, descending=goal == "max"),))

    def count(self) -> int:
        """How many rows there are. The backend counts when its filter means just what was asked; else rows are read."""
        return len(self._cache) if self._complete else int(self._ask("count"))

    async def acount(self) -> int:
        """The twin of :meth:`count`."""
        return len(self._cache) if self._complete else int(await self._aask("count"))

    def exists(self) -> bool:
        """Whether there is any row."""
        return bool(self._cache) or (not self._complete and bool(self._ask("exists")))

    async def aexists(self) -> bool:
        """The twin of :meth:`exists`."""
        return bool(self._cache) or (not self._complete and bool(await self._aask("exists")))

    def contains(self, obj: object) -> bool:
        """Whether the entity ``obj`` is among the rows; asks for no more than that."""
        return obj in self._cache if self._complete else bool(self._asked_for(obj)._ask("contains", obj))

    async def acontains(self, obj: object) -> bool:
        """The twin of :meth:`contains`."""
        return obj in self._cache if self._complete else bool(await self._asked_for(obj)._aask("contains", obj))

    def _asked_for(self, obj: object) -> Self:
        self._refuse_shaped("contains")
        if not isinstance(obj, self._meta.cls):
            raise QueryError(f"contains() takes a {self._meta.name}, not {obj!r}")
        return self._clone() if self._plan.sliced else self.filter(**{self._meta.key: getattr(obj, self._meta.key)})

    def in_bulk(self, ids: Iterable[str] | None = None, *, field: str | None = None) -> dict[str, E_co]:
        """Entities by id (or by ``field``) as a dict; ids that are not there are left out. No ids: every row."""
        return cast("dict[str, E_co]", self._bulk()._ask("in_bulk", ids, field))

    async def ain_bulk(self, ids: Iterable[str] | None = None, *, field: str | None = None) -> dict[str, E_co]:
        """The twin of :meth:`in_bulk`."""
        return cast("dict[str, E_co]", await self._bulk()._aask("in_bulk", ids, field))

    def _bulk(self) -> Self:
        self._refuse_sliced("in_bulk")
        self._refuse_shaped("in_bulk")
        return self

    # -- looking at the query --

    @property
    def query(self) -> QueryText:
        """What will be sent first; ``str(qs.query)`` prints the document and its variables. Asks nothing."""
        return QueryText(self)

    def explain(self, *, analyze: bool = False) -> Explanation:
        """What the backend is asked, what is done here, in which order and with how many requests. Asks nothing, unless
        ``analyze``: then the query runs, and the figures are added."""
        from wbmodel.compiler.explain import explain

        session = self._bind()
        told = explain(self._plan, session.target)
        if not analyze:
            return told
        before, started = session.stats.requests, datetime.now(timezone.utc)
        rows = sum(1 for _ in self._clone().iterator(100 if self._plan.prefetch else None))
        return self._analyzed(told, rows, session.stats.requests - before, started)

    async def aexplain(self, *, analyze: bool = False) -> Explanation:
        """The twin of :meth:`explain`."""
        from wbmodel.compiler.explain import explain

        session = self._bind()
        told = explain(self._plan, session.target)
        if not analyze:
            return told
        before, started, rows = session.stats.requests, datetime.now(timezone.utc), 0
        async for _ in self._clone().aiterator(100 if self._plan.prefetch else None):
            rows += 1
        return self._analyzed(told, rows, session.stats.requests - before, started)

    @staticmethod
    def _analyzed(told: Explanation, rows: int, requests: int, started: datetime) -> Explanation:
        seconds = (datetime.now(timezone.utc) - started).total_seconds()
        return attrs.evolve(told, analysis={"rows": rows, "sent requests": requests, "seconds": round(seconds, 4)})

    def __getstate__(self) -> dict[str, Any]:
        from wbmodel._version import __version__

        rows = list(self._fetch_all())
        try:
            session = Origin(self._bind().origin)
        except ConfigurationError:
            session = None  # the rows are here, and whoever asks again says where
        return {
            "entity": self._entity, "plan": self._plan, "shape": self._shape, "distinct": self._distinct,
            "session": session, "timeout": self._timeout, "rows": rows, "version": __version__,
        }  # fmt: skip

    def __copy__(self) -> Self:
        return self._clone()

    def __deepcopy__(self, memo: Any) -> Self:
        return self._clone()

    def __setstate__(self, state: dict[str, Any]) -> None:
        from wbmodel._version import __version__

        if state["version"] != __version__:
            import warnings

            warnings.warn(
                f"this queryset was pickled by wbmodel {state['version']} and is read by {__version__}",
                RuntimeWarning,
                stacklevel=2,
            )
        self._entity, self._plan, self._shape = state["entity"], state["plan"], state["shape"]
        self._distinct, self._session, self._timeout = state["distinct"], state["session"], state.get("timeout")
        self._untouched = False
        self._reset()
        self._fill(state["rows"])


def _whole(part: Any) -> Any:
    """Whole numbers of other libraries (numpy's) as Python's; everything else as it is, to be refused by name."""
    if part is None or isinstance(part, bool):
        return part
    try:
        return operator.index(part)
    except TypeError:
        return part


class QueryText:
    """The text of a query, made when it is printed."""

    def __init__(self, rows: QuerySet[Any, Any]) -> None:
        self._rows = rows

    def __str__(self) -> str:
        from wbmodel.compiler.explain import text_of

        rows = self._rows
        return text_of(rows._plan, rows._bind().target)

    def __repr__(self) -> str:
        return str(self)
