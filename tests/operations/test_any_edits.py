"""Any edits of config, summary and tags: what is read again is what was edited, and nothing else was sent."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.places import on, world
from wbmodel import Add, F, Remove, Run, Unset
from wbmodel.json_values import plain, same
from wbmodel.testing import count_requests

texts = st.text(max_size=5) | st.sampled_from(["NaN", "a.b", "value", "desc", "Infinity", "\ud800", "ключ", "x__y"])
numbers = st.integers() | st.integers(-(2**80), 2**80) | st.floats()
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
keys = texts.filter(lambda key: key not in ("_wandb", "wandb_version"))
dicts = st.dictionaries(keys, values, max_size=4)
tags = st.lists(st.sampled_from(["a", "b", "c", "ключ", ""]), max_size=4)
FEW = settings(max_examples=deep(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def edits(held: dict[str, Any]) -> Any:
    """Changes of a dict: keys that are set anew, keys that go, and keys inside its dicts."""
    gone = st.sets(st.sampled_from(sorted(held)), max_size=2) if held else st.just(set())
    return st.tuples(gone, dicts, st.booleans())


def edit(held: dict[str, Any], change: tuple[set[str], dict[str, Any], bool]) -> None:
    gone, new, deep = change
    for key in gone:
        held.pop(key, None)
    held.update(copy.deepcopy(new))
    if deep:
        for inner in held.values():
            if isinstance(inner, dict):
                inner["deep"] = [1.5, None]
            elif isinstance(inner, list):
                inner.append(len(inner))


def without_texts(value: Any) -> Any:
    """A summary as W&B gives it back: the texts NaN and Infinity are numbers there, at any depth."""
    if isinstance(value, str):
        return {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value, value)
    if isinstance(value, dict):
        return {key: without_texts(item) for key, item in value.items()}
    return [without_texts(item) for item in value] if isinstance(value, list) else value


def held_in(run: Run) -> tuple[Any, Any, list[str]]:
    return plain(run.config, "config"), plain(run.summary, "summary"), list(run.tags)


@pytest.mark.filterwarnings("ignore::wbmodel.errors.ValueWarning")
@FEW
@given(data=st.data(), config=dicts, summary=dicts, first=tags)
def test_edits_are_read_again_and_nothing_else_is_sent(
    data: st.DataObject, config: dict[str, Any], summary: dict[str, Any], first: list[str]
) -> None:
    with on("fixtures"):
        made = Run.objects.create(id="x", config=config, summary=summary, tags=first)
        run = Run.objects.get(id="x")
        assert same(held_in(run)[0], plain(config, "config"), exact=True)
        assert same(held_in(run)[1], without_texts(plain(summary, "summary")), exact=True)
        assert run.tags == list(dict.fromkeys(first))
        assert run.dirty_fields == ()
        assert made == run

        before = copy.deepcopy(held_in(run))
        edit(run.config, data.draw(edits(run.config)))
        edit(run.summary, data.draw(edits(run.summary)))
        run.tags[:] = data.draw(tags)
        wanted = copy.deepcopy(held_in(run))
        # A text that reads as a number is that number in a summary, so to write one for the other is no change.
        differing = {
            name
            for name, differ in (
                ("config", not same(before[0], wanted[0], exact=True)),
                ("summary", not same(before[1], without_texts(wanted[1]), exact=True)),
                ("tags", before[2] != list(dict.fromkeys(wanted[2]))),
            )
            if differ
        }
        assert set(run.dirty_fields) == differing
        with count_requests() as sent:
            assert set(run.save()) == differing
        assert run.dirty_fields == ()
        names = {"config": "config", "summary": "summaryMetrics", "tags": "tags"}
        if differing:
            (request,) = sent.requests
            assert set(request.variables) == {"id", *(names[name] for name in differing)}
            for name in differing & {"config", "summary"}:
                text = request.variables[names[name]]
                assert text.encode()  # what UTF-8 cannot hold is escaped
                assert set(json.loads(text)) == set(wanted[name == "summary"])
        else:
            assert len(sent) == 0

        again = held_in(Run.objects.get(id="x"))
        assert same(again[0], wanted[0], exact=True)
        assert same(again[1], without_texts(wanted[1]), exact=True)
        assert again[2] == list(dict.fromkeys(wanted[2]))
        others = Run.objects.filter(id="r1").get()
        assert others.config == {"lr": 0.1, "model": {"depth": 1}}


@FEW
@given(config=dicts, key=keys, inner=keys, value=values, more=st.sampled_from("abcd"))
def test_update_is_what_a_loop_would_do(config: dict[str, Any], key: str, inner: str, value: Any, more: str) -> None:
    with on("fixtures", world(2)):
        run = Run.objects.create(id="x", config=config, tags=["a", "b"])
        rows = Run.objects.filter(id="x")
        through = config.get(key)
        result = rows.update({F.config[key][inner]: value}, tags=Add(more), errors="return")
        if through is not None and not isinstance(through, dict):
            assert result.counts == {"failed": 1}
            return
        wanted = {**config, key: {**(through or {}), inner: value}}
        run = rows.get()
        assert same(plain(run.config, ""), plain(wanted, ""), exact=True)
        assert run.tags == list(dict.fromkeys(["a", "b", more]))
        assert rows.update({F.config[key][inner]: value}, tags=Add(more)).counts == {"unchanged": 1}
        assert rows.update({F.config[key]: Unset()}, tags=Remove(more)).counts == {"done": 1}
        run = rows.get()
        assert same(
            plain(run.config, ""), plain({name: item for name, item in config.items() if name != key}, ""), exact=True
        )
        assert more not in run.tags
