"""Holds keys so that nothing shows them, and hides them in text that others wrote: a server may quote what it was
sent, in any encoding and in pieces.

Two steps make one comparison out of many. Escapes are undone (percent, JSON, Python, HTML, also several over each
other), then everything but ASCII letters and digits is left out, and case with it: that is where the alphabets of
base64, padding, quotes, separators and line breaks differ. What then has :data:`PIECE` characters in a row in common
with a key, its base64 at any alignment or its hexadecimal digits is masked, so text may be cut before or after.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable
from typing import NoReturn

__all__ = ["MASK", "PIECE", "KeyHider", "Secret", "account_mark"]

MASK = "***"
"""The replacement for hidden text."""
PIECE = 8
"""How many characters in a row show a key. Shorter pieces are in any text by chance."""
_FEWEST = 4
_ROUNDS = 3

_ESCAPE = re.compile(
    r"%(?P<percent>[0-9A-Fa-f]{2})"
    r"|\\+u(?P<unicode>[0-9A-Fa-f]{4})|\\+u\{(?P<braced>[0-9A-Fa-f]{1,6})\}|\\+U(?P<wide>[0-9A-Fa-f]{8})"
    r"|\\+x(?P<byte>[0-9A-Fa-f]{2})|\\+(?P<octal>[0-7]{3})"
    r"|&\#[xX](?P<hexadecimal>[0-9A-Fa-f]{1,6});?|&\#(?P<decimal>[0-9]{1,7});?|&(?P<name>[A-Za-z]{2,10});"
)
_BASES = {
    "percent": 16,
    "unicode": 16,
    "braced": 16,
    "wide": 16,
    "byte": 16,
    "octal": 8,
    "hexadecimal": 16,
    "decimal": 10,
}
_DROPPED = re.compile(r"[^0-9a-z]+")
_KEPT = re.compile(r"[0-9a-z]")


class Secret:
    """Text that ``repr``, ``str``, ``format`` and ``vars`` do not show and that cannot be pickled.

    :meth:`reveal` returns the text, for the one place that sends it.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """The text itself."""
        return self.__text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.__text == other.__text

    def __hash__(self) -> int:
        return hash((Secret, self.__text))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "a Secret cannot be pickled; the other process must read its own API key from its environment or netrc"
        )


class KeyHider:
    """Hides ``keys`` in text."""

    __slots__ = ("__exact", "__grams", "__lengths")

    def __init__(self, keys: Iterable[str]) -> None:
        self.__exact = tuple(sorted({key for key in keys if key}, key=len, reverse=True))
        self.__grams: dict[int, frozenset[str]] = {}
        found: dict[int, set[str]] = {}
        for key in self.__exact:
            for form in _forms(key):
                size = min(PIECE, len(form))
                if size >= _FEWEST:
                    found.setdefault(size, set()).update(form[at : at + size] for at in range(len(form) - size + 1))
        self.__grams = {size: frozenset(grams) for size, grams in found.items()}

    def __repr__(self) -> str:
        return f"<KeyHider of {len(self.__exact)}>"

    def __call__(self, text: str) -> str:
        """``text`` with every occurrence of a key masked."""
        if not self.__exact or not text:
            return text
        if self._shows(_plain(text)):
            spans = self._spans(text)
            for begin, end in reversed(spans):
                tail = text[end:]
                text = text[:begin] + MASK + (tail.lstrip("=") if tail[:1] == "=" else tail)  # base64's padding
        for key in self.__exact:  # one of signs alone has no letters to compare
            text = text.replace(key, MASK)
        return text

    def _shows(self, plain: str) -> bool:
        return any(
            not grams.isdisjoint([plain[at : at + size] for at in range(len(plain) - size + 1)])
            for size, grams in self.__grams.items()
        )

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """The parts of ``text`` to mask, in order."""
        kept = [(char, begin, end) for char, begin, end in _units(text) if _KEPT.fullmatch(char)]
        plain = "".join(char for char, _, _ in kept)
        shown = [
            (kept[at][1], kept[at + size - 1][2])
            for size, grams in self.__grams.items()
            for at in range(len(plain) - size + 1)
            if plain[at : at + size] in grams
        ]
        merged: list[tuple[int, int]] = []
        for begin, end in sorted(shown):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((begin, end))
        return merged


def account_mark(kind: str, text: str) -> str:
    """Eight of 64 hexadecimal digits: enough to tell accounts apart, not enough to recover a key."""
    import hashlib

    return hashlib.sha256(f"wbmodel {kind} {text}".encode()).hexdigest()[:8]


def _forms(key: str) -> set[str]:
    """The key as it may stand in text, in the reduced alphabet."""
    raw = key.encode("utf-8", "replace")
    forms = {_DROPPED.sub("", key.lower()), raw.hex()}
    for sent in (raw, b"api:" + raw):
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + sent).rstrip(b"=")
            # Without what depends on the bytes before and behind.
            coded = coded[(0, 2, 3)[shift] : len(coded) - (1 if (shift + len(sent)) % 3 else 0)]
            forms.add(_DROPPED.sub("", coded.decode().lower()))
    forms.discard("")
    return forms


def _undone(found: re.Match[str]) -> str:
    kind = found.lastgroup or ""
    if kind == "name":
        return html.unescape(found[0])
    try:
        return chr(int(found[kind], _BASES[kind]))
    except (ValueError, OverflowError):
        return found[0]


def _plain(text: str) -> str:
    for _ in range(_ROUNDS):
        undone = _ESCAPE.sub(_undone, text)
        if undone == text:
            break
        text = undone
    return _DROPPED.sub("", text.lower())


def _units(text: str) -> list[tuple[str, int, int]]:
    """The characters of ``text`` without escapes, in lower case, each with its place in ``text``."""
    units = [(char.lower()[:1], at, at + 1) for at, char in enumerate(text)]
    for _ in range(_ROUNDS):
        now = "".join(char for char, _, _ in units)
        changed: list[tuple[str, int, int]] = []
        last = 0
        for found in _ESCAPE.finditer(now):
            changed += units[last : found.start()]
            begin, end = units[found.start()][1], units[found.end() - 1][2]
            changed += [(char.lower()[:1], begin, end) for char in _undone(found)]
            last = found.end()
        if not last:
            break
        units = changed + units[last:]
    return units
