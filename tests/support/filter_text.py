"""Conditions as text of the command line's filter language: the inverse of ``parse_filter``."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

from wbmodel.cli.filter_text import _KEY, _STATES, SYMBOLS
from wbmodel.codec import format_datetime
from wbmodel.errors import FieldError
from wbmodel.meta import EntityMeta
from wbmodel.query.f import PathExpr
from wbmodel.query.paths import resolve_keyword
from wbmodel.query.q import Q, Term
from wbmodel.query.spelling import quote_key
from wbmodel.safe_text import escape

__all__ = ["render_filter"]

_SHOWN = {lookup: symbol for symbol, lookup in SYMBOLS.items()}


def render_filter(condition: Q, meta: EntityMeta | None = None) -> str:
    """``condition`` as text that :func:`parse_filter` reads back as an equal condition.

    Keyword conditions (``Q(summary__loss__lt=1)``) need ``meta``. Raises :class:`FieldError` for what the language
    cannot say, and for the empty condition.
    """
    if not condition.children:
        raise FieldError("the empty condition has no text: leave the filter out")
    shown = [
        f"({render_filter(item, meta)})" if isinstance(item, Q) and not item.negated else _rendered(item, meta)
        for item in condition.children
    ]
    text = f" {condition.connector.lower()} ".join(shown)
    if not condition.negated:
        return text
    return f"not ({text})"


def _rendered(item: Q | Term, meta: EntityMeta | None) -> str:
    if isinstance(item, Q):
        return render_filter(item, meta)
    path, lookup = item.path, item.lookup or "exact"
    if isinstance(path, str):
        if meta is None:
            raise FieldError(f"the keyword {path!r} has no text without an entity; write it as an F path")
        if path in meta.options.scopes:
            path = PathExpr(path)
        else:
            found, lookup = resolve_keyword(meta, path)
            related = () if found.related is None else (found.related.name,)
            path = PathExpr(found.field.name, (*related, *found.keys))
    name = ".".join([path.field, *(_key_text(key) for key in path.keys)])
    value = item.value
    if lookup in ("isnull", "isnan", "isfinite") and isinstance(value, bool):
        state = next(word for word, known in _STATES.items() if known == lookup)
        return f"{name} is {'' if value else 'not '}{state}"
    if lookup == "exists" and isinstance(value, bool):
        return f"{name} {'' if value else 'not '}exists"
    operator = {"in": "in", "nin": "not in"}.get(lookup) or _SHOWN.get(lookup, lookup)
    return f"{name} {operator} {_rendered_value(value)}"


def _key_text(key: str) -> str:
    plain = _KEY.fullmatch(key) is not None and quote_key(key) == key and escape(key) == key
    return key if plain else json.dumps(key, ensure_ascii=False)


def _rendered_value(value: Any) -> str:
    """A value as text that ``parse_filter`` reads back. Raises ``FieldError`` for what has no text."""
    if isinstance(value, datetime):
        return format_datetime(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _render_span(value)
    if isinstance(value, Collection) and not isinstance(value, (str, bytes, dict)):
        return f"[{', '.join(map(_rendered_value, value))}]"
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        raise FieldError(f"{value!r} cannot be written in a filter") from None


def _render_span(value: timedelta) -> str:
    if value < timedelta():
        raise FieldError(f"{value!r} is before now; a duration in a filter is not negative")
    parts = [(value.days, "d"), (value.seconds, "s"), (value.microseconds, "us")]
    return "".join(f"{amount}{unit}" for amount, unit in parts if amount) or "0s"
