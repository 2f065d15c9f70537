"""``Conformance``, the class that a backend's author subclasses: every group of cases in one."""

from __future__ import annotations

from wbmodel.testing.conformance.beyond import BeyondTests
from wbmodel.testing.conformance.cases import Case
from wbmodel.testing.conformance.counts import CountTests
from wbmodel.testing.conformance.documents import DocumentTests
from wbmodel.testing.conformance.doors import DoorTests
from wbmodel.testing.conformance.faults import FaultTests
from wbmodel.testing.conformance.flags import FlagTests
from wbmodel.testing.conformance.histories import HistoryTests
from wbmodel.testing.conformance.hooks import HookTests
from wbmodel.testing.conformance.lookups import LookupTests
from wbmodel.testing.conformance.mutations import MutationTests
from wbmodel.testing.conformance.mutations_artifacts import ArtifactMutationTests
from wbmodel.testing.conformance.orders import OrderTests
from wbmodel.testing.conformance.pages import PageTests
from wbmodel.testing.conformance.relations import RelationTests
from wbmodel.testing.conformance.rows import RowTests

__all__ = ["Conformance", "all_cases"]


# pytest runs the tests of the last base first: reading, then flags and doors, then changes.
class Conformance(
    ArtifactMutationTests,
    MutationTests,
    HookTests,
    DoorTests,
    HistoryTests,
    FlagTests,
    DocumentTests,
    FaultTests,
    BeyondTests,
    CountTests,
    PageTests,
    RelationTests,
    OrderTests,
    LookupTests,
    RowTests,
):
    """The kit as a test class: subclass it, name the class ``Test...`` and set the backend.

    ::

        from wbmodel.testing.conformance import Conformance, notyet

        class TestMine(Conformance):
            backend = "mine://localhost"
            seed = MySeed
            expected = {"order/several/*": notyet("the server orders by one key only")}

    Each case is a test of its own, ``test_lookup[lookup/gt/number/Run.config.every:sync]``, so ``-k`` chooses among
    them. A case that is declared in ``expected`` must fail, as declared; a declaration that names no case fails
    ``test_declarations``. A test of the author's own may take the fixture ``kit``, and ``pytest.mark.needs(parts=[...],
    flags=[...])`` skips it where the world or the backend lacks something.
    """


def all_cases(*, full: bool = True) -> list[Case]:
    """Every case, in the order in which they run: reading, then flags and doors, then changes.

    ``full=False`` leaves out the larger matrix.
    """
    return [case for case in Conformance.every_case() if full or case.core]
