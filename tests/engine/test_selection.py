"""What lists answer: pages, totals, counts by parent, groups, keys; and runs that share a short id."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.engine.test_orders_pages import walk
from tests.support.engine_world import RUNS, START, Asker, make_world
from wbmodel.engine import All, Compare, Dialect, ListStore, MemoryStore, Path, Select, StoreError, Term
from wbmodel.engine.orders import Order
from wbmodel.engine.select import RELATIONS, Collation, KeyFacts

NAME = Path("plain", "name")


def project_of(store: ListStore) -> Any:
    found = store.project("acme", "vision")
    assert found is not None
    return found


def names(page: Any) -> list[str]:
    return [row.name for row in page.rows]


def test_a_page_has_rows_places_and_a_total(store: MemoryStore) -> None:
    ask = Select("project.runs", project_of(store).id, order=(Term(NAME, True),), first=3)
    page = store.select(ask)
    assert (names(page), page.has_next, page.total) == (["r4", "r3", "r2"], True, 4)
    assert len(page.places) == 3
    rest = store.select(Select(ask.relation, ask.parent, order=ask.order, first=3, after=page.places[-1]))
    assert (names(rest), rest.has_next, rest.total) == (["r1"], False, 4)
    assert page.places[1:][0] == page.places[1] != page.places[0]
    nothing = store.select(Select(ask.relation, ask.parent, first=0))
    assert (nothing.rows, nothing.has_next, nothing.total) == ([], True, 4)


def test_of_a_parent_that_is_not_there_there_are_no_rows(store: MemoryStore) -> None:
    for relation in RELATIONS:
        if relation not in ("users", "entities"):
            assert store.select(Select(relation, "nobody")).rows == []
            assert store.count(Select(relation), ["nobody"]) == {"nobody": 0}


def test_every_relation_stands_in_its_order(store: MemoryStore) -> None:
    project = project_of(store)
    assert names(store.select(Select("project.runs", project.id))) == ["r4", "r3", "r2", "r1"]
    run = store.run(project, "r2")
    assert run is not None
    store.add_file(run, "aaa", b"")
    assert names(store.select(Select("run.files", run.id))) == ["aaa", "config.yaml", "media/plot 1.png"]
    data = store.collection(project, "data")
    assert data is not None
    aliases = store.select(Select("collection.aliases", data.id)).rows
    assert [alias.alias for alias in aliases] == ["best", "latest", "v-one"]
    artifact = store.versions(data)[0].artifact
    places = store.select(Select("artifact.memberships", artifact.id)).rows
    assert [place.collection.name for place in places] == ["chosen", "data"]
    assert [place.collection.name for place in artifact.memberships] == ["data", "chosen"], "its own sequence first"
    assert store.viewer is not None
    assert names(store.select(Select("user.teams", store.viewer.id))) == ["ada", "acme"]


def test_counts_by_parent_are_one_question(store: MemoryStore) -> None:
    project = project_of(store)
    runs = {run.name: run.id for run in store.runs(project)}
    assert store.count(Select("run.files"), [runs["r1"], runs["r2"]]) == {runs["r1"]: 0, runs["r2"]: 2}
    where = Compare(Path("plain", "state"), "eq", "crashed")
    assert store.count(Select("project.runs", project.id, where)) == {project.id: 1}
    assert store.count(Select("users")) == {None: 2}


def test_a_page_of_runs_asks_for_its_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_world()
    asked: list[Any] = []
    original = MemoryStore.count

    def count(self: MemoryStore, ask: Select, parents: Any = None, /) -> Any:
        asked.append((ask.relation, len(parents)))
        return original(self, ask, parents)

    monkeypatch.setattr(MemoryStore, "count", count)
    data = Asker(store)(
        """{ project(name: "vision", entityName: "acme") { runs { edges { node { name fileCount } } }
          sweeps { edges { node { runCount } } } } }"""
    )["project"]
    assert {edge["node"]["name"]: edge["node"]["fileCount"] for edge in data["runs"]["edges"]} == {
        "r1": 0,
        "r2": 2,
        "r3": 0,
        "r4": 0,
    }
    assert data["sweeps"]["edges"][0]["node"]["runCount"] == 2
    assert asked == [("run.files", 4), ("sweep.runs", 1)]


def test_counts_are_asked_again_after_a_mutation(store: MemoryStore) -> None:
    project = project_of(store)
    ids = [run.id for run in store.runs(project)]
    one = "deleteRun(input: {id: $%s}) { clientMutationId }"
    first = 'a: upsertModel(input: {entityName: "acme", name: "vision"}) { project { runCount } }'
    document = f"mutation($x: ID!, $y: ID!) {{ {first} {one % 'x'} c: {first[3:]} d: {one % 'y'} e: {first[3:]} }}"
    got = Asker(store)(document, x=ids[0], y=ids[1])
    assert [got[key]["project"]["runCount"] for key in ("a", "c", "e")] == [4, 3, 2]


def test_groups() -> None:
    store = make_world()
    project = project_of(store)
    every = Select("project.runs", project.id)
    states = store.groups(every, (Path("plain", "state"),))
    assert [(group.values, group.count) for group in states] == [
        (("finished",), 2),
        (("running",), 1),
        (("crashed",), 1),
    ]
    tags = store.groups(every, (Path("list", "tags"),))
    assert {group.values: group.count for group in tags} == {("good",): 2, ("first",): 1}
    rates = store.groups(every, (Path("json", "config", ("lr",)), Path("plain", "stopped")))
    assert {group.values for group in rates} == {(0.1, False), (1, False), ("0.1", False), (None, False)}


def test_keys() -> None:
    store = make_world()
    project = project_of(store)
    found = store.keys(Select("project.runs", project.id), Path("json", "config"))
    assert found["lr"] == KeyFacts(4, {"nil": 1, "string": 1, "number": 2})
    assert r"optimizer.beta\.1" in found
    assert found["layers"].types == {"list": 1}
    where = Compare(Path("plain", "name"), "eq", "r4")
    assert set(store.keys(Select("project.runs", project.id, where), Path("json", "config"))) == {"lr"}


def test_sorted_lists_are_kept_by_question_and_state(monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_world()
    project = project_of(store)
    sorts: list[int] = []
    original = Order.settle
    monkeypatch.setattr(Order, "settle", lambda self, rows: sorts.append(1) or original(self, rows))
    ones = [Compare(Path("json", "config", ("flag",)), "eq", value) for value in (True, 1, 1.0, True)]
    got = [names(store.select(Select("project.runs", project.id, where))) for where in ones]
    assert got == [["r1"], [], [], ["r1"]], "1 and true are different questions"
    assert len(sorts) == 3
    store.add_run(project, "r9", config={"flag": True})
    assert names(store.select(Select("project.runs", project.id, ones[0]))) == ["r9", "r1"]


def test_a_collation_is_part_of_the_question(store: MemoryStore) -> None:
    order = (Term(Path("json", "summary_metrics", ("loss",))),)
    plain = Select("project.runs", project_of(store).id, order=order)
    assert names(store.select(plain)) == ["r3", "r1", "r4", "r2"]
    other = Select("project.runs", plain.parent, order=order, collation=Collation(nulls_first=True))
    assert names(store.select(other)) == ["r4", "r2", "r3", "r1"]


# -- runs of one short id --------------------------------------------------------------------------


def alike() -> MemoryStore:
    """Four runs of one date, three of them of one short id."""
    store = MemoryStore()
    store.viewer = store.add_user("acme")
    project = store.add_project("acme", "vision")
    for name, node_id in (("a", "n2"), ("a", "n1"), ("b", "n0"), ("a", "n3")):
        store.add_run(project, name, node_id=node_id, created_at=START, config={"k": 1})
    return store


@pytest.mark.parametrize("order", [None, "-created_at", "+created_at", "+config.k", "-config.k,+name", "-name"])
@pytest.mark.parametrize("dialect", [Dialect(), Dialect(ties="arbitrary"), Dialect(nulls="first", nan="text")])
def test_pages_of_one_lose_no_run_that_shares_id_and_date(order: str | None, dialect: Dialect) -> None:
    store = alike()
    ids: list[str] = []
    after = None
    for _ in range(4):
        page = Asker(store, dialect)(RUNS.replace("node { name }", "node { id }"), order=order, first=1, after=after)
        page = page["project"]["runs"]
        ids += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert not page["pageInfo"]["hasNextPage"]
    assert sorted(ids) == ["n0", "n1", "n2", "n3"]
    assert len(walk(Asker(store, dialect), order, 3)) == 4


def test_ties_end_in_the_node_id() -> None:
    store = alike()
    rows = store.select(Select("project.runs", project_of(store).id)).rows
    assert [(run.name, run.id) for run in rows] == [("a", "n1"), ("a", "n2"), ("a", "n3"), ("b", "n0")]


def test_the_newest_of_a_short_id_is_meant() -> None:
    store = alike()
    project = project_of(store)
    newest = store.add_run(project, "a", node_id="n4", created_at=START.replace(year=2025))
    assert store.run(project, "a") is newest
    assert [run.id for run in store.runs_named(project, "a")] == ["n4", "n1", "n2", "n3"]
    assert store.runs_named(project, "nobody") == []
    store.delete("n4")
    found = store.run(project, "a")
    assert found is not None
    assert found.id == "n1"
    with pytest.raises(StoreError, match="'a' already exists"):
        store.add_run(project, "a")
    with pytest.raises(StoreError, match="'n1' already belongs to"):
        store.add_run(project, "z", node_id="n1")
    for node_id in ("n1", "n2", "n3"):
        store.delete(node_id)
    assert store.run(project, "a") is None


# -- a store that is read only ---------------------------------------------------------------------


def test_a_list_store_is_filled_and_read() -> None:
    store = ListStore(viewer="me")
    project = store.add_project("me", "logs")
    run = store.add_run(project, "one", summary={"loss": math.nan})
    ask = Asker(store)
    assert ask('{ project(name: "logs") { runs { edges { node { name } } } } viewer { username } }') == {
        "project": {"runs": {"edges": [{"node": {"name": "one"}}]}},
        "viewer": {"username": "me"},
    }
    message = ask.error("mutation($id: ID!) { deleteRun(input: {id: $id}) { clientMutationId } }", id=run.id)
    assert "read-only" in message
    assert store.node(run.id) is run


def test_a_select_of_nothing_is_all() -> None:
    assert Select("users").where == All()
