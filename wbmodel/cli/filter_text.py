"""The filter language of the command line: text to ``Q``.

::

    summary.loss < 0.3 and (state = finished or tags *= baseline) and not config.optimizer in [sgd, adam]

A term is a path, an operator and a value. ``docs/reference/cli.md`` is the reference page; the values are in
:mod:`wbmodel.cli.filter_values`. Nothing is asked of a backend here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any, NoReturn

from wbmodel.cli.filter_values import Reader
from wbmodel.codec import read_quoted
from wbmodel.errors import FieldError, nearest
from wbmodel.meta import EntityMeta, Kind
from wbmodel.query.f import PathExpr
from wbmodel.query.lookups import LOOKUPS, find_lookup
from wbmodel.query.paths import resolve_path
from wbmodel.query.q import Q
from wbmodel.query.spelling import split_dotted
from wbmodel.safe_text import pointer

__all__ = ["FilterSyntaxError", "parse_filter"]

SYMBOLS = {
    "==": "exact",
    "=": "exact",
    "!=": "ne",
    "<=": "lte",
    ">=": "gte",
    "<": "lt",
    ">": "gt",
    "!~": "not regex",
    "~": "regex",
    "*=": "contains",
    "^=": "startswith",
    "$=": "endswith",
}
OPERATORS = f"the operators are {' '.join(SYMBOLS)}, in, is, exists, within and the names of lookups"
_STATES = {"null": "isnull", "nan": "isnan", "finite": "isfinite"}

_SYMBOL = re.compile(r"==|!=|<=|>=|!~|\*=|\^=|\$=|[=<>~]")
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"[A-Za-z_]\w*")
# An operator ends a bare key, so a key that holds one is quoted: config."a=b".
_KEY = re.compile(r"""(?:[^\s()\[\],"'=!<>~*^$.]|[*^$](?!=)|!(?![=~]))+""")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

MAX_NESTING = 90
"""How deep parentheses and ``not`` may nest: a little less than conditions themselves may."""


class FilterSyntaxError(FieldError):
    """A filter that cannot be read. ``problem`` says why, ``position`` (characters from 0) where in ``text``.

    ``str()`` shows the text with a caret under the place.
    """

    def __init__(self, problem: str, text: str, position: int) -> None:
        super().__init__(problem, text, position)
        self.problem, self.text, self.position = problem, text, position

    def __str__(self) -> str:
        return f"{self.problem}\n{pointer(self.text, self.position)}"


def parse_filter(text: str, meta: EntityMeta | None = None) -> Q:
    """The condition that ``text`` says. With ``meta``, names and values are checked and read as the entity's fields
    want them (``name=7`` is text, ``created_at>2024-01-01`` a moment).

    Raises :class:`FilterSyntaxError`, whose caret is under the place.
    """
    return _Parser(text, meta).whole()


class _Parser:
    """Recursive descent over one text; ``at`` is the place of the next character."""

    def __init__(self, text: str, meta: EntityMeta | None) -> None:
        self.text, self.meta = text, meta
        self.at = 0
        self.depth = 0
        self.values = Reader(self)

    # -- what is there -----------------------------------------------------------------------------

    def fail(self, problem: str, at: int | None = None) -> NoReturn:
        raise FilterSyntaxError(problem, self.text, self.at if at is None else at)

    def space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    @property
    def ended(self) -> bool:
        self.space()
        return self.at >= len(self.text)

    def take(self, *words: str) -> str | None:
        """The next word if it is one of these, in any case; it is then read."""
        self.space()
        found = _WORD.match(self.text, self.at)
        if found and found[0].lower() in words:
            self.at = found.end()
            return found[0].lower()
        return None

    def take_char(self, char: str) -> bool:
        self.space()
        if self.text.startswith(char, self.at):
            self.at += len(char)
            return True
        return False

    # -- the grammar -------------------------------------------------------------------------------

    def whole(self) -> Q:
        if self.ended:
            self.fail("the filter is empty; it is written like 'summary.loss<0.3'")
        made = self.any_of()
        if not self.ended:
            self._left_over()
        return made

    def _left_over(self) -> NoReturn:
        char = self.text[self.at]
        if char in "&|":
            self.fail(f"conditions are joined by 'and' and 'or', not by {char!r}")
        if char == ")":
            self.fail("there is no '(' for this ')'")
        if char == ",":
            self.fail("a comma stands between the values of a list only; conditions are joined by 'and'")
        self.fail("expected 'and', 'or' or the end; a value with spaces or brackets is quoted: name=\"my run\"")

    def any_of(self) -> Q:
        parts = [self.all_of()]
        while self.take("or"):
            parts.append(self.all_of())
        return _joined(parts, lambda one, other: one | other)

    def all_of(self) -> Q:
        parts = [self.one()]
        while self.take("and"):
            parts.append(self.one())
        return _joined(parts, lambda one, other: one & other)

    def one(self) -> Q:
        start = self.at
        self.depth += 1
        if self.depth > MAX_NESTING:
            self.fail(f"conditions nest more than {MAX_NESTING} deep", start)
        try:
            if self.take("not"):
                return ~self.one()
            if self.take_char("("):
                made = self.any_of()
                if not self.take_char(")"):
                    if self.ended:
                        self.fail("a ')' is missing")
                    self._left_over()
                return made
            return self.term()
        finally:
            self.depth -= 1

    def term(self) -> Q:
        self.space()
        start = self.at
        word = _WORD.match(self.text, start)
        if word and word[0].lower() in ("and", "or"):
            self.fail(f"a condition is missing before {word[0]!r}")
        path = self.path()
        kind = self._kind(path, start)
        self.space()
        at = self.at
        symbol = _SYMBOL.match(self.text, at)
        if symbol:
            self.at = symbol.end()
            lookup = SYMBOLS[symbol[0]]
            negated = lookup.startswith("not ")
            made = self._compared(path, lookup.removeprefix("not "), kind)
            return ~made if negated else made
        return self._worded(path, kind, at)

    def path(self) -> PathExpr:
        """A dotted path; keys that hold a dot, a space or an operator are quoted like JSON strings."""
        start = self.at
        if self.ended:
            self.fail("a condition is missing here" if start else "the filter is empty")
        while True:
            if self.text.startswith('"', self.at):
                self.at = self.quoted()
            else:
                found = _KEY.match(self.text, self.at)
                if not found:
                    self.fail(
                        "expected the name of a field, as in summary.loss"
                        if self.at == start
                        else "expected a key after the dot"
                    )
                self.at = found.end()
            if not self.text.startswith(".", self.at):
                break
            self.at += 1
        written = self.text[start : self.at]
        try:
            sign, parts = split_dotted(written)
            if sign:
                self.fail("a sign belongs to an order (-o), not to a filter", start)
            if self.meta is not None and len(parts) == 1 and "__" in written and self.meta.find(written) is None:
                found_path = resolve_path(self.meta, written)
                return PathExpr(found_path.field.name, found_path.keys)
        except FilterSyntaxError:
            raise
        except FieldError as error:
            self.fail(str(error), start)
        return PathExpr(parts[0], tuple(parts[1:]))

    def quoted(self) -> int:
        """Where the JSON string that begins here ends."""
        try:
            return read_quoted(self.text, self.at)[1]
        except ValueError:
            self.fail("this quote is not closed, or holds what a JSON string cannot")

    def _kind(self, path: PathExpr, start: int) -> Kind | None:
        """What the path holds; None where that is not known. Scopes (``project``) are text."""
        if self.meta is None:
            return None
        if path.field in self.meta.options.scopes and not path.keys:
            return Kind.TEXT
        try:
            return resolve_path(self.meta, path).kind
        except FieldError as error:
            self.fail(str(error), start)

    # -- operators ---------------------------------------------------------------------------------

    def _compared(self, path: PathExpr, lookup: str, kind: Kind | None) -> Q:
        self.space()
        at = self.at
        if kind is Kind.TIME and lookup in ("exact", "ne", "gt", "gte", "lt", "lte"):
            day = _DAY.match(self.text, at)
            if day and self.values.is_word(day[0]):
                self.at = day.end()
                return self._on_day(path, lookup, self._day(day[0], at))
        return self._made(path, lookup, self.values.value(kind, lookup), at)

    def _day(self, text: str, at: int) -> date:
        try:
            return date.fromisoformat(text)
        except ValueError:
            self.fail(f"{text} is no day of the calendar", at)

    def _on_day(self, path: PathExpr, lookup: str, day: date) -> Q:
        """A comparison with a whole day, in UTC: ``> 2024-01-01`` is from the day after on."""
        if lookup in ("exact", "ne"):
            return path.date(day) if lookup == "exact" else ~path.date(day)
        start = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        try:
            edge = start if lookup in ("gte", "lt") else start + timedelta(days=1)
        except OverflowError:
            self.fail("there is no day after this one")
        return path >= edge if lookup in ("gt", "gte") else path < edge

    def _worded(self, path: PathExpr, kind: Kind | None, at: int) -> Q:
        if self.take("is"):
            negated = self.take("not") is not None
            found = self.take(*_STATES)
            if not found:
                self.fail("after 'is' comes null, nan or finite, or 'not' and one of these")
            return self._made(path, _STATES[found], not negated, at)
        if self.take("exists"):
            return self._made(path, "exists", True, at)
        if self.take("not"):
            if self.take("exists"):
                return self._made(path, "exists", False, at)
            if self.take("in"):
                return self._in(path, "nin", kind)
            self.fail("after 'not' comes 'in' or 'exists'; to negate a condition write 'not' in front of it")
        if self.take("in"):
            return self._in(path, "in", kind)
        word = _WORD.match(self.text, at)
        if word and find_lookup(word[0].lower()):
            self.at = word.end()
            self.space()
            start = self.at
            return self._made(path, word[0].lower(), self.values.value(kind, word[0].lower()), start)
        if word:
            hits = nearest(word[0], [*LOOKUPS, "is", "exists", "not", "in"])
            hint = f"; did you mean {' or '.join(map(repr, hits))}?" if hits else f"; {OPERATORS}"
            self.fail(f"{word[0]!r} is no operator{hint}", at)
        return self._no_operator()

    def _no_operator(self) -> NoReturn:
        if self.ended:
            self.fail("an operator and a value are missing, as in summary.loss<0.3")
        if self.text[self.at] in "&|":
            self._left_over()
        self.fail(f"expected an operator; {OPERATORS}")

    def _in(self, path: PathExpr, lookup: str, kind: Kind | None) -> Q:
        self.space()
        at = self.at
        if not self.text.startswith("[", at):
            self.fail("'in' takes a list in brackets, as in [adam, sgd]")
        return self._made(path, lookup, self.values.value(kind, lookup), at)

    def _made(self, path: PathExpr, lookup: str, value: Any, at: int) -> Q:
        made = path.lookup(lookup, value)
        if self.meta is not None:
            try:
                self.meta.cls.objects.filter(made)
            except FieldError as error:
                self.fail(str(error), at)
        return made


def _joined(parts: Sequence[Q], join: Callable[[Q, Q], Q]) -> Q:
    """All parts in one condition, pairwise, so that ten thousand terms do not cost ten thousand squared."""
    left = list(parts)
    while len(left) > 1:
        pairs = [join(left[at], left[at + 1]) for at in range(0, len(left) - 1, 2)]
        left = pairs + left[len(pairs) * 2 :]
    return left[0]
