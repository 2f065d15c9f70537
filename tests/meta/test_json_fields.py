"""Each codec reads back what it wrote, and takes what it read for unchanged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wbmodel.json_values import same
from wbmodel.meta import Kind
from wbmodel.meta.json_fields import HOUSEKEEPING

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "NaN", "Infinity", "é", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["value", "desc", "a"]), inner),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["lr", "value", "a.b", ""]), VALUES, max_size=4)
WRITTEN = [Kind.CONFIG, Kind.SUMMARY, Kind.JSON]


@pytest.mark.filterwarnings("ignore::wbmodel.errors.ValueWarning")
@pytest.mark.parametrize("kind", WRITTEN)
@given(before=DOCUMENTS, value=DOCUMENTS)
def test_what_is_written_is_read_again(kind: Kind, before: dict[str, Any], value: dict[str, Any]) -> None:
    for kept in (None, json.dumps(before), json.dumps({**before, "_wandb": {"value": {"t": 1}}})):
        made = kind.codec.encode(value, kept, "it")
        assert not kind.codec.changed(made, value, "it")
        found = kind.codec.decode(made)
        assert not kind.codec.changed(made, found, "it")
        assert same(found, value, exact=True) or kind is Kind.SUMMARY  # where the text "NaN" is read as a number


@given(before=DOCUMENTS, value=DOCUMENTS)
def test_the_own_part_of_wandb_is_kept(before: dict[str, Any], value: dict[str, Any]) -> None:
    kept = {**before, **{key: {"value": {"t": 1}} for key in HOUSEKEEPING}}
    made = json.loads(Kind.CONFIG.codec.encode(value, json.dumps(kept), "it"))
    assert {key: made[key] for key in HOUSEKEEPING} == {key: kept[key] for key in HOUSEKEEPING}


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.TEXTS, *WRITTEN, Kind.YAML])
def test_unequal_types_are_changes(kind: Kind) -> None:
    pairs: dict[Kind, tuple[Any, Any]] = {Kind.TEXT: ("a", "b"), Kind.TEXTS: (["a"], ["a", "b"])}
    one, other = pairs.get(kind, ({"x": 1}, {"x": 1.0}))
    kept = kind.codec.encode(one, None, "it")
    assert not kind.codec.changed(kept, one, "it")
    assert kind.codec.changed(kept, other, "it")
