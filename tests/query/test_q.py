"""``Q``: the algebra, its flatness, pickling, repr."""

from __future__ import annotations

import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from operator import and_, or_
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wbmodel import F, Q, Run
from wbmodel.query.conditions import Group, leaves, resolve

META = Run.__wbmodel_meta__


def test_keywords_are_joined_by_and() -> None:
    condition = Q(state="finished", group="g1")
    assert condition == Q(state="finished") & Q(group="g1")
    assert condition != Q(state="finished") | Q(group="g1")
    assert [term.path for term in condition.children if not isinstance(term, Q)] == ["state", "group"]


def test_the_empty_condition_is_neutral() -> None:
    one = Q(state="finished")
    assert not Q()
    assert bool(one)
    for joined in (Q() & one, one & Q(), Q() | one, one | Q(), Q(Q(), one)):
        node, _ = resolve(META, joined)
        assert node == resolve(META, one)[0]
    assert not ~Q()
    assert resolve(META, ~Q()) == (None, {})


def test_joining_a_q_with_something_else() -> None:
    for other in ({"state": "finished"}, "state", None, lambda: True):
        with pytest.raises(TypeError, match="joins another Q"):
            Q(state="finished") & other
        with pytest.raises(TypeError, match="joins another Q"):
            Q(state="finished") | other
    with pytest.raises(TypeError, match=r"Q\(\.\.\.\)"):
        Q("state")  # type: ignore[arg-type]


@pytest.mark.parametrize("join", [and_, or_])
def test_ten_thousand_terms_are_one_level(join: Any) -> None:
    started = time.thread_time()
    condition = reduce(join, (Q(config__lr=index) for index in range(10_000)))
    assert condition.depth == 1
    assert len(condition.children) == 10_000
    node, _ = resolve(META, condition)
    assert isinstance(node, Group)
    assert len(node.children) == 10_000
    assert len(list(leaves(node))) == 10_000
    assert pickle.loads(pickle.dumps(condition)) == condition
    assert len(repr(condition)) < 1000
    # Joining one by one copies the children each time; ten thousand must still be a matter of a second or so.
    assert time.thread_time() - started < 10


def test_ten_thousand_f_terms() -> None:
    condition = reduce(or_, (F.config["lr"] == index for index in range(10_000)))
    assert condition.depth == 1
    assert len(condition.children) == 10_000


def test_alternating_nests_and_double_negation_does_not() -> None:
    condition = Q(state="a")
    for index in range(6):
        condition = (condition & Q(state=str(index))) if index % 2 else (condition | Q(state=str(index)))
    assert condition.depth == 6
    once = Q(state="a") | Q(group="b")
    assert ~~once == once
    assert (~~once).depth == once.depth


def test_negated_groups_are_not_merged() -> None:
    one, other = Q(state="a"), Q(group="b")
    assert resolve(META, ~(one | other) | one)[0] != resolve(META, one | other | one)[0]
    both = ~(one & other) & Q(name="c")
    assert len(both.children) == 2


def test_equality_tells_types_apart_and_hash_agrees() -> None:
    assert Q(config__x=1) != Q(config__x=True)
    assert Q(config__x=1) != Q(config__x="1")
    assert Q(config__x=1) == Q(config__x=1)
    assert hash(Q(config__x=1)) == hash(Q(config__x=1))
    assert (F.config["x"] == 1) == (F.config["x"] == 1)
    assert (F.config["x"] == 1) != (F.config["y"] == 1)
    assert Q(state="a") != "state"


def test_a_q_is_not_changed_by_being_combined() -> None:
    one = Q(state="a")
    before = one.children
    _ = one & Q(group="b"), one | Q(group="b"), ~one
    assert one.children == before
    assert not one.negated


def test_repr_says_the_condition() -> None:
    assert repr(Q(state="a")) == "Q(state='a')"
    assert repr(~Q(state="a")) == "~Q(state='a')"
    assert repr(Q(state="a") | Q(group="b")) == "Q(state='a' | group='b')"
    assert "F.summary['eval/acc']" in repr(F.summary["eval/acc"] > 0.9)


@given(
    st.recursive(
        st.sampled_from([Q(state="a"), Q(config__lr__gt=1), F.summary["a.b"] < 1]),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
            inner.map(lambda item: ~item),
        ),
    )
)
def test_pickles(condition: Q) -> None:
    for protocol in (2, pickle.HIGHEST_PROTOCOL):
        assert pickle.loads(pickle.dumps(condition, protocol)) == condition


@pytest.mark.parametrize("join", [or_, and_])
def test_joining_one_by_one_is_linear(join: Any) -> None:
    """What is joined is shared, not copied: 10,000 terms hold 10,000 places, not fifty million."""
    terms = [Q(state=str(number)) for number in range(10_000)]
    whole = reduce(join, terms)
    assert len(whole.children) == 10_000
    assert whole == Q._make([term.children[0] for term in terms], 10_000, whole.connector, False, 1)
    longer = join(whole, Q(state="more"))
    assert longer._items is whole._items
    assert len(whole.children) == 10_000


@pytest.mark.parametrize("join", [or_, and_])
def test_conditions_that_share_a_beginning_stay_apart(join: Any) -> None:
    base = join(Q(id="a"), Q(id="b"))
    one, two = join(base, Q(id="c")), join(base, Q(id="d"))
    flipped = ~base
    three = join(join(one, Q(id="e")), two)
    names = [[term.value for term in item.children] for item in (base, one, two)]
    assert names == [["a", "b"], ["a", "b", "c"], ["a", "b", "d"]]
    assert [term.value for term in three.children] == ["a", "b", "c", "e", "a", "b", "d"]
    assert flipped.children == base.children
    assert join(base, base).children == base.children * 2
    for item in (base, one, two, three, flipped):
        again = pickle.loads(pickle.dumps(item))
        assert again == item
        assert len(again._items) == len(item.children)


def test_threads_that_join_to_one_condition_do_not_mix() -> None:
    base = Q(id="a") | Q(id="b")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: base | Q(id=str(number)), range(2_000)))
    assert [item.children[2].value for item in made] == [str(number) for number in range(2_000)]  # type: ignore[union-attr]
    assert all(len(item.children) == 3 for item in made)
