"""Histories from exported files, over loopback: the rows that documents give, for every switch of the dialect."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.backends import SERVERS, over_loopback
from tests.support.histories import Got, asking, history_world, reading
from tests.support.keyed_histories import listed
from wbmodel import Run
from wbmodel.backend.asks import Fetch, ReadSpec, Request
from wbmodel.engine import Dialect, Engine, Exports
from wbmodel.engine.histories import Histories
from wbmodel.meta.state import is_loaded
from wbmodel.operations.histories import exports
from wbmodel.testing.serving import FaultyServer

pytest.importorskip("pyarrow")

IMAGE = {"_type": "image-file", "path": "a.png"}


def row(step: int, at: int) -> dict[str, Any]:
    made: dict[str, Any] = {"_step": step, "_timestamp": 1e9 + at, "loss": math.nan if at % 9 == 0 else at / 7}
    made |= {"whole": at, "mixed": at if at % 2 else at / 4, "text": "NaN" if at % 13 == 5 else f"row {at}"}
    made |= {"deep": {"a": at, "b": {"c": [at]}}} if at % 3 else {"rare": at}
    made |= {"big": 2**70 + at if at % 11 == 0 else 2**60 + at, "flag": at % 2 == 0}
    made |= {"image": IMAGE} if at % 10 == 0 else {"odd": [1, "two", {"x": math.inf}][at % 3]}
    return made


HISTORIES = {
    "plain": [row(step, step) for step in range(120)],
    "repeated": [row(at // 3, at) for at in range(120)],
    "late": [row(5_000 + 7 * at, at) for at in range(90)],
    "negative": [row(at - 40, at) for at in range(100)],
    "short": [row(step, step) for step in range(9)],
}
SWITCHES = {
    "one file": Exports(until=60),
    "files in order": Exports(until=60, files=4, rows="sorted"),
    "files in no order": Exports(until=60, files=4),
    "overlap": Exports(until=60, files=3, overlap=4, rows="sorted"),
    "overlap in no order": Exports(until=60, files=3, overlap=4),
    "all": Exports(until=10**6, files=2, rows="sorted"),
    "nothing": Exports(until=-(10**6)),
    "stale": Exports(until=60, files=2, stale=True),
    "expires at once": Exports(until=60, expires=0),
    "expires": Exports(until=60, expires=600),
    "the border in a step": Exports(until=20, files=7, rows="sorted"),
}
SPECS = {
    "rows": ReadSpec(),
    "keys": ReadSpec(keys=("loss", "deep.a", "rare", "image", "text")),
    "steps": ReadSpec(keys=()),
    "nested": ReadSpec(keys=("deep.b.c", "mixed", "big")),
    "from a step": ReadSpec(min_step=17),
    "a range": ReadSpec(keys=("loss", "odd"), min_step=10, max_step=75),
}

THOROUGH = ("files in order", "files in no order")
"""With these, every spec is read."""


@contextmanager
def exporting(given: Exports | None, rows: Any = HISTORIES, **more: Any) -> Iterator[tuple[FaultyServer, Any]]:
    SERVERS["exporting"] = (Dialect(live=True, cursors="offsets", exports=given, **more), Engine)
    world = history_world(rows)
    with over_loopback(world, "exporting", max_attempts=1) as (server, session):
        yield server, session


@pytest.fixture
def threshold(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets from how many lines on files are looked for."""
    return lambda lines: monkeypatch.setattr(exports, "LONG", lines)


@pytest.fixture
def unused(caplog: pytest.LogCaptureFixture) -> Any:
    """The runs whose files were thrown away, and why."""
    caplog.set_level(logging.DEBUG, "wbmodel.histories")

    def said() -> dict[str, str]:
        told = [record.getMessage().partition(": ") for record in caplog.records]
        caplog.clear()
        return {path.rpartition("/")[2]: why for path, _, why in told}

    return said


def plain(found: dict[str, Got]) -> dict[str, Any]:
    """Rows in order, without the order of columns, where NaN equals NaN; and the ends."""
    return {
        name: ([sorted((key, repr(cell)) for key, cell in row.items()) for row in _same(got.rows)], got.end.missing)
        for name, got in found.items()
    }


