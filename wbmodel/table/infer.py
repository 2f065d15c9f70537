"""Infer the type of a column and convert its values, in the same way for every library."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from itertools import chain, compress
from typing import Any

import attrs

from wbmodel.codec import dumps
from wbmodel.table.column import BOOL, FLOAT, INT, JSON, NULL, TEXT, TIME, Dtype

__all__ = ["Seen", "encodes", "fit", "infer", "json_text", "mended"]

_INT64 = 2**63
_EXACT = 2**53
_NONE = type(None)
_LISTS = frozenset((list, tuple))
_NO_CLASSES: frozenset[type] = frozenset()


@attrs.frozen(slots=True)
class Seen:
    """What decides the type of some values. That of several parts together is made from the parts' by ``|``.

    ``classes`` are the classes of the values, without None; ``low`` and ``high`` the least and the greatest integer;
    ``inner`` is what is in the lists.
    """

    classes: frozenset[type] = _NO_CLASSES
    low: int | None = None
    high: int | None = None
    inner: Seen | None = None

    @classmethod
    def of(cls, values: Sequence[Any], types: frozenset[type] | None = None) -> Seen:
        """Look at values; ``types`` are their classes, if known."""
        if types is None:
            types = _FLOATS if values.__class__ is array else frozenset(map(type, values))
        classes = types - {_NONE} if _NONE in types else types
        if not classes:
            return _NOTHING
        whole: Iterable[Any] = ()
        if int in classes:
            # Each walk costs as much as making the column does.
            whole = values if len(types) == 1 else compress(values, [value.__class__ is int for value in values])
        if any(issubclass(each, int) for each in classes if each is not int and each is not bool):
            whole = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
        low = high = inner = None
        if whole:
            whole = list(whole)
            low, high = int(min(whole)), int(max(whole))
        if classes <= _LISTS:
            inner = cls.of(list(chain.from_iterable(value for value in values if value is not None)))
        return cls(classes, low, high, inner)

    @classmethod
    def like(cls, dtype: Dtype, low: int | None = None, high: int | None = None) -> Seen:
        """What was seen of values that have this type, and these least and greatest integers."""
        if dtype.inner is not None:
            return cls(frozenset((list,)), inner=cls.like(dtype.inner, low, high))
        classes = frozenset(() if dtype == NULL else (_CLASS_OF[dtype],))
        return cls(classes, low, high) if dtype == INT else cls(classes)

    @property
    def innermost(self) -> Seen:
        """What was seen in the innermost lists; for anything else, this."""
        return self if self.inner is None else self.inner.innermost

    def __or__(self, other: Seen) -> Seen:
        if self == other or not other.classes:
            return self
        if not self.classes:
            return other
        low = self.low if other.low is None else other.low if self.low is None else min(self.low, other.low)
        high = self.high if other.high is None else other.high if self.high is None else max(self.high, other.high)
        inner = self.inner if other.inner is None else other.inner if self.inner is None else self.inner | other.inner
        return Seen(self.classes | other.classes, low, high, inner)

    def dtype(self, declared: Dtype = NULL) -> tuple[Dtype, bool]:
        """The type that holds all values, and whether they have to become JSON text because no other type does.

        That is so for mixed types, for integers beyond 64 bits, and for floats beside integers that a float would
        round. ``declared`` is used if all values are null.
        """
        if not self.classes:
            return declared, False
        if self.classes <= _LISTS:
            inner, odd = (self.inner or _NOTHING).dtype(declared.inner or NULL)
            # Lists with mixed types or dicts: no list type holds them, and JSON texts inside a list would be of no use.
            whole = odd or inner.innermost == JSON
            return (JSON, False) if whole else (Dtype("list", inner), False)
        kinds = {_PLAIN.get(each) or _other(each) for each in self.classes}
        if INT in kinds and kinds <= _NUMBERS:
            return self._number(kinds, declared)
        return (kinds.pop(), False) if len(kinds) == 1 else (JSON, True)

    def _number(self, kinds: set[Dtype], declared: Dtype) -> tuple[Dtype, bool]:
        low, high = self.low or 0, self.high or 0
        exact = low >= -_EXACT and high <= _EXACT
        if FLOAT in kinds:
            return (FLOAT, False) if exact else (JSON, True)
        if declared == FLOAT and exact:
            return FLOAT, False
        return (INT, False) if low >= -_INT64 and high < _INT64 else (JSON, True)

    @property
    def mixes_numbers(self) -> bool:
        """Whether there are integers among floats, at any depth: 4 and 4.0, which only JSON text tells apart."""
        if self.inner is not None:
            return self.inner.mixes_numbers
        return self.low is not None and len(self.classes) > 1


_NOTHING = Seen()
_FLOATS = frozenset((float,))
_NUMBERS = {INT, FLOAT}


def infer(values: Sequence[Any], declared: Dtype = NULL, types: frozenset[type] | None = None) -> tuple[Dtype, bool]:
    """The type of some values; see :meth:`Seen.dtype`. ``types`` are the classes of the values, if known."""
    return Seen.of(values, types).dtype(declared)


_PLAIN: dict[type, Dtype] = {bool: BOOL, int: INT, float: FLOAT, str: TEXT, dict: JSON}


_CLASS_OF: dict[Dtype, type] = {dtype: cls for cls, dtype in _PLAIN.items()} | {TIME: datetime}


def _other(cls: type) -> Dtype:
    for base, dtype in ((datetime, TIME), (str, TEXT), (bool, BOOL), (int, INT), (float, FLOAT)):
        if issubclass(cls, base):
            return dtype
    return JSON


# -- conversion ------------------------------------------------------------------------------------


def fit(values: Sequence[Any], dtype: Dtype) -> Sequence[Any]:
    """Convert values to ``dtype``. Integers among floats stay: every library takes them, at no cost."""
    if dtype == JSON:
        return [None if value is None else json_text(value) for value in values]
    if dtype == TIME:
        return [v if v is None or v.tzinfo is timezone.utc else v.astimezone(timezone.utc) for v in values]
    if dtype.inner is not None and dtype.inner.name in ("float", "list", "time"):
        inner = dtype.inner
        if inner == FLOAT:
            return [v if v is None else [i if i is None else float(i) for i in v] for v in values]
        return [None if value is None else fit(value, inner) for value in values]
    return values


def json_text(value: Any) -> str:
    """A value as JSON text."""
    try:
        return dumps(value)
    except TypeError:
        import json

        # YAML has dates, JSON does not.
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def encodes(name: str, values: Sequence[Any], dtype: Dtype) -> bool:
    """Whether every text is valid Unicode, which JSON does not guarantee but every library requires."""
    try:
        name.encode()
        if dtype.innermost in (TEXT, JSON):
            # All texts joined: checking each cell would take longer than making the frame.
            "".join([value for value in _texts(values) if value is not None]).encode()
    except UnicodeEncodeError:
        return False
    return True


def _texts(values: Sequence[Any]) -> Sequence[Any]:
    """The texts of a column of texts, or of lists of texts at any depth."""
    while list in (types := set(map(type, values))) or tuple in types:
        values = [item for value in values if value is not None for item in value]
    return values


def mended(value: Any) -> Any:
    """A text, or a list of texts at any depth, with lone surrogates written as ``\\udxxx``."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return list(map(mended, value)) if isinstance(value, (list, tuple)) else value
