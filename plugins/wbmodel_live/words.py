"""The server's own words, read out of a refusal of any shape: GraphQL, JSON, plain text or a web page, whole or cut."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

from wbmodel.codec import loads

__all__ = ["is_page", "message_of", "words_of"]

_NAMES = ("message", "error_description", "detail", "details", "title", "reason", "msg", "description")
_OUTER = ("errors", "error", "data", "response")
_DEEPEST = 6
_MOST = 20_000
_IN_CUT_JSON = re.compile(rf'"(?:{"|".join(_NAMES + _OUTER)})"\s*:\s*"((?:[^"\\]|\\.)+)')
_TITLE = re.compile(r"<title[^>]*>(.*?)(?:</title>|$)", re.IGNORECASE | re.DOTALL)
_UNSEEN = re.compile(
    r"<(script|style|head)\b.*?(?:</\1\s*>|$)|<!--.*?(?:-->|$)|<[^>]*(?:>|$)", re.IGNORECASE | re.DOTALL
)


def words_of(body: bytes) -> str | None:
    """What the body of a refusal says, on one line; None if it says nothing. It may be long, and is not yet safe to
    show."""
    text = body[: 4 * _MOST].decode("utf-8", "replace").strip("\ufeff \t\r\n\0")
    try:
        found = loads(body)
    except ValueError:
        found = _cut_json(text) if text[:1] in ("{", "[") else _page(text) if is_page(text) else text
    else:
        found = _first(_said(found, 0))
    words = " ".join((found or "").split())[:_MOST].rstrip()
    return words or None


def message_of(error: Any) -> str:
    """What an item of ``errors`` says, whatever stands in the place of a GraphQL error."""
    return _first(_said(error, 0)) or str(error)[:_MOST]


def is_page(text: str) -> bool:
    """Whether a body is a web page."""
    return text[:1] == "<"


def _first(found: Iterable[str]) -> str | None:
    return next((words for words in found if words.strip()), None)


def _said(value: Any, depth: int) -> Iterable[str]:
    """The texts in a JSON value that may be the words, the likeliest first."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value[:20]:
            yield from _said(item, depth + 1)
    elif isinstance(value, dict):
        for name in (*_OUTER[:1], *_NAMES, *_OUTER[1:]):
            if name in value and value[name] is not value:
                yield from _said(value[name], depth + 1)
        if not depth or not value.keys() & {*_NAMES, *_OUTER}:
            # {"errors": {"name": ["is taken"]}}: the names are the server's.
            texts = {str(name): item for name, item in list(value.items())[:20] if isinstance(item, str | list)}
            for name, item in texts.items():
                for words in _said(item, depth + 1):
                    yield f"{name}: {words}"


def _cut_json(text: str) -> str:
    found = _IN_CUT_JSON.search(text)
    if found is None:
        return text
    try:
        return str(loads(f'"{found[1]}"'))
    except ValueError:
        return found[1]


def _page(text: str) -> str:
    title = _TITLE.search(text)
    seen = title[1].strip() if title else ""
    return html.unescape(_UNSEEN.sub(" ", seen or text))
