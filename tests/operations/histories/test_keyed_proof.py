"""Asked keys of histories on servers that thin, cap, shuffle and miscount: all rows, or told that some are missing."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from tests.support.backends import WEAK, served
from tests.support.keyed_histories import Got, expected, history_store, reading
from wbmodel.backend.asks import ReadSpec, Request, Response
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.execute import Engine
from wbmodel.engine.histories import Histories

SHAPES: dict[str, list[dict[str, Any]]] = {
    "dense": [{"_step": at, "loss": at / 2, **({"acc": at} if at % 3 == 0 else {})} for at in range(500)],
    "sparse": [{"_step": at * 1000, "loss": at} for at in range(300)],
    "repeated": [{"_step": at // 4, "loss": at, "acc": -at} for at in range(600)],
    "far": [{"_step": at, "loss": at} for at in range(400)] + [{"_step": 10**9, "loss": 1, "acc": 2}],
    "negative": [{"_step": at - 200, "loss": at} for at in range(400)],
}
SPEC = ReadSpec(keys=("loss", "acc"))


def under(histories: Histories, rows: list[list[dict[str, Any]]], spec: ReadSpec = SPEC, **more: Any) -> Got:
    """The histories as such a server answers them."""
    dialect = Dialect(live=True, cursors="offsets", histories=histories, **more)
    with served(history_store(rows), "weak", dialect=dialect, capabilities=WEAK) as session:
        return reading(session, spec)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("thinning", ["evenly", "random", "buckets"])
def test_a_cap_that_nobody_told_of(shape: str, thinning: Any) -> None:
    rows = SHAPES[shape]
    wanted = expected(rows, ("loss", "acc"), None, None)
    for cap, shuffled in ((50, False), (120, True)):
        order: Any = "shuffled" if shuffled else "steps"
        got = under(Histories(max_samples=cap, thinning=thinning, order=order, thinned_to=0.8), [rows, rows[:3]])
        if shuffled and shape == "repeated":  # in which order the rows of a step were logged, nobody can tell
            assert cells(got.rows["h0"]) == cells(wanted)
        else:
            assert got.rows["h0"] == wanted
        assert all(end.is_complete for end in got.ends.values())


def cells(rows: list[dict[str, Any]]) -> list[tuple[int, str, Any]]:
    """The values of each key at each step, in no order."""
    return sorted((row["_step"], key, row[key]) for row in rows for key in row if row[key] is not None)


def test_more_rows_of_one_step_than_an_answer_has() -> None:
    rows = [{"_step": 5, "loss": at} for at in range(300)] + [{"_step": 6, "loss": 0}]
    got = under(Histories(max_samples=100), [rows])
    end = got.ends["h0"]
    assert end.rows == len(got.rows["h0"])
    assert end.missing == 301 - end.rows > 0
    assert not end.is_complete


def test_a_forked_run_has_more_rows_than_were_asked() -> None:
    rows = SHAPES["dense"]
    got = under(Histories(max_samples=200, segments=3, order="shuffled"), [rows])
    assert got.rows["h0"] == expected(rows, ("loss", "acc"), None, None)


@pytest.mark.parametrize("most", [40, 500, 10_000])
def test_a_range_of_a_long_history_is_divided_until_nothing_new_comes(most: int) -> None:
    rows = [{"_step": at, "loss": at} for at in range(5200)]
    spec = ReadSpec(keys=("loss",), min_step=100, max_step=1200)
    got = under(Histories(max_samples=most), [rows], spec)
    assert got.rows["h0"] == expected(rows, ("loss",), 100, 1200)
    # Fewer values than servers thin out, and no more in halves of the range, are proof; a thousand at once are not.
    assert got.ends["h0"].missing == (None if most == 10_000 else 0)


def test_a_range_of_a_short_history_is_proven() -> None:
    rows = SHAPES["dense"]
    spec = ReadSpec(keys=("loss", "acc"), min_step=100, max_step=300)
    got = under(Histories(max_samples=500), [rows], spec)
    assert got.rows["h0"] == expected(rows, ("loss", "acc"), 100, 300)
    assert got.ends["h0"].is_complete


class LateKeys(Engine):
    """A server whose counts of keys are those of a moment ago: 10 rows fewer."""

    def execute(self, request: Request, **more: Any) -> Response:
        response = super().execute(request, **more)
        if "historyKeys" not in request.document.text:
            return response
        data = json.loads(json.dumps(response.data), object_hook=_late)
        return attrs.evolve(response, data=data)


def _late(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "count": max(0, found["count"] - 10)} if set(found) >= {"type", "count"} else found


@pytest.mark.parametrize("cap", [None, 100, 500])
@pytest.mark.parametrize("number", [50, 300, 997])
def test_counts_of_keys_that_are_late(cap: int | None, number: int) -> None:
    """More rows than the count are not an error, and a count that is too low hides no row."""
    rows = [{"_step": at, "loss": at} for at in range(number)]
    dialect = Dialect(live=True, cursors="offsets", histories=Histories(max_samples=cap))
    with served(history_store([rows]), "live", dialect=dialect, engine=LateKeys) as session:
        said: Any = session.execute(KEYS_ASKED).data
        assert f"{number - 10}," in str(said).replace("}", ",")
        got = reading(session, ReadSpec(keys=("loss",)))
    assert got.rows["h0"] == rows
    assert got.ends["h0"].is_complete


KEYS_ASKED = '{ project(name: "vision", entityName: "acme") { run(name: "h0") { historyKeys } } }'
