"""Bad weather and bad rows: servers that fail on much, refuse what was added, spoil rows, or fail on one run."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest

from tests.support.backends import KEY, WEAK, over_loopback, served, serving
from tests.support.histories import Got, asking, history_world, reading
from tests.support.pace import stretch
from wbmodel import Run, connect
from wbmodel.backend.asks import ReadSpec, Request, Response
from wbmodel.engine import Dialect, Engine
from wbmodel.errors import DamagedRow, IncompleteHistory, NotAuthenticated, QueryWarning, ServerError
from wbmodel.operations.histories import documents
from wbmodel.operations.histories.read import read
from wbmodel.operations.histories.runs import Given
from wbmodel.session.session import Session

ROWS = [{"_step": step, "loss": step / 7} for step in range(100)]


class Spoiling(Engine):
    """An engine whose answers are changed before they are sent. ``most``: it fails with 502 beyond so many rows."""

    most: int | None = None
    fails: str | None = None
    texts: list[Any] | None = None
    count: int | None = None
    largest = 0

    def execute(self, request: Request, **options: Any) -> Response:
        response = super().execute(request, **options)
        if request.operation_name != "Histories" or response.data is None:
            return response
        runs = [run for run in response.data["project"].values() if run is not None]
        names = [value for name, value in request.variables.items() if name.startswith("key")]
        if self.fails in names:
            at = f"r{names.index(self.fails)}"
            return Response(None, [{"message": "the history store said no", "path": ["project", at, "history"]}])
        rows = sum(len(run["history"]) for run in runs)
        if self.most is not None and rows > self.most:
            raise ServerError("502 from a proxy", status=502, operation="Histories")
        type(self).largest = max(self.largest, rows)
        for run in runs:
            if self.texts is not None:
                run["history"] = list(self.texts)
            if self.count is not None:
                run["historyLineCount"] = self.count
        return response


@contextmanager
def spoiled(runs: int = 12, rows: Any = ROWS, dialect: Dialect | None = None, **how: Any) -> Iterator[Session]:
    engine = type("Spoiled", (Spoiling,), how)
    capabilities = attrs.evolve(WEAK, max_aliases=20)
    given = {"engine": engine, "dialect": dialect or Dialect(), "capabilities": capabilities}
    with served(history_world({f"r{at:02d}": rows for at in range(runs)}), "full", **given) as session:
        yield session


def read_all(session: Session) -> dict[str, Got]:
    return reading(session, list(Run.objects.order_by("id")))


@pytest.mark.parametrize("most", [1000, 150, 100, 30, 2])
def test_too_much_is_asked_in_smaller_documents(most: int) -> None:
    """Down to one range of one run, and then to smaller ranges."""
    rows = ROWS[:40] if most == 2 else ROWS
    with spoiled(4 if most == 2 else 12, rows, most=most) as session:
        found = read_all(session)
    assert all(got.rows == rows and got.end.is_complete for got in found.values())


def test_a_run_that_fails_does_not_stop_the_others() -> None:
    with spoiled(fails="r05") as session:
        found = read_all(session)
    bad = found.pop("r05")
    assert isinstance(bad.end.error, ServerError)
    assert bad.rows == []
    assert all(got.rows == ROWS and got.end.is_complete for got in found.values())


def test_documents_that_wait_for_each_other_are_asked_for_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers one after the other is late for those that were sent together, and for no other."""
    monkeypatch.setattr(documents, "ALIASES_AT_MOST", 1)
    pause, turn = 0.15 * stretch(), threading.Lock()

    class OneByOne(Engine):
        def execute(self, request: Request, **options: Any) -> Response:
            if request.operation_name == "Histories":
                with turn:
                    time.sleep(pause)
            return super().execute(request, **options)

    world = history_world({f"r{at:02d}": ROWS for at in range(10)})
    options: Any = {"project": "acme/vision", "api_key": KEY, "name": "one by one", "default": False}
    engine = OneByOne(world, Dialect(missing_user="nobody"))
    with serving(engine, api_key=KEY) as server, connect(server.url, timeout=pause * 5, **options) as session:
        found = read_all(session)
    assert all(got.rows == ROWS and got.end.is_complete for got in found.values())


@pytest.mark.parametrize("lacks", ["Run.history(maxKeyLimit)", "Run.historyKeys"])
def test_what_a_server_refuses_is_left_out(lacks: str) -> None:
    with spoiled(dialect=Dialect(lacking={lacks})) as session:
        if "maxKeyLimit" in lacks:
            with pytest.warns(UserWarning, match="rows of very many keys may lack some"):
                found = read_all(session)
        else:
            found = read_all(session)
        assert all(got.rows == ROWS for got in found.values())
        with asking() as asked:
            read_all(session)
        assert sum(request.operation_name == "Histories" for request in asked) == 1, "it is remembered"


