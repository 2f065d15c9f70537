"""Mongo filters mean the same through the query language, on the engine that is sent them, and in plain Python."""

from __future__ import annotations

import json
import math
import re
import warnings
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.backends import served
from tests.support.strategies import examples
from tests.support.worlds import DAY, START, make_world
from wbmodel import F, Run
from wbmodel.codec import format_datetime, parse_datetime
from wbmodel.errors import FieldError, QueryError, QueryWarning, ServerError
from wbmodel.query.dialects.mongo import OPERATORS, condition
from wbmodel.query.q import Q

WORLD = make_world()
STORE = WORLD.store()
HOME = WORLD.of("acme/vision")
ABSENT: Any = object()

# The names of a filter, and where the plain runs hold the values.
NAMES: dict[str, tuple[str, ...]] = {
    "config.lr": ("config", "lr"),
    "config.optimizer.value": ("config", "optimizer"),
    "config.mixed": ("config", "mixed"),
    "config.model.value.depth": ("config", "model", "depth"),
    "config.model.name": ("config", "model", "name"),
    'config."model.depth"': ("config", "model.depth"),
    "config.sl/ash": ("config", "sl/ash"),
    "config.nowhere": ("config", "nowhere"),
    "summary_metrics.loss": ("summary", "loss"),
    "summary.loss": ("summary", "loss"),
    "summaryMetrics.eval.f1": ("summary", "eval", "f1"),
    "summary_metrics.best": ("summary", "best"),
    "state": ("state",),
    "display_name": ("name",),
    "displayName": ("name",),
    "name": ("id",),
    "group": ("group",),
    "jobType": ("job_type",),
    "job_type": ("job_type",),
    "username": ("user",),
    "sweep": ("sweep",),
    "createdAt": ("created_at",),
    "created_at": ("created_at",),
    "heartbeatAt": ("heartbeat_at",),
    "tags": ("tags",),
}
TIMES = {"createdAt", "created_at", "heartbeatAt"}
JSON = {name for name, path in NAMES.items() if path[0] in ("config", "summary")}

words = st.sampled_from(["adam", "sgd", "Adam", "vit", "alpha", "gamma-1", "finished", "crashed", "g1", "train", "x"])
ids = st.sampled_from([run["id"] for run in HOME[:6]] + ["sw1", "ada"])
numbers = st.sampled_from([0, 1, 1.0, 0.01, 0.2, 2, 3, 7, -1, 2.5])
moments = st.sampled_from([START, START + DAY, START + 5 * DAY, START + 30 * DAY]).flatmap(
    lambda moment: st.sampled_from(
        [moment, format_datetime(moment), moment.strftime("%Y-%m-%d"), moment.strftime("%Y-%m-%dT%H:%M:%S")]
    )
)
patterns = st.sampled_from(["^a", "m$", "[aA]d", "a.*a", r"\d", "", "^$", r"g\d", "(?s)a.n", "B", "i(n|t)"])


def operators(name: str) -> st.SearchStrategy[Any]:
    """A value, or operators, that may stand under this name."""
    if name == "tags":
        tags = st.sampled_from(["baseline", "Baseline", "broken", "base", "a.b"])
        several = st.lists(tags, max_size=2)
        given = {"$eq": tags, "$ne": tags, "$in": several, "$nin": several, "$all": several, "$contains": tags}
        plain: st.SearchStrategy[Any] = tags
    else:
        if name in TIMES:
            value: st.SearchStrategy[Any] = moments
        else:
            value = words | ids | numbers | st.booleans() if name in JSON else words | ids
        ordered = moments if name in TIMES else words | numbers if name in JSON else words
        plain = value | st.none() | (st.sampled_from([[1, 2, 3], {"value": 1}]) if name in JSON else st.nothing())
        several = st.lists(value | st.none(), max_size=3)
        given = {"$eq": plain, "$ne": plain, "$in": several, "$nin": several, "$exists": st.booleans()}
        given |= dict.fromkeys(("$gt", "$gte", "$lt", "$lte"), ordered)
        if name not in TIMES:
            given |= {"$regex": patterns, "$contains": words | (numbers if name in JSON else st.nothing())}
    one = st.sampled_from(sorted(given)).flatmap(lambda op: st.fixed_dictionaries({op: given[op]}))
    two = st.tuples(one, one).map(lambda pair: {**pair[0], **pair[1]})
    return plain | one | two | st.fixed_dictionaries({"$not": one})


