"""What wbmodel adds to a request by itself has a way back on a server that refuses it; and a listing ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from tests.support.backends import WEAK, EngineBackend, served
from tests.support.worlds import make_world
from wbmodel import Count, Run
from wbmodel.errors import ServerError
from wbmodel.request import Request, Response

STORE = make_world().store()
EVERY = len(make_world().of("acme/vision"))


class Refusing(EngineBackend):
    """The engine, which refuses a filter on the date of creation."""

    words: Any = None
    seen = 0

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        if "created_at" in str(request.variables.get("filters", "")) and "$lt" in str(request.variables):
            Refusing.seen += 1
            if isinstance(Refusing.words, Exception):
                raise Refusing.words
            return Response(errors=[{"message": Refusing.words}])
        return super().execute(request, timeout=timeout)


VERBS: dict[str, Callable[[], Any]] = {
    "list": lambda: len(Run.objects.all()),
    "ordered": lambda: len(Run.objects.order_by("-created_at", "id")),
    "fields": lambda: len(Run.objects.all().fields("config")) and EVERY,
    "aggregate": lambda: Run.objects.aggregate(n=Count("id"))["n"],
    "iterator": lambda: sum(1 for _ in Run.objects.iterator()),
    "csv": lambda: len(Run.objects.values("id").to_csv().splitlines()) - 1,
    "async": lambda: asyncio.run(_listed()),
}


async def _listed() -> int:
    return len([run async for run in Run.objects.all()])


@pytest.mark.sampled("verb", "words", every=3)
@pytest.mark.parametrize(
    "words",
    [
        "unknown operator $lt",
        "no such field: created_at",
        "bad filter",
        ServerError("HTTP 400", status=400),
        ServerError("HTTP 422", status=422),
        ServerError("HTTP 500", status=500, errors=[{"message": "resolver"}]),
    ],
    ids=str,
)
@pytest.mark.parametrize("verb", VERBS)
def test_a_refused_keyset_follows_the_cursors(verb: str, words: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.backends.EngineBackend", Refusing)
    Refusing.words, Refusing.seen = words, 0
    with served(STORE, "drops", capabilities=WEAK):
        assert VERBS[verb]() == EVERY
        before = Refusing.seen
        assert len(Run.objects.all()) == EVERY
        assert Refusing.seen <= max(before, 1), "refused again after it was learnt"


class Repeating(EngineBackend):
    """The engine, whose pages repeat their rows under new cursors."""

    asked = 0

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        cls = Repeating
        cls.asked += 1
        response = super().execute(attrs.evolve(request, variables={**request.variables, "after": None}))
        pending = [response.data]
        while pending:
            item = pending.pop()
            if isinstance(item, dict):
                if "hasNextPage" in item:
                    item.update(hasNextPage=True, endCursor=f"c{cls.asked}")
                pending += item.values()
        return response


ENDS: dict[str, Callable[[], Any]] = {
    "list": lambda: list(Run.objects.order_by("name")),
    "slice": lambda: len(Run.objects.order_by("name")[:100]),
    "exists": lambda: Run.objects.exclude(notes__regex=".*").filter(notes__regex="zzz").exists(),
    "iterator": lambda: list(Run.objects.order_by("name").iterator()),
    "values": lambda: list(Run.objects.order_by("summary.loss").values("id")),
    "groups": lambda: list(Run.objects.group_by("config.lr")),
    "aggregate": lambda: Run.objects.filter(notes__regex="zzz").count(),
    "delete": lambda: Run.objects.filter(notes__regex=".*").delete(dry_run=True),
    "prefetch": lambda: list(Run.objects.filter(id="v05").prefetch_related("files")),
    "csv": lambda: Run.objects.order_by("name").to_csv(),
}


@pytest.mark.parametrize("verb", ENDS)
def test_a_server_that_repeats_its_rows_is_left(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.backends.EngineBackend", Repeating)
    Repeating.asked = 0
    with served(STORE, "drops", capabilities=attrs.evolve(WEAK, writable=True)):
        with pytest.raises(ServerError, match="announces a next page without end: 3 pages in a row had no new row"):
            ENDS[verb]()
    assert Repeating.asked < 20
