"""Random querysets give what a plain-Python oracle gives, whatever the server does and however little it promises."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.backends import KINDS, SERVERS, served
from tests.support.strategies import MIXED_KEYS, ORDER_KEYS, as_keys, as_q, conditions, examples, leaves, orders, slices
from tests.support.worlds import make_world
from wbmodel import Count, Run
from wbmodel.engine.execute import Engine
from wbmodel.errors import OrderWarning, QueryWarning
from wbmodel.query.f import PathExpr
from wbmodel.session.session import Session
from wbmodel.testing import oracle

EXAMPLES = examples(25)
# A server that looks into lists for null, as MongoDB does, cannot be asked whether a key lacks a value when lists hold
# nulls; that case has a test of its own.
HOMES = {kind: make_world(null_in_lists=dialect.arrays == "opaque") for kind, (_, dialect, _) in KINDS.items()}


def home(kind: str) -> list[dict[str, Any]]:
    return HOMES[kind].of("acme/vision")


ALWAYS: Any = ("and", [])


@pytest.fixture(scope="module")
def sessions() -> Iterator[dict[str, Session]]:
    with ExitStack() as stack:
        yield {kind: stack.enter_context(served(HOMES[kind].store(), kind)) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@EXAMPLES
@given(condition=leaves)
def test_every_lookup(sessions: dict[str, Session], kind: str, condition: Any) -> None:
    rows = Run.objects.using(sessions[kind]).filter(as_q(condition))
    assert [run.id for run in rows] == oracle.answer(home(kind), condition)


@pytest.mark.parametrize("kind", KINDS)
@EXAMPLES
@given(condition=conditions, keys=orders(ORDER_KEYS), cut=slices, negate=st.booleans())
def test_condition_order_slice(
    sessions: dict[str, Session], kind: str, condition: Any, keys: Any, cut: Any, negate: bool
) -> None:
    rows = Run.objects.using(sessions[kind])
    rows = rows.exclude(as_q(condition)) if negate else rows.filter(as_q(condition))
    rows = rows.order_by(*as_keys(keys))
    expected = oracle.answer(home(kind), ("not", condition) if negate else condition, keys)
    assert [run.id for run in rows[cut[0] : cut[1]]] == expected[cut[0] : cut[1]]
    assert rows.count() == len(expected)
    assert rows.exists() is bool(expected)


@pytest.fixture(scope="module")
def others() -> Iterator[dict[str, Session]]:
    """Sessions to servers that lack, ignore or shift things, behind a backend that reads ahead."""
    with ExitStack() as stack:
        yield {
            kind: stack.enter_context(served(make_world().store(), "hostile1", dialect=dialect))
            for kind, (dialect, engine) in SERVERS.items()
            if engine is Engine
        }


@pytest.mark.parametrize("kind", [kind for kind, (_, engine) in SERVERS.items() if engine is Engine])
@EXAMPLES
@given(condition=conditions, keys=orders(ORDER_KEYS), cut=slices)
def test_parts_of_rows_from_servers_that_lack_things(
    others: dict[str, Session], kind: str, condition: Any, keys: Any, cut: Any
) -> None:
    home = make_world().of("acme/vision")
    rows = Run.objects.using(others[kind]).filter(as_q(condition)).order_by(*as_keys(keys))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QueryWarning)  # what it refuses or ignores is said once
        found = list(rows.values("id", "config.optimizer", "summary.loss")[cut[0] : cut[1]])
        counted = {row["state"]: row["n"] for row in rows.order_by().group_by("state").annotate(n=Count())}
    expected = oracle.answer(home, condition, keys)
    by_id = {run["id"]: run for run in home}
    assert [row["id"] for row in found] == expected[cut[0] : cut[1]]
    for row in found:
        run = by_id[row["id"]]
        assert repr(row["config.optimizer"]) == repr(run["config"].get("optimizer"))
        assert repr(row["summary.loss"]) == repr(run["summary"].get("loss"))
    assert sum(counted.values()) == len(expected)
    assert all(sum(by_id[name]["state"] == state for name in expected) == n for state, n in counted.items())


@pytest.mark.parametrize("kind", ["full", "weak"])
@EXAMPLES
@given(keys=orders(ORDER_KEYS + MIXED_KEYS), cut=slices)
def test_order_of_mixed_types(sessions: dict[str, Session], kind: str, keys: Any, cut: Any) -> None:
    """Several types and infinities under one key: exact wherever the server keeps types and NaN apart."""
    rows = Run.objects.using(sessions[kind]).order_by(*as_keys(keys))[cut[0] : cut[1]]
    assert [run.id for run in rows] == oracle.answer(home(kind), ALWAYS, keys)[cut[0] : cut[1]]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("full", "weak")])
@EXAMPLES
@given(condition=conditions, keys=orders(MIXED_KEYS + ORDER_KEYS))
def test_order_loses_no_row(sessions: dict[str, Session], kind: str, condition: Any, keys: Any) -> None:
    """Where the server orders mixed types in its own way the order is best effort, but no row is lost or repeated."""
    rows = Run.objects.using(sessions[kind]).filter(as_q(condition)).order_by(*as_keys(keys))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OrderWarning)
        found = [run.id for run in rows]
    assert sorted(found) == sorted(oracle.answer(home(kind), condition))


@pytest.mark.parametrize("kind", KINDS)
@EXAMPLES
@given(
    condition=conditions,
    keys=orders(ORDER_KEYS),
    paths=st.lists(st.sampled_from(ORDER_KEYS), min_size=1, max_size=3, unique=True),
)
def test_values(sessions: dict[str, Session], kind: str, condition: Any, keys: Any, paths: Any) -> None:
    spelled = [PathExpr(path[0], path[1:]) for path in paths]
    rows = Run.objects.using(sessions[kind]).filter(as_q(condition)).order_by(*as_keys(keys)).values_list(*spelled)
    expected = oracle.ordered([run for run in home(kind) if oracle.matches(run, condition)], keys)
    cells = [
        tuple(None if (cell := oracle.look(run, path)) is oracle.ABSENT else cell for path in paths) for run in expected
    ]
    assert repr(list(rows)) == repr([tuple(row) for row in cells])


@pytest.mark.parametrize("kind", ["weak", "hostile1"])
@EXAMPLES
@given(condition=conditions, keys=orders(ORDER_KEYS), cut=slices)
async def test_the_other_colour(sessions: dict[str, Session], kind: str, condition: Any, keys: Any, cut: Any) -> None:
    rows = Run.objects.using(sessions[kind]).filter(as_q(condition)).order_by(*as_keys(keys))
    expected = oracle.answer(home(kind), condition, keys)
    assert [run.id async for run in rows[cut[0] : cut[1]]] == expected[cut[0] : cut[1]]
    assert await rows.acount() == len(expected)


@pytest.mark.parametrize("kind", ["mongo", "hostile2"])
@EXAMPLES
@given(keys=orders(MIXED_KEYS))
def test_order_loses_no_row_with_nulls_in_lists(kind: str, keys: Any) -> None:
    world = make_world()
    with warnings.catch_warnings(), served(world.store(), kind) as session:
        warnings.simplefilter("ignore", OrderWarning)
        rows = Run.objects.using(session).filter(state="finished").order_by(*as_keys(keys))
        found = [run.id for run in rows]
    wanted = ("leaf", ("state",), "exact", "finished")
    assert sorted(found) == sorted(oracle.answer(world.of("acme/vision"), wanted))
