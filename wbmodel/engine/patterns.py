"""Matches the patterns of filters: ``$regex`` and SQL's ``like``.

In process, ``$regex`` is Python's ``re``: patterns are the program's own, and stores promise it. A server takes
patterns from anybody, and Python's ``re`` needs exponential time for some, so there it is RE2, as at W&B: linear time,
and no look-around or back-references.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from wbmodel.engine.fields import LanguageError, TooMuch

__all__ = ["MAX_PATTERN", "check_pattern", "like", "re2_search", "re_search"]

Match = Callable[[str], bool]

MAX_PATTERN = 10_000
"""Maximum length of a pattern for RE2, in characters."""
_MEMORY = 1024 * 1024
"""Maximum size of a compiled pattern, in bytes. RE2 keeps up to 128 of them."""
_SIZE = 5000
"""Maximum size of a compiled pattern, in instructions: about the characters that it can match, repeats written out."""
_STEPS = 50_000_000
"""Maximum size of a compiled pattern times the length of a text: some patterns take that many steps, and a match cannot
be stopped. It takes up to two seconds."""


def check_pattern(pattern: str, key: str, fold: bool, re2: bool) -> None:
    """Raise :class:`LanguageError` unless the pattern for ``key`` is valid."""
    try:
        (re2_search if re2 else re_search)(pattern, fold)
    except (re.error, RecursionError, OverflowError, ValueError) as error:
        what = "is not a valid RE2 pattern" if re2 else "is not a valid pattern"
        raise LanguageError(f"$regex on {key!r}: {pattern[:80]!r} {what}: {str(error)[:200]}") from None


def re_search(pattern: str, fold: bool) -> Match:
    """A search with Python's ``re``. Raises ``re.error``."""
    search = re.compile(pattern, re.IGNORECASE if fold else 0).search
    return lambda text: search(text) is not None


def re2_search(pattern: str, fold: bool) -> Match:
    """A search with RE2. Raises ``ValueError`` for an invalid pattern, and :class:`LanguageError` for one that is too
    long, or where RE2 is not installed."""
    if len(pattern) > MAX_PATTERN:
        raise TooMuch(f"$regex has a pattern of {len(pattern)} characters; the limit here is {MAX_PATTERN}")
    try:
        import re2  # type: ignore[import-untyped]
    except ImportError:
        raise LanguageError(
            "this server cannot match $regex, because RE2 is not installed where it runs; "
            "run pip install 'wbmodel[serve]' there, or use $eq, $in or $contains"
        ) from None
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    options.case_sensitive = not fold
    try:
        compiled: Any = re2.compile(pattern, options)
    except re2.error as error:
        told = error.args[0] if error.args else ""
        raise ValueError(told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)) from None
    if compiled.programsize > _SIZE:
        raise TooMuch(f"$regex {pattern[:80]!r} is too complex; use a simpler one, or $in for many texts")
    search, longest = compiled.search, _STEPS // max(compiled.programsize, 1)

    def matches(text: str) -> bool:
        # Bytes, because texts from JSON may hold lone surrogates, which UTF-8 lacks: no pattern matches those.
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > longest:
            raise TooMuch(f"$regex {pattern[:80]!r} is too complex for a text of {len(data)} bytes; use a simpler one")
        return search(data) is not None

    return matches


def like(pattern: str) -> Match:
    """SQL's ``like`` over the whole text: ``%`` is any text, ``_`` is any character. Takes at most as many steps as the
    lengths of pattern and text multiplied."""
    first, *rest = [
        re.compile("".join("." if char == "_" else re.escape(char) for char in part), re.DOTALL)
        for part in pattern.split("%")
    ]
    lengths = [len(part) for part in pattern.split("%")]
    if not rest:
        return lambda text: first.fullmatch(text) is not None
    *middle, last = rest

    def matches(text: str) -> bool:
        end = len(text) - lengths[-1]
        if first.match(text) is None or end < lengths[0] or last.fullmatch(text, end) is None:
            return False
        at = lengths[0]
        for part in middle:
            # The leftmost match leaves the most text for the parts that follow.
            found = part.search(text, at, end)
            if found is None:
                return False
            at = found.end()
        return True

    return matches
