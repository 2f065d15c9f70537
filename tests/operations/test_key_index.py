"""The server's own list of keys: it says what the rows say where they mean the same, and it never has to be there."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from tests.support.backends import KINDS, SERVERS, WEAK, EngineBackend, over_loopback, served
from tests.support.worlds import make_world
from wbmodel import F, Run
from wbmodel.engine.memory import MemoryStore
from wbmodel.errors import DamagedRow, KeyWarning, QueryWarning, ServerError
from wbmodel.objects.discovery import FieldInfo, known_keys, suggest_keys
from wbmodel.operations.key_index import Spellings
from wbmodel.operations.keys import EXAMPLES
from wbmodel.request import Request, Response
from wbmodel.testing import count_requests

WORLD = make_world()
STORE = WORLD.store()
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
LACKING = ("silent", "old")
LARGE = attrs.evolve(WEAK, page_size=100, max_page_size=1000)


class Spoiling(EngineBackend):
    """The engine; ``spoil`` may change the data of a page of the list of keys, or answer something else."""

    spoil: Callable[[Any], Response | None] = staticmethod(lambda page: None)

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        response = super().execute(request, timeout=timeout)
        if request.operation_name == "RunKeys" and not response.errors:
            return Spoiling.spoil(response.data["project"]) or response
        return response


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[Any], Any]], None]]:
    """What is done to the list of keys of the engine's session that is current."""
    monkeypatch.setattr("tests.support.backends.EngineBackend", Spoiling)
    with served(STORE, "full", capabilities=LARGE):
        yield lambda how: monkeypatch.setattr(Spoiling, "spoil", staticmethod(how))


def of_runs(configs: list[dict[str, Any]], runs: int = 40) -> MemoryStore:
    """A store whose newest runs have the first config, and the oldest ones the others."""
    store = MemoryStore()
    project = store.add_project(store.add_entity("acme"), "vision")
    for number in range(runs):
        at = max(len(configs) - 1 - number, 0)
        store.add_run(project, f"r{number:03}", created_at=START + timedelta(seconds=number), config=configs[at])
    return store


def told(infos: list[FieldInfo]) -> list[tuple[str, str]]:
    return [(info.path, info.type) for info in infos]


@pytest.mark.parametrize("kind", [*KINDS, *SERVERS])
async def test_the_list_and_the_rows_say_the_same(kind: str) -> None:
    with served(STORE, kind), warnings.catch_warnings():
        warnings.simplefilter("ignore", QueryWarning)
        warnings.simplefilter("ignore", DamagedRow)  # a null edge of "odd"
        rows = Run.objects.all()
        for names in ((), ("config",), ("summary", "config")):
            found, exact = rows.fields(*names), rows.fields(*names, exact=True)
            assert told(found) == told(exact)
            assert [info.count is None for info in found] == [kind not in LACKING] * len(found)
            assert repr(await rows.afields(*names)) == repr(found)
            assert repr(await rows.afields(*names, exact=True)) == repr(exact)


@pytest.mark.parametrize("kind", ["offsets", "old", "live", "odd"])
def test_over_the_wire(kind: str) -> None:
    with over_loopback(STORE, kind), warnings.catch_warnings():
        warnings.simplefilter("ignore", QueryWarning)
        warnings.simplefilter("ignore", DamagedRow)  # a null edge of "odd"
        rows = Run.objects.all()
        found, exact = rows.fields(), rows.fields(exact=True)
        assert told(found) == told(exact)
        assert (found[0].count is None) is (kind != "old")
        with count_requests() as sent:
            rows.fields()
        assert ("RunKeys" in {item.operation_name for item in sent.requests}) is (kind != "old")


def test_two_requests_whatever_the_number_of_runs() -> None:
    with served(of_runs([{"lr": 1}, {"lr": "x", "rare": None}], 60), "full", capabilities=LARGE):
        with count_requests() as sent:
            found = Run.objects.all().fields("config")
        assert [(item.operation_name, item.variables["first"]) for item in sent.requests] == [
            ("Runs", EXAMPLES + 1),  # one more, to see whether the last ties with it
            ("RunKeys", 1000),
        ]
        assert found == [
            FieldInfo("config.lr", "mixed", None, 1, None),
            FieldInfo("config.rare", "null", None, None, None),
        ]


