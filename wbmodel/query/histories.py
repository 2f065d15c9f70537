"""The plan of a history set: which rows of which stream, with which columns. Frozen and pure.

A name in ``values()`` or a condition is a key of the rows, unless it names a field of the run: it starts with
``config.``, ``summary.`` or ``run.``. A key that starts like that is written ``history.config.x``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import attrs

from wbmodel.backend.asks import ReadSpec, StreamName
from wbmodel.errors import FieldError, QueryError
from wbmodel.meta import EntityMeta, Kind
from wbmodel.meta.parts import Wanted
from wbmodel.query.column_tests import ColumnTest, column_test
from wbmodel.query.f import PathExpr
from wbmodel.query.lookups import find_lookup
from wbmodel.query.paths import resolve_path
from wbmodel.query.q import Item, Q, Term
from wbmodel.query.shapes import Column

__all__ = [
    "OCCURRENCE",
    "RUN",
    "STEP",
    "Histories",
    "How",
    "Key",
    "Long",
    "Sample",
    "Slice",
    "Tail",
    "key_of",
    "shown_name",
]

RUN, STEP, OCCURRENCE = "run", "_step", "_occurrence"
"""Names of columns: the short id of the run, the step, and the number of the row among those of its step."""

How = Literal["outer", "inner"]


@attrs.frozen(slots=True)
class Key:
    """A column of the rows: its name as typed, and the key."""

    name: str
    key: str


@attrs.frozen(slots=True)
class Slice:
    """Every ``step``-th row from position ``start`` on, before position ``stop`` (None: to the end)."""

    start: int
    stop: int | None
    step: int = 1


@attrs.frozen(slots=True)
class Tail:
    """The last ``count`` rows."""

    count: int


@attrs.frozen(slots=True)
class Sample:
    """``count`` rows chosen at random, with the first and the last."""

    count: int
    seed: int


@attrs.frozen(slots=True)
class Long:
    """A row per value: its ``key`` and its ``value``."""


Step = Slice | Tail | Sample | Long


@attrs.frozen(slots=True, kw_only=True)
class Histories:
    """The rows of a stream of one run or of ``many`` runs.

    ``asked`` are the columns (None: all keys), of which a row must have one (``how="outer"``) or all (``"inner"``).
    ``where`` is tested on all keys of a row, ``steps`` then go by position, in this order. ``glance``: this many rows
    of each run, as the server chooses them.
    """

    meta: EntityMeta
    stream: StreamName = "history"
    many: bool = False
    asked: tuple[Key | Column, ...] | None = None
    how: How = "outer"
    occurrence: bool = False
    where: Q | None = None
    steps: tuple[Step, ...] = ()
    glance: int | None = None

    # -- chain steps --

    def with_values(self, names: Sequence[str | PathExpr], how: Any, occurrence: bool) -> Histories:
        """The plan with these columns. Raises :class:`~wbmodel.errors.FieldError` for a field that runs do not have."""
        self.refuse_steps("values")
        if how not in ("outer", "inner"):
            raise QueryError(f"how must be 'outer' (rows with any of the keys) or 'inner' (with all), not {how!r}")
        if occurrence and self.stream != "history":
            raise QueryError("only the rows of a history have steps, and so an _occurrence")
        always = {*([STEP] if self.stream == "history" else []), *([RUN] if self.many else [])}
        made = [column for column in (self._column(name) for name in names) if column.name not in always]
        shown = [column.name for column in made]
        twice = next((name for name in shown if shown.count(name) > 1), None)
        if twice is not None:
            raise QueryError(f"the column {twice!r} is requested twice")
        return attrs.evolve(self, asked=tuple(made) if names else None, how=how, occurrence=occurrence)

    def _column(self, spelling: str | PathExpr) -> Key | Column:
        name = spelling.dotted if isinstance(spelling, PathExpr) else spelling
        if not isinstance(name, str):
            raise FieldError(f"values() takes names of keys such as 'loss', not {spelling!r}")
        field = _field_of(spelling)
        if field is None:
            return Key(name, key_of(spelling))
        return Column(name, resolve_path(self.meta, field))

    def with_where(self, condition: Q) -> Histories:
        """The plan for rows that also match the condition. Raises :class:`~wbmodel.errors.FieldError` for an unknown
        lookup or a wrong value."""
        self.refuse_steps("filter")
        made = attrs.evolve(self, where=condition if self.where is None else self.where & condition)
        made.test()
        return made

    def with_step(self, step: Step) -> Histories:
        """The plan with another step by position."""
        if self.steps and isinstance(step, Slice) and isinstance(self.steps[-1], Slice) and step.step == 1:
            last = self.steps[-1]
            if last.step == 1:  # one slice says the same, and stops as early
                start = last.start + step.start
                stop = last.stop if step.stop is None else last.start + step.stop
                if last.stop is not None and stop is not None:
                    stop = min(stop, last.stop)
                start = start if stop is None else min(start, stop)
                return attrs.evolve(self, steps=(*self.steps[:-1], Slice(start, stop)))
        return attrs.evolve(self, steps=(*self.steps, step))

    def column(self, spelling: str | PathExpr) -> tuple[Histories, str]:
        """The plan that reads least for the values of one column, and the column's name."""
        if self.steps or self.how == "inner":
            return self.with_column(spelling)
        made = self._column(spelling)
        return attrs.evolve(self, asked=(made,)), made.name

    def with_column(self, spelling: str | PathExpr) -> tuple[Histories, str]:
        """The same rows with the column of this name, and the column's name.

        Raises :class:`~wbmodel.errors.QueryError` if the rows were chosen without it."""
        made = self._column(spelling)
        if self.is_long:
            raise QueryError(f"{made.name!r} is not a column after long(), whose columns are key and value")
        if self.asked is None:
            return self, shown_name(made.key, self.many) if isinstance(made, Key) else made.name
        known = [item.name for item in self.asked]
        if made.name not in (*known, STEP):
            raise QueryError(f"{made.name!r} is not among the columns; name it in values(), with {', '.join(known)}")
        return self, made.name

    @property
    def is_long(self) -> bool:
        """Whether the rows are key and value."""
        return any(isinstance(step, Long) for step in self.steps)

    def refuse_steps(self, verb: str) -> None:
        """Raise :class:`~wbmodel.errors.QueryError` if rows were chosen by position already."""
        if self.is_long:
            raise QueryError(f"{verb}() must come before long(), whose rows are keys and values")
        if self.steps:
            raise QueryError(f"{verb}() must come before slices, sample() and tail(), which count its rows")

    # -- what to read --

    @property
    def fields(self) -> tuple[Wanted, ...]:
        """What the columns need of a run."""
        columns = [item for item in self.asked or () if isinstance(item, Column)]
        return tuple(dict.fromkeys(wanted for item in columns for wanted in item.path.reads))

    @property
    def shown_keys(self) -> tuple[Key, ...]:
        """The columns that are keys of the rows."""
        return tuple(item for item in self.asked or () if isinstance(item, Key))

    @property
    def tested_keys(self) -> tuple[str, ...]:
        """The keys that conditions read."""
        return tuple(dict.fromkeys(_tested(self.where)))

    @property
    def spec(self) -> ReadSpec:
        """What to read of each run."""
        keys: tuple[str, ...] | None = None
        if self.asked is not None:
            wanted = dict.fromkeys([item.key for item in self.shown_keys] + list(self.tested_keys))
            wanted.pop(STEP, None)
            # Without a key of its own, every row counts.
            keys = tuple(wanted) if self.shown_keys else None
            if keys is None and not wanted and self.stream == "history":
                keys = (STEP,)
        low, high, _ = self._bounds()
        return ReadSpec(self.stream, keys, low, high)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are there in any case, in order."""
        names = [RUN] if self.many else []
        if self.stream == "history":
            names += [STEP, OCCURRENCE] if self.occurrence else [STEP]
        names += [item.name for item in self.asked or () if not (self.is_long and isinstance(item, Key))]
        return (*names, "key", "value") if self.is_long else tuple(names)

    @property
    def is_plain(self) -> bool:
        """Whether it is every row of the stream."""
        return not (self.shown_keys or self.where or self.steps or self.glance)

    def test(self) -> ColumnTest | None:
        """The conditions that are tested here; None if there are none."""
        if self.where is None:
            return None
        column_test(self.where, self._find, _any_kind, self.stream)  # every name and value is checked
        rest = self.rest
        return None if rest is None else column_test(rest, self._find, _any_kind, self.stream)

    @property
    def rest(self) -> Q | None:
        """The conditions without bounds on the step, which are not even read."""
        return self._bounds()[2]

    def _find(self, term: Term) -> tuple[str, str]:
        name, lookup = _named(term)
        if name == STEP and self.stream != "history":
            raise FieldError(f"the rows of {self.stream} have no steps; they have a time: _timestamp, or timestamp")
        return name, lookup

    def _bounds(self) -> tuple[int | None, int | None, Q | None]:
        """The least step and the one after the last that the conditions allow, and what they say besides."""
        low: int | None = None
        high: int | None = None
        rest = []
        for part in _parts(self.where):
            bounds = _step_bounds(part) if isinstance(part, Term) else None
            if bounds is None:
                rest.append(part)
                continue
            low = max((at for at in (low, bounds[0]) if at is not None), default=None)
            high = min((at for at in (high, bounds[1]) if at is not None), default=None)
        return low, high, Q(*rest) if rest else None


# -- names -----------------------------------------------------------------------------------------

_FIELDS = ("config", "summary")


def _field_of(spelling: str | PathExpr) -> str | PathExpr | None:
    """The path of a run's field that a name stands for; None for a key of the rows."""
    if isinstance(spelling, PathExpr):
        if spelling.field in _FIELDS:
            return spelling
        return ".".join(spelling.keys) if spelling.field == RUN and spelling.keys else None
    head, dot, rest = spelling.partition(".")
    if not dot or not rest:
        return None
    return spelling if head in _FIELDS else rest if head == RUN else None


