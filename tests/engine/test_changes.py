"""Changes of a store: a mutation document is one change, each mutation in it stands alone, and what fails is undone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.engine_world import Asker, make_world
from wbmodel.engine import Engine, MemoryStore, RunRecord, Select, StoreError
from wbmodel.engine.records import PageLoader, Record
from wbmodel.engine.select import RELATIONS
from wbmodel.request import Request


def content(store: MemoryStore) -> Any:
    """All that the store says: every record, every list, every name."""
    records: dict[str, Any] = {}
    for node_id, record in sorted(nodes(store).items()):
        fields = {a.name: getattr(record, a.name) for a in attrs.fields(type(record)) if not a.name.startswith("_")}
        fields.pop("keys_cache", None)
        records[node_id] = {name: _shown(value) for name, value in fields.items()}
    lists = {
        (relation, node_id): [row.id for row in store.select(Select(relation, node_id)).rows]
        for relation in RELATIONS
        if relation not in ("users", "entities")
        for node_id in records
    }
    projects = [project for entity in store.entities() for project in store.projects(entity)]
    order = {p.path: [[row.id for row in rows] for rows in (store.runs(p), store.collections(p))] for p in projects}
    named = {p.path: [getattr(store.run(p, name), "id", None) for name in ("r1", "r2", "new")] for p in projects}
    aliases = [
        getattr(store.membership(c, alias), "id", None)
        for p in projects
        for c in store.collections(p)
        for alias in ("latest", "best", "prod", "v0", "v1", "x")
    ]
    return records, lists, order, named, aliases


def nodes(store: MemoryStore) -> dict[str, Record]:
    found: dict[str, Record] = {}
    todo: list[Any] = [*store.users(), *store.entities()]
    while todo:
        record = todo.pop()
        if record.id in found or store.node(record.id) is not record:
            continue
        found[record.id] = record
        for relation in RELATIONS:
            if relation not in ("users", "entities", "collection.aliases"):
                todo += store.select(Select(relation, record.id)).rows
    return found


def _shown(value: Any) -> Any:
    if isinstance(value, Record):
        return value.id
    return [_shown(item) for item in value] if isinstance(value, list) else value


def run_of(store: MemoryStore, name: str = "r1") -> RunRecord:
    project = store.project("acme", "vision")
    assert project is not None
    run = store.run(project, name)
    assert run is not None
    return run


def version(store: MemoryStore, alias: str = "v0") -> Any:
    project = store.project("acme", "vision")
    assert project is not None
    collection = store.collection(project, "data")
    assert collection is not None
    found = store.membership(collection, alias)
    assert found is not None
    return found


STEPS: dict[str, Callable[[Any], Any]] = {
    "update": lambda s: s.update(run_of(s).id, notes="x", config={"a": 1}, sweep=None, history=[{"x": 1}]),
    "move": lambda s: s.update(run_of(s, "r3").id, sweep="sw1"),
    "delete run": lambda s: s.delete(run_of(s, "r2").id),
    "delete logger": lambda s: s.delete(run_of(s, "r1").id),
    "delete sweep": lambda s: s.delete(s.sweep(s.project("acme", "vision"), "sw1").id),
    "delete project": lambda s: s.delete(s.project("acme", "vision").id),
    "delete collection": lambda s: s.delete(s.collection(s.project("acme", "vision"), "data").id),
    "delete version": lambda s: s.delete(version(s).artifact.id),
    "rename": lambda s: s.update(s.project("acme", "vision").id, name="renamed"),
    "rename collection": lambda s: s.update(s.collection(s.project("acme", "vision"), "data").id, name="d2"),
    "add run": lambda s: s.add_run(s.project("acme", "vision"), "new", sweep="sw1"),
    "add project": lambda s: s.add_project("acme", "more"),
    "add version": lambda s: s.add_version(
        s.collection(s.project("acme", "vision"), "data"), aliases=["best", "x"], files={"a": b"1"}, logged_by=run_of(s)
    ),
    "add collection": lambda s: s.add_collection(s.project("acme", "vision"), "c2", type="model"),
    "add file": lambda s: s.add_file(run_of(s, "r2"), "config.yaml", b"other"),
    "add user": lambda s: s.add_user("bob"),
    "aliases": lambda s: s.set_aliases(version(s), ["latest", "x"]),
    "use": lambda s: s.use(run_of(s, "r3"), version(s).artifact),
}


class Stopped(BaseException):
    """Not an Exception: what is undone must not depend on the kind of error."""


@settings(max_examples=deep(60), deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=6))
def test_what_raises_leaves_no_trace(names: list[str]) -> None:
    store = make_world()
    before = content(store)
    with pytest.raises(Stopped), store.change():
        for name in names:
            try:
                with store.savepoint():
                    STEPS[name](store)
            except (StoreError, AssertionError, AttributeError):
                continue  # what a step needs is gone already; what it did is undone
        raise Stopped
    assert content(store) == before
    assert run_of(store).config_text.startswith('{"lr":{"desc":null,"value":0.1}')


@pytest.mark.parametrize("name", sorted(STEPS))
def test_each_step_changes_something_and_is_undone(name: str) -> None:
    store, other = make_world(), make_world()
    before = content(store)
    STEPS[name](other)
    assert content(other) != before
    with pytest.raises(Stopped), store.change():
        STEPS[name](store)
        during = store.token
        store.select(Select("users"))
        raise Stopped
    assert content(store) == before
    assert store.token != during, "lists that were kept meanwhile are not found again"


def test_a_change_that_ends_well_stays() -> None:
    store = make_world()
    with store.change() as writer:
        changed = writer.update(run_of(store).id, notes="kept")
    assert changed is run_of(store)
    assert run_of(store).notes == "kept"


def test_a_savepoint_undoes_only_its_part() -> None:
    store = make_world()
    with store.change() as writer:
        writer.update(run_of(store).id, notes="kept")
        with pytest.raises(StoreError), writer.savepoint():
            writer.update(run_of(store).id, notes="lost")
            writer.update("nobody", notes="x")
        assert run_of(store).notes == "kept"
    assert run_of(store).notes == "kept"


def test_mutations_of_a_document_stand_alone() -> None:
    store = make_world()
    data = Asker(store).send(
        """mutation($id: ID!, $other: ID!) {
          a: upsertBucket(input: {id: $id, notes: "one"}) { bucket { notes } }
          b: upsertBucket(input: {id: $other, notes: "two", sweep: "nope"}) { bucket { notes } }
          c: updateRunState(input: {id: $id, state: "failed"}) { success } }""",
        id=run_of(store).id,
        other=run_of(store, "r2").id,
    )
    assert [error["path"] for error in data.errors] == [["b"]]
    assert (run_of(store).notes, run_of(store).state, run_of(store, "r2").notes) == ("one", "failed", None)


def test_a_mutation_that_fails_half_way_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_world()
    before = content(store)
    original = MemoryStore.delete

    def delete(self: MemoryStore, record: str, /) -> None:
        original(self, record)
        raise StoreError("the disk is full")

    monkeypatch.setattr(MemoryStore, "delete", delete)
    message = Asker(store).error(
        "mutation($id: ID!) { deleteRun(input: {id: $id, deleteArtifacts: true}) { clientMutationId } }",
        id=run_of(store).id,
    )
    assert message == "the disk is full"
    assert content(store) == before


def test_a_record_of_another_store_is_refused() -> None:
    store, other = make_world(), MemoryStore()
    other.add_entity("else")
    project = other.add_project("else", "where")
    with pytest.raises(StoreError, match="else/where"):
        store.add_run(project, "x")


def test_one_request_at_a_time_on_a_store_whoever_executes_it() -> None:
    store = make_world()
    engines = [Engine(store), Engine(store)]
    inside: list[int] = []
    original = store.select

    def select(ask: Select, /) -> Any:
        inside.append(1)
        assert len(inside) == 1, "two requests at once"
        threading.Event().wait(0.01)
        found = original(ask)
        inside.pop()
        return found

    store.select = select  # type: ignore[method-assign]
    document = Request('{ project(name: "vision", entityName: "acme") { runs { edges { node { name } } } } }')
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda e=e: answers.append(e.execute(document))) for e in engines * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [list(answer.errors) for answer in answers] == [[]] * 6


def test_a_page_loads_a_part_for_all_its_rows() -> None:
    store = make_world()
    rows = [run_of(store, name) for name in ("r1", "r2", "r3")]
    expected = [run.config for run in rows]
    asked: list[int] = []

    def configs(page: Any) -> Any:
        asked.append(len(page))
        return expected

    PageLoader(rows, {"config": configs})
    assert rows[2].summary == {"loss": 0.25}
    assert asked == []
    assert rows[1].config is expected[1]
    assert [run.config for run in rows] == expected
    assert asked == [3]
    with pytest.raises(AttributeError, match="no attribute 'confg'"):
        rows[0].confg  # type: ignore[attr-defined]  # noqa: B018