def test_where_ten_rows_are_not_reached_they_say_everything() -> None:
    with served(of_runs([{"lr": 1}, {"lr": "x"}], EXAMPLES - 1), "full", capabilities=LARGE):
        with count_requests() as sent:
            found = Run.objects.all().fields("config")
        assert len(sent.requests) == 1
        assert found == [FieldInfo("config.lr", "mixed", EXAMPLES - 1, 1, 2)]


@pytest.mark.parametrize(
    "rows",
    [
        lambda: Run.objects.filter(state="finished"),
        lambda: Run.objects.all()[:20],
        lambda: Run.objects.filter(project__in=["acme/vision", "acme/nlp"]),
        lambda: Run.objects.filter(entity="acme"),
        lambda: Run.objects.filter(id__in=[run["id"] for run in WORLD.of("acme/vision")][:12]),
    ],
)
def test_other_rows_are_read(rows: Any) -> None:
    with served(STORE, "full", capabilities=LARGE), count_requests() as sent:
        found = rows().fields()
        assert "RunKeys" not in {item.operation_name for item in sent.requests}
        assert all(info.count and info.distinct for info in found)
        assert repr(found) == repr(rows().fields(exact=True))


# -- spoiled lists ---------------------------------------------------------------------------------


def _edges(page: Any) -> Any:
    return page["fields"]["edges"]


@pytest.mark.parametrize(
    "how",
    [
        lambda page: page.update(fields=None),
        lambda page: _edges(page).clear(),
        lambda page: _edges(page)[3]["node"].update(type="tensor"),
        lambda page: page["fields"]["pageInfo"].update(hasNextPage=True, endCursor=None),
        lambda page: page["fields"]["pageInfo"].update(hasNextPage=True, endCursor="same"),
        lambda page: Response(errors=[{"message": 'Cannot query field "fields" on type "Project".'}]),
        lambda page: Response(errors=[{"message": "first must be at most 200"}]),
        lambda page: Response(errors=[{"message": "something went wrong"}]),
    ],
)
def test_a_list_that_cannot_be_used_leaves_the_rows(how: Any, spoil: Any) -> None:
    spoil(how)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert repr(Run.objects.all().fields()) == repr(Run.objects.all().fields(exact=True))


def test_a_refusal_is_said_once_and_remembered(spoil: Any) -> None:
    spoil(lambda page: Response(errors=[{"message": 'Cannot query field "fields" on type "Project".'}]))
    with pytest.warns(QueryWarning, match="refuses the list of keys; the rows are read for their keys"):
        Run.objects.all().fields()
    with count_requests() as sent:
        Run.objects.all().fields()
    assert "RunKeys" not in {item.operation_name for item in sent.requests}
    assert "the list of keys" in str(Run.objects.all().explain())


def test_a_page_of_another_size_is_asked_for_where_the_first_is_too_large(spoil: Any) -> None:
    spoil(lambda page: Response(errors=[{"message": "first must be at most 200"}]) if len(_edges(page)) > 5 else None)
    with served(STORE, "full", capabilities=attrs.evolve(LARGE, page_size=5)):
        found = Run.objects.all().fields()
        assert found[0].count is None
        assert told(found) == told(Run.objects.all().fields(exact=True))


def test_a_stale_list_is_taken_and_answers_no_query(spoil: Any) -> None:
    def stale(page: Any) -> None:
        edges = _edges(page)
        edges[:] = [edge for edge in edges if edge["node"]["path"] != "config.lr"]
        edges += [
            {"node": {"path": path, "type": "number"}}
            for path in ("config.gone", "config._wandb.t", "config.wandb_version", "configs.x", "config", "other.y")
        ]

    spoil(stale)
    rows = Run.objects.all()
    found, exact = told(rows.fields()), told(rows.fields(exact=True))
    # What the newest rows have is there, whatever the list says.
    assert set(found) - set(exact) == {("config.gone", "number")}
    assert {path for path, _ in exact} <= {path for path, _ in found}
    assert rows.filter(F("config.gone").exists()).count() == 0
    assert {row["config.gone"] for row in rows.values("config.gone")} == {None}


