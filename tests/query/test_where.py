"""Conditions resolved: negation at the leaves, the same truth on every row as Python's own logic."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings

from tests.support.depth import deep
from tests.support.strategies import as_q, conditions
from tests.support.worlds import make_world
from wbmodel import F, Q, Run
from wbmodel.errors import FieldError
from wbmodel.query.conditions import MAX_DEPTH, Group, Leaf, both, either, is_never, leaves, reads_of, resolve
from wbmodel.query.evaluate import predicate
from wbmodel.testing import oracle

META = Run.__wbmodel_meta__
RUNS = make_world().runs


class Row:
    """A run of the plain world with the attributes that predicates read."""

    def __init__(self, run: dict[str, Any]) -> None:
        self.__dict__.update(run)
        self.sweep = None if run["sweep"] is None else Reference(id=run["sweep"])
        self.user = None if run["user"] is None else Reference(username=run["user"])


class Reference:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


ROWS = [Row(run) for run in RUNS]


def has_a_negated_group(node: Any) -> bool:
    if isinstance(node, Leaf):
        return False
    assert isinstance(node, Group)
    assert len(node.children) > 1
    assert not any(isinstance(child, Group) and child.connector == node.connector for child in node.children)
    return any(map(has_a_negated_group, node.children))


@settings(max_examples=deep(150), deadline=None, derandomize=True)
@given(conditions)
def test_resolved_conditions_mean_what_plain_logic_says(condition: Any) -> None:
    node, _ = resolve(META, as_q(condition))
    assert not has_a_negated_group(node)
    asked = predicate(node)
    assert asked is not None
    for run, row in zip(RUNS, ROWS, strict=True):
        assert asked(row) is oracle.matches(run, condition)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(conditions, conditions)
def test_de_morgan(one: Any, other: Any) -> None:
    assume("within" not in repr((one, other)))  # resolved twice, it is measured from two moments
    a, b = as_q(one), as_q(other)
    for left, right in ((~(a & b), ~a | ~b), (~(a | b), ~a & ~b), (~~a, a)):
        assert resolve(META, left)[0] == resolve(META, right)[0]
    first, second = predicate(resolve(META, a)[0]), predicate(resolve(META, a, True)[0])
    assert first is not None
    assert second is not None
    assert all(first(row) is not second(row) for row in ROWS)


def test_every_leaf_stays() -> None:
    condition = (
        (Q(state="a") | ~Q(group="b", name="c")) & Q(config__x=1) & ~(Q(tags__contains="t") | Q(config__y__gt=2))
    )
    node, _ = resolve(META, condition)
    assert [(leaf.path.dotted, leaf.negated) for leaf in leaves(node)] == [
        ("state", False),
        ("group", True),
        ("name", True),
        ("config.x", False),
        ("tags", True),
        ("config.y", True),
    ]
    assert reads_of(node) == ("state", "group", "name", ("config", "x"), "tags", ("config", "y"))


def test_ne_and_nin_are_negated_leaves() -> None:
    node, _ = resolve(META, ~Q(state__ne="a"))
    assert node == resolve(META, Q(state="a"))[0]
    node, _ = resolve(META, ~Q(state__nin=["a"]))
    assert node == resolve(META, Q(state__in=["a"]))[0]


def test_depth_is_bounded_and_width_is_not() -> None:
    condition = Q(state="a")
    for index in range(MAX_DEPTH - 1):
        condition = (condition & Q(group="b")) if index % 2 else (condition | Q(group="b"))
    assert resolve(META, condition)[0] is not None
    condition = condition & Q(name="c") | Q(name="d")
    with pytest.raises(FieldError, match=f"the limit is {MAX_DEPTH}"):
        resolve(META, condition)
    for _ in range(20_000):
        condition = Q(condition)
    with pytest.raises(FieldError, match="levels deep"):
        resolve(META, condition)
    wide = Q(*(Q(state=str(index)) for index in range(5_000)))
    node, _ = resolve(META, wide)
    assert len(list(leaves(node))) == 5_000


def test_both_and_either() -> None:
    a, b = resolve(META, Q(state="a"))[0], resolve(META, Q(group="b"))[0]
    assert both(None, a) == a
    assert both(None, None) is None
    assert either(None, a) is None
    assert str(both(a, b)) == "state equals 'a' AND group equals 'b'"
    assert either(a, b) == resolve(META, Q(state="a") | Q(group="b"))[0]
    assert str(either(a, b)) == "state equals 'a' OR group equals 'b'"


@pytest.mark.parametrize(
    ("condition", "never"),
    [
        (Q(state__in=[]), True),
        (Q(state__in=[], group="a"), True),
        (Q(state__in=[]) | Q(group="a"), False),
        (Q(state__in=[]) | Q(group__in=[]), True),
        (Q(state__nin=[]), False),
        (~Q(state__in=[]), False),
        (~Q(state__nin=[]), True),
        (Q(state="a"), False),
    ],
)
def test_what_can_match_nothing(condition: Q, never: bool) -> None:
    node, _ = resolve(META, condition)
    assert is_never(node) is never


def test_entities_stand_for_their_keys() -> None:
    class Sweepish:
        id = "sw1"

    with pytest.raises(FieldError):
        resolve(META, Q(sweep=Sweepish()))
    node, _ = resolve(META, Q(sweep="sw1"))
    assert isinstance(node, Leaf)
    assert node.path.dotted == "sweep.id"
    assert str(resolve(META, F.sweep.in_(["a", "b"]))[0]) == "sweep.id is one of ['a', 'b']"
