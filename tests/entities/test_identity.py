"""Equality, hash, repr, sets: entities are who they are on their server."""

from __future__ import annotations

import copy

import pytest

from tests.support.backends import served
from tests.support.worlds import make_world
from wbmodel import Artifact, File, Project, Report, Run, Sweep

STORE = make_world().store()


def test_the_same_object_asked_for_twice() -> None:
    with served(STORE):
        one, other = Run.objects.get(id="v01"), Run.objects.only("name").get(id="v01")
        assert one is not other
        assert one == other
        assert hash(one) == hash(other)
        assert len({one, other}) == 1
        assert one != Run.objects.get(id="v02")
        assert (one != other) is False


def test_different_kinds_and_other_things() -> None:
    with served(STORE):
        run, project = Run.objects.get(id="v01"), Project.objects.get(path="acme/vision")
        assert run != project
        assert run != run.node_id
        assert run != None  # noqa: E711
        assert (run == 3) is False
        assert run.project == project


def test_two_servers_are_two_worlds() -> None:
    with served(STORE):
        one = Run.objects.get(id="v01")
    with served(STORE):
        other = Run.objects.get(id="v01")
    assert one.node_id == other.node_id
    assert one != other


def test_changing_a_dict_does_not_change_who_it_is() -> None:
    with served(STORE):
        run = Run.objects.get(id="v01")
        before = hash(run)
        run.config["new"] = 1
        assert hash(run) == before
        assert run == Run.objects.get(id="v01")


def test_a_reference_equals_what_it_refers_to() -> None:
    """run.sweep knows the sweep's id and project only; it is that sweep all the same."""
    with served(STORE):
        run = Run.objects.filter(sweep="sw1")[0]
        sweep = Sweep.objects.get(id="sw1")
        assert run.sweep == sweep
        assert hash(run.sweep) == hash(sweep)
        assert len({run.sweep, sweep}) == 1
        other = Sweep.objects.get(id="sw1", project="acme/nlp")
        assert run.sweep != other
        assert [item.sweep for item in Run.objects.filter(sweep="sw1")] == [sweep] * Run.objects.filter(
            sweep="sw1"
        ).count()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (lambda: Run.objects.get(id="v01"), "<Run acme/vision/v01 ("),
        (lambda: Run.objects.only("name").get(id="v01"), "<Run acme/vision/v01>"),
        (lambda: Project.objects.get(path="acme/vision"), "<Project acme/vision>"),
        (lambda: Sweep.objects.get(id="sw1"), "<Sweep acme/vision/sw1>"),
        (lambda: Report.objects.get(id="rep1"), "<Report acme/vision/rep1>"),
        (lambda: Artifact.objects.get(name="images:v0"), "<Artifact acme/vision/images:v0>"),
        (lambda: File.objects.filter(run="acme/vision/v00")[0], "<File acme/vision/v00/config.yaml>"),
        (lambda: Run.objects.filter(sweep="sw1")[0].sweep, "<Sweep acme/vision/sw1>"),
        (lambda: Run.objects.filter(user="ada")[0].user, "<User ada>"),
    ],
)
def test_repr(rows: object, expected: str) -> None:
    with served(STORE):
        assert repr(rows()).startswith(expected)  # type: ignore[operator]


def test_repr_of_a_blank_does_not_raise() -> None:
    blank = object.__new__(Run)
    assert repr(blank) == "<Run (not loaded)>"
    assert repr(object.__new__(Project)) == "<Project (not loaded)>"
    assert repr(object.__new__(Artifact)) == "<Artifact (not loaded)>"


def test_no_dict_and_no_stray_attributes() -> None:
    with served(STORE):
        run = Run.objects.get(id="v01")
    assert not hasattr(run, "__dict__")


def test_a_deep_copy_keeps_its_session_and_shares_nothing_that_changes() -> None:
    with served(STORE) as session:
        run = Run.objects.get(id="v01")
        run.tags.append("here")
        with served(STORE):  # another session of the same kind is the current one
            twin = copy.deepcopy(run)
        assert twin == run
        assert twin.session is run.session is session
        assert twin.dirty_fields == run.dirty_fields == ("tags",)
        twin.tags.append("there")
        twin.config["new"] = {"a": 1}
        assert "there" not in run.tags
        assert "new" not in run.config
        assert twin.project is not run.project
        assert twin.project == run.project


@pytest.mark.parametrize(
    ("name", "words"),
    [("update", r"save\(\)"), ("load", r"refresh\(\)"), ("refresh_from_db", r"refresh\(\)"), ("pk", "node_id")],
)
def test_names_that_others_have_lead_to_ours(name: str, words: str) -> None:
    with served(STORE):
        with pytest.raises(AttributeError, match=words):
            getattr(Run.objects.get(id="v01"), name)
