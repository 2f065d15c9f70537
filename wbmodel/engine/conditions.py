"""W&B's filter language: JSON -> a frozen, hashable condition tree that every store can read.

The language has MongoDB's syntax: ``{"key": value}``, ``{"key": {"$op": operand}}``, ``$and $or $nor $not``. Its
semantics are wbmodel's own:

- ``{k: null}`` matches null and absent; ``$exists`` tells them apart (a column always exists).
- ``$ne`` and ``$nin`` keep rows that lack the key. ``$gt $gte $lt $lte`` never match absent, null or NaN.
- Types are kept apart: 1 equals 1.0, true equals neither; numbers compare with numbers, text with text. Dates are
  compared as instants with RFC 3339 operands.
- Lists in config and summary are one value; ``tags`` (and ``aliases``) match if an element does. ``$contains`` is a
  substring test on text and membership in any list; ``$all`` and ``$size`` test lists.
- ``$regex`` is ``re.search`` (in a server, RE2). ``{"$and": []}`` matches everything and ``{"$or": []}`` nothing, as
  report specs require.

The differences of a :class:`~wbmodel.engine.dialect.Dialect` are lowered into the tree: as ``loose`` flags of a
comparison and, if ``$ne`` drops nulls, as an extra comparison. So a store does not need to know the dialect.

Every problem with a filter raises :class:`~wbmodel.engine.fields.LanguageError`. Long lists of terms are processed in
loops, without recursion; ``Dialect.max_depth`` limits nesting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import attrs

from wbmodel.codec import dumps, loads, parse_datetime
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.fields import LanguageError, Path, TooMuch, path_of
from wbmodel.engine.patterns import check_pattern
from wbmodel.errors import suggestion

__all__ = [
    "OPERATORS",
    "All",
    "Compare",
    "Condition",
    "Json",
    "Loose",
    "Not",
    "Op",
    "Operand",
    "Path",
    "Some",
    "all_of",
    "load_filter",
    "parse_filter",
    "some_of",
]

Op = Literal["eq", "in", "lt", "lte", "gt", "gte", "exists", "regex", "contains", "all", "size", "like"]
"""The operator of a comparison. ``like`` is SQL's, with ``%`` and ``_``; it comes from arguments, not from filters."""

Loose = Literal["fold", "cross_types", "elements", "nulls_compare", "nan_text", "re2"]
"""Ways in which a dialect relaxes a comparison: ignore case; treat numeric text as numbers and booleans as 0 and 1;
also test the elements of lists; allow null and booleans in ``lt lte gt gte``; treat NaN and infinities as text;
match patterns with RE2."""


@attrs.frozen(slots=True)
class Json:
    """A list or an object as an operand, held as JSON text so that it is hashable."""

    text: str

    @property
    def value(self) -> Any:
        """The list or object."""
        return loads(self.text)


Operand = None | bool | int | float | str | datetime | Json | tuple["Operand", ...]
"""The operand of a comparison. Dates are aware datetimes; ``in`` and ``all`` take a tuple, ``exists`` a bool."""


def _exact(operand: Any) -> Any:
    # 1, 1.0 and True are equal in Python, but they are different operands.
    return tuple(map(_exact, operand)) if type(operand) is tuple else (type(operand), operand)


@attrs.frozen(slots=True, cache_hash=True)
class All:
    """True if every part is true. ``All()`` is true."""

    parts: tuple[Condition, ...] = ()


@attrs.frozen(slots=True, cache_hash=True)
class Some:
    """True if at least one part is true. ``Some()`` is false."""

    parts: tuple[Condition, ...] = ()


@attrs.frozen(slots=True, cache_hash=True)
class Not:
    """True if the part is false. Every condition is either true or false, never unknown."""

    part: Condition


@attrs.frozen(slots=True, cache_hash=True)
class Compare:
    """One comparison. ``loose`` contains only flags that affect it; empty means the documented semantics."""

    path: Path
    op: Op
    operand: Operand = attrs.field(eq=_exact)
    loose: frozenset[Loose] = frozenset()


