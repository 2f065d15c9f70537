"""Hypothesis strategies for conditions, orders and slices over the runs of ``tests/support/worlds.py``.

Conditions are the oracle's tuples; :func:`as_q` writes them in the query language.
"""

from __future__ import annotations

import math
import os
from datetime import date, timedelta
from functools import reduce
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.worlds import DAY, START
from wbmodel.query.f import PathExpr
from wbmodel.query.q import Q

__all__ = ["ORDER_KEYS", "as_keys", "as_q", "conditions", "examples", "leaves", "orders", "slices"]

# A number in this variable asks for so many random examples per test instead of the same few each time.
MANY = int(os.environ.get("WBMODEL_EXAMPLES", "0"))


def examples(few: int) -> settings:
    """The settings of a property test that tries ``few`` examples, unless more were asked for."""
    return settings(
        max_examples=MANY or deep(few),
        deadline=None,
        derandomize=not MANY,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


JSON_PATHS: list[tuple[str, ...]] = [
    ("config", "lr"),
    ("config", "optimizer"),
    ("config", "mixed"),
    ("config", "model"),
    ("config", "model", "depth"),
    ("config", "model", "name"),
    ("config", "model", "a.b"),
    ("config", "model.depth"),
    ("config", "dims"),
    ("config", "wrapped"),
    ("config", "wrapped", "value"),
    ("config", "wrapped", "value", "value"),
    ("config", "a b"),
    ("config", "sl/ash"),
    ("config", 'q"uote'),
    ("config", "under__score"),
    ("config", "_lead"),
    ("config", "ключ"),
    ("config", "nowhere"),
    ("summary", "loss"),
    ("summary", "eval/acc"),
    ("summary", "best"),
    ("summary", "eval", "f1"),
    ("summary", "eval", "NaN"),
]
TEXT_PATHS: list[tuple[str, ...]] = [
    ("id",),
    ("name",),
    ("state",),
    ("group",),
    ("job_type",),
    ("notes",),
    ("user",),
    ("sweep",),
]
TIME_PATHS: list[tuple[str, ...]] = [("created_at",), ("heartbeat_at",)]

NUMBERS = st.sampled_from([0, 1, 1.0, 2, 3, 0.2, 0.25, 0.01, 1.5, -1, math.inf, -math.inf, 7, 10**20])
WORDS = st.sampled_from(
    [
        "adam",
        "Adam",
        "sgd",
        "1",
        "",
        "a",
        "finished",
        "crashed",
        "alpha",
        "beta",
        "g1",
        "train",
        "a note\n",
        "a note",
        "vit",
        "ViT",
        "NaN",
        "text",
        "v01",
        "ada",
        "sw1",
        "e",
        "да",
        "gamma-1",
        "x",
    ]
)
JSON_VALUES = NUMBERS | WORDS | st.sampled_from([True, False, None, [1, 2, 3], [], [1, None], {"value": 1}])
PATTERNS = st.sampled_from(["^a", "m$", "[aA]d", "a.*a", r"\d", "", "^$", r"g\d", "(?s)a.n", "B"])
MOMENTS = st.sampled_from([START, START + DAY, START + 5 * DAY, START + timedelta(microseconds=1), START + 30 * DAY])
FLAGS = st.booleans()


def _pairs(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(values, values)


def _leaf(paths: list[tuple[str, ...]], lookups: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.sampled_from(sorted(lookups)).flatmap(
        lambda name: st.tuples(st.just("leaf"), st.sampled_from(paths), st.just(name), lookups[name])
    )


_TEXTUAL = {
    "icontains": WORDS,
    "startswith": WORDS,
    "endswith": WORDS,
    "iexact": WORDS,
    "regex": PATTERNS,
    "iregex": PATTERNS,
}
_ANY = {"isnull": FLAGS, "exists": FLAGS}

leaves: st.SearchStrategy[Any] = st.one_of(
    _leaf(
        JSON_PATHS,
        {
            **_ANY,
            **_TEXTUAL,
            "exact": JSON_VALUES,
            "ne": JSON_VALUES,
            "contains": JSON_VALUES,
            "gt": NUMBERS | WORDS,
            "gte": NUMBERS | WORDS,
            "lt": NUMBERS | WORDS,
            "lte": NUMBERS | WORDS,
            "in": st.lists(JSON_VALUES, max_size=3),
            "nin": st.lists(JSON_VALUES, max_size=3),
            "range": _pairs(NUMBERS) | _pairs(WORDS),
            "isnan": FLAGS,
            "isfinite": FLAGS,
        },
    ),
    _leaf(
        TEXT_PATHS,
        {
            **_ANY,
            **_TEXTUAL,
            "exact": WORDS | st.none(),
            "ne": WORDS | st.none(),
            "contains": WORDS,
            "gt": WORDS,
            "gte": WORDS,
            "lt": WORDS,
            "lte": WORDS,
            "in": st.lists(WORDS | st.none(), max_size=3),
            "nin": st.lists(WORDS | st.none(), max_size=3),
            "range": _pairs(WORDS),
        },
    ),
    _leaf(
        TIME_PATHS,
        {
            **_ANY,
            "exact": MOMENTS | st.none(),
            "ne": MOMENTS,
            "gt": MOMENTS,
            "gte": MOMENTS,
            "lt": MOMENTS,
            "lte": MOMENTS,
            "in": st.lists(MOMENTS, max_size=3),
            "nin": st.lists(MOMENTS | st.none(), max_size=3),
            "range": _pairs(MOMENTS),
            "date": st.sampled_from([date(2021, 4, 1), date(2021, 4, 5), date(2020, 2, 29)]),
            "within": st.sampled_from([timedelta(days=1), timedelta(days=300_000)]),
        },
    ),
    _leaf(
        [("tags",)],
        {
            **_ANY,
            "contains": st.sampled_from(["baseline", "Baseline", "broken", "base", "a.b"]),
            "icontains": WORDS | st.just("BASELINE"),
            "in": st.lists(st.sampled_from(["baseline", "v1", "none"]), max_size=2),
            "nin": st.lists(st.sampled_from(["baseline", "v1", "none"]), max_size=2),
            "exact": st.sampled_from([[], ["baseline"], ["baseline", "v1"], ["v1", "baseline"]]),
            "ne": st.sampled_from([[], ["baseline"]]),
        },
    ),
)

conditions: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.just("and"), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("or"), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("not"), inner),
    ),
    max_leaves=5,
)

