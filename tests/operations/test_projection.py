"""A query asks for the keys that it needs, and a field that was loaded in part never says what it does not know."""

from __future__ import annotations

import copy
import json
import pickle
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from tests.support.backends import WEAK, EngineBackend, served
from tests.support.worlds import make_world
from wbmodel import Count, F, Max, Part, Run
from wbmodel.errors import FieldNotLoaded, KeyWarning
from wbmodel.request import Request, Response
from wbmodel.session.session import Session

STORE = make_world().store()
ASKED: list[dict[str, Any]] = []


class Listening(EngineBackend):
    """The engine, which records the keys that it is asked for. ``blind`` ignores them, ``empty`` answers null."""

    blind = empty = housekeeping = False

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        keys = {name.removesuffix("Keys"): value for name, value in request.variables.items() if name.endswith("Keys")}
        text = request.document.text
        for name in ("config", "summaryMetrics"):
            if re.search(rf"\b{name}(\n| *$| \{{)", text, re.MULTILINE):
                keys[name] = "all"
        ASKED.append(keys)
        if Listening.blind:
            request = attrs.evolve(request, document=re.sub(r"\(keys: \$\w+\)", "", text), variables={
                name: value for name, value in request.variables.items() if not name.endswith("Keys")
            })  # fmt: skip
        response = super().execute(request, timeout=timeout)
        if Listening.empty:
            _empty(response.data)
        if Listening.housekeeping:
            for edge in response.data["project"]["runs"]["edges"]:  # type: ignore[index]
                own = {**json.loads(edge["node"]["config"]), "_wandb": {"value": {}}}
                edge["node"]["config"] = json.dumps(own)
        return response


def _empty(data: Any) -> None:
    for item in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        _empty(item)
    if isinstance(data, dict):
        data.update({name: None for name in data if name in ("config", "summaryMetrics")})


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr("tests.support.backends.EngineBackend", Listening)
    ASKED.clear()
    with served(STORE, "drops", capabilities=attrs.evolve(WEAK, page_size=50, max_page_size=100)) as made:
        yield made


RUNS = Run.objects
LOSS = {"summaryMetrics": ["loss"]}
VERBS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "values": (lambda: list(RUNS.values("name", "summary.loss")), LOSS),
    "values_list": (lambda: list(RUNS.values_list("summary.loss", flat=True)), LOSS),
    "nested": (lambda: list(RUNS.values("config.model.depth")), {"config": ["model"]}),
    "literal dot": (lambda: list(RUNS.values('config."a.b"')), {"config": ["a.b"]}),
    "slash": (lambda: list(RUNS.values("summary.eval/acc")), {"summaryMetrics": ["eval/acc"]}),
    "distinct": (lambda: list(RUNS.values("config.optimizer").distinct()), {"config": ["optimizer"]}),
    "only": (lambda: list(RUNS.only("config.lr", "config.optimizer")), {"config": ["lr", "optimizer"]}),
    "only and all": (lambda: list(RUNS.only("config.lr", "config")), {"config": "all"}),
    "also": (lambda: list(RUNS.only("name").also("summary.loss")), LOSS),
    "condition": (lambda: list(RUNS.only("name").filter(summary__loss__isnan=True)), LOSS),
    "order": (lambda: list(RUNS.only("name").order_by("summary.loss")), LOSS),
    "group_by": (
        lambda: list(RUNS.group_by("config.lr").annotate(n=Count(), most=Max("summary.loss"))),
        {"config": ["lr"], **LOSS},
    ),
    "aggregate": (lambda: RUNS.aggregate(most=Max("summary.loss")), LOSS),
    "count": (lambda: RUNS.filter(config__lr__regex="^0").count(), {"config": ["lr"]}),
    "exists": (lambda: RUNS.filter(config__lr__regex="^0").exists(), {"config": ["lr"]}),
    "frame": (lambda: RUNS.values("config.lr").to_csv(), {"config": ["lr"]}),
    "entities": (lambda: list(RUNS.all()), {"config": "all", "summaryMetrics": "all"}),
    # What a server makes of an empty key is unknown.
    "empty key": (lambda: list(RUNS.values('config.""')), {"config": "all"}),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_query_asks_for_the_keys_it_needs(verb: str, session: Session) -> None:
    run, expected = VERBS[verb]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KeyWarning)
        run()
    assert {name: value for name, value in ASKED[0].items() if not name.startswith("far")} == expected
    assert not any(value == [] for asked in ASKED for value in asked.values())