Condition = All | Some | Not | Compare

OPERATORS: Mapping[str, Op] = {
    "$eq": "eq",
    "$in": "in",
    "$gt": "gt",
    "$gte": "gte",
    "$lt": "lt",
    "$lte": "lte",
    "$exists": "exists",
    "$regex": "regex",
    "$contains": "contains",
    "$all": "all",
    "$size": "size",
}
"""The positive operators of filter documents; ``$ne`` and ``$nin`` are the opposites of ``$eq`` and ``$in``."""

_NEGATIVE = {"$ne": "$eq", "$nin": "$in"}
_LOGIC = ("$and", "$or", "$nor", "$not")
_TRUE, _FALSE = All(), Some()

_LOOSENED: Mapping[Op, frozenset[Loose]] = {
    "eq": frozenset({"fold", "cross_types", "elements", "nan_text"}),
    "in": frozenset({"fold", "cross_types", "elements", "nan_text"}),
    **dict.fromkeys(
        ("lt", "lte", "gt", "gte"), frozenset[Loose]({"cross_types", "elements", "nulls_compare", "nan_text"})
    ),
    "regex": frozenset({"fold", "elements", "nan_text", "re2"}),
    "contains": frozenset({"fold", "cross_types", "nan_text"}),
    "all": frozenset({"fold", "cross_types", "nan_text"}),
}
"""The dialect flags that affect each operator; ``exists`` and ``size`` are affected by none."""


def all_of(parts: Sequence[Condition]) -> Condition:
    """The condition that all parts are true, simplified."""
    kept = tuple(part for part in parts if part != _TRUE)
    return kept[0] if len(kept) == 1 else All(kept)


def some_of(parts: Sequence[Condition]) -> Condition:
    """The condition that at least one part is true, simplified."""
    if any(part == _TRUE for part in parts):
        return _TRUE
    return parts[0] if len(parts) == 1 else Some(tuple(parts))


def _negation(part: Condition) -> Condition:
    return _FALSE if part == _TRUE else _TRUE if part == _FALSE else Not(part)


def load_filter(text: Any) -> dict[str, Any]:
    """The filter document in an argument: JSON text, or an object instead of text. Null and "" mean ``{}``."""
    if text is None or text == "":
        return {}
    if isinstance(text, str):
        try:
            text = loads(text)
        except (ValueError, RecursionError) as error:
            raise LanguageError(f"filters are not valid JSON: {error}") from None
        if text is None:
            return {}
    if not isinstance(text, Mapping):
        raise LanguageError(f"filters must be a JSON object, not {_shown(text)}")
    return dict(text)


def parse_filter(document: Mapping[str, Any], kind: str, dialect: Dialect) -> Condition:
    """Parse a filter document into a condition on records of ``kind``, a GraphQL type such as ``Run``."""
    try:
        found = _Parser(kind, dialect).document(document, 1)
        hash(found)  # cached in the objects, so that later cache lookups do not walk the tree
    except RecursionError:
        raise LanguageError("filter nests too deeply for the remaining stack") from None
    return found


