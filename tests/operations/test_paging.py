"""Pages while runs come and go: what stays comes once and in order, whatever a server's cursors are made of."""

from __future__ import annotations

import tracemalloc
import warnings
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.drifting import Server, Step, drifting, filled
from tests.support.strategies import examples
from tests.support.worlds import START
from wbmodel import Q, Run
from wbmodel.backend import Capabilities
from wbmodel.engine.dialect import Dialect
from wbmodel.errors import PageDrift
from wbmodel.operations.paging import Seen

EXAMPLES = examples(40)
# Few moments, many of them within one second, so that dates tie as they are and as they are shown.
MOMENTS = st.lists(st.sampled_from([0, 1, 250, 999, 1000, 1000, 1500, 2000, 60_000, 60_001]), max_size=14)
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from([0, 500, 1000, 1999, 60_000, 90_000])),
        st.tuples(st.just("delete"), st.integers(0, 30)),
        st.tuples(st.just("none"), st.just(0)),
    ),
    max_size=40,
)
DIALECTS = [Dialect(), Dialect.hostile(3)]


def _shown(after: int, digits: int | None) -> int:
    """Milliseconds after the start, as a server shows them that cuts off."""
    return after if digits is None or digits >= 3 else after // 10 ** (3 - digits) * 10 ** (3 - digits)


def _expected(moments: list[int], digits: int | None, newest_first: bool) -> list[str]:
    rows = [(f"r{index:03d}", _shown(after, digits)) for index, after in enumerate(moments)]
    return [name for name, after in sorted(rows, key=lambda row: (-row[1] if newest_first else row[1], row[0]))]


def _check(found: list[str], server: Server, expected: list[str], project: str = "vision") -> None:
    """Every run that was there all the time came once and in order; none came twice."""
    assert len(found) == len(set(found))
    home = server.store.project("acme", project)
    assert home is not None
    left = {run.name for run in server.store.runs(home)}
    stayed = [name for name in expected if name in left]
    assert [name for name in found if name in stayed] == stayed


async def _read(rows: Any, colour: str) -> list[Any]:
    if colour == "sync":
        return [run.id for run in rows.iterator()]
    return [run.id async for run in rows.aiterator()]


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("ahead", [False, True])
@EXAMPLES
@given(
    moments=MOMENTS,
    script=STEPS,
    cap=st.integers(1, 7),
    digits=st.sampled_from([None, 0, 0, 1, 3]),
    dialect=st.sampled_from(DIALECTS),
    newest_first=st.booleans(),
    checked=st.booleans(),
)
async def test_what_stays_comes_once_and_in_order(
    colour: str,
    ahead: bool,
    moments: list[int],
    script: list[Step],
    cap: int,
    digits: int | None,
    dialect: Dialect,
    newest_first: bool,
    checked: bool,
) -> None:
    server = Server(filled({"vision": moments}), dialect, cap, digits=digits, script=script)
    with drifting(server, ahead=ahead):
        rows = Run.objects.order_by("-created_at" if newest_first else "created_at")
        if checked:
            # A condition that every row here meets, and that has to be asked of each again.
            rows = rows.filter(Q(summary__loss__lt=100) | Q(name__iregex="nobody"), state="finished")
        found = await _read(rows, colour)
    _check(found, server, _expected(moments, digits, newest_first))
    if not script:
        assert found == _expected(moments, digits, newest_first)


@pytest.mark.parametrize("ahead", [False, True])
@EXAMPLES
@given(
    moments=MOMENTS,
    others=MOMENTS,
    script=STEPS,
    cap=st.integers(1, 7),
    digits=st.sampled_from([None, 0]),
    dialect=st.sampled_from(DIALECTS),
)
def test_two_projects_side_by_side(
    ahead: bool,
    moments: list[int],
    others: list[int],
    script: list[Step],
    cap: int,
    digits: int | None,
    dialect: Dialect,
) -> None:
    server = Server(filled({"vision": moments, "nlp": others}), dialect, cap, digits=digits, script=script)
    with drifting(server, ahead=ahead):
        found = list(Run.objects.filter(project__in=["acme/vision", "acme/nlp"]).iterator())
    mine = [run.id for run in found if run.project.name == "vision"]
    _check(mine, server, _expected(moments, digits, True))
    assert [run.id for run in found if run.project.name == "nlp"] == _expected(others, digits, True)


@pytest.mark.parametrize("ahead", [False, True])
@EXAMPLES
@given(moments=MOMENTS, script=STEPS, cap=st.integers(1, 7), dialect=st.sampled_from(DIALECTS))
def test_orders_that_are_made_here_miss_nothing(
    ahead: bool, moments: list[int], script: list[Step], cap: int, dialect: Dialect
) -> None:
    """Where every row is read first, it is read in the one order in which nothing is missed."""
    server = Server(filled({"vision": moments}), dialect, cap, script=script)
    with drifting(server, ahead=ahead):
        found = [run.id for run in Run.objects.order_by("id")]
    _check(found, server, [f"r{index:03d}" for index in range(len(moments))])


