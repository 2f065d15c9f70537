"""Groups that are only counted are counted by the server, where its numbers add up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from tests.support.backends import FULL, WEAK, EngineBackend, served
from tests.support.worlds import make_world
from wbmodel import Count, Max, Run
from wbmodel.request import Request, Response
from wbmodel.session.session import Session
from wbmodel.testing import count_requests

WORLD = make_world()
HOME = WORLD.of("acme/vision")
MANY = attrs.evolve(WEAK, max_aliases=20)


class Spoiling(EngineBackend):
    """The engine; ``spoil`` may change an answer."""

    spoil: Callable[[Request, Response], Response | None] = staticmethod(lambda request, response: None)

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        response = super().execute(request, timeout=timeout)
        return Spoiling.spoil(request, response) or response


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr("tests.support.backends.EngineBackend", Spoiling)
    with served(WORLD.store(), "drops", capabilities=MANY) as made:
        yield made


def expected(field: str) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for run in HOME:
        value = run[field] or (None if field != "tags" else ())
        value = tuple(value) if isinstance(value, list) else value
        found[value] = found.get(value, 0) + 1
    return found


def counted(field: str, rows: Any = Run.objects) -> dict[Any, int]:
    def key(value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    return {key(row[field]): row["n"] for row in rows.group_by(field).annotate(n=Count())}


@pytest.mark.parametrize("field", ["state", "group"])
def test_one_request_counts_them(field: str, session: Session) -> None:
    with count_requests() as used:
        found = counted(field)
    assert found == expected(field)
    assert len(used.requests) == {"state": 1, "group": 2}[field]
    told = Run.objects.group_by(field).annotate(n=Count()).explain()
    assert "counted by the backend" in told.route
    assert len(told.documents) == len(used.requests)


def test_values_that_are_not_known_are_read(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def more(request: Request, response: Response) -> Response | None:
        if request.operation_name == "RunsCount":
            response.data["s0"]["runCount"] += 1
        return None

    monkeypatch.setattr(Spoiling, "spoil", staticmethod(more))
    assert counted("state") == expected("state")
    assert counted("group") == expected("group")


@pytest.mark.parametrize("name", ["RunsCount", "RunsByGroup"])
@pytest.mark.parametrize("how", ["refused", "null"])
def test_a_server_that_lacks_it_is_read(name: str, how: str, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(request: Request, response: Response) -> Response | None:
        if request.operation_name != name:
            return None
        if how == "refused":
            return Response(errors=[{"message": 'Cannot query field "x" on type "Project".'}])
        for part in response.data.values():
            part.update(dict.fromkeys(part))
        return None

    monkeypatch.setattr(Spoiling, "spoil", staticmethod(lacking))
    assert counted("group") == expected("group")


def test_tags_are_counted_where_no_run_has_two(session: Session) -> None:
    assert counted("tags") == expected("tags")  # here some have, so rows are read
    few = make_world()
    for run in few.runs:
        run["tags"] = run["tags"][:1]
    with served(few.store(), "drops", capabilities=MANY), count_requests() as used:
        found = counted("tags")
    assert len(used.requests) == 3
    assert sum(found.values()) == len(HOME)
    assert found == {
        tags: sum(tuple(run["tags"]) == tags for run in few.of("acme/vision"))
        for tags in {tuple(run["tags"]) for run in few.of("acme/vision")}
    }


def test_conditions_and_both_colours(session: Session) -> None:
    rows = Run.objects.filter(group="a") if any(run["group"] == "a" for run in HOME) else Run.objects.all()
    got = counted("state", rows)
    assert sum(got.values()) == len(rows)

    async def ask() -> dict[Any, int]:
        return {row["state"]: row["n"] async for row in Run.objects.group_by("state").annotate(n=Count())}

    assert asyncio.run(ask()) == expected("state")


def test_the_order_types_and_having_are_those_of_rows_that_were_read() -> None:
    with served(WORLD.store(), "full", capabilities=attrs.evolve(FULL, max_aliases=20)):
        counts = Run.objects.group_by("state").annotate(n=Count())
        read = Run.objects.group_by("state").annotate(n=Count(), last=Max("created_at"))
        assert [row["state"] for row in counts] == [row["state"] for row in read]
        assert [row["n"] for row in counts] == [row["n"] for row in read]
        most = max(row["n"] for row in counts)
        assert [row["n"] for row in counts.filter(n=most)] == [most]
        assert "counted by the backend" not in read.explain().route
        assert list(counts.order_by("-n")[:1]) == list(counts.filter(n=most))


def test_rows_are_not_read_to_be_counted(session: Session) -> None:
    with count_requests() as used:
        assert Run.objects.aggregate(n=Count(), m=Count()) == {"n": len(HOME), "m": len(HOME)}
    assert len(used.requests) == 1