leaves = st.sampled_from(sorted(NAMES)).flatmap(lambda name: operators(name).map(lambda value: {name: value}))
documents = st.recursive(
    leaves | st.just({}),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"$and": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"$or": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"$nor": st.lists(inner, max_size=2)}),
        st.tuples(inner, inner).map(lambda pair: {**pair[0], **pair[1]}),
    ),
    max_leaves=5,
)


# -- the same in plain Python ----------------------------------------------------------------------


def value_of(run: dict[str, Any], name: str) -> Any:
    value: Any = run
    for key in NAMES[name]:
        value = value.get(key, ABSENT) if isinstance(value, dict) else ABSENT
    return value


def kind(value: Any) -> str:
    return "bool" if isinstance(value, bool) else "number" if isinstance(value, (int, float)) else type(value).__name__


def equals(value: Any, operand: Any) -> bool:
    if operand is None:
        return value is None or value is ABSENT
    return kind(value) == kind(operand) and value == operand


def matches(run: dict[str, Any], document: dict[str, Any]) -> bool:
    return all(entry(run, key, value) for key, value in document.items())


def entry(run: dict[str, Any], key: str, value: Any) -> bool:
    if key == "$and":
        return all(matches(run, part) for part in value)
    if key in ("$or", "$nor"):
        return any(matches(run, part) for part in value) == (key == "$or")
    given = value if isinstance(value, dict) and any(op.startswith("$") for op in value) else {"$eq": value}
    return all(test(run, key, operator, operand) for operator, operand in given.items())


