"""Text that is safe to show: nothing in it can steer a terminal, and its width on the screen is known."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["escape", "pointer", "width"]

# C0 and C1 controls, DEL, line and paragraph separators, marks that turn the direction of text, invisible joiners that
# let two names look alike, and lone surrogates, which no encoding can write.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_WINDOW = 72
"""Characters of a long filter that are shown around the place of an error."""


def _spelled(found: re.Match[str]) -> str:
    char = found[0]
    code = ord(char)
    return _NAMED.get(char) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def escape(text: str) -> str:
    """``text`` with every character that would not show, or would do something, spelled out: ``\\x1b``."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_spelled, text)


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
