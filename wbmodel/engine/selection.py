"""``ListSelection``: pages, counts, groups and keys of lists of Python objects.

Filtered and sorted lists are cached until the lists change: reading 10,000 rows in pages of 1,000 filters and sorts
once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any, overload

import attrs

from wbmodel.engine.conditions import All, Compare, Condition, Not
from wbmodel.engine.evaluate import predicate
from wbmodel.engine.fields import Path, getter
from wbmodel.engine.orders import Order, compile_order, ranker
from wbmodel.engine.select import JSON_TYPES, Collation, Group, KeyFacts, Page, Place, Select, Term
from wbmodel.engine.stopping import until_given_up
from wbmodel.weighted_cache import WeightedCache

__all__ = ["ListSelection"]

_KEPT = 64
"""Maximum number of cached lists."""
_KEPT_ROWS = 4_000_000
"""Maximum size of the cached lists, in rows and parts of their conditions."""

Rows = Callable[[str, str | None], Sequence[Any]]
"""``rows(relation, parent)``: a whole list, in any order."""


class ListSelection:
    """Implements :class:`~wbmodel.engine.store.Selection` over ``rows(relation, parent)``, which returns whole lists.
    ``token()`` identifies their state; cached lists of another state are dropped."""

    def __init__(self, rows: Rows, token: Callable[[], Hashable]) -> None:
        self._rows = rows
        self._token = token
        self._of: Hashable = None
        self._kept: WeightedCache[list[Any]] = WeightedCache(_KEPT_ROWS)
        self._orders: dict[Any, Order] = {}

    def select(self, ask: Select, /) -> Page:
        """The page for ``ask``."""
        order = self._order(ask.terms, ask.kind, ask.collation)
        found = self._found(ask, order)
        start = 0 if ask.after is None else _start(found, order, ask.after)
        stop = len(found) if ask.first is None else start + ask.first
        return _ListPage(found[start:stop], stop < len(found), len(found), order)

    def count(self, ask: Select, parents: Sequence[str] | None = None, /) -> Mapping[str | None, int]:
        """The number of matching rows for each of ``parents``, or for the parent of ``ask``."""
        matches = predicate(ask.where, ask.kind)
        counts: dict[str | None, int] = {}
        for parent in [ask.parent] if parents is None else parents:
            key = (ask.relation, parent, ask.where, ask.terms, ask.collation)
            found: Sequence[Any] | None = self._kept_rows(key) or self._kept_rows(("unsorted", *key))
            if found is None:
                found = self._rows(ask.relation, parent)
                if matches is not None:
                    found = self._keep(
                        ("unsorted", *key), ask.where, [row for row in until_given_up(found) if matches(row)]
                    )
            counts[parent] = len(found)
        return counts

    def groups(self, ask: Select, by: tuple[Path, ...], /) -> Sequence[Group]:
        """The number of rows for each combination of values at ``by``, largest first. A row counts once for each
        element of a list column, and not at all if the list is empty."""
        key = ("groups", by, ask.relation, ask.parent, ask.where, ask.terms, ask.collation)
        kept = self._kept_rows(key)
        return self._keep(key, ask.where, self._groups(ask, by)) if kept is None else kept

    def _groups(self, ask: Select, by: tuple[Path, ...]) -> list[Group]:
        rows = self._found(ask, self._order(ask.terms, ask.kind, ask.collation))
        getters = [getter(ask.kind, path, ask.collation.nan_text) for path in by]
        found: Iterable[tuple[tuple[Any, ...], int]]
        if all(path.kind == "plain" for path in by):
            # Values of such a column have one type, so equal ones may be counted before they are ranked.
            found = Counter(zip(*(map(get, rows) for get in getters), strict=True)).items()
        else:
            lists = [path.kind == "list" for path in by]
            found = (
                (values, 1)
                for row in until_given_up(rows)
                for values in product(
                    *(
                        dict.fromkeys(get(row)) if many else (get(row),)
                        for get, many in zip(getters, lists, strict=True)
                    )
                )
            )
        rank, shown = ranker(ask.collation.types), dict[Any, Any]()
        counts: Counter[tuple[Any, ...]] = Counter()
        for values, count in found:
            key = tuple(map(rank, values))
            if key not in shown:
                shown[key] = tuple(None if placed is None else value for placed, value in zip(key, values, strict=True))
            counts[key] += count
        return [Group(shown[key], count) for key, count in counts.most_common()]

    def keys(self, ask: Select, part: Path, /) -> Mapping[str, KeyFacts]:
        """The keys of rows in a JSON column, written as paths: nested keys are dotted, a dot inside a key is escaped
        with a backslash. ``keys_info`` as ``part`` means the keys of the rows' histories."""
        key = ("keys", part, ask.relation, ask.parent, ask.where, ask.terms, ask.collation)
        kept = self._kept_rows(key)
        if kept is None:
            kept = self._keep(key, ask.where, list(self._keys(ask, part).items()))
        return dict(kept)

    def _keys(self, ask: Select, part: Path) -> dict[str, KeyFacts]:
        if part.name == "keys_info":
            rows = until_given_up(self._found(ask, self._order(ask.terms, ask.kind, ask.collation)))
            return _merged(run.history.keys() for run in rows)
        get, leaves = getter(ask.kind, part), _Leaves()
        for row in until_given_up(self._found(ask, self._order(ask.terms, ask.kind, ask.collation))):
            leaves.add(get(row))
        return leaves.facts()

    # -- inside ------------------------------------------------------------------------------------

    def _order(self, terms: tuple[Term, ...], kind: str, collation: Collation) -> Order:
        key = (terms, kind, collation)
        order = self._orders.get(key)
        if order is None:
            if len(self._orders) >= _KEPT:
                self._orders.clear()
            order = self._orders[key] = compile_order(terms, kind, collation)
        return order

    def _found(self, ask: Select, order: Order) -> list[Any]:
        """All matching rows, in order."""
        key = (ask.relation, ask.parent, ask.where, ask.terms, ask.collation)
        kept = self._kept_rows(key)
        if kept is not None:
            return kept
        matches = predicate(ask.where, ask.kind)
        if matches is None and not order.keys:
            return self._keep(key, ask.where, order.settle(self._rows(ask.relation, ask.parent)))
        settled = self._kept_rows((ask.relation, ask.parent, All(), (), ask.collation))
        found: Sequence[Any] = self._rows(ask.relation, ask.parent) if settled is None else settled
        if matches is not None:
            found = [row for row in until_given_up(found) if matches(row)]
        if settled is None:
            found = order.settle(found)
        return self._keep(key, ask.where, order.sort(found) if order.keys else list(found))

    def _kept_rows(self, key: Any) -> list[Any] | None:
        token = self._token()
        if token != self._of:
            self._kept = WeightedCache(_KEPT_ROWS)
            self._of = token
        return self._kept.get(key)

    def _keep(self, key: Any, where: Condition, rows: list[Any]) -> list[Any]:
        self._kept.put(key, rows, _KEPT_ROWS // _KEPT + len(rows) + _size(where))
        return rows


def _size(where: Condition) -> int:
    """The size of a condition: a little for each comparison, and the length of what it compares with."""
    if isinstance(where, Compare):
        operand = where.operand
        return 10 + (len(operand) if isinstance(operand, (str, tuple)) else 0)
    return sum(map(_size, (where.part,) if isinstance(where, Not) else where.parts))


@attrs.frozen(slots=True, eq=False)
class _ListPage:
    rows: Sequence[Any]
    has_next: bool
    total: int
    order: Order

    @property
    def places(self) -> Sequence[Place]:
        return _Places(self.rows, self.order)


class _Places(Sequence[Place]):
    """Positions that are computed on access: most pages need only the last one."""

    def __init__(self, rows: Sequence[Any], order: Order) -> None:
        self._of, self._order = rows, order

    def __len__(self) -> int:
        return len(self._of)

    @overload
    def __getitem__(self, at: int) -> Place: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Place]: ...
    def __getitem__(self, at: int | slice) -> Place | Sequence[Place]:
        return _Places(self._of[at], self._order) if isinstance(at, slice) else self._order.place(self._of[at])


