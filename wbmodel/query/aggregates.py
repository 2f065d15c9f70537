"""Aggregates: the functions that ``aggregate()`` and ``annotate()`` apply to the values of a path.

They are pure; rows are read elsewhere. Absent, null and NaN values are skipped, as pandas does with ``skipna``.
``docs/reference/aggregates.md`` has all rules on one page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import attrs

from wbmodel.errors import FieldError, QueryError
from wbmodel.json_values import operand_type
from wbmodel.meta import EntityMeta, Kind
from wbmodel.query.f import PathExpr
from wbmodel.query.paths import Path, resolve_path
from wbmodel.query.spelling import split_dotted

__all__ = [
    "Aggregate",
    "Count",
    "EverythingBut",
    "First",
    "Last",
    "Max",
    "Mean",
    "Median",
    "Min",
    "Quantile",
    "Std",
    "Sum",
    "everything_but",
]


@attrs.frozen(slots=True, eq=False)
class Aggregate:
    """The base of all aggregates. ``path`` is the dotted spelling, the keyword spelling or an ``F`` path of the values.

    ``takes`` says which values the path may hold: ``"numbers"``, ``"ordered"`` (numbers, or text, or dates) or
    ``"any"``. ``ordered`` is true if the result depends on the order of the rows.
    """

    path: str | PathExpr

    takes: ClassVar[str] = "numbers"
    ordered: ClassVar[bool] = False

    def resolve(self, meta: EntityMeta) -> Path | None:
        """The resolved path. Raises :class:`~wbmodel.errors.FieldError` for a field that cannot hold such values."""
        if not isinstance(self.path, (str, PathExpr)):
            raise FieldError(f"{type(self).__name__}() takes a path such as 'summary.loss', not {self.path!r}")
        path = resolve_path(meta, self.path)
        kind = path.kind
        if kind is Kind.REF:
            names = ", ".join(f"{path.field.name}.{name}" for name in path.field.identity)
            raise FieldError(f"{self}: {meta.name}.{path.field.name} is another object; name a field of it: {names}")
        if self.takes == "any":
            return path
        if kind.is_keyed:
            if not path.keys:
                raise FieldError(
                    f"{self}: {meta.name}.{path.dotted} is not a single value; name a key: {path.dotted}.loss"
                )
        elif kind in (Kind.BOOL, Kind.TEXTS) or (self.takes == "numbers" and kind not in (Kind.INT, Kind.FLOAT)):
            use = "Count or First" if kind in (Kind.BOOL, Kind.TEXTS) else "Min, Max, Count or First"
            raise FieldError(f"{self}: {meta.name}.{path.dotted} does not hold numbers ({kind.value}); use {use}")
        return path

    def odd(self, values: Sequence[Any]) -> int | None:
        """The position of the first value that this cannot take (None and NaN are always allowed), or None."""
        if self.takes == "any":
            return None
        seen = {cls for cls in set(map(type, values)) if cls is not type(None)}
        if seen <= {int, float}:
            return None
        wanted: str | None = "number" if self.takes == "numbers" else None
        for at, value in enumerate(values):
            if value is None or value != value:
                continue
            kind = operand_type(value)
            if wanted is None and kind in ("number", "text", "time"):
                wanted = kind
            elif kind != wanted:
                return at
        return None

    def value(self, values: Sequence[Any]) -> Any:
        """The result for these values, in the order of the rows, without null and NaN."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    __repr__ = __str__


@attrs.frozen(slots=True, eq=False, repr=False, str=False)
class Count(Aggregate):
    """The number of rows; with a path, of rows that have a value there (null and NaN do not count)."""

    path: str | PathExpr | None = None  # type: ignore[assignment]
    distinct: bool = attrs.field(default=False, repr=False, kw_only=True)

    takes: ClassVar[str] = "any"

    def __attrs_post_init__(self) -> None:
        if self.distinct:
            raise QueryError(
                "Count() counts rows; len(rows.values_list(path, flat=True).distinct()) counts different values, and "
                "group_by(path).annotate(n=Count()) counts the rows of each value"
            )

    def resolve(self, meta: EntityMeta) -> Path | None:
        """The resolved path; None to count rows."""
        return None if self.path is None else Aggregate.resolve(self, meta)

    def value(self, values: Sequence[Any]) -> int:
        """The number of values."""
        return len(values)

    def __str__(self) -> str:
        return "Count()" if self.path is None else f"Count({self.path!r})"

    __repr__ = __str__


@attrs.frozen(slots=True, eq=False, repr=False)
class Sum(Aggregate):
    """The sum; 0 for no values. Whole numbers are added exactly."""

    def value(self, values: Sequence[Any]) -> int | float:
        """The sum."""
        return _sum(values)


@attrs.frozen(slots=True, eq=False, repr=False)
class Mean(Aggregate):
    """The arithmetic mean; None for no values."""

    def value(self, values: Sequence[Any]) -> float | None:
        """The mean."""
        return _mean(values) if values else None


