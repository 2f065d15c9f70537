"""Cases about wrong questions: each is refused in words that name what is wrong, and nothing else is disturbed."""

from __future__ import annotations

from typing import Any

from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import Nonconforming, case
from wbmodel.testing.conformance.kit import Kit, shown
from wbmodel.testing.conformance.pages import RUNS, ids, page

__all__ = ["FaultTests"]


def _still_there(kit: Kit) -> None:
    found = ids(page(kit, first=1))
    kit.equal(len(found), 1, "the number of runs after an error", "an error must not disturb what is asked next")


def _names(kit: Kit, told: str, word: str, what: str) -> None:
    if word.lower() not in told.lower():
        kit.fail(f"{what} is refused with {shown(told)}, which does not name {word!r}; its reader has to find the slip")


def _scope(kit: Kit) -> dict[str, Any]:
    entity, project = kit.world.project.split("/")
    return {"project": project, "entity": entity}


def _missing(kit: Kit, rows: Any, error: type[Exception], what: str) -> None:
    try:
        found = kit.all(rows)
    except error as told:
        _names(kit, str(told), "nowhere", f"the error for {what}")
        return
    except Exception as other:
        raise Nonconforming(
            f"{what}: {type(other).__name__} was raised ({other}), and {error.__qualname__} is meant; "
            "the schema answers null for what is not there"
        ) from other
    kit.fail(f"{what} gave {shown(found)}; what does not exist is answered with null, never with an empty list")


