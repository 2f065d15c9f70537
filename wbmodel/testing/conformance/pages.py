"""Cases about pages: ``first``, cursors, ends, every connection, slices, and rows that come while pages are read."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import attrs

from wbmodel.backend.asks import Request, Response
from wbmodel.backend.verbs import Batch, Send
from wbmodel.hookspecs import CallInfo, RegisterWrappers, hookimpl
from wbmodel.testing import oracle
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import Case, case, cases
from wbmodel.testing.conformance.kit import Kit

__all__ = ["CONNECTIONS", "grown", "PageTests"]

RUNS = """
query Runs($project: String, $entity: String, $filters: JSONString, $order: String, $first: Int, $after: String) {
  project(name: $project, entityName: $entity) {
    runs(filters: $filters, order: $order, first: $first, after: $after) {
      edges { cursor node { name createdAt } }
      pageInfo { endCursor hasNextPage }
    }
  }
}
"""
_LIMIT = 500


def runs_page(kit: Kit, path: str, **variables: Any) -> dict[str, Any]:
    """One page of a project's runs."""
    entity, project = path.split("/")
    found = kit.data(RUNS, project=project, entity=entity, **variables)["project"]
    if found is None or found.get("runs") is None:
        kit.fail(f"project {path} was answered with {found!r}, and it has runs", document=RUNS)
    runs: dict[str, Any] = found["runs"]
    return runs


def page(kit: Kit, **variables: Any) -> dict[str, Any]:
    """One page of the main project's runs."""
    return runs_page(kit, kit.world.project, **variables)


def ids(connection: dict[str, Any]) -> list[str]:
    """The ids of a page's runs."""
    return [edge["node"]["name"] for edge in connection["edges"]]


def walk(kit: Kit, first: int, **variables: Any) -> list[str]:
    """The ids of all pages, one after the other. Fails where cursors lead nowhere."""
    found: list[str] = []
    after: str | None = None
    seen: set[str] = set()
    while True:
        connection = page(kit, first=first, after=after, **variables)
        found += ids(connection)
        info = connection["pageInfo"]
        if not info["hasNextPage"]:
            return found
        after = info["endCursor"]
        if not after or after in seen:
            told = (
                f"after {len(found)} runs in pages of {first}, pageInfo says hasNextPage: true with the endCursor "
                f"{after!r}, which {'was given before' if after else 'leads nowhere'}: following it never ends"
            )
            kit.fail(told, document=RUNS, variables=variables)
        seen.add(after)
        if not connection["edges"] or len(seen) > _LIMIT:
            kit.fail(
                f"pages of {first} go on after {len(found)} runs, and there are {len(kit.rows('Run'))}", document=RUNS
            )


_ORDERS = {
    "none": None,
    "newest": "-created_at",
    "oldest": "+created_at",
    "name": "+display_name",
    "nullable": "+heartbeat_at",
    "config": "-config.rank.value",
    "summary": "+summary_metrics.loss",
}


_ARTIFACTS = frozenset({"artifacts"})
CONNECTIONS: dict[str, tuple[str, str, frozenset[str]]] = {
    "Project.sweeps": ("sweeps", "name", frozenset({"sweeps"})),
    "Project.allViews": ("allViews", "name", frozenset({"reports"})),
    "Project.buckets": ("buckets", "name", frozenset()),
    "Project.artifactTypes": ("artifactTypes", "name", _ARTIFACTS),
    "Project.artifactCollections": ("artifactCollections", "name", _ARTIFACTS),
    "ArtifactType.artifactCollections": ('artifactType(name: "dataset") { artifactCollections', "name", _ARTIFACTS),
    "ArtifactCollection.artifacts": ('artifactCollection(name: "images") { artifacts', "id", _ARTIFACTS),
    "Artifact.files": ('artifact(name: "images:v1") { files', "name", _ARTIFACTS),
    "Artifact.usedBy": ('artifact(name: "images:v0") { usedBy', "name", _ARTIFACTS),
    "Run.files": ('run(name: "e-one") { files', "name", frozenset({"files"})),
    "Run.outputArtifacts": ('run(name: "e-one") { outputArtifacts', "id", _ARTIFACTS),
    "Run.inputArtifacts": ('run(name: "e-half") { inputArtifacts', "id", _ARTIFACTS),
}
"""Connections below a project: the way there, the field that names a node, and what the world must hold for it."""