class _Parser:
    def __init__(self, kind: str, dialect: Dialect) -> None:
        self.kind = kind
        self.dialect = dialect
        self.paths: dict[str, Path] = {}
        self.loose = _loosened(dialect)
        self.terms = 0

    # -- documents ---------------------------------------------------------------------------------

    def document(self, document: Any, depth: int) -> Condition:
        if depth > self.dialect.max_depth:
            raise LanguageError(f"filter nests deeper than {self.dialect.max_depth} levels")
        if not isinstance(document, Mapping):
            raise LanguageError(f"filter has {_shown(document)} where an object is required")
        parts: list[Condition] = []
        for key, operand in document.items():
            if not isinstance(key, str):
                raise LanguageError(f"filter has {_shown(key)} where a key is required")
            if key == "$and":
                parts.append(all_of([self.document(d, depth + 1) for d in self._list(key, operand)]))
            elif key == "$or":
                parts.append(self._any(self._list(key, operand), depth))
            elif key == "$nor":
                parts.append(_negation(self._any(self._list(key, operand), depth)))
            elif key == "$not":
                parts.append(_negation(self.document(operand, depth + 1)))
            elif key.startswith("$"):
                known = [*OPERATORS, *_NEGATIVE]
                hint = "; put it under a key" if key in known else suggestion(key, [*known, *_LOGIC])
                raise LanguageError(f"filter has {key!r} where a key or one of {', '.join(_LOGIC)} is required{hint}")
            else:
                parts.append(self.leaf(key, operand, depth))
        return all_of(parts)

    def _list(self, key: str, operand: Any) -> list[Any]:
        if not isinstance(operand, list):
            raise LanguageError(f"{key} requires a list of filters, not {_shown(operand)}")
        return operand

    def _add(self, terms: int) -> None:
        self.terms += terms
        most = self.dialect.max_terms
        if self.terms > most:
            raise TooMuch(f"filter has more than {most} comparisons; use $in for many values of one key")

    def _any(self, documents: list[Any], depth: int) -> Condition:
        # Many equalities on one key become one set lookup, or one term of an SQL statement, which limits its terms.
        by_key: dict[str, list[Any]] = {}
        rest: list[Any] = []
        for document in documents:
            single = isinstance(document, Mapping) and len(document) == 1
            key, operand = next(iter(document.items())) if single else ("$", None)
            if isinstance(key, str) and not key.startswith("$") and not isinstance(operand, (Mapping, list)):
                by_key.setdefault(key, []).append(operand)
            else:
                rest.append(document)
        joined = [{key: operands[0] if len(operands) == 1 else {"$in": operands}} for key, operands in by_key.items()]
        self._add(len(joined) + len(rest))  # before the work, and then as each of them is parsed
        self.terms -= len(joined) + len(rest)
        return some_of([self.document(document, depth + 1) for document in [*joined, *rest]])

    # -- one key -----------------------------------------------------------------------------------

    def leaf(self, key: str, operand: Any, depth: int) -> Condition:
        path = self.paths.get(key)
        if path is None:
            path = self.paths[key] = path_of(self.kind, key, self.dialect)
        if not isinstance(operand, Mapping) or not any(isinstance(k, str) and k.startswith("$") for k in operand):
            return self.apply(key, path, "$eq", operand)
        parts: list[Condition] = []
        for operator, value in operand.items():
            if not isinstance(operator, str):
                raise LanguageError(f"filter on {key!r} has {_shown(operator)} where an operator is required")
            if operator == "$not":
                if depth > self.dialect.max_depth:
                    raise LanguageError(f"filter nests deeper than {self.dialect.max_depth} levels")
                parts.append(_negation(self.leaf(key, value, depth + 1)))
            elif operator in OPERATORS or operator in _NEGATIVE:
                parts.append(self.apply(key, path, operator, value))
            elif operator in _LOGIC:
                raise LanguageError(f"{operator} must be outside keys, not under {key!r}")
            else:
                known = [*OPERATORS, *_NEGATIVE, "$not"]
                what = "unknown operator" if operator.startswith("$") else "a key among operators:"
                raise LanguageError(
                    f"filter on {key!r} has {what} {operator!r}{suggestion(operator, known, 'known operators')}"
                    f" (known: {', '.join(sorted([*known, *_LOGIC]))})"
                )
        return all_of(parts)

    def apply(self, key: str, path: Path, operator: str, operand: Any) -> Condition:
        self._add(1)
        positive = _NEGATIVE.get(operator, operator)
        op = OPERATORS[positive]
        loose = self.loose & _LOOSENED.get(op, frozenset()) if self.loose else self.loose
        if loose and not (path.kind == "json" and path.keys):
            loose -= {"nan_text"}  # applies only to values inside JSON, not to columns or to a whole config
        compare = Compare(path, op, self._operand(key, path, positive, operand), loose)
        if positive == operator:
            return compare
        if self.dialect.ne_keeps_null:
            return Not(compare)
        return All((Not(compare), Not(Compare(path, "eq", None))))

    def _operand(self, key: str, path: Path, operator: str, operand: Any) -> Operand:
        """Convert the operand for a comparison. Raises :class:`LanguageError` if the operator cannot take it."""
        timed = path.kind == "time"
        if operator == "$eq":
            return _value(operand, key, timed, operator)
        if operator == "$in":
            if not isinstance(operand, list):
                raise LanguageError(f"$in and $nin on {key!r} require a list, not {_shown(operand)}")
            return tuple(_value(item, key, timed, operator) for item in operand)
        if operator in ("$gt", "$gte", "$lt", "$lte"):
            return self._bound(key, timed, operator, operand)
        if operator == "$exists":
            if type(operand) not in (bool, int) or operand not in (0, 1):
                raise LanguageError(f"$exists on {key!r} requires true or false, not {_shown(operand)}")
            return bool(operand)
        if operator == "$regex":
            return _pattern(operand, key, self.dialect)
        if operator == "$contains":
            if timed:
                raise LanguageError(f"$contains on {key!r}: a date is neither text nor a list")
            return _value(operand, key, False, operator)
        if operator == "$all":
            if not isinstance(operand, list):
                raise LanguageError(f"$all on {key!r} requires a list, not {_shown(operand)}")
            return tuple(_value(item, key, timed, "$eq") for item in operand)
        whole = type(operand) is int or (type(operand) is float and operand.is_integer())
        if not whole or operand < 0:
            raise LanguageError(f"$size on {key!r} requires a whole number of 0 or more, not {_shown(operand)}")
        return int(operand)

    def _bound(self, key: str, timed: bool, operator: str, operand: Any) -> Operand:
        if timed:
            return _moment(operand, key, operator)
        if isinstance(operand, (int, float, str)) and type(operand) is not bool:
            return operand
        if operand is None and self.dialect.null_comparisons:
            return None
        if type(operand) is bool and (self.dialect.null_comparisons or self.dialect.cross_types):
            return operand
        raise LanguageError(f"{operator} on {key!r} requires a number or text, not {_shown(operand)}")