@EXAMPLES
@given(
    moments=MOMENTS,
    cap=st.integers(1, 7),
    start=st.integers(0, 6),
    length=st.integers(0, 8),
    ahead=st.booleans(),
    dialect=st.sampled_from(DIALECTS),
    order=st.sampled_from(["-created_at", "created_at", "summary.loss", "-summary.loss", "id"]),
)
def test_slices_and_counts_on_a_quiet_server(
    moments: list[int], cap: int, start: int, length: int, ahead: bool, dialect: Dialect, order: str
) -> None:
    """Pages that are cut shorter than was asked for end nothing, and nothing warns."""
    server = Server(filled({"vision": moments}), dialect, cap)
    with drifting(server, ahead=ahead):
        rows = Run.objects.order_by(order)
        whole = [run.id for run in rows]
        assert sorted(whole) == [f"r{index:03d}" for index in range(len(moments))]
        assert [run.id for run in rows.all()[start : start + length]] == whole[start : start + length]
        assert rows.count() == len(moments)
        later = START + timedelta(days=1)
        assert [run.id for run in rows.snapshot(later)] == whole
        # One more condition than the server can be asked: counted here, row by row.
        assert rows.filter(name__iregex="^R").count() == len(moments)


# -- how many requests -----------------------------------------------------------------------------


def test_no_row_comes_twice_over_the_wire() -> None:
    """Rows of the moment at which a page ends are left out of the next, so pages are full of new rows."""
    server = Server(filled({"vision": [0] * 20 + [1000] * 20}), cap=7, digits=0)
    with drifting(server):
        assert len(list(Run.objects.all())) == 40
    assert server.given == [7, 7, 7, 7, 7, 5]


def test_more_runs_of_one_moment_than_a_filter_can_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wbmodel.operations.keyset.NAMED", 10)
    server = Server(filled({"vision": [0] * 30 + [5000] * 30}), cap=7)
    with drifting(server):
        assert [run.id for run in Run.objects.all()] == _expected([0] * 30 + [5000] * 30, None, True)
    # By name up to ten, then by cursor, and by date again where the moment ends.
    assert len(server.requests) < 12
    assert (
        max(len(str(request.variables["filters"])) for request in server.requests if request.variables.get("filters"))
        < 300
    )


class _Blind(Server):
    """Takes filters and asks none of them."""

    def answer(self, request: Any) -> Any:
        variables = {key: None if key.startswith("filters") else value for key, value in request.variables.items()}
        return super().answer(attrs.evolve(request, variables=variables))


@pytest.mark.parametrize("order", ["-created_at", "created_at"])
def test_a_server_that_does_not_filter_as_it_is_asked_to_is_read_by_its_cursors(order: str) -> None:
    server = _Blind(filled({"vision": [index * 100 for index in range(30)]}), cap=7)
    with drifting(server):
        found = [run.id for run in Run.objects.order_by(order)]
    assert found == _expected([index * 100 for index in range(30)], None, order[0] == "-")
    assert len(server.requests) < 12


def test_where_cursors_are_stable_they_are_followed() -> None:
    server = Server(filled({"vision": list(range(20))}), cap=7, offsets=False)
    with drifting(server, promises=Capabilities(stable_cursors=True)):
        assert len(list(Run.objects.all())) == 20
    assert [request.variables.get("filters") for request in server.requests] == [None] * 3
    assert all(request.variables["after"] for request in server.requests[1:])


# -- drift -----------------------------------------------------------------------------------------

LOSSES = [index * 1000 for index in range(20)]


@pytest.mark.parametrize("script", [[("delete", 0)], [("none", 0), ("delete", 1)], [("add", 5)], [("add", 5)] * 9])
def test_rows_that_may_be_missing_in_other_orders_are_said(script: list[Step]) -> None:
    server = Server(filled({"vision": LOSSES}), cap=5, script=script)
    with drifting(server), pytest.warns(PageDrift) as told:
        found = [run.id for run in Run.objects.order_by("summary.loss")]
    assert len(found) == len(set(found))
    assert len(told) == 1
    text = str(told[0].message)
    assert "Runs of drifting: changed while their pages were read in the order +summary_metrics.loss" in text
    assert "20 rows matched on one page, but " in text
    assert "order_by('-created_at')" in text
    assert ".snapshot()" in text


def test_a_run_that_goes_as_another_comes_is_said_by_the_rows_that_came() -> None:
    """The count is the same with every page; a row came twice, so another did not come."""

    class Moving(Server):
        def step(self) -> None:
            if len(self.requests) == 1:
                project = self.store.project("acme", "vision")
                assert project is not None
                runs = {run.name: run for run in self.store.runs(project)}
                # The last of the order becomes the first: everything between moves on by one.
                self.store.update(runs["r007"].id, summary={"loss": -1})

    server = Moving(filled({"vision": LOSSES}), cap=5)
    with drifting(server), pytest.warns(PageDrift, match="20 rows match, but 19 distinct ones were received"):
        found = [run.id for run in Run.objects.order_by("summary.loss")]
    assert "r007" not in found


