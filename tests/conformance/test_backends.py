"""The kit against wbmodel's own backends: they pass it."""

from __future__ import annotations

import attrs
import pytest

from tests.conformance.backends import ALL, DOORS, MODEST, PAGED, Alternating, empty_store, engine, kind_of, slow
from tests.conformance.broken import OffsetCursor
from tests.support.backends import WEAK, EngineBackend, SlowBackend
from wbmodel.engine.dialect import Dialect
from wbmodel.errors import ConfigurationError
from wbmodel.hookspecs import RegisterBackends, hookimpl
from wbmodel.testing.conformance import MutationSeed, all_cases, check

GROUPS = {case.id.split("/")[0] for case in all_cases()}
# To ask whether more could be promised takes as long as all the rest. Slow tests do, and those over HTTP.
LOOKUPS = [case.id for case in all_cases() if case.core and case.id.startswith("lookup/")]
QUICK = [*(f"{group}/*" for group in sorted(GROUPS - {"lookup", "flag"})), "flag/*/kept"]


class TestFixtures(Alternating):
    """The fixtures backend, which promises all there is, and declares nothing that it cannot do."""

    backend = "fixtures:"


# What follows is one test each: thousands of items would cost every other run of this folder their collection.


@pytest.mark.parametrize(
    ("delay", "only", "least"),
    [
        (0.0, LOOKUPS[::4], 100),
        pytest.param(0.0005, QUICK, 300, marks=pytest.mark.slow),
        pytest.param(0.0, LOOKUPS, 300, marks=pytest.mark.slow),
    ],
    ids=["lookups", "the-rest", "every-lookup"],
)
def test_the_slow_paged_backend_passes(delay: float, only: list[str], least: int) -> None:
    """Asynchronous, in pages, with no more promised than a live server would; in the colour that is its own."""
    report = check(lambda world: slow(world, delay=delay), colours=["async"], only=only)
    assert report.ok, str(report)
    assert sum(item.result == "passed" for item in report.outcomes) > least


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_the_slow_backend_passes_with_every_door_in_both_colours(colour: str) -> None:
    can = attrs.evolve(PAGED, columns=True, append=True, blobs=True)
    only = ["door/*", "flag/columns/*", "flag/append/*", "flag/blobs/*"]
    report = check(lambda world: slow(world, can), colours=[colour], only=only)
    assert report.ok, str(report)
    passed = {item.case for item in report.outcomes if item.result == "passed"}
    assert {"door/columns/several", "door/append/history", "door/blobs/put", "door/blobs/fetch"} <= passed


@pytest.mark.slow
def test_every_case_against_fixtures() -> None:
    report = check("fixtures:", full=True)
    assert report.ok, str(report)
    assert sum(item.result == "passed" for item in report.outcomes) > 8000


@pytest.mark.slow
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_every_case_against_the_slow_backend(colour: str) -> None:
    tiny = attrs.evolve(PAGED, page_size=4, max_page_size=7)
    report = check(lambda world: slow(world, tiny, delay=0.0), colours=[colour], full=True, expected=MODEST | DOORS)
    assert report.ok, str(report)


UNSAID = {
    # What servers of these kinds do right although they do not promise it.
    "full": (),
    "drops": ("strict_values", "literal_keys", "regex", "exists", "all_projects", "filtered", "stable_cursors"),
    "mongo": ("all_projects", "exists", "filtered", "multi_order", "stable_cursors"),
    "loose": ("exists", "multi_order", "nulls_last", "all_projects", "filtered", "stable_cursors"),
    "hostile1": ("all_projects", "exists", "stable_cursors", "columns", "append", "blobs"),
    "hostile2": ("all_projects", "exists", "stable_cursors"),
}


PLAIN = [
    case.id
    for case in all_cases()
    if case.core and (case.id.split("/")[0] in ("row", "order", "page", "count", "error") or case.id == "lookup/keys")
]


@pytest.mark.parametrize(("place", "kind"), [*enumerate(kind for kind in UNSAID if kind != "hostile1")])
def test_a_server_that_does_otherwise_and_promises_nothing_passes(place: int, kind: str) -> None:
    """No false alarms: what the dialect switches turn round is the compiler's to mend, and not the backend's fault.
    Each kind is asked a third of the cases, and the slow test below asks all."""
    report = check(kind_of(kind), colours=["sync"], only=PLAIN[place % 3 :: 3])
    assert report.ok, str(report)
    assert sum(item.result == "passed" for item in report.outcomes) > 67  # of all of them, 200


@pytest.mark.slow
@pytest.mark.parametrize("kind", UNSAID)
def test_the_same_for_every_core_case(kind: str) -> None:
    report = check(kind_of(kind), colours=["sync"])
    problems = [item for item in report.problems if not item.case.endswith("/unclaimed")]
    assert not problems, "\n\n".join(map(str, problems))
    assert {item.case.split("/")[1] for item in report.problems} == set(UNSAID[kind])


def test_cursors_that_count_rows_are_no_fault_where_nothing_else_is_promised() -> None:
    """Querysets in creation order do not lean on them."""
    promises = attrs.evolve(ALL, stable_cursors=False)
    report = check(
        lambda world: engine(world, promises, None, OffsetCursor), only=["page/growing*", "page/walk/*", "flag/stable*"]
    )
    assert report.ok, str(report)
    passed = {item.case for item in report.outcomes if item.result == "passed"}
    assert {"page/growing-rows/newest", "page/growing-rows/oldest", "flag/stable_cursors/unclaimed"} <= passed


def test_a_writable_backend_is_filled_by_mutations() -> None:
    store = empty_store()
    seed = MutationSeed()
    report = check(
        lambda world: SlowBackend("x:", store=store, dialect=Dialect(max_page=PAGED.max_page_size), capabilities=PAGED),
        seed=seed,
        colours=["sync"],
        only=["row/*", "order/Run.*", "relation/*", "count/*", "page/*", "flag/*/kept", "mutation/*"],
    )
    assert report.ok, str(report)
    skipped = {item.message for item in report.outcomes if item.result == "skipped"}
    assert "the world was loaded without artifacts" in skipped
    assert sum(item.result == "passed" for item in report.outcomes) > 150
    assert [project.path for owner in store.entities() for project in store.projects(owner)] == [], (
        "all is cleared away"
    )


def test_what_is_there_already_is_never_touched() -> None:
    store = empty_store()
    project = store.add_project("acme", "wbmodel-kit-nlp", description="mine")

    def make(world: object) -> EngineBackend:
        return EngineBackend("x:", store=store)

    with pytest.raises(ConfigurationError, match="acme/wbmodel-kit-nlp is there already"):
        check(make, seed=MutationSeed(), only="row/identity")
    assert [(item.name, item.description) for item in store.projects(project.entity)] == [("wbmodel-kit-nlp", "mine")]


def test_a_backend_that_cannot_be_filled_says_what_to_give() -> None:
    options = {"store": empty_store(), "capabilities": WEAK}
    with pytest.raises(ConfigurationError, match=r"engine: is not writable.*--wbmodel-world=package.module:Name"):
        check("engine:", only="row/identity", options=options, plugins=[Plugin()])


class Plugin:
    """Registers the engine, as a plugin would."""

    @hookimpl
    def wbmodel_register_backends(self, register: RegisterBackends) -> None:
        register("engine", EngineBackend)
