"""``QuerySet``: a lazy, chainable query. Chain methods return a new queryset; terminal methods make requests.

The evaluation rules are Django's (``docs/reference/evaluation.md`` lists what makes requests and what does not). Each
terminal method is one operation, with a sync and an async version: ``count()`` and ``await acount()``.
"""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import attrs

from wbmodel import operations
from wbmodel.errors import ConfigurationError, FieldError, NotSupported, QueryError
from wbmodel.meta.parts import Wanted
from wbmodel.meta.state import holds
from wbmodel.objects.chain import Chain
from wbmodel.objects.exports import Exports
from wbmodel.objects.keyed import Keyed
from wbmodel.objects.manager import Manager
from wbmodel.objects.origin import Origin, bound, warn_of_version
from wbmodel.objects.query_text import QueryText
from wbmodel.objects.result import Result
from wbmodel.objects.typevars import E_co, R_co
from wbmodel.query.f import PathExpr
from wbmodel.query.order import best_key
from wbmodel.query.q import Q

if TYPE_CHECKING:
    import os

    from typing_extensions import Self

    from wbmodel.compiler.explain import Explanation
    from wbmodel.display.notebook import Listing
    from wbmodel.objects.grouped import Grouped
    from wbmodel.objects.history import HistorySet
    from wbmodel.objects.watch import Change, Watch
    from wbmodel.operations.answer import Operation
    from wbmodel.operations.bulk import Work
    from wbmodel.operations.bulk_result import BulkResult
    from wbmodel.operations.groups import Asked, Choose, Groups, Key
    from wbmodel.operations.preview import Preview
    from wbmodel.query.aggregates import Aggregate, EverythingBut
    from wbmodel.session.session import Session
    from wbmodel.table.table import Table

__all__ = ["QuerySet"]