@attrs.frozen(slots=True, eq=False, repr=False)
class Std(Aggregate):
    """The sample standard deviation, divided by n - 1 as in pandas; None for fewer than two values."""

    def value(self, values: Sequence[Any]) -> float | None:
        """The standard deviation."""
        if len(values) < 2:
            return None
        mean = _mean(values)
        try:
            return math.sqrt(math.fsum([(item - mean) ** 2 for item in values]) / (len(values) - 1))
        except OverflowError:
            return math.inf
        except ValueError:
            return math.nan


@attrs.frozen(slots=True, eq=False, repr=False)
class Min(Aggregate):
    """The smallest number, the first text or the earliest date; None for no values."""

    takes: ClassVar[str] = "ordered"

    def value(self, values: Sequence[Any]) -> Any:
        """The smallest."""
        return min(values, default=None)


@attrs.frozen(slots=True, eq=False, repr=False)
class Max(Aggregate):
    """The largest number, the last text or the latest date; None for no values."""

    takes: ClassVar[str] = "ordered"

    def value(self, values: Sequence[Any]) -> Any:
        """The largest."""
        return max(values, default=None)


@attrs.frozen(slots=True, eq=False, repr=False)
class Median(Aggregate):
    """The median, between the two middle values when there are two; None for no values."""

    def value(self, values: Sequence[Any]) -> float | None:
        """The median."""
        return _quantile(values, 0.5)


@attrs.frozen(slots=True, eq=False, repr=False, str=False)
class Quantile(Aggregate):
    """The ``q`` quantile (0 to 1) of the values, by linear interpolation as in pandas; None for no values."""

    q: float = 0.5

    def resolve(self, meta: EntityMeta) -> Path | None:
        """The resolved path. Raises :class:`~wbmodel.errors.QueryError` for a ``q`` outside 0 to 1."""
        if type(self.q) not in (int, float) or not 0 <= self.q <= 1:
            raise QueryError(f"Quantile() takes a q from 0 to 1, not {self.q!r}")
        return Aggregate.resolve(self, meta)

    def value(self, values: Sequence[Any]) -> float | None:
        """The quantile."""
        return _quantile(values, self.q)

    def __str__(self) -> str:
        return f"Quantile({self.path!r}, {self.q!r})"

    __repr__ = __str__


@attrs.frozen(slots=True, eq=False, repr=False)
class First(Aggregate):
    """The first value in the order of the queryset; None for no values."""

    takes: ClassVar[str] = "any"
    ordered: ClassVar[bool] = True

    def value(self, values: Sequence[Any]) -> Any:
        """The first."""
        return values[0] if values else None


@attrs.frozen(slots=True, eq=False, repr=False)
class Last(Aggregate):
    """The last value in the order of the queryset; None for no values."""

    takes: ClassVar[str] = "any"
    ordered: ClassVar[bool] = True

    def value(self, values: Sequence[Any]) -> Any:
        """The last."""
        return values[-1] if values else None


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _sum(values: Sequence[Any]) -> int | float:
    if float not in set(map(type, values)):
        exact: int = sum(values)
        return exact
    try:
        # Rounded once, so that the result does not depend on the order of the rows.
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(map(_float, values))


def _mean(values: Sequence[Any]) -> float:
    total = _sum(values)
    try:
        return total / len(values)
    except OverflowError:
        return _float(total)


def _quantile(values: Sequence[Any], share: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    low = math.floor(place)
    below, above = _float(ordered[low]), _float(ordered[min(low + 1, len(ordered) - 1)])
    return below if below == above or place == low else below + (above - below) * (place - low)


@attrs.frozen(slots=True, eq=False)
class EverythingBut:
    """Group keys found in the rows: all their config keys, including nested ones, except ``keys``.

    Keys nested in those are left out too. Made by :func:`everything_but`.
    """

    keys: tuple[str | PathExpr, ...]

    def resolve(self, meta: EntityMeta) -> tuple[Path, tuple[Path, ...]]:
        """The field whose keys are used, and the paths that are left out."""
        whole = resolve_path(meta, "config")
        return whole, tuple(self._one(meta, whole, key) for key in self.keys)

    @staticmethod
    def _one(meta: EntityMeta, whole: Path, key: str | PathExpr) -> Path:
        if isinstance(key, str):
            sign, parts = split_dotted(key)
            if sign:
                raise FieldError(f"everything_but({key!r}): a group key has no sign")
            inside = parts[1:] if len(parts) > 1 and meta.find(parts[0]) is whole.field else parts
            return Path(whole.field, tuple(inside))
        path = resolve_path(meta, key)
        if path.field is not whole.field or not path.keys:
            raise FieldError(f"everything_but({key}): takes config keys, as in everything_but('seed')")
        return path

    def __str__(self) -> str:
        return f"everything_but({', '.join(map(repr, self.keys))})"

    __repr__ = __str__


def everything_but(*keys: str | PathExpr) -> EverythingBut:
    """Group by all config keys except these.

    ``group_by(everything_but("seed"))`` groups runs that differ only in their seed. Keys are written as in a path, with
    or without ``config.``.
    """
    if not keys:
        raise QueryError("everything_but() needs the config keys in which the runs of a group may differ")
    return EverythingBut(keys)
