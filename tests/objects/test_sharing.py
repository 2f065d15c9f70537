"""Querysets and entities share nothing that can be changed, and survive copying, pickling and wrong answers."""

from __future__ import annotations

import asyncio
import copy
import pickle
from contextlib import aclosing
from typing import Any

import pytest

from tests.support.backends import EngineBackend, served
from tests.support.worlds import make_world, small_world
from wbmodel import F, Run
from wbmodel.errors import ConfigurationError, FieldError, PluginError, QueryError, ServerError
from wbmodel.request import Request, Response
from wbmodel.testing import assert_num_requests

WORLD = make_world()
HOME = {"id": "a", "name": "b", "entityName": "c"}


class Noted(Run):
    """A plain subclass, whose instances take any attribute."""


def test_an_operand_that_changes_later_changes_nothing() -> None:
    dims: list[Any] = [1, [2]]
    rows = Run.objects.filter(config__dims=dims, config__more__in=[{"a": dims}])
    before = str(rows._plan.where)
    dims[1].append(3)
    dims.append(9)
    assert str(rows._plan.where) == before


def test_copies_ask_nothing_and_are_fresh() -> None:
    with served(small_world().store()):
        rows = Run.objects.filter(state="finished")
        with assert_num_requests(0):
            copies = [copy.copy(rows), copy.deepcopy(rows)]
        assert [len(item) for item in copies] == [5, 5]


def test_an_unpickled_queryset_goes_on() -> None:
    with served(small_world().store()):
        rows = pickle.loads(pickle.dumps(Run.objects.filter(state="finished")))
        assert [run.id for run in rows.only("id").order_by("created_at")[:2]] == ["r0", "r1"]
        assert len(rows | rows.all()) == 5
        assert set(rows.in_bulk(["r1"])) == {"r1"}
        blob = pickle.dumps(rows)
    with served(small_world().store()):
        again = pickle.loads(blob)
        assert len(again) == 5
        with pytest.raises(ConfigurationError, match="no session to it is open"):
            list(again.all())


def test_attributes_of_a_plain_subclass_stay() -> None:
    with served(small_world().store()):
        run = Noted.objects.get(id="r1")
        run.seen = "yes"  # type: ignore[attr-defined]
        assert pickle.loads(pickle.dumps(run)).seen == "yes"
        assert copy.copy(run).seen == "yes"  # type: ignore[attr-defined]


def test_whole_numbers_of_other_kinds_are_indexes() -> None:
    class Three:
        def __index__(self) -> int:
            return 3

    with served(small_world().store()):
        rows = Run.objects.order_by("created_at")
        assert rows[Three()].id == "r3"  # type: ignore[call-overload]
        assert len(rows[: Three()]) == 3
        with pytest.raises(QueryError):
            rows[1.5]  # type: ignore[call-overload]


def test_runs_without_tags() -> None:
    with served(WORLD.store(), "full"):
        bare = sorted(run["id"] for run in WORLD.of("acme/vision") if not run["tags"])
        rows = Run.objects.filter(project="acme/vision", tags__isnull=True)
        assert sorted(run.id for run in rows) == bare != []
        assert sorted(run.id for run in rows.filter(F.config["nobody"].isnan(False))) == bare
        assert rows.count() == len(bare)


def test_a_generator_that_is_left_early_is_closed() -> None:
    async def leave() -> None:
        with served(WORLD.store(), "weak"):
            async with aclosing(Run.objects.filter(project="acme/vision").aiterator()) as rows:  # type: ignore[type-var]
                async for _ in rows:
                    break
            assert len([run async for run in Run.objects.filter(project="acme/nlp")]) == len(WORLD.of("acme/nlp"))

    asyncio.run(leave())


@pytest.mark.parametrize(
    ("answered", "error", "words"),
    [
        ({"data": {}}, PluginError, "answered with dict instead of Response"),
        (None, PluginError, "answered with NoneType"),
        (Response(data={}), ServerError, "shape than requested: data lacks 'project'"),
        (
            Response(data={"project": {**HOME, "runs": {"edges": [{}]}}}),
            ServerError,
            r"project.runs.edges\[0\] lacks 'node'",
        ),
        (
            Response(data={"project": {**HOME, "runs": 3}}),
            ServerError,
            "project.runs is an integer and not an object or null",
        ),
    ],
)
def test_an_answer_that_is_none(
    monkeypatch: pytest.MonkeyPatch, answered: Any, error: type[Exception], words: str
) -> None:
    def answer(self: EngineBackend, request: Request, *, timeout: float | None = None) -> Any:
        return answered

    with served(small_world().store()):
        monkeypatch.setattr(EngineBackend, "execute", answer)
        with pytest.raises(error, match=words):
            list(Run.objects.all())


def test_names_that_are_no_columns_say_what_they_are() -> None:
    with pytest.raises(FieldError, match="used_artifact selects where to look; use it in filter"):
        Run.objects.values("used_artifact")
    with pytest.raises(FieldError, match="to-many relation"):
        Run.objects.filter(files__name="a")
    with pytest.raises(FieldError, match="does not identify a row"), served(small_world().store()):
        Run.objects.in_bulk(["a"], field="tags")
    with pytest.raises(QueryError, match="takes a session"):
        Run.objects.using(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="get one from a query"):
        Run(id="x")
