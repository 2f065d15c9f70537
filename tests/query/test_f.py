"""``F``: paths in Python, and the conditions they make."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta

import pytest

from wbmodel import F, Q, Run
from wbmodel.query.conditions import Leaf, resolve
from wbmodel.query.f import PathExpr

META = Run.__wbmodel_meta__


def leaf(condition: Q) -> Leaf:
    node, _ = resolve(META, condition)
    assert isinstance(node, Leaf)
    return node


def test_a_subscript_is_one_literal_key() -> None:
    assert F.summary["a.b"].keys == ("a.b",)
    assert F.summary["a"]["b"].keys == ("a", "b")
    assert not F.summary["a.b"].same_as(F.summary["a"]["b"])
    assert F.config["lr__gt"].keys == ("lr__gt",)


def test_text_and_attributes_agree() -> None:
    assert F("summary.loss").same_as(F.summary["loss"])
    assert F('config."a.b"').same_as(F.config["a.b"])
    assert F("-created_at").same_as(-F.created_at)
    assert F.config["a.b"].dotted == 'config."a.b"'
    assert F.summary["eval/acc"].dotted == "summary.eval/acc"


@pytest.mark.parametrize(
    ("condition", "lookup", "negated"),
    [
        (F.config["lr"] == 1, "exact", False),
        (F.config["lr"] != 1, "exact", True),
        (F.config["lr"] > 1, "gt", False),
        (F.config["lr"] >= 1, "gte", False),
        (F.config["lr"] < 1, "lt", False),
        (F.config["lr"] <= 1, "lte", False),
        (1 < F.config["lr"], "gt", False),  # noqa: SIM300 - Python turns it round
        (1 >= F.config["lr"], "lte", False),  # noqa: SIM300
        (F.config["lr"].in_([1]), "in", False),
        (F.config["lr"].nin([1]), "in", True),
        (F.config["lr"].range(1, 2), "range", False),
        (F.config["lr"].contains("a"), "contains", False),
        (F.config["lr"].icontains("a"), "icontains", False),
        (F.config["lr"].startswith("a"), "startswith", False),
        (F.config["lr"].endswith("a"), "endswith", False),
        (F.config["lr"].iexact("a"), "iexact", False),
        (F.config["lr"].regex("a"), "regex", False),
        (F.config["lr"].iregex("a"), "iregex", False),
        (F.config["lr"].isnull(), "isnull", False),
        (F.config["lr"].exists(), "exists", False),
        (F.config["lr"].isnan(), "isnan", False),
        (F.config["lr"].isfinite(), "isfinite", False),
        (F.created_at.date("2021-04-23"), "date", False),
        (F.created_at.within(timedelta(days=1)), "within", False),
        (~(F.config["lr"] > 1), "gt", True),
    ],
)
def test_operators(condition: Q, lookup: str, negated: bool) -> None:
    found = leaf(condition)
    assert (found.lookup.name, found.negated) == (lookup, negated)


def test_every_lookup_has_a_method_or_an_operator() -> None:
    from wbmodel.query.lookups import LOOKUPS, rewrites

    built_in = LOOKUPS.keys() - rewrites().keys() - {"exact", "ne", "gt", "gte", "lt", "lte"}
    assert {name for name in built_in if not hasattr(PathExpr, {"in": "in_"}.get(name, name))} == set()


def test_orders() -> None:
    path = F.summary["loss"]
    assert (-path).descending
    assert not (+path).descending
    assert path.desc().descending
    assert not (-path).asc().descending
    assert (-path.desc()).same_as(path)
    assert (-path)["x"].descending


def test_a_path_has_no_truth_value_and_is_no_iterable() -> None:
    with pytest.raises(TypeError, match="no truth value"):
        bool(F.config["lr"])
    with pytest.raises(TypeError, match="no truth value"):
        _ = 0 < F.config["lr"] and F.config["lr"] < 1  # noqa: SIM300
    with pytest.raises(TypeError, match="no truth value"):
        _ = F.state and F.group
    with pytest.raises(TypeError):
        iter(F.config)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        1 in F.config["lr"]  # type: ignore[operator]  # noqa: B015


def test_a_chained_comparison_is_not_silently_halved() -> None:
    # Python turns it into (0 < path) and (path < 1), and would keep the second half only.
    with pytest.raises(TypeError, match="combine conditions"):
        Run.objects.filter(0 < F.summary["loss"] < 1)


def test_a_path_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="paths are immutable"):
        F.config.field = "summary"
    with pytest.raises(TypeError, match="must be text"):
        F.config[1]  # type: ignore[index]
    with pytest.raises(AttributeError):
        F._private  # noqa: B018


def test_paths_hash_copy_and_pickle() -> None:
    path = -F.config["a.b"]["c"]
    assert hash(path) == hash(-F.config["a.b"]["c"])
    for other in (pickle.loads(pickle.dumps(path)), copy.copy(path), copy.deepcopy(path)):
        assert path.same_as(other)
    assert repr(path) == "-F.config['a.b']['c']"
    assert repr(F) == "F"
