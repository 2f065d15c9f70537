"""Several callers create the same key at once: one makes the row, the others are told, and nothing is overwritten."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.support.places import HOME, kept, moody, on, world
from wbmodel import Project, Run
from wbmodel.errors import ConflictError, FieldError
from wbmodel.request import Request
from wbmodel.testing import assert_num_requests
from wbmodel_fixtures import world_from

THREADS = 8


def together(session: Any, call: Callable[[int], Any]) -> list[Any]:
    start = Barrier(THREADS)

    def one(number: int) -> Any:
        start.wait()
        with session:
            try:
                return call(number)
            except ConflictError as error:
                return error

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def test_get_or_create_makes_one_row(place: str) -> None:
    with on(place) as session:
        got = together(session, lambda n: Run.objects.get_or_create({"config": {"n": n}, "notes": str(n)}, id="same"))
        assert sorted(made for _, made in got) == [False] * (THREADS - 1) + [True]
        (first,) = (row for row, made in got if made)
        now = kept("same")
        assert (now.config, now.notes) == (first.config, first.notes) == ({"n": int(now.notes)}, now.notes)


def test_create_makes_one_row_and_tells_the_others(place: str) -> None:
    with on(place) as session:
        got = together(session, lambda n: Run.objects.create(id="same", config={"n": n}, state="finished"))
        (first,) = (row for row in got if isinstance(row, Run))
        assert kept("same").config == first.config
        assert all("'same' exists" in str(error) and "nothing was" in str(error) for error in got if error is not first)
        made = together(session, lambda n: Project.objects.create(entity="acme", name="p", description=str(n)))
        (first,) = (row for row in made if isinstance(row, Project))
        assert Project.objects.get(path="acme/p").description == first.description


def test_the_second_is_told_between_the_look_and_the_claim() -> None:
    """A run that appears after the id was looked up is neither overwritten nor called new."""
    store = world_from(world()).world

    def mood(request: Request) -> None:
        if request.operation_name == "UpsertBucket" and not store.run(store.project("acme", "vision"), "late"):
            with store.change() as writer:
                writer.add_run(store.project("acme", "vision"), "late", config={"theirs": 1})

    with moody(store, mood):
        with pytest.raises(ConflictError, match="'late' exists in acme/vision"):
            Run.objects.create(id="late", config={"mine": 1}, tags=["t"])
        assert (kept("late").config, kept("late").tags) == ({"theirs": 1}, [])
        assert Run.objects.get_or_create({"config": {"mine": 1}}, id="late")[1] is False
        with pytest.raises(ConflictError, match="no Run matches"):
            Run.objects.get_or_create(id="late", config__mine=1)
        assert Run.objects.update_or_create({"notes": "n"}, id="late")[1] is False
        assert (kept("late").config, kept("late").notes) == ({"theirs": 1}, "n")


@pytest.mark.parametrize(
    "lookups",
    [
        {"config__q__gt": 5},
        {"name__contains": "x"},
        {"state__in": ["a"]},
        {"tags__contains": "t"},
        {"id__startswith": "zz-zz"},
    ],
)
def test_a_lookup_that_a_new_row_need_not_match_is_refused(lookups: dict[str, Any]) -> None:
    with on("fixtures"), assert_num_requests(0):
        for call in (Run.objects.get_or_create, Run.objects.update_or_create):
            with pytest.raises(FieldError, match="get_or_create|update_or_create") as caught:
                call({"notes": "n"}, **lookups)
            assert next(iter(lookups)).replace("__", ".").split(".")[0] in str(caught.value)


def test_a_lookup_whose_value_the_defaults_give_is_fine() -> None:
    with on("fixtures"):
        for _ in range(2):
            run, made = Run.objects.get_or_create({"config": {"q": 7}}, config__q__gt=5)
        assert (run.config, made, run.path.rpartition("/")[0]) == ({"q": 7}, False, HOME)
