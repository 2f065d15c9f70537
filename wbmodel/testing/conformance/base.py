"""``Conformance``, the class that a backend's author subclasses, and ``check``, which runs cases without pytest."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import attrs

from wbmodel.errors import ConfigurationError, suggestion
from wbmodel.testing.conformance.bench import Bench, Outcome, Subject, run_case
from wbmodel.testing.conformance.cases import COLOURS, Case
from wbmodel.testing.conformance.expect import Expectation, unknown_patterns
from wbmodel.testing.conformance.seeds import Seed

__all__ = ["Conformance", "Report", "all_cases", "check", "find_cases", "wrong_class"]


def all_cases(*, full: bool = True) -> list[Case]:
    """Every case, in the order in which they run: reading first, then flags and doors, then changes.

    ``full`` False leaves out the larger matrix.
    """
    from wbmodel.testing.conformance import (
        counts,
        documents,
        doors,
        faults,
        flags,
        hooks,
        lookups,
        mutations,
        mutations_artifacts,
        orders,
        pages,
        relations,
        rows,
    )

    reading = (rows, lookups, orders, relations, pages, counts, faults, documents)
    modules = (*reading, flags, doors, hooks, mutations, mutations_artifacts)
    return [case for module in modules for case in module.group.cases if full or case.core]


class Conformance:
    """The kit as a test class: subclass it, name the class ``Test...`` and say what is tested.

    ::

        from wbmodel.testing.conformance import Conformance, notyet

        class TestMine(Conformance):
            backend = "mine://localhost"
            seed = MySeed
            expected = {"order/several/*": notyet("the server orders by one key only")}

    Each case is a test of its own, ``test_case[lookup/gt/number/Run.config.every:sync]``, so ``-k`` chooses among them.
    A case that is declared in ``expected`` must fail, as declared; a declaration that names no case fails
    ``test_declarations``.
    """

    backend: ClassVar[Any] = None
    """A URL for ``connect()``, or a function of a :class:`~wbmodel.testing.world.World` that gives a backend that holds
    it (write it as a ``staticmethod``). The function is called once for each session."""

    seed: ClassVar[type[Seed] | Seed | None] = None
    """How the world gets into the backend. Without it: ``fixtures:`` and functions hold it from the start, and others
    are filled by mutations."""

    options: ClassVar[Mapping[str, Any]] = {}
    """Options for ``connect()``."""

    plugins: ClassVar[Sequence[object]] = ()
    """Objects with hooks, for a backend that is not installed as a plugin."""

    expected: ClassVar[Mapping[str, Expectation]] = {}
    """What the backend cannot do: ids of cases, or patterns with ``*``, with ``notimpl``, ``notyet`` or ``never``."""

    colours: ClassVar[Sequence[str]] = COLOURS
    """In which colours each case runs."""

    full: ClassVar[bool] = False
    """Whether the larger matrix of cases runs; ``--wbmodel-full`` sets it too."""

    _bench: ClassVar[Bench | None] = None

    # -- what pytest calls -------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Make a test of each case and colour."""
        if "conformance_case" not in metafunc.fixturenames:
            return
        import pytest

        problem = wrong_class(type(self))
        if problem is not None:
            pytest.fail(problem, pytrace=False)
        full = self.full or bool(metafunc.config.getoption("wbmodel_full", False))
        cases = [(case, colour) for case in all_cases(full=full) for colour in self.colours]
        metafunc.parametrize(
            "conformance_case", cases, ids=[f"{case.id}:{colour}" for case, colour in cases], scope="function"
        )

    @classmethod
    def setup_class(cls) -> None:
        """Connect and load the world. What goes wrong is told once, by ``test_world``."""
        seed = cls.seed() if isinstance(cls.seed, type) else cls.seed
        cls._bench = Bench(cls.backend, seed, cls.options, cls.plugins)
        with contextlib.suppress(Exception):
            cls._bench.start()

    @classmethod
    def teardown_class(cls) -> None:
        """Clear the world and close the sessions."""
        bench, cls._bench = cls._bench, None
        if bench is not None:
            bench.close()

    def test_world(self) -> None:
        """The backend can be connected to, and filled with the world."""
        assert self._bench is not None
        if self._bench.error is not None:
            raise self._bench.error

    def test_declarations(self) -> None:
        """Every declaration in ``expected`` names a case and has a reason."""
        import pytest

        problems = unknown_patterns(self.expected, [case.id for case in all_cases()])
        if problems:
            pytest.fail("; ".join(problems), pytrace=False)

    def test_case(self, conformance_case: tuple[Case, str]) -> None:
        """One case in one colour."""
        import pytest

        case, colour = conformance_case
        assert self._bench is not None
        if self._bench.error is not None:
            pytest.skip("the backend could not be filled with the world: see test_world")
        outcome = run_case(self._bench, case, colour, self.expected)
        if outcome.result == "skipped":
            pytest.skip(outcome.message)
        if outcome.result == "expected":
            pytest.xfail(outcome.message)
        if not outcome.ok:
            if (
                outcome.error is not None
                and not isinstance(outcome.error, AssertionError)
                and outcome.result == "failed"
            ):
                # Not an answer that is wrong but something that broke: where it did is what the author needs.
                raise outcome.error
            pytest.fail(f"{case.id}:{colour}: {case.about}\n{outcome.message}", pytrace=False)


