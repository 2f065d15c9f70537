"""The first rows of a listing, at the cost of at most one page: for displaying a queryset."""

from __future__ import annotations

from typing import Any

import attrs

from wbmodel.backend.verbs import Emit
from wbmodel.operations.answer import Operation

__all__ = ["Preview", "one_page"]


@attrs.frozen(slots=True)
class Preview:
    """The first rows of a listing.

    ``more``: there are more rows. ``cut``: reading stopped after one page, so there may be more.
    """

    rows: list[Any]
    more: bool
    cut: bool = False


def one_page(operation: Operation[None], plural: str, limit: int) -> Operation[Preview]:
    """Run an operation until it would request a second page, and return at most ``limit`` of its rows.

    ``plural`` is the name of its page requests. Pages that were refused do not count, nor do requests that find the
    places of the rows.
    """
    rows: list[Any] = []
    came, cut = 0, False
    answer: Any = None
    error: Exception | None = None
    try:
        while not cut:
            try:
                verb = operation.send(answer) if error is None else operation.throw(error)
            except StopIteration:
                break
            answer = error = None
            if isinstance(verb, Emit):
                rows += verb.rows
                continue
            sent = [getattr(verb, "request", None), *getattr(verb, "requests", ())]
            pages = sum(request is not None and request.operation_name == plural for request in sent)
            if pages and came:
                cut = True
                continue
            try:
                answer = yield verb
            except Exception as raised:
                error = raised
            else:
                came += pages if not getattr(answer, "errors", ()) else 0
    finally:
        error = None  # its traceback refers to this frame
        operation.close()
    return Preview(rows[:limit], len(rows) > limit, cut)