@pytest.mark.parametrize("blind", [False, True])
def test_a_server_that_sends_more_or_nothing_gives_the_same_rows(
    blind: bool, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {run.id: (run.config.get("lr"), "loss" in run.summary) for run in RUNS.all()}
    monkeypatch.setattr(Listening, "blind", blind)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        rows = list(RUNS.only("config.lr", "summary.loss"))
        list(RUNS.only("config.lr"))
    assert sum("ignores the argument keys" in str(one.message) for one in said) == int(blind)
    assert {run.id: (run.config.get("lr"), "loss" in run.summary) for run in rows} == expected
    assert {frozenset(run.config.loaded()) for run in rows} == {frozenset(), frozenset(["lr"])}
    with pytest.raises(FieldNotLoaded, match="was not loaded"):
        rows[0].config["optimizer"]
    monkeypatch.setattr(Listening, "empty", True)
    assert set(RUNS.values_list("config.lr", flat=True)) == {None}


def test_keys_of_the_server_itself_are_no_surplus(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Listening, "housekeeping", True)
    rows = list(RUNS.only("config.lr"))
    assert {frozenset(run.config.loaded()) for run in rows} == {frozenset(), frozenset(["lr"])}  # type: ignore[attr-defined]
    assert session.refused == {}


def a_run() -> Run:
    return next(run for run in RUNS.only("name", "config.lr", "config.nowhere") if "lr" in run.config)


REFUSED: dict[str, Callable[[Any], Any]] = {
    "another key": lambda part: part["optimizer"],
    "get": lambda part: part.get("optimizer"),
    "in": lambda part: "optimizer" in part,
    "iteration": list,
    "len": len,
    "equal": lambda part: part == {"lr": 0.1},
    "not equal": lambda part: part != {"lr": 0.1},
    "dict": dict,
    "items": lambda part: list(part.items()),
    "keys": lambda part: list(part.keys()),
    "values": lambda part: list(part.values()),
    "set": lambda part: part.__setitem__("lr", 1),
    "delete": lambda part: part.__delitem__("lr"),
    "update": lambda part: part.update(lr=1),
    "setdefault": lambda part: part.setdefault("lr", 1),
    "pop": lambda part: part.pop("lr"),
    "clear": lambda part: part.clear(),
    "or": lambda part: part | {"lr": 1},
    "ror": lambda part: {"lr": 1} | part,
}


@pytest.mark.parametrize("way", REFUSED)
def test_a_part_never_says_what_it_does_not_know(way: str, session: Session) -> None:
    with pytest.raises(FieldNotLoaded, match=r"Run\.config.*was not loaded.*also\('config'\)"):
        REFUSED[way](a_run().config)


def test_unpacking_a_part_is_refused(session: Session) -> None:
    with pytest.raises(TypeError, match="not a mapping"):  # Python replaces any AttributeError
        {**a_run().config}


def test_what_a_part_says(session: Session) -> None:
    part: Any = a_run().config
    assert isinstance(part, Part)
    assert part.asked == {"lr", "nowhere"}
    assert list(part.loaded()) == ["lr"]
    assert part["lr"] == part.get("lr") == part.loaded()["lr"]
    assert part
    assert "nowhere" not in part
    assert part.get("nowhere", 5) == 5
    with pytest.raises(KeyError, match="nowhere"):
        part["nowhere"]
    assert part == part
    assert repr(part).startswith("<part of Run.config: {'lr': ")
    assert pickle.loads(pickle.dumps(part)).loaded() == copy.deepcopy(part).loaded() == part.loaded()


def test_a_part_is_not_saved_and_a_refresh_keeps_it(session: Session) -> None:
    run = a_run()
    for change in (lambda: setattr(run, "config", {}), lambda: run.save(["config"])):
        with pytest.raises(FieldNotLoaded, match="loaded in part"):
            change()
    with pytest.raises(FieldNotLoaded, match="needs all of config"):
        _ = run.raw_config
    ASKED.clear()
    run.refresh()
    assert ASKED == [{"config": ["lr", "nowhere"]}]
    again = pickle.loads(pickle.dumps(run))
    for one in (run, again, copy.copy(run), copy.deepcopy(run)):
        assert isinstance(one.config, Part)
        assert one.config.loaded() == run.config.loaded()


def test_what_loaded_rows_hold_in_part_is_read_again_where_more_is_needed(session: Session) -> None:
    rows = RUNS.only("config.lr")
    list(rows)
    ASKED.clear()
    rows.group_by("config.lr").annotate(n=Count()).to_records()
    assert ASKED == []
    rows.group_by("config.optimizer").annotate(n=Count()).to_records()
    assert ASKED[0] == {"config": ["optimizer"]}
    assert len(rows.fields("config")) > 1
    assert rows.to_records()[0].keys() == RUNS.only("config.lr").to_records()[0].keys() == {"id", "config.lr"}


def test_a_key_that_no_row_has_is_told_with_the_nearest(session: Session) -> None:
    with pytest.warns(KeyWarning, match=r"has summary\.los; did you mean .*summary\.loss"):
        list(RUNS.only("name").order_by("summary.los"))
    with pytest.warns(KeyWarning, match=r"has config\.optimiser; did you mean config\.optimizer"):
        list(RUNS.group_by("config.optimiser").annotate(n=Count()))


def test_explain_says_what_is_loaded_in_part(session: Session) -> None:
    told = RUNS.values("name", "summary.loss").filter(F.config["lr"] > 0.1).explain()
    assert told.parts["summary"] == ("loss",)
    assert "part of   summary: loss" in str(told)
    assert told.to_dict()["parts"]["summary"] == ["loss"]
