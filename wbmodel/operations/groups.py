"""Group rows by equal values, and aggregate the groups.

The rows are read with the fields that the keys and the aggregates need, and grouped locally, as no W&B server can group
by config values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from wbmodel.compiler.explain import Explanation, explain
from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError, QueryError, QueryWarning, suggestion, warn
from wbmodel.json_values import equality_key, operand_type
from wbmodel.meta import EntityMeta, state
from wbmodel.meta.parts import Wanted
from wbmodel.operations.answer import Operation
from wbmodel.operations.cells import Spread, cells, declared, spread
from wbmodel.operations.count import count
from wbmodel.operations.keys import look_for, say_unknown
from wbmodel.operations.operand_types import say_why_empty
from wbmodel.operations.prefetch import prefetch
from wbmodel.operations.run import collect
from wbmodel.operations.tallies import Tally, sent, tally
from wbmodel.query.aggregates import Aggregate, Count, EverythingBut
from wbmodel.query.evaluate import getter
from wbmodel.query.order import OrderKey, has_value, rank, sort_key, tie_break
from wbmodel.query.paths import Path
from wbmodel.query.plan import Plan
from wbmodel.query.shapes import Column
from wbmodel.query.spelling import quote_key
from wbmodel.table.column import Dtype

__all__ = [
    "Asked",
    "Choose",
    "Groups",
    "Key",
    "best_among",
    "best_of_each",
    "counted_by",
    "checked",
    "explained",
    "group_held",
    "groups",
    "needed",
    "needed_for_best",
]

Asked = dict[str, tuple[Aggregate, Path | None]]
"""Aggregates by name, each with its resolved path."""

Key = Column | EverythingBut
"""A group key."""

Choose = Callable[["Groups"], Sequence[int]]
"""Which groups are wanted, in which order."""


def checked(meta: EntityMeta, aggregates: Mapping[str, Aggregate]) -> Asked:
    """The aggregates with their paths, checked without a request.

    Raises :class:`~wbmodel.errors.FieldError` for a path that cannot be aggregated and
    :class:`~wbmodel.errors.QueryError` for a value that is not an aggregate.
    """
    made: Asked = {}
    for name, item in aggregates.items():
        if not isinstance(item, Aggregate):
            raise QueryError(f"{name}={item!r} is not an aggregate; write {name}=Mean('summary.loss'), or Count()")
        made[name] = (item, item.resolve(meta))
    return made


@attrs.define(slots=True)
class Groups:
    """Groups as columns, in the order of their keys."""

    keys: dict[str, list[Any]]
    types: dict[str, Dtype]
    aggregated: dict[str, list[Any]]
    members: list[list[int]]
    """The places of each group's rows, in the order of the rows; empty if the server counted them."""
    unknown: Sequence[Path] = ()
    """The paths that no row has."""

    @property
    def height(self) -> int:
        """How many groups there are."""
        return len(self.members)

    def first(self) -> dict[str, Any]:
        """The aggregates of the first group."""
        return {name: column[0] for name, column in self.aggregated.items()}


def needed(meta: EntityMeta, keys: Sequence[Key], asked: Asked) -> tuple[Wanted, ...]:
    """What the keys and the aggregates use of a row."""
    paths = [key.path for key in keys if isinstance(key, Column)]
    paths += [path for _, path in asked.values() if path is not None]
    paths += [key.resolve(meta)[0] for key in keys if isinstance(key, EverythingBut)]
    return tuple(dict.fromkeys(wanted for path in paths for wanted in path.reads))


def groups(plan: Plan, target: Target, keys: Sequence[Key], asked: Asked) -> Operation[Groups]:
    """The groups of a plan's rows. Without keys, all rows are one group."""
    if not keys and _only_counts(asked):
        total = yield from count(plan, target)
        return Groups({}, {}, {name: [total] for name in asked}, [[]])
    counted = counted_by(keys, asked)
    found = None if counted is None else (yield from tally(plan, counted.path, target))
    if counted is not None and found is not None:
        if not found:
            yield from say_why_empty(plan, target)
        return _of_tally(counted, asked, found)
    any_order = not plan.sliced and not any(item.ordered for item, _ in asked.values())
    bare = plan.bare(*needed(plan.meta, keys, asked), unordered=any_order)
    rows = yield from collect(bare, target)
    if not rows:
        yield from say_why_empty(plan, target)
    made = group(plan.meta, rows, keys, asked, fresh=True)
    entire = plan.where is None and not plan.sliced
    for path in made.unknown:
        yield from look_for(path, rows, plan, target, whole=entire)
    return made