def _same(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A file has one type for a column of ints and floats, as a frame has."""
    return [{key: float(cell) if key == "mixed" else cell for key, cell in row.items()} for row in rows]


def counted(query: Any = None) -> list[Run]:
    """Runs whose numbers of lines are known."""
    streams = Run.__wbmodel_meta__.options.streams
    return list((Run.objects.all() if query is None else query).only(*streams.fields))


def fetched(asked: list[Any]) -> int:
    return sum(isinstance(ask, Fetch) for ask in asked)


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    """What documents give, for each spec."""
    with exporting(None) as (_, session):
        return {name: plain(reading(session, counted(), spec)) for name, spec in SPECS.items()}


@pytest.mark.parametrize("switch", SWITCHES)
def test_files_give_what_documents_give(switch: str, documents: Any, threshold: Any, unused: Any) -> None:
    threshold(50)
    with exporting(SWITCHES[switch]) as (_, session):
        runs = counted()
        for name, spec in SPECS.items() if switch in THOROUGH else list(SPECS.items())[:2]:
            with asking() as asked:
                found = reading(session, runs, spec)
            assert plain(found) == documents[name], name
            assert (fetched(asked) > 0) == (switch != "nothing")
            why = unused()
            if "no order" in switch or switch == "one file":
                assert set(why) == {"repeated"}, why
                assert "in which order the rows of one step" in why["repeated"]
            elif switch == "stale":
                assert {"plain", "late", "negative", "repeated"} >= set(why) >= {"plain", "negative"}
            elif switch == "expires at once":
                assert {"plain", "negative"} <= set(why)
            elif switch == "all":
                assert not why


@pytest.mark.filterwarnings("ignore::wbmodel.errors.FrameWarning")
def test_frames_have_the_same_types(threshold: Any) -> None:
    pytest.importorskip("polars")
    with exporting(Exports(until=60, files=3)):
        threshold(10**9)
        wanted = Run.objects.filter(id="plain").history.to_polars()
        threshold(50)
        with asking() as asked:
            found = Run.objects.filter(id="plain").history.to_polars()
        assert fetched(asked) == 1
    assert set(found.columns) == set(wanted.columns)
    found = found.select(wanted.columns)
    assert found.schema == wanted.schema
    # Integers beside floats are equal floats in a file.
    assert found.equals(wanted, null_equal=True)


def test_the_library_that_is_there(documents: Any, threshold: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """polars without pyarrow gives the same; without both, documents do."""
    pytest.importorskip("polars")
    from wbmodel.operations.histories import export_file

    there = export_file.find_spec
    with exporting(Exports(until=60, files=3)) as (_, session):
        threshold(50)
        for name, spec in SPECS.items():
            for libraries, fetches in (({"polars"}, True), (set(), False)):
                look = lambda name, libraries=libraries: there(name) if name in libraries else None  # noqa: E731
                monkeypatch.setattr(export_file, "find_spec", look)
                with asking() as asked:
                    found = plain(reading(session, counted(), spec))
                assert found == documents[name]
                assert (fetched(asked) > 0) == fetches


def test_a_run_whose_number_of_lines_is_not_known_at_first(threshold: Any) -> None:
    threshold(5_500)
    histories = {"long": [{"_step": step, "x": step} for step in range(6_000)], "short": HISTORIES["short"]}
    with exporting(Exports(until=10**6), histories) as (_, session), asking() as asked:
        runs = list(Run.objects.all())
        assert not any(is_loaded(run, "history_line_count") for run in runs)
        found = reading(session, runs)
    assert fetched(asked) == 1
    assert found["long"].rows == histories["long"]
    assert found["short"].rows[0]["_step"] == 0


def test_the_last_step_tells_that_a_history_may_be_long(threshold: Any) -> None:
    threshold(50)
    with exporting(Exports(until=60), {"plain": HISTORIES["plain"]}) as (_, session):
        run = Run.objects.get(id="plain")
        assert not is_loaded(run, "history_line_count")
        for summary, fetches in (({"_step": 119}, 1), ({"_step": 9}, 0), ({"_step": "x"}, 0), ({}, 0)):
            run.summary.clear()
            run.summary.update(summary)
            with asking() as asked:
                found = reading(session, [run], ReadSpec(keys=("whole",)))
            assert fetched(asked) == fetches
            assert [line["whole"] for line in found["plain"].rows] == list(range(120))


def test_runs_of_later_pages_are_read_from_files(threshold: Any) -> None:
    """Values come in pages of runs, until a page shows that histories are long."""
    threshold(50)
    histories = {f"r{at:02}": [row(step, step + at) for step in range(60)] for at in range(40)}
    with exporting(Exports(until=10**6), histories) as (_, session), asking() as asked:
        found = reading(session, listed(session), ReadSpec(keys=("whole",)))
    assert 8 <= fetched(asked) <= 9
    assert sorted(found) == sorted(histories)
    assert all(
        [line["whole"] for line in got.rows] == list(range(int(name[1:]), int(name[1:]) + 60))
        for name, got in found.items()
    )


def test_the_urls_of_many_runs_are_asked_for_together(threshold: Any) -> None:
    """Files of two runs may have the same name: they are never mixed up."""
    threshold(50)
    histories = {f"r{at:02}": [row(step, step + at) for step in range(60)] for at in range(15)}
    with exporting(Exports(until=10**6, rows="sorted"), histories) as (server, session), asking() as asked:
        found = reading(session, counted())
    assert [ask.operation_name for ask in asked if isinstance(ask, Request)] == ["Runs", *["HistoryExports"] * 2]
    assert fetched(asked) == 15
    assert {name: [line["whole"] for line in got.rows] for name, got in found.items()} == {
        name: [line["whole"] for line in rows] for name, rows in histories.items()
    }
    keys = [seen for seen in server.seen if seen.path.startswith("/exports/")]
    assert len(keys) == 15
    assert not any(seen.authorization for seen in keys)


def test_a_project_without_files_is_asked_once(threshold: Any) -> None:
    threshold(50)
    with exporting(None) as (_, session):
        for spec, more in ((ReadSpec(), 1), (ReadSpec(), 0), (ReadSpec(keys=("loss",), min_step=0), 0)):
            with asking() as asked:
                reading(session, counted(), spec)
            assert sum(ask.operation_name == "HistoryExports" for ask in asked) == more


def test_a_server_that_has_no_exports(threshold: Any) -> None:
    threshold(50)
    with exporting(None, lacking=frozenset({"Run.parquetHistory"})) as (_, session):
        for more in (True, False):
            with asking() as asked:
                found = reading(session, counted())
            assert all(got.end.is_complete for got in found.values())
            assert any(ask.operation_name == "HistoryExports" for ask in asked) == more


@pytest.mark.parametrize("fault", [{"status": 404}, {"status": 500}, {"status": 200, "body": "PAR1 garbage PAR1"}])
def test_files_that_cannot_be_read(fault: dict[str, Any], threshold: Any, unused: Any) -> None:
    threshold(50)
    with exporting(Exports(until=60, files=2)) as (server, session):
        wanted = {name: len(rows) for name, rows in HISTORIES.items()}
        server.faults.add(path="/exports/*", times=None, **fault)
        for spec in (ReadSpec(), ReadSpec(keys=("whole",))):
            found = reading(session, counted(), spec)
            assert {name: len(got.rows) for name, got in found.items()} == wanted
            assert all(got.end.is_complete for got in found.values())
            assert set(unused()) >= {"plain", "negative"}


@pytest.mark.parametrize("histories", [Histories(count="null"), Histories(count="late", late_times=99)])
def test_without_a_right_count_files_prove_nothing(histories: Histories, threshold: Any) -> None:
    threshold(50)
    with exporting(Exports(until=60, rows="sorted"), histories=histories) as (_, session):
        found = reading(session, counted(Run.objects.filter(id="plain")))
    assert [line["whole"] for line in found["plain"].rows] == list(range(120))


def test_a_run_that_goes_on(threshold: Any) -> None:
    threshold(50)
    world = history_world({"r": HISTORIES["plain"]}, state="running")
    SERVERS["exporting"] = (Dialect(live=True, cursors="offsets", exports=Exports(until=60)), Engine)
    with over_loopback(world, "exporting") as (_, session), asking() as asked:
        found = reading(session, counted())["r"]
    assert fetched(asked) == 1
    assert [line["_step"] for line in found.rows] == list(range(120))
    assert found.end.is_complete
