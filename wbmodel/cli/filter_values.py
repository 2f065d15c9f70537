"""The values of the filter language: JSON values, bare words, lists, dates, times and durations."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from wbmodel.codec import parse_datetime
from wbmodel.meta import Kind

if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["Reader", "Source"]

_TEXT_LOOKUPS = frozenset({"icontains", "startswith", "endswith", "iexact", "regex", "iregex"})
_TEXT_KINDS = frozenset({Kind.TEXT, Kind.ID, Kind.TEXTS, Kind.REF})
_CONSTANTS = {"null": None, "true": True, "false": False, "Infinity": float("inf"), "-Infinity": float("-inf")}
_ZONED = re.compile(r".*[T ].*(?:[zZ]|[+-]\d\d(?::?\d\d)?)")
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(\.\d*)?|(\.\d+))([eE][+-]?\d+)?")
_BARE = re.compile(r"[^\s()\[\]{}]+")
_BARE_IN_LIST = re.compile(r"[^\s()\[\]{},]+")
_STEP = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d|w)")
_UNITS = {
    "w": "weeks",
    "d": "days",
    "h": "hours",
    "m": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
}
MAX_LISTS = 50


class Source(Protocol):
    """The part of the parser that the reader needs: the text, the position in it, and a way to fail."""

    text: str
    at: int

    def fail(self, problem: str, at: int | None = None) -> NoReturn: ...
    def space(self) -> None: ...
    def quoted(self) -> int: ...


class Reader:
    """Reads values at a parser's position."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def is_word(self, text: str) -> bool:
        """Whether the bare word at this position is exactly ``text``."""
        found = _BARE.match(self.source.text, self.source.at)
        return found is not None and found[0] == text

    def value(self, kind: Kind | None, lookup: str, depth: int = 0) -> Any:
        """The next value, read as required by ``lookup`` on a field of ``kind`` (None: guessed from its form)."""
        source = self.source
        source.space()
        start = source.at
        if start >= len(source.text):
            source.fail('a value is missing; write empty text as ""')
        char = source.text[start]
        made: Any
        if char == "'":
            made = self._single_quoted()
        elif char == '"':
            source.at = source.quoted()
            made = json.loads(source.text[start : source.at])
        elif char == "[":
            made = self._list(kind, lookup, depth)
        elif char == "{":
            made = self._object()
        else:
            made = self._word(kind, lookup, depth)
        if isinstance(made, str) and kind is Kind.TIME and lookup not in ("date", "within") and _ZONED.fullmatch(made):
            try:
                made = parse_datetime(made)
            except ValueError as error:
                source.fail(str(error), start)
        if depth == 0 and lookup == "range" and isinstance(made, list):
            return tuple(made)
        return made

    def _single_quoted(self) -> str:
        source = self.source
        start = at = source.at
        while True:
            at = source.text.find("'", at + 1)
            if at < 0:
                source.fail("this quote is not closed")
            if not source.text.startswith("''", at):
                source.at = at + 1
                return source.text[start + 1 : at].replace("''", "'")
            at += 1

    def _list(self, kind: Kind | None, lookup: str, depth: int) -> list[Any]:
        source = self.source
        start = source.at
        if depth >= MAX_LISTS:
            source.fail(f"lists nest more than {MAX_LISTS} deep")
        source.at += 1
        made: list[Any] = []
        while True:
            source.space()
            if source.text.startswith("]", source.at):
                source.at += 1
                return made
            if source.at >= len(source.text):
                source.fail("this '[' is not closed", start)
            made.append(self.value(kind, lookup, depth + 1))
            source.space()
            if source.text.startswith(",", source.at):
                source.at += 1
            elif not source.text.startswith("]", source.at):
                if source.at >= len(source.text):
                    source.fail("this '[' is not closed", start)
                source.fail("expected ',' or ']' in the list; quote text with spaces or brackets")

    def _object(self) -> Any:
        source = self.source
        try:
            made, source.at = json.JSONDecoder().raw_decode(source.text, source.at)
        except (ValueError, RecursionError) as error:
            place = source.at if isinstance(error, RecursionError) else getattr(error, "pos", source.at)
            source.fail("this object is not valid JSON", place)
        return made

    def _word(self, kind: Kind | None, lookup: str, depth: int) -> Any:
        source = self.source
        start = source.at
        found = (_BARE_IN_LIST if depth else _BARE).match(source.text, start)
        if not found:
            source.fail('expected a value; quote text with brackets, and write empty text as ""')
        word = found[0]
        if word[0] in "=<>!~":
            source.fail(f"two operators in a row; quote a value that begins with {word[0]!r}")
        source.at = found.end()
        if lookup == "within":
            return self._span(word, start)
        if lookup == "date":
            return self._day(word, start)
        if word.lower() == "nan" and (kind is None or kind.is_keyed or kind in (Kind.INT, Kind.FLOAT)):
            source.fail("NaN does not equal or compare with anything; write 'is nan'", start)
        if lookup in _TEXT_LOOKUPS:
            return word
        if kind in _TEXT_KINDS:
            return None if word == "null" else word
        return _guess(word, source, start)

    def _span(self, word: str, start: int) -> timedelta:
        steps = list(_STEP.finditer(word))
        if not steps or "".join(step[0] for step in steps) != word:
            self.source.fail(f"{word!r} is not a duration; write it like 7d, 36h or 1d12h (w d h m s)", start)
        try:
            whole = timedelta()
            for step in steps:
                amount = float(step[1]) if "." in step[1] else int(step[1])
                whole += timedelta(**{_UNITS[step[2]]: amount})
        except (OverflowError, ValueError):
            self.source.fail("this duration is too long", start)
        return whole

    def _day(self, word: str, start: int) -> date:
        try:
            return date.fromisoformat(word)
        except ValueError:
            self.source.fail(f"{word!r} is not a date; write it like 2024-01-31", start)


def _guess(word: str, source: Source, start: int) -> Any:
    """Read a bare word by its form: a JSON constant, a number, or else text. ``007`` is text: it may be an id."""
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    found = _NUMBER.fullmatch(word)
    if not found:
        return word
    try:
        made = float(word) if any(found.groups()) else int(word)
    except ValueError:  # more digits than Python accepts for an integer
        source.fail("this number has too many digits", start)
    if made in (float("inf"), float("-inf")):
        source.fail("this number is too large; write infinity as Infinity", start)
    return made
