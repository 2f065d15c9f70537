"""Text for people: nothing in it can steer a terminal, its width on the screen is known, and numbers read easily."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["counted", "escape", "escape_json", "pointer", "printable", "readable", "width"]

# DEL and C1 controls, line and paragraph separators, marks that turn the direction of text, invisible joiners that
# let two names look alike, and lone surrogates, which no encoding can write.
_HIDDEN = "\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
_UNSAFE = re.compile(f"[\x00-\x1f{_HIDDEN}]")
_UNSAFE_IN_JSON = re.compile(f"[{_HIDDEN}]")
_WINDOW = 72
"""Characters of a long filter that are shown around the place of an error."""


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode()


def escape(text: str) -> str:
    """``text`` with every character that would not show, or would do something, spelled out: ``\\x1b``."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda found: _spelled(found[0]), text)


def printable(text: str) -> str:
    """Like :func:`escape`, for lines of a log, which anything may read: whatever is not printable is spelled out."""
    return "".join(char if char.isprintable() else _spelled(char) for char in text)


def escape_json(text: str) -> str:
    """JSON text with what :func:`escape` spells out as escapes of JSON, which reads the same. Its line breaks stay."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def width(text: str) -> int:
    """How many cells ``text`` takes on a screen: two for East Asian wide characters, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(_cells(char) for char in text)


def _cells(char: str) -> int:
    if unicodedata.combining(char) or char in "\u200c\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def pointer(text: str, position: int) -> str:
    """``text`` in one line and a caret below the character at ``position``; of a long text the part around it."""
    begin = max(0, position - _WINDOW // 2) if len(text) > _WINDOW else 0
    end = min(len(text), begin + _WINDOW)
    before = ("..." if begin else "") + escape(text[begin:position])
    after = escape(text[position:end]) + ("..." if end < len(text) else "")
    return f"  {before}{after}\n  {' ' * width(before)}^"


def counted(number: int, noun: str, mark: str = ",") -> str:
    """``1 row``, ``1,234 rows``: with ``mark`` between groups of three digits."""
    return f"{f'{number:,}'.replace(',', mark)} {noun}{'' if number == 1 else 's'}"


def readable(size: int) -> str:
    """A number of bytes for people: ``"999 B"``, ``"1.5 kB"``, ``"12 MB"``."""
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"
