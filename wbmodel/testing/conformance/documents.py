"""Cases about raw documents: how they are written, which variables come with them, and what JSON may hold."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

from wbmodel.backend.asks import Document, Request, Response
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import case
from wbmodel.testing.conformance.kit import Kit, shown
from wbmodel.testing.conformance.pages import RUNS, ids

__all__ = ["DocumentTests"]

_NAMES = (
    "query N($project: String, $entity: String) { project(name: $project, entityName: $entity) { name entityName } }"
)


def _scope(kit: Kit) -> dict[str, Any]:
    entity, project = kit.world.project.split("/")
    return {"project": project, "entity": entity}


def _named(kit: Kit, response: Response, what: str) -> None:
    if response.errors:
        kit.fail(f"{what} was refused: {response.errors[0].get('message')}")
    entity, project = kit.world.project.split("/")
    kit.equal((response.data or {}).get("project"), {"name": project, "entityName": entity}, f"the answer to {what}")


def _leaves(value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                yield f"{path}[{key!r}]", object()
            yield from _leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


class DocumentTests(BackendTests):
    """Cases about raw documents: how they are written, which variables come with them, and what JSON may hold."""

    @case("document/undeclared-variables")
    def test_document_undeclared_variables(self, kit: Kit) -> None:
        """Variables that a document does not declare are ignored: real clients send such."""
        response = kit.response(_NAMES, {**_scope(kit), "extra": 1, "first": "no number", "entityName": None})
        _named(kit, response, "a document with variables that it does not declare")

    @case("document/null-variables")
    def test_document_null_variables(self, kit: Kit) -> None:
        """Null for filters, order and after is as good as not given."""
        given = kit.data(RUNS, **_scope(kit), filters=None, order=None, first=4, after=None)["project"]["runs"]
        left_out = kit.data(RUNS, **_scope(kit), first=4)["project"]["runs"]
        kit.equal(ids(given), ids(left_out), "the page with nulls")
        empty = kit.data(RUNS, **_scope(kit), filters="{}", order="", first=4, after="")["project"]["runs"]
        kit.equal(ids(empty), ids(left_out), "the page with empty texts")

    @case("document/operation-name")
    def test_document_operation_name(self, kit: Kit) -> None:
        """The operation's name chooses among several; "" and null stand for the only one there is."""
        for name in (None, "", "N"):
            _named(kit, kit.response(_NAMES, _scope(kit), name), f"a document with the operation name {name!r}")
        several = f"{_NAMES}\nquery Other {{ viewer {{ id }} }}"
        _named(kit, kit.response(several, _scope(kit), "N"), "a document of two operations")

    @case("document/not-by-name")
    def test_document_not_by_name(self, kit: Kit) -> None:
        """A document is executed as it is written, never recognised by its operation's name."""
        for name in ("Runs", "Viewer", "UpsertBucket"):
            text = _NAMES.replace("query N(", f"query {name}(")
            _named(kit, kit.response(text, _scope(kit), name), f"a document that calls itself {name}")

    @case("document/text-and-ast")
    def test_document_text_and_ast(self, kit: Kit) -> None:
        """A document that is held as an AST is answered like the same one as text."""
        by_ast = Request(Document(ast=Document(_NAMES).ast), _scope(kit))
        _named(kit, kit.ask(kit.backend, "execute", by_ast), "a document that is held as an AST")

    @case("document/aliases-and-fragments", parts=["sweeps"])
    def test_document_aliases_and_fragments(self, kit: Kit) -> None:
        """Aliases, fragments, inline fragments, directives and __typename work as in any GraphQL."""
        text = """
        query A($project: String, $entity: String, $no: Boolean!) {
          one: project(name: $project, entityName: $entity) {
            ...Part sweeps(first: 1) { edges { node { __typename } } }
          }
          two: project(name: $project, entityName: $entity) { ... on Project { title: name } id @include(if: $no) }
        }
        fragment Part on Project { __typename name }
        """
        found = kit.data(text, **_scope(kit), no=False)
        project = kit.world.project.split("/")[1]
        kit.equal(found["one"]["__typename"], "Project", "__typename of a project")
        kit.equal(found["one"]["name"], project, "the name by a fragment")
        kit.equal(found["one"]["sweeps"]["edges"][0]["node"]["__typename"], "Sweep", "__typename of a sweep")
        kit.equal(found["two"], {"title": project}, "what an alias, an inline fragment and @include(if: false) leave")

    @case("document/old-spellings")
    def test_document_old_spellings(self, kit: Kit) -> None:
        """The names that clients of 2021 use (model, bucket, buckets) answer like the new ones."""
        text = """
        query Old($project: String, $entity: String) {
          model(name: $project, entityName: $entity) {
            name bucket(name: "e-one") { name } buckets(first: 2) { edges { node { name } } }
          }
          project(name: $project, entityName: $entity) { runs(first: 2) { edges { node { name } } } }
        }
        """
        found = kit.data(text, **_scope(kit))
        kit.equal(found["model"]["bucket"], {"name": "e-one"}, 'bucket(name: "e-one")')
        kit.equal(ids(found["model"]["buckets"]), ids(found["project"]["runs"]), "buckets(first: 2)")

    @case("document/strict-json")
    def test_document_strict_json(self, kit: Kit) -> None:
        """Answers are strict JSON: no NaN and no Infinity outside of text, keys are text, and nothing is left
        undecoded."""
        text = """
        query J($project: String, $entity: String, $specs: [JSONString!]) {
          project(name: $project, entityName: $entity) {
            runs(first: 100) { edges { cursor node {
              id name createdAt config summaryMetrics tags historyKeys historyLineCount sampledHistory(specs: $specs)
              user { username } systemMetrics
            } } pageInfo { endCursor hasNextPage } }
            sweeps(first: 10) { edges { node { id config bestLoss } } }
            allViews(first: 10) { edges { node { id spec } } }
          }
        }
        """
        response = kit.response(text, {**_scope(kit), "specs": ['{"keys": ["_step", "loss"], "samples": 100}']})
        if response.errors:
            kit.fail(f"a document of the schema was refused: {response.errors[0].get('message')}", document=text)
        for path, value in _leaves(response.data, "data"):
            if isinstance(value, float) and not math.isfinite(value):
                told = 'in scalar JSON it is the text "NaN", and inside text fields a bare token'
                kit.fail(f"{path} is {value!r}, which JSON does not have; {told}", document=text)
            if not (value is None or isinstance(value, (str, int, float, bool))):
                kit.fail(
                    f"{path} is {shown(value)} of type {type(value).__name__}, which JSON does not have", document=text
                )
        project: Any = (response.data or {})["project"]
        for edge in project["runs"]["edges"]:
            for field in ("config", "summaryMetrics"):
                kit.equal(
                    type(edge["node"][field]) in (str, type(None)), True, f"whether {field} is text (scalar JSONString)"
                )

    @case("document/dates")
    def test_document_dates(self, kit: Kit) -> None:
        """Dates are RFC 3339 text in UTC, to the microsecond where they have any."""
        from wbmodel.codec import parse_datetime

        found = kit.data(RUNS, **_scope(kit), first=100)["project"]["runs"]["edges"]
        created = {row["id"]: row["created_at"] for row in kit.rows("Run")}
        for edge in found:
            node = edge["node"]
            text = node["createdAt"]
            if not isinstance(text, str) or not (text.endswith(("Z", "+00:00")) and text[10:11] == "T"):
                kit.fail(f"createdAt of run {node['name']} is {shown(text)}, and must be RFC 3339 text in UTC")
            kit.equal(parse_datetime(text), created[node["name"]], f"createdAt of run {node['name']}")

    @case("document/viewer")
    def test_document_viewer(self, kit: Kit) -> None:
        """The viewer is who the world says, and has a default entity."""
        found = kit.data("query V { viewer { id username entity teams { edges { node { name } } } } }")["viewer"]
        if found is None:
            kit.fail("viewer is null, although the world has a viewer")
        kit.equal(found["username"], kit.world.viewer, "viewer.username")
        teams = [edge["node"]["name"] for edge in found["teams"]["edges"]]
        kit.equal(kit.world.entity in teams, True, f"whether {kit.world.entity} is among viewer.teams ({teams})")

    @case("document/same-twice")
    def test_document_same_twice(self, kit: Kit) -> None:
        """The same question has the same answer when nothing has changed."""
        first = kit.data(RUNS, **_scope(kit), first=20)
        kit.equal(kit.data(RUNS, **_scope(kit), first=20), first, "the answer to the same question, asked again,")

    @case("document/many")
    def test_document_many(self, kit: Kit) -> None:
        """execute_many answers in the order of its requests, and nothing with nothing."""
        names = [row["id"] for row in kit.rows("Run")][:7]
        text = (
            "query R($project: String, $entity: String, $run: String) "
            "{ project(name: $project, entityName: $entity) { run(name: $run) { name } } }"
        )
        requests = [Request(text, {**_scope(kit), "run": name}) for name in names]
        answers = kit.ask(kit.backend, "execute_many", requests)
        found = [(item.data or {})["project"]["run"]["name"] for item in answers]
        kit.equal(
            found, names, "the runs that execute_many() answered with", "answers come in the order of the requests"
        )
        kit.equal(kit.ask(kit.backend, "execute_many", []), [], "execute_many([])")

    @case("document/threads")
    def test_document_threads(self, kit: Kit) -> None:
        """A backend answers from any thread, several at once, each its own question."""
        text = (
            "query R($project: String, $entity: String, $run: String) "
            "{ project(name: $project, entityName: $entity) { run(name: $run) { name displayName } } }"
        )
        rows = kit.rows("Run")[:8]
        found: dict[str, Any] = {}

        def ask(row: dict[str, Any]) -> None:
            try:
                for _ in range(3):
                    answer = kit.backend.execute(Request(text, {**_scope(kit), "run": row["id"]}))
                    found[row["id"]] = (answer.data or {})["project"]["run"]["displayName"]
            except Exception as error:  # told by the main thread
                found[row["id"]] = error

        threads = [threading.Thread(target=ask, args=(row,)) for row in rows]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for row in rows:
            kit.equal(
                found.get(row["id"]), row["name"], f"the displayName of run {row['id']}, asked by a thread of its own,"
            )

    @case("document/loops")
    def test_document_loops(self, kit: Kit) -> None:
        """The asynchronous twin answers on any event loop, and on several one after the other."""
        import asyncio

        async def ask() -> Response:
            return await kit.backend.aexecute(Request(_NAMES, _scope(kit)))

        async def several() -> list[Response]:
            return list(await asyncio.gather(*(ask() for _ in range(4))))

        for _ in range(2):
            made: list[Any] = []

            def run(made: list[Any] = made) -> None:
                try:
                    made.extend(asyncio.run(several()))
                except Exception as error:  # told by the main thread
                    made.append(error)

            thread = threading.Thread(target=run)  # the caller may have a loop of its own running
            thread.start()
            thread.join(60)
            for item in made:
                if not isinstance(item, Response):
                    kit.fail(f"aexecute() on another event loop raised {type(item).__name__}: {item}")
                _named(kit, item, "a document on another event loop")

    @case("document/timeout")
    def test_document_timeout(self, kit: Kit) -> None:
        """A timeout that is long enough changes nothing."""
        response = kit.ask(kit.backend, "execute", Request(_NAMES, _scope(kit)), timeout=60.0)
        _named(kit, response, "a document with a timeout of 60 s")