# -- paths -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "text", "keys"),
    [
        ([], "a", [("a",)]),
        ([], "a.b", [("a", "b")]),
        ([], r"a\.b.c", [("a.b", "c")]),
        ([], r"a\b", [(r"a\b",)]),
        ([], "", [("",)]),
        ([], "a..b", [("a", "", "b")]),
        ([("a.b",)], "a.b", [("a.b",)]),
        ([("a.b",), ("a", "b")], "a.b", [("a.b",), ("a", "b")]),
        ([("a.b",), ("a.b", "c")], "a.b.d", [("a.b", "d")]),
        ([("m",), ("m", "x.y")], "m.x.y", [("m", "x.y")]),
        ([("a.b",)], "a.bc", [("a", "bc")]),
        ([("a.b",)], r"a\.b", [("a.b",)]),
        ([("a\\", "b")], r"a\.b", [("a\\", "b")]),
    ],
)
def test_what_a_path_means(known: Any, text: str, keys: Any) -> None:
    assert Spellings(known).of(text) == keys


@pytest.mark.parametrize("kind", ["mongo", "full"])
def test_a_dot_inside_a_key_is_told_by_the_newest_runs(kind: str) -> None:
    new, old = {"a.b": {"c": 1}, "d": 1}, {"a.b": {"e": 1}, "d": {"f": 1}, "x.y": 1}
    with served(of_runs([new, old]), kind, capabilities=LARGE):
        assert told(Run.objects.all().fields("config")) == [
            ('config."a.b"', "object"),
            ('config."a.b".c', "number"),
            ('config."a.b".e', "number"),
            ("config.d", "mixed"),
            ("config.d.f", "number"),
            # No new run has this key.
            *([("config.x", "object"), ("config.x.y", "number")] if kind == "mongo" else [('config."x.y"', "number")]),
        ]


# -- hints -----------------------------------------------------------------------------------------


def test_a_hint_takes_one_light_request() -> None:
    with served(of_runs([{"lr": 1, "model": {"depth": 1}}] * 3), "full", capabilities=LARGE):
        rows = Run.objects.all()
        for path, near in (("config.lrr", ["config.lr"]), ("config.depth", ["config.model.depth"]), ("config.lr", [])):
            with count_requests() as sent:
                assert suggest_keys(rows.filter(state="failed")[:0], path) == near
            assert [item.operation_name for item in sent.requests] == ["RunKeys"]
        assert [info.path for info in known_keys(rows, "config")] == ["config.lr", "config.model", "config.model.depth"]
        with count_requests() as sent, pytest.warns(KeyWarning, match=r"config.lrr; did you mean config.lr\?"):
            asyncio.run(rows.only("id").order_by("config.lrr").afirst())
        assert [item.operation_name for item in sent.requests].count("RunKeys") == 1


def test_rows_tell_what_the_list_does_not() -> None:
    with served(of_runs([{"train.loss": 1, "none": None}] * 3), "full", capabilities=LARGE):
        rows = Run.objects.all()
        assert suggest_keys(rows, "config.train.loss") == ['config."train.loss"']
        assert suggest_keys(rows, 'config."train.loss"') == []
        with pytest.warns(KeyWarning, match=r'config.train.loss; did you mean config."train.loss"\?'):
            rows.only("id").order_by("config.train.loss").first()
        with warnings.catch_warnings():
            warnings.simplefilter("error", KeyWarning)
            rows.only("id").order_by("config.none").first()


def test_a_hint_that_fails_costs_no_answer(spoil: Any) -> None:
    def fail(page: Any) -> None:
        raise ServerError("HTTP 503", status=503)

    spoil(fail)
    with pytest.warns(KeyWarning, match=r"none of the \d+ Runs that were read has config.zzz$"):
        assert len(Run.objects.only("id").order_by("config.zzz")) == len(WORLD.of("acme/vision"))
