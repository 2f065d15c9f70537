"""Wrong backends are found out by the right case, in words that their authors understand."""

from __future__ import annotations

import re

import pytest

from tests.conformance import broken
from tests.conformance.backends import ALL, engine, store_of
from tests.conformance.broken_histories import BROKEN_HISTORIES
from tests.support.backends import SERVERS, EngineBackend
from wbmodel.testing.conformance import World, check

BROKEN = broken.BROKEN | BROKEN_HISTORIES
CASES = ("keys", "totals", "fields", "counts")


@pytest.mark.parametrize("name", BROKEN)
def test_a_wrong_backend_fails_the_right_case(name: str) -> None:
    wrong = BROKEN[name]
    report = check(wrong.make, only=wrong.case, colours=wrong.colours)
    assert [(item.case, item.result) for item in report.outcomes] == [(wrong.case, "failed")] * len(wrong.colours)
    for outcome in report.outcomes:
        assert isinstance(outcome.error, AssertionError), "it says what is wrong, and does not fall over it"
        assert re.search(wrong.words, outcome.message, re.DOTALL), outcome.message


def test_the_right_backend_passes_all_of_these() -> None:
    report = check(engine, only=sorted({wrong.case for wrong in BROKEN.values()}))
    assert report.ok, str(report)


def test_what_is_right_about_a_wrong_backend_passes() -> None:
    """A fault is told by the cases about it, and not by all."""
    fine = {
        "a repeated cursor": ["lookup/in/*", "row/*", "order/Run.*", "error/*"],
        "a wrong count": ["lookup/in/*", "row/*", "order/*", "page/*"],
        "rows out of order": ["lookup/in/*", "row/*", "error/*", "count/*"],
    }
    for name, only in fine.items():
        report = check(BROKEN[name].make, colours=["sync"], only=only)
        assert report.ok, str(report)


@pytest.mark.parametrize("kind", ["old", "ignoring"])
def test_what_a_server_may_lack_is_not_required(kind: str) -> None:
    dialect, _ = SERVERS[kind]

    def lesser(world: World) -> EngineBackend:
        return EngineBackend("engine:", store=store_of(world), dialect=dialect, capabilities=ALL)

    report = check(lesser, only=["beyond/*"], colours=["sync"])
    lacking = {"beyond/keys"} if kind == "ignoring" else {f"beyond/{name}" for name in CASES}
    assert {item.case for item in report.outcomes if item.result == "skipped"} == lacking, str(report)
    assert {item.result for item in report.outcomes} <= {"skipped", "passed"}


def test_a_message_shows_the_row_its_value_and_the_rule() -> None:
    [outcome] = check(
        BROKEN["strict_values, found by a lookup"].make, only="lookup/exact/number/Run.config.every", colours=["sync"]
    ).outcomes
    assert outcome.message.splitlines() == [
        "Run.objects.filter(F.config['every'] exact 1) gave the wrong rows:",
        "  must not be there: e-digit, where it is '1'",
        "  must not be there: e-true, where it is True",
        "the rule: config.every equals 1; absent and null are not values, types are never mixed",
        "the rows were not checked again here, because the backend promises strict_values: keep that, or take it back",
    ]
