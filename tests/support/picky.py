"""Servers that refuse a kind of request: the engine behind a door that says no."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs
import pytest

from tests.support.backends import WEAK, EngineBackend, served
from wbmodel import Session
from wbmodel.engine import MemoryStore
from wbmodel.errors import ServerError
from wbmodel.request import Request, Response

__all__ = ["ADDED", "MANNERS", "Picky", "picky"]


def _filters(request: Request) -> str:
    return " ".join(str(value) for name, value in request.variables.items() if name.startswith("filters"))


ADDED: dict[str, tuple[Callable[[Request], object], str]] = {
    "pages by date": (lambda r: "$nin" in _filters(r), "unknown operator $nin"),
    "count beside a page": (lambda r: "runCount" in r.document.text and "first" in r.variables, "runCount is not here"),
    "count": (lambda r: "Count(" in r.document.text or "totalCount" in r.document.text, "runCount: no such resolver"),
    "far row": (lambda r: "far:" in r.document.text, "alias far is refused"),
    "orders by a key": (lambda r: "_metrics" in str(r.variables.get("order")), "cannot sort by summary_metrics.loss"),
    "any order": (lambda r: r.variables.get("order"), "order: not supported"),
    "filters for null": (lambda r: '"$ne":null' in _filters(r).replace(" ", ""), "unknown operator $ne"),
    "several places": (lambda r: "s0:" in r.document.text, "too many aliases"),
    "large pages": (lambda r: (r.variables.get("first") or 0) > WEAK.page_size, "first must be at most 4"),
    "names": (lambda r: "names" in r.variables, 'bad value for "names"'),
}
"""What wbmodel adds to requests by itself: how to know a request that has it, and words that name it."""

MANNERS: dict[str, Callable[[str], Any]] = {
    "named": lambda words: Response(errors=[{"message": words}]),
    "unnamed": lambda words: Response(errors=[{"message": "bad request"}]),
    "400": lambda words: ServerError("answered HTTP 400", status=400),
    "500": lambda words: ServerError("refused", status=500, errors=[{"message": words}]),
}
"""How a server says no."""


class Picky(EngineBackend):
    """The engine, which refuses requests by ``refuses``, in the manner ``manner``. ``asked`` are the requests."""

    refuses: Mapping[str, tuple[Callable[[Request], object], str]] = {}
    manner: Callable[[str], Any] = MANNERS["named"]
    asked: list[Request] = []
    said_no = 0

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        Picky.asked.append(request)
        for applies, words in Picky.refuses.values():
            if applies(request):
                Picky.said_no += 1
                answered = Picky.manner(words)
                if isinstance(answered, Exception):
                    raise answered
                return answered  # type: ignore[no-any-return]
        return super().execute(request, timeout=timeout)


@contextmanager
def picky(
    store: MemoryStore,
    refuses: Mapping[str, tuple[Callable[[Request], object], str]],
    manner: str = "named",
    kind: str = "drops",
    **changes: Any,
) -> Iterator[Session]:
    """A session over ``store`` at a server that refuses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.backends.EngineBackend", Picky)
        Picky.refuses, Picky.manner, Picky.asked, Picky.said_no = refuses, staticmethod(MANNERS[manner]), [], 0
        with served(store, kind, capabilities=attrs.evolve(WEAK, **changes)) as session:
            yield session
