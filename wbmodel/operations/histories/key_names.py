"""What the server says of the keys of histories, and asked keys that nobody logged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError, KeyWarning, suggestion, warn
from wbmodel.operations.answer import Operation
from wbmodel.operations.histories.key_info import KeyInfo, infos
from wbmodel.operations.reload import look_again
from wbmodel.operations.run import Rows
from wbmodel.query.plan import Plan

__all__ = ["Source", "key_infos", "say_unknown"]

Source = Plan | Sequence[Any]
"""The runs to read: those of a query, or given ones."""

_FACTS = "history_keys"


def key_infos(source: Source, target: Target) -> Operation[dict[str, KeyInfo]]:
    """What the server says of the keys of the histories of all these runs."""
    found: dict[str, KeyInfo] = {}
    if isinstance(source, Plan):
        rows = Rows(source.bare(_FACTS), target)
        while (more := (yield from rows.pull())) is not None:
            for row in more:
                _add(found, infos(row.history_keys))
        return found
    for row in source:
        again = yield from look_again(row, target, (_FACTS,))
        _add(found, infos(again.history_keys))
    return found


def _add(found: dict[str, KeyInfo], more: Mapping[str, KeyInfo]) -> None:
    for key, info in more.items():
        known = found.get(key)
        if known is None:
            found[key] = info
            continue
        found[key] = attrs.evolve(
            known,
            types=tuple(dict.fromkeys((*known.types, *info.types))),
            count=None if known.count is None or info.count is None else known.count + info.count,
            monotonic=None if known.monotonic is None or info.monotonic is None else known.monotonic and info.monotonic,
        )


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
