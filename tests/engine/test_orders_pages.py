"""Orders against an oracle, and pages: every row once, whatever the order, also while rows come and go."""

from __future__ import annotations

import base64
import json
import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.engine_world import RUNS, START, Asker, make_world
from wbmodel.engine import Dialect, MemoryStore
from wbmodel.engine.dialect import TYPES, ValueType
from wbmodel.engine.fields import known_fields
from wbmodel.engine.orders import Order


def filled(values: list[Any], dates: list[int] | None = None) -> MemoryStore:
    store = MemoryStore()
    store.viewer = store.add_user("acme")
    project = store.add_project("acme", "vision")
    for index, value in enumerate(values):
        created = START + timedelta(minutes=dates[index] if dates else index)
        config = {} if value is ... else {"k": value, "a": {"b,c": {"d.e": value}}}
        store.add_run(project, f"r{index:03d}", config=config, created_at=created, group=str(index % 2))
    return store


MIXED = [2, "b", True, None, [1], math.nan, "a", 1.5, {"z": 1}, ..., False, "", -3, "B", math.inf, 2**70, [0, 5], "é"]


def test_the_order_of_mixed_values() -> None:
    ask = Asker(filled(MIXED))
    ascending = [-3, 1.5, 2, 2**70, math.inf, "", "B", "a", "b", "é", False, True, [0, 5], [1], {"z": 1}]
    nulls = [MIXED.index(item) for item in (..., None)] + [5]
    for path in ("config.k", "config.k.value", r"config.a.b\,c.d\.e", r"config.a.value.b\,c.d\.e"):
        for sign, values in (("+", ascending), ("", ascending), ("-", list(reversed(ascending)))):
            got = [int(name[1:]) for name in ask.names(order=sign + path)]
            assert [MIXED[index] for index in got[:-3]] == values
            assert got[-3:] == sorted(nulls, reverse=True), "rows without a value come last, newest first"


def test_ties_are_newest_first_then_by_name() -> None:
    ask = Asker(filled([1, 1, 1, 2, 1], dates=[0, 5, 5, 1, 9]))
    assert ask.names(order="+config.k") == ["r004", "r001", "r002", "r000", "r003"]
    assert ask.names(order="-config.k") == ["r003", "r004", "r001", "r002", "r000"]
    assert ask.names() == ask.names(order="-created_at") == ["r004", "r001", "r002", "r003", "r000"]
    assert ask.names(order="+created_at") == ["r000", "r003", "r001", "r002", "r004"]
    assert ask.names(order="+group,-config.k") == ["r004", "r002", "r000", "r003", "r001"]


def test_every_known_field_orders(ask: Asker) -> None:
    for name in known_fields("Run"):
        assert len(ask.names(order="-" + name.replace("<key>", "k"))) == 4


def test_unknown_order_keys_are_named(ask: Asker) -> None:
    message = ask.error(
        'query { project(name: "vision", entityName: "acme") { runs(order: "-creatd_at") { edges { cursor } } } }'
    )
    assert "'creatd_at'" in message
    assert "did you mean 'created_at'" in message


def walk(ask: Asker, order: str | None, first: int, filters: Any = None) -> list[str]:
    names: list[str] = []
    after = None
    while True:
        page = ask(RUNS, order=order, first=first, after=after, filters=filters)["project"]["runs"]
        assert len(page["edges"]) <= first
        names += [edge["node"]["name"] for edge in page["edges"]]
        if page["edges"]:
            assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return names
        after = page["pageInfo"]["endCursor"]
        assert after is not None


VALUE = st.one_of(
    st.none(),
    st.just(...),
    st.booleans(),
    st.integers(-2, 2),
    st.floats(allow_nan=True),
    st.text(max_size=2),
    st.lists(st.integers(0, 2), max_size=2),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 2), max_size=2),
)
DIALECTS = [
    Dialect(),
    Dialect(types=("list", "text", "object", "bool", "number")),
    Dialect(types=("bool", "object", "number", "list", "text"), nan="text"),
    Dialect(nulls="first"),
    Dialect(ties="arbitrary", seed=4),
    Dialect(nan="text", nulls="first", multi_order=False),
    Dialect.hostile(2),
]


