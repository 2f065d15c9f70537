"""Whatever wbmodel adds to a request by itself may be refused: answers stay the same, and it is learnt once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.backends import served
from tests.support.depth import deep
from tests.support.picky import ADDED, MANNERS, Picky, picky
from tests.support.worlds import make_world
from wbmodel import Artifact, Count, File, Run, Sweep
from wbmodel.errors import QueryWarning, ServerError

WORLD = make_world()
STORE = WORLD.store()

pytestmark = pytest.mark.filterwarnings("ignore:.* refuses .*explain:wbmodel.errors.QueryWarning")


def ids(rows: Any) -> list[str]:
    return [row.id for row in rows]


VERBS: dict[str, Callable[[], Any]] = {
    "all": lambda: ids(Run.objects.all()),
    "any order": lambda: sorted(ids(Run.objects.all().iterator())),
    "by key": lambda: ids(Run.objects.order_by("summary.loss", "id")),
    "by key, down": lambda: ids(Run.objects.order_by("-summary.loss")[:6]),
    "slice": lambda: ids(Run.objects.order_by("-created_at", "id")[3:9]),
    "filtered": lambda: ids(Run.objects.filter(state="finished").order_by("created_at")),
    "first": lambda: ids([Run.objects.order_by("summary.loss").first()]),
    "best": lambda: ids([Run.objects.best("summary.loss", goal="min")]),
    "two projects": lambda: ids(Run.objects.filter(project__in=["acme/vision", "acme/nlp"]).order_by("id")),
    "count": Run.objects.count,
    "count of some": lambda: Run.objects.filter(state="finished").count(),
    "count of two": lambda: Run.objects.filter(project__in=["acme/vision", "acme/nlp"]).count(),
    "exists": lambda: Run.objects.filter(state="finished").exists(),
    "aggregate": lambda: Run.objects.aggregate(n=Count("id")),
    "sweeps": Sweep.objects.count,
    "artifacts": lambda: Artifact.objects.filter(logged_by="v05").count(),
    "files": lambda: File.objects.filter(run="v05").count(),
    "prefetch": lambda: [len(run.files) for run in Run.objects.order_by("id").prefetch_related("files")[:3]],
    "csv": lambda: Run.objects.order_by("id").values("id").to_csv(),
}


@pytest.fixture(scope="module")
def right() -> dict[str, Any]:
    with served(STORE, "full"):
        return {name: verb() for name, verb in VERBS.items()}


PAIRS = [
    pytest.param(added, manner, marks=[] if at % len(MANNERS) == way else [pytest.mark.slow])
    for at, added in enumerate(ADDED)
    for way, manner in enumerate(MANNERS)
]


@pytest.mark.parametrize(("added", "manner"), PAIRS)
def test_the_answer_is_the_same(added: str, manner: str, right: dict[str, Any]) -> None:
    with picky(STORE, {added: ADDED[added]}, manner):
        for name, verb in VERBS.items():
            assert verb() == right[name], name
        learnt = Picky.said_no
        for name, verb in VERBS.items():
            assert verb() == right[name], name
        assert Picky.said_no == learnt, "refused again after it was learnt"
        assert learnt <= 12


@pytest.mark.parametrize("seed", range(deep(8)))
def test_several_are_refused_at_once(seed: int, right: dict[str, Any]) -> None:
    rng = random.Random(seed)
    refuses = {name: ADDED[name] for name in rng.sample(list(ADDED), rng.randint(2, len(ADDED)))}
    with picky(STORE, refuses, rng.choice(list(MANNERS)), rng.choice(["drops", "mongo", "loose"])) as session:
        for name in rng.sample(list(VERBS), len(VERBS)):
            assert VERBS[name]() == right[name], (name, list(refuses))
        assert session.refused


def test_on_a_later_page_no_row_is_given_twice(right: dict[str, Any]) -> None:
    """Everything is refused from the second page on, when rows were already given."""
    later = {"later": (lambda r: r.variables.get("after") and r.variables.get("order"), "order by created_at: no")}
    with picky(STORE, later):
        given = []
        for run in Run.objects.order_by("summary.loss", "id").iterator():
            given.append(run.id)
        assert given == right["by key"]


# -- what the caller wrote -------------------------------------------------------------------------

OWN = {
    "named": "invalid column summary_metrics.loss",
    "an operator": "unknown operator $gt",
    "without a word": "resolver failed",
    "not there": "project not found",
}


@pytest.mark.parametrize("manner", ["named", "400", "500"])
@pytest.mark.parametrize("words", OWN)
def test_a_refused_filter_of_the_caller_is_the_servers_error(words: str, manner: str) -> None:
    refuses = {"own": (lambda r: "$gt" in str(r.variables.get("filters")), OWN[words])}
    rows = Run.objects.filter(summary__loss__gt=0.1)
    for verb in (lambda: list(rows), rows.count, rows.exists, lambda: list(rows.order_by("config.lr")), rows.first):
        with picky(STORE, refuses, manner) as session:
            with pytest.raises(ServerError) as caught:
                verb()
            assert manner == "400" or OWN[words] in str((caught.value, caught.value.errors))
            assert session.refused == {}
            assert len(Picky.asked) <= (3 if manner != "400" and words != "without a word" else 10)


def test_what_is_refused_by_chance_teaches_nothing(right: dict[str, Any]) -> None:
    once = {"once": (lambda r: len(Picky.asked) == 2, "something went wrong")}
    with picky(STORE, once) as session:
        assert VERBS["by key"]() == right["by key"]
        assert Picky.said_no == 1
        assert session.refused == {}


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failure_teaches_nothing(status: int) -> None:
    class Failing(ServerError):
        pass

    with picky(STORE, {"all": (lambda r: True, "")}, "named") as session:
        Picky.manner = staticmethod(lambda words: ServerError("HTTP", status=status, server_message="oops"))
        with pytest.raises(ServerError):
            list(Run.objects.order_by("summary.loss"))
        sizes = [request.variables["first"] for request in Picky.asked]
        assert sizes == ([4, 2, 1] if status == 502 else [4])  # it may be too much at once
        assert session.refused == {}


# -- what is said ----------------------------------------------------------------------------------


def test_an_order_that_is_refused_is_said_once_and_explained() -> None:
    rows = Run.objects.order_by("summary.loss")
    with picky(STORE, {"orders": ADDED["orders by a key"]}) as session:
        assert "refused" not in str(rows.explain())
        with pytest.warns(QueryWarning, match=r"refuses orders by summary_metrics.loss; all rows are read and sorted"):
            list(rows)
        list(rows)
        shown = rows.explain()
        assert (
            "  refused   orders by summary_metrics.loss: all rows are read and sorted here" in str(shown).splitlines()
        )
        assert "locally: every row is read first" in shown.order
        assert shown.to_dict()["refused"]
        assert "refused" not in str(Run.objects.order_by("config.lr").explain())
        assert session.refused == {"orders by summary_metrics.loss": "all rows are read and sorted here"}


def test_a_refused_count_is_a_scan_and_explained() -> None:
    with picky(STORE, {"count": ADDED["count"]}):
        with pytest.warns(QueryWarning, match="refuses counts by runCount; the rows are counted here"):
            total = Run.objects.count()
        assert total == len(WORLD.of("acme/vision"))
        assert "counts by runCount: the rows are counted here" in str(Run.objects.all().explain())
        last = Picky.asked[-1].document.text
        assert "summaryMetrics" not in last, "only ids are read"


def test_a_refusal_is_of_one_session() -> None:
    with picky(STORE, {"far": ADDED["far row"]}) as session:
        list(Run.objects.order_by("summary.loss"))
        assert session.refused
    with served(STORE, "drops") as other:
        assert other.refused == {}


# -- files by name ---------------------------------------------------------------------------------


@pytest.mark.parametrize("refused", [False, True])
def test_a_filter_on_a_files_name_asks_for_these_names(refused: bool) -> None:
    with picky(STORE, {"names": ADDED["names"]} if refused else {}):
        every = sorted(file.name for file in File.objects.filter(run="v05"))
        assert len(every) == 2
        name, other = every[0], every[-1]
        for rows, wanted in (
            (File.objects.filter(run="v05", name=name), [name]),
            (File.objects.filter(run="v05", name__in=[name, other, "absent"]), [name, other]),
            (File.objects.filter(run="v05", name=name, size__gte=0), [name]),
            (File.objects.filter(run="v05", name="absent"), []),
        ):
            Picky.asked.clear()
            assert sorted(file.name for file in rows) == wanted
            assert "names" in Picky.asked[0].variables or refused
            assert rows.count() == len(wanted)
        assert File.objects.filter(run="v05").exclude(name=name).count() == len(every) - 1
        shown = str(File.objects.filter(run="v05", name=name).explain())
        assert ("(re-checked locally)" in shown) is not refused
        assert ("refused   rows by their names" in shown) is refused


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_the_warning_points_at_the_callers_line(colour: str) -> None:
    async def listed() -> None:
        [run async for run in Run.objects.order_by("summary.loss")]

    with picky(STORE, {"orders": ADDED["orders by a key"]}):
        with pytest.warns(QueryWarning, match="refuses orders by summary") as said:
            asyncio.run(listed()) if colour == "async" else list(Run.objects.order_by("summary.loss"))
    assert [item.filename for item in said] == [__file__]
