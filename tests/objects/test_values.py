"""``values`` and ``values_list``: shapes, names, what is absent, distinct."""

from __future__ import annotations

import pickle

import pytest

from tests.support.queries import HOME, ids, on
from wbmodel import Artifact, F, Run
from wbmodel.errors import FieldError, QueryError
from wbmodel.testing import assert_num_requests, count_requests, oracle

KINDS = ["full", "weak"]


@pytest.mark.parametrize("kind", KINDS)
def test_keys_are_the_text_as_typed(kind: str) -> None:
    with on(kind):
        rows = Run.objects.values(
            "display_name", "summary__loss", "summary.eval/acc", F.config["model.depth"], F.config["model"]["depth"]
        )
        row = rows[0]
    assert list(row) == [
        "display_name",
        "summary__loss",
        "summary.eval/acc",
        'config."model.depth"',
        "config.model.depth",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_absent_is_none(kind: str) -> None:
    with on(kind):
        found = list(Run.objects.values_list("config.lr", "config.nowhere", "group", "sweep", "user", "user.username"))
    expected = [
        (
            None if (lr := oracle.look(run, ("config", "lr"))) is oracle.ABSENT else lr,
            None,
            run["group"],
            run["sweep"] and f"{run['project']}/sweeps/{run['sweep']}",
            run["user"],
            run["user"],
        )
        for run in oracle.ordered(HOME, [])
    ]
    assert found == expected


def test_no_paths_is_every_default_field() -> None:
    with on():
        row = Run.objects.values()[0]
        run = Run.objects.first()
        assert run is not None
    assert set(row) == {
        "id",
        "name",
        "state",
        "config",
        "summary",
        "tags",
        "group",
        "job_type",
        "notes",
        "created_at",
        "heartbeat_at",
    }
    assert row["config"] == run.config
    assert row["tags"] == run.tags


def test_fields_that_are_not_loaded_by_default() -> None:
    with on():
        assert set(Run.objects.values_list("file_count", flat=True)) == {2}
        assert {row["commit"] for row in Run.objects.values("commit")} == {None}


def test_only_what_is_shown_is_asked_for() -> None:
    with on(), count_requests() as sent:
        list(Run.objects.values("name"))
    text = sent.requests[0].document.text
    assert "displayName" in text
    assert "config" not in text
    assert "summaryMetrics" not in text


def test_tuples_flat_and_named() -> None:
    with on():
        rows = Run.objects.order_by("id")
        assert next(iter(rows.values_list("id", "state"))) == ("v00", HOME[0]["state"])
        assert list(rows.values_list("id", flat=True))[:2] == ["v00", "v01"]
        assert [type(row) for row in rows.values_list()[:1]] == [tuple]
        named = rows.values_list(
            "id",
            "summary.loss",
            "summary.eval/acc",
            "state",
            F.config["class"],
            F.config["1st"],
            F.config["a b"],
            named=True,
        )[0]
    assert named.id == "v00"
    assert named._fields == (
        "id",
        "summary_loss",
        "summary_eval_acc",
        "state",
        "config_class",
        "config_1st",
        "config_a_b",
    )


def test_names_that_clash_are_told_apart() -> None:
    with on():
        row = Run.objects.values_list("summary.a b", "summary.a/b", "config.class", named=True)[0]
    assert len(set(row._fields)) == 3
    assert row._fields[:2] == ("summary_a_b", "summary_a_b_2")


def test_bad_shapes() -> None:
    rows = Run.objects.all()
    for call, error, says in (
        (lambda: rows.values_list("id", "name", flat=True), QueryError, "one path, not 2"),
        (lambda: rows.values_list(flat=True), QueryError, "one path, not 0"),
        (lambda: rows.values_list("id", flat=True, named=True), QueryError, "flat or named"),
        (lambda: rows.values("id", "id"), QueryError, "'id' is requested twice"),
        (lambda: rows.values("idd"), FieldError, "no field 'idd'"),
        (lambda: rows.values("summry.loss"), FieldError, "did you mean 'summary'"),
        (lambda: rows.values("-id"), FieldError, "has a sign"),
        (lambda: rows.distinct("state"), QueryError, r"values\(field\)\.distinct\(\)"),
    ):
        with assert_num_requests(0), pytest.raises(error, match=says):
            call()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("kind", KINDS)
def test_distinct(kind: str) -> None:
    with on(kind):
        states = list(Run.objects.order_by("state").values_list("state", flat=True).distinct())
        assert states == sorted({run["state"] for run in HOME})
        rows = Run.objects.values("config.mixed").distinct()
        # Equal in Python and different here: 1 and True; the same here: 1 and 1.0, absent and null.
        cells = [oracle.look(run, ("config", "mixed")) for run in HOME]
        wanted = {
            (
                isinstance(value, bool),
                None if value is oracle.ABSENT else repr(float(value) if isinstance(value, int) else value),
            )
            if value is not None
            else (False, None)
            for value in cells
        }
        assert len(list(rows)) == rows.count() == len(wanted)
        assert ids(Run.objects.distinct()) == ids(Run.objects.all())


def test_related_fields_and_properties_are_columns() -> None:
    with on():
        found = list(
            Artifact.objects.filter(project="acme/vision", collection="images").values_list(
                "collection.name", "version_index", "type_name", "version", "name"
            )
        )
    assert found == [
        ("images", 1, "dataset", "v1", "images:v1"),
        ("images", 0, "dataset", "v0", "images:v0"),
    ]
    with pytest.raises(FieldError, match="Artifact has no field 'url'"):
        Artifact.objects.values("url")


def test_rows_pickle() -> None:
    with on():
        rows = Run.objects.values_list("id", "summary.loss", named=True)
        copy = pickle.loads(pickle.dumps(rows))
        assert repr(list(copy)) == repr(list(rows))
        assert repr(pickle.loads(pickle.dumps(Run.objects.values("id", "config.lr")))) == repr(
            Run.objects.values("id", "config.lr")
        )
