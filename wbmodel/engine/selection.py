"""``ListSelection``: pages, counts, groups and keys of lists of Python objects.

Filtered and sorted lists are cached until the lists change: reading 10,000 rows in pages of 1,000 filters and sorts
once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, overload

import attrs

from wbmodel.engine.conditions import All, Compare, Condition, Not
from wbmodel.engine.evaluate import predicate
from wbmodel.engine.fields import MISSING, Path, getter
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
        getters = [(getter(ask.kind, path, ask.collation.nan_text), path.kind == "list") for path in by]
        rank, shown = ranker(ask.collation.types), dict[Any, Any]()
        counts: Counter[tuple[Any, ...]] = Counter()
        for row in until_given_up(self._found(ask, self._order(ask.terms, ask.kind, ask.collation))):
            keys: list[tuple[Any, ...]] = [()]
            for get, is_list in getters:
                value = get(row)
                ranks = []
                for item in dict.fromkeys(value) if is_list else (value,):
                    placed = rank(item)
                    shown.setdefault(placed, None if placed is None else item)
                    ranks.append(placed)
                keys = [(*key, placed) for key in keys for placed in ranks]
            counts.update(keys)
        return [Group(tuple(shown[rank] for rank in key), count) for key, count in counts.most_common()]

    def keys(self, ask: Select, part: Path, /) -> Mapping[str, KeyFacts]:
        """The keys of rows in a JSON column, written as paths: nested keys are dotted, a dot inside a key is escaped
        with a backslash."""
        get = getter(ask.kind, part)
        counts: dict[str, Counter[str]] = {}
        for row in until_given_up(self._found(ask, self._order(ask.terms, ask.kind, ask.collation))):
            for key, value in _leaves(get(row)):
                counts.setdefault(key, Counter())[JSON_TYPES.get(type(value), "nil")] += 1
        return {key: KeyFacts(sum(types.values()), dict(types)) for key, types in counts.items()}

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


def _leaves(value: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    if type(value) is not dict or value is MISSING:
        return
    for key, item in value.items():
        escaped = str(key).replace("\\", "\\\\").replace(".", "\\.").replace(",", "\\,")
        if type(item) is dict and item:
            yield from _leaves(item, f"{before}{escaped}.")
        else:
            yield before + escaped, item
