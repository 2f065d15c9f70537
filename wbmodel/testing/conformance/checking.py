"""``check``, which runs cases outside a test suite, for instance in a notebook."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from wbmodel.errors import ConfigurationError, suggestion
from wbmodel.testing import plugin
from wbmodel.testing.conformance.backend_tests import wrong_class
from wbmodel.testing.conformance.bench import Subject
from wbmodel.testing.conformance.cases import COLOURS, Case, cases_of
from wbmodel.testing.conformance.expect import Expectation, unknown_patterns
from wbmodel.testing.conformance.seeds import Seed
from wbmodel.testing.conformance.suite import Conformance, all_cases
from wbmodel.testing.conformance.verdicts import asked, failure, passes_now

__all__ = ["Outcome", "Report", "check", "find_cases"]


@attrs.frozen(slots=True, kw_only=True)
class Outcome:
    """How a case ended: ``passed``, ``failed``, ``skipped``, ``expected`` (it fails, as declared) or ``unexpected``
    (declared to fail, it passed, or failed in another way)."""

    case: str
    colour: str
    result: str
    message: str = ""
    error: BaseException | None = attrs.field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether there is nothing to do about it."""
        return self.result in ("passed", "skipped", "expected")

    def __str__(self) -> str:
        return f"{self.case}:{self.colour} {self.result}" + (f": {self.message}" if self.message else "")


@attrs.frozen(slots=True)
class Report:
    """What :func:`check` found: the ``outcomes``, in the order of the cases."""

    outcomes: tuple[Outcome, ...]

    @property
    def problems(self) -> list[Outcome]:
        """The outcomes that somebody has to do something about."""
        return [item for item in self.outcomes if not item.ok]

    @property
    def ok(self) -> bool:
        """Whether there are none."""
        return not self.problems

    def __str__(self) -> str:
        counts = Counter(item.result for item in self.outcomes)
        told = ", ".join(f"{number} {word}" for word, number in sorted(counts.items()))
        return "\n\n".join([*(str(item) for item in self.problems), told or "no cases"])


def find_cases(patterns: Sequence[str] = ("*",), *, full: bool = False) -> list[Case]:
    """The cases whose ids fit one of ``patterns``; a pattern that fits none is a ``ConfigurationError``."""
    every = all_cases(full=True)
    for pattern in patterns:
        if not any(fnmatchcase(case.id, pattern) for case in every):
            hint = suggestion(pattern, [case.id for case in every], "cases")
            raise ConfigurationError(f"{pattern!r} fits no conformance case{hint}")
    return [
        case
        for case in every
        if case.id in patterns or ((full or case.core) and any(fnmatchcase(case.id, pattern) for pattern in patterns))
    ]


def check(
    backend: Subject,
    *,
    seed: Seed | None = None,
    options: Mapping[str, Any] | None = None,
    plugins: Sequence[object] = (),
    expected: Mapping[str, Expectation] | None = None,
    only: str | Sequence[str] = "*",
    colours: Sequence[str] = COLOURS,
    full: bool = False,
) -> Report:
    """Run the kit against a backend and return a report.

    ``backend`` is a URL, or a function of a :class:`~wbmodel.testing.world.World` that gives a backend. ``only``
    chooses cases by id or pattern. The other arguments are those of :class:`Conformance`. Raises the error
    that keeps the world from being loaded, and ``ConfigurationError`` if ``only`` or ``expected`` matches no case.

    pytest runs the cases in this process, without settings, plugins and output of its own.
    """
    if problems := unknown_patterns(expected or {}, [case.id for case in all_cases()]):
        raise ConfigurationError("; ".join(problems))
    chosen = {case.id for case in find_cases([only] if isinstance(only, str) else only, full=full)}
    space: dict[str, Any] = {
        "backend": staticmethod(backend) if callable(backend) else backend,
        "seed": seed,
        "options": options or {},
        "plugins": plugins,
        "expected": expected or {},
        "colours": colours,
        "runs": classmethod(lambda cls, case, full: case.id in chosen),
    }
    for base in Conformance.__mro__:
        for name, test in vars(base).items():
            if (found := cases_of(test)) and not any(case.id in chosen for case in found):
                space[name] = None
    tests = type("TestBackend", (Conformance,), space)
    if problem := wrong_class(tests):
        raise ConfigurationError(problem)
    collected = _Collected(tests)
    with _pytest_alone():
        status = pytest.main(_ARGUMENTS, plugins=[plugin, collected])
    if collected.error is not None:
        raise collected.error
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"pytest could not run the cases: it ended with {status!r}")
    return Report(tuple(collected.outcomes))


# What would look at or change the process that check() is called in, ...
_MEDDLING = ("cacheprovider", "capture", "faulthandler", "logging", "terminal", "warnings")
_HANDLING_THREADS = ("threadexception", "unraisableexception")
# ... and what these tests do not use: every plugin is asked several times in every test.
_UNUSED = ("debugging", "doctest", "junitxml", "legacypath", "monkeypatch", "pastebin", "recwarn")
_UNUSED_TOO = ("setuponly", "setupplan", "stepwise", "subtests", "unittest")
_ARGUMENTS = [
    *(f"-pno:{name}" for name in (*_MEDDLING, *_HANDLING_THREADS, *_UNUSED, *_UNUSED_TOO)),
    "--assert=plain",
    "--noconftest",
    f"-c{os.devnull}",
    f"--rootdir={Path(__file__).parent}",
    str(Path(__file__).with_name("test_backend.py")),
]


@contextlib.contextmanager
def _pytest_alone() -> Iterator[None]:
    """Isolate the inner pytest from the options and plugins of an outer one, and the other way round."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PYTEST_")}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        os.environ.update(kept)


class _Collected:
    """A pytest plugin that supplies one test class and records the outcomes of its cases."""

    def __init__(self, tests: type[Conformance]) -> None:
        self._tests = tests
        self.outcomes: list[Outcome] = []
        self.error: BaseException | None = None

    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> pytest.Module:
        found: pytest.Module = pytest.Module.from_parent(parent, path=module_path)
        found.obj = module = ModuleType("check")
        vars(module)["TestBackend"] = self._tests
        return found

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        error = None if call.excinfo is None else call.excinfo.value
        found = asked(item)
        if found is None or call.when == "teardown":
            self.error = self.error or error
        elif call.when == "call" or not report.passed:
            case, colour, declared = found
            self.outcomes.append(_outcome(case, colour, declared, report, error))
        return report

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.error = excinfo.value

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.error = excinfo.value


def _outcome(
    case: Case, colour: str, declared: Expectation | None, report: pytest.TestReport, error: BaseException | None
) -> Outcome:
    if isinstance(error, pytest.fail.Exception) and error.__context__ is not None:
        error = error.__context__  # the wrong answer itself, which pytest tells in its own words
    if report.passed:
        result, message = "passed", ""
    elif hasattr(report, "wasxfail"):
        result, message = "expected", str(declared)
    elif report.skipped:
        result, message = "skipped", str(error)
    elif error is None:
        result, message = "unexpected", passes_now(declared)
    else:
        result, message = "failed" if declared is None else "unexpected", failure(error, declared)
    return Outcome(case=case.id, colour=colour, result=result, message=message, error=error)
