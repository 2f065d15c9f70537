"""``Q``: conditions and their combinations, as the user wrote them, not yet checked against an entity.

A ``Q`` is flat and n-ary: ten thousand conditions joined by ``|`` are one node with ten thousand children, so recursion
does not depend on the number of terms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from wbmodel import forks

if TYPE_CHECKING:
    from wbmodel.query.f import PathExpr

__all__ = ["Connector", "Item", "Q", "Term", "Wire"]

Connector = Literal["AND", "OR"]


_joining = forks.lock()


class Term(NamedTuple):
    """One condition. ``path`` is the keyword as typed (lookup still inside, ``lookup`` None) or an ``F`` path."""

    path: str | PathExpr
    lookup: str | None
    value: Any


class Wire(NamedTuple):
    """A filter in the server's own language, to be sent as it is: ``text`` is its JSON.

    ``here`` is a condition that means the same, for a backend that cannot be sent filters; without one, the filter can
    only be sent.
    """

    text: str
    here: Q | None = None


class Q:
    """A condition: keyword arguments joined by AND, combined by ``&``, ``|`` and ``~``.

    ``Q()`` is the empty condition; it is neutral in every combination and matches everything.
    """

    __slots__ = ("_count", "_items", "connector", "depth", "negated")

    # The first ``_count`` of ``_items``. What is joined to this condition is appended to the same list, where nothing
    # else was yet, so that joining n terms one by one copies none of them.
    _items: list[Item]
    _count: int
    connector: Connector
    negated: bool
    depth: int

    def __init__(self, *args: Item, **kwargs: Any) -> None:
        for item in args:
            if not isinstance(item, (Q, Term, Wire)):
                raise TypeError(f"Q takes conditions such as Q(...) or F.x > 1, not {item!r}")
        terms = (*args, *(Term(name, None, value) for name, value in kwargs.items()))
        children = [item for item in terms if not isinstance(item, Q) or item._count]
        depth = 1 + max((item.depth for item in children if isinstance(item, Q)), default=0)
        self._fill(children, len(children), "AND", False, depth)

    def _fill(self, items: list[Item], count: int, connector: Connector, negated: bool, depth: int) -> Q:
        self._items = items
        self._count = count
        self.connector = connector
        self.negated = negated
        self.depth = depth
        return self

    @staticmethod
    def _make(items: list[Item], count: int, connector: Connector, negated: bool, depth: int) -> Q:
        # The depth is passed on: computing it from the children would make joining n terms one by one quadratic.
        return Q.__new__(Q)._fill(items, count, connector, negated, depth)

    @property
    def children(self) -> tuple[Item, ...]:
        """The conditions that are joined."""
        return tuple(self._items[: self._count])

    def __bool__(self) -> bool:
        """False for the empty condition."""
        return self._count > 0

    def __reduce__(self) -> tuple[Any, ...]:
        return Q._make, (list(self.children), self._count, self.connector, self.negated, self.depth)

    def _join(self, other: object, connector: Connector) -> Q:
        if not isinstance(other, Q):
            raise TypeError(f"a Q joins another Q, not {other!r}")
        if not other._count:
            return self
        if not self._count:
            return Q._make(other._items, other._count, other.connector, other.negated, other.depth)
        mine, count, my_depth = self._parts(connector)
        theirs, more, their_depth = other._parts(connector)
        added = theirs[:more]
        with _joining:
            if len(mine) == count:
                mine.extend(added)
            else:  # another condition was joined to these first
                mine = [*mine[:count], *added]
        return Q._make(mine, count + more, connector, False, max(my_depth, their_depth))

    def _parts(self, connector: Connector) -> tuple[list[Item], int, int]:
        """The children that this condition adds to a group of ``connector``: a list, how many of it, and the group's
        depth with them."""
        if not self.negated and (self.connector == connector or self._count == 1):
            return self._items, self._count, self.depth
        return [self], 1, self.depth + 1

    def __and__(self, other: object) -> Q:
        return self._join(other, "AND")

    def __or__(self, other: object) -> Q:
        return self._join(other, "OR")

    def __xor__(self, other: object) -> Q:
        """Exactly one of the two, as in Django."""
        if not isinstance(other, Q) or not (self._count and other._count):
            return self._join(other, "OR")
        return (self | other) & ~(self & other)

    def __invert__(self) -> Q:
        if not self._count:
            # "not everything" would match nothing, which is never intended when conditions are built step by step.
            return self
        return Q._make(self._items, self._count, self.connector, not self.negated, self.depth)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Q) and bool(self._identity() == other._identity())

    def __hash__(self) -> int:
        return hash((self.connector, self.negated, self._count))

    def _identity(self) -> Any:
        parts: list[Any] = []
        for item in self.children:
            if isinstance(item, Q):
                parts.append(item._identity())
            elif isinstance(item, Wire):
                parts.append(item)
            else:
                path = item.path if isinstance(item.path, str) else item.path._identity()
                parts.append((path, item.lookup, type(item.value), item.value))
        return (self.connector, self.negated, tuple(parts))

    def __repr__(self) -> str:
        shown = []
        for item in self._items[: min(self._count, 20)]:
            if isinstance(item, Q):
                shown.append(repr(item))
            elif isinstance(item, Wire):
                shown.append(item.text)
            elif isinstance(item.path, str):
                shown.append(f"{item.path}={item.value!r}")
            else:
                shown.append(f"{item.path}.{item.lookup}({item.value!r})")
        if self._count > 20:
            shown.append(f"... {self._count - 20} more")
        body = (", " if self.connector == "AND" else " | ").join(shown)
        return f"{'~' if self.negated else ''}Q({body})"


Item = Q | Term | Wire
"""What a condition joins."""
