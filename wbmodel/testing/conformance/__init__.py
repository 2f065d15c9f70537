"""The test-suite that every backend runs, wbmodel's own and other people's. It needs pytest.

Subclass :class:`Conformance`, or run ``pytest --pyargs wbmodel.testing.conformance --wbmodel-backend=URL``, or call
:func:`check`. ``docs/how-to/run-the-conformance-kit.md`` shows each.
"""

from __future__ import annotations

try:
    import pytest  # noqa: F401 - to say how to get it, before a module of the kit needs it
except ImportError as _error:
    raise ImportError('the conformance kit needs pytest: pip install "wbmodel[testing]"') from _error

from wbmodel.testing.conformance.cases import Case, Nonconforming
from wbmodel.testing.conformance.checking import Outcome, Report, check, find_cases
from wbmodel.testing.conformance.expect import Expectation, never, notimpl, notyet
from wbmodel.testing.conformance.kit import Kit
from wbmodel.testing.conformance.seeds import FixturesSeed, GivenSeed, MutationSeed, Seed
from wbmodel.testing.conformance.suite import Conformance, all_cases
from wbmodel.testing.world import World, make_world

__all__ = [
    "Case",
    "Conformance",
    "Expectation",
    "FixturesSeed",
    "GivenSeed",
    "Kit",
    "MutationSeed",
    "Nonconforming",
    "Outcome",
    "Report",
    "Seed",
    "World",
    "all_cases",
    "check",
    "find_cases",
    "make_world",
    "never",
    "notimpl",
    "notyet",
]
