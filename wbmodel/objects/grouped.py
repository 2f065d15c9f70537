"""``Grouped``: a queryset grouped by equal values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Generic, Literal, cast, overload

import attrs

from wbmodel.errors import FieldError, QueryError, suggestion
from wbmodel.meta import EntityMeta, Kind
from wbmodel.objects.exports import Exports
from wbmodel.objects.having import having
from wbmodel.objects.typevars import E_co, R_co
from wbmodel.operations.cells import declared
from wbmodel.operations.groups import Asked, Choose, Groups, Key, checked
from wbmodel.query.aggregates import Aggregate, Count, EverythingBut, First, Last, Max, Mean, Median, Min, Quantile, Std
from wbmodel.query.f import PathExpr
from wbmodel.query.order import rank
from wbmodel.query.paths import Path
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q
from wbmodel.query.shapes import Column, columns, row_type
from wbmodel.table.column import FLOAT, INT, NULL, Dtype
from wbmodel.table.column import Column as TableColumn
from wbmodel.table.table import Table

if TYPE_CHECKING:
    from typing_extensions import Self

    from wbmodel.compiler.explain import Explanation

__all__ = ["Grouped", "Reading"]

_FLOATS = (Mean, Std, Median, Quantile)


def _type_of(item: Aggregate, path: Path | None) -> Dtype:
    if isinstance(item, Count):
        return INT
    if isinstance(item, _FLOATS):
        return FLOAT
    return declared(path) if path is not None and isinstance(item, (Min, Max, First, Last)) else NULL


@attrs.frozen(slots=True)
class Reading(Generic[E_co]):
    """How a queryset reads its groups, and the best row of each, in both colours."""

    groups: Callable[[Sequence[Key], Asked], Groups]
    agroups: Callable[[Sequence[Key], Asked], Awaitable[Groups]]
    best: Callable[[Sequence[Key], Asked, str | PathExpr, str, Choose], list[E_co]]
    abest: Callable[[Sequence[Key], Asked, str | PathExpr, str, Choose], Awaitable[list[E_co]]]
    explain: Callable[[Sequence[Key], Asked], Explanation]


class Grouped(Exports, Generic[E_co, R_co]):
    """A grouped queryset: lazy, immutable, evaluated once.

    Rows are dicts of the group's keys, named as typed, and of the aggregates of :meth:`annotate`. Groups are ordered by
    their keys unless :meth:`order_by` says otherwise.
    """

    def __init__(self, meta: EntityMeta, keys: tuple[Key, ...], reading: Reading[E_co]) -> None:
        self._meta, self._keys, self._reading = meta, keys, reading
        self._asked: Asked = {}
        self._having: tuple[Q, ...] = ()
        self._order: tuple[str | PathExpr, ...] = ()
        self._start, self._stop = 0, cast("int | None", None)
        self._names: tuple[str, ...] | None = None
        self._convert: Callable[[Table], list[Any]] = Table.records
        self._table_made: Table | None = None

    @classmethod
    def of(
        cls, plan: Plan, keys: Sequence[str | PathExpr | EverythingBut], reading: Reading[E_co]
    ) -> Grouped[E_co, dict[str, Any]]:
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
        return Grouped(plan.meta, made, reading)

    def _clone(self, **changes: Any) -> Self:
        made = copy(self)
        made._table_made = None
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    def annotate(self, **aggregates: Aggregate) -> Self:
        """Add aggregates to each group: ``annotate(n=Count(), loss=Mean("summary.loss"))``."""
        self._refuse_sliced("annotate")
        twice = next((name for name in aggregates if name in self._known()), None)
        if twice is not None:
            raise QueryError(f"the column {twice!r} already exists; give the aggregate another name")
        return self._clone(_asked={**self._asked, **checked(self._meta, aggregates)})

    def order_by(self, *names: str | PathExpr) -> Self:
        """Order groups by these columns, ``-`` for descending: keys as typed, or names given to :meth:`annotate`.

        None and NaN come last in both directions; groups that tie stay in the order of their keys.
        """
        self._refuse_sliced("order_by")
        if not any(isinstance(key, EverythingBut) for key in self._keys):
            for name in names:
                _find(name, self._known())
        return self._clone(_order=names)

    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        """Only groups whose columns match, as HAVING in SQL: ``filter(n__gte=3, config__lr__isnull=False)``.

        The names are those of the keys and of :meth:`annotate`; the lookups are those of querysets. Conditions on
        single rows go into the queryset's ``filter()`` before ``group_by()``.
        """
        return self._restricted(Q(*conditions, **lookups))

    def exclude(self, *conditions: Q, **lookups: Any) -> Self:
        """Without the groups that match."""
        return self._restricted(~Q(*conditions, **lookups))

    def _restricted(self, condition: Q) -> Self:
        self._refuse_sliced("filter")
        if not any(isinstance(key, EverythingBut) for key in self._keys):
            having(condition, self._kinds(self._known()))
        return self._clone(_having=(*self._having, condition))

    def _known(self) -> list[str]:
        return [*(key.name for key in self._keys if isinstance(key, Column)), *self._asked]

    def _kinds(self, names: Iterable[str]) -> dict[str, Kind]:
        """The kinds of columns: those of their fields, or any value."""
        paths = {key.name: key.path for key in self._keys if isinstance(key, Column)}
        for name, (item, path) in self._asked.items():
            if path is not None and isinstance(item, (Min, Max, First, Last)):
                paths[name] = path
        return {name: paths[name].kind if name in paths and not paths[name].keys else Kind.CONFIG for name in names}

    def values(self, *names: str) -> Grouped[E_co, dict[str, Any]]:
        """Groups as dicts of only these columns."""
        return self._shaped(names, Table.records)

    @overload
    def values_list(
        self, *names: str, flat: Literal[False] = False, named: bool = False
    ) -> Grouped[E_co, tuple[Any, ...]]: ...

    @overload
    def values_list(self, *names: str, flat: Literal[True], named: Literal[False] = False) -> Grouped[E_co, Any]: ...

    def values_list(self, *names: str, flat: bool = False, named: bool = False) -> Grouped[E_co, Any]:
        """Groups as tuples of these columns (without names: all); with ``flat`` and one name, as bare values; with
        ``named``, as named tuples."""
        if flat and named:
            raise QueryError("values_list() can be flat or named, not both")
        if flat and len(names) != 1:
            raise QueryError(f"values_list(flat=True) takes one column, not {len(names)}")
        return self._shaped(names, _values if flat else _named if named else _tuples)

    def _shaped(self, names: tuple[str, ...], convert: Callable[[Table], list[Any]]) -> Grouped[E_co, Any]:
        if not any(isinstance(key, EverythingBut) for key in self._keys):
            for name in names:
                _chosen(name, self._known())
        return cast("Grouped[E_co, Any]", self._clone(_names=names or None, _convert=convert))

    def _refuse_sliced(self, verb: str) -> None:
        if self._start or self._stop is not None:
            raise QueryError(f"{verb} cannot follow a slice: slice last")

    @overload
    def __getitem__(self, key: int) -> R_co: ...

    @overload
    def __getitem__(self, key: slice) -> Self: ...

    def __getitem__(self, key: int | slice) -> R_co | Self:
        if isinstance(key, int) and not isinstance(key, bool):
            if key < 0:
                raise QueryError("a negative index is not supported; reverse the order with order_by('-name')")
            rows = self._convert(self._table())
            if key >= len(rows):
                raise IndexError(f"group index {key} is out of range")
            return cast(R_co, rows[key])
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
            self._table_made = self._arranged(self._reading.groups(self._keys, self._asked))
        return self._table_made

    async def _atable(self) -> Table:
        if self._table_made is None:
            self._table_made = self._arranged(await self._reading.agroups(self._keys, self._asked))
        return self._table_made

    def _arranged(self, found: Groups) -> Table:
        whole, chosen = _columns(found), self._choose(found)
        types = {**found.types, **{name: _type_of(*pair) for name, pair in self._asked.items()}}
        names = list(whole) if self._names is None else [_chosen(name, list(whole)) for name in self._names]
        return Table(
            [TableColumn(name, [whole[name][at] for at in chosen], types.get(name, NULL)) for name in names],
            len(chosen),
        )

    def _choose(self, found: Groups) -> list[int]:
        """The places of the groups that are wanted, in order."""
        whole = _columns(found)
        places = list(range(found.height))
        for condition in self._having:
            matches = having(condition, self._kinds(whole))(whole, found.height)
            places = [at for at in places if matches[at]]
        for spelling in reversed(self._order):
            name, descending = _find(spelling, list(whole))
            places.sort(key=lambda at: rank(whole[name][at], descending))
        return places[self._start : self._stop]

    def best(self, path: str | PathExpr, *, goal: Literal["min", "max"]) -> list[E_co]:
        """The row of each group with the smallest or largest number at ``path``, as entities, in the order of the
        groups: ``group_by("config.model").best("summary.loss", goal="min")``.

        Null, NaN and text do not count; a group without a number has no best row and is left out. Of equal rows, the
        newest is taken. Reads all rows, with the fields of the queryset.
        """
        return self._reading.best(self._keys, self._asked, path, goal, self._choose)

    def explain(self) -> Explanation:
        """Explain whether the backend counts the groups or the rows are read, and with how many requests. Makes no
        requests."""
        return self._reading.explain(self._keys, self._asked)

    async def abest(self, path: str | PathExpr, *, goal: Literal["min", "max"]) -> list[E_co]:
        """The async twin of :meth:`best`."""
        return await self._reading.abest(self._keys, self._asked, path, goal, self._choose)

    def __iter__(self) -> Iterator[R_co]:
        return iter(self._convert(self._table()))

    async def __aiter__(self) -> AsyncIterator[R_co]:
        for row in self._convert(await self._atable()):
            yield row

    def __len__(self) -> int:
        return self._table().length

    def __bool__(self) -> bool:
        return len(self) > 0

    def __str__(self) -> str:
        keys = ", ".join(key.name if isinstance(key, Column) else str(key) for key in self._keys)
        asked = "".join(f", {name}={item}" for name, (item, _) in self._asked.items())
        return f"<Grouped {self._meta.plural} by {keys}{asked}>"

    def __repr__(self) -> str:
        from wbmodel.display.tables import repr_of

        return repr_of(str(self), self._table, "group")

    def _repr_html_(self) -> str | None:
        from wbmodel.display.tables import html_of

        return html_of(str(self), self._table, "group")


def _columns(found: Groups) -> dict[str, list[Any]]:
    whole = {**found.keys, **found.aggregated}
    if len(whole) < len(found.keys) + len(found.aggregated):
        twice = next(name for name in found.aggregated if name in found.keys)
        raise QueryError(f"the column {twice!r} already exists; give the aggregate another name")
    return whole


def _tuples(table: Table) -> list[tuple[Any, ...]]:
    return list(zip(*table.columns.values(), strict=True))


def _values(table: Table) -> list[Any]:
    return list(next(iter(table.columns.values())))


def _named(table: Table) -> list[Any]:
    make = row_type(tuple(table.columns))
    return [make(*cells) for cells in _tuples(table)]


def _chosen(name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise FieldError(f"the groups have no column {name!r}{suggestion(str(name), known, 'columns')}")
    return name


def _find(spelling: str | PathExpr, known: Sequence[str]) -> tuple[str, bool]:
    """The column that an order key names, and whether it is descending."""
    if isinstance(spelling, PathExpr):
        name, descending = spelling.dotted, spelling.descending
    elif isinstance(spelling, str):
        descending = spelling.startswith("-") and spelling not in known
        name = spelling[1:] if descending else spelling
    else:
        raise FieldError(f"an order key must be the name of a column, not {spelling!r}")
    return _chosen(name, known), descending