class FaultTests(BackendTests):
    """Cases about wrong questions: each is refused in words that name what is wrong, and nothing else is disturbed."""

    @case("error/missing-project")
    def test_error_missing_project(self, kit: Kit) -> None:
        """A project that does not exist is null in a document, and Project.DoesNotExist in a queryset."""
        from wbmodel import Project, Run

        entity = kit.world.entity
        text = "query P($p: String, $e: String) { project(name: $p, entityName: $e) { id } }"
        response = kit.response(text, {"p": "nowhere", "e": entity})
        kit.equal((response.data or {}).get("project"), None, 'project(name: "nowhere")')
        rows = Run.objects.using(kit.session).filter(project=f"{entity}/nowhere")
        _missing(kit, rows, Project.DoesNotExist, "runs of a project that does not exist")
        _still_there(kit)

    @case("error/missing-entity")
    def test_error_missing_entity(self, kit: Kit) -> None:
        """A project of an entity that does not exist is null too."""
        text = "query P($p: String, $e: String) { project(name: $p, entityName: $e) { id } }"
        response = kit.response(text, {"p": kit.world.project.split("/")[1], "e": "nowhere-at-all"})
        kit.equal((response.data or {}).get("project"), None, 'project(entityName: "nowhere-at-all")')

    @case("error/missing-run")
    def test_error_missing_run(self, kit: Kit) -> None:
        """A run that does not exist is null, Run.DoesNotExist from get(), and None from get_or_none()."""
        from wbmodel import Run

        text = (
            "query R($project: String, $entity: String) "
            '{ project(name: $project, entityName: $entity) { run(name: "nowhere") { id } } }'
        )
        kit.equal(kit.data(text, **_scope(kit))["project"]["run"], None, 'run(name: "nowhere")')
        try:
            found = kit.ask(Run.objects.using(kit.session).filter(id="nowhere"), "get")
        except Run.DoesNotExist:
            pass
        else:
            kit.fail(f"get(id='nowhere') gave {found!r}: another run's data for a run that does not exist")
        kit.equal(
            kit.ask(Run.objects.using(kit.session), "get_or_none", id="nowhere"), None, "get_or_none(id='nowhere')"
        )

    @case("error/missing-sweep")
    def test_error_missing_sweep(self, kit: Kit) -> None:
        """A sweep that does not exist is null."""
        text = (
            "query S($project: String, $entity: String) "
            '{ project(name: $project, entityName: $entity) { sweep(sweepName: "nowhere") { id } } }'
        )
        kit.equal(kit.data(text, **_scope(kit))["project"]["sweep"], None, 'sweep(sweepName: "nowhere")')

    @case("error/unknown-field")
    def test_error_unknown_field(self, kit: Kit) -> None:
        """A field that the schema does not have is refused by name."""
        told = kit.refused("query Q { viewer { id colour } }")
        _names(kit, told, "colour", "an unknown field")
        _still_there(kit)

    @case("error/unknown-argument")
    def test_error_unknown_argument(self, kit: Kit) -> None:
        """An argument that the schema does not have is refused by name."""
        text = (
            "query Q($project: String, $entity: String) "
            "{ project(name: $project, entityName: $entity) { runs(colour: 1) { edges { cursor } } } }"
        )
        _names(kit, kit.refused(text, **_scope(kit)), "colour", "an unknown argument")

    @case("error/syntax")
    def test_error_syntax(self, kit: Kit) -> None:
        """Text that is no GraphQL is refused."""
        kit.refused("query Q { viewer { id ")
        _still_there(kit)

    @case("error/no-such-operation")
    def test_error_no_such_operation(self, kit: Kit) -> None:
        """A mutation that the schema does not have is refused by name."""
        _names(kit, kit.refused("mutation M { paintRun(input: {}) { id } }"), "paintRun", "an unknown mutation")

    @case("error/malformed-cursor")
    def test_error_malformed_cursor(self, kit: Kit) -> None:
        """A cursor that no page gave is refused; the first page in its place would never end."""
        for cursor in ("no cursor at all", "!!!", "eyJhIjogMX0="):
            kit.refused(RUNS, **_scope(kit), first=2, after=cursor)
        _still_there(kit)

    @case("error/negative-first")
    def test_error_negative_first(self, kit: Kit) -> None:
        """A negative number of rows is refused."""
        kit.refused(RUNS, **_scope(kit), first=-1)

    @case("error/filter-no-json")
    def test_error_filter_no_json(self, kit: Kit) -> None:
        """Filters that are no JSON are refused; leaving them out would answer another question."""
        for text in ("{", "state = finished", "[1, 2]"):
            kit.refused(RUNS, **_scope(kit), filters=text, first=2)
        _still_there(kit)

    @case("error/filter-unknown-field")
    def test_error_filter_unknown_field(self, kit: Kit) -> None:
        """A filter on a field that runs do not have is refused by name."""
        told = kit.refused(RUNS, **_scope(kit), filters='{"colour": "red"}', first=2)
        _names(kit, told, "colour", "a filter on an unknown field")

    @case("error/filter-unknown-operator")
    def test_error_filter_unknown_operator(self, kit: Kit) -> None:
        """An operator that the filter language does not have is refused by name."""
        told = kit.refused(RUNS, **_scope(kit), filters='{"state": {"$resembles": "red"}}', first=2)
        _names(kit, told, "resembles", "an unknown operator")

    @case("error/filter-wrong-operand")
    def test_error_filter_wrong_operand(self, kit: Kit) -> None:
        """An operand of the wrong form is refused."""
        for text in ('{"state": {"$in": "finished"}}', '{"created_at": {"$gt": "soon"}}', '{"name": {"$regex": "("}}'):
            kit.refused(RUNS, **_scope(kit), filters=text, first=2)

    @case("error/order-unknown-key")
    def test_error_order_unknown_key(self, kit: Kit) -> None:
        """An order by a field that runs do not have is refused by name."""
        _names(
            kit, kit.refused(RUNS, **_scope(kit), order="+colour", first=2), "colour", "an order by an unknown field"
        )

    @case("error/variable-of-wrong-type")
    def test_error_variable_of_wrong_type(self, kit: Kit) -> None:
        """A variable of the wrong type is refused."""
        kit.refused(RUNS, **_scope(kit), first="many")

    @case("error/missing-variable")
    def test_error_missing_variable(self, kit: Kit) -> None:
        """A required variable that is not given is refused."""
        kit.refused("query A($id: ID!) { artifact(id: $id) { id } }")

    @case("error/one-of-a-batch")
    def test_error_one_of_a_batch(self, kit: Kit) -> None:
        """A wrong document among several is refused in its own answer, and the others are answered."""
        from wbmodel.backend.asks import Request, Response

        right = Request(RUNS, {**_scope(kit), "first": 1})
        found = kit.ask(kit.backend, "execute_many", [right, Request("query Q { viewer { colour } }"), right])
        kit.equal(
            [isinstance(item, Response) for item in found], [True] * 3, "whether execute_many() gave three responses"
        )
        kit.equal([bool(item.errors) for item in found], [False, True, False], "which of three answers hold errors")
