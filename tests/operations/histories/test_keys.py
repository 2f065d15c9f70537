"""The keys of histories, their types and counts: of one run, of many, and where a server does not tell."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.support.backends import over_loopback, served
from tests.support.keyed_histories import history_store, listed
from tests.support.keyed_requests import asked_names
from wbmodel import Run
from wbmodel.engine.dialect import Dialect
from wbmodel.operations.histories.key_info import KeyInfo, infos
from wbmodel.operations.histories.keys import history_keys
from wbmodel.operations.histories.runs import Given

HISTORIES: list[list[dict[str, Any]]] = [
    [{"_step": 0, "loss": 1, "a": {"b": 2}}, {"_step": 1, "loss": math.inf}],
    [{"_step": 0, "loss": "text"}],
    [],
    [{"_step": 3, "image": {"_type": "image-file"}, "loss": 0.5}],
]
COUNTS = {"_step": 4, "loss": 4, "a.b": 1, "image": 1}


def test_of_one_run() -> None:
    with served(history_store(HISTORIES), "weak") as session:
        runs = {run.id: run for run in Run.objects.all()}
        found = session.run(history_keys(Given([runs["h0"]]), session.target))
        assert {key: info.count for key, info in found.items()} == {"_step": 2, "loss": 2, "a.b": 1}
        assert found["loss"] == KeyInfo(("number",), 2, math.inf, True)
        assert session.run(history_keys(Given([runs["h2"]]), session.target)) == {}


@pytest.mark.parametrize("lacking", [frozenset(), frozenset({"RunConnection.historyKeys"})])
def test_of_all_runs_of_a_query(lacking: frozenset[str]) -> None:
    dialect = Dialect(live=True, cursors="offsets", lacking=lacking)
    with served(history_store(HISTORIES), "weak", dialect=dialect) as session:
        for runs in (listed(session), Given(list(Run.objects.all()))):
            found = session.run(history_keys(runs, session.target))
            assert {key: info.count for key, info in found.items()} == COUNTS
            assert set(found["loss"].types) == {"number", "string"}
        some = session.run(history_keys(listed(session, Run.objects.filter(id__in=["h0", "h2"])), session.target))
        assert some["loss"].count == 2
        first = session.run(history_keys(listed(session, Run.objects.all()[:1]), session.target))
        assert first.keys() == {"_step", "loss", "a.b"}


def test_of_all_runs_in_one_request() -> None:
    with over_loopback(history_store(HISTORIES * 30), "live") as (_, session), asked_names() as names:
        found = session.run(history_keys(listed(session), session.target))
    assert names == ["RunsHistoryKeys"]
    assert found["loss"].count == 120


def test_where_a_server_does_not_tell() -> None:
    dialect = Dialect(live=True, lacking=frozenset({"RunConnection.historyKeys", "Run.historyKeys"}))
    with served(history_store(HISTORIES), "weak", dialect=dialect) as session:
        assert session.run(history_keys(listed(session), session.target)) == {}


def test_odd_shapes() -> None:
    odd = [None, [], {"keys": None}, {"keys": {"a": None, "b": {"typeCounts": [{"type": "number"}]}}}]
    assert infos(odd) == {"a": KeyInfo(), "b": KeyInfo()}
    more = {"keys": {"a": {"typeCounts": [{"type": "nil", "count": 1}, {"type": "number", "count": 4}]}}}
    assert infos([more])["a"] == KeyInfo(("number", "nil"), 5, None, None)
    assert infos([more, more])["a"].count == 10
    assert infos([more, odd[3]])["a"].count is None
