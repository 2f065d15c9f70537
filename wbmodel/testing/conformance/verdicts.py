"""A pytest plugin that words the outcomes of cases. A class of cases registers it during collection."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from wbmodel.testing.conformance.cases import Case, Nonconforming
from wbmodel.testing.conformance.expect import Expectation

__all__ = ["asked", "failure", "passes_now"]

_Asked = tuple[Case, str, Expectation | None]


def asked(item: pytest.Item) -> _Asked | None:
    """The case of a test, its colour and its declaration; None for any other test."""
    mark = item.get_closest_marker("conformance")
    return None if mark is None else mark.args


def failure(error: BaseException, declared: Expectation | None) -> str:
    """The message for a failure that was not declared, or not in this way."""
    told = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
    return told if declared is None else f"this is declared {declared}; it fails in another way: {told}"


def passes_now(declared: Expectation | None) -> str:
    """The message for a declared failure that did not happen."""
    return f"this is declared {declared}; it passes now, so take the declaration out"


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Report a wrong answer by its message, and a declared failure by the declared error."""
    found = asked(pyfuncitem)
    if found is None:
        return (yield)
    case, colour, declared = found
    try:
        return (yield)
    except Exception as error:
        told = declared.covered(error) if declared is not None else None
        if error is told or (declared is None and not isinstance(error, Nonconforming)):
            raise  # as declared; or something broke, and its traceback says where
        if told is None:
            words = f"{case.id}:{colour}: {case.about}\n{failure(error, declared)}"
            raise pytest.fail.Exception(words, pytrace=False) from None
    raise told  # what caused the error is what was declared


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say what to do about a declared failure that did not happen."""
    report = yield
    found = asked(item)
    if found is not None and report.failed and str(report.longrepr).startswith("[XPASS(strict)]"):
        case, colour, declared = found
        report.longrepr = f"{case.id}:{colour}: {passes_now(declared)}"
    return report
