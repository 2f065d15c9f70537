"""Dotted paths as text: split them into parts, and quote keys."""

from __future__ import annotations

import json

from wbmodel.codec import read_quoted
from wbmodel.errors import FieldError

__all__ = ["quote_key", "split_dotted"]


def quote_key(key: str) -> str:
    """A key as one part of a dotted path, quoted if it could not be read back otherwise."""
    if key == "" or "." in key or key[0] in '"-+' or key != key.strip():
        return json.dumps(key, ensure_ascii=False)
    return key


def split_dotted(text: str) -> tuple[str, list[str]]:
    """The sign (``"+"``, ``"-"`` or ``""``) and the parts of a dotted path.

    Raises :class:`FieldError` if a part is empty or a quote is not closed.
    """
    if not isinstance(text, str):
        raise FieldError(f"a path must be text or an F path, not {text!r}")
    sign, rest = (text[0], text[1:]) if text[:1] in ("-", "+") and text else ("", text)
    parts: list[str] = []
    at = 0
    while True:
        if rest[at : at + 1] == '"':
            try:
                part, end = read_quoted(rest, at)
            except ValueError:
                raise FieldError(
                    f"the quote in {text!r} is not closed; a quoted key is written like a JSON string"
                ) from None
            if end < len(rest) and rest[end] != ".":
                raise FieldError(f"the quoted key in {text!r} must be followed by a dot or the end, not {rest[end]!r}")
        else:
            end = rest.find(".", at)
            end = len(rest) if end < 0 else end
            part = rest[at:end]
            if not part:
                raise FieldError(f'the path {text!r} has an empty part; write an empty key as ""')
        parts.append(part)
        if end >= len(rest):
            return sign, parts
        at = end + 1