def test_of(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$eq":
        return equals(value, operand)
    if operator == "$in":
        return any(equals(value, item) for item in operand)
    if operator == "$exists":
        return (value is not ABSENT) == operand
    if operator == "$regex":
        return isinstance(value, str) and re.search(operand, value) is not None
    if operator == "$contains":
        if isinstance(value, list):
            return any(equals(item, operand) for item in value)
        return isinstance(value, str) and isinstance(operand, str) and operand in value
    if kind(value) != kind(operand):
        return False
    return {"$gt": value > operand, "$gte": value >= operand, "$lt": value < operand, "$lte": value <= operand}[
        operator
    ]


test_of.__test__ = False  # type: ignore[attr-defined]


def test(run: dict[str, Any], name: str, operator: str, operand: Any) -> bool:
    if operator == "$not":
        return not all(test(run, name, inner, item) for inner, item in operand.items())
    if operator in ("$ne", "$nin"):
        return not test(run, name, "$eq" if operator == "$ne" else "$in", operand)
    value = value_of(run, name)
    if name == "tags":
        held = value or []
        several = operand if isinstance(operand, list) else [operand]
        if operator == "$all":
            return bool(several) and all(tag in held for tag in several)
        return any(tag in held for tag in several)
    if name in TIMES:
        as_moments = [moment(item) for item in (operand if isinstance(operand, list) else [operand])]
        operand = as_moments if isinstance(operand, list) else as_moments[0]
    return test_of(value, operator, operand)


test.__test__ = False  # type: ignore[attr-defined]


def moment(value: Any) -> Any:
    return parse_datetime(value) if isinstance(value, str) else value


def ids_of(rows: Any) -> set[str]:
    return {run.id for run in rows}


def asked(document: Any) -> Any:
    return Run.objects.filter(condition(Run, document), project="acme/vision")


# -- what is understood ----------------------------------------------------------------------------


@given(document=documents)
@examples(25)
@pytest.mark.parametrize("kind", ["full", "weak"])
def test_a_filter_means_the_same_in_plain_python(kind: str, document: dict[str, Any]) -> None:
    with served(STORE, kind), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = ids_of(asked(document))
    assert found == {run["id"] for run in HOME if matches(run, document)}


QUERY = (
    'query Raw($filters: JSONString) { project(name: "vision", entityName: "acme") '
    "{ runs(first: 1000, filters: $filters) { edges { node { name } } } } }"
)


def wire(value: Any) -> Any:
    return format_datetime(value) if isinstance(value, datetime) else value


def as_sent(document: Any) -> Any:
    """A filter as the engine is sent it: with its own names, and moments as text."""
    if isinstance(document, dict):
        renamed = {"summary.loss": "summary_metrics.loss", 'config."model.depth"': r"config.model\.depth"}
        return {renamed.get(key, key): as_sent(value) for key, value in document.items()}
    return [as_sent(item) for item in document] if isinstance(document, list) else wire(document)


@given(document=documents)
@examples(25)
def test_a_filter_means_what_the_engine_says_of_it(document: dict[str, Any]) -> None:
    with served(STORE, "full") as session, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data: Any = session.execute(QUERY, {"filters": json.dumps(as_sent(document))}).data
        found = ids_of(asked(document))
    assert found == {edge["node"]["name"] for edge in data["project"]["runs"]["edges"]}


def test_every_operator_is_tried() -> None:
    tried = {"$and", "$or", "$nor", "$not", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists"}
    assert tried | {"$regex", "$contains", "$all"} == set(OPERATORS)


def test_names_of_the_place_are_looked_at_here() -> None:
    with served(STORE, "full"):
        assert asked({"entity": "acme", "project": "vision"}).count() == len(HOME)
        assert asked({"entity": "nobody"}).count() == 0


def test_empty_text_is_null_as_everywhere_here() -> None:
    with served(STORE, "full"):
        assert ids_of(asked({"notes": None})) == {run["id"] for run in HOME if not run["notes"]}


# -- what is not understood ------------------------------------------------------------------------


def test_an_unknown_field_is_sent_as_it_is() -> None:
    with served(STORE, "full"):
        rows = asked({"exitcode": {"$ne": 5}, "config.lr": 0.01})
        assert rows.explain().filters == '{"exitcode":{"$ne":5},"config.lr":0.01}'
        assert ids_of(rows) == {run["id"] for run in HOME if run["config"].get("lr") == 0.01}


def test_an_unknown_operator_is_sent_as_it_is_and_the_server_says_what_it_thinks() -> None:
    with served(STORE, "full"), pytest.raises(ServerError, match=r"\$foo"):
        list(asked({"config.lr": {"$foo": 1}}))


def test_what_only_the_server_knows_cannot_stand_beside_what_is_checked_here() -> None:
    with served(STORE, "weak"):
        both = {"$or": [{"exitcode": 0}, {"config.optimizer": "adam"}]}
        with pytest.raises(FieldError, match="ask for the two sides by themselves"):
            list(asked(both))
        assert ids_of(asked({"$and": [{"exitcode": None}, {"config.optimizer": "adam"}]})) == {
            run["id"] for run in HOME if run["config"].get("optimizer") == "adam"
        }


def test_a_run_found_by_its_id_is_asked_for_with_the_filter() -> None:
    first = HOME[0]["id"]
    with served(STORE, "full") as session:
        assert ids_of(asked({"name": first, "exitcode": None})) == {first}
        assert ids_of(asked({"name": first, "exitcode": 5})) == set()
        assert session.stats.requests == 2


def test_what_only_the_server_knows_is_refused_where_nothing_takes_a_filter() -> None:
    with served(STORE, "full") as session:
        rows = Run.objects.filter(condition(Run, {"exitcode": 0}), project="acme/vision")
        unfiltered = type(session.capabilities)(filtered=frozenset())
        session.backend.capabilities = unfiltered  # type: ignore[misc]
        with pytest.raises(FieldError, match="takes no filter"):
            list(rows)
        # A pattern can be looked for here as well.
        assert ids_of(asked({"display_name": {"$regex": "^al"}})) == {
            run["id"] for run in HOME if run["name"].startswith("al")
        }


def test_a_pattern_of_re2_is_sent_as_it_is() -> None:
    for pattern in (r"\pN", "[[:alpha:]]", r"\z"):
        made = condition(Run, {"display_name": {"$regex": pattern}})
        assert json.dumps(pattern) in repr(made)
    with served(STORE, "full"):
        assert asked({"display_name": {"$regex": "a+"}}).explain().pushed


def test_a_pattern_is_sent_under_the_servers_name() -> None:
    sent = {
        "summary.note": '{"summary_metrics.note":{"$regex":"x"}}',
        "displayName": '{"display_name":{"$regex":"x"}}',
        "config.a.value.b": '{"config.a.b":{"$regex":"x"}}',
    }
    for name, wire in sent.items():
        assert wire in repr(condition(Run, {name: {"$regex": "x"}}))
    assert '{"summary_metrics.loss":{"$foo":1}}' in repr(condition(Run, {"summary.loss": {"$foo": 1}}))
    assert condition(Run, {'config."a.b"': {"$regex": "x"}}) == F.config["a.b"].regex("x")


def test_a_name_that_looks_misspelt_is_sent_with_a_warning() -> None:
    with pytest.warns(QueryWarning, match="did you mean 'state'"):
        condition(Run, {"stat": "finished"})


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("filters", [[], "state", 3, [{"state": "x"}], {"$and": {"state": "x"}}, {"$or": [3]}, {3: 1}])
def test_a_filter_that_is_not_a_dict_is_a_type_error(filters: Any) -> None:
    with pytest.raises(QueryError):
        condition(Run, filters)


@pytest.mark.parametrize(
    "filters",
    [
        {"summary_metrics.loss": math.nan},
        {"config.lr": {"$gt": math.nan}},
        {"config.lr": {"$in": [1, math.nan]}},
        {"config.lr": {"$in": 3}},
        {"config.lr": {"$exists": "yes"}},
        {"state": {"$regex": 3}},
        {"createdAt": {"$gt": "soon"}},
        {"unknown": object()},
    ],
)
def test_a_value_that_cannot_be_is_a_value_error(filters: Any) -> None:
    with pytest.raises(FieldError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Run.objects.filter(condition(Run, filters))


def test_operators_in_the_wrong_place() -> None:
    with pytest.raises(QueryError, match="belongs under a key"):
        condition(Run, {"$gt": 3})
    with pytest.raises(QueryError, match="joins whole filters"):
        condition(Run, {"config.lr": {"$or": [1, 2]}})


def test_deep_and_wide_filters() -> None:
    deep: Any = {"state": "finished"}
    for _ in range(150):
        deep = {"$not": deep}
    with pytest.raises(FieldError, match="nested"):
        condition(Run, deep)
    wide = condition(Run, {"$or": [{"config.lr": number} for number in range(5000)]})
    assert wide.depth == 1


def test_everything_and_nothing() -> None:
    everything: list[Any] = [None, {}, {"$and": []}, {"$or": [{}, {"state": "x"}]}, {"$nor": []}]
    assert all(condition(Run, filters) == Q() for filters in everything)
    with served(STORE, "full") as session:
        assert list(asked({"$or": []})) == []
        assert session.stats.requests == 0


def test_dates_without_a_zone_are_utc_and_days_are_midnights() -> None:
    noon = datetime(2021, 4, 1, 12, tzinfo=timezone.utc)
    assert condition(Run, {"createdAt": {"$gt": "2021-04-01T12:00:00"}}) == F.created_at.lookup("gt", noon)
    midnight = datetime(2021, 4, 1, tzinfo=timezone.utc)
    assert condition(Run, {"createdAt": {"$lte": "2021-04-01"}}) == F.created_at.lookup("lte", midnight)
