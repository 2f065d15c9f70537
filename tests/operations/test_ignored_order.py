"""A server that ignores an order: the first row, the best, a slice and the list are right all the same."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tests.support.plain_world import runs_of
from wbmodel import Run
from wbmodel.engine import Dialect, Engine
from wbmodel.errors import OrderWarning
from wbmodel.meta import entity_meta
from wbmodel.query.order import parse_order, sort_key, tie_break
from wbmodel.request import Request, Response
from wbmodel.testing import count_requests

META = entity_meta("Run")
LOSSES = [5, 6, 1, 9, 2, 8, 7, 3, 4, 0]


@pytest.fixture
def ignoring(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The engine orders by its own mind. The sizes of the pages that were asked for."""
    real, sizes = Engine.execute, list[int]()

    def execute(self: Engine, request: Request, **given: Any) -> Response:
        own = {name: "+name" for name in ("order", "far") if name in request.variables}
        sizes.append(request.variables.get("first") or 0)
        return real(self, attrs.evolve(request, variables={**request.variables, **own}), **given)

    monkeypatch.setattr(Engine, "execute", execute)
    return sizes


@pytest.mark.parametrize("descending", [False, True])
def test_what_comes_first_is_right(descending: bool, ignoring: list[int]) -> None:
    right = sorted(LOSSES, reverse=descending)
    worlds = [{"summary": {"loss": loss}} for loss in LOSSES]
    with runs_of(worlds, dialect=Dialect(multi_order=False, nulls="first")) as runs:
        rows = runs.order_by("-summary.loss" if descending else "summary.loss")
        first = rows.first()
        assert first is not None
        assert first.summary["loss"] == right[0]
        assert 2 in ignoring, "asked for few rows first"
        assert [run.summary["loss"] for run in rows[:3]] == right[:3]
        assert [run.summary["loss"] for run in rows] == right
        last = rows.last()
        assert last is not None
        assert last.summary["loss"] == right[-1]
        best = runs.best("summary.loss", goal="max" if descending else "min")
        assert best is not None
        assert best.summary["loss"] == right[0]


DAYS = [5, 6, 1, 9, 2, 8, 7, 3, 4, 10]
"""Of the creation of each run. The first two are in order, and what comes first is elsewhere."""


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("path", ["created_at", "heartbeat_at", "name", "state", "group"])
@pytest.mark.filterwarnings("error")
def test_dates_and_plain_fields_are_right_too(path: str, sign: str, ignoring: list[int]) -> None:
    """Where nothing is promised, a single page tells: it has the row from the far end beside it."""
    states = ("crashed", "failed", "finished", "killed", "running")
    worlds = [
        {
            "created_at": f"2024-03-{day:02}T10:00:00Z",
            "heartbeat_at": f"2024-04-{day:02}T10:00:00Z",
            "name": f"n{day:02}",
            "group": f"g{day:02}",
            "state": states[(day - 1) // 2],
        }
        for day in DAYS
    ]
    with runs_of(worlds, dialect=Dialect(multi_order=False, nulls="first")) as runs:
        rows = runs.order_by(sign + path)
        newest = sorted(runs, key=lambda run: run.created_at, reverse=True)
        right = [run.id for run in sorted(newest, key=lambda run: getattr(run, path), reverse=bool(sign))]
        assert [run.id for run in rows] == right
        assert [run.id for run in rows.iterator()] == right
        for stop in (1, 2, 3, 7):
            assert [run.id for run in rows[:stop]] == right[:stop]
        assert [run.id for run in rows[2:4]] == right[2:4]
        first, earliest, latest = rows.first(), runs.earliest(sign + path), runs.latest(sign + path)
        assert first is not None
        assert [first.id, earliest.id] == [right[0]] * 2
        flipped = [run.id for run in sorted(newest, key=lambda run: getattr(run, path), reverse=not sign)]
        assert latest.id == flipped[0]
        if path.endswith("_at"):
            best = runs.best(path, goal="max" if sign else "min")
            assert best is not None
            assert best.id == right[0]


def test_the_default_order_is_right_too(ignoring: list[int]) -> None:
    worlds = [{"created_at": f"2024-03-{11 - day:02}T10:00:00Z"} for day in DAYS]
    with runs_of(worlds, dialect=Dialect(multi_order=False, nulls="first")) as runs:
        rows = Run.objects.using(runs._using)
        assert [run.id for run in rows[:3]] == ["r0002", "r0004", "r0007"]
        first = rows.first()
        assert first is not None
        assert first.id == "r0002"


def test_the_good_case_costs_no_request_more() -> None:
    worlds = [{"created_at": f"2024-03-{day:02}T10:00:00Z", "name": f"n{day}"} for day in DAYS]
    with runs_of(worlds, dialect=Dialect(multi_order=False, nulls="first")) as runs:
        for path in ("created_at", "-created_at"):
            with count_requests() as sent:
                assert len(runs.order_by(path)[:3]) == 3
            assert sent.count == 1
            assert "far: runs" in str(sent.requests[0].document)
        with count_requests() as sent:
            assert len(Run.objects.using(runs._using).all()) == 10
        assert "far" not in str(sent.requests[0].document), "a listing that asks for no order has none to doubt"


@pytest.mark.parametrize("path", ["created_at", "-summary.loss", "state"])
def test_a_promise_that_is_not_kept_is_said(path: str, ignoring: list[int]) -> None:
    worlds = [
        {"created_at": f"2024-03-{day:02}T10:00:00Z", "summary": {"loss": day % 3}, "state": "failed"} for day in DAYS
    ]
    with runs_of(worlds) as runs:
        right = [run.id for run in sorted(runs, key=sort_key((parse_order(META, path), *tie_break(META))))]
        for rows in (runs.order_by(path), runs.order_by(path)[:5]):
            with pytest.warns(OrderWarning, match="fixtures: promises to order Runs by .* does not; all rows"):
                assert [run.id for run in rows] == right[: len(rows)]
        with pytest.warns(OrderWarning, match="promises to order Runs"):
            assert [run.id for run in runs.order_by(path).iterator()] == right


def test_a_promise_is_checked_across_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of page 1 are handed out by then: what follows is said."""
    real = Engine.execute

    def execute(self: Engine, request: Request, **given: Any) -> Response:
        response = real(self, request, **given)
        if request.variables.get("after") is not None:
            assert response.data is not None
            response.data["project"]["runs"]["edges"].reverse()
        return response

    monkeypatch.setattr(Engine, "execute", execute)
    worlds = [{"created_at": f"2024-03-{day:02}T10:00:00Z"} for day in (1, 2, 3, 4)]
    with runs_of(worlds, dialect=Dialect(max_page=2)) as runs:
        with pytest.warns(OrderWarning, match="sort the rows again"):
            assert [run.id for run in runs.order_by("created_at")] == ["r0000", "r0001", "r0003", "r0002"]
