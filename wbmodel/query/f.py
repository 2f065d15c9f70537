"""``F``: a path to a field or to a key inside one, written in Python.

``F.summary["eval/acc"]`` is one literal key, whatever characters it contains; ``F.summary["a"]["b"]`` is nested.
Comparing a path gives a :class:`~wbmodel.query.q.Q`; ``-F.summary["loss"]`` is a descending order key.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from wbmodel.query.q import Q, Term
from wbmodel.query.spelling import quote_key, split_dotted

__all__ = ["F", "PathExpr"]


class Comparison(Q):
    """The condition made by a comparison operator. It has no truth value.

    Python reads ``0 < F.x < 1`` as ``(0 < F.x) and (F.x < 1)``, which would silently keep only the second half.
    """

    __slots__ = ()

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self} has no truth value; combine conditions with & | ~, "
            "and use .range(low, high) for a chained comparison"
        )


class PathExpr:
    """A field and literal keys inside it, not yet checked against an entity. Immutable and hashable."""

    __slots__ = ("descending", "field", "keys")

    field: str
    keys: tuple[str, ...]
    descending: bool

    def __init__(self, field: str, keys: tuple[str, ...] = (), descending: bool = False) -> None:
        object.__setattr__(self, "field", field)
        object.__setattr__(self, "keys", keys)
        object.__setattr__(self, "descending", descending)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"paths are immutable; cannot set {name!r}")

    def __getitem__(self, key: str) -> PathExpr:
        if not isinstance(key, str):
            raise TypeError(f"a key inside {self} must be text, not {type(key).__name__}")
        return PathExpr(self.field, (*self.keys, key), self.descending)

    # Without this, Python would try to iterate a path by calling [0], [1], ...
    __iter__ = None

    # -- orders --

    def __neg__(self) -> PathExpr:
        return PathExpr(self.field, self.keys, not self.descending)

    def __pos__(self) -> PathExpr:
        return self

    def asc(self) -> PathExpr:
        """This path as an ascending order key."""
        return PathExpr(self.field, self.keys, False)

    def desc(self) -> PathExpr:
        """This path as a descending order key."""
        return PathExpr(self.field, self.keys, True)

    # -- comparisons --

    def lookup(self, name: str, value: Any) -> Q:
        """A condition with the lookup ``name``, for instance ``F.config["lr"].lookup("range", (0.1, 0.2))``."""
        return Q(Term(self, name, value))

    def __eq__(self, other: object) -> Q:  # type: ignore[override]
        return Comparison(Term(self, "exact", other))

    def __ne__(self, other: object) -> Q:  # type: ignore[override]
        return Comparison(Term(self, "ne", other))

    def __gt__(self, other: Any) -> Q:
        return Comparison(Term(self, "gt", other))

    def __ge__(self, other: Any) -> Q:
        return Comparison(Term(self, "gte", other))

    def __lt__(self, other: Any) -> Q:
        return Comparison(Term(self, "lt", other))

    def __le__(self, other: Any) -> Q:
        return Comparison(Term(self, "lte", other))

    def in_(self, values: Iterable[Any]) -> Q:
        """The value is one of ``values``."""
        return self.lookup("in", values)

    def nin(self, values: Iterable[Any]) -> Q:
        """The value is not one of ``values``, or is absent."""
        return self.lookup("nin", values)

    def range(self, low: Any, high: Any) -> Q:
        """``low <= value <= high``."""
        return self.lookup("range", (low, high))

    def contains(self, value: Any) -> Q:
        """The list holds ``value``, or the text holds the text ``value``."""
        return self.lookup("contains", value)

    def icontains(self, value: str) -> Q:
        """Like :meth:`contains`, ignoring case."""
        return self.lookup("icontains", value)

    def startswith(self, value: str) -> Q:
        """The text starts with ``value``."""
        return self.lookup("startswith", value)

    def endswith(self, value: str) -> Q:
        """The text ends with ``value``."""
        return self.lookup("endswith", value)

    def iexact(self, value: str) -> Q:
        """The text equals ``value``, ignoring case."""
        return self.lookup("iexact", value)

    def regex(self, pattern: str) -> Q:
        """The regular expression ``pattern`` is found in the text."""
        return self.lookup("regex", pattern)

    def iregex(self, pattern: str) -> Q:
        """Like :meth:`regex`, ignoring case."""
        return self.lookup("iregex", pattern)

    def isnull(self, value: bool = True) -> Q:
        """The value is absent or null."""
        return self.lookup("isnull", value)

    def exists(self, value: bool = True) -> Q:
        """The key exists, even if its value is null."""
        return self.lookup("exists", value)

    def isnan(self, value: bool = True) -> Q:
        """The value is NaN."""
        return self.lookup("isnan", value)

    def isfinite(self, value: bool = True) -> Q:
        """The value is a finite number."""
        return self.lookup("isfinite", value)

    def date(self, value: Any) -> Q:
        """The moment falls on this day, in UTC."""
        return self.lookup("date", value)

    def within(self, span: timedelta) -> Q:
        """The moment is at most ``span`` ago."""
        return self.lookup("within", span)

    # -- the rest --

    def __hash__(self) -> int:
        return hash((self.field, self.keys, self.descending))

    def __bool__(self) -> bool:
        # `F.x and F.y` would silently drop one of the two.
        raise TypeError(f"{self} has no truth value; combine conditions with & | ~, and use .in_(...) or .range(...)")

    def same_as(self, other: object) -> bool:
        """Whether ``other`` is the same path in the same direction (``==`` builds a condition instead)."""
        return isinstance(other, PathExpr) and self._identity() == other._identity()

    def _identity(self) -> tuple[str, tuple[str, ...], bool]:
        return (self.field, self.keys, self.descending)

    @property
    def dotted(self) -> str:
        """The dotted form, without a sign: ``summary.loss``. Keys that contain a dot or a quote are quoted."""
        return ".".join([self.field, *(quote_key(key) for key in self.keys)])

    def __str__(self) -> str:
        return ("-" if self.descending else "") + "F." + self.field + "".join(f"[{key!r}]" for key in self.keys)

    __repr__ = __str__

    def __reduce__(self) -> tuple[Any, ...]:
        return (PathExpr, (self.field, self.keys, self.descending))


class _Root:
    """The class of ``F``: every attribute starts a path."""

    __slots__ = ()

    def __getattr__(self, name: str) -> PathExpr:
        if name.startswith("_"):
            raise AttributeError(name)
        return PathExpr(name)

    def __call__(self, dotted: str) -> PathExpr:
        """A path from text: ``F("summary.loss")``, ``F('config."a.b"')``."""
        sign, parts = split_dotted(dotted)
        return PathExpr(parts[0], tuple(parts[1:]), sign == "-")

    def __dir__(self) -> list[str]:
        from wbmodel.meta import all_entities

        return sorted({name for meta in all_entities().values() for name in meta.fields})

    def __repr__(self) -> str:
        return "F"


F = _Root()