def key_of(spelling: str | PathExpr) -> str:
    """The key that a name stands for."""
    if isinstance(spelling, PathExpr):
        parts = spelling.keys if spelling.field == "history" and spelling.keys else (spelling.field, *spelling.keys)
        return ".".join(parts)
    head, dot, rest = spelling.partition(".")
    return rest if head == "history" and dot and rest else spelling


def shown_name(key: str, many: bool) -> str:
    """The name of the column of a key, where no names were asked for."""
    return f"history.{key}" if many and key == RUN else key


def _named(term: Term) -> tuple[str, str]:
    """The key and the lookup of a condition."""
    if isinstance(term.path, PathExpr):
        if _field_of(term.path) is not None:
            raise _about_runs(str(term.path))
        return key_of(term.path), term.lookup or "exact"
    name, lookup = _split(term.path)
    if _field_of(name) is not None:
        raise _about_runs(name)
    return (STEP if name == "step" else key_of(name)), lookup


def _split(keyword: str) -> tuple[str, str]:
    """A keyword as a key and a lookup: ``loss__lt``, ``eval/acc__gt``, ``a__b`` for the nested key ``a.b``."""
    lead = len(keyword) - len(keyword.lstrip("_"))
    body = keyword[lead:]
    head, cut, last = body.rpartition("__")
    lookup = "exact"
    if cut and head and find_lookup(last) is not None:
        body, lookup = head, last
    return keyword[:lead] + body.replace("__", "."), lookup