def counted_by(keys: Sequence[Key], asked: Asked) -> Column | None:
    """The only key, if nothing but the number of rows is asked for."""
    key = keys[0] if len(keys) == 1 else None
    return key if isinstance(key, Column) and _only_counts(asked) else None


def _only_counts(asked: Asked) -> bool:
    return bool(asked) and all(isinstance(item, Count) and path is None for item, path in asked.values())


def explained(plan: Plan, target: Target, keys: Sequence[Key], asked: Asked) -> Explanation:
    """How the groups are made. No I/O."""
    told = explain(plan.bare(*needed(plan.meta, keys, asked), unordered=not plan.sliced), target)
    counted = counted_by(keys, asked)
    requests = None if counted is None else sent(plan, counted.path, target)
    if counted is None or requests is None:
        return told
    number = len(requests)
    return attrs.evolve(
        told,
        order="by the keys of the groups, locally",
        route=f"the number of rows of each {counted.name}, counted by the backend",
        requests=f"{number} if the counts add up to all rows; else, to read the rows: {told.requests}",
        documents=tuple(requests),
        parts={},
    )


def _of_tally(key: Column, asked: Asked, found: Tally) -> Groups:
    values = [list(value) if isinstance(value, tuple) else value for value in found]
    order = _order([values], len(values))
    numbers = list(found.values())
    made = {name: [numbers[at] for at in order] for name in asked}
    return Groups({key.name: [values[at] for at in order]}, {key.name: declared(key.path)}, made, [[] for _ in order])


def best_of_each(
    plan: Plan, target: Target, keys: Sequence[Key], asked: Asked, by: OrderKey, choose: Choose
) -> Operation[list[Any]]:
    """The best row of each chosen group, as :func:`best_among`, with the relations that the plan prefetches."""
    extra = (*plan.extra, *needed_for_best(plan.meta, keys, asked, by))
    rows = yield from collect(attrs.evolve(plan, prefetch=(), extra=extra), target)
    if not rows:
        yield from say_why_empty(plan, target)
    found = best_among(plan.meta, rows, keys, asked, by, choose)
    if plan.prefetch:
        yield from prefetch(found, plan.prefetch, target)
    return found


def best_among(
    meta: EntityMeta, rows: Sequence[Any], keys: Sequence[Key], asked: Asked, by: OrderKey, choose: Choose
) -> list[Any]:
    """The best row of each chosen group; of equal rows the newest, as for a queryset's own ``best()``.

    A group of which no row has a number (or a time) at the path of ``by`` has none.
    """
    made = group_held(meta, rows, keys, asked)
    get, key, best = getter(by.path), sort_key((by, *tie_break(meta))), []
    for at in choose(made):
        there = [rows[place] for place in made.members[at] if _counts(get(rows[place]))]
        if there:
            best.append(min(there, key=key))
    return best


def needed_for_best(meta: EntityMeta, keys: Sequence[Key], asked: Asked, by: OrderKey) -> tuple[Wanted, ...]:
    """What :func:`best_among` uses of a row."""
    paths = [wanted for item in (by, *tie_break(meta)) for wanted in item.path.reads]
    return tuple(dict.fromkeys((*needed(meta, keys, asked), *paths)))


def _counts(value: Any) -> bool:
    return has_value(value) and operand_type(value) in ("number", "time")


def group_held(meta: EntityMeta, rows: Sequence[Any], keys: Sequence[Key], asked: Asked) -> Groups:
    """Group rows that other code holds too. Warns of keys that none of them has."""
    made = group(meta, rows, keys, asked, fresh=False)
    for path in made.unknown:
        say_unknown(path, rows, whole=False)
    return made