def test_an_old_server_over_the_wire() -> None:
    with over_loopback(history_world({"r0": ROWS, "r1": ROWS}), "old") as (_, session):
        with pytest.warns(UserWarning, match="maxKeyLimit"):
            found = read_all(session)
    assert all(got.rows == ROWS and got.end.is_complete for got in found.values())


def test_a_key_that_is_refused_is_raised() -> None:
    with over_loopback(history_world({"r0": ROWS}), "live") as (server, session):
        runs = list(Run.objects.all())
        server.faults.add(status=401, body='{"errors": [{"message": "invalid api key"}]}', times=None)
        with pytest.raises(NotAuthenticated):
            reading(session, runs)


@pytest.mark.parametrize("fault", [{"status": 502}, {"status": 429}])
def test_passing_weather_over_the_wire(fault: dict[str, Any]) -> None:
    with over_loopback(history_world({f"r{at}": ROWS for at in range(30)}), "live") as (server, session):
        runs = list(Run.objects.all())
        server.faults.add(times=3, operation="Histories", **fault)
        found = reading(session, runs)
    assert all(got.rows == ROWS and got.end.is_complete for got in found.values())


TEXTS = [
    '{"_step": 3, "loss": NaN}',
    '{"_step": 1, "loss": "Infinity", "note": {"deep": {"er": 1}, "of": {"_type": "image", "x": 1}, "no": {}}}',
    '{"_step": 2.0, "loss": 5}',
    '{"_step": "4", "text": "NaN"}',
    '{"_step": 1, "loss": "-Infinity"}',
]


def test_odd_values_become_what_they_mean() -> None:
    """Rows come by step, and within a step as they came."""
    with spoiled(1, texts=TEXTS, count=5) as session:
        got = read_all(session)["r00"]
    assert got.rows[:3] == [
        {"_step": 1, "loss": math.inf, "note.deep.er": 1, "note.of": {"_type": "image", "x": 1}, "note.no": {}},
        {"_step": 1, "loss": -math.inf},
        {"_step": 2, "loss": 5},
    ]
    assert [row["_step"] for row in got.rows] == [1, 1, 2, 3, 4]
    assert math.isnan(got.rows[3]["loss"])
    assert math.isnan(got.rows[4]["text"]), "as in a summary"
    assert got.end.is_complete


@pytest.mark.parametrize("bad", ['{"_step": 1, "lo', "[1]", "null", "", None, '{"a": 1}, {"b": 2}', '"text"'])
def test_a_damaged_row_costs_that_row_and_is_said(bad: str | None) -> None:
    texts = ['{"_step": 0}', bad, '{"_step": 2}']
    with spoiled(1, texts=texts, count=3) as session, pytest.warns(DamagedRow, match=r"r00: a row .*after step 0"):
        got = read_all(session)["r00"]
    assert [row["_step"] for row in got.rows] == [0, 2]
    assert got.end.missing == 1


@pytest.mark.parametrize("step", ["", '"_step": null, ', '"_step": "x", ', '"_step": [1], ', '"_step": 1.5, '])
def test_rows_without_a_step_come_last(step: str) -> None:
    texts = [f'{{{step}"loss": 1}}', '{"_step": 7, "loss": 2}', f'{{{step}"loss": 1}}']
    with spoiled(1, texts=texts, count=3) as session:
        got = read_all(session)["r00"]
    assert got.rows == [{"_step": 7, "loss": 2}, {"loss": 1}, {"loss": 1}]
    assert got.end.is_complete


def test_rows_without_a_step_are_not_doubled_by_ranges() -> None:
    """A server that cannot page them may send them with every range."""
    texts = ['{"loss": 1}', '{"loss": 1}', *(json.dumps(row) for row in ROWS)]
    with spoiled(1, texts=texts, count=110) as session:
        got = read_all(session)["r00"]
    assert got.rows == [*ROWS, {"loss": 1}, {"loss": 1}]
    assert got.end.missing == 8


def test_missing_rows_are_said_once() -> None:
    """By the set of histories, in one warning for all runs: what reads them only counts."""
    with spoiled(3, count=103) as session:
        history = Run.objects.history
        with pytest.warns(QueryWarning) as warned:
            assert len(history) == 300
        found = read_all(session)
    assert [got.end.missing for got in found.values()] == [3, 3, 3]
    (told,) = [str(warning.message) for warning in warned if warning.category is IncompleteHistory]
    assert told.count("3 rows missing") == 3
    assert "just logging" in told
    assert dict(history.missing) == {f"acme/vision/r{at:02d}": 3 for at in range(3)}


def test_reading_goes_ahead_only_so_far() -> None:
    """A caller that takes one run and waits has few documents in flight."""
    with served(history_world({f"r{at:03d}": ROWS for at in range(200)}), "hostile1") as session, asking() as asked:
        taken = session.iterate(read(ReadSpec(), Given(list(Run.objects.all())), session.target))
        del asked[:]
        next(iter(taken))
        assert len(asked) <= 10
        taken.close()  # type: ignore[attr-defined]
