"""``notimpl``, ``notyet``, ``never``: what they let pass, and how strict they are about it."""

from __future__ import annotations

import pytest

from tests.conformance.backends import engine
from tests.conformance.broken import BROKEN
from wbmodel.errors import ConfigurationError, NotSupported, ServerError
from wbmodel.testing.conformance import Expectation, check, never, notimpl, notyet
from wbmodel.testing.conformance.cases import Nonconforming
from wbmodel.testing.conformance.expect import find_expectation, unknown_patterns

WRONG = BROKEN["a wrong count"]
CASE = WRONG.case


@pytest.mark.parametrize("declare", [notimpl, notyet, never])
def test_a_declared_failure_is_expected(declare: type) -> None:
    [outcome] = check(
        WRONG.make, only=CASE, colours=["sync"], expected={CASE: declare("the index counts all")}
    ).outcomes
    assert (outcome.result, outcome.ok) == ("expected", True)
    assert outcome.message == f"{declare.__name__}: the index counts all"


def test_a_declared_failure_that_does_not_come_is_a_failure() -> None:
    [outcome] = check(engine, only=CASE, colours=["sync"], expected={CASE: notimpl("we thought so")}).outcomes
    assert (outcome.result, outcome.ok) == ("unexpected", False)
    assert outcome.message == "this is declared notimpl: we thought so; it passes now, so take the declaration out"


def test_a_failure_of_another_kind_than_declared_is_a_failure() -> None:
    declared = {CASE: notyet("the server refuses filters", raises=NotSupported)}
    [outcome] = check(WRONG.make, only=CASE, colours=["sync"], expected=declared).outcomes
    assert outcome.result == "unexpected"
    assert "it fails in another way: " in outcome.message
    assert ".count() is 23, and must be 6" in outcome.message
    declared = {CASE: notyet("the server counts all", raises=(NotSupported, Nonconforming))}
    [outcome] = check(WRONG.make, only=CASE, colours=["sync"], expected=declared).outcomes
    assert outcome.result == "expected"


def test_the_cause_of_a_failure_counts() -> None:
    refused = BROKEN["refused variables"]
    declared = {refused.case: notyet("the server is strict", raises=ServerError)}
    [outcome] = check(refused.make, only=refused.case, colours=["sync"], expected=declared).outcomes
    assert outcome.result == "expected"


def test_one_colour_can_be_declared() -> None:
    split = BROKEN["two colours, two answers"]
    declared = {f"{split.case}:async": notimpl("its twin leaves out filters")}
    report = check(split.make, only=split.case, expected=declared)
    assert [(item.colour, item.result) for item in report.outcomes] == [("sync", "passed"), ("async", "expected")]


def test_patterns_and_exact_ids() -> None:
    some, other = notyet("by the pattern"), never("by the id")
    expected = {"order/several/*": some, "order/several/all-tie": other, "lookup/*:async": some}
    assert find_expectation(expected, "order/several/three-keys", "sync") is some
    assert find_expectation(expected, "order/several/all-tie", "sync") is other
    assert find_expectation(expected, "lookup/gt/number/Run.name", "sync") is None
    assert find_expectation(expected, "lookup/gt/number/Run.name", "async") is some
    assert find_expectation(expected, "page/first", "sync") is None


def test_a_pattern_is_as_strict_as_an_id() -> None:
    report = check(WRONG.make, only="count/*", colours=["sync"], expected={"count/filtered/*": notyet("it counts all")})
    results = {item.case: item.result for item in report.outcomes}
    assert results["count/filtered/text"] == "expected"
    assert results["count/filtered/nan"] == "unexpected", "asked of the rows, so that it passes"


@pytest.mark.parametrize("reason", ["", "   ", "no", None])
def test_a_reason_is_needed(reason: str) -> None:
    for declare in (notimpl, notyet, never):
        with pytest.raises(ValueError, match=f"{declare.__name__}\\(\\) needs a reason"):
            declare(reason)


def test_an_unknown_case_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'page/frist' names no case; did you mean 'page/first'"):
        check("fixtures:", only="page/first", expected={"page/frist": notyet("some good reason")})
    known = ["page/first", "order/a"]
    assert unknown_patterns({"page/*": notyet("some reason"), "order/a:sync": never("some reason")}, known) == []
    [problem] = unknown_patterns({"page/first": "because"}, known)
    assert problem == "'page/first': notimpl(reason), notyet(reason) or never(reason) is needed, not 'because'"
    assert "names no case" in unknown_patterns({"pages/*": notyet("some reason")}, known)[0]


def test_what_is_declared_for_cases_that_are_skipped_stays_so() -> None:
    """A declaration says nothing where there is nothing to ask: the case is skipped either way."""
    declared = {"flag/columns/kept": notimpl("reading comes later")}
    [outcome] = check(engine, only="flag/columns/kept", colours=["sync"], expected=declared).outcomes
    assert outcome.result == "skipped"


def test_declarations_are_plain_data() -> None:
    assert notyet("  a reason  ") == Expectation("notyet", "a reason")
    assert str(never("a reason")) == "never: a reason"
