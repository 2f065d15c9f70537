"""``explain().bound(rows)`` is a bound: no evaluation sends more requests, wherever pages are as large as promised."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.backends import FULL, WEAK, served
from tests.support.strategies import MIXED_KEYS, ORDER_KEYS, as_keys, as_q, conditions, examples, orders, slices
from tests.support.worlds import make_world
from wbmodel import Artifact, ArtifactCollection, ArtifactType, File, Project, Report, Run, Sweep, User
from wbmodel.backend import Capabilities
from wbmodel.engine.dialect import TYPES, Dialect
from wbmodel.errors import OrderWarning
from wbmodel.query.f import PathExpr
from wbmodel.session.session import Session

EXAMPLES = examples(25)

PAGES: dict[str, Any] = {"page_size": 4, "max_page_size": 7, "max_aliases": 2}
SMALL = attrs.evolve(WEAK, **PAGES)
KINDS: dict[str, tuple[str, Dialect, Capabilities]] = {
    # How the engine is reached (a kind of tests.support.backends), what it does and what it promises.
    "promises-all": ("full", Dialect(max_page=7), attrs.evolve(FULL, **PAGES)),
    "in-process": ("full", Dialect(), attrs.evolve(FULL, in_process=True, **PAGES)),
    "stable-cursors": ("full", Dialect(), attrs.evolve(SMALL, stable_cursors=True)),
    "reads-ahead": ("weak", Dialect(max_page=7), attrs.evolve(SMALL, concurrent=True)),
    "cannot-count": ("full", Dialect(ties="arbitrary", seed=5), attrs.evolve(SMALL, count=False)),
    "takes-no-filter": ("full", Dialect(filtered=frozenset()), attrs.evolve(SMALL, filtered=frozenset())),
    "drops": ("full", Dialect(ne_keeps_null=False, nulls="first", multi_order=False), SMALL),
    "mongo": ("full", attrs.evolve(Dialect.mongo(), nan="text"), SMALL),
    "types": ("full", Dialect(types=TYPES[::-1]), SMALL),
    "hostile": ("weak", Dialect.hostile(1), attrs.evolve(SMALL, concurrent=True)),
    "large-pages": ("full", Dialect(), Capabilities()),
}
# A server that looks into lists for null, as MongoDB does, cannot be asked whether a key lacks a value there.
WORLDS = {kind: make_world(null_in_lists=dialect.arrays == "opaque") for kind, (_, dialect, _) in KINDS.items()}
PROJECTS = [("acme/vision",), ("acme/vision", "acme/nlp"), ("acme/nlp", "acme/vision", "ada/scratch")]
SHAPES: dict[str, tuple[str, ...]] = {
    "entities": (),
    "values": ("state",),
    "distinct-states": ("state",),
    "distinct-pairs": ("summary.loss", "group"),
}


@pytest.fixture(scope="module")
def sessions() -> Iterator[dict[str, Session]]:
    with ExitStack() as stack:
        yield {
            kind: stack.enter_context(served(WORLDS[kind].store(), scheme, dialect=dialect, capabilities=capabilities))
            for kind, (scheme, dialect, capabilities) in KINDS.items()
        }


def sent(session: Session, rows: Any) -> int:
    """How many requests an evaluation sends."""
    before = session.stats.requests
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OrderWarning)
        list(rows.all())
    return session.stats.requests - before


def check(session: Session, rows: Any, number: int) -> None:
    """That the bound is a bound, for ``number`` rows and for more, and that what ``explain()`` prints agrees."""
    told = rows.explain()
    bound = told.bound(number)
    assert bound is not None
    assert sent(session, rows) <= bound <= told.bound(number + 1) <= told.bound(10 * number + 100)
    if told.requests.isdigit():
        assert told.bound(10**6) <= int(told.requests)


# -- random querysets ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@EXAMPLES
@given(
    condition=st.none() | conditions,
    keys=orders(ORDER_KEYS + MIXED_KEYS),
    cut=slices | st.just((0, None)),
    projects=st.sampled_from(PROJECTS),
    shape=st.sampled_from(sorted(SHAPES)),
)
def test_no_queryset_costs_more(
    sessions: dict[str, Session], kind: str, condition: Any, keys: Any, cut: Any, projects: Any, shape: str
) -> None:
    rows: Any = Run.objects.using(sessions[kind]).filter(project__in=projects).order_by(*as_keys(keys))
    if condition is not None:
        rows = rows.filter(as_q(condition))
    if shape != "entities":
        rows = rows.values(*SHAPES[shape])
    if shape.startswith("distinct"):
        rows = rows.distinct()
    check(sessions[kind], rows[cut[0] : cut[1]], len(WORLDS[kind].of(*projects)))


@pytest.mark.parametrize("kind", KINDS)
@EXAMPLES
@given(
    keys=st.lists(
        st.sampled_from([("summary", "loss"), ("config", "nowhere"), ("summary", "eval", "f1"), ("heartbeat_at",)]),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    descending=st.booleans(),
    stop=st.none() | st.integers(1, 40),
    projects=st.sampled_from(PROJECTS),
)
def test_every_key_that_rows_may_lack_may_cost_more(
    sessions: dict[str, Session], kind: str, keys: Any, descending: bool, stop: int | None, projects: Any
) -> None:
    spelled = [PathExpr(path[0], path[1:], descending) for path in keys]
    rows = Run.objects.using(sessions[kind]).filter(project__in=projects).order_by(*spelled)[:stop]
    check(sessions[kind], rows, len(WORLDS[kind].of(*projects)))


# -- one by one ------------------------------------------------------------------------------------

PLAIN: dict[str, Any] = {
    "all": lambda rows: rows,
    "oldest first": lambda rows: rows.order_by("created_at"),
    "by a key that rows may lack": lambda rows: rows.order_by("summary.loss"),
    "by two of them": lambda rows: rows.order_by("summary.loss", "-config.lr"),
    "by a key that no row has": lambda rows: rows.order_by("config.nowhere"),
    "by a text": lambda rows: rows.order_by("name"),
    "one": lambda rows: rows[:1],
    "a page": lambda rows: rows[:4],
    "two pages": lambda rows: rows[2:9],
    "one by a key": lambda rows: rows.order_by("-summary.loss")[:1],
    "reversed": lambda rows: rows.order_by("summary.loss").reverse()[:3],
    "beyond the end": lambda rows: rows[100:120],
    "distinct": lambda rows: rows.values("state").distinct(),
    "the first three that differ": lambda rows: rows.values("state").distinct()[:3],
    "more than there are that differ": lambda rows: rows.values("state").distinct()[:30],
    "distinct in an order": lambda rows: rows.order_by("summary.loss").values_list("group", flat=True).distinct()[:2],
}


@pytest.mark.sampled("kind", "projects", "made", every=6)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("projects", PROJECTS, ids=len)
@pytest.mark.parametrize("made", PLAIN.values(), ids=PLAIN)
def test_plain_ones(sessions: dict[str, Session], kind: str, projects: tuple[str, ...], made: Any) -> None:
    rows = made(Run.objects.using(sessions[kind]).filter(project__in=projects))
    check(sessions[kind], rows, len(WORLDS[kind].of(*projects)))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_near_where_all_rows_are_read(sessions: dict[str, Session], kind: str) -> None:
    """A bound that is far off helps nobody."""
    for rows in (Run.objects.all(), Run.objects.order_by("created_at")):
        rows = rows.using(sessions[kind])
        assert rows.explain().bound(len(WORLDS[kind].of(*PROJECTS[0]))) <= sent(sessions[kind], rows) + 1


def test_it_is_exact_for_a_slice_that_the_server_orders_and_cuts(sessions: dict[str, Session]) -> None:
    session = sessions["promises-all"]
    runs = Run.objects.using(session).order_by("summary.loss", "-created_at")
    for rows, number in ((runs[:1], 1), (runs[2:4], 1), (runs[:7], 1), (runs[2:9], 2)):
        assert rows.explain().bound(10**6) == number == sent(session, rows)


@pytest.mark.parametrize("kind", KINDS)
def test_one_by_its_key(sessions: dict[str, Session], kind: str) -> None:
    runs = Run.objects.using(sessions[kind])
    for rows in (
        runs.filter(id="v01"),
        runs.filter(id="v01", state="no such state"),
        runs.filter(id="nowhere"),
        runs.filter(path="acme/vision/v02"),
        runs.filter(path__in=["acme/vision/v02", "acme/nlp/n01"]),
        runs.filter(id="v01")[:2],
        Sweep.objects.using(sessions[kind]).filter(id="sw1"),
        Project.objects.using(sessions[kind]).filter(path="acme/vision"),
    ):
        check(sessions[kind], rows, 34)
    check(sessions[kind], runs.filter(id="v01", project__in=PROJECTS[1]), 34 + 18)
    check(sessions[kind], runs.filter(id__in=["v01", "v02", "v03"]), 34)


@pytest.mark.parametrize("kind", KINDS)
def test_other_entities(sessions: dict[str, Session], kind: str) -> None:
    home = sessions[kind]
    for rows, number in (
        (Sweep.objects, 2),
        (Sweep.objects.order_by("name", "-created_at"), 2),
        (Sweep.objects.filter(project__in=PROJECTS[1]), 3),
        (Report.objects, 2),
        (ArtifactType.objects, 2),
        (ArtifactCollection.objects, 2),
        (ArtifactCollection.objects.filter(type="dataset"), 1),
        (Artifact.objects.filter(collection="images"), 2),
        (Artifact.objects.filter(collection="images").order_by("-metadata.rows")[:1], 2),
        (Project.objects.filter(entity="acme"), 2),
        (Project.objects.filter(entity="acme").order_by("name")[:1], 2),
        (File.objects.filter(run="acme/vision/v01"), 2),
        (File.objects.filter(run="acme/vision/v01").order_by("size"), 2),
        (User.objects, 2),
    ):
        check(home, rows.using(home), number)


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_to_list_another_entity_first_has_no_bound(sessions: dict[str, Session], kind: str) -> None:
    for rows in (
        Run.objects.filter(entity="acme"),
        Run.objects.filter(entity="acme").order_by("summary.loss")[:3],
        Sweep.objects.filter(entity="acme"),
        Artifact.objects.filter(project="acme/vision"),
    ):
        told = rows.using(sessions[kind]).explain()
        assert told.documents == ()
        assert told.bound(100) is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_known_to_be_empty_costs_nothing(sessions: dict[str, Session], kind: str) -> None:
    runs = Run.objects.using(sessions[kind])
    for rows in (runs.none(), runs.filter(state__in=[]), runs[3:3], runs.values("state").distinct()[3:3]):
        assert rows.explain().bound(1000) == 0
        check(sessions[kind], rows, 34)


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_cost_a_request(sessions: dict[str, Session], kind: str) -> None:
    """Nobody knows that a project is empty before it is asked."""
    rows = Run.objects.using(sessions[kind])
    assert rows.explain().bound(0) >= 1
    parents = -(-3 // KINDS[kind][2].max_aliases)
    assert rows.filter(project__in=PROJECTS[2]).explain().bound(0) >= parents
