"""Making runs, and finding or changing them instead."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tests.support.places import HOME, kept, moody, on, variables, world
from wbmodel import Add, F, Project, Remove, Run, Set, Sweep, Unset
from wbmodel.errors import ConflictError, FieldError, NotSupported, QueryError, ServerError, WbmodelWarning
from wbmodel.request import Request
from wbmodel.testing import assert_num_requests, count_requests
from wbmodel_fixtures import world_from


def test_create_gives_what_the_server_has(place: str) -> None:
    with on(place):
        with count_requests() as sent:
            run = Run.objects.create(
                name="new",
                config={"lr": 1, "n": {"big": 2**70}},
                summary={"x": math.nan},
                tags=["a", "b"],
                notes="n",
                group="g",
                job_type="train",
                state="finished",
                sweep="sw",
            )
        (request,) = sent.requests
        assert variables(request)["config"] == {"lr": {"value": 1}, "n": {"value": {"big": 2**70}}}
        assert '"x":NaN' in request.variables["summaryMetrics"]
        assert (run.name, run.state, run.group, run.job_type, run.tags) == ("new", "finished", "g", "train", ["a", "b"])
        assert (run.path, run.project.path) == (f"{HOME}/{run.id}", HOME)
        assert len(run.id) == 8
        assert run.sweep is not None
        assert run.sweep.id == "sw"
        assert run.dirty_fields == ()
        again = kept(run.id)
        assert (again, again.config, again.tags) == (run, {"lr": 1, "n": {"big": 2**70}}, ["a", "b"])
        assert math.isnan(again.summary["x"])
        run.tags.append("c")
        assert run.save() == ("tags",)
        assert kept(run.id).tags == ["a", "b", "c"]


async def test_the_other_colour(place: str) -> None:
    with on(place):
        run = await Run.objects.acreate(id="mine", name="new")
        assert (run.id, run.state) == ("mine", "running")
        assert (await Run.objects.aget_or_create(id="mine"))[1] is False
        found, made = await Run.objects.aupdate_or_create({"notes": "n"}, id="mine")
        assert (found.notes, made) == ("n", False)
        assert (await Run.objects.aget(id="mine")).notes == "n"
        found, made = await Run.objects.aget_or_create({"tags": ["t"]}, id="other")
        assert (found.tags, made) == (["t"], True)


def test_an_id_that_is_taken_is_not_overwritten(place: str) -> None:
    with on(place):
        with pytest.raises(
            ConflictError, match=r"Run 'r1' exists in acme/vision .*nothing was written.*update_or_create"
        ):
            Run.objects.create(id="r1", name="mine")
        assert kept().name == "run 1"
        with assert_num_requests(2):
            Run.objects.create(id="r1", project="acme/empty")
        assert Run.objects.filter(project="acme/empty").count() == 1


def test_where_it_is_made(place: str) -> None:
    with on(place):
        project = Project.objects.get(path="acme/empty")
        sweep = Sweep.objects.get(id="sw")
        assert Run.objects.create().project.path == HOME
        assert Run.objects.create(project="empty", entity="acme").project.path == "acme/empty"
        assert Run.objects.create(project=project).project == project
        assert Run.objects.filter(project="acme/empty").create().project == project
        assert project.runs.create().project == project
        made = sweep.runs.create()
        assert made.sweep == sweep
        assert made in sweep.runs
        # As wandb.init does: a project that is not there is made with its first run.
        assert Run.objects.create(project="acme/fresh", id="x").path == "acme/fresh/x"
        assert Project.objects.get(path="acme/fresh").runs.count() == 1
        with pytest.raises(FieldError, match="not a project of entity"):
            Run.objects.create(project="acme/vision", entity="ada")


def test_without_a_project() -> None:
    from wbmodel import connect

    with connect("fixtures:", world=world(), default=False, name="bare"):
        with assert_num_requests(0), pytest.raises(FieldError, match="which project"):
            Run.objects.create(name="x")


def test_ids_do_not_follow_a_seeded_random() -> None:
    with on("fixtures"):
        made = set()
        for _ in range(5):
            random.seed(0)
            made.add(Run.objects.create().id)
        assert len(made) == 5


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"nme": "x"}, "did you mean 'name'"),
        ({"config__lr": 1}, "has no field 'config__lr'"),
        ({"state": "done"}, "Run.state cannot be 'done'"),
        ({"created_at": "2024-01-01"}, "cannot be given: W&B sets it"),
        ({"node_id": "x"}, "cannot be given"),
        ({"tags": "a"}, r"write \['a'\]"),
        ({"config": 3}, "takes a dict"),
        ({"config": {"a": {1, 2}}}, "a set, which JSON cannot hold"),
        ({"config": {"_wandb": 1}}, "is reserved"),
        ({"id": "a/b"}, "without any of"),
        ({"id": ""}, "text without surrounding spaces"),
        ({"id": " a"}, "text without surrounding spaces"),
        ({"id": 3}, "text without surrounding spaces"),
        ({"sweep": 3}, "takes a Sweep or its id"),
        ({"project": "a/b/c"}, "is not a project"),
        ({"project": 3}, "takes"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(given: dict[str, Any], says: str) -> None:
    with on("fixtures"), assert_num_requests(0), pytest.raises(FieldError, match=says):
        Run.objects.create(**given)


def test_what_cannot_be_made() -> None:
    from wbmodel import File, User

    with on("fixtures"), assert_num_requests(0):
        for cls in (File, User):
            with pytest.raises(FieldError, match="cannot be created with wbmodel; it can create"):
                cls.objects.create(name="x")
        with pytest.raises(QueryError, match="create must come before"):
            Run.objects.values("name").create(name="x")
        with pytest.raises(NotSupported, match="Sweeps cannot be deleted"):
            Sweep.objects.all().delete()


def test_an_answer_without_the_run_is_an_error() -> None:
    class Forgetful:
        def __call__(self, request: Request) -> Any:
            return None

    from wbmodel.request import Response

    with moody(world_from(world()).world, Forgetful()) as session:
        backend: Any = session.backend
        carry_out = backend.engine.execute
        backend.engine.execute = lambda request: Response({"upsertBucket": None})
        with pytest.raises(ServerError, match="without the new Run; check whether it exists"):
            Run.objects.create(name="x")
        backend.engine.execute = carry_out


def test_get_or_create(place: str) -> None:
    with on(place):
        rows = Run.objects.filter(project=HOME)
        with assert_num_requests(1):
            run, made = rows.get_or_create({"notes": "no"}, id="r1")
        assert (run.notes, made) == (None, False)
        with assert_num_requests(4):  # the id might be that of a run whose config differs; it is claimed, then filled
            run, made = rows.get_or_create({"notes": lambda: "called"}, id="fresh", config__lr=7)
        assert (run.id, run.notes, run.config, made) == ("fresh", "called", {"lr": 7}, True)
        assert rows.get_or_create(id="fresh", config__lr=7) == (run, False)
        # The id is taken by a run that does not meet the rest: it is not overwritten.
        with pytest.raises(ConflictError, match="the id 'r1' is taken"):
            rows.get_or_create(id="r1", config__lr=99)
        with pytest.raises(Run.MultipleObjectsReturned):
            rows.get_or_create(group="even")
        with assert_num_requests(0), pytest.raises(FieldError, match="cannot be given"):
            rows.get_or_create(created_at="2024-01-01T00:00:00Z")


def test_update_or_create(place: str) -> None:
    with on(place):
        with assert_num_requests(2):
            run, made = Run.objects.update_or_create({"notes": "n", "config": Set({"lr": 9})}, id="r1")
        assert (made, run.notes, run.config) == (False, "n", {"lr": 9})
        with assert_num_requests(1):
            Run.objects.update_or_create({"notes": "n"}, id="r1")  # it is so already
        run, made = Run.objects.update_or_create({"notes": "n"}, {"notes": "first"}, id="fresh")
        assert (made, run.notes) == (True, "first")
        with assert_num_requests(0), pytest.raises(FieldError, match="cannot be updated"):
            Run.objects.update_or_create({"state": "failed"}, id="r1")
        assert Run.objects.only("name").update_or_create({"description": "d"}, id="r1")[0].description == "d"


async def test_keys_of_lookups_and_defaults_are_put_together(place: str) -> None:
    with on(place):
        run, made = Run.objects.get_or_create({"config": {"bs": 1}}, config__lr=0.77, config__opt__name="adam")
        assert (run.config, made) == ({"lr": 0.77, "opt": {"name": "adam"}, "bs": 1}, True)
        assert await Run.objects.aget_or_create({"config": {"bs": 1}}, config__lr=0.77, config__opt__name="adam") == (
            run,
            False,
        )
        given = {"opt": {"lr": 1}}
        run, made = Run.objects.get_or_create({"config": Set(given)}, config__opt__name="sgd", summary__x=1)
        assert (run.config, run.summary, given) == ({"opt": {"name": "sgd", "lr": 1}}, {"x": 1}, {"opt": {"lr": 1}})
        assert Run.objects.get_or_create({"config": {"lr": 5.0}}, config__lr=5)[1]
        run, made = await Run.objects.aget_or_create({"config": {"lr": 5.0}}, config__lr=5)
        assert (made, run.config) == (False, {"lr": 5.0})


@pytest.mark.parametrize(
    ("defaults", "lookups"),
    [
        ({}, {"config__a": 1, "config__a__b": 2}),
        ({}, {"config__a__b": 2, "config__a": 1}),
        ({"config": {"lr": 1}}, {"config__lr": 2}),
        ({"config": {"a": 3}}, {"config__a__b": 2}),
        ({"config": {"a": {"b": 2}}}, {"config__a": {"c": 1}}),
        ({"summary": {"x": "1"}}, {"summary__x": 1}),
        ({}, {"config": {"a": 1}, "config__b": 2}),
    ],
)
def test_lookups_and_defaults_that_contradict_each_other(defaults: dict[str, Any], lookups: dict[str, Any]) -> None:
    with on("fixtures"), assert_num_requests(0):
        for call in (Run.objects.get_or_create, lambda *a, **k: Run.objects.update_or_create({}, *a, **k)):
            with pytest.raises(FieldError, match="is a lookup, but the other lookups and defaults give a new Run"):
                call(defaults, **lookups)


async def test_update_or_create_takes_the_changes_that_update_takes(place: str) -> None:
    with on(place):
        changes: dict[Any, Any] = {
            "config__lr": 9,
            F.summary["eval/acc"]: lambda: 0.5,
            "tags": Add("good"),
            "config__model": Unset(),
        }
        run, made = Run.objects.update_or_create(changes, id="r1")
        assert (made, run.config, run.tags, run.summary["eval/acc"]) == (False, {"lr": 9}, ["first", "good"], 0.5)
        run, made = await Run.objects.aupdate_or_create(changes, id="r1")
        assert (made, run.dirty_fields) == (False, ())
        run, made = await Run.objects.aupdate_or_create(changes, id="fresh", config__bs=1)
        assert (made, run.config, run.tags, run.summary) == (True, {"bs": 1, "lr": 9}, ["good"], {"eval/acc": 0.5})
        run, made = Run.objects.update_or_create({"tags": Remove("good")}, {"notes": "n"}, id="other")
        assert (made, run.tags, run.notes) == (True, [], "n")
        with assert_num_requests(0):
            for whole in ({"config": {"lr": 1}}, {"summary": {}}):
                with pytest.raises(FieldError, match=r"update_or_create\(\): .* would replace the whole .*=Set"):
                    Run.objects.update_or_create(whole, id="r1")
            with pytest.raises(FieldError, match=r"update_or_create\(\): config\.a is changed twice"):
                Run.objects.update_or_create({"config__a": 1, "config.a": 2}, id="r1")


def test_a_definition_of_a_sweep_in_a_warning() -> None:
    with on("fixtures") as session:
        backend: Any = session.backend
        carry_out = type(backend).execute

        def warned(request: Request, *, timeout: float | None = None) -> Any:
            response = carry_out(backend, request, timeout=timeout)
            if request.operation_name == "UpsertSweep":
                response.data["upsertSweep"]["configValidationWarnings"] = ["no such method"]
            return response

        backend.execute = warned
        with pytest.warns(WbmodelWarning, match="on the definition of the sweep: no such method"):
            Sweep.objects.create(config={"method": "magic", "parameters": {}})
