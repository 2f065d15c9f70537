"""Nested objects become dotted columns, as the engine names them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from wbmodel.engine.streams import flat_row as of_the_engine
from wbmodel.table.batch import ColumnBatch
from wbmodel.table.flat import flat, flat_row

KEYS = st.sampled_from(["a", "b", "_type", "a.b"])
VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["x", [1]]),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3), max_size=5)


@settings(max_examples=deep(100))
@given(ROWS)
def test_rows_are_flat_as_the_engines(rows: list[dict[str, Any]]) -> None:
    assert [dict(flat_row(row)) for row in rows] == [of_the_engine(row) for row in rows]


@settings(max_examples=deep(100))
@given(ROWS)
def test_columns_are_those_of_the_flat_rows(rows: list[dict[str, Any]]) -> None:
    def there(row: Any) -> dict[str, Any]:
        return {key: value for key, value in row.items() if value is not None}

    columns, types = flat(ColumnBatch.of_rows("r", rows).columns)
    made = ColumnBatch("r", columns, len(rows))
    assert list(made.rows()) == [there(flat_row(there(row))) for row in rows]
    assert types == {name: frozenset(map(type, values)) for name, values in columns.items()}


def test_an_object_with_a_type_is_one_value() -> None:
    image = {"_type": "image-file", "path": "a.png"}
    columns, _ = flat({"x": [{"n": {"deep": 1}, "i": image}, None, 3], "y": [1, 2, 3]})
    assert columns == {"x.n.deep": [1, None, None], "x.i": [image, None, None], "x": [None, None, 3], "y": [1, 2, 3]}