def _all_pages(kit: Kit, way: str, field: str, first: int) -> list[str]:
    """A field of all nodes of a connection below the main project, in pages of ``first``."""
    heads = way.split(" { ")
    names = [head.split("(")[0] for head in heads]
    document = (
        "query Pages($project: String, $entity: String, $first: Int, $after: String) "
        f"{{ project(name: $project, entityName: $entity) {{ {way}(first: $first, after: $after) "
        f"{{ edges {{ node {{ {field} }} }} pageInfo {{ endCursor hasNextPage }} }} {'} ' * len(heads)}}}"
    )
    entity, project = kit.world.project.split("/")
    found: list[str] = []
    after = None
    while True:
        at = kit.data(document, project=project, entity=entity, first=first, after=after)["project"]
        for name in names:
            if at is None:
                kit.fail(f"null came on the way to {way}", document=document)
            at = at[name]
        if (length := len(at["edges"])) > first:
            kit.fail(f"{names[-1]}(first: {first}) gave {length} edges: is `first` ignored?", document=document)
        found += [edge["node"][field] for edge in at["edges"]]
        if not at["pageInfo"]["hasNextPage"]:
            return found
        if len(found) > _LIMIT or at["pageInfo"]["endCursor"] in (None, after):
            kit.fail(f"{names[-1]}: the pages never end; the last cursor was {after!r}", document=document)
        after = at["pageInfo"]["endCursor"]


def grown(kit: Kit, order: str) -> str | None:
    """What is wrong with pages of 2 that are followed by their cursors while runs are added; None when nothing is."""
    project = kit.world.second
    before = {row["id"] for row in kit.world.rows("Run", project)}
    found: list[str] = []
    after = None
    for turn in range(_LIMIT):
        told = runs_page(kit, project, first=2, after=after, order=order)
        found += ids(told)
        if turn in (0, 1):
            kit.bench.add_run(project)
        if not told["pageInfo"]["hasNextPage"]:
            break
        after = told["pageInfo"]["endCursor"]
    twice = sorted({item for item in found if found.count(item) > 1})
    missing = sorted(before - set(found))
    words = [f"there more than once: {', '.join(twice)}"] if twice else []
    words += [f"missing: {', '.join(missing)}"] if missing else []
    return "; ".join(words) or None


class _Growing:
    """A plugin that has pages of two rows asked for, and adds a run after each of the first two."""

    def __init__(self, add: Any) -> None:
        self._add = add
        self._turn = 0

    @hookimpl
    def wbmodel_register_wrappers(self, register: RegisterWrappers) -> None:
        def smaller(request: Request, info: CallInfo) -> Generator[Send | Batch, Any, Response]:
            if "first" not in request.variables:
                passed: Response = yield Send(request)
                return passed
            response: Response = yield Send(attrs.evolve(request, variables={**request.variables, "first": 2}))
            self._turn += 1
            if self._turn <= 2:
                self._add()
            return response

        register("conformance-growing", smaller)


_CREATION = {"newest": "-created_at", "oldest": "+created_at"}


