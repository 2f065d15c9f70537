"""Cases about wrong questions: each is refused in words that name what is wrong, and nothing else is disturbed."""

from __future__ import annotations

from typing import Any

from wbmodel.testing.conformance.cases import Group, Nonconforming
from wbmodel.testing.conformance.kit import Kit, shown
from wbmodel.testing.conformance.pages import RUNS, ids, page

__all__ = ["group"]

group = Group("error")


def _still_there(kit: Kit) -> None:
    found = ids(page(kit, first=1))
    kit.equal(len(found), 1, "the number of runs after an error", "an error must not disturb what is asked next")


def _names(kit: Kit, told: str, word: str, what: str) -> None:
    if word.lower() not in told.lower():
        kit.fail(
            f"{what} is refused with {shown(told)}, which does not name {word!r}; whoever reads it must find their slip"
        )


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


@group("missing-project")
def _missing_project(kit: Kit) -> None:
    """A project that does not exist is null in a document, and Project.DoesNotExist in a queryset."""
    from wbmodel import Project, Run

    entity = kit.world.entity
    text = "query P($p: String, $e: String) { project(name: $p, entityName: $e) { id } }"
    response = kit.response(text, {"p": "nowhere", "e": entity})
    kit.equal((response.data or {}).get("project"), None, 'project(name: "nowhere")')
    rows = Run.objects.using(kit.session).filter(project=f"{entity}/nowhere")
    _missing(kit, rows, Project.DoesNotExist, "runs of a project that does not exist")
    _still_there(kit)


@group("missing-entity")
def _missing_entity(kit: Kit) -> None:
    """A project of an entity that does not exist is null too."""
    text = "query P($p: String, $e: String) { project(name: $p, entityName: $e) { id } }"
    response = kit.response(text, {"p": kit.world.project.split("/")[1], "e": "nowhere-at-all"})
    kit.equal((response.data or {}).get("project"), None, 'project(entityName: "nowhere-at-all")')


@group("missing-run")
def _missing_run(kit: Kit) -> None:
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
    kit.equal(kit.ask(Run.objects.using(kit.session), "get_or_none", id="nowhere"), None, "get_or_none(id='nowhere')")


@group("missing-sweep")
def _missing_sweep(kit: Kit) -> None:
    """A sweep that does not exist is null."""
    text = (
        "query S($project: String, $entity: String) "
        '{ project(name: $project, entityName: $entity) { sweep(sweepName: "nowhere") { id } } }'
    )
    kit.equal(kit.data(text, **_scope(kit))["project"]["sweep"], None, 'sweep(sweepName: "nowhere")')


@group("unknown-field")
def _unknown_field(kit: Kit) -> None:
    """A field that the schema does not have is refused by name."""
    told = kit.refused("query Q { viewer { id colour } }")
    _names(kit, told, "colour", "an unknown field")
    _still_there(kit)


@group("unknown-argument")
def _unknown_argument(kit: Kit) -> None:
    """An argument that the schema does not have is refused by name."""
    text = (
        "query Q($project: String, $entity: String) "
        "{ project(name: $project, entityName: $entity) { runs(colour: 1) { edges { cursor } } } }"
    )
    _names(kit, kit.refused(text, **_scope(kit)), "colour", "an unknown argument")


@group("syntax")
def _syntax(kit: Kit) -> None:
    """Text that is no GraphQL is refused."""
    kit.refused("query Q { viewer { id ")
    _still_there(kit)


@group("no-such-operation")
def _no_operation(kit: Kit) -> None:
    """A mutation that the schema does not have is refused by name."""
    _names(kit, kit.refused("mutation M { paintRun(input: {}) { id } }"), "paintRun", "an unknown mutation")


@group("malformed-cursor")
def _cursor(kit: Kit) -> None:
    """A cursor that no page gave is refused; the first page in its place would be read for ever."""
    for cursor in ("no cursor at all", "!!!", "eyJhIjogMX0="):
        kit.refused(RUNS, **_scope(kit), first=2, after=cursor)
    _still_there(kit)


@group("negative-first")
def _negative(kit: Kit) -> None:
    """A negative number of rows is refused."""
    kit.refused(RUNS, **_scope(kit), first=-1)


@group("filter-no-json")
def _no_json(kit: Kit) -> None:
    """Filters that are no JSON are refused; leaving them out would answer another question."""
    for text in ("{", "state = finished", "[1, 2]"):
        kit.refused(RUNS, **_scope(kit), filters=text, first=2)
    _still_there(kit)


@group("filter-unknown-field")
def _filter_field(kit: Kit) -> None:
    """A filter on a field that runs do not have is refused by name."""
    told = kit.refused(RUNS, **_scope(kit), filters='{"colour": "red"}', first=2)
    _names(kit, told, "colour", "a filter on an unknown field")


@group("filter-unknown-operator")
def _filter_operator(kit: Kit) -> None:
    """An operator that the filter language does not have is refused by name."""
    told = kit.refused(RUNS, **_scope(kit), filters='{"state": {"$resembles": "red"}}', first=2)
    _names(kit, told, "resembles", "an unknown operator")


@group("filter-wrong-operand")
def _filter_operand(kit: Kit) -> None:
    """An operand of the wrong form is refused."""
    for text in ('{"state": {"$in": "finished"}}', '{"created_at": {"$gt": "soon"}}', '{"name": {"$regex": "("}}'):
        kit.refused(RUNS, **_scope(kit), filters=text, first=2)


@group("order-unknown-key")
def _order_key(kit: Kit) -> None:
    """An order by a field that runs do not have is refused by name."""
    _names(kit, kit.refused(RUNS, **_scope(kit), order="+colour", first=2), "colour", "an order by an unknown field")


@group("variable-of-wrong-type")
def _variable(kit: Kit) -> None:
    """A variable of the wrong type is refused."""
    kit.refused(RUNS, **_scope(kit), first="many")


@group("missing-variable")
def _missing_variable(kit: Kit) -> None:
    """A required variable that is not given is refused."""
    kit.refused("query A($id: ID!) { artifact(id: $id) { id } }")


@group("one-of-a-batch")
def _one_of_a_batch(kit: Kit) -> None:
    """A wrong document among several is refused in its own answer, and the others are answered."""
    from wbmodel.backend.asks import Request, Response

    right = Request(RUNS, {**_scope(kit), "first": 1})
    found = kit.ask(kit.backend, "execute_many", [right, Request("query Q { viewer { colour } }"), right])
    kit.equal([isinstance(item, Response) for item in found], [True] * 3, "whether execute_many() gave three responses")
    kit.equal([bool(item.errors) for item in found], [False, True, False], "which of three answers hold errors")
