"""What history sets do not have, and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wbmodel.errors import nearest
from wbmodel.query.histories import Histories

__all__ = ["calling", "missing"]

_FRAME = "to_polars() or to_pandas() and the frame's own methods do that"
_QUERY = "its rows are not objects; first(), last(), at(step) and best(key) give one row"

_WAYS: dict[str, str] = {
    "aggregate": "min(), max(), mean() and count() give numbers; " + _FRAME,
    "annotate": _FRAME,
    "distinct": _FRAME,
    "exclude": "filter(~Q(...)) drops rows",
    "exists": "bool(history) tells whether there are rows, count() how many",
    "get": _QUERY,
    "group_by": _FRAME,
    "latest": "last() gives the last row",
    "earliest": "first() gives the first row",
    "only": "values('loss', ...) chooses columns",
    "order_by": "rows come by step; " + _FRAME,
    "reverse": "rows come by step; tail(n) gives the last ones; " + _FRAME,
    "scan": "iterating reads every row: for row in run.history",
    "to_list": "list(history) gives the rows as dicts",
    "values_list": "values('loss') chooses columns; long() gives a row per value",
}
"""Name -> what to do instead. The asynchronous twins give the same answer."""


def missing(owner: type, name: str) -> str:
    """The message for an attribute that a history set does not have."""
    told = f"{owner.__name__!r} has no attribute {name!r}"
    way = _WAYS.get(name) or _WAYS.get(name.removeprefix("a"))
    if way is not None:
        return f"{told}: {way}"
    near = nearest(name, [known for known in dir(owner) if not known.startswith("_") and known != name])
    return told + (f"; did you mean {' or '.join(map(repr, near))}?" if near else "")


def calling(plan: Histories, options: Mapping[str, Any]) -> str:
    """The message for a call, as other clients have it: ``run.history(keys=[...], samples=500)``."""
    keys = options.get("keys")
    shown = ", ".join(map(repr, keys)) if isinstance(keys, list | tuple) and keys else "'loss', ..."
    samples = options.get("samples")
    count = samples if isinstance(samples, int) and not isinstance(samples, bool) else "n"
    return (
        f"{plan.stream} is not called: it is all rows already. values({shown}) chooses keys, sample({count}) takes "
        f"that many of all rows, glance({count}) asks the server for about that many, and to_pandas() makes a data frame"
    )
