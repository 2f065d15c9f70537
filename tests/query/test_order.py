"""Order keys, and the one order of all values."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tests.query.test_where import ROWS, RUNS
from wbmodel import F, Project, Run, User
from wbmodel.errors import FieldError
from wbmodel.json_values import ABSENT
from wbmodel.query.order import default_order, has_value, parse_order, sort_key, tie_break
from wbmodel.testing import oracle

META = Run.__wbmodel_meta__

ASCENDING: list[Any] = [
    -math.inf,
    -1,
    0,
    0.5,
    1,
    10**30,
    math.inf,
    "",
    "A",
    "Z",
    "a",
    "b",
    "é",
    False,
    True,
    [1, 2],
    [1],
    [2],
    [],
    {"a": 1},
    {"b": 0},
]
"""Numbers, then text by code point, then booleans, then lists, then objects, both by their JSON text."""
LAST = [math.nan, None, ABSENT]


class Row:
    def __init__(self, value: Any) -> None:
        self.config = {} if value is ABSENT else {"k": value}


@pytest.mark.parametrize("descending", [False, True])
def test_the_canonical_order(descending: bool) -> None:
    key = sort_key((parse_order(META, F.config["k"].desc() if descending else F.config["k"]),))
    rng = random.Random(3)
    for _ in range(20):
        mixed = [*ASCENDING, *LAST]
        rng.shuffle(mixed)
        found = sorted(mixed, key=lambda value: key(Row(value)))
        there, rest = found[: len(ASCENDING)], found[len(ASCENDING) :]
        assert repr(there) == repr(ASCENDING[::-1] if descending else ASCENDING)
        assert not any(map(has_value, rest))


@pytest.mark.parametrize("descending", [False, True])
def test_the_oracle_has_the_same_order(descending: bool) -> None:
    mixed = [*ASCENDING, *LAST]
    random.Random(4).shuffle(mixed)
    rows = [
        {"id": f"{index:02d}", "created_at": 0, "config": {} if value is ABSENT else {"k": value}}
        for index, value in enumerate(mixed)
    ]
    found = oracle.ordered(rows, [(("config", "k"), descending)])
    there, rest = found[: len(ASCENDING)], found[len(ASCENDING) :]
    assert repr([row["config"]["k"] for row in there]) == repr(ASCENDING[::-1] if descending else ASCENDING)
    assert [row["id"] for row in rest] == sorted(row["id"] for row in rest)


def test_several_keys_agree_with_the_oracle() -> None:
    spelled = ["-summary.loss", "config.optimizer", "-config.mixed", "name", "-created_at"]
    paths = [
        (("summary", "loss"), True),
        (("config", "optimizer"), False),
        (("config", "mixed"), True),
        (("name",), False),
        (("created_at",), True),
    ]
    for count in range(1, len(spelled) + 1):
        keys = tuple(parse_order(META, item) for item in spelled[:count])
        found = sorted(ROWS, key=sort_key((*keys, *tie_break(META))))
        assert [row.id for row in found] == [run["id"] for run in oracle.ordered(RUNS, paths[:count])]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spelling", "shown"),
    [
        ("summary.loss", "summary.loss"),
        ("+summary.loss", "summary.loss"),
        ("-summary.loss", "-summary.loss"),
        ("-summary__loss", "-summary.loss"),
        ("createdAt", "created_at"),
        (-F.summary["a.b"], '-summary."a.b"'),
        ('-config."a.b"', '-config."a.b"'),
        ("user.username", "user.username"),
        ("sweep.id", "sweep.id"),
    ],
)
def test_spellings(spelling: Any, shown: str) -> None:
    key = parse_order(META, spelling)
    assert str(key) == shown
    assert str(key.flipped().flipped()) == shown
    assert key.flipped().descending is not key.descending


@pytest.mark.parametrize(
    ("spelling", "says"),
    [
        ("?", "random order"),
        ("config", r"name a key, as in config\.lr"),
        ("-summary", "name a key"),
        ("tags", "has no order"),
        ("sweep", "order by one of its fields"),
        ("los", "Run has no field 'los'"),
        ("summry.loss", "did you mean 'summary'"),
        ("--created_at", "has a sign"),
        ("", "empty part"),
        (3, "not 3"),
        (None, "order key is text"),
    ],
)
def test_bad_keys(spelling: Any, says: str) -> None:
    with pytest.raises(FieldError, match=says):
        parse_order(META, spelling)


def test_defaults() -> None:
    assert [str(key) for key in default_order(META)] == ["-created_at"]
    assert [str(key) for key in tie_break(META)] == ["-created_at", "id"]
    assert [str(key) for key in tie_break(Project.__wbmodel_meta__)] == ["-created_at", "name"]
    assert [str(key) for key in tie_break(User.__wbmodel_meta__)] == ["username"]