@settings(max_examples=deep(60), deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(VALUE, st.integers(0, 3)), max_size=12),
    st.sampled_from(
        [None, "-created_at", "+created_at", "+config.k", "-config.k", "+group,-config.k", "-config.k,+name"]
    ),
    st.integers(1, 5),
    st.sampled_from(DIALECTS),
)
def test_pages_hold_every_row_once_and_in_order(
    rows: list[tuple[Any, int]], order: str | None, first: int, dialect: Dialect
) -> None:
    store = filled([value for value, _ in rows], [date for _, date in rows])
    whole = walk(Asker(store, Dialect(**{**_switches(dialect), "max_page": 1000})), order, 1000)
    assert sorted(whole) == [f"r{index:03d}" for index in range(len(rows))]
    assert walk(Asker(store, dialect), order, first) == whole


def _switches(dialect: Dialect) -> dict[str, Any]:
    import attrs

    return {name: getattr(dialect, name) for name in attrs.fields_dict(Dialect)}


@settings(max_examples=deep(60), deadline=None, derandomize=True)
@given(st.lists(VALUE, max_size=12), st.permutations(TYPES), st.booleans())
def test_types_in_every_order(values: list[Any], types: list[ValueType], descending: bool) -> None:
    """Rows of one type stand as in the documented order, and the types as the dialect says."""
    ask, order = Asker(filled(values), Dialect(types=tuple(types))), ("-" if descending else "+") + "config.k"
    plain = [int(name[1:]) for name in Asker(filled(values)).names(order=order)]
    kinds = {int: "number", float: "number", str: "text", bool: "bool", list: "list", dict: "object"}
    lacks = [value is ... or value is None or value != value for value in values]
    expected = [
        index
        for kind in (reversed(types) if descending else types)
        for index in plain
        if not lacks[index] and kinds[type(values[index])] == kind
    ]
    expected += [index for index in plain if lacks[index]]
    assert [int(name[1:]) for name in ask.names(order=order)] == expected


@settings(max_examples=deep(60), deadline=None, derandomize=True)
@given(
    st.lists(st.one_of(st.integers(-2, 2), st.text("ab", max_size=2), st.none(), st.booleans()), max_size=10),
    st.booleans(),
)
def test_one_key_against_a_plain_oracle(values: list[Any], descending: bool) -> None:
    def rank(value: Any) -> tuple[int, Any]:
        return (2, value) if isinstance(value, bool) else (1, value) if isinstance(value, str) else (0, value)

    there = sorted(((rank(v), -i) for i, v in enumerate(values) if v is not None), key=lambda pair: (pair[0], pair[1]))
    groups: dict[tuple[int, Any], list[int]] = {}
    for key, index in there:
        groups.setdefault(key, []).append(-index)
    keys = sorted(groups, reverse=descending)
    expected = [i for key in keys for i in sorted(groups[key], reverse=True)]
    expected += sorted((i for i, v in enumerate(values) if v is None), reverse=True)
    got = [int(name[1:]) for name in Asker(filled(values)).names(order=("-" if descending else "+") + "config.k")]
    assert got == expected


@pytest.mark.parametrize("order", [None, "-created_at", "+created_at", "-config.k", "+config.k", "+group,-config.k"])
def test_pages_are_stable_while_rows_come_and_go(order: str | None) -> None:
    store = filled([index % 5 for index in range(20)])
    project = store.project("acme", "vision")
    assert project is not None
    ask = Asker(store)
    whole = ask.names(order=order)
    seen: list[str] = []
    after: str | None = None
    deleted: set[str] = set()
    for turn in range(100):
        page = ask(RUNS, order=order, first=3, after=after)["project"]["runs"]
        names = [edge["node"]["name"] for edge in page["edges"]]
        seen += names
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        # The row that the cursor stands on goes, and new rows come at either end and in the middle.
        gone = store.run(project, names[-1])
        assert gone is not None
        store.delete(gone.id)
        deleted.add(names[-1])
        store.add_run(
            project, f"new{turn}", config={"k": turn % 5}, group="0", created_at=START + timedelta(days=1, minutes=turn)
        )
        store.add_run(
            project, f"old{turn}", config={"k": turn % 5}, group="1", created_at=START - timedelta(days=1, minutes=turn)
        )
    assert len(seen) == len(set(seen)), "no row comes twice"
    assert [name for name in seen if name.startswith("r")] == whole, "no row is lost, and the order is kept"


def test_a_row_that_moved_is_not_where_the_cursor_goes_on() -> None:
    store = filled([0, 1, 2, 3])
    project = store.project("acme", "vision")
    assert project is not None
    ask = Asker(store)
    page = ask(RUNS, order="+config.k", first=2)["project"]["runs"]
    moved = store.run(project, "r001")
    assert moved is not None
    store.update(moved.id, config={"k": 9})
    rest = ask(RUNS, order="+config.k", first=9, after=page["pageInfo"]["endCursor"])["project"]["runs"]
    assert [edge["node"]["name"] for edge in rest["edges"]] == ["r002", "r003", "r001"]


