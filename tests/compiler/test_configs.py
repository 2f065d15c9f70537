"""A config is read in one pass where every value is wrapped, and comes out as the slower way would have it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wbmodel.codec import loads
from wbmodel.meta.json_fields import Config, unwrap_config

read = Config().decode
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
WRAPPED = st.fixed_dictionaries({"value": VALUES}, optional={"desc": st.none() | st.text(max_size=3), "x": VALUES})
KEYS = st.text(max_size=6) | st.sampled_from(["_wandb", "wandb_version", "value"])


@given(st.dictionaries(KEYS, WRAPPED, max_size=5) | st.dictionaries(KEYS, WRAPPED | VALUES, max_size=5) | VALUES)
def test_both_ways_agree(config):
    text = json.dumps(config)
    if config is None or isinstance(config, dict):
        assert read(text) == unwrap_config(loads(text))
    else:
        with pytest.raises(ValueError, match="it is (a |text)"):
            read(text)


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ('{"seed": {"value": 123456789012345678901234567890}}', {"seed": 123456789012345678901234567890}),
        (
            '{"a": {"value": Infinity}, "b": {"desc": null, "value": -Infinity}}',
            {"a": float("inf"), "b": float("-inf")},
        ),
        ('{"a": {"value": "\\ud800"}}', {"a": "\ud800"}),
        ('{"a": {"desc": null}, "b": 1}', {"a": {"desc": None}, "b": 1}),
        ('{"_wandb": {"value": {"t": 1}}, "wandb_version": 1, "a": {"value": 1}}', {"a": 1}),
        ("null", {}),
        ("", {}),
        (None, {}),
    ],
)
def test_odd_texts(text, config):
    assert read(text) == config


def test_a_number_that_does_not_fit_is_not_infinity():
    with pytest.raises(ValueError, match="the number 1e400 does not fit a float"):
        read('{"a": {"value": 1e400}}')
