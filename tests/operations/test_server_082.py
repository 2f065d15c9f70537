"""Answers as server 0.82 gives them: texts in place of odd numbers, no user, rows that are null."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.backends import EngineBackend, served
from tests.support.worlds import make_world
from wbmodel import Max, Min, Run
from wbmodel.errors import DamagedRow
from wbmodel.request import Request, Response

WORLD = make_world()
STORE = WORLD.store()
TEXTS = {"loss": "NaN", "up": "Infinity", "down": "-Infinity", "in": {"it": ["NaN", 1]}, "word": "nan", "n": 2}


def _replaced(value: Any, name: str, by: Callable[[Any], Any]) -> None:
    """Replace every value that has this key in an answer."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == name:
                value[key] = by(inner)
            else:
                _replaced(inner, name, by)
    elif isinstance(value, list):
        for inner in value:
            _replaced(inner, name, by)


class Newer(EngineBackend):
    """The engine, whose answers have a value replaced."""

    change: tuple[str, Callable[[Any], Any]]

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        response = super().execute(request, timeout=timeout)
        _replaced(response.data, *Newer.change)
        return response


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Callable[[Any], Any]], None]]:
    monkeypatch.setattr("tests.support.backends.EngineBackend", Newer)

    def change(name: str, by: Callable[[Any], Any]) -> None:
        Newer.change = (name, by)

    with served(STORE, "drops"):
        yield change


@pytest.mark.filterwarnings("ignore:.*ignores the argument keys")
def test_texts_for_odd_numbers_are_numbers(newer: Any) -> None:
    newer("summaryMetrics", lambda text: json.dumps(TEXTS))
    for run in (Run.objects.get(id="v05"), Run.objects.all()[0], asyncio.run(Run.objects.aget(id="v05"))):
        assert math.isnan(run.summary["loss"])
        assert (run.summary["up"], run.summary["down"], run.summary["word"]) == (math.inf, -math.inf, "nan")
        assert math.isnan(run.summary["in"]["it"][0])
    assert Run.objects.values_list("summary.up", "summary.word")[0] == (math.inf, "nan")
    ends = Run.objects.aggregate(low=Min("summary.n"), high=Max("summary.up"), none=Max("summary.loss"))
    assert ends == {"low": 2, "high": math.inf, "none": None}


def test_a_text_field_stays_text(newer: Any) -> None:
    newer("displayName", lambda text: "NaN")
    assert Run.objects.get(id="v05").name == "NaN"


def test_a_run_without_a_user(newer: Any) -> None:
    newer("user", lambda user: None)
    assert Run.objects.get(id="v05").user is None
    assert {run.user for run in Run.objects.select_related("user")} == {None}
    assert {row["user"] for row in Run.objects.values("user")} == {None}
    assert [group["user"] for group in Run.objects.group_by("user")] == [None]
    assert "v05," in Run.objects.order_by("id").values("id", "user").to_csv()


@pytest.mark.parametrize("null", [None, {"node": None}], ids=["edge", "node"])
def test_a_null_row_is_left_out_and_said(null: Any, newer: Any) -> None:
    right = len(WORLD.of("acme/vision"))
    newer("edges", lambda edges: [null, *edges, null])
    for verb in (
        lambda: len(Run.objects.all()),
        lambda: sum(1 for _ in Run.objects.order_by("summary.loss").iterator()),
        lambda: len(Run.objects.values("id").to_csv().splitlines()) - 1,
    ):
        with pytest.warns(DamagedRow, match="with null for a row"):
            assert verb() == right
