"""The filter language of the command line: text to ``Q``.

::

    summary.loss < 0.3 and (state = finished or tags *= baseline) and not config.optimizer in [sgd, adam]

A term is a path, an operator and a value. ``docs/reference/cli.md`` is the reference page;
:mod:`wbmodel.cli.filter_values` reads the values. Nothing here sends a request.
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
# An operator ends a bare key, so a key that contains one must be quoted: config."a=b".
_KEY = re.compile(r"""(?:[^\s()\[\],"'=!<>~*^$.]|[*^$](?!=)|!(?![=~]))+""")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

MAX_NESTING = 90
"""Maximum nesting of parentheses and ``not``, a little below the maximum for conditions themselves."""


class FilterSyntaxError(FieldError):
    """A filter that cannot be parsed. ``problem`` says why, ``position`` (characters from 0) says where in ``text``.

    ``str()`` shows the text with a caret under the position.
    """

    def __init__(self, problem: str, text: str, position: int) -> None:
        super().__init__(problem, text, position)
        self.problem, self.text, self.position = problem, text, position

    def __str__(self) -> str:
        return f"{self.problem}\n{pointer(self.text, self.position)}"


def parse_filter(text: str, meta: EntityMeta | None = None) -> Q:
    """Parse ``text`` into a condition. With ``meta``, names are checked and values are read as the types of the
    entity's fields (in ``name=7`` the value is text, in ``created_at>2024-01-01`` a time).

    Raises :class:`FilterSyntaxError`, which points at the position.
    """
    return _Parser(text, meta).whole()


class _Parser:
    """Recursive-descent parser for one text; ``at`` is the position of the next character."""

    def __init__(self, text: str, meta: EntityMeta | None) -> None:
        self.text, self.meta = text, meta
        self.at = 0
        self.depth = 0
        self.values = Reader(self)

    # -- scanning ----------------------------------------------------------------------------------

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
        """Consume the next word if it is one of ``words``, in any case."""
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
            self.fail("the filter is empty; write it like 'summary.loss<0.3'")
        made = self.any_of()
        if not self.ended:
            self._left_over()
        return made

    def _left_over(self) -> NoReturn:
        char = self.text[self.at]
        if char in "&|":
            self.fail(f"join conditions with 'and' or 'or', not with {char!r}")
        if char == ")":
            self.fail("this ')' has no matching '('")
        if char == ",":
            self.fail("commas separate only the values of a list; join conditions with 'and'")
        self.fail("expected 'and', 'or' or the end; quote a value with spaces or brackets: name=\"my run\"")

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
        """A dotted path. Keys that contain a dot, a space or an operator are quoted like JSON strings."""
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
                self.fail("a sign is allowed in an order (-o), not in a filter", start)
            if self.meta is not None and len(parts) == 1 and "__" in written and self.meta.find(written) is None:
                found_path = resolve_path(self.meta, written)
                return PathExpr(found_path.field.name, found_path.keys)
        except FilterSyntaxError:
            raise
        except FieldError as error:
            self.fail(str(error), start)
        return PathExpr(parts[0], tuple(parts[1:]))

    def quoted(self) -> int:
        """The end of the JSON string that begins here."""
        try:
            return read_quoted(self.text, self.at)[1]
        except ValueError:
            self.fail("this quote is not closed, or is not a valid JSON string")

    def _kind(self, path: PathExpr, start: int) -> Kind | None:
        """The kind of value at the path; None if it is unknown. Scopes (``project``) are text."""
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
            self.fail(f"{text} is not a valid date", at)

    def _on_day(self, path: PathExpr, lookup: str, day: date) -> Q:
        """A comparison with a whole day in UTC: ``> 2024-01-01`` means from the following day on."""
        if lookup in ("exact", "ne"):
            return path.date(day) if lookup == "exact" else ~path.date(day)
        start = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        try:
            edge = start if lookup in ("gte", "lt") else start + timedelta(days=1)
        except OverflowError:
            self.fail("this is the last possible date")
        return path >= edge if lookup in ("gt", "gte") else path < edge

    def _worded(self, path: PathExpr, kind: Kind | None, at: int) -> Q:
        if self.take("is"):
            negated = self.take("not") is not None
            found = self.take(*_STATES)
            if not found:
                self.fail("expected null, nan or finite after 'is', with or without 'not'")
            return self._made(path, _STATES[found], not negated, at)
        if self.take("exists"):
            return self._made(path, "exists", True, at)
        if self.take("not"):
            if self.take("exists"):
                return self._made(path, "exists", False, at)
            if self.take("in"):
                return self._in(path, "nin", kind)
            self.fail("expected 'in' or 'exists' after 'not'; to negate a condition, write 'not' in front of it")
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
            self.fail(f"{word[0]!r} is not an operator{hint}", at)
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
    """Join all parts into one condition, pairwise, to avoid quadratic cost for thousands of terms."""
    left = list(parts)
    while len(left) > 1:
        pairs = [join(left[at], left[at + 1]) for at in range(0, len(left) - 1, 2)]
        left = pairs + left[len(pairs) * 2 :]
    return left[0]
