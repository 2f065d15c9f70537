"""``aggregate()`` and ``group_by()``: groups of equal values, and what aggregates make of them.

The rows are read with the fields that the keys and the aggregates need, and grouped here: no W&B server groups by
config values.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast, overload

import attrs

from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError, QueryError, QueryWarning, suggestion, warn
from wbmodel.meta import EntityMeta
from wbmodel.objects.exports import Exports
from wbmodel.operations import rows as operations
from wbmodel.operations.cells import Spread, cells, spread
from wbmodel.operations.pages import Operation
from wbmodel.operations.table import declared, held
from wbmodel.query.aggregates import Aggregate, Count, EverythingBut, First, Last, Max, Mean, Median, Min, Quantile, Std
from wbmodel.query.f import PathExpr
from wbmodel.query.order import _rank
from wbmodel.query.paths import Path, quote_key
from wbmodel.query.shapes import Column, columns
from wbmodel.table.table import Dtype, Table, TableColumn

if TYPE_CHECKING:
    from typing_extensions import Self

    from wbmodel.objects.queryset import QuerySet
    from wbmodel.session.session import Session

__all__ = ["Grouped", "aggregate", "checked"]

Asked = dict[str, tuple[Aggregate, Path | None]]
"""Aggregates by name, each with its resolved path."""


def checked(rows: QuerySet[Any, Any], aggregates: Mapping[str, Aggregate]) -> Asked:
    """The aggregates with their paths. Raises :class:`~wbmodel.errors.FieldError` for a path that cannot be
    aggregated and :class:`~wbmodel.errors.QueryError` for what is no aggregate, before anything is asked."""
    rows._refuse_shaped("an aggregate")
    made: Asked = {}
    for name, item in aggregates.items():
        if not isinstance(item, Aggregate):
            raise QueryError(f"{name}={item!r} is no aggregate; write {name}=Mean('summary.loss'), or Count()")
        made[name] = (item, item.resolve(rows._meta))
    return made


def aggregate(rows: QuerySet[Any, Any], target: Target, asked: Asked) -> Operation[dict[str, Any]]:
    """One answer per aggregate over all rows of a queryset."""
    if not asked:
        return {}
    if all(path is None for _, path in asked.values()):
        # Nothing but the number of rows is wanted, which the backend may know.
        number = len(rows._cache) if rows._complete else (yield from operations.count(rows._plan, target))
        return dict.fromkeys(asked, number)
    found = yield from _grouped(rows, target, (), asked)
    return {name: column[0] for name, column in found.aggregated.items()}


@attrs.define(slots=True)
class _Found:
    """Groups as columns, in the order of their keys."""

    keys: dict[str, list[Any]]
    types: dict[str, Dtype | None]
    aggregated: dict[str, list[Any]]
    height: int


def _grouped(
    rows: QuerySet[Any, Any], target: Target, keys: Sequence[Column | EverythingBut], asked: Asked
) -> Operation[_Found]:
    plain = [key for key in keys if isinstance(key, Column)]
    rest = {key: key.resolve(rows._meta) for key in keys if isinstance(key, EverythingBut)}
    paths = [key.path for key in plain] + [path for _, path in asked.values() if path is not None]
    fields = tuple(dict.fromkeys([path.field.name for path in (*paths, *(pair[0] for pair in rest.values()))]))
    if held(rows, fields):
        found, fresh = rows._cache, False
    else:
        plan = attrs.evolve(rows._evaluable(), only=fields, defer=frozenset(), related=(), prefetch=(), extra=())
        in_order = plan.sliced or any(item.ordered for item, _ in asked.values())
        found, fresh = (yield from operations.collect(plan, target, in_order=in_order)), True
    values = cells(found, paths, fresh=fresh)
    columns_left = iter(values)
    given: dict[str, Sequence[Any]] = {}
    types: dict[str, Dtype | None] = {}
    for key in keys:
        if isinstance(key, Column):
            given[key.name], types[key.name] = next(columns_left), declared(key.path)
        else:
            whole, left_out = rest[key]
            spread_out = spread(found, whole.field, fresh=fresh)
            given.update(_all_but(rows._meta, key, whole, left_out, spread_out, len(found)))
    told = _tell(asked, values[len(plain) :], found)
    return _groups(given, types, asked, told, len(found), whole=not keys)


def _all_but(
    meta: EntityMeta, key: EverythingBut, whole: Path, left_out: Sequence[Path], found: Spread, count: int
) -> dict[str, Sequence[Any]]:
    """A column for each config key but those that are left out."""
    made: dict[str, Sequence[Any]] = {}
    used: set[tuple[str, ...]] = set()
    for keys, (column, _) in found.items():
        hit = next((path.keys for path in left_out if keys[: len(path.keys)] == path.keys), None)
        if hit is not None:
            used.add(hit)
        else:
            made[".".join((whole.field.name, *map(quote_key, keys)))] = column
    unknown = [path for path in left_out if path.keys not in used]
    if count and unknown:
        known = {".".join(map(quote_key, keys[:depth])) for keys in found for depth in range(1, len(keys) + 1)}
        name = ".".join(map(quote_key, unknown[0].keys))
        warn(
            f"{key}: none of the {count} {meta.plural} has the config key {name!r}{suggestion(name, known, 'keys')}",
            QueryWarning,
        )
    return made


def _tell(asked: Asked, values: Sequence[list[Any]], rows: Sequence[Any]) -> dict[str, list[Any]]:
    """The column of each aggregate that has a path. Raises ``FieldError`` for a value that it cannot take."""
    told: dict[str, list[Any]] = {}
    columns_left = iter(values)
    for name, (item, path) in asked.items():
        if path is None:
            continue
        column = told[name] = next(columns_left)
        at = item.odd(column)
        if at is not None:
            value = column[at]
            shown = repr(value) if len(repr(value)) < 60 else repr(value)[:57] + "..."
            what = (
                "no number" if item.takes == "numbers" else "of another type than the values before it, or has no order"
            )
            row = rows[at]
            label = "/".join(filter(None, (row._home(), getattr(row, type(row).__wbmodel_meta__.key))))
            raise FieldError(
                f"{name}={item}: {type(row).__name__} {label} has {shown} there, which is {what}; leave such "
                f"rows out, with filter({_expression(path)}.isfinite()) for instance"
            )
    return told


def _expression(path: Path) -> str:
    return f"F.{path.field.name}" + "".join(f"[{key!r}]" for key in path.keys)


# -- grouping --------------------------------------------------------------------------------------

_NAN = object()


def _equal(value: Any) -> Any:
    """What is hashed for a value, so that 1 and 1.0 are one and 1 and True are two."""
    cls = value.__class__
    if cls is str or cls is int or value is None:
        return value
    if cls is float:
        return value if value == value else _NAN
    if cls is bool:
        return ("bool", value)
    if isinstance(value, (list, tuple)):
        return ("list", tuple(map(_equal, value)))
    if isinstance(value, dict):
        return ("object", frozenset((key, _equal(item)) for key, item in value.items()))
    return value


def _groups(
    given: dict[str, Sequence[Any]],
    types: dict[str, Dtype | None],
    asked: Asked,
    told: dict[str, list[Any]],
    count: int,
    *,
    whole: bool,
) -> _Found:
    members: dict[Any, list[int]] = {}
    if given:
        tokens = [[_equal(value) for value in column] for column in given.values()]
        for at, token in enumerate(tokens[0] if len(tokens) == 1 else zip(*tokens, strict=True)):
            found = members.get(token)
            if found is None:
                members[token] = [at]
            else:
                found.append(at)
    elif count or whole:
        # No keys: all rows are one group, which may be empty when no keys were asked for.
        members[()] = list(range(count))
    groups = list(members.values())
    keys = {name: [_shown(column, places) for places in groups] for name, column in given.items()}
    # NaN stands before None, so that the order does not depend on which row came first.
    order = sorted(
        range(len(groups)),
        key=lambda at: tuple((_rank(column[at], False), column[at] is None) for column in keys.values()),
    )
    groups = [groups[at] for at in order]
    made: dict[str, list[Any]] = {}
    for name, (item, path) in asked.items():
        if path is None:
            made[name] = list(map(len, groups))
            continue
        column = told[name]
        made[name] = [item.value(_there(column, places)) for places in groups]
    shown = {name: [column[at] for at in order] for name, column in keys.items()}
    return _Found(shown, types, made, len(groups))


def _shown(column: Sequence[Any], places: list[int]) -> Any:
    """The value that stands for a group. Of 1 and 1.0 it is 1, whichever row came first."""
    value = column[places[0]]
    if value.__class__ is float and value.is_integer():
        return next((column[at] for at in places if column[at].__class__ is int), value)
    return value


def _there(column: Sequence[Any], places: list[int]) -> list[Any]:
    chosen = [column[at] for at in places]
    return [value for value in chosen if value is not None and value == value]


# -- the grouped queryset --------------------------------------------------------------------------

_FLOATS = (Mean, Std, Median, Quantile)


def _type_of(item: Aggregate, path: Path | None) -> Dtype | None:
    if isinstance(item, Count):
        return Dtype("int")
    if isinstance(item, _FLOATS):
        return Dtype("float")
    return declared(path) if path is not None and isinstance(item, (Min, Max, First, Last)) else None


class Grouped(Exports):
    """A queryset in groups: lazy, immutable, evaluated once. Rows are dicts of the group's keys, named as typed, and of
    what :meth:`annotate` asked for. Groups stand in the order of their keys until :meth:`order_by` says otherwise."""

    def __init__(self, rows: QuerySet[Any, Any], keys: tuple[Column | EverythingBut, ...]) -> None:
        self._queryset = rows
        self._keys = keys
        self._asked: Asked = {}
        self._order: tuple[str | PathExpr, ...] = ()
        self._start, self._stop = 0, cast("int | None", None)
        self._table_made: Table | None = None

    @classmethod
    def of(cls, rows: QuerySet[Any, Any], keys: Sequence[str | PathExpr | EverythingBut]) -> Grouped:
        """A queryset grouped by these keys. Raises ``FieldError`` for an unknown path."""
        rows._refuse_shaped("group_by")
        if not keys:
            raise QueryError("group_by() takes the paths to group by; aggregate() answers over all rows")
        if sum(isinstance(key, EverythingBut) for key in keys) > 1:
            raise QueryError("everything_but() stands once in a group_by(); give it all keys that are left out")
        plain = iter(columns(rows._meta, [key for key in keys if not isinstance(key, EverythingBut)] or ["node_id"]))
        made = tuple(key if isinstance(key, EverythingBut) else next(plain) for key in keys)
        for key in made:
            if isinstance(key, EverythingBut):
                key.resolve(rows._meta)
        return cls(rows, made)

    def _clone(self, **changes: Any) -> Self:
        made = type(self)(self._queryset, self._keys)
        made._asked, made._order, made._start, made._stop = self._asked, self._order, self._start, self._stop
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    def annotate(self, **aggregates: Aggregate) -> Self:
        """Each group with these aggregates: ``annotate(n=Count(), loss=Mean("summary.loss"))``."""
        self._refuse_sliced("annotate")
        names = {key.name for key in self._keys if isinstance(key, Column)} | set(self._asked)
        twice = next((name for name in aggregates if name in names), None)
        if twice is not None:
            raise QueryError(f"the column {twice!r} is there already; give the aggregate another name")
        return self._clone(_asked={**self._asked, **checked(self._queryset, aggregates)})

    def order_by(self, *names: str | PathExpr) -> Self:
        """Groups ordered by these columns, ``-`` for descending: keys as they were typed, or names given in
        :meth:`annotate`. None and NaN come last in both directions; groups that tie stay in the order of their
        keys."""
        self._refuse_sliced("order_by")
        if not any(isinstance(key, EverythingBut) for key in self._keys):
            known = [*(key.name for key in self._keys if isinstance(key, Column)), *self._asked]
            for name in names:
                _find(name, known)
        return self._clone(_order=names)

    def _refuse_sliced(self, verb: str) -> None:
        if self._start or self._stop is not None:
            raise QueryError(f"{verb} after a slice has no meaning: slice last")

    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, key: slice) -> Self: ...

    def __getitem__(self, key: int | slice) -> dict[str, Any] | Self:
        if isinstance(key, int) and not isinstance(key, bool):
            if key < 0:
                raise QueryError("a negative index is not offered; reverse the order with order_by('-name')")
            rows = self._rows()
            if key >= len(rows):
                raise IndexError(f"there is no group {key}")
            return rows[key]
        if not isinstance(key, slice) or key.step not in (None, 1):
            raise QueryError(f"an index is a whole number or a slice without a step, not {key!r}")
        for part in (key.start, key.stop):
            if part is not None and (isinstance(part, bool) or not isinstance(part, int) or part < 0):
                raise QueryError(f"a slice is made of whole numbers from 0, not {part!r}")
        start = self._start + (key.start or 0)
        stop = self._stop if key.stop is None else self._start + key.stop
        if self._stop is not None and stop is not None:
            stop = min(stop, self._stop)
        return self._clone(_start=start, _stop=stop)

    # -- evaluation --

    def _bind(self) -> Session:
        return self._queryset._bind()

    def _deadline(self) -> float | None:
        return self._queryset._timeout

    def _table_here(self) -> Table | None:
        return self._table_made

    def _table_asked(self, session: Session) -> Operation[Table]:
        rows = self._queryset
        found = yield from _grouped(rows, session.target, self._keys, self._asked)
        made = self._arranged(found)
        self._table_made = made
        return made

    def _arranged(self, found: _Found) -> Table:
        whole = {**found.keys, **found.aggregated}
        if len(whole) < len(found.keys) + len(found.aggregated):
            twice = next(name for name in found.aggregated if name in found.keys)
            raise QueryError(f"the column {twice!r} is there already; give the aggregate another name")
        order = list(range(found.height))
        for spelling in reversed(self._order):
            name, descending = _find(spelling, list(whole))
            order.sort(key=lambda at: _rank(whole[name][at], descending))
        order = order[self._start : self._stop]
        types = {**found.types, **{name: _type_of(*pair) for name, pair in self._asked.items()}}
        return Table(
            [TableColumn(name, [column[at] for at in order], types.get(name)) for name, column in whole.items()],
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
        return self._table().height

    def __bool__(self) -> bool:
        return len(self) > 0

    def __repr__(self) -> str:
        keys = ", ".join(key.name if isinstance(key, Column) else str(key) for key in self._keys)
        asked = "".join(f", {name}={item}" for name, (item, _) in self._asked.items())
        return f"<Grouped {self._queryset._meta.plural} by {keys}{asked}>"


def _find(spelling: str | PathExpr, known: Sequence[str]) -> tuple[str, bool]:
    """The column that an order key names, and whether it is descending."""
    if isinstance(spelling, PathExpr):
        name, descending = spelling.dotted, spelling.descending
    elif isinstance(spelling, str):
        descending = spelling.startswith("-") and spelling not in known
        name = spelling[1:] if descending else spelling
    else:
        raise FieldError(f"an order key is the name of a column, not {spelling!r}")
    if name not in known:
        raise FieldError(f"the groups have no column {name!r}{suggestion(name, known, 'columns')}")
    return name, descending
