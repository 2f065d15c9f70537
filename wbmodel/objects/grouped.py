"""``Grouped``: a queryset grouped by equal values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast, overload

from wbmodel.errors import FieldError, QueryError, suggestion
from wbmodel.meta import EntityMeta
from wbmodel.objects.exports import Exports
from wbmodel.operations.cells import declared
from wbmodel.operations.groups import Asked, Groups, Key, checked
from wbmodel.query.aggregates import Aggregate, Count, EverythingBut, First, Last, Max, Mean, Median, Min, Quantile, Std
from wbmodel.query.f import PathExpr
from wbmodel.query.order import rank
from wbmodel.query.paths import Path
from wbmodel.query.plan import Plan
from wbmodel.query.shapes import Column, columns
from wbmodel.table.column import FLOAT, INT, NULL, Dtype
from wbmodel.table.column import Column as TableColumn
from wbmodel.table.table import Table

if TYPE_CHECKING:
    from typing_extensions import Self


__all__ = ["Grouped"]

_FLOATS = (Mean, Std, Median, Quantile)


def _type_of(item: Aggregate, path: Path | None) -> Dtype:
    if isinstance(item, Count):
        return INT
    if isinstance(item, _FLOATS):
        return FLOAT
    return declared(path) if path is not None and isinstance(item, (Min, Max, First, Last)) else NULL


class Grouped(Exports):
    """A grouped queryset: lazy, immutable, evaluated once.

    Rows are dicts of the group's keys, named as typed, and of the aggregates of :meth:`annotate`. Groups are ordered by
    their keys unless :meth:`order_by` says otherwise.
    """

    def __init__(
        self,
        meta: EntityMeta,
        keys: tuple[Key, ...],
        groups: Callable[[Sequence[Key], Asked], Groups],
        agroups: Callable[[Sequence[Key], Asked], Awaitable[Groups]],
    ) -> None:
        self._meta, self._keys = meta, keys
        # How the underlying queryset reads its groups, sync and async.
        self._groups, self._agroups = groups, agroups
        self._asked: Asked = {}
        self._order: tuple[str | PathExpr, ...] = ()
        self._start, self._stop = 0, cast("int | None", None)
        self._table_made: Table | None = None

    @classmethod
    def of(
        cls,
        plan: Plan,
        keys: Sequence[str | PathExpr | EverythingBut],
        groups: Callable[[Sequence[Key], Asked], Groups],
        agroups: Callable[[Sequence[Key], Asked], Awaitable[Groups]],
    ) -> Grouped:
        """The rows of a plan, grouped by these keys. Raises ``FieldError`` for an unknown path."""
        plan.refuse_shaped("group_by")
        if not keys:
            raise QueryError("group_by() needs paths to group by; to aggregate all rows, use aggregate()")
        if sum(isinstance(key, EverythingBut) for key in keys) > 1:
            raise QueryError("group_by() takes everything_but() only once; give it all the keys to leave out")
        plain = iter(columns(plan.meta, [key for key in keys if not isinstance(key, EverythingBut)] or ["node_id"]))
        made = tuple(key if isinstance(key, EverythingBut) else next(plain) for key in keys)
        for key in made:
            if isinstance(key, EverythingBut):
                key.resolve(plan.meta)
        return cls(plan.meta, made, groups, agroups)

    def _clone(self, **changes: Any) -> Self:
        made = type(self)(self._meta, self._keys, self._groups, self._agroups)
        made._asked, made._order, made._start, made._stop = self._asked, self._order, self._start, self._stop
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    def annotate(self, **aggregates: Aggregate) -> Self:
        """Add aggregates to each group: ``annotate(n=Count(), loss=Mean("summary.loss"))``."""
        self._refuse_sliced("annotate")
        names = {key.name for key in self._keys if isinstance(key, Column)} | set(self._asked)
        twice = next((name for name in aggregates if name in names), None)
        if twice is not None:
            raise QueryError(f"the column {twice!r} already exists; give the aggregate another name")
        return self._clone(_asked={**self._asked, **checked(self._meta, aggregates)})

    def order_by(self, *names: str | PathExpr) -> Self:
        """Order groups by these columns, ``-`` for descending: keys as typed, or names given to :meth:`annotate`.

        None and NaN come last in both directions; groups that tie stay in the order of their keys.
        """
        self._refuse_sliced("order_by")
        if not any(isinstance(key, EverythingBut) for key in self._keys):
            known = [*(key.name for key in self._keys if isinstance(key, Column)), *self._asked]
            for name in names:
                _find(name, known)
        return self._clone(_order=names)

    def _refuse_sliced(self, verb: str) -> None:
        if self._start or self._stop is not None:
            raise QueryError(f"{verb} cannot follow a slice: slice last")

    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, key: slice) -> Self: ...

    def __getitem__(self, key: int | slice) -> dict[str, Any] | Self:
        if isinstance(key, int) and not isinstance(key, bool):
            if key < 0:
                raise QueryError("a negative index is not supported; reverse the order with order_by('-name')")
            rows = self._rows()
            if key >= len(rows):
                raise IndexError(f"group index {key} is out of range")
            return rows[key]
        if not isinstance(key, slice) or key.step not in (None, 1):
            raise QueryError(f"an index must be a whole number or a slice without a step, not {key!r}")
        for part in (key.start, key.stop):
            if part is not None and (isinstance(part, bool) or not isinstance(part, int) or part < 0):
                raise QueryError(f"a slice takes whole numbers from 0, not {part!r}")
        start = self._start + (key.start or 0)
        stop = self._stop if key.stop is None else self._start + key.stop
        if self._stop is not None and stop is not None:
            stop = min(stop, self._stop)
        return self._clone(_start=start, _stop=stop)

    # -- evaluation --

    def _table(self) -> Table:
        if self._table_made is None:
            self._table_made = self._arranged(self._groups(self._keys, self._asked))
        return self._table_made

    async def _atable(self) -> Table:
        if self._table_made is None:
            self._table_made = self._arranged(await self._agroups(self._keys, self._asked))
        return self._table_made

    def _arranged(self, found: Groups) -> Table:
        whole = {**found.keys, **found.aggregated}
        if len(whole) < len(found.keys) + len(found.aggregated):
            twice = next(name for name in found.aggregated if name in found.keys)
            raise QueryError(f"the column {twice!r} already exists; give the aggregate another name")
        order = list(range(found.height))
        for spelling in reversed(self._order):
            name, descending = _find(spelling, list(whole))
            order.sort(key=lambda at: rank(whole[name][at], descending))
        order = order[self._start : self._stop]
        types = {**found.types, **{name: _type_of(*pair) for name, pair in self._asked.items()}}
        return Table(
            [TableColumn(name, [column[at] for at in order], types.get(name, NULL)) for name, column in whole.items()],
            len(order),
        )

    def _rows(self) -> list[dict[str, Any]]:
        return self._table().records()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows())

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        for row in (await self._atable()).records():
            yield row

    def __len__(self) -> int:
        return self._table().length

    def __bool__(self) -> bool:
        return len(self) > 0

    def __repr__(self) -> str:
        keys = ", ".join(key.name if isinstance(key, Column) else str(key) for key in self._keys)
        asked = "".join(f", {name}={item}" for name, (item, _) in self._asked.items())
        return f"<Grouped {self._meta.plural} by {keys}{asked}>"


def _find(spelling: str | PathExpr, known: Sequence[str]) -> tuple[str, bool]:
    """The column that an order key names, and whether it is descending."""
    if isinstance(spelling, PathExpr):
        name, descending = spelling.dotted, spelling.descending
    elif isinstance(spelling, str):
        descending = spelling.startswith("-") and spelling not in known
        name = spelling[1:] if descending else spelling
    else:
        raise FieldError(f"an order key must be the name of a column, not {spelling!r}")
    if name not in known:
        raise FieldError(f"the groups have no column {name!r}{suggestion(name, known, 'columns')}")
    return name, descending