ORDER_KEYS: list[tuple[str, ...]] = [
    ("summary", "loss"),
    ("summary", "eval/acc"),
    ("summary", "eval", "f1"),
    ("config", "lr"),
    ("config", "model", "depth"),
    ("config", "model.depth"),
    ("config", "model", "name"),
    ("config", "nowhere"),
    ("name",),
    ("state",),
    ("group",),
    ("created_at",),
    ("heartbeat_at",),
    ("id",),
    ("notes",),
]
"""Keys under which the world holds values of one type only, and no infinities: their order is exact everywhere."""

MIXED_KEYS: list[tuple[str, ...]] = [
    ("config", "mixed"),
    ("config", "dims"),
    ("config", "optimizer"),
    ("summary", "best"),
]


def orders(keys: list[tuple[str, ...]]) -> st.SearchStrategy[Any]:
    """Up to three keys, each once, in both directions."""
    return st.lists(st.tuples(st.sampled_from(keys), st.booleans()), max_size=3, unique_by=lambda item: item[0])


slices = st.tuples(st.integers(0, 12), st.none() | st.integers(0, 20))


def as_q(condition: Any) -> Q:
    """A condition of the oracle's in the query language."""
    kind = condition[0]
    if kind == "not":
        return ~as_q(condition[1])
    if kind == "leaf":
        _, path, lookup, operand = condition
        return PathExpr(path[0], path[1:]).lookup(lookup, operand)
    parts = [as_q(item) for item in condition[1]]
    return reduce(lambda one, other: one & other if kind == "and" else one | other, parts)


def as_keys(keys: list[tuple[tuple[str, ...], bool]]) -> list[PathExpr]:
    """Order keys of the oracle's in the query language."""
    return [PathExpr(path[0], path[1:], descending) for path, descending in keys]
