"""Pausing, resuming and ending a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wbmodel.backend.asks import Response, Send
from wbmodel.compiler.mutations import upsert
from wbmodel.errors import ConflictError
from wbmodel.objects.watch import look_again
from wbmodel.operations.save import check_answer, place_of, require_writable

if TYPE_CHECKING:
    from wbmodel.compiler.target import Target
    from wbmodel.operations.pages import Operation

__all__ = ["STATES", "steer"]

STATES = {"pause": "PAUSED", "resume": "RUNNING", "stop": "FINISHED", "cancel": "CANCELED"}
"""What each verb writes (0.31.0's `wandb sweep --pause` and the like, seen)."""

_FROM = {
    "pause": frozenset({"RUNNING"}),
    "resume": frozenset({"RUNNING", "PAUSED", "PENDING", "FINISHED", "CANCELED"}),
    "stop": frozenset({"RUNNING", "PAUSED", "PENDING"}),
    "cancel": frozenset({"RUNNING", "PAUSED", "PENDING"}),
}
"""The states that a verb may start from. The official client holds to them; the server is not known to."""


def steer(row: Any, target: Target, verb: str) -> Operation[None]:
    """Look at the state of a sweep, then write the one that ``verb`` means, unless it is that already."""
    require_writable(target)
    now = yield from look_again(row, ("node_id", "state"), target)
    wanted, state = STATES[verb], now.state.upper()
    if state != wanted:
        if state not in _FROM[verb]:
            raise ConflictError(f"the sweep {row.path} is {state} on {target.place}, so there is nothing to {verb}")
        request = upsert(
            type(row).__wbmodel_meta__,
            {"id": now.node_id, **place_of(row), "state": wanted},
            {"id": "ID", "state": "String"},
        )
        response: Response = yield Send(request)
        check_answer(row, now.node_id, request, response, target)
    object.__setattr__(row, "node_id", now.node_id)
    object.__setattr__(row, "state", wanted)
