"""``BackendTests``, the base class of every group of cases. It holds the settings and turns cases into tests."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from wbmodel.testing.conformance import verdicts
from wbmodel.testing.conformance.bench import Bench
from wbmodel.testing.conformance.cases import COLOURS, Case, cases_of
from wbmodel.testing.conformance.expect import Expectation, find_expectation, unknown_patterns
from wbmodel.testing.conformance.kit import Kit
from wbmodel.testing.conformance.seeds import Seed

__all__ = ["BackendTests", "wrong_class"]


class BackendTests:
    """Tests of one backend. Subclasses hold the cases; an author's subclass names the backend."""

    backend: ClassVar[Any] = None
    """A URL for ``connect()``, or a function of a :class:`~wbmodel.testing.world.World` that gives a backend that holds
    it (write it as a ``staticmethod``). The function is called once per session."""

    seed: ClassVar[type[Seed] | Seed | None] = None
    """Fills the backend with the world. By default ``fixtures:`` and functions hold it from the start, and mutations
    fill other backends."""

    options: ClassVar[Mapping[str, Any]] = {}
    """Options for ``connect()``."""

    plugins: ClassVar[Sequence[object]] = ()
    """Objects with hooks, for a backend that is not installed as a plugin."""

    expected: ClassVar[Mapping[str, Expectation]] = {}
    """What the backend cannot do: ids of cases or patterns with ``*``, with ``notimpl``, ``notyet`` or ``never``."""

    colours: ClassVar[Sequence[str]] = COLOURS
    """The colours in which each case runs."""

    full: ClassVar[bool] = False
    """Whether the larger matrix of cases runs; ``--wbmodel-full`` sets it too."""

    bench: ClassVar[Bench]

    # -- what an author may extend -----------------------------------------------------------------

    @classmethod
    def marks(cls, case: Case, colour: str) -> list[pytest.MarkDecorator]:
        """The marks of a case in a colour."""
        declared = find_expectation(cls.expected, case.id, colour)
        made = [pytest.mark.conformance(case, colour, declared)]
        if case.parts or case.flags:
            made.append(pytest.mark.needs(parts=case.parts, flags=case.flags))
        if isinstance(declared, Expectation):  # test_declarations says what else is there
            made.append(pytest.mark.xfail(reason=str(declared), raises=declared.raises, strict=True))
        return made

    @classmethod
    def runs(cls, case: Case, full: bool) -> bool:
        """Whether a case runs; ``full`` means that the larger matrix was requested."""
        return full or case.core

    @classmethod
    def every_case(cls) -> list[Case]:
        """All cases of the class, in the order in which pytest runs them."""
        tests = (test for base in reversed(cls.__mro__) for test in vars(base).values())
        return [case for test in tests for case in cases_of(test)]

    # -- what pytest calls -------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test of each case and colour."""
        found = cases_of(metafunc.function)
        if not found:
            return
        cls, config = type(self), metafunc.config
        if problem := wrong_class(cls):
            pytest.fail(problem, pytrace=False)
        if not config.pluginmanager.has_plugin(verdicts.__name__):
            config.pluginmanager.register(verdicts, verdicts.__name__)
        full = cls.full or bool(config.getoption("wbmodel_full", False))
        metafunc.parametrize(
            ("kit", *found[0].values),
            [
                pytest.param(colour, *case.values.values(), id=f"{case.id}:{colour}", marks=self.marks(case, colour))
                for case in found
                if cls.runs(case, full)
                for colour in cls.colours
            ],
            indirect=["kit"],
            scope="function",
        )

    @classmethod
    def setup_class(cls) -> None:
        """Connect and load the world. ``test_world`` reports failures, once."""
        seed = cls.seed() if isinstance(cls.seed, type) else cls.seed
        cls.bench = Bench(cls.backend, seed, cls.options, cls.plugins)
        with contextlib.suppress(Exception):
            cls.bench.start()

    @classmethod
    def teardown_class(cls) -> None:
        """Clear the world and close the sessions."""
        cls.bench.close()

    @pytest.fixture
    def kit(self, request: pytest.FixtureRequest) -> Kit:
        """The kit in the colour of the case. Skips the test if the backend or the world lacks something (``needs``)."""
        if self.bench.error is not None:
            pytest.skip("the backend could not be filled with the world: see test_world")
        made = Kit(self.bench, getattr(request, "param", COLOURS[0]))
        for mark in request.node.iter_markers("needs"):
            made.needs(**mark.kwargs)
        return made

    def test_world(self) -> None:
        """The backend can be connected to, and filled with the world."""
        if self.bench.error is not None:
            raise self.bench.error

    def test_declarations(self) -> None:
        """Every declaration in ``expected`` names a case and has a reason."""
        problems = unknown_patterns(self.expected, [case.id for case in self.every_case()])
        if problems:
            pytest.fail("; ".join(problems), pytrace=False)


def wrong_class(cls: type[BackendTests]) -> str | None:
    """What is wrong with the settings of a test class, or None."""
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