class QuerySet(Keyed, Exports, Chain[E_co, R_co]):
    """A query over entities of one class. ``QuerySet[Run]`` yields runs; ``QuerySet[Run, dict]`` ``values()`` rows.

    Get one from ``Run.objects`` or a relation (``project.runs``); do not create it directly. Its session is the one
    given to :meth:`using`, else the one whose ``with`` block was open here when the queryset was made, else the current
    one when it is evaluated.
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
            raise QueryError(f"an index must be a whole number or a slice, not {key!r}")
        if key < 0:
            raise QueryError("a negative index would need every row; use .last() or .reverse()[...]")
        if self._result.complete or key < len(self._result.rows):
            return cast(R_co, self._result.rows[key])
        rows = list(self._slice(slice(key, key + 1)))
        if not rows:
            raise IndexError(f"row index {key} is out of range")
        return rows[0]

    def _slice(self, key: slice) -> Self:
        start, stop, step = key.start, key.stop, key.step
        for part in (start, stop, step):
            if part is not None and (isinstance(part, bool) or not isinstance(part, int)):
                raise QueryError(f"a slice takes whole numbers, not {part!r}")
            if part is not None and part < 0:
                raise QueryError("a negative slice would need every row; use .reverse()[:n] for the last n")
        if step == 0:
            raise QueryError("the step of a slice cannot be 0")
        if self._result.complete:
            return cast("Self", self._result.rows[key])
        plan = self._plan
        begin = plan.start + (start or 0)
        end = plan.stop if stop is None else plan.start + stop
        if plan.stop is not None:
            begin, end = min(begin, plan.stop), min(end if end is not None else plan.stop, plan.stop)
        made = self._with(start=begin, stop=None if end is None else max(begin, end))
        # As in Django, a step evaluates the queryset.
        return made if step is None or step == 1 else cast("Self", list(made)[::step])

    # -- evaluation --

    def _bind(self) -> Session:
        return bound(self._using if self._using is not None else self._result.session)

    def _begin(self) -> tuple[Session, Iterator[Sequence[Any]]]:
        session = self._bind()
        return session, session.iterate(operations.results.emit(self._plan, session.target), timeout=self._timeout)

    def _fetch_all(self) -> list[Any]:
        while self._result.more(self._begin):
            pass
        return self._result.rows

    def __iter__(self) -> Iterator[R_co]:
        at, result = 0, self._result
        while True:
            while at < len(result.rows):
                yield cast(R_co, result.rows[at])
                at += 1
            if not result.more(self._begin) and at >= len(result.rows):
                return

    async def __aiter__(self) -> AsyncIterator[R_co]:
        if self._result.complete:
            for row in self._result.rows:
                yield cast(R_co, row)
            return
        session = self._bind()
        rows: list[Any] = []
        asked = operations.results.emit(self._plan, session.target)
        # Closed here, not by the garbage collector, so that nothing keeps running after an early stop.
        async with aclosing(session.aiterate(asked, timeout=self._timeout)) as parts:
            async for part in parts:
                for row in part:
                    rows.append(row)
                    yield cast(R_co, row)
        self._result.take(rows, session)

    def __len__(self) -> int:
        return len(self._fetch_all())

    def __bool__(self) -> bool:
        # One row is enough; the rest is read only when needed.
        while not self._result.rows and self._result.more(self._begin):
            pass
        return bool(self._result.rows)

    def __contains__(self, item: object) -> bool:
        return any(row == item for row in self)

    def iterator(self, chunk_size: int | None = None) -> Iterator[R_co]:
        """Iterate over the rows without caching them. After ``prefetch_related``, ``chunk_size`` is required: the
        number of rows whose relations are loaded at a time."""
        chunk = self._chunk(chunk_size)
        session = self._bind()

        def rows() -> Iterator[R_co]:
            for part in session.iterate(
                operations.results.emit(self._plan, session.target, chunk), timeout=self._timeout
            ):
                yield from part

        return rows()

    def aiterator(self, chunk_size: int | None = None) -> AsyncIterator[R_co]:
        """The async twin of :meth:`iterator`."""
        chunk = self._chunk(chunk_size)
        session = self._bind()

        async def rows() -> AsyncIterator[R_co]:
            asked = operations.results.emit(self._plan, session.target, chunk)
            async with aclosing(session.aiterate(asked, timeout=self._timeout)) as parts:
                async for part in parts:
                    for row in part:
                        yield row

        return rows()

    def _chunk(self, chunk_size: int | None) -> int | None:
        if chunk_size is None:
            if self._plan.prefetch:
                raise QueryError(
                    "iterator() after prefetch_related() needs chunk_size=, the number of rows to prefetch at a time"
                )
            return None
        if type(chunk_size) is not int or chunk_size <= 0:
            raise QueryError(f"chunk_size must be a positive number of rows, not {chunk_size!r}")
        return chunk_size

    # -- terminal methods, sync and async --

    def _ask(self, operation: Callable[..., Operation[Any]], *args: Any) -> Any:
        session = self._bind()
        return session.run(operation(self._plan, session.target, *args), timeout=self._timeout)

    async def _aask(self, operation: Callable[..., Operation[Any]], *args: Any) -> Any:
        session = self._bind()
        return await session.arun(operation(self._plan, session.target, *args), timeout=self._timeout)

    def get(self, *conditions: Q, **lookups: Any) -> R_co:
        """The only row that matches. Raises the class's ``DoesNotExist`` or ``MultipleObjectsReturned`` otherwise."""
        return cast(R_co, self._narrow(conditions, lookups)._ask(operations.answers.get))

    async def aget(self, *conditions: Q, **lookups: Any) -> R_co:
        """The async twin of :meth:`get`."""
        return cast(R_co, await self._narrow(conditions, lookups)._aask(operations.answers.get))

    def get_or_none(self, *conditions: Q, **lookups: Any) -> R_co | None:
        """Like :meth:`get`, but None if no row matches."""
        return cast("R_co | None", self._narrow(conditions, lookups)._ask(operations.answers.get_or_none))

    async def aget_or_none(self, *conditions: Q, **lookups: Any) -> R_co | None:
        """The async twin of :meth:`get_or_none`."""
        return cast("R_co | None", await self._narrow(conditions, lookups)._aask(operations.answers.get_or_none))

    def _narrow(self, conditions: tuple[Q, ...], lookups: dict[str, Any]) -> Self:
        return self.filter(*conditions, **lookups) if conditions or lookups else self._with()

    def first(self) -> R_co | None:
        """The first row, or None."""
        return cast("R_co | None", self._ask(operations.answers.first))

    async def afirst(self) -> R_co | None:
        """The async twin of :meth:`first`."""
        return cast("R_co | None", await self._aask(operations.answers.first))

    def last(self) -> R_co | None:
        """The first row of :meth:`reverse`, or None."""
        return cast("R_co | None", self._reversed()._ask(operations.answers.first))

    async def alast(self) -> R_co | None:
        """The async twin of :meth:`last`."""
        return cast("R_co | None", await self._reversed()._aask(operations.answers.first))

    def _reversed(self) -> Self:
        if self._plan.sliced:
            raise QueryError("last() cannot follow a slice: use list(rows)[-1], or reverse().first() before slicing")
        return self.reverse()

    def latest(self, *keys: str | PathExpr) -> R_co:
        """The last row by these keys (default: ``created_at``). Raises ``DoesNotExist`` if there are no rows."""
        return cast(R_co, self.order_by(*(keys or ("created_at",))).reverse()._ask(operations.answers.first_or_raise))

    async def alatest(self, *keys: str | PathExpr) -> R_co:
        """The async twin of :meth:`latest`."""
        return cast(
            R_co, await self.order_by(*(keys or ("created_at",))).reverse()._aask(operations.answers.first_or_raise)
        )

    def earliest(self, *keys: str | PathExpr) -> R_co:
        """The first row by these keys (default: ``created_at``). Raises ``DoesNotExist`` if there are no rows."""
        return cast(R_co, self.order_by(*(keys or ("created_at",)))._ask(operations.answers.first_or_raise))

    async def aearliest(self, *keys: str | PathExpr) -> R_co:
        """The async twin of :meth:`earliest`."""
        return cast(R_co, await self.order_by(*(keys or ("created_at",)))._aask(operations.answers.first_or_raise))

    def best(self, path: str | PathExpr, *, goal: Literal["min", "max"] | None = None) -> R_co | None:
        """The row with the smallest or largest number at ``path``; None if no row has one (NaN does not count)."""
        return cast("R_co | None", self._best(path, goal)._ask(operations.answers.best))

    async def abest(self, path: str | PathExpr, *, goal: Literal["min", "max"] | None = None) -> R_co | None:
        """The async twin of :meth:`best`."""
        return cast("R_co | None", await self._best(path, goal)._aask(operations.answers.best))

    def _best(self, path: str | PathExpr, goal: str | None) -> Self:
        key = best_key(self._plan.meta, path, goal)
        self._plan.refuse_sliced("best")
        return self._with(order=(key,))

    def count(self) -> int:
        """The number of rows. The backend counts them if its filter is exact; otherwise rows are read."""
        return len(self._result.rows) if self._result.complete else int(self._ask(operations.count.count))

    async def acount(self) -> int:
        """The async twin of :meth:`count`."""
        return len(self._result.rows) if self._result.complete else int(await self._aask(operations.count.count))

    def exists(self) -> bool:
        """Whether there are any rows."""
        return bool(self._result.rows) or (not self._result.complete and bool(self._ask(operations.count.exists)))

    async def aexists(self) -> bool:
        """The async twin of :meth:`exists`."""
        return bool(self._result.rows) or (
            not self._result.complete and bool(await self._aask(operations.count.exists))
        )

    def contains(self, obj: object) -> bool:
        """Whether the entity ``obj`` is among the rows, without reading all of them."""
        return (
            obj in self._result.rows
            if self._result.complete
            else bool(self._asked_for(obj)._ask(operations.answers.contains, obj))
        )

    async def acontains(self, obj: object) -> bool:
        """The async twin of :meth:`contains`."""
        return (
            obj in self._result.rows
            if self._result.complete
            else bool(await self._asked_for(obj)._aask(operations.answers.contains, obj))
        )

    def _asked_for(self, obj: object) -> Self:
        self._plan.refuse_shaped("contains")
        if not isinstance(obj, self._plan.meta.cls):
            raise QueryError(f"contains() takes a {self._plan.meta.name}, not {obj!r}")
        return (
            self._with()
            if self._plan.sliced
            else self.filter(**{self._plan.meta.key: getattr(obj, self._plan.meta.key)})
        )

    def in_bulk(
        self, ids: Iterable[str] | None = None, *, field: str | None = None, field_name: str | None = None
    ) -> dict[str, E_co]:
        """Entities by id (or by ``field``) as a dict; unknown ids are omitted. Without ids: every row.
        ``field_name`` is Django's name for ``field``."""
        return cast("dict[str, E_co]", self._bulk()._ask(operations.answers.in_bulk, ids, field or field_name))

    async def ain_bulk(
        self, ids: Iterable[str] | None = None, *, field: str | None = None, field_name: str | None = None
    ) -> dict[str, E_co]:
        """The async twin of :meth:`in_bulk`."""
        return cast("dict[str, E_co]", await self._bulk()._aask(operations.answers.in_bulk, ids, field or field_name))

    def _bulk(self) -> Self:
        self._plan.refuse_sliced("in_bulk")
        self._plan.refuse_shaped("in_bulk")
        return self

    # -- inspecting the query --

    @property
    def query(self) -> QueryText:
        """The first request; ``str(qs.query)`` gives the document and its variables. Makes no requests."""
        return QueryText(self._first_request)

    def _first_request(self) -> str:
        from wbmodel.compiler.explain import text_of

        return text_of(self._plan, self._bind().target)

    def explain(self, *, analyze: bool = False) -> Explanation:
        """Explain what the backend does, what is done locally, in which order and with how many requests. Makes no
        requests, unless ``analyze`` is true: then the query runs, and its figures are added."""
        from wbmodel.compiler.explain import explain

        session = self._bind()
        told = explain(self._plan, session.target)
        if not analyze:
            return told
        before, started = session.stats.requests, datetime.now(timezone.utc)
        rows = sum(1 for _ in self.all().iterator(100 if self._plan.prefetch else None))
        return self._analyzed(told, rows, session.stats.requests - before, started)

    async def aexplain(self, *, analyze: bool = False) -> Explanation:
        """The async twin of :meth:`explain`."""
        from wbmodel.compiler.explain import explain

        session = self._bind()
        told = explain(self._plan, session.target)
        if not analyze:
            return told
        before, started, rows = session.stats.requests, datetime.now(timezone.utc), 0
        async for _ in self.all().aiterator(100 if self._plan.prefetch else None):
            rows += 1
        return self._analyzed(told, rows, session.stats.requests - before, started)

    @staticmethod
    def _analyzed(told: Explanation, rows: int, requests: int, started: datetime) -> Explanation:
        seconds = (datetime.now(timezone.utc) - started).total_seconds()
        return attrs.evolve(told, analysis={"rows": rows, "sent requests": requests, "seconds": round(seconds, 4)})

    # -- tables, aggregates, keys --

    def _table(self) -> Table:
        if self._result.complete:
            return operations.table.of_results(self._result.rows, self._plan)
        return cast("Table", self._ask(operations.table.table))

    async def _atable(self) -> Table:
        if self._result.complete:
            return operations.table.of_results(self._result.rows, self._plan)
        return cast("Table", await self._aask(operations.table.table))

    def _held(self, wanted: Sequence[Wanted]) -> list[Any] | None:
        """The cached entities, if they were loaded with all that is wanted."""
        rows = self._result.rows
        if not self._result.complete or self._plan.is_shaped:
            return None
        return rows if not rows or all(holds(rows[0], item) for item in wanted) else None

    def aggregate(self, **aggregates: Aggregate) -> dict[str, Any]:
        """Aggregate all rows, one result per name: ``aggregate(n=Count(), best=Min("summary.loss"))``. Null and NaN are
        skipped; ``docs/reference/aggregates.md`` has the rules. Raises :class:`~wbmodel.errors.FieldError`, naming the
        row, for text where numbers are expected."""
        asked = self._checked(aggregates)
        if not asked or all(path is None for _, path in asked.values()):
            # Only the number of rows is needed, which the backend may know.
            return dict.fromkeys(asked, self.count()) if asked else {}
        return self._groups((), asked).first()

    async def aaggregate(self, **aggregates: Aggregate) -> dict[str, Any]:
        """The async twin of :meth:`aggregate`."""
        asked = self._checked(aggregates)
        if not asked or all(path is None for _, path in asked.values()):
            return dict.fromkeys(asked, await self.acount()) if asked else {}
        return (await self._agroups((), asked)).first()

    def _checked(self, aggregates: Mapping[str, Aggregate]) -> Asked:
        self._plan.refuse_shaped("an aggregate")
        return operations.groups.checked(self._plan.meta, aggregates)

    def _groups(self, keys: Sequence[Key], asked: Asked) -> Groups:
        here = self._groups_here(keys, asked)
        return here if here is not None else cast("Groups", self._ask(operations.groups.groups, keys, asked))

    async def _agroups(self, keys: Sequence[Key], asked: Asked) -> Groups:
        here = self._groups_here(keys, asked)
        return here if here is not None else cast("Groups", await self._aask(operations.groups.groups, keys, asked))

    def _groups_here(self, keys: Sequence[Key], asked: Asked) -> Groups | None:
        """The groups of the cached rows; None if rows have to be read."""
        meta = self._plan.meta
        rows = self._held(operations.groups.needed(meta, keys, asked))
        return None if rows is None else operations.groups.group_held(meta, rows, keys, asked)

    def group_by(self, *keys: str | PathExpr | EverythingBut) -> Grouped[E_co, dict[str, Any]]:
        """Group rows by equal values at these paths, to :meth:`annotate` with aggregates. Lazy; makes no requests.
        Example: ``group_by("config.lr").annotate(n=Count(), loss=Mean("summary.loss"))``."""
        from wbmodel.objects.grouped import Grouped, Reading

        reading = Reading(self._groups, self._agroups, self._best_of_each, self._abest_of_each, self._explain_groups)
        return Grouped.of(self._plan, keys, reading)

    def _explain_groups(self, keys: Sequence[Key], asked: Asked) -> Explanation:
        return operations.groups.explained(self._plan, self._bind().target, keys, asked)

    def _best_of_each(
        self, keys: Sequence[Key], asked: Asked, path: str | PathExpr, goal: str, choose: Choose
    ) -> list[E_co]:
        by = best_key(self._plan.meta, path, goal)
        here = self._held(operations.groups.needed_for_best(self._plan.meta, keys, asked, by))
        if here is not None:
            return operations.groups.best_among(self._plan.meta, here, keys, asked, by, choose)
        return cast("list[E_co]", self._ask(operations.groups.best_of_each, keys, asked, by, choose))

    async def _abest_of_each(
        self, keys: Sequence[Key], asked: Asked, path: str | PathExpr, goal: str, choose: Choose
    ) -> list[E_co]:
        by = best_key(self._plan.meta, path, goal)
        here = self._held(operations.groups.needed_for_best(self._plan.meta, keys, asked, by))
        if here is not None:
            return operations.groups.best_among(self._plan.meta, here, keys, asked, by, choose)
        return cast("list[E_co]", await self._aask(operations.groups.best_of_each, keys, asked, by, choose))

    # -- histories --

    @property
    def history(self) -> HistorySet:
        """The rows that all these runs logged, run after run: see :class:`~wbmodel.objects.history.HistorySet`. Their
        first column is ``run``, the short id. Makes no requests."""
        from wbmodel.objects.history import HistorySet

        return HistorySet.of_runs(self._plan, self._held, self._using or self._result.session)

    # -- one row --

    def create(self, **values: Any) -> E_co:
        """Create one entity and return it as the server stored it.

        Example: ``Run.objects.create(project="acme/vision", name="first", config={"lr": 0.1}, tags=["new"])``. The
        project comes from the arguments, from ``filter(project=...)``, from the relation (``project.runs.create()``),
        or from the session; a missing project is created with its first run, as ``wandb.init`` does.
        ``sweep.runs.create()`` creates a run of that sweep.

        W&B's mutation overwrites, so a given ``id`` is looked up first and then claimed by a mutation that has the id
        alone and tells who was first; the values follow. If the id exists, :class:`~wbmodel.errors.ConflictError` is
        raised and nothing is written. Without an ``id``, a new one is generated locally, which makes
        the request idempotent (except for a sweep, whose id the server chooses: a repeated request creates two). A run
        is created in the state ``running`` unless ``state`` is given. Raises :class:`~wbmodel.errors.FieldError` before
        any request.
        """
        return cast("E_co", self._ask(operations.create.create, values))

    async def acreate(self, **values: Any) -> E_co:
        """The async twin of :meth:`create`."""
        return cast("E_co", await self._aask(operations.create.create, values))

    def get_or_create(self, defaults: Mapping[str, Any] | None = None, **lookups: Any) -> tuple[E_co, bool]:
        """Return the matching row, or create it from the exact lookups and ``defaults``; and whether it is new.
        Callables in ``defaults`` are called. Keys of ``config`` and ``summary`` from lookups and ``defaults`` are
        merged; :class:`~wbmodel.errors.FieldError` is raised if they contradict each other, so that the new row would
        not match its own lookups. Of several concurrent callers with the same ``id``, one creates the row, and the
        others get it, perhaps before its values have arrived; without an ``id``, each may create one."""
        return cast("tuple[E_co, bool]", self._ask(operations.create.get_or_create, lookups, defaults or {}))

    async def aget_or_create(self, defaults: Mapping[str, Any] | None = None, **lookups: Any) -> tuple[E_co, bool]:
        """The async twin of :meth:`get_or_create`."""
        return cast("tuple[E_co, bool]", await self._aask(operations.create.get_or_create, lookups, defaults or {}))

    def update_or_create(
        self,
        defaults: Mapping[str, Any] | None = None,
        create_defaults: Mapping[str, Any] | None = None,
        **lookups: Any,
    ) -> tuple[E_co, bool]:
        """Apply ``defaults`` to the matching row and save it, or create a row; and whether it is new.
        ``defaults`` are changes as in :meth:`update`: ``{"notes": "n", "config__lr": 0.1, "tags": Add("x")}``, and
        ``Set`` for a whole config or summary. A new row is created as by :meth:`get_or_create`, with
        ``create_defaults`` if given."""
        made = self._ask(operations.create.update_or_create, lookups, defaults or {}, create_defaults)
        return cast("tuple[E_co, bool]", made)

    async def aupdate_or_create(
        self,
        defaults: Mapping[str, Any] | None = None,
        create_defaults: Mapping[str, Any] | None = None,
        **lookups: Any,
    ) -> tuple[E_co, bool]:
        """The async twin of :meth:`update_or_create`."""
        made = await self._aask(operations.create.update_or_create, lookups, defaults or {}, create_defaults)
        return cast("tuple[E_co, bool]", made)

    # -- many rows --

    def update(
        self,
        changes: Mapping[Any, Any] | None = None,
        /,
        *,
        dry_run: bool = False,
        journal: str | os.PathLike[str] | None = None,
        at_once: int = 8,
        errors: Literal["raise", "return"] = "raise",
        **fields: Any,
    ) -> BulkResult:
        """Change every row: ``update(group="x", tags=Add("good"), config__lr=0.1, summary__best=Unset())``.

        Paths that are not identifiers go in a mapping: ``update({F.summary["eval/acc"]: 0.5})``. ``Set(value)``
        replaces a whole config or summary. Each row costs one request with its changes; a row that already has the
        values costs none.

        All rows are read first. Then at most ``at_once`` requests are in flight. A row that fails does not affect the
        others; at the end, :class:`~wbmodel.errors.BulkError` reports the failures, and its ``result`` has every row
        (with ``errors="return"``, the result is returned instead). ``dry_run=True`` reads but sends no changes.

        ``journal`` is a file that gets a line for each settled row. The same call with the same file skips the rows
        that are done; a file of another call is refused. Unlike ``save(check=True)``, it does not compare rows with the
        server before writing. Raises :class:`~wbmodel.errors.FieldError` before any request, and
        :class:`~wbmodel.errors.QueryError` for a slice or ``values()``.
        """
        return self._write(self._updating(changes, fields), dry_run, at_once, journal, errors)

    async def aupdate(
        self,
        changes: Mapping[Any, Any] | None = None,
        /,
        *,
        dry_run: bool = False,
        journal: str | os.PathLike[str] | None = None,
        at_once: int = 8,
        errors: Literal["raise", "return"] = "raise",
        **fields: Any,
    ) -> BulkResult:
        """The async twin of :meth:`update`."""
        return await self._awrite(self._updating(changes, fields), dry_run, at_once, journal, errors)

    def _updating(self, changes: Mapping[Any, Any] | None, fields: Mapping[str, Any]) -> Work:
        from wbmodel.query.changes import resolve_changes

        if changes is not None and not isinstance(changes, Mapping):
            raise FieldError(f"update() takes keyword arguments or one mapping of paths to values, not {changes!r:.80}")
        return operations.bulk.Updating(resolve_changes(self._plan.meta, changes or {}, fields))

    def delete(
        self,
        *,
        dry_run: bool = False,
        delete_artifacts: bool = False,
        delete_aliases: bool = False,
        delete_drafts: bool = True,
        journal: str | os.PathLike[str] | None = None,
        at_once: int = 8,
        errors: Literal["raise", "return"] = "raise",
    ) -> BulkResult:
        """Delete every row permanently.

        ``delete_artifacts=True`` also deletes the artifact versions that runs logged, ``delete_drafts=False`` keeps the
        drafts of reports. An artifact version that has aliases fails without ``delete_aliases=True``. ``dry_run=True``
        reports what would be deleted without deleting it. The other arguments are as for :meth:`update`. Sweeps cannot
        be deleted: W&B's clients have no mutation for it.

        ``Run.objects.delete()`` is refused, as a mistake would cost every run; write ``Run.objects.all().delete()``.
        """
        work = self._deleting(
            delete_artifacts=delete_artifacts, delete_aliases=delete_aliases, delete_drafts=delete_drafts
        )
        return self._write(work, dry_run, at_once, journal, errors)

    async def adelete(
        self,
        *,
        dry_run: bool = False,
        delete_artifacts: bool = False,
        delete_aliases: bool = False,
        delete_drafts: bool = True,
        journal: str | os.PathLike[str] | None = None,
        at_once: int = 8,
        errors: Literal["raise", "return"] = "raise",
    ) -> BulkResult:
        """The async twin of :meth:`delete`."""
        work = self._deleting(
            delete_artifacts=delete_artifacts, delete_aliases=delete_aliases, delete_drafts=delete_drafts
        )
        return await self._awrite(work, dry_run, at_once, journal, errors)

    def _deleting(self, **flags: bool) -> Work:
        meta = self._plan.meta
        writes = meta.options.writes
        if writes is None or writes.delete is None:
            raise NotSupported(f"{meta.plural} cannot be deleted: W&B's clients have no mutation for it")
        for name, on in flags.items():
            if not isinstance(on, bool):
                raise FieldError(f"{name} must be True or False, not {on!r}")
        if flags["delete_artifacts"] and "delete_artifacts" not in writes.flags:
            raise FieldError(f"delete_artifacts applies only to runs, which log artifacts; {meta.plural} do not")
        if flags["delete_aliases"] and "delete_aliases" not in writes.flags:
            raise FieldError(f"delete_aliases applies only to artifacts; {meta.plural} have no aliases")
        if not self._plan.stated:
            raise QueryError(
                f"{meta.name}.objects.delete() would delete every {meta.name}; if that is intended, write "
                f"{meta.name}.objects.all().delete()"
            )
        return operations.bulk.Deleting(meta, {name: flags[name] for name in writes.flags})

    def _write(self, work: Work, dry_run: bool, at_once: int, journal: Any, errors: str) -> BulkResult:
        from wbmodel.objects.bulk import run

        session = self._bind()
        made = operations.bulk.Bulk.of(self._plan, session.target, work, dry_run, at_once, journal, errors)
        return run(made, session, self._timeout, errors)

    async def _awrite(self, work: Work, dry_run: bool, at_once: int, journal: Any, errors: str) -> BulkResult:
        from wbmodel.objects.bulk import arun

        session = self._bind()
        made = operations.bulk.Bulk.of(self._plan, session.target, work, dry_run, at_once, journal, errors)
        return await arun(made, session, self._timeout, errors)

    # -- watching --

    def watch(
        self, interval: float = 30, timeout: float | None = None, *, existing: bool = False
    ) -> Iterator[Change[E_co]]:
        """Poll every ``interval`` seconds, and yield each :class:`Change` since the previous poll.

        Stops after ``timeout`` seconds (None: never). Rows that exist at the start are not changes; with ``existing``,
        they are yielded as added.

        The loaded fields are compared (``only("state")`` watches the state). ``heartbeat_at`` and ``updated_at`` count
        only if ``only()`` names them, and a changed order is not a change. A slice watches which rows are in it. A
        query for a few ids and nothing else reads no listing.
        """
        return self._watch(interval, timeout, existing).changes()

    def awatch(
        self, interval: float = 30, timeout: float | None = None, *, existing: bool = False
    ) -> AsyncIterator[Change[E_co]]:
        """The async twin of :meth:`watch`."""
        return self._watch(interval, timeout, existing).achanges()

    def _watch(self, interval: float, timeout: float | None, existing: bool) -> Watch:
        from wbmodel.objects.watch import Pace, Watch

        self._plan.refuse_shaped("watch")
        # Bound now: if another session became current later, every row would seem to change.
        return Watch(self._plan, self._bind(), Pace(interval, timeout), self._timeout, existing)

    # -- display --

    def _listing(self) -> Listing:
        from wbmodel.display.notebook import Listing

        total = len(self._result.rows) if self._result.complete else None
        return Listing(f"{type(self).__name__}[{self._plan.meta.name}]", self._plan, total, self._preview)

    def _preview(self) -> Preview:
        """The first rows: cached ones, or those of a single page."""
        from wbmodel.display.notebook import ROWS
        from wbmodel.operations.preview import Preview, one_page

        if self._result.complete:
            return Preview(self._result.rows[:ROWS], len(self._result.rows) > ROWS)
        head = self._slice(slice(0, ROWS + 1))._plan
        session = self._bind()
        asked = operations.results.emit(attrs.evolve(head, prefetch=(), glance=True), session.target)
        if head.start >= session.target.capabilities.max_page_size:
            # No first page reaches such a slice, so it is read as a whole.
            found = [row for part in session.iterate(asked, timeout=self._timeout) for row in part]
            return Preview(found[:ROWS], len(found) > ROWS)
        return session.run(one_page(asked, head.meta.plural, ROWS), timeout=self._timeout)

    def __repr__(self) -> str:
        from wbmodel.display import notebook

        return notebook.line(self._listing())

    def _repr_html_(self) -> str | None:
        from wbmodel.display import notebook

        return notebook.queryset_html(self._listing())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from wbmodel.display import notebook

        return notebook.bundle(self._listing())

    # -- copies and pickles --

    def __copy__(self) -> Self:
        return self.all()

    def __deepcopy__(self, memo: Any) -> Self:
        return self.all()

    def __getstate__(self) -> dict[str, Any]:
        from wbmodel._version import __version__

        rows = list(self._fetch_all())
        try:
            using: Origin | None = Origin(self._bind().origin)
        except ConfigurationError:
            using = None  # the rows are cached; a new evaluation uses the current session
        return {"plan": self._plan, "using": using, "timeout": self._timeout, "rows": rows, "version": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        warn_of_version("queryset", state["version"])
        self._plan, self._using, self._timeout = state["plan"], state["using"], state["timeout"]
        self._result = Result(state["rows"])


def _whole(part: Any) -> Any:
    """Convert integers of other libraries (numpy) to int; return other values unchanged, to be refused by name."""
    if part is None or isinstance(part, bool):
        return part
    try:
        return operator.index(part)
    except TypeError:
        return part