@EXAMPLES
@given(
    moments=MOMENTS,
    cap=st.integers(1, 7),
    order=st.sampled_from(["summary.loss", "-summary.loss", "heartbeat_at"]),
    checked=st.booleans(),
    dialect=st.sampled_from([*DIALECTS, Dialect(ne_keeps_null=False), Dialect(case_blind=True)]),
)
def test_a_quiet_server_is_never_accused(
    moments: list[int], cap: int, order: str, checked: bool, dialect: Dialect
) -> None:
    server = Server(filled({"vision": moments}), dialect, cap)
    with drifting(server), warnings.catch_warnings():
        warnings.simplefilter("error", PageDrift)
        rows = Run.objects.order_by(order)
        list(rows)
        if checked:
            list(rows.filter(summary__even=True))
        list(rows[:3])


def test_slices_of_one_page_and_orders_by_creation_ask_for_no_count() -> None:
    server = Server(filled({"vision": LOSSES}))
    with drifting(server):
        list(Run.objects.order_by("-summary.loss")[:5])
        list(Run.objects.all())
        assert not any("runCount" in request.document.text for request in server.requests)
        list(Run.objects.order_by("-summary.loss"))
        # Beside the runs that have a loss; those that have none come in creation order.
        assert ["runCount(filters: $filters)" in item.document.text for item in server.requests[-2:]] == [True, False]


def test_several_projects_are_told_of_once() -> None:
    server = Server(filled({"vision": LOSSES, "nlp": LOSSES}), cap=5, script=[("delete", 0)])
    with drifting(server), pytest.warns(PageDrift) as told:
        found = list(Run.objects.filter(project__in=["acme/vision", "acme/nlp"]).order_by("summary.loss"))
    assert len(told) == 1
    assert len({run.path for run in found}) == len(found)
    assert [run.id for run in found if run.project.name == "nlp"] != []


def test_a_backend_that_cannot_count_or_has_stable_cursors_warns_of_nothing() -> None:
    for promises in (Capabilities(count=False), Capabilities(stable_cursors=True)):
        server = Server(filled({"vision": LOSSES}), cap=5, script=[("delete", 0)])
        with drifting(server, promises=promises), warnings.catch_warnings():
            warnings.simplefilter("error", PageDrift)
            list(Run.objects.order_by("summary.loss"))
        assert not any("runCount" in request.document.text for request in server.requests)


# -- how many rows a page has ----------------------------------------------------------------------


def test_a_small_first_page_then_what_weighs_some_megabytes() -> None:
    server = Server(filled({"vision": list(range(3000))}), size=10_000)
    with drifting(server):
        assert len(list(Run.objects.all())) == 3000
    # 4 MiB are 419 rows of 10,000 bytes.
    assert server.given == [100, *[419] * 6, 386]
    server.given.clear()
    server.size = None
    with drifting(server):
        assert len(list(Run.objects.all())) == 3000
    assert server.given == [100, 1000, 1000, 900]


def test_rows_that_weigh_more_than_a_page_come_one_by_one() -> None:
    server = Server(filled({"vision": list(range(103))}), size=20_000_000)
    with drifting(server):
        assert len(list(Run.objects.all())) == 103
    assert server.given == [100, 1, 1, 1]


def test_slices_ask_for_no_more_than_they_need() -> None:
    server = Server(filled({"vision": list(range(2500))}))
    with drifting(server):
        assert len(list(Run.objects.all()[:1500])) == 1500
    # One more than is wanted, as the last might tie with the next.
    assert [request.variables["first"] for request in server.requests] == [1000, 501]


def test_the_weight_of_a_document_is_that_of_all_its_rows() -> None:
    moments = list(range(600))
    server = Server(filled({"vision": moments, "nlp": moments}), size=20_000)
    with drifting(server):
        assert len(list(Run.objects.filter(project__in=["acme/vision", "acme/nlp"]))) == 1200
    assert server.given[0] == 200
    assert {request.variables["first"] for request in server.requests[1:]} == {209}


def test_a_server_with_smaller_pages_than_are_asked_for() -> None:
    server = Server(filled({"vision": list(range(100))}), cap=30)
    with drifting(server):
        assert len(list(Run.objects.all())) == 100
    assert server.given == [30, 30, 30, 10]


def test_what_came_is_remembered_at_little_cost() -> None:
    @attrs.define
    class Row:
        node_id: str

    seen = Seen()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for at in range(0, 100_000, 1000):
            page = [Row(f"UnVuOnYxOnJ{index:07d}OnZpc2lvbjphY21l") for index in range(at, at + 1000)]
            assert len(seen.fresh(page)) == 1000
            assert seen.fresh(page[:3]) == []
        del page
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The ids themselves would take some 90 bytes more, each.
    assert (after - before) / 100_000 < 110
