"""Relations both ways: references, widening, prefetching, to-many querysets, reports' run sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.backends import served
from tests.support.queries import HOME, STORE, WORLD, ids, on, run_dict
from tests.support.worlds import small_world
from wbmodel import Artifact, ArtifactCollection, Entity, File, Project, Report, Run, Sweep, User
from wbmodel.errors import FieldError, FieldNotLoaded
from wbmodel.objects.queryset import QuerySet
from wbmodel.testing import assert_num_requests, count_requests, oracle

KINDS = ["full", "weak", "hostile2"]


# -- to one ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_references_come_with_their_identity_only(kind: str) -> None:
    with on(kind):
        run = Run.objects.filter(sweep="sw1", user="ada").first()
        assert run is not None
        with assert_num_requests(0):
            assert isinstance(run.project, Project)
            assert run.project.path == "acme/vision"
            assert isinstance(run.sweep, Sweep)
            assert (run.sweep.id, run.sweep.path) == ("sw1", "acme/vision/sweeps/sw1")
            assert isinstance(run.user, User)
            assert (run.user.username, run.user.name) == ("ada", "Ada")
            with pytest.raises(FieldNotLoaded, match="Project.description was not loaded"):
                run.project.description  # noqa: B018
            with pytest.raises(FieldNotLoaded, match="Sweep.config was not loaded"):
                run.sweep.config  # noqa: B018


@pytest.mark.parametrize("kind", KINDS)
def test_select_related_widens_the_document(kind: str) -> None:
    with on(kind):
        with count_requests() as plain:
            list(Run.objects.all())
        with count_requests() as wide:
            runs = list(Run.objects.select_related("project", "user"))
        assert wide.count == plain.count
        with assert_num_requests(0):
            assert {run.project.description for run in runs} == {"images"}
            assert {run.project.created_at for run in runs} == {WORLD.projects["acme/vision"]["created_at"]}
            assert {run.user.name for run in runs if run.user} == {"Ada", "Bob"}


def test_select_related_of_a_relation_of_a_relation() -> None:
    with on(), assert_num_requests(1):
        [artifact] = Artifact.objects.filter(logged_by="acme/vision/v00").select_related(
            "collection.project", "logged_by"
        )
        assert artifact.collection.kind == "ArtifactSequence"
        assert artifact.collection.project.description == "images"
        assert artifact.logged_by is not None
        assert artifact.logged_by.config == run_dict("v00")["config"]


def test_rows_of_one_page_share_their_references() -> None:
    with on():
        runs = list(Run.objects.filter(user="ada"))
        assert len({id(run.user) for run in runs}) == 1
        assert len({id(run.project) for run in runs}) == 1


# -- to many ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_relation_of_a_project(kind: str) -> None:
    with on(kind):
        project = Project.objects.get(path="acme/vision")
        assert ids(project.runs) == oracle.answer(HOME, ("and", []))
        assert ids(project.sweeps) == ["sw2", "sw1"]
        assert ids(project.reports) == ["rep2", "rep1"]
        assert [item.name for item in project.artifact_types] == ["dataset", "model"]
        assert [item.name for item in project.artifact_collections] == ["images", "weights"]
        assert ids(project.runs.filter(state="finished")) == oracle.answer(
            HOME, ("leaf", ("state",), "exact", "finished")
        )
        assert project.runs.count() == len(HOME)
        assert {run.project for run in project.runs} == {project}


@pytest.mark.parametrize("kind", KINDS)
def test_runs_sweeps_files_artifacts(kind: str) -> None:
    with on(kind):
        sweep = Sweep.objects.get(id="sw1")
        expected = oracle.answer(HOME, ("leaf", ("sweep",), "exact", "sw1"))
        assert ids(sweep.runs) == expected
        run = Run.objects.get(id="v02")
        assert [file.name for file in run.files] == ["config.yaml", "media/v02.txt"]
        assert [item.name for item in run.logged_artifacts] == ["weights:v0"]
        assert sorted(item.name for item in run.used_artifacts) == ["images:v0", "images:v1"]
        artifact = Artifact.objects.get(name="images:v0")
        assert sorted(ids(artifact.used_by)) == ["v01", "v02"]
        assert [file.name for file in artifact.files] == ["data.csv", "part-0.bin"]
        assert artifact.logged_by == Run.objects.get(id="v00")
        assert artifact.logged_by is not None
        assert artifact.logged_by.path == "acme/vision/v00"
        collection = ArtifactCollection.objects.get(name="images")
        assert [item.version for item in collection.artifacts] == ["v1", "v0"]
        assert collection.type == "dataset"
        [kind_of] = [item for item in Project.objects.get(path="acme/vision").artifact_types if item.name == "model"]
        assert [item.name for item in kind_of.collections] == ["weights"]
        user_entity = Entity.objects.get(name="acme")
        assert sorted(item.name for item in user_entity.projects) == ["nlp", "vision"]


def test_a_relation_is_a_queryset_of_its_own_session() -> None:
    with on(name="one"):
        project = Project.objects.get(path="acme/vision")
        with on(name="two", project="acme/nlp"):
            rows = project.runs
            assert isinstance(rows, QuerySet)
            assert ids(rows)[:1] == oracle.answer(HOME, ("and", []))[:1]
            assert all(run.session.name == "one" for run in rows)


def test_a_relation_of_the_same_name_in_another_project_is_told_apart() -> None:
    with on():
        vision = Sweep.objects.get(id="sw1", project="acme/vision")
        nlp = Sweep.objects.get(id="sw1", project="acme/nlp")
        assert vision != nlp
        assert {run.project.path for run in nlp.runs} == {"acme/nlp"}
        assert {run.project.path for run in vision.runs} == {"acme/vision"}
        images = ArtifactCollection.objects.get(name="images", project="acme/nlp")
        assert [item.project.path for item in images.artifacts] == ["acme/nlp"]
        # A condition on a relation takes the object, and its project with it.
        assert {run.project.path for run in Run.objects.filter(sweep=nlp)} == {"acme/nlp"}
        assert ids(Run.objects.filter(sweep__in=[vision])) == ids(vision.runs)
        assert ids(Run.objects.filter(project=Project.objects.get(path="acme/nlp"))) == oracle.answer(
            WORLD.of("acme/nlp"), ("and", [])
        )
        assert ids(Run.objects.filter(user=User.objects.filter(username="ada").first())) == oracle.answer(
            HOME, ("leaf", ("user",), "exact", "ada")
        )


def test_files_of_a_run() -> None:
    with on():
        run = Run.objects.get(id="v02")
        assert run.files.filter(name__endswith=".yaml").get().size == len(b"lr: 1\n")
        assert ids_of(run.files.order_by("-size")) == ["media/v02.txt", "config.yaml"]
        assert File.objects.filter(run=run).count() == 2
        with pytest.raises(FieldError, match="needs artifact or run"):
            list(File.objects.all())


def ids_of(rows: Any) -> list[str]:
    return [row.name for row in rows]


# -- prefetching -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("full", 1 + 2),  # 34 runs, 20 parents in a document
        ("weak", None),
    ],
)
def test_prefetch_related_in_the_fewest(kind: str, expected: int | None) -> None:
    with on(kind):
        with count_requests() as sent:
            runs = list(Run.objects.prefetch_related("files"))
        if expected is not None:
            assert sent.count == expected
        with assert_num_requests(0):
            for run in runs:
                assert [file.name for file in run.files] == ["config.yaml", f"media/{run.id}.txt"]
                assert run.files.all()._result.complete is False or run.files.count() == 2


def test_prefetching_a_reference_by_key_asks_once_per_object() -> None:
    with on():
        with assert_num_requests(2):
            runs = list(Run.objects.prefetch_related("sweep"))
        with assert_num_requests(0):
            found = {run.id: run.sweep.config["method"] for run in runs if run.sweep is not None}
    methods = {"sw1": "random", "sw2": "grid"}
    assert found == {run["id"]: methods[run["sweep"]] for run in HOME if run["sweep"]}


def test_nested_prefetching() -> None:
    with on():
        with count_requests() as sent:
            runs = list(
                Run.objects.filter(id__in=["v00", "v01", "v02"]).prefetch_related(
                    "logged_artifacts.files", "used_artifacts"
                )
            )
        assert sent.count <= 4
        with assert_num_requests(0):
            names = {run.id: [(a.name, [f.name for f in a.files]) for a in run.logged_artifacts] for run in runs}
            assert names["v00"] == [("images:v0", ["data.csv", "part-0.bin"])]
            assert sorted(len(run.used_artifacts) for run in runs) == [0, 1, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_prefetched_rows_are_those_of_the_relation(kind: str) -> None:
    with on(kind):
        projects = list(Project.objects.filter(entity="acme").prefetch_related("runs", "sweeps"))
        with assert_num_requests(0):
            found = {project.path: (ids(project.runs), ids(project.sweeps)) for project in projects}
        for project in projects:
            assert found[project.path] == (ids(project.runs.all()), ids(project.sweeps.all()))


def test_what_cannot_be_prefetched() -> None:
    for name, says in (
        ("fils", "did you mean 'files'"),
        ("user", "select_related"),
        ("state", "no relation 'state'"),
        ("files.nothing", "File has no relation 'nothing'"),
    ):
        with pytest.raises(FieldError, match=says):
            Run.objects.prefetch_related(name)


async def test_prefetching_in_the_other_colour() -> None:
    with on("weak"):
        runs = [run async for run in Run.objects.prefetch_related("files", "sweep")[:5]]
        with assert_num_requests(0):
            for run in runs:
                assert len([file async for file in run.files]) == 2
        assert len(runs) == 5


# -- reports ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_runs_of_a_report(kind: str) -> None:
    with on(kind):
        report = Report.objects.get(id="rep1")
        assert [section["name"] for section in report.sections] == ["finished", "picked", "config", "tags"]
        finished: Any = ("leaf", ("state",), "exact", "finished")
        picked: Any = ("leaf", ("id",), "in", ["v03", "v04", "v05"])
        hidden: Any = ("leaf", ("id",), "exact", "v00")
        loss = [(("summary", "loss"), False)]
        down = [(("summary", "loss"), True)]
        assert ids(report.runs(0)) == oracle.answer(HOME, ("and", [finished, ("not", hidden)]), loss)
        assert ids(report.runs(report.sections[0])) == ids(report.runs(0))
        assert ids(report.runs(0, only_selected=False)) == oracle.answer(HOME, finished, loss)
        assert ids(report.runs(1)) == oracle.answer(HOME, picked, down)
        assert ids(report.runs(2)) == oracle.answer(HOME, ("leaf", ("config", "lr"), "gte", 0.01), down)
        assert ids(report.runs(3)) == oracle.answer(HOME, ("leaf", ("tags",), "contains", "baseline"), down)
        with pytest.raises(FieldError, match="there is no section 4"):
            report.runs(4)
        newer = Report.objects.get(id="rep2")
        assert ids(newer.runs()) == ids(report.runs(0))
        assert (newer.name, newer.path) == ("New report", "acme/vision/reports/rep2")


def test_a_report_as_the_editor_stored_it() -> None:
    """The shape of a real stored report (an old one, of panel groups), run set by run set."""
    spec = {
        "panelGroups": [
            {
                "name": "01: Effect of hidden layer size on feedforward net",
                "runSets": [
                    {
                        "selections": {"root": 1, "bounds": [], "tree": []},
                        "grouping": [],
                        "filters": {
                            "op": "OR",
                            "filters": [
                                {
                                    "op": "AND",
                                    "filters": [
                                        {
                                            "key": {"section": "run", "name": "state"},
                                            "op": "=",
                                            "value": "finished",
                                            "disabled": False,
                                        },
                                        {
                                            "key": {"section": "config", "name": "lr"},
                                            "op": "=",
                                            "value": None,
                                            "disabled": True,
                                        },
                                        {"key": {"section": "summary", "name": "loss"}, "op": "<", "value": 1},
                                        {"key": {"section": "run", "name": "name"}, "op": "!=", "value": "v01"},
                                        {
                                            "key": {"section": "config", "name": "optimizer.value"},
                                            "op": "IN",
                                            "value": ["adam", "sgd"],
                                        },
                                    ],
                                }
                            ],
                        },
                        "sort": {"key": {"section": "run", "name": "createdAt"}, "ascending": False},
                    }
                ],
                "openRunSet": 0,
            }
        ]
    }
    store = WORLD.store()
    project = store.project("acme", "vision")
    assert project is not None
    store.add_view(project, "real", spec=spec)
    expected: Any = (
        "and",
        [
            ("leaf", ("state",), "exact", "finished"),
            ("leaf", ("summary", "loss"), "lt", 1),
            ("leaf", ("id",), "ne", "v01"),
            ("leaf", ("config", "optimizer"), "in", ["adam", "sgd"]),
        ],
    )
    with served(store):
        assert ids(Report.objects.get(id="real").runs()) == oracle.answer(HOME, expected)


def test_a_report_whose_filter_is_not_known() -> None:
    store = small_world().store()
    project = store.project("acme", "vision")
    assert project is not None
    for name, condition, says in (
        ("op", {"key": {"section": "run", "name": "state"}, "op": "~~", "value": 1}, "uses '~~', which is not known"),
        ("field", {"key": {"section": "run", "name": "colour"}, "op": "=", "value": 1}, "the run field 'colour'"),
        ("section", {"key": {"section": "moon", "name": "x"}, "op": "=", "value": 1}, "the section 'moon'"),
    ):
        run_set = {"filters": {"op": "OR", "filters": [{"op": "AND", "filters": [condition]}]}}
        store.add_view(project, name, spec={"panelGroups": [{"runSets": [run_set]}]})
        with served(store), pytest.raises(FieldError, match=says) as caught:
            Report.objects.get(id=name).runs()
        assert f"acme/vision/reports/{name}" in str(caught.value)


SHARED = Path(__file__).parents[3] / "shared" / "data" / "exports" / "report-spec" / "report.json"


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data folder is not here")
def test_the_real_report_file() -> None:
    spec = json.loads(SHARED.read_text(encoding="utf-8"))
    store = small_world().store()
    project = store.project("acme", "vision")
    assert project is not None
    store.add_view(project, "real", spec=spec)
    with served(store):
        report = Report.objects.get(id="real")
        assert len(report.sections) == len(spec["panelGroups"])
        for index in range(len(report.sections)):
            with assert_num_requests(0):
                report.runs(index).explain()


# -- sweeps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_run_of_a_sweep(kind: str) -> None:
    path = ("summary", "loss")
    with on(kind):
        for project, goal in (("acme/vision", False), ("acme/nlp", True)):
            runs = [
                run
                for run in WORLD.of(project)
                if run["sweep"] == "sw1"
                and isinstance(oracle.look(run, path), (int, float))
                and oracle.look(run, path) == oracle.look(run, path)
            ]
            best = Sweep.objects.get(id="sw1", project=project).best_run()
            assert best is not None
            assert best.id == oracle.ordered(runs, [(path, goal)])[0]["id"]
        plain = Sweep.objects.get(id="sw2")
        assert (plain.metric, plain.goal) == (None, "min")
        with pytest.raises(FieldError, match=r"names no metric; say which, as in best_run\('summary.loss'\)"):
            plain.best_run()
        assert plain.best_run("summary.nowhere") is None


def test_a_metric_with_a_dot_may_be_one_key_or_nested() -> None:
    assert STORE.viewer is not None
    for summary in ({"val.loss": 1}, {"val": {"loss": 1}}):
        store = small_world().store()
        project = store.project("acme", "vision")
        assert project is not None
        sweep = store.add_sweep(
            project, "s", config={"method": "grid", "metric": {"name": "val.loss", "goal": "minimize"}}
        )
        run = store.run(project, "r1")
        assert run is not None
        store.update(run.id, sweep=sweep, summary=summary)
        with served(store):
            best = Sweep.objects.get(id="s").best_run()
            assert best is not None
            assert best.id == "r1"


async def test_the_best_run_in_the_other_colour() -> None:
    with on("weak"):
        sweep = await Sweep.objects.aget(id="sw1")
        assert await sweep.abest_run() == sweep.best_run()