def _loosened(dialect: Dialect) -> frozenset[Loose]:
    switches: dict[Loose, bool] = {
        "fold": dialect.case_blind,
        "cross_types": dialect.cross_types,
        "elements": dialect.arrays == "elements",
        "nulls_compare": dialect.null_comparisons,
        "nan_text": dialect.nan == "text",
        "re2": dialect.regex == "re2",
    }
    return frozenset(name for name, on in switches.items() if on)


# -- operands --------------------------------------------------------------------------------------


def _value(operand: Any, key: str, timed: bool, operator: str) -> Operand:
    if operand is None:
        return None
    if timed:
        return _moment(operand, key, operator)
    if isinstance(operand, (bool, int, float, str)):
        return operand
    try:
        return Json(dumps(operand))
    except (TypeError, ValueError) as error:
        raise LanguageError(f"{operator} on {key!r} requires a JSON value: {error}") from None


def _moment(operand: Any, key: str, operator: str) -> datetime:
    if isinstance(operand, str):
        try:
            return parse_datetime(operand)
        except ValueError:
            pass
    raise LanguageError(f"{operator} on {key!r} requires a date such as 2021-04-23T10:00:00Z, not {_shown(operand)}")


def _pattern(operand: Any, key: str, dialect: Dialect) -> str:
    if not isinstance(operand, str):
        raise LanguageError(f"$regex on {key!r} requires a pattern as text, not {_shown(operand)}")
    check_pattern(operand, key, dialect.case_blind, dialect.regex == "re2")
    return operand


def _shown(value: Any) -> str:
    """A value for a message: shortened, with the JSON name of its type."""
    names = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "object"}
    if value is None:
        return "null"
    text = repr(value)
    return f"the {names.get(type(value), type(value).__name__)} {text[:60]}{'...' if len(text) > 60 else ''}"
