"""The test-suite that every backend runs, wbmodel's own and other people's.

Subclass :class:`Conformance`, or run ``pytest --pyargs wbmodel.testing.conformance --wbmodel-backend=URL``, or call
:func:`check`. ``docs/how-to/run-the-conformance-kit.md`` shows each.
"""

from __future__ import annotations

from wbmodel.testing.conformance.base import Conformance, Report, all_cases, check, find_cases
from wbmodel.testing.conformance.bench import Bench, Outcome, run_case
from wbmodel.testing.conformance.cases import Case, Inapplicable, Nonconforming
from wbmodel.testing.conformance.expect import Expectation, never, notimpl, notyet
from wbmodel.testing.conformance.kit import Kit
from wbmodel.testing.conformance.seeds import FixturesSeed, GivenSeed, MutationSeed, Seed
from wbmodel.testing.world import World, make_world

__all__ = [
    "Bench",
    "Case",
    "Conformance",
    "Expectation",
    "FixturesSeed",
    "GivenSeed",
    "Inapplicable",
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
    "run_case",
]