class PageTests(BackendTests):
    """Cases about pages: ``first``, cursors, ends, every connection, slices, and rows that come meanwhile."""

    @case("page/first")
    def test_page_first(self, kit: Kit) -> None:
        """A page has as many rows as ``first`` asks for, while there are as many, and says whether more follow."""
        total = len(kit.rows("Run"))
        most = kit.capabilities.max_page_size
        for first in sorted({min(number, most) for number in (1, 2, 3, 5, most)}):
            connection = page(kit, first=first)
            wanted = min(first, total)
            if len(connection["edges"]) != wanted:
                given = f"runs(first: {first}) gave {len(connection['edges'])} edges"
                hint = ": is `first` ignored?" if len(connection["edges"]) > wanted else ""
                kit.fail(f"{given}, and must give {wanted} of {total} runs{hint}", document=RUNS)
            more = connection["pageInfo"]["hasNextPage"]
            kit.equal(more, first < total, f"hasNextPage of runs(first: {first}), where there are {total} runs,")

    @cases(
        Case(
            f"page/walk/{label}",
            f"Following the cursors gives every row once, in one order: {label}.",
            values={"order": order},
        )
        for label, order in _ORDERS.items()
    )
    def test_page_walk(self, kit: Kit, order: str | None) -> None:
        """Following the cursors gives every row once, in one order."""
        expected = [row["id"] for row in kit.rows("Run")]
        whole = walk(kit, kit.capabilities.max_page_size, order=order)
        for first in (3, min(7, kit.capabilities.max_page_size)):
            found = walk(kit, first, order=order)
            what = f"following endCursor in pages of {first} with order {order!r}"
            kit.same_rows(found, expected, what, hint="pages must neither overlap nor leave gaps, ties included")
            kit.same_order(found, whole, what)

    @case("page/walk/filtered")
    def test_page_walk_filtered(self, kit: Kit) -> None:
        """The pages of a filter hold only what matches, and go on to the last that does."""
        expected = oracle.answer(kit.rows("Run"), ("leaf", ("state",), "exact", "finished"))
        found = walk(kit, 2, filters='{"state": "finished"}')
        kit.same_rows(found, expected, "pages of 2 with filters {state: finished}")

    @case("page/edge-cursor")
    def test_page_edge_cursor(self, kit: Kit) -> None:
        """Going on after any edge's own cursor starts with the row behind it."""
        connection = page(kit, first=6, order="-created_at")
        rows = ids(connection)
        for at in range(0, len(rows) - 1, 2):
            cursor = connection["edges"][at]["cursor"]
            found = ids(page(kit, first=1, after=cursor, order="-created_at"))
            kit.equal(found, [rows[at + 1]], f"the page after the cursor of edge {at} ({rows[at]})")

    @case("page/end")
    def test_page_end(self, kit: Kit) -> None:
        """After the last row comes an empty page that says so, not an error and not the first page again."""
        connection = page(kit, first=kit.capabilities.max_page_size)
        while connection["pageInfo"]["hasNextPage"]:
            connection = page(kit, first=kit.capabilities.max_page_size, after=connection["pageInfo"]["endCursor"])
        after = page(kit, first=3, after=connection["pageInfo"]["endCursor"])
        kit.equal(ids(after), [], "the page after the last cursor")
        kit.equal(after["pageInfo"]["hasNextPage"], False, "its hasNextPage")

    @case("page/empty")
    def test_page_empty(self, kit: Kit) -> None:
        """A filter that nothing matches gives an empty page without a next one."""
        connection = page(kit, first=3, filters='{"state": "no such state"}')
        kit.equal(ids(connection), [], "the page of a filter that nothing matches")
        kit.equal(connection["pageInfo"]["hasNextPage"], False, "its hasNextPage")

    @case("page/same-cursor-twice")
    def test_page_same_cursor_twice(self, kit: Kit) -> None:
        """A cursor gives the same page when it is used again, and when other pages were read between."""
        first = page(kit, first=3)
        cursor = first["pageInfo"]["endCursor"]
        second = ids(page(kit, first=3, after=cursor))
        page(kit, first=5, order="+display_name")
        kit.equal(ids(page(kit, first=3, after=cursor)), second, "the page after the same cursor, asked again,")

    @cases(
        Case(
            f"page/connection/{name}",
            f"{name} has pages that fit together.",
            values={"way": way, "field": field},
            parts=needs,
        )
        for name, (way, field, needs) in CONNECTIONS.items()
    )
    def test_page_connection(self, kit: Kit, way: str, field: str) -> None:
        """The pages of a connection fit together."""
        name = way.rsplit(" { ", maxsplit=1)[-1].split("(", maxsplit=1)[0]
        whole = _all_pages(kit, way, field, kit.capabilities.max_page_size)
        single = _all_pages(kit, way, field, 1)
        kit.equal(len(set(single)), len(single), f"the number of different rows of {name} in pages of 1")
        kit.equal(single, whole, f"{name} in pages of 1", "it must be what comes in one page")
        if not whole:
            kit.fail(f"{name} is empty, and the world holds some; the way there: {way}")

    @case("page/slices")
    def test_page_slices(self, kit: Kit) -> None:
        """Slices of a queryset are slices of its whole, at every border of its pages."""
        size = kit.capabilities.page_size
        expected = oracle.answer(kit.rows("Run"), ("and", []))
        total = len(expected)
        cuts = {(0, 1), (0, size), (size - 1, size + 1), (size, size + 2), (1, total), (total - 1, total + 3), (2, 2)}
        for start, stop in sorted(cuts):
            found = kit.names("Run", kit.objects("Run")[start:stop])
            kit.same_order(found, expected[start:stop], f"Run.objects[{start}:{stop}]")
        kit.equal(kit.ask(kit.objects("Run")[3:], "first").id, expected[3], "the id of Run.objects[3:].first()")

    @cases(
        Case(
            f"page/growing/{label}",
            "Following cursors while rows are added neither hides nor repeats a row that was there.",
            values={"order": order},
            parts={"growth", "projects"},
            flags={"stable_cursors"},
        )
        for label, order in _CREATION.items()
    )
    def test_page_growing(self, kit: Kit, order: str) -> None:
        """Following cursors while rows are added neither hides nor repeats a row that was there."""
        told = grown(kit, order)
        if told is not None:
            kit.fail(
                f"pages of 2 with order {order}, while runs are added, gave the wrong rows: {told}\n"
                "a stable cursor says where a row stood, not how many came before it"
            )

    @cases(
        Case(
            f"page/growing-rows/{label}",
            "A queryset in creation order neither loses nor repeats a row while rows are added.",
            values={"order": order.removeprefix("+")},
            parts={"growth", "projects"},
        )
        for label, order in _CREATION.items()
    )
    def test_page_growing_rows(self, kit: Kit, order: str) -> None:
        """A queryset in creation order neither loses nor repeats a row while rows are added."""
        from wbmodel import Run

        project = kit.world.second
        # What other cases added has a date of the server's own.
        rows = [row for row in kit.world.rows("Run", project) if not row["id"].startswith("later-")]
        before = oracle.answer(rows, ("and", []), [(("created_at",), order.startswith("-"))])
        plugin = _Growing(lambda: kit.bench.add_run(project))
        with kit.bench.open(project, [plugin]) as session:
            found = [row.id for row in kit.all(Run.objects.using(session).order_by(order))]
        what = f"Run.objects.order_by({order!r}) in pages of 2, while runs are added,"
        kit.same_rows(found, {*before, *found}, what, hint="is created_at filtered as it is shown?")
        kit.same_order([item for item in found if item in before], before, what)
