"""An engine whose answers look as W&B's server 0.82 gives them where that is odd, in process and over loopback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from wbmodel.codec import dumps, loads, strict
from wbmodel.engine import Engine
from wbmodel.request import Request, Response
from wbmodel.testing import Fault

__all__ = ["OddEngine", "bare_errors", "odd"]

_TOKENS = ("NaN", "Infinity")
_TEXTS = frozenset({"summaryMetrics", "systemMetrics", "history", "events", "historyTail", "eventsTail"})


class OddEngine(Engine):
    """Texts for numbers that are not finite, a null user, and a null edge in each list of edges."""

    def execute(self, request: Request, *, given_up: Callable[[], bool] | None = None) -> Response:
        response = super().execute(request, given_up=given_up)
        return attrs.evolve(response, data=odd(response.data))


def odd(value: Any, name: str = "") -> Any:
    """An answer made odd. Documents may rename fields; those that do keep their values."""
    if isinstance(value, dict):
        return {key: None if key == "user" else odd(item, key) for key, item in value.items()}
    if isinstance(value, list):
        found = [odd(item, name) for item in value]
        return [*found[:1], None, *found[1:]] if name == "edges" else found
    if isinstance(value, str) and name in _TEXTS and any(token in value for token in _TOKENS):
        return _spelt(value)
    return value


def _spelt(text: str) -> str:
    """JSON text whose numbers that are not finite are texts; in ``historyTail``, those of the texts in it."""
    value = loads(text)
    if isinstance(value, list):
        return dumps([_spelt(item) if isinstance(item, str) else item for item in value])
    return dumps(strict(value))


def bare_errors() -> Fault:
    """A fault of a server: the errors of an answer are texts, not objects."""

    def edit(answer: dict[str, Any]) -> None:
        if answer.get("errors"):
            answer["errors"] = [error["message"] for error in answer["errors"]]

    return Fault(edit=edit)
