"""Cases about rows: every field of every entity has the value that the world gave it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import Case, case, cases
from wbmodel.testing.conformance.declared import OURS
from wbmodel.testing.conformance.kit import Kit, alike, shown
from wbmodel.testing.world import parts_of

__all__ = ["UNCHECKED", "RowTests"]

UNCHECKED: dict[str, dict[str, str]] = {
    "*": {
        "node_id": "the server's own, checked to be unique",
        "updated_at": "the server's own",
        "read_only": "the server's own",
        "access": "the server's own words",
        "is_benchmark": "no client sets it",
        "project": "a relation",
        "sweep": "a relation",
        "user": "a relation",
        "collection": "a relation",
        "logged_by": "a relation",
        "run": "a relation",
        "artifact": "a relation",
    },
    "Run": {
        "system_metrics": "the server chooses among the last values; see history/events",
        "history_keys": "its shape is the server's; see history/known-keys",
    },
    "Sweep": {"expected_run_count": "the server computes it where it can"},
    "Artifact": {"digest": "computed by the server", "commit_hash": "no world holds one"},
    "ArtifactType": {"created_at": "no client sets it"},
    "File": {"url": "the server's own", "direct_url": "the server's own", "mimetype": "the server may guess it"},
    "User": {"email": "private", "admin": "the server's own"},
    "Entity": {"is_team": "see relation/many/Entity.projects", "entity_type": "the server's own words"},
}
"""Fields that no case compares, and why; ``"*"`` counts for every entity."""

_EXPECTED: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
    ("Run", "file_count"): lambda row: len(row["files"]),
    ("Run", "history_line_count"): lambda row: len(row["history"]),
}
_ANY_ORDER = {"tags", "aliases"}


def _value(name: str, field: str, row: dict[str, Any]) -> Any:
    derive = _EXPECTED.get((name, field))
    return row[field] if derive is None else derive(row)


def _is_checked(name: str, field: str) -> bool:
    return field not in UNCHECKED["*"] and field not in UNCHECKED.get(name, {})


class RowTests(BackendTests):
    """Cases about rows: every field of every entity has the value that the world gave it."""

    @cases(
        Case(
            f"row/{name}.{field}",
            f"{name}.{field} has the world's value.",
            values={"name": name, "field": field},
            parts=parts_of(name, field),
        )
        for name, meta in OURS.items()
        for field in meta.fields
        if _is_checked(name, field)
    )
    def test_row_field(self, kit: Kit, name: str, field: str) -> None:
        """A field has the world's value, in every row."""
        key = kit.key(name)
        expected = {row[key]: _value(name, field, row) for row in kit.rows(name)}
        names = {"version_index", "collection", field} if name == "Artifact" else {key, field}
        given = {getattr(row, key): getattr(row, field) for row in kit.all(kit.objects(name).only(*names))}
        hint = "rows are lost or made up before any field is looked at; see also the cases page/*"
        kit.same_rows(kit.names(name, kit.objects(name)), list(expected), f"{name}.objects", hint=hint)
        for item, wanted in expected.items():
            value = given[item]
            if field in _ANY_ORDER:
                value, wanted = sorted(value), sorted(wanted)
            if not alike(value, wanted):
                owner = next((other for other in expected if other != item and alike(expected[other], value)), None)
                hint = f"; that is the value of {owner}: are rows mixed up?" if owner is not None else ""
                kit.fail(f"{name} {item}: {field} is {shown(value)}, and must be {shown(wanted)}{hint}")

    @case("row/by-key")
    def test_row_by_key(self, kit: Kit) -> None:
        """A run that is asked for by its id is that run, with its own values."""
        for row in kit.rows("Run"):
            run = kit.ask(kit.objects("Run").filter(id=row["id"]), "get")
            kit.equal(
                run.id, row["id"], f"the id of the run that was asked for as {row['id']!r}", "this is another run"
            )
            for field in ("name", "state", "config", "summary", "tags"):
                value = getattr(run, field)
                found = sorted(value) if field == "tags" else value
                hint = "are rows of another request mixed in, by a cache perhaps?"
                kit.equal(found, row[field], f"run {row['id']}: {field}", hint)

    @case("row/several-at-once")
    def test_row_several_at_once(self, kit: Kit) -> None:
        """Several runs in one document, by aliases, each have their own values."""
        rows = kit.rows("Run")[:6]
        parts = [f'r{at}: run(name: "{row["id"]}") {{ name displayName config }}' for at, row in enumerate(rows)]
        text = f"query Several($p: String, $e: String) {{ project(name: $p, entityName: $e) {{ {' '.join(parts)} }} }}"
        entity, project = kit.world.project.split("/")
        data = kit.data(text, p=project, e=entity)
        for at, row in enumerate(rows):
            found = data["project"][f"r{at}"]
            kit.equal(found["name"], row["id"], f"the name of alias r{at}")
            kit.equal(found["displayName"], row["name"], f"the displayName of alias r{at} ({row['id']})")

    @case("row/identity")
    def test_row_identity(self, kit: Kit) -> None:
        """Node ids are unique, are text, and stay the same from one request to the next."""
        for name in kit.there("Run", "Sweep", "Report", "Project"):
            once = {getattr(row, kit.key(name)): row.node_id for row in kit.all(kit.objects(name))}
            again = {getattr(row, kit.key(name)): row.node_id for row in kit.all(kit.objects(name))}
            kit.equal(again, once, f"the node ids of {name} the second time", "the node id is the identity of a row")
            wrong = [item for item in once.values() if not isinstance(item, str) or not item]
            kit.equal(wrong, [], f"node ids of {name} that are not text")
            kit.equal(len(set(once.values())), len(once), f"the number of different node ids of {name}")

    @case("row/other-project", parts=["projects"])
    def test_row_other_project(self, kit: Kit) -> None:
        """Runs of another project are asked for by its name, and are not those of the session's project."""
        import wbmodel

        second = kit.world.rows("Run", kit.world.second)
        rows = wbmodel.Run.objects.using(kit.session).filter(project=kit.world.second)
        kit.same_rows(kit.names("Run", rows), [row["id"] for row in second], f"runs of {kit.world.second}")
