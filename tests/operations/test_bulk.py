"""``update()`` and ``delete()`` of querysets: what each row gets, what one failure costs, how many are under way."""

from __future__ import annotations

import math
import pickle
import threading
from typing import Any

import pytest

import wbmodel
from tests.support.pace import stretch
from tests.support.places import HOME, kept, moody, on, variables, world
from wbmodel import Add, F, Remove, Run, Set, Unset
from wbmodel.errors import (
    BulkError,
    FieldError,
    NotAuthenticated,
    OutcomeUnknown,
    QueryError,
    RequestTimeout,
    ServerError,
    ServerUnreachable,
)
from wbmodel.meta import all_entities
from wbmodel.request import Request
from wbmodel.testing import assert_num_requests, count_requests
from wbmodel_fixtures import world_from


def test_each_row_gets_one_minimal_request(place: str) -> None:
    with on(place):
        rows = Run.objects.filter(group="even")
        with count_requests() as sent:
            result = rows.update(group="x", tags=Add("good"), config__lr=0.0, summary__model__f1=None)
        assert result.counts == {"done": 3}
        asked = {item.variables["id"]: variables(item) for item in sent.requests if "mutation" in item.document.text}
        assert len(asked) == 3
        one = kept("r0")
        assert asked[one.node_id] == {
            "id": one.node_id,  # its lr is 0.0 already, so the config stays here
            "tags": ["good"],
            "groupName": "x",
            "summaryMetrics": {"loss": 0, "best": math.inf, "model": {"f1": None}},
        }
        two = kept("r2")
        assert asked[two.node_id]["config"] == {
            "lr": {"desc": None, "value": 0.0},
            "model": {"desc": None, "value": {"depth": 2}},
        }
        assert [(row.path, row.outcome) for row in sorted(result, key=lambda row: row.path)] == [
            (f"{HOME}/r{n}", "done") for n in (0, 2, 4)
        ]
        assert (kept("r4").tags, kept("r4").summary["model"]) == (["good"], {"f1": None})
        assert kept("r1").group == "odd"
        # Again by another query, as the first finds no rows any more.
        assert rows.update(group="x").counts == {}
        same = Run.objects.filter(group="x").update(tags=Add("good"), config__lr=0.0, summary__model__f1=None)
        assert same.counts == {"unchanged": 3}


async def test_the_other_colour(place: str) -> None:
    with on(place):
        result = await Run.objects.filter(group="odd").aupdate(tags=Remove("first"), summary__best=Unset())
        assert result.counts == {"done": 2}
        assert ((await Run.objects.aget(id="r1")).tags, "best" in (await Run.objects.aget(id="r1")).summary) == (
            [],
            False,
        )
        assert (await Run.objects.filter(group="odd").adelete(dry_run=True)).counts == {"planned": 2}
        assert (await Run.objects.filter(group="odd").adelete()).counts == {"done": 2}
        assert await Run.objects.acount() == 3


def test_keys_that_are_no_names(place: str) -> None:
    with on(place):
        Run.objects.filter(id="r1").update(
            {F.config["a.b"]: 1, "summary.eval/acc": 0.5, 'config."x y".z': [1], F.summary["best"]: Unset()}
        )
        run = kept()
        assert run.config == {"lr": 0.1, "model": {"depth": 1}, "a.b": 1, "x y": {"z": [1]}}
        assert run.summary == {"loss": 1, "eval/acc": 0.5}
        Run.objects.filter(id="r1").update(
            summary=Set({"whole": 1}), tags=["b", "a"], notes=None, config__model=Unset()
        )
        run = kept()
        assert (run.summary, run.tags, "model" in run.config) == ({"whole": 1}, ["b", "a"], False)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "needs a change"),
        ({"grup": "x"}, "did you mean 'group'"),
        ({"state": "x"}, "own process reports"),
        ({"files": []}, "cannot be updated"),
        ({"config": {"a": 1}}, r"replace the whole config of each row.*config=Set"),
        ({"config": Unset()}, r"config=Set\(\{\}\) clears it"),
        ({"group": Unset()}, "group=None clears it"),
        ({"tags": Unset()}, r"tags=\[\] clears it"),
        ({"group": Add("x")}, "does not take Add"),
        ({"config__layers": Add("x")}, r"does not take Add\(\)"),
        ({"tags": "good"}, r"write \['good'\]"),
        ({"tags": Add}, r"write Add\(\.\.\.\)"),
        ({"summary__loss__lt": 3}, r"is a lookup.*F\.summary\['loss'\]\['lt'\]"),
        ({"config__lr": {1, 2}}, r"Run\.config\.lr is \{1, 2\}, a set"),
        ({"config__lr": F.config["x"]}, "takes a value, not F"),
        ({"group": F.name}, "each row has its own"),
        ({"config___wandb": 1}, "reserved for W&B"),
        ({"config__a": 1, "config__a__b": 2}, "changed twice"),
        ({"notes": 3}, "text or None"),
        ({"config": Set([1])}, "takes a dict"),
    ],
)
def test_bad_changes_are_refused_before_anything_is_asked(given: dict[str, Any], says: str) -> None:
    with on("fixtures"), assert_num_requests(0), pytest.raises(FieldError, match=says):
        Run.objects.update(**given)


