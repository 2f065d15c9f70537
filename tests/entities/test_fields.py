"""Fields of entities: names and aliases, what was not loaded, decoding at first access, and values of every kind."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.support.backends import served
from tests.support.worlds import make_world, small_world
from wbmodel import Artifact, ArtifactCollection, ArtifactType, Entity, File, Project, Report, Run, Sweep, User
from wbmodel.errors import FieldError, FieldNotLoaded
from wbmodel.meta import Kind, all_entities
from wbmodel.query.paths import resolve_path
from wbmodel.query.plan import Plan
from wbmodel.testing import assert_num_requests

ALIASES: dict[type[Any], dict[str, tuple[str, ...]]] = {
    Run: {
        "node_id": ("storage_id",),
        "id": ("run_id",),
        "name": ("display_name", "displayName"),
        "summary": ("summary_metrics", "summaryMetrics"),
        "job_type": ("jobType",),
        "created_at": ("createdAt",),
        "heartbeat_at": ("heartbeatAt",),
        "sweep": ("sweep_name", "sweepName"),
        "system_metrics": ("systemMetrics",),
        "history_line_count": ("historyLineCount",),
        "history_keys": ("historyKeys",),
        "read_only": ("readOnly",),
        "file_count": ("fileCount",),
    },
    Project: {"entity": ("entity_name", "entityName"), "created_at": ("createdAt",)},
    Sweep: {"name": ("display_name", "displayName"), "best_loss": ("bestLoss",), "run_count": ("runCount",)},
    Report: {"name": ("title", "display_name", "displayName"), "updated_at": ("updatedAt",)},
    File: {"size": ("size_bytes", "sizeBytes"), "updated_at": ("updatedAt",)},
    Artifact: {"node_id": ("id",), "version_index": ("versionIndex",)},
    ArtifactCollection: {"created_at": ("createdAt",)},
    ArtifactType: {"created_at": ("createdAt",)},
    Entity: {"is_team": ("isTeam",)},
}
"""The spellings that people bring from ``wandb.Api`` and from the wire."""

STORE = make_world().store()


@pytest.mark.parametrize(
    ("entity", "field", "alias"),
    [(e, f, a) for e, fields in ALIASES.items() for f, names in fields.items() for a in names],
)
def test_aliases(entity: type[Any], field: str, alias: str) -> None:
    meta = entity.__wbmodel_meta__
    found = meta.find(alias)
    assert found is not None
    assert found.name == field
    assert resolve_path(meta, alias).field.name == field


def test_every_entity_keeps_one_table_of_names() -> None:
    for name, meta in all_entities().items():
        assert len(meta.names) == len(set(meta.names)), name
        for field in meta.fields.values():
            assert field.doc.endswith("."), f"{name}.{field.name}"
            # camelCase wire names are spelled in both ways.
            if (
                field.wire != field.wire.lower()
                and not field.sub
                and field.kind is not Kind.REF
                and "__" not in field.wire
            ):
                assert meta.find(field.wire) is not None or field.name == "kind", f"{name}.{field.wire}"


def test_aliases_read_as_attributes() -> None:
    with served(STORE):
        run: Any = Run.objects.get(id="v01")
    for field, names in ALIASES[Run].items():
        for alias in names:
            if field in run.loaded_fields():
                assert getattr(run, alias) is getattr(run, field)
    assert run.storage_id == run.node_id
    assert run.displayName == run.name


@pytest.mark.parametrize(
    ("make", "name", "says"),
    [
        (
            lambda: Run.objects.only("name")[0],
            "config",
            r"Run\.config was not loaded; a query with \.also\('config'\)",
        ),
        (lambda: Run.objects.defer("summary")[0], "summary", r"a query with \.also\('summary'\)"),
        (lambda: Run.objects.all()[0], "commit", r"Run\.objects\.also\('commit'\) loads it"),
        (lambda: Run.objects.all()[0], "system_metrics", "never makes requests"),
        (lambda: Run.objects.only("name")[0], "user", r"Run\.objects\.select_related\('user'\)"),
        (lambda: Run.objects.only("name")[0], "raw_config", "needs config"),
        (lambda: Run.objects.all()[0].project, "description", r"Project\.description was not loaded"),
        (lambda: Project.objects.get(path="acme/vision"), "run_count", r"Project\.objects\.also\('run_count'\)"),
    ],
)
def test_what_was_not_loaded_says_the_call_that_loads_it(make: Any, name: str, says: str) -> None:
    with served(STORE):
        row = make()
        with assert_num_requests(0), pytest.raises(FieldNotLoaded, match=says) as caught:
            getattr(row, name)
    assert isinstance(caught.value, AttributeError)
    assert not hasattr(row, name)


def test_the_call_that_is_named_does_load_it() -> None:
    with served(STORE):
        assert Run.objects.only("commit")[0].commit is None
        assert Project.objects.only("run_count").get(path="acme/vision").run_count == 34
        assert Run.objects.only("file_count").get(id="v01").file_count == 2


def test_unknown_attributes() -> None:
    with served(STORE):
        run: Any = Run.objects.get(id="v01")
    for name, says in (
        ("sumary", "did you mean 'summary'"),
        ("fils", "did you mean 'files'"),
        ("pth", "did you mean 'path'"),
        ("zzz", "has no attribute 'zzz'$"),
    ):
        with pytest.raises(AttributeError, match=says) as caught:
            getattr(run, name)
        assert not isinstance(caught.value, FieldNotLoaded)
    with pytest.raises(AttributeError):
        run.sumary = 1


def test_entities_are_not_made_by_hand() -> None:
    for meta in all_entities().values():
        with pytest.raises(TypeError, match="get one from a query"):
            meta.cls()


# -- values ----------------------------------------------------------------------------------------


def one(**fields: Any) -> Run:
    """A run with these fields, served and fetched."""
    world = small_world()
    world.runs = [{**world.runs[0], **fields}]
    with served(world.store()):
        return Run.objects.get()


def wired(config: str | None = None, summary: str | None = None) -> Run:
    """A run as a server might send it: these very texts."""
    meta = Run.__wbmodel_meta__
    from wbmodel.compiler.hydrate import hydrator

    fields = Plan(meta=meta, only=("config", "summary")).fields(("created_at",))
    node = {"id": "x", "name": "x", "config": config, "summaryMetrics": summary, "createdAt": "2021-04-01T00:00:00Z"}
    row: Run = hydrator(meta, fields, (), "project")([node], None, None)[0]
    return row


def test_texts_are_decoded_at_first_access_and_once() -> None:
    run = one(config={"lr": 0.1}, summary={"loss": 1})
    slots = Run.__wbmodel_meta__.slots
    assert isinstance(object.__getattribute__(run, slots["config"]), str)
    with pytest.raises(AttributeError):
        object.__getattribute__(run, "config")
    config = run.config
    assert run.config is config
    config["lr"] = 0.2
    assert run.config == {"lr": 0.2}
    # What came over the wire stays: it is the baseline of changes.
    assert json.loads(object.__getattribute__(run, slots["config"]))["lr"]["value"] == 0.1
    assert run.raw_config["lr"] == {"desc": None, "value": 0.1}


@pytest.mark.parametrize(
    ("wire", "config"),
    [
        ('{"lr": {"value": 0.1, "desc": null}}', {"lr": 0.1}),
        ('{"lr": {"value": 0.1}}', {"lr": 0.1}),
        ('{"lr": {"desc": "rate", "value": 0.1}}', {"lr": 0.1}),
        ('{"_wandb": {"value": {"cli_version": "0.10.28"}}, "lr": {"value": 1}}', {"lr": 1}),
        ('{"wandb_version": 1, "lr": {"value": 1}}', {"lr": 1}),
        # Values of the user's that look like the wrapping.
        ('{"a": {"value": {"value": 1, "desc": null}}}', {"a": {"value": 1, "desc": None}}),
        ('{"a": {"value": {"value": {"value": 2}}}}', {"a": {"value": {"value": 2}}}),
        ('{"a": {"value": {"desc": "x"}}}', {"a": {"desc": "x"}}),
        # Not wrapped: kept as it is.
        ('{"a": {"x": 1}, "b": {"value": 2}}', {"a": {"x": 1}, "b": 2}),
        ('{"a": 1, "b": {"value": 2}}', {"a": 1, "b": 2}),
        (
            '{"a": {"value": 1, "desc": null, "extra": 2}, "b": 3}',
            {"a": 1, "b": 3},
        ),
        ('{"value": {"value": 1}}', {"value": 1}),
        ('{"a": {"value": null}}', {"a": None}),
        ("{}", {}),
        ("", {}),
        (None, {}),
        ("null", {}),
    ],
)
def test_config_is_unwrapped(wire: str | None, config: dict[str, Any]) -> None:
    assert wired(config=wire).config == config


def test_where_everything_is_wrapped_more_beside_the_value_is_the_servers() -> None:
    """As both official clients read it: in a config whose every value is wrapped, "value" is the value."""
    assert wired(config='{"a": {"value": 1, "unit": "m"}}').config == {"a": 1}


def test_tokens_are_floats_in_summaries_only() -> None:
    run = wired(
        config='{"a": {"value": "NaN"}, "b": {"value": "Infinity"}}',
        summary='{"a": "NaN", "b": "Infinity", "c": "-Infinity", "d": ["NaN", {"e": "NaN"}], "f": "nan", "g": "x NaN"}',
    )
    assert run.config == {"a": "NaN", "b": "Infinity"}
    assert math.isnan(run.summary["a"])
    assert run.summary["b"] == math.inf
    assert run.summary["c"] == -math.inf
    assert math.isnan(run.summary["d"][0])
    assert math.isnan(run.summary["d"][1]["e"])
    assert run.summary["f"] == "nan"
    assert run.summary["g"] == "x NaN"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9007199254740993", 9007199254740993),
        ("18446744073709551617", 18446744073709551617),
        ("-170141183460469231731687303715884105729", -170141183460469231731687303715884105729),
        ("1" + "0" * 400, 10**400),
        ("1e400", math.inf),
        ("-1e400", -math.inf),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        ("0.1", 0.1),
        ("1e-320", 1e-320),
        ("-0.0", -0.0),
        ("1.0", 1.0),
        (r'"\ud800"', "\ud800"),
        (r'"\u0000"', "\x00"),
        ('"𝔘"', "𝔘"),
        ("true", True),
        ("[1, 1.5]", [1, 1.5]),
    ],
)
def test_numbers_and_text_come_as_they_are(text: str, value: Any) -> None:
    for found in (
        wired(config=f'{{"a": {{"value": {text}}}}}').config["a"],
        wired(summary=f'{{"a": {text}}}').summary["a"],
    ):
        assert found == value
        assert type(found) is type(value)


def test_bare_nan() -> None:
    assert math.isnan(wired(config='{"a": {"value": NaN}}').config["a"])
    assert math.isnan(wired(summary='{"a": [NaN]}').summary["a"][0])


def test_deep_nesting() -> None:
    deep = "[" * 900 + "]" * 900
    assert wired(summary=f'{{"a": {deep}}}').summary["a"] is not None
    with pytest.raises(ValueError, match="nested too deeply"):
        wired(summary='{"a": ' + "[" * 200_000 + "]" * 200_000 + "}").summary  # noqa: B018


def test_text_that_is_no_json_is_said_and_not_swallowed() -> None:
    with pytest.raises(ValueError):
        wired(summary='{"a": ').summary  # noqa: B018


def test_moments_are_aware() -> None:
    run = one(created_at=datetime(2021, 4, 1, 12, 0, 0, 123456, tzinfo=timezone.utc), heartbeat_at=None)
    assert run.created_at == datetime(2021, 4, 1, 12, 0, 0, 123456, tzinfo=timezone.utc)
    assert run.created_at.tzinfo is not None
    assert run.heartbeat_at is None


def test_other_fields() -> None:
    run = one(tags=["a", "b"], group="g", job_type=None, notes="é\n", name="")
    assert (run.tags, run.group, run.job_type, run.notes, run.name) == (["a", "b"], "g", None, "é\n", None)
    assert (run.path, run.entity, run.project.path) == ("acme/vision/r0", "acme", "acme/vision")


def test_yaml_definitions_and_specs() -> None:
    with served(STORE):
        sweep = Sweep.objects.get(id="sw1")
        assert sweep.config["parameters"]["lr"] == {"min": 0, "max": 1}
        assert (sweep.metric, sweep.goal, sweep.method) == ("loss", "min", "random")
        report = Report.objects.get(id="rep1")
        assert [group["name"] for group in report.spec["panelGroups"]] == ["finished", "picked", "config", "tags"]
        artifact = Artifact.objects.get(name="images:v1")
        assert artifact.metadata == {"rows": 11}
        assert (artifact.version, artifact.name, artifact.type) == ("v1", "images:v1", "dataset")
        assert artifact.aliases == ["latest", "v1"] or artifact.aliases == ["latest"]
        assert artifact.path == "acme/vision/images:v1"


@pytest.mark.parametrize("name", sorted(all_entities()))
def test_every_field_can_be_asked_for(name: str) -> None:
    """All fields at once, on every entity, are answered and read without another request."""
    meta = all_entities()[name]
    filters = {
        "File": {"run": "acme/vision/v00"},
        "Artifact": {"collection": "images"},
        "Project": {"entity": "acme"},
    }.get(name, {})
    with served(STORE):
        fields = [field for field, info in meta.fields.items() if info.kind is not Kind.REF]
        rows = list(meta.cls.objects.filter(**filters).only(*fields))
        assert rows
        with assert_num_requests(0):
            for row in rows:
                for field in fields:
                    getattr(row, field)
                repr(row)


@pytest.mark.parametrize("name", sorted(all_entities()))
def test_every_field_can_be_filtered_by(name: str) -> None:
    """Whether the server has a name for it or not: each field takes isnull, and says which rows have it."""
    meta = all_entities()[name]
    filters: dict[str, Any] = {
        "File": {"run": "acme/vision/v00"},
        "Artifact": {"collection": "images"},
        "Project": {"entity": "acme"},
    }.get(name, {})
    for kind in ("full", "weak"):
        with served(STORE, kind):
            everything = len(meta.cls.objects.filter(**filters))
            for field in meta.fields:
                if field in meta.options.scopes:
                    continue
                try:
                    there = len(meta.cls.objects.filter(**filters).filter(**{f"{field}__isnull": False}))
                    lacking = len(meta.cls.objects.filter(**filters).filter(**{f"{field}__isnull": True}))
                except FieldError as error:
                    raise AssertionError(f"{name}.{field}: {error}") from error
                if not meta.fields[field].kind.is_keyed:
                    assert there + lacking == everything, f"{name}.{field}"


def test_users_and_entities() -> None:
    with served(STORE):
        assert [(user.username, user.name) for user in User.objects.all()] == [("ada", "Ada"), ("bob", "Bob")]
        assert User.objects.get(username="bob").name == "Bob"
        assert Entity.objects.get(name="acme").name == "acme"
        assert Entity.objects.only("is_team").get(name="acme").is_team is True
