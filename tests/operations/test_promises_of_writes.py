"""What a write promises is what a query finds: cleared texts, edits that cannot be saved, texts read as numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.support.backends import KINDS, served
from tests.support.places import kept, on
from tests.support.worlds import small_world
from wbmodel import Artifact, Count, Project, Report, Run, Set, Sweep
from wbmodel.errors import FieldError, ValueWarning
from wbmodel.meta import all_entities
from wbmodel.testing import assert_num_requests

BLANK = [
    (Run, "name"),
    (Run, "group"),
    (Run, "job_type"),
    (Run, "notes"),
    (Run, "description"),
    (Project, "description"),
    (Sweep, "name"),
    (Sweep, "description"),
    (Report, "name"),
    (Report, "description"),
]
WRITTEN = [meta for meta in all_entities().values() if meta.options.writes is not None]


def test_every_text_that_can_be_cleared_is_tried() -> None:
    # Those of artifacts are in tests/entities/test_artifact_changes.py.
    written = [meta for meta in WRITTEN if meta.cls is not Artifact]
    fields = [(meta.cls, field.name) for meta in written for field in meta.fields.values() if field.is_blank]
    assert sorted(fields, key=str) == sorted(BLANK, key=str)


@pytest.mark.filterwarnings("ignore:.*cannot evaluate this filter")
def test_a_cleared_text_is_none_for_every_query(place: str) -> None:
    with on(place):
        for number, (cls, name) in enumerate(BLANK):
            row = cls.objects.only(name, cls.__wbmodel_meta__.key).first()
            setattr(row, name, "x")
            row.save()
            setattr(row, name, "" if number % 2 else None)
            assert row.save() == (name,)
            rows = cls.objects.filter(**{cls.__wbmodel_meta__.key: getattr(row, cls.__wbmodel_meta__.key)})
            assert getattr(rows.only(name).get(), name) is getattr(row, name) is None
            for lookups in ({f"{name}__isnull": True}, {name: None}, {name: ""}, {f"{name}__in": [""]}):
                assert rows.filter(**lookups).count() == 1, lookups
            for lookups in ({f"{name}__isnull": False}, {f"{name}__ne": None}, {f"{name}__lt": "zz"}):
                assert rows.filter(**lookups).count() == 0, lookups
            assert rows.exclude(**{f"{name}__startswith": "x"}).exclude(**{name: "x"}).count() == 1
            assert list(rows.group_by(name).annotate(n=Count())) == [{name: None, "n": 1}]


@pytest.mark.parametrize("kind", KINDS)
def test_cleared_and_null_are_one_on_every_dialect(kind: str) -> None:
    world = small_world()
    for number, run in enumerate(world.runs):
        run["group"] = ("", None, "a", "b")[number % 4]
    runs = sorted(world.runs, key=lambda run: run["id"])
    with served(world.store(), kind):
        rows = Run.objects.order_by("id")
        null = {run["id"] for run in runs if not run["group"] and run["project"] == "acme/vision"}
        some = {run["id"] for run in runs if run["group"] and run["project"] == "acme/vision"}
        assert {run.id for run in rows.filter(group__isnull=True)} == null == {run.id for run in rows.filter(group="")}
        assert {run.id for run in rows.filter(group__isnull=False)} == some
        assert {run.id for run in rows.exclude(group__lt="b")} >= null
        for order in ("group", "-group"):
            got = [run.group for run in Run.objects.order_by(order)]
            assert got == sorted(filter(None, got), reverse=order[0] == "-") + [None] * len(null)
            assert [run.group for run in Run.objects.order_by(order)[:3]] == got[:3]


# -- edits that cannot be saved --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("find", "edit", "name"),
    [
        (lambda: Sweep.objects.get(id="sw"), lambda row: row.config.update(method="random"), "Sweep.config"),
        (lambda: Sweep.objects.get(id="sw"), lambda row: row.config["parameters"]["lr"]["values"].append(3), "config"),
        (
            lambda: Run.objects.only("history_keys", "notes").get(id="h"),
            lambda row: row.history_keys["keys"].clear(),
            "Run.history_keys",
        ),
        (
            lambda: Run.objects.only("system_metrics", "notes").get(id="h"),
            lambda row: row.system_metrics.update(cpu=1),
            "Run.system_metrics",
        ),
    ],
)
def test_an_edit_in_place_that_cannot_be_saved_is_refused(place: str, find: Any, edit: Any, name: str) -> None:
    from tests.support.places import world

    given = world(1)
    given["entities"]["acme"]["projects"]["vision"]["runs"][0].update(
        id="h", history=[{"_step": 0, "loss": 1}], events=[{"cpu": 2}]
    )
    with on(place, given):
        row = find()
        assert row.save() == ()
        edit(row)
        with assert_num_requests(0), pytest.raises(FieldError, match=f"{name} was edited in place.*refresh"):
            row.save()
        row.refresh()
        assert row.save() == ()


def test_every_list_and_dict_of_an_entity_that_can_be_saved_has_a_baseline() -> None:
    for meta in WRITTEN:
        held = [field.name for field in meta.fields.values() if field.kind.is_decoded]
        assert sorted(held) == sorted(meta.slots)


# -- texts that become numbers ---------------------------------------------------------------------


def test_a_text_that_reads_back_as_a_number_is_said(place: str) -> None:
    with on(place):
        for text, value in (("NaN", "NaN"), ("-Infinity", [1, {"deep": "-Infinity"}])):
            run = kept()
            run.summary["note"] = value
            with pytest.warns(ValueWarning, match=f"Run.summary.*'note'.*'{text}'.*read back"):
                run.save()
            with pytest.warns(ValueWarning, match=text):
                Run.objects.create(summary={"note": value})
            with pytest.warns(ValueWarning, match=text):
                Run.objects.filter(id="r2").update(summary__note=value)
            with pytest.warns(ValueWarning, match=text):
                Run.objects.filter(id="r3").update(summary=Set({"note": value}))
            # Other texts, other fields and what was there already say nothing.
            run = kept()
            run.summary["other"] = "nan"
            run.config["note"] = text
            run.save()
            assert kept().config["note"] == text
            note = kept().summary["note"]
            found = note if isinstance(note, float) else note[1]["deep"]
            assert math.isnan(found) or found == -math.inf
