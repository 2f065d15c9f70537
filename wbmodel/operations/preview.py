"""The first rows of a listing, for one page of it at most: what a look at a queryset may cost."""

from __future__ import annotations

from typing import Any

import attrs

from wbmodel.backend.verbs import Emit
from wbmodel.operations.answer import Operation

__all__ = ["Preview", "one_page"]


@attrs.frozen(slots=True)
class Preview:
    """The first rows of a listing. ``more``: there are others. ``cut``: reading ended with the page, so there may
    be."""

    rows: list[Any]
    more: bool
    cut: bool = False


def one_page(operation: Operation[None], plural: str, limit: int) -> Operation[Preview]:
    """At most ``limit`` of the rows that an operation emits before it would ask for a second page of ``plural``, the
    name of its requests; finding out where the rows are does not count."""
    rows: list[Any] = []
    asked, cut = 0, False
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
            if pages and asked:
                cut = True
                continue
            asked += pages
            try:
                answer = yield verb
            except Exception as raised:
                error = raised
    finally:
        error = None  # its traceback refers to this frame
        operation.close()
    return Preview(rows[:limit], len(rows) > limit, cut)
