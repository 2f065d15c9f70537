"""Lookups in text and lists.

``contains``, ``icontains``, ``startswith``, ``endswith``, ``iexact``, ``regex``, ``iregex``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wbmodel.errors import FieldError
from wbmodel.meta import Kind
from wbmodel.query.lookups import accept
from wbmodel.query.lookups.base import LOCAL, Lookup, Pushed, Test, graded, lookup
from wbmodel.query.lookups.comparison import equal

if TYPE_CHECKING:
    from wbmodel.backend.capabilities import Capabilities

_SPECIAL = frozenset(r"\.^$|?*+()[]{}")


def _escape(text: str) -> str:
    """Escape for every dialect of regular expressions: ``re.escape`` also escapes characters that RE2 rejects."""
    return "".join("\\" + char if char in _SPECIAL else char for char in text)


def _found(pattern: str, flags: int = 0) -> Test:
    search = re.compile(pattern, flags).search
    return lambda value: isinstance(value, str) and search(value) is not None


def _pattern(key: str, pattern: str, exact: bool) -> Pushed:
    return graded({key: {"$regex": pattern}}, exact)


def _dialect(key: str, pattern: str, can: Capabilities) -> Pushed:
    """A pattern that the user wrote, or one that ignores case: dialects may match more or less than Python."""
    return _pattern(key, pattern, exact=True) if can.regex else LOCAL


class OfText(Lookup):
    """A lookup whose operand is text."""

    def accept(self, value: Any, kind: Kind, where: str) -> str:
        return accept.text(value, kind, where)


@lookup("contains", "contains", takes="a member of a list, or a part of a text", example="tags__contains='baseline'")
class Contains(Lookup):
    on_texts = True

    def accept(self, value: Any, kind: Kind, where: str) -> Any:
        # A list in JSON may contain any value.
        return (accept.scalar if kind.is_keyed else accept.text)(value, kind, where)

    def matches(self, operand: Any, kind: Kind) -> Test:
        is_equal = equal(operand)
        if isinstance(operand, str):
            return lambda value: (
                operand in value if isinstance(value, str) else isinstance(value, list) and any(map(is_equal, value))
            )
        return lambda value: isinstance(value, list) and any(map(is_equal, value))

    def push(self, key: str, operand: Any, kind: Kind, can: Capabilities) -> Pushed:
        if kind is Kind.TEXTS:
            return graded({key: operand}, can.strict_values)
        if kind.is_keyed:
            # A JSON value may be a list or text, and no single filter covers both; null is neither.
            return graded({key: {"$ne": None}}, exact=False)
        # The escaped pattern: a server may ignore case, but never matches less.
        return _pattern(key, _escape(operand), can.regex)


@lookup(
    "icontains",
    "contains, ignoring case,",
    takes="a member of a list, or a part of a text",
    example="name__icontains='ViT'",
)
class IContains(OfText):
    on_texts = True

    def matches(self, operand: str, kind: Kind) -> Test:
        part, member = _found(f"(?i){_escape(operand)}"), _found(rf"(?i)\A{_escape(operand)}\Z")
        return lambda value: any(map(member, value)) if isinstance(value, list) else part(value)

    def push(self, key: str, operand: str, kind: Kind, can: Capabilities) -> Pushed:
        return LOCAL if kind.is_keyed or kind is Kind.TEXTS else _dialect(key, f"(?i){_escape(operand)}", can)


@lookup("startswith", "starts with", takes="text", example="name__startswith='ablation-'")
class StartsWith(OfText):
    def matches(self, operand: str, kind: Kind) -> Test:
        return _found(f"^{_escape(operand)}")

    def push(self, key: str, operand: str, kind: Kind, can: Capabilities) -> Pushed:
        return _pattern(key, f"^{_escape(operand)}", can.regex)


@lookup("endswith", "ends with", takes="text", example="name__endswith='-seed3'")
class EndsWith(OfText):
    def matches(self, operand: str, kind: Kind) -> Test:
        return _found(rf"{_escape(operand)}\Z")

    def push(self, key: str, operand: str, kind: Kind, can: Capabilities) -> Pushed:
        # "$" also matches before a final line break, so the server may match too many rows.
        return _pattern(key, f"{_escape(operand)}$", exact=False)


@lookup("iexact", "equals, ignoring case,", takes="text", example="config__optimizer__iexact='adam'")
class IExact(OfText):
    def matches(self, operand: str, kind: Kind) -> Test:
        return _found(rf"(?i)\A{_escape(operand)}\Z")

    def push(self, key: str, operand: str, kind: Kind, can: Capabilities) -> Pushed:
        return _dialect(key, rf"(?i)\A{_escape(operand)}\Z", can)


@lookup(
    "regex",
    "matches",
    takes="a Python regular expression, found anywhere in the text",
    example="name__regex=r'^vit-\\d+$'",
)
class Regex(OfText):
    def accept(self, value: Any, kind: Kind, where: str) -> str:
        pattern = super().accept(value, kind, where)
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise FieldError(f"{where}: {pattern!r} is not a valid regular expression: {error}") from None
        return pattern

    def matches(self, operand: str, kind: Kind) -> Test:
        return _found(operand)

    def push(self, key: str, operand: str, kind: Kind, can: Capabilities) -> Pushed:
        return _dialect(key, operand, can)


@lookup("iregex", "matches, ignoring case,", takes="a Python regular expression", example="name__iregex='^vit'")
class IRegex(Regex):
    def matches(self, operand: str, kind: Kind) -> Test:
        return _found(operand, re.IGNORECASE)

    def push(self, key: str, operand: str, kind: Kind, can: Capabilities) -> Pushed:
        return _dialect(key, f"(?i){operand}", can)
