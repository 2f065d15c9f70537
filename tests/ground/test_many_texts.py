"""Many JSON texts at once: each is decoded as alone, and a damaged one costs itself only."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wbmodel.codec import loads, loads_all, loads_numbers

TEXTS = st.sampled_from(
    [
        *('{"a": 1}', '{"a": NaN}', '{"a": "NaN"}', '{"NaN": ["-Infinity", "Infinity"]}', "[]", "1", "null", '"NaN"'),
        *(
            "",
            "{",
            '{"a": 1',
            '"b": 2}',
            "1,2",
            "1],[2",
            '"abc',
            'def"',
            "1e999",
            "nan",
            '"\\ud800"',
            "18446744073709551617",
        ),
        "[" * 5000 + "]" * 5000,
    ]
)


def alone(text: str, decode: Any) -> Any:
    try:
        return decode(text)
    except ValueError as error:
        return str(error)


@given(st.lists(TEXTS | st.text(max_size=4), max_size=6), st.booleans())
def test_each_text_is_decoded_as_alone(texts: list[str], tokens: bool) -> None:
    values, damaged = loads_all(texts, tokens=tokens)
    errors = {at: str(error) for at, error in damaged}
    assert len(errors) == len(damaged)
    assert all(values[at] is None for at in errors)
    made = [errors.get(at, value) for at, value in enumerate(values)]
    assert list(map(repr, made)) == [repr(alone(text, loads_numbers if tokens else loads)) for text in texts]


def test_the_index_of_a_damaged_text_is_given() -> None:
    values, damaged = loads_all(['{"a": "NaN"}', "{", '{"a": NaN}', "}"], tokens=True)
    assert [at for at, _ in damaged] == [1, 3]
    assert math.isnan(values[0]["a"])
    assert math.isnan(values[2]["a"])
    assert values[1] is values[3] is None
