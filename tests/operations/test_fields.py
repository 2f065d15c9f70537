"""``fields()``: which keys there are, and what a misspelt one may have meant."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.support.plain_world import runs_of
from tests.support.queries import HOME, on
from wbmodel import Artifact, F, Run
from wbmodel.errors import FieldError, QueryError
from wbmodel.objects.discovery import FieldInfo, asuggest_keys, suggest_keys
from wbmodel.operations.keys import keys_in
from wbmodel.testing import assert_num_requests, count_requests

RUNS: list[dict[str, Any]] = [
    {"config": {"lr": None, "model": {"depth": 2, "a.b": [1]}, "mixed": "a"}, "summary": {"loss": math.nan}},
    {"config": {"lr": 0.5, "model": {"depth": 3}, "mixed": 1, "flag": False}, "summary": {"loss": 1}},
    {"config": {"lr": 1, "model": {}, "none": None, 'q"': "x"}, "summary": {}},
]


def test_every_key_with_its_type_count_and_example() -> None:
    with runs_of(RUNS) as rows:
        found = rows.fields("config")
    assert found == [
        FieldInfo("config.flag", "bool", 1, False, 1),
        FieldInfo("config.lr", "number", 3, 0.5, 3),
        FieldInfo("config.mixed", "mixed", 2, "a", 2),
        FieldInfo("config.model", "object", 3, {"depth": 2, "a.b": [1]}, 3),
        FieldInfo('config.model."a.b"', "list", 1, [1], 1),
        FieldInfo("config.model.depth", "number", 2, 2, 2),
        FieldInfo("config.none", "null", 1, None, 1),
        FieldInfo('config.q"', "text", 1, "x", 1),
    ]


def test_every_path_can_be_asked_for() -> None:
    with on():
        rows = Run.objects.filter(project="acme/vision")
        for info in rows.fields(exact=True):
            assert len(rows.filter(F(info.path).exists())) == info.count, info
            assert rows.values(info.path)[0].keys() == {info.path}


@pytest.mark.parametrize("kind", ["full", "weak", "hostile1"])
async def test_both_colours_and_what_is_read(kind: str) -> None:
    with on(kind):
        rows = Run.objects.filter(project="acme/vision")
        with count_requests() as sent:
            found = rows.fields("summary_metrics", exact=True)
        assert all("config" not in request.document.text for request in sent.requests)
        assert {info.path: info.count for info in found if info.path.count(".") == 1 and '"' not in info.path} == {
            f"summary.{key}": sum(key in run["summary"] for run in HOME) for run in HOME for key in run["summary"]
        }
        assert repr(await rows.afields("summary", exact=True)) == repr(found)
        both = rows.fields(exact=True)
        assert [info.path.partition(".")[0] for info in both] == sorted(info.path.partition(".")[0] for info in both)
        # Rows that are there already are not asked for again.
        list(rows)
        with assert_num_requests(0):
            assert repr(rows.fields()) == repr(both)


ODD_VALUES = [1, 1.0, True, math.nan, math.nan, "1", None, [1], [1.0], [True], {"a": 1}, {"a": 1.0}, {"a": [math.nan]}]


async def test_different_values_are_told_apart_as_groups_are() -> None:
    with runs_of([{"config": {"x": value}} for value in ODD_VALUES]) as rows:
        (info, *_) = rows.fields("config")
        assert (info.count, info.distinct) == (len(ODD_VALUES), 9)
        assert info.distinct == len(rows.group_by("config.x"))
        assert await rows.afields("config") == rows.fields("config", exact=True)


def deep(value: Any) -> Any:
    """A value inside more objects than Python may recurse into."""
    for _ in range(1200):
        value = {"a": value}
    return value


def test_different_values_are_counted_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wbmodel.operations.keys.MOST_DISTINCT", 5)
    with runs_of([{"config": {"at": at, "few": at % 5, "one": 1}} for at in range(6)]) as rows:
        assert [info.distinct for info in rows.fields("config")] == [None, 5, 1]
        assert [info.path for info in rows.fields("config", varying=True)] == ["config.at", "config.few"]


def test_what_is_nested_too_deeply_is_not_told_apart() -> None:
    with runs_of([{"config": {"x": 1}}]) as held:
        rows = list(held)
    rows[0].config["x"] = deep(1)
    (info, *_) = keys_in(rows, [Run.__wbmodel_meta__.fields["config"]], fresh=False)
    assert (info.count, info.distinct, info.type) == (1, None, "object")


async def test_keys_that_vary() -> None:
    configs: list[dict[str, Any]] = [
        {"same": 1, "nan": math.nan, "lr": 0.1, "model": {"depth": 2, "act": "relu"}, "null": None},
        {"same": 1.0, "nan": math.nan, "lr": 0.2, "model": {"depth": 3, "act": "relu"}, "null": None, "some": 1},
        {"same": 1, "nan": math.nan, "lr": 0.2, "model": {"depth": 3, "act": "relu"}},
    ]
    with runs_of([{"config": config} for config in configs]) as rows:
        found = rows.fields("config", varying=True)
        assert [info.path for info in found] == [
            *("config.lr", "config.model", "config.model.depth"),
            *("config.null", "config.some"),  # which some runs lack
        ]
        assert set(map(repr, found)) < set(map(repr, rows.fields("config")))
        assert [info.path for info in rows[1:].fields("config", varying=True)] == ["config.null", "config.some"]
        assert [info.path for info in rows[:1].fields("config", varying=True)] == []
        list(rows)
        with assert_num_requests(0):
            assert rows.fields("config", varying=True) == found == await rows.afields("config", varying=True)
    with on("weak"):
        rows = Run.objects.all()
        varying = {info.path for info in rows.fields(varying=True)}
        for info in rows.fields(exact=True):
            assert (info.path in varying) is (len(rows.group_by(info.path)) > 1 or info.count != len(HOME)), info


def test_some_rows() -> None:
    with runs_of(RUNS) as rows:
        assert [info.count for info in rows[1:].fields("summary")] == [1]
        assert rows.none().fields() == []
        assert [info.path for info in rows.filter(config__mixed=1).fields("config")][:2] == ["config.flag", "config.lr"]


def test_other_entities() -> None:
    with on():
        assert [
            (info.path, info.type)
            for info in Artifact.objects.filter(project="acme/vision", collection="images").fields()
        ] == [("metadata.rows", "number")]


def test_fields_without_keys_are_refused() -> None:
    rows = Run.objects.all()
    for call, error, says in (
        (
            lambda: rows.fields("state"),
            FieldError,
            "Run.state has no keys inside it; fields with keys: config, summary",
        ),
        (lambda: rows.fields("summry"), FieldError, "did you mean 'summary'"),
        (lambda: rows.values("id").fields(), QueryError, "must come before values"),
        (lambda: suggest_keys(rows, "confg.lr"), FieldError, "did you mean 'config'"),
    ):
        with pytest.raises(error, match=says), on():
            call()


async def test_did_you_mean() -> None:
    runs = [
        {
            "config": {"optimizer": {"lr": 1, "name": "adam"}, "batch_size": 3},
            "summary": {"eval/acc": 1, "eval/loss": 2},
        }
    ]
    with runs_of(runs) as rows:
        for path, expected in (
            ("config.lr", ["config.optimizer.lr"]),
            ("config.batchsize", ["config.batch_size"]),
            ("config.Batch_Size", ["config.batch_size"]),
            ("summary.eval/los", ["summary.eval/loss"]),
            ("config.optimizer.nam", ["config.optimizer.name"]),
            ("config.optimizer.lr", []),
            ("summary.zzz", []),
            ("state", []),
        ):
            assert suggest_keys(rows, path)[:1] == expected, path
            assert suggest_keys(rows, F(path), 1) == expected
            # The condition that matched nothing does not stand in the way.
            assert await asuggest_keys(rows.filter(state="nothing")[:0], path) == suggest_keys(rows, path)
        with assert_num_requests(0):
            assert suggest_keys(rows, "state") == []


def test_looking_for_a_key_reads_a_few_rows_only() -> None:
    with (
        runs_of([{"config": {"lr": at}} for at in range(300)] + [{"config": {"rare": 1}}]) as rows,
        count_requests() as sent,
    ):
        assert suggest_keys(rows, "config.lrr") == ["config.lr"]
    assert sum(request.variables["first"] for request in sent.requests) == 200