def _start(rows: Sequence[Any], order: Order, place: Place) -> int:
    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) // 2
        if order.is_after(rows[middle], place):
            high = middle
        else:
            low = middle + 1
    return low


def _merged(each: Iterable[Mapping[str, KeyFacts]]) -> dict[str, KeyFacts]:
    """The facts about the keys of several histories."""
    merged: dict[str, KeyFacts] = {}
    for keys in each:
        for key, facts in keys.items():
            known = merged.get(key)
            if known is None:
                merged[key] = facts
                continue
            types = dict(Counter(known.types) + Counter(facts.types))
            both = known.monotonic and facts.monotonic
            merged[key] = KeyFacts(known.count + facts.count, types, known.last, both)
    return merged


class _Leaves:
    """Counts the keys of JSON objects by type: for each path to an object, pairs of key and type."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[Any, type]]] = {}

    def add(self, value: Any, before: str = "") -> None:
        """Count the keys of one object, and those of the objects in it."""
        if type(value) is not dict:
            return
        kinds = list(map(type, value.values()))
        counts = self._counts.setdefault(before, Counter())
        counts.update(zip(value, kinds, strict=True))
        if dict in kinds:
            for key, item in value.items():
                if type(item) is dict and item:
                    counts[key, dict] -= 1
                    self.add(item, f"{before}{_escaped(key)}.")

    def facts(self) -> dict[str, KeyFacts]:
        """The facts about each key."""
        types: dict[str, Counter[str]] = {}
        for before, counts in self._counts.items():
            for (key, kind), count in counts.items():
                if count:
                    types.setdefault(before + _escaped(key), Counter())[JSON_TYPES.get(kind, "nil")] += count
        return {key: KeyFacts(sum(counts.values()), dict(counts)) for key, counts in types.items()}


def _escaped(key: Any) -> str:
    return str(key).replace("\\", "\\\\").replace(".", "\\.").replace(",", "\\,")
