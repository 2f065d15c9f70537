"""Sweeps, projects and reports."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.places import HOME, on, variables, world
from wbmodel import ArtifactType, File, Project, Report, Sweep, connect
from wbmodel.errors import ConflictError, FieldError
from wbmodel.testing import assert_num_requests, count_requests

DEFINITION: dict[str, Any] = {
    "method": "random",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {"lr": {"min": 1e-05, "max": 0.1}, "tag": {"values": ["08", "yes", "1e-5"]}},
}


def test_a_sweep_is_made_from_a_dict_or_from_yaml(place: str) -> None:
    with on(place):
        sweep = Sweep.objects.create(name="rates", description="d", config=DEFINITION)
        assert (sweep.name, sweep.method, sweep.config, sweep.state) == ("rates", "random", DEFINITION, "RUNNING")
        again = Sweep.objects.get(id=sweep.id)
        assert (again, again.config, again.metric, again.description) == (sweep, DEFINITION, "loss", "d")
        text = "method: grid\nparameters:\n  lr: {values: [1, 2]}  # two\n"
        with count_requests() as sent:
            other = Sweep.objects.create(project=HOME, config=text)
        assert sent.requests[0].variables["config"] == text
        assert other.config == {"method": "grid", "parameters": {"lr": {"values": [1, 2]}}}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "needs its definition"),
        ({"config": "- 1"}, "must be a mapping"),
        ({"config": "{"}, "not valid YAML"),
        ({"config": 5}, "takes a dict"),
        ({"config": {}, "id": "x"}, "the server chooses the short id"),
        ({"config": {}, "state": "PAUSED"}, r"say pause\(\)"),
    ],
)
def test_bad_definitions(given: dict[str, Any], says: str) -> None:
    with on("fixtures"), assert_num_requests(0), pytest.raises(FieldError, match=says):
        Sweep.objects.create(**given)


def test_the_states_of_a_sweep(place: str) -> None:
    with on(place):
        sweep = Sweep.objects.get(id="sw")
        with count_requests() as sent:
            sweep.pause()
        assert [variables(item) for item in sent.requests][1] == {
            "id": sweep.node_id,
            "entityName": "acme",
            "projectName": "vision",
            "state": "PAUSED",
        }
        with assert_num_requests(1):
            sweep.pause()  # it is already
        for verb, state in (("resume", "RUNNING"), ("stop", "FINISHED")):
            getattr(sweep, verb)()
            assert sweep.state == Sweep.objects.get(id="sw").state == state
        with pytest.raises(ConflictError, match="is FINISHED on .*nothing to cancel"):
            sweep.cancel()
        with pytest.raises(ConflictError, match="nothing to pause"):
            sweep.pause()
        sweep.resume()
        sweep.cancel()
        assert Sweep.objects.get(id="sw").state == "CANCELED"
        assert sweep.dirty_fields == ()
        with pytest.raises(FieldError, match=r"say pause\(\), resume\(\), stop\(\) or cancel\(\)"):
            sweep.state = "PAUSED"
        with pytest.raises(FieldError, match="keeps the definition"):
            sweep.config = {}


async def test_the_states_of_a_sweep_in_the_other_colour(place: str) -> None:
    with on(place):
        sweep = await Sweep.objects.aget(id="sw")
        for verb, state in (("apause", "PAUSED"), ("aresume", "RUNNING"), ("acancel", "CANCELED")):
            await getattr(sweep, verb)()
            assert sweep.state == state
        sweep.name = "renamed"
        assert await sweep.asave() == ("name",)
        assert (await Sweep.objects.aget(id="sw")).name == "renamed"
        with pytest.raises(ConflictError):
            await sweep.astop()


def test_a_project(place: str) -> None:
    with on(place):
        project = Project.objects.create(entity="acme", name="made", description="d")
        assert (project.path, project.description) == ("acme/made", "d")
        with pytest.raises(ConflictError, match="Project 'made' exists in acme"):
            Project.objects.create(entity="acme", name="made", description="other")
        project.description = "better"
        with count_requests() as sent:
            project.save()
        assert variables(sent.requests[0]) == {
            "id": project.node_id,
            "entityName": "acme",
            "name": "made",
            "description": "better",
        }
        assert Project.objects.get(path="acme/made").description == "better"
        with pytest.raises(FieldError, match="renameProject"):
            project.name = "x"
        project.runs.create()
        project.delete()
        assert not Project.objects.filter(entity="acme", name="made").exists()
        with pytest.raises(Project.DoesNotExist, match="acme/made"):
            project.delete()
        with assert_num_requests(0):
            with pytest.raises(FieldError, match="needs its name"):
                Project.objects.create(entity="acme")
            with pytest.raises(FieldError, match="without any of"):
                Project.objects.create(name="acme/made")


def test_a_project_of_the_viewer() -> None:
    with connect("fixtures:", world=world(), default=False, name="viewer"):
        project = Project.objects.create(name="own")
        assert project.path == "ada/own"
        with pytest.raises(ConflictError, match="in the default entity"):
            Project.objects.create(name="own")


async def test_a_report(place: str) -> None:
    with on(place):
        report = await Report.objects.acreate(name="What we saw")
        assert (report.name, report.description, len(report.id)) == ("What we saw", None, 12)
        assert report.spec["blocks"] == []
        report.spec["blocks"].append({"type": "paragraph", "children": [{"text": "ключ"}]})
        async with count_requests() as sent:
            assert await report.asave() == ("spec",)
        assert variables(sent.requests[0]) == {
            "id": report.node_id,
            "entityName": "acme",
            "projectName": "vision",
            "name": report.id,
            "spec": report.spec,
        }
        again = await Report.objects.aget(id=report.id)
        assert (again.spec, again.name) == (report.spec, "What we saw")
        report.name, report.description = "Renamed", "d"
        await report.asave(check=True)
        again = await Report.objects.aget(id=report.id)
        assert (again.name, again.description, again.spec) == ("Renamed", "d", report.spec)
        async with count_requests() as sent:
            await report.adelete()
        assert variables(sent.requests[0]) == {"id": report.node_id, "deleteDrafts": True}
        assert await Report.objects.acount() == 1
        with pytest.raises(ConflictError, match="Report 'rep1' exists"):
            await Report.objects.acreate(id="rep1", name="again")
        assert (await Report.objects.aget(id="rep1")).name == "Old"


def test_reports_and_projects_in_bulk(place: str) -> None:
    with on(place):
        assert Report.objects.filter(id="rep1").update(description="new", name="New").counts == {"done": 1}
        assert Report.objects.get(id="rep1").description == "new"
        assert Project.objects.filter(entity="acme", name="empty").update(description="x").counts == {"done": 1}
        assert Sweep.objects.update(name="s").counts == {"done": 1}
        assert Sweep.objects.get(id="sw").name == "s"
        assert Report.objects.all().delete().counts == {"done": 1}
        assert Project.objects.filter(entity="acme", name="empty").delete().counts == {"done": 1}
        assert [item.name for item in Project.objects.filter(entity="acme")] == ["vision"]


def test_what_is_read_only() -> None:
    from tests.support.places import moody
    from tests.support.worlds import make_world

    with moody(make_world().store()):
        kind = ArtifactType.objects.filter(project=HOME).first()
        assert kind is not None
        with pytest.raises(FieldError, match="ArtifactTypes are read-only in wbmodel"):
            kind.description = "x"
        file = File.objects.filter(run=f"{HOME}/v00").first()
        assert file is not None
        with pytest.raises(FieldError, match="File.name cannot be set"):
            file.name = "x"
        assert not hasattr(kind, "save")
