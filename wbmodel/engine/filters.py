"""W&B's filter language -> a Python predicate of a record.

The language is MongoDB's in shape: ``{"key": value}``, ``{"key": {"$op": operand}}``, ``$and $or $nor $not``. Its
meaning here is wbmodel's, with :class:`~wbmodel.engine.dialect.Dialect` switches for what servers may do differently:

- ``{k: null}`` matches null and absent; ``$exists`` tells them apart (a column is always there).
- ``$ne`` and ``$nin`` keep rows that lack the key. ``$gt $gte $lt $lte`` never match absent, null or NaN.
- Types are kept apart: 1 equals 1.0, true equals neither; numbers compare with numbers, text with text. Dates are
  compared as instants with RFC 3339 operands.
- Lists in config and summary are one value; ``tags`` (and ``aliases``) match when an element does. ``$contains`` is a
  substring on text and membership on any list; ``$all`` and ``$size`` look at lists.
- ``$regex`` is ``re.search``. ``{"$and": []}`` matches all, ``{"$or": []}`` nothing, as report specs need it.

Everything wrong is a :class:`~wbmodel.engine.fields.LanguageError`. Many terms are loops, never recursion; nesting is
bounded by ``Dialect.max_depth``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wbmodel.codec import loads
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.fields import MISSING, Field, LanguageError, field
from wbmodel.engine.operators import OPERATORS, Test, shown
from wbmodel.errors import suggestion

__all__ = ["Predicate", "compile_filter", "load_filter"]

Predicate = Callable[[Any], bool]

_LOGIC = ("$and", "$or", "$nor", "$not")
_NEGATIVE = {"$ne": "$eq", "$nin": "$in"}


def load_filter(text: Any) -> dict[str, Any]:
    """The filter document of an argument: JSON text, or an object in place of text. Null and "" are ``{}``."""
    if text is None or text == "":
        return {}
    if isinstance(text, str):
        try:
            text = loads(text)
        except (ValueError, RecursionError) as error:
            raise LanguageError(f"filters are no JSON: {error}") from None
        if text is None:
            return {}
    if not isinstance(text, Mapping):
        raise LanguageError(f"filters must be a JSON object, not {shown(text)}")
    return dict(text)


def compile_filter(document: Mapping[str, Any], type_name: str, dialect: Dialect) -> Predicate | None:
    """A predicate of a record of ``type_name``; None when every record matches."""
    try:
        return _Compiler(type_name, dialect).document(document, 1)
    except RecursionError:
        raise LanguageError("filter nests too deeply for the stack that is left") from None


class _Compiler:
    def __init__(self, type_name: str, dialect: Dialect) -> None:
        self.type_name = type_name
        self.dialect = dialect
        self.fields: dict[str, Field] = {}

    # -- documents: None stands for "always" ---------------------------------------------------------

    def document(self, document: Any, depth: int) -> Predicate | None:
        if depth > self.dialect.max_depth:
            raise LanguageError(f"filter nests deeper than {self.dialect.max_depth} levels")
        if not isinstance(document, Mapping):
            raise LanguageError(f"filter holds {shown(document)} where an object is needed")
        parts: list[Predicate | None] = []
        for key, operand in document.items():
            if not isinstance(key, str):
                raise LanguageError(f"filter has {shown(key)} where a key belongs")
            if key == "$and":
                parts.append(_all([self.document(d, depth + 1) for d in self._list(key, operand)]))
            elif key == "$or":
                parts.append(self._any(self._list(key, operand), depth))
            elif key == "$nor":
                parts.append(_negate(self._any(self._list(key, operand), depth)))
            elif key == "$not":
                parts.append(_negate(self.document(operand, depth + 1)))
            elif key.startswith("$"):
                known = [*OPERATORS, *_NEGATIVE]
                hint = "; it stands under a key" if key in known else suggestion(key, [*known, *_LOGIC])
                raise LanguageError(f"filter has {key!r} where a key or one of {', '.join(_LOGIC)} belongs{hint}")
            else:
                parts.append(self.leaf(self.field(key), operand, depth))
        return _all(parts)

    def _list(self, key: str, operand: Any) -> list[Any]:
        if not isinstance(operand, list):
            raise LanguageError(f"{key} takes a list of filters, not {shown(operand)}")
        return operand

    def _any(self, documents: list[Any], depth: int) -> Predicate | None:
        # Many equalities on one key are one look into a set.
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
        parts: list[Predicate] = []
        always = False
        for document in [*joined, *rest]:
            part = self.document(document, depth + 1)
            if part is None:
                always = True
            else:
                parts.append(part)
        return None if always else _or(parts)

    # -- one key -----------------------------------------------------------------------------------

    def field(self, path: str) -> Field:
        found = self.fields.get(path)
        if found is None:
            found = self.fields[path] = field(self.type_name, path, self.dialect)
        return found

    def leaf(self, at: Field, operand: Any, depth: int) -> Predicate | None:
        if not isinstance(operand, Mapping) or not any(isinstance(k, str) and k.startswith("$") for k in operand):
            return self.apply(at, "$eq", operand)
        parts: list[Predicate | None] = []
        for operator, value in operand.items():
            if not isinstance(operator, str):
                raise LanguageError(f"filter on {at.path!r} has {shown(operator)} where an operator belongs")
            if operator == "$not":
                if depth > self.dialect.max_depth:
                    raise LanguageError(f"filter nests deeper than {self.dialect.max_depth} levels")
                parts.append(_negate(self.leaf(at, value, depth + 1)))
            elif operator in OPERATORS or operator in _NEGATIVE:
                parts.append(self.apply(at, operator, value))
            elif operator in _LOGIC:
                raise LanguageError(f"{operator} stands outside keys, not under {at.path!r}")
            else:
                known = [*OPERATORS, *_NEGATIVE, "$not"]
                what = "unknown operator" if operator.startswith("$") else "a key among operators:"
                raise LanguageError(
                    f"filter on {at.path!r} has {what} {operator!r}{suggestion(operator, known, 'known operators')}"
                    f" (known: {', '.join(sorted([*known, *_LOGIC]))})"
                )
        return _all(parts)

    def apply(self, at: Field, operator: str, operand: Any) -> Predicate:
        get = at.get
        positive = _NEGATIVE.get(operator)
        test: Test = OPERATORS[positive or operator](operand, at, self.dialect)
        if operator == "$exists":
            wanted = bool(operand)
            return lambda record: (get(record) is not MISSING) is wanted
        if at.kind == "list" or (self.dialect.arrays == "elements" and operator not in ("$all", "$size", "$contains")):
            test = _on_elements(test, operator)
        if positive is None:
            if operator == "$eq" and type(operand) is str and at.kind in ("plain", "json") and _is_plain(self.dialect):
                return lambda record: get(record) == operand
            return lambda record: test(get(record))
        if self.dialect.ne_keeps_null:
            return lambda record: not test(get(record))

        def differs(record: Any) -> bool:
            value = get(record)
            return value is not None and value is not MISSING and not test(value)

        return differs


def _is_plain(dialect: Dialect) -> bool:
    return not dialect.case_blind and not dialect.cross_types and dialect.arrays == "opaque"


def _on_elements(test: Test, operator: str) -> Test:
    if operator in ("$all", "$size", "$contains"):
        return test

    def of_list(value: Any) -> bool:
        return any(map(test, value)) or test(value) if type(value) is list else test(value)

    return of_list


# -- joining predicates ----------------------------------------------------------------------------


def _all(parts: list[Predicate | None]) -> Predicate | None:
    tests = [part for part in parts if part is not None]
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda record: first(record) and second(record)

    def every(record: Any) -> bool:
        for test in tests:  # noqa: SIM110  half the time of all() with a generator, and this runs per row
            if not test(record):
                return False
        return True

    return every


def _or(tests: list[Predicate]) -> Predicate:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda record: first(record) or second(record)

    def some(record: Any) -> bool:
        for test in tests:  # noqa: SIM110  as above
            if test(record):
                return True
        return False

    return some


def _negate(part: Predicate | None) -> Predicate:
    if part is None:
        return lambda record: False
    return lambda record: not part(record)