def wrong_class(cls: type[Conformance]) -> str | None:
    """What is wrong with how a test class is set up; None when nothing is."""
    if cls.backend is None:
        return (
            f"{cls.__name__} does not say what to test: set `backend`, a URL or a function of a World, "
            "or run pytest with --wbmodel-backend=URL"
        )
    if not isinstance(cls.backend, str) and not callable(cls.backend):
        return f"{cls.__name__}.backend is {cls.backend!r}; it is a URL, or a function of a World that gives a backend"
    wrong = [colour for colour in cls.colours if colour not in COLOURS]
    if wrong or not cls.colours:
        return f"{cls.__name__}.colours is {list(cls.colours)!r}; it names {' or '.join(COLOURS)}"
    return None


# -- without pytest --------------------------------------------------------------------------------


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
        counts: dict[str, int] = {}
        for item in self.outcomes:
            counts[item.result] = counts.get(item.result, 0) + 1
        told = ", ".join(f"{number} {word}" for word, number in sorted(counts.items()))
        return "\n\n".join([*(str(item) for item in self.problems), told or "no cases"])


def find_cases(patterns: Sequence[str] = ("*",), *, full: bool = False) -> list[Case]:
    """The cases whose ids fit one of ``patterns``; a pattern that fits none is a ``ConfigurationError``."""
    every = all_cases(full=True)
    for pattern in patterns:
        if not any(fnmatchcase(case.id, pattern) for case in every):
            hint = suggestion(pattern, [case.id for case in every], "cases")
            raise ConfigurationError(f"{pattern!r} fits no conformance case{hint}")
    named = {pattern for pattern in patterns if "*" not in pattern and "?" not in pattern}
    return [
        case for case in every
        if case.id in named or ((full or case.core) and any(fnmatchcase(case.id, pattern) for pattern in patterns))
    ]  # fmt: skip


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
    """Run the kit against a backend, without pytest: in a notebook, say.

    ``backend`` is a URL, or a function of a :class:`~wbmodel.testing.world.World` that gives a backend. ``only``
    chooses cases by id or pattern. The other arguments are those of :class:`Conformance`.
    """
    patterns = [only] if isinstance(only, str) else list(only)
    problems = unknown_patterns(expected or {}, [case.id for case in all_cases()])
    if problems:
        raise ConfigurationError("; ".join(problems))
    cases = find_cases(patterns, full=full)
    bench = Bench(backend, seed, options, plugins)
    try:
        bench.start()
        return Report(tuple(run_case(bench, case, colour, expected) for case in cases for colour in colours))
    finally:
        bench.close()