def test_bad_values_of_the_acts() -> None:
    for make, says in [
        (Add, "needs a text to add"),
        (lambda: Remove(1), "takes text"),  # type: ignore[arg-type]
        (lambda: Run.objects.update(["group"]), "one mapping of paths"),  # type: ignore[arg-type]
        (lambda: Run.objects.update({3: 1}), "named by text or F paths"),
        (lambda: Run.objects.update({"config.a": 1}, config__a=2), "changed twice"),
    ]:
        with pytest.raises(FieldError, match=says):
            make()
    assert (Add("a", "a"), Remove("x"), Unset()) == (Add("a"), Remove("x"), Unset())
    assert len({Add("a"), Add("a"), Remove("a")}) == 2
    assert repr([Add("a"), Set({"x": 1}), Unset()]) == "[Add('a'), Set({'x': 1}), Unset()]"


def test_refused_querysets() -> None:
    rows = Run.objects.filter(project=HOME)
    with on("fixtures"), assert_num_requests(0):
        for call, says in [
            (lambda: rows[:2].update(group="x"), r"update\(\) of a slice.*id__in"),
            (rows[1:].delete, r"delete\(\) of a slice"),
            (lambda: rows.values("id").update(group="x"), r"must come before values\(\)"),
            (lambda: rows.values_list("id").delete(), r"must come before values\(\)"),
            (Run.objects.delete, r"write Run\.objects\.all\(\)\.delete\(\)"),
            (lambda: rows.update(group="x", at_once=0), "at_once"),
            (lambda: rows.update(group="x", errors="ignore"), "errors must be"),  # type: ignore[arg-type]
        ]:
            with pytest.raises(QueryError, match=says):
                call()
        with pytest.raises(FieldError, match="True or False"):
            rows.delete(delete_artifacts=1)  # type: ignore[arg-type]
        with pytest.raises(FieldError, match="applies only to runs"):
            wbmodel.Project.objects.filter(entity="acme").delete(delete_artifacts=True)
    with on("fixtures"):
        assert rows.count() == 5


def test_no_declared_field_is_called_as_a_control_word() -> None:
    words = {"dry_run", "journal", "at_once", "errors", "changes", "defaults", "create_defaults"}
    for meta in all_entities().values():
        assert not words & {*meta.names, *meta.options.scopes}


def test_a_dry_run_sends_no_mutation(place: str) -> None:
    with on(place):
        with count_requests() as sent:
            result = Run.objects.update(group="even", dry_run=True)
            gone = Run.objects.filter(group="odd").delete(dry_run=True, delete_artifacts=True)
        assert (result.counts, gone.counts) == ({"planned": 2, "unchanged": 3}, {"planned": 2})
        assert [item for item in sent.requests if "mutation" in item.document.text] == []
        assert repr(result).startswith("<BulkResult dry run of update Runs: ")
        assert kept().group == "odd"


def test_rows_that_leave_the_query_while_they_are_written_are_all_written() -> None:
    with moody(world_from(world(40)).world):
        assert Run.objects.filter(group="even").update(group="odd").counts == {"done": 20}
        assert Run.objects.filter(group="odd").count() == 40


# -- failures --------------------------------------------------------------------------------------


def failing(run_id: str, error: Any, name: str = "UpsertBucket") -> Any:
    """A mood in which the mutation of one run fails."""
    found: list[str] = []

    def mood(request: Request) -> Any:
        if request.operation_name != name:
            return None
        found.append(str(request.variables["id"]))
        return error if request.variables["id"] == mood.node_id else None  # type: ignore[attr-defined]

    mood.node_id = run_id  # type: ignore[attr-defined]
    mood.asked = found  # type: ignore[attr-defined]
    return mood


def test_one_failure_leaves_the_others_alone() -> None:
    mood = failing("?", ServerError("too long"))
    with moody(world_from(world()).world, mood):
        mood.node_id = kept("r2").node_id
        with pytest.raises(
            BulkError, match=r"update of 5 Runs: 4 done, 1 failed\. First failure: acme/vision/r2: failed"
        ) as told:
            Run.objects.update(notes="n")
        result = told.value.result
        assert result.counts == {"done": 4, "failed": 1}
        (failure,) = result.failures
        assert (failure.path, str(failure.error)) == (f"{HOME}/r2", "too long")
        assert isinstance(told.value.__cause__, ServerError)
        assert Run.objects.filter(id__ne="r2").values_list("notes", flat=True)[0] == "n"
        assert kept("r2").notes is None
        again = Run.objects.update(notes="n", errors="return")
        assert again.counts == {"unchanged": 4, "failed": 1}
        with pytest.raises(BulkError):
            again.raise_for_failures()
        copied = pickle.loads(pickle.dumps(told.value))
        assert copied.result.counts == result.counts