def group(meta: EntityMeta, rows: Sequence[Any], keys: Sequence[Key], asked: Asked, *, fresh: bool) -> Groups:
    """Group loaded rows. ``fresh``: no other code holds the rows."""
    plain = [key for key in keys if isinstance(key, Column)]
    paths = [key.path for key in plain] + [path for _, path in asked.values() if path is not None]
    values = cells(rows, paths, fresh=fresh)
    columns_left = iter(values)
    given: dict[str, Sequence[Any]] = {}
    types: dict[str, Dtype] = {}
    for key in keys:
        if isinstance(key, Column):
            given[key.name], types[key.name] = next(columns_left), declared(key.path)
        else:
            whole, left_out = key.resolve(meta)
            given.update(_all_but(meta, key, left_out, spread(rows, whole.field, fresh=fresh), len(rows)))
    told = _tell(asked, values[len(plain) :], rows)
    made = _groups(given, types, asked, told, len(rows), whole=not keys)
    columns = zip(paths, values, strict=True)
    made.unknown = [path for path, column in columns if path.keys and all(value is None for value in column)]
    return made


def _all_but(
    meta: EntityMeta, key: EverythingBut, left_out: Sequence[Path], found: Spread, count: int
) -> dict[str, Sequence[Any]]:
    """A column for each config key except those that are left out."""
    made: dict[str, Sequence[Any]] = {}
    used: set[tuple[str, ...]] = set()
    for keys, column in found.items():
        hit = next((path.keys for path in left_out if keys[: len(path.keys)] == path.keys), None)
        if hit is not None:
            used.add(hit)
        else:
            made[column.name] = column.values
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
    """The values of each aggregate that has a path. Raises ``FieldError`` for a value that it cannot take."""
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
                "is not a number"
                if item.takes == "numbers"
                else "has another type than the values before it, or no order"
            )
            row = rows[at]
            label = "/".join(filter(None, (state.home(row), getattr(row, type(row).__wbmodel_meta__.key))))
            raise FieldError(
                f"{name}={item}: {type(row).__name__} {label} has {shown} there, which {what}; exclude such "
                f"rows, for instance with filter({_expression(path)}.isfinite())"
            )
    return told


def _expression(path: Path) -> str:
    return f"F.{path.field.name}" + "".join(f"[{key!r}]" for key in path.keys)


# -- grouping --------------------------------------------------------------------------------------


def _groups(
    given: dict[str, Sequence[Any]],
    types: dict[str, Dtype],
    asked: Asked,
    told: dict[str, list[Any]],
    count: int,
    *,
    whole: bool,
) -> Groups:
    members: dict[Any, list[int]] = {}
    if given:
        tokens = [list(map(equality_key, column)) for column in given.values()]
        for at, token in enumerate(tokens[0] if len(tokens) == 1 else zip(*tokens, strict=True)):
            found = members.get(token)
            if found is None:
                members[token] = [at]
            else:
                found.append(at)
    elif count or whole:
        # No keys: all rows are one group, which may be empty if no keys were requested.
        members[()] = list(range(count))
    groups = list(members.values())
    keys = {name: [_shown(column, places) for places in groups] for name, column in given.items()}
    order = _order(list(keys.values()), len(groups))
    groups = [groups[at] for at in order]
    made: dict[str, list[Any]] = {}
    for name, (item, path) in asked.items():
        if path is None:
            made[name] = list(map(len, groups))
            continue
        column = told[name]
        made[name] = [item.value(_there(column, places)) for places in groups]
    shown = {name: [column[at] for at in order] for name, column in keys.items()}
    return Groups(shown, types, made, groups)


def _order(columns: Sequence[Sequence[Any]], count: int) -> list[int]:
    """The places of the groups, in the order of their keys."""
    # NaN comes before None, so that the order does not depend on the order of the rows.
    return sorted(
        range(count), key=lambda at: tuple((rank(column[at], False), column[at] is None) for column in columns)
    )


def _shown(column: Sequence[Any], places: list[int]) -> Any:
    """The value that represents a group. For 1 and 1.0 it is 1, whatever the order of the rows."""
    value = column[places[0]]
    if value.__class__ is float and value.is_integer():
        return next((column[at] for at in places if column[at].__class__ is int), value)
    return value


def _there(column: Sequence[Any], places: list[int]) -> list[Any]:
    chosen = [column[at] for at in places]
    return [value for value in chosen if value is not None and value == value]
