"""Asked keys that nobody logged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from wbmodel.errors import FieldError, KeyWarning, suggestion, warn
from wbmodel.query.plan import Plan

__all__ = ["Source", "say_unknown"]

Source = Plan | Sequence[Any]
"""The runs to read: those of a query, or given ones."""


def say_unknown(asked: Sequence[str], unmet: Iterable[str], known: Iterable[str], *, growing: bool) -> None:
    """Say which of the ``asked`` keys nobody logged, of those that no row had (``unmet``): raise if that is so of all,
    as a run that has ended will not log them any more."""
    known = list(known)
    lacking = [key for key in unmet if key not in known]
    if not lacking or not known:
        return
    told = "; ".join(
        f"no history that was read has the key {key!r}{suggestion(key, known, 'keys there')}" for key in lacking
    )
    if asked and not growing and set(lacking) >= set(asked):
        raise FieldError(told)
    warn(told, KeyWarning)