def test_a_lost_answer_is_unknown() -> None:
    mood = failing("?", (OutcomeUnknown("the answer got lost"),))
    with moody(world_from(world()).world, mood):
        mood.node_id = kept("r3").node_id
        result = Run.objects.update(notes="n", errors="return")
        assert result.counts == {"done": 4, "unknown": 1}
        assert result.having("unknown")[0].path == f"{HOME}/r3"
        assert kept("r3").notes == "n"
        mood.node_id = "?"
        assert Run.objects.update(notes="n").counts == {"unchanged": 5}


def test_a_row_that_cannot_be_changed_fails_alone() -> None:
    given = world()
    given["entities"]["acme"]["projects"]["vision"]["runs"][2]["config"] = {"model": 5}
    with on("fixtures", given):
        result = Run.objects.update(config__model__depth=9, errors="return")
        assert result.counts == {"done": 4, "failed": 1}
        assert "goes through config.model, which is 5" in str(result.failures[0].error)
        assert kept("r2").config == {"model": 5}
        assert Run.objects.update(config__model__depth=Unset(), errors="return").counts == {"done": 4, "failed": 1}
        assert Run.objects.update(config__absent__key=Unset()).counts == {"unchanged": 5}


@pytest.mark.parametrize("error", [NotAuthenticated("no such key"), ServerUnreachable("no route")])
def test_what_every_row_would_meet_ends_it(error: Exception) -> None:
    with moody(world_from(world(40)).world, lambda r: error if r.operation_name == "UpsertBucket" else None):
        with count_requests() as sent:
            result = Run.objects.update(notes="n", at_once=3, errors="return")
        assert result.counts == {"failed": 3, "untried": 37}
        assert sum("mutation" in item.document.text for item in sent.requests) == 3
        with pytest.raises(BulkError) as told:
            result.raise_for_failures()
        assert told.value.__cause__ is error


def test_an_error_while_the_rows_are_read_is_raised_as_it_is() -> None:
    with moody(world_from(world()).world, lambda r: ServerError("down") if r.operation_name == "Runs" else None):
        with pytest.raises(ServerError, match="down"):
            Run.objects.update(notes="n", errors="return")
    with on("fixtures"):
        with pytest.raises(wbmodel.Project.DoesNotExist):
            Run.objects.filter(project="acme/none").update(notes="n", errors="return")


@pytest.mark.parametrize("width", [1, 3, 8])
async def test_at_most_so_many_are_under_way(width: int) -> None:
    for colour in ("plain", "async"):
        with moody(world_from(world(40)).world) as session:
            backend: Any = session.backend
            if colour == "plain":
                Run.objects.update(notes="n", at_once=width)
            else:
                await Run.objects.aupdate(notes="n", at_once=width)
            assert backend.most == width
            assert Run.objects.filter(group="even").values_list("notes", flat=True)[0] == "n"


async def test_a_deadline_tells_what_was_not_tried() -> None:
    def mood(request: Request) -> Any:
        return None

    for colour in ("plain", "async"):
        with moody(world_from(world(40)).world, mood) as session:
            backend: Any = session.backend
            # Twenty rounds of writes in time for five of them, and for the reading in front of them.
            pace = stretch()
            rows = Run.objects.timeout(0.5 * pace)

            def slow(request: Request, backend: Any = backend, pace: float = pace) -> None:
                if request.operation_name == "UpsertBucket":
                    backend.delay = 0.1 * pace

            backend.mood = slow
            if colour == "plain":
                result = rows.update(notes="n", at_once=2, errors="return")
            else:
                result = await rows.aupdate(notes="n", at_once=2, errors="return")
            backend.delay = 0
            counts = result.counts
            assert counts["done"] > 0
            assert counts["untried"] > 0
            assert sum(counts.values()) == 40
            assert isinstance(result.cause, RequestTimeout)
            with pytest.raises(BulkError) as told:
                result.raise_for_failures()
            assert isinstance(told.value.__cause__, RequestTimeout)
            written = {run.path for run in Run.objects.all() if run.notes == "n"}
            assert {row.path for row in result.having("done")} <= written
            assert written <= {row.path for row in result.having("done", "unknown")}


def test_threads_may_write_at_once() -> None:
    with moody(world_from(world(30)).world) as session:
        rows = Run.objects.using(session)
        threads = [
            threading.Thread(target=rows.filter(group=group).update, kwargs={"notes": group})
            for group in ("even", "odd")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {(run.group, run.notes) for run in rows.all()} == {("even", "even"), ("odd", "odd")}


def test_a_result_is_a_sequence() -> None:
    with on("fixtures"):
        result = Run.objects.update(group="even")
        assert (len(result), len(list(result)), result[0] in result) == (5, 5, True)
        assert str(result[0]).endswith(("done", "unchanged"))
        assert str(Run.objects.filter(id="none").update(group="x")) == "<BulkResult update Runs: no rows>"
        result.raise_for_failures()
