"""Pages side by side: as fast as the server's cursors allow, and never another answer than pages in turn."""

from __future__ import annotations

import time
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operations.test_paging import MOMENTS, STEPS, _check, _expected
from tests.support.drifting import Server, Step, drifting, filled
from tests.support.strategies import examples
from wbmodel import Run
from wbmodel.backend import Capabilities
from wbmodel.engine.dialect import Dialect
from wbmodel.errors import RequestTimeout, ResponseTooLarge, ServerError
from wbmodel.request import Request, Response

SMALL = Capabilities(page_size=3, max_page_size=5)
REDATES: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.sampled_from(["redate", "redate", "delete"]), st.integers(0, 30)),
    st.tuples(st.just("add"), st.sampled_from([0, 1000, 60_000, 90_000])),
    st.tuples(st.just("none"), st.just(0)),
)
MANY = {"vision": list(range(0, 100_000, 1000))}


def afters(server: Server) -> list[Any]:
    return [request.variables.get("after") for request in server.requests]


@pytest.mark.parametrize("newest_first", [True, False])
@examples(60)
@given(
    moments=MOMENTS,
    script=STEPS,
    cap=st.sampled_from([2, 5, 9]),
    digits=st.sampled_from([None, 0, 1]),
    dialect=st.sampled_from([Dialect(), Dialect.hostile(3)]),
)
def test_what_stays_comes_once_and_in_order(
    newest_first: bool, moments: list[int], script: list[Step], cap: int, digits: int | None, dialect: Dialect
) -> None:
    server = Server(filled({"vision": moments * 2}), dialect, cap, relay=True, digits=digits, script=script)
    with drifting(server, ahead=True, promises=SMALL):
        found = [run.id for run in Run.objects.order_by("-created_at" if newest_first else "created_at")]
    _check(found, server, _expected(moments * 2, digits, newest_first))
    if not script:
        assert found == _expected(moments * 2, digits, newest_first)


@pytest.mark.parametrize("newest_first", [True, False])
@examples(60)
@given(moments=MOMENTS, script=st.lists(REDATES, max_size=12), cap=st.sampled_from([2, 5, 9]))
def test_runs_that_get_another_date_move_no_others(
    newest_first: bool, moments: list[int], script: list[Step], cap: int
) -> None:
    server = Server(filled({"vision": moments * 2}), cap=cap, relay=True, script=script)
    with drifting(server, ahead=True, promises=SMALL):
        found = [run.id for run in Run.objects.order_by("-created_at" if newest_first else "created_at")]
    assert len(found) == len(set(found))
    stayed = [name for name in _expected(moments * 2, None, newest_first) if name not in server.redated]
    _check([name for name in found if name not in server.redated], server, stayed)


@pytest.mark.parametrize("order", ["-created_at", "created_at"])
def test_two_round_trips_for_any_number_of_pages(order: str) -> None:
    server = Server(filled(MANY), relay=True, size=1)
    with drifting(
        server, ahead=True, promises=attrs.evolve(SMALL, page_size=10, max_page_size=20), delay=0.2
    ) as session:
        began = time.perf_counter()
        assert len(list(Run.objects.order_by(order))) == 100
        seconds = time.perf_counter() - began
    assert len(server.requests) == 6
    assert afters(server)[0] is None
    assert None not in afters(server)[1:]
    assert seconds < 0.2 * 4, "they were asked for in turn"
    assert session.stats.errors == 0


def test_a_slice_asks_for_no_more_pages_than_it_needs() -> None:
    server = Server(filled(MANY), relay=True)
    with drifting(server, ahead=True, promises=attrs.evolve(SMALL, page_size=10, max_page_size=10)):
        assert len(list(Run.objects.all()[:35])) == 35
    assert len(server.requests) == 4


ODD = ["other cursors", "no count", "a low count", "a high count", "refused", "short", "no end", "ends early"]


@pytest.mark.parametrize("why", ODD)
def test_a_server_that_does_otherwise_gives_the_same_rows(why: str) -> None:
    def trouble(request: Request, response: Response) -> Response:
        if why == "refused" and request.variables.get("after"):
            return Response(errors=[{"message": "invalid cursor"}])
        project = response.data["project"]  # type: ignore[index]
        if "runCount" in project:
            lies = {"no count": None, "a low count": 20, "a high count": 1000}
            project["runCount"] = lies.get(why, project["runCount"])
        if why == "no end" or (why == "ends early" and request.variables.get("after")):
            project["runs"]["pageInfo"]["hasNextPage"] = why == "no end" and bool(project["runs"]["edges"])
        return response

    server = Server(filled(MANY), relay=why != "other cursors", cap=4 if why == "short" else 50, trouble=trouble)
    with drifting(server, ahead=True, promises=attrs.evolve(SMALL, page_size=10, max_page_size=10)):
        assert [run.id for run in Run.objects.all()] == _expected(MANY["vision"], None, True)
        asked = len(server.requests)
        assert [run.id for run in Run.objects.all()] == _expected(MANY["vision"], None, True)
    # What was refused once is not tried again in the session.
    assert why != "refused" or len(server.requests) - asked < asked


@pytest.mark.parametrize("error", [502, 504, "large", "slow"])
@pytest.mark.parametrize("at", [1, 3])
def test_a_page_that_is_too_much_is_asked_for_in_smaller_ones(error: Any, at: int) -> None:
    most = 12 if error == "slow" and at > 1 else 6

    def trouble(request: Request, response: Response) -> Response:
        if len(server.requests) >= at and request.variables["first"] > most:
            if error == "large":
                raise ResponseTooLarge("answered with more than 1 kB")
            if error == "slow":
                raise RequestTimeout("did not answer in time")
            raise ServerError(f"answered HTTP {error}", status=error)
        return response

    server = Server(filled(MANY), relay=True, trouble=trouble)
    with drifting(server, ahead=True, promises=attrs.evolve(SMALL, page_size=10, max_page_size=40)):
        if error == "slow" and at == 1:
            with pytest.raises(RequestTimeout):  # a server that never answered is not asked again
                list(Run.objects.all())
            assert len(server.requests) == 1
            return
        assert [run.id for run in Run.objects.all()] == _expected(MANY["vision"], None, True)
    sizes = [request.variables["first"] for request in server.requests]
    assert max(sizes) > most
    assert sum(size <= most for size in sizes) > 1


def test_pages_grow_again() -> None:
    failed: list[int] = []

    def trouble(request: Request, response: Response) -> Response:
        if not failed and len(server.requests) == 2:
            failed.append(request.variables["first"])
            raise ServerError("answered HTTP 502", status=502)
        return response

    server = Server(filled(MANY), trouble=trouble)
    with drifting(server, promises=attrs.evolve(SMALL, page_size=10, max_page_size=32)):
        assert len(list(Run.objects.all())) == 100
    sizes = [request.variables["first"] for request in server.requests]
    assert sizes == [10, 32, 16, 32, 32, 32]


def test_a_server_that_fails_on_single_rows_fails() -> None:
    def trouble(request: Request, response: Response) -> Response:
        raise ServerError("answered HTTP 502", status=502)

    server = Server(filled(MANY), trouble=trouble)
    with drifting(server, promises=SMALL), pytest.raises(ServerError, match="502"):
        list(Run.objects.all())
    assert [request.variables["first"] for request in server.requests] == [3, 1]
