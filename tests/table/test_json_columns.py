"""Texts are read into columns with the same values as one by one, whichever way is quicker."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.plain_world import runs_of
from wbmodel.json_values import ABSENT
from wbmodel.meta import Kind
from wbmodel.operations.cells import LAYOUTS
from wbmodel.table import json_columns as texts

pl = pytest.importorskip("polars")

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.sampled_from(["", "a", "NaN", "Infinity", 'q"', "\ud800"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["value", "desc", "a", "b.c"]), inner, max_size=3)
    ),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(["a", "b", "b.c", "_wandb", 'q"', "é", "", "x\n", "value"]), VALUES, max_size=5
)


@settings(max_examples=deep(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(DOCUMENTS, DOCUMENTS), max_size=6), st.integers(1, 3), st.booleans())
def test_columns_and_entities_agree(pairs: list[tuple[Any, Any]], chunk: int, wrap: bool) -> None:
    before, texts.CHUNK = texts.CHUNK, chunk
    try:
        for kind, side in ((Kind.CONFIG, 0), (Kind.SUMMARY, 1)):
            documents = [pair[side] for pair in pairs]
            if kind is Kind.CONFIG and wrap:
                documents = [{key: {"desc": None, "value": value} for key, value in item.items()} for item in documents]
            written: list[str | None] = [json.dumps(item) for item in documents] + [None, "", "null"]
            expected = [kind.codec.decode(text) for text in written]
            columns = texts.columns_of_texts(LAYOUTS[kind], written)
            assert set(columns) == {key for item in expected for key in item}
            for key, column in columns.items():
                assert repr(list(column.values)) == repr([item.get(key) for item in expected])
                assert column.classes >= set(map(type, column.values))
            keys = [key for key in ("a", "b", "_wandb", "b.c", "value", "nowhere") if texts.is_plain(key)]
            for key, column in zip(keys, texts.some_of_texts(LAYOUTS[kind], keys, written), strict=True):
                assert repr(column) == repr([item.get(key, ABSENT) for item in expected])
    finally:
        texts.CHUNK = before


def test_many_rows_of_several_layouts() -> None:
    draw = random.Random(7)
    runs = []
    for at in range(450):
        keys = draw.sample(["a", "b", "c", "d", "e"], draw.randint(3, 5)) if at > 150 else ["a", "b"]
        runs.append({"summary": {key: at if key == "b" else at / 7 for key in keys}})
    with runs_of(runs) as rows:
        frame = rows.to_polars()
        assert (frame.schema["summary.a"], frame.schema["summary.b"]) == (pl.Float64, pl.Int64)
        for key in "abcde":
            assert frame[f"summary.{key}"].to_list() == [run["summary"].get(key) for run in runs]
        assert rows.values("summary.e").to_polars()["summary.e"].to_list() == [run["summary"].get("e") for run in runs]