def test_first(ask: Asker) -> None:
    assert len(ask.names(first=0)) == 0
    page = ask(RUNS, first=0)["project"]["runs"]
    assert page["pageInfo"] == {"endCursor": None, "hasNextPage": True}
    response = ask.send(RUNS, first=-1)
    assert "first must not be negative" in response.errors[0]["message"]
    many = filled([0] * 120)
    assert len(Asker(many)(RUNS)["project"]["runs"]["edges"]) == 50
    assert len(Asker(many, Dialect(max_page=70)).names()) == 70


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "é",
        "bm90anNvbg==",
        *(
            base64.urlsafe_b64encode(json.dumps(value).encode()).decode()
            for value in (
                [],
                {},
                [0],
                [0, [1, "a"]],
                [0, [1]],
                [0, ["x", "r"]],
                [0, [1, "r"], [1, "r"]],
                ["0", [1, "r"]],
            )
        ),
    ],
)
def test_what_is_no_cursor_is_an_error(ask: Asker, cursor: str) -> None:
    response = ask.send(RUNS, after=cursor)
    assert any("cursor" in error["message"] for error in response.errors)


@pytest.mark.parametrize(
    "rank", [[5, "a"], [-1, "a"], [1.0, "a"], [True, "a"], ["1", "a"], [0, "a"], [0, math.nan], [3, 1], [1], 1, "a", {}]
)
def test_a_cursor_whose_rank_no_value_has_is_an_error(rank: Any) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps([0, rank, [1, "r"]]).encode()).decode()
    response = Asker(filled([1])).send(RUNS, order="+config.k", after=cursor)
    assert "after is not a cursor" in response.errors[0]["message"]


def test_cursors_belong_to_their_order(ask: Asker) -> None:
    cursor = ask(RUNS, order="+name", first=1)["project"]["runs"]["pageInfo"]["endCursor"]
    response = ask.send(RUNS, order="-name", after=cursor)
    assert "another order" in response.errors[0]["message"]


def test_reading_in_pages_filters_and_sorts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(list(range(50)))
    listed: list[int] = []
    original = Order.sort
    monkeypatch.setattr(Order, "sort", lambda self, rows: listed.append(1) or original(self, rows))
    ask = Asker(store)
    assert len(walk(ask, "-config.k", 5, '{"config.k": {"$gte": 0}}')) == 50
    assert len(listed) == 1
    project = store.project("acme", "vision")
    assert project is not None
    store.add_run(project, "one-more", config={"k": 99})
    assert ask.names('{"config.k": {"$gte": 0}}', "-config.k")[0] == "one-more"
    assert len(listed) == 2


def test_other_connections_page_too() -> None:
    store = make_world()
    project = store.project("acme", "vision")
    assert project is not None
    run = store.run(project, "r1")
    assert run is not None
    for index in range(7):
        store.add_sweep(project, f"s{index}")
        store.add_view(project, f"v{index}")
        store.add_file(run, f"f{index}", b"x")
        store.add_version(
            store.add_collection(project, f"c{index}", type=f"type{index}"), aliases=[f"a{index}"], logged_by=run
        )
        store.add_project("acme", f"p{index}")
    ask = Asker(store)
    for inner in (
        "sweeps(first: 3, after: $c)",
        "allViews(first: 3, after: $c)",
        "artifactTypes(first: 3, after: $c)",
        "artifactCollections(first: 3, after: $c)",
        "entity { projects(first: 3, after: $c) { ...E } }",
        'run(name: "r1") { files(first: 3, after: $c) { ...E } }',
        'run(name: "r1") { outputArtifacts(first: 3, after: $c) { ...E } }',
        'run(name: "r1") { logLines(first: 3, after: $c) { ...E } }',
    ):
        selected = inner.replace("...E", EDGES) if "...E" in inner else f"{inner} {{ {EDGES} }}"
        document = f'query($c: String) {{ project(name: "vision", entityName: "acme") {{ {selected} }} }}'
        seen: list[str] = []
        after = None
        for _ in range(20):
            found = ask(document, c=after)["project"]
            while "edges" not in found:
                found = next(iter(found.values()))
            assert len(found["edges"]) <= 3
            seen += [edge["cursor"] for edge in found["edges"]]
            after = found["pageInfo"]["endCursor"]
            if not found["pageInfo"]["hasNextPage"]:
                break
        assert len(seen) == len(set(seen))
        assert len(seen) >= 5, inner


EDGES = "edges { cursor } pageInfo { endCursor hasNextPage }"
