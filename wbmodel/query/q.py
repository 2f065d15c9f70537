"""``Q``: conditions and their combinations, as the user wrote them, not yet checked against an entity.

A ``Q`` is flat and n-ary: ten thousand conditions joined by ``|`` are one node with ten thousand children, so recursion
does not depend on the number of terms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from wbmodel.query.f import PathExpr

__all__ = ["Connector", "Q", "Term"]

Connector = Literal["AND", "OR"]


class Term(NamedTuple):
    """One condition. ``path`` is the keyword as typed (lookup still inside, ``lookup`` None) or an ``F`` path."""

    path: str | PathExpr
    lookup: str | None
    value: Any


class Q:
    """A condition: keyword arguments joined by AND, combined by ``&``, ``|`` and ``~``.

    ``Q()`` is the empty condition; it is neutral in every combination and matches everything.
    """

    __slots__ = ("children", "connector", "depth", "negated")

    children: tuple[Q | Term, ...]
    connector: Connector
    negated: bool
    depth: int

    def __init__(self, *args: Q | Term, **kwargs: Any) -> None:
        for item in args:
            if not isinstance(item, (Q, Term)):
                raise TypeError(f"Q takes conditions such as Q(...) or F.x > 1, not {item!r}")
        terms = (*args, *(Term(name, None, value) for name, value in kwargs.items()))
        children = tuple(item for item in terms if isinstance(item, Term) or item.children)
        depth = 1 + max((item.depth for item in children if isinstance(item, Q)), default=0)
        self._fill(children, "AND", False, depth)

    def _fill(self, children: tuple[Q | Term, ...], connector: Connector, negated: bool, depth: int) -> Q:
        self.children = children
        self.connector = connector
        self.negated = negated
        self.depth = depth
        return self

    @staticmethod
    def _make(children: tuple[Q | Term, ...], connector: Connector, negated: bool, depth: int) -> Q:
        # The depth is passed on: computing it from the children would make joining n terms one by one quadratic.
        return Q.__new__(Q)._fill(children, connector, negated, depth)

    def __bool__(self) -> bool:
        """False for the empty condition."""
        return bool(self.children)

    def _join(self, other: object, connector: Connector) -> Q:
        if not isinstance(other, Q):
            raise TypeError(f"a Q joins another Q, not {other!r}")
        if not other.children:
            return self
        if not self.children:
            return Q._make(other.children, other.connector, other.negated, other.depth)
        mine, my_depth = self._parts(connector)
        theirs, their_depth = other._parts(connector)
        return Q._make(mine + theirs, connector, False, max(my_depth, their_depth))

    def _parts(self, connector: Connector) -> tuple[tuple[Q | Term, ...], int]:
        """The children that this condition adds to a group of ``connector``, and the group's depth with them."""
        if not self.negated and (self.connector == connector or len(self.children) == 1):
            return self.children, self.depth
        return (self,), self.depth + 1

    def __and__(self, other: object) -> Q:
        return self._join(other, "AND")

    def __or__(self, other: object) -> Q:
        return self._join(other, "OR")

    def __xor__(self, other: object) -> Q:
        """Exactly one of the two, as in Django."""
        if not isinstance(other, Q) or not (self.children and other.children):
            return self._join(other, "OR")
        return (self | other) & ~(self & other)

    def __invert__(self) -> Q:
        if not self.children:
            # "not everything" would match nothing, which is never intended when conditions are built step by step.
            return self
        return Q._make(self.children, self.connector, not self.negated, self.depth)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Q) and bool(self._identity() == other._identity())

    def __hash__(self) -> int:
        return hash((self.connector, self.negated, len(self.children)))

    def _identity(self) -> Any:
        parts: list[Any] = []
        for item in self.children:
            if isinstance(item, Q):
                parts.append(item._identity())
            else:
                path = item.path if isinstance(item.path, str) else item.path._identity()
                parts.append((path, item.lookup, type(item.value), item.value))
        return (self.connector, self.negated, tuple(parts))

    def __repr__(self) -> str:
        shown = []
        for item in self.children[:20]:
            if isinstance(item, Q):
                shown.append(repr(item))
            elif isinstance(item.path, str):
                shown.append(f"{item.path}={item.value!r}")
            else:
                shown.append(f"{item.path}.{item.lookup}({item.value!r})")
        if len(self.children) > 20:
            shown.append(f"... {len(self.children) - 20} more")
        body = (", " if self.connector == "AND" else " | ").join(shown)
        return f"{'~' if self.negated else ''}Q({body})"
