"""Keys that nobody has, words outside an enumeration, and names of other libraries: said, with the way out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.places import on, world
from wbmodel import Artifact, Count, F, Max, Mean, Q, Run, Sweep
from wbmodel.errors import ChoiceWarning, FieldError, FieldNotLoaded, KeyWarning, QueryError
from wbmodel.session.current import current_session
from wbmodel.testing import assert_num_requests


@pytest.fixture(params=["fixtures", "live"], autouse=True)
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    with on(request.param, world(4)):
        yield request.param


@pytest.mark.parametrize(
    ("ask", "key", "near"),
    [
        (lambda rows: rows.order_by("summary.losss")[0], "summary.losss", "summary.loss"),
        (lambda rows: list(rows.order_by("-config.lrr")), "config.lrr", "config.lr"),
        (lambda rows: rows.order_by("config.depth").first(), "config.depth", "config.model.depth"),
        (lambda rows: rows.best("summary.losss", goal="min"), "summary.losss", "summary.loss"),
        (lambda rows: list(rows.group_by("config.lrr").annotate(n=Count())), "config.lrr", "config.lr"),
        (lambda rows: rows.aggregate(m=Mean("summary.losss")), "summary.losss", "summary.loss"),
        (lambda rows: list(rows.group_by("group").annotate(m=Max("summary.los"))), "summary.los", "summary.loss"),
    ],
)
@pytest.mark.parametrize("condition", [{}, {"state": "finished"}])
def test_a_key_that_no_row_has_is_named_with_the_nearest(ask: Any, key: str, near: str, condition: Any) -> None:
    with pytest.warns(KeyWarning, match=f"{key}; did you mean {near}"):
        ask(Run.objects.filter(**condition))


def test_a_key_like_no_other_is_named_too_and_a_key_that_is_there_says_nothing() -> None:
    with pytest.warns(KeyWarning, match=r"summary\.zzzz$"):
        list(Run.objects.order_by("summary.zzzz"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", KeyWarning)
        run = Run.objects.get(id="r0")
        run.summary["rare"] = None
        run.save()
        list(Run.objects.order_by("summary.loss"))
        list(Run.objects.order_by("config.model.depth", "summary.zzzz"))
        list(Run.objects.group_by("summary.rare"))
        list(Run.objects.filter(id="nobody").order_by("summary.zzzz"))


@pytest.mark.parametrize(
    ("cls", "lookups", "words"),
    [
        (Run, {"state": "finishd"}, "did you mean 'finished'"),
        (Run, {"state": "Crashed"}, "did you mean 'crashed'"),
        (Run, {"state": "crashed,failed"}, r"write state__in=\['crashed', 'failed'\]"),
        (Run, {"state__ne": "kiled"}, "did you mean 'killed'"),
        (Run, {"state__in": ["running", "runing"]}, "did you mean 'running'"),
        (Sweep, {"state": "running"}, "did you mean 'RUNNING'"),
        (Artifact, {"state": "commited"}, "did you mean 'COMMITTED'"),
    ],
)
def test_a_word_outside_an_enumeration_warns_and_is_asked_for(cls: Any, lookups: Any, words: str) -> None:
    with assert_num_requests(0), pytest.warns(ChoiceWarning, match=words):
        rows = cls.objects.filter(**lookups)
    if cls is Run:
        expected = 4 if "state__ne" in lookups else 0
        assert rows.count() == expected
    with assert_num_requests(0), pytest.warns(ChoiceWarning, match=words):
        cls.objects.exclude(**lookups)


@pytest.mark.filterwarnings("ignore::wbmodel.errors.ChoiceWarning")
def test_a_state_of_the_servers_own_is_found() -> None:
    run = Run.objects.create(state="running")
    document = 'mutation S($id: ID!) { updateRunState(input: {id: $id, state: "resting"}) { success } }'
    current_session().execute(document, {"id": run.node_id})
    assert Run.objects.filter(state="resting").count() == 1
    assert Run.objects.exclude(state="resting").count() == 4


@pytest.mark.parametrize("name", ["lr", "loss"])
def test_a_bare_key_suggests_where_keys_are(name: str) -> None:
    for ask in (lambda: Run.objects.filter(**{f"{name}__lt": 0.3}), lambda: Run.objects.order_by(name)):
        with pytest.raises(FieldError, match=f"did you mean the key 'config.{name}' or 'summary.{name}'") as caught:
            ask()
        assert len(str(caught.value)) < 120


def test_names_of_other_libraries_say_what_to_write() -> None:
    rows = Run.objects.all()
    with pytest.raises(QueryError, match="goal='min'"):
        rows.best("summary.loss")
    with pytest.raises(QueryError, match="group_by"):
        Count("state", distinct=True)
    with pytest.raises(QueryError, match=r"list\(rows\)\[-1\]"):
        rows[1:3].last()
    with pytest.raises(AttributeError, match="_runtime"):
        _ = rows[0].runtime
    assert sorted(rows.in_bulk(field_name="id")) == ["r0", "r1", "r2", "r3"]
    assert {"config", "summary", "state"} <= set(dir(F))


def test_exclusive_or_is_one_of_the_two() -> None:
    one, other = Q(group="even"), Q(config__lr__lt=0.15)
    assert {run.id for run in Run.objects.filter(one ^ other)} == {"r1", "r2"}
    assert (one ^ Q()) == one == (Q() ^ one)
    with pytest.raises(TypeError):
        _ = one ^ 5  # type: ignore[operator]


def test_also_loads_a_field_and_keeps_the_rest() -> None:
    with pytest.raises(FieldNotLoaded, match=r"also\('commit'\)"):
        _ = Run.objects.get(id="r1").commit
    run = Run.objects.also("commit").get(id="r1")
    assert (run.commit, run.config["lr"], run.name) == (None, 0.1, "run 1")
    only = Run.objects.only("state").also("name", "commit").defer("commit").also("commit").get(id="r1")
    assert {"state", "name", "commit"} <= set(only.loaded_fields())
    assert "config" not in only.loaded_fields()
    with pytest.raises(FieldNotLoaded, match=r"also\('config'\)"):
        _ = only.config