def _about_runs(name: str) -> QueryError:
    return QueryError(
        f"{name} is a field of the run, and filter() on a history chooses rows: filter the runs first, as in "
        "Run.objects.filter(...).history; for a key of the rows that is called so, write F.history[...]"
    )


def _any_kind(name: str) -> Kind:
    return Kind.CONFIG


def _tested(condition: Q | None) -> list[str]:
    found: list[str] = []
    for item in () if condition is None else condition.children:
        found += [_named(item)[0]] if isinstance(item, Term) else _tested(item) if isinstance(item, Q) else []
    return found


def _parts(condition: Q | None) -> list[Item]:
    """The conditions that a condition joins by AND."""
    if condition is None:
        return []
    if condition.negated or (condition.connector != "AND" and len(condition.children) > 1):
        return [condition]
    found: list[Item] = []
    for item in condition.children:
        found += _parts(item) if isinstance(item, Q) else [item]
    return found


def _step_bounds(term: Term) -> tuple[int | None, int | None] | None:
    """The least step and the one after the last that a condition on the step allows; None for any other condition."""
    name, lookup = _named(term)
    if name != STEP:
        return None
    value = term.value
    if lookup == "range" and isinstance(value, (tuple, list)) and len(value) == 2:
        low, high = _whole(value[0], math.ceil), _whole(value[1], math.floor)
        return None if low is None or high is None else (low, high + 1)
    if lookup in ("gte", "gt"):
        least = _whole(value, math.ceil if lookup == "gte" else math.floor)
        return None if least is None else (least if lookup == "gte" else least + 1, None)
    if lookup in ("lte", "lt"):
        last = _whole(value, math.floor if lookup == "lte" else math.ceil)
        return None if last is None else (None, last + 1 if lookup == "lte" else last)
    if lookup == "exact" and type(value) is int and abs(value) < _FAR:
        return value, value + 1
    return None


_FAR = 2**53 - 1
"""Steps beyond it are not exact everywhere, so they are tested here."""


def _whole(value: Any, rounded: Any) -> int | None:
    if type(value) not in (int, float) or not -_FAR < value < _FAR:
        return None
    return int(rounded(value))
