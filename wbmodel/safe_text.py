"""Text for people: free of terminal control characters, of known width on screen, with readable numbers."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["brief", "counted", "escape", "escape_json", "escape_lines", "pointer", "printable", "readable", "width"]

# DEL and C1 controls, line and paragraph separators, bidirectional marks, invisible joiners that make two names look
# alike, and lone surrogates, which no encoding can write.
_HIDDEN = "\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
_UNSAFE = re.compile(f"[\x00-\x1f{_HIDDEN}]")
_UNSAFE_IN_LINES = re.compile(f"[\x00-\x08\x0b-\x1f{_HIDDEN}]")
_UNSAFE_IN_JSON = re.compile(f"[{_HIDDEN}]")
_WINDOW = 72
"""How many characters of a long filter are shown around an error."""


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode()


def escape(text: str) -> str:
    """``text`` with every invisible or control character spelled out: ``\\x1b``."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda found: _spelled(found[0]), text)


def escape_lines(text: str) -> str:
    """Like :func:`escape`, for text of several lines: line breaks and tabs are kept."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE_IN_LINES.sub(lambda found: _spelled(found[0]), text)


def brief(text: str, most: int = 300) -> str:
    """The beginning of what somebody else wrote, on one line: at most ``most`` characters, none of them invisible."""
    line = escape(" ".join(text[: 4 * most].split()))
    return line if len(line) <= most and len(text) <= 4 * most else line[: most - 3] + "..."


def printable(text: str) -> str:
    """Like :func:`escape`, but stricter, for log lines: every character that is not printable is spelled out."""
    return "".join(char if char.isprintable() else _spelled(char) for char in text)


def escape_json(text: str) -> str:
    """JSON text with the characters that :func:`escape` spells out as JSON escapes. Line breaks are kept."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def width(text: str) -> int:
    """How many cells ``text`` takes on screen: two per East Asian wide character, zero per combining mark."""
    if text.isascii():
        return len(text)
    return sum(_cells(char) for char in text)


def _cells(char: str) -> int:
    if unicodedata.combining(char) or char in "\u200c\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def pointer(text: str, position: int) -> str:
    """``text`` on one line with a caret below the character at ``position``; long text is cut around it."""
    begin = max(0, position - _WINDOW // 2) if len(text) > _WINDOW else 0
    end = min(len(text), begin + _WINDOW)
    before = ("..." if begin else "") + escape(text[begin:position])
    after = escape(text[position:end]) + ("..." if end < len(text) else "")
    return f"  {before}{after}\n  {' ' * width(before)}^"


def counted(number: int, noun: str, mark: str = ",") -> str:
    """``1 row``, ``1,234 rows``: ``mark`` separates groups of three digits."""
    return f"{f'{number:,}'.replace(',', mark)} {noun}{'' if number == 1 else 's'}"


def readable(size: int) -> str:
    """A number of bytes for people: ``"999 B"``, ``"1.5 kB"``, ``"12 MB"``."""
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"
