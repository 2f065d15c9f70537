"""Cases about rows: every field of every entity has the value that the world gave it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wbmodel.meta import all_entities
from wbmodel.testing.conformance.cases import Group
from wbmodel.testing.conformance.kit import Kit, alike, shown

__all__ = ["UNCHECKED", "group"]

group = Group("row")

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
    },
    "Run": {
        "system_metrics": "the last row of a stream that no world holds",
        "history_keys": "its shape is the server's; the column door is asked instead",
    },
    "Sweep": {"expected_run_count": "the server computes it where it can"},
    "Artifact": {"digest": "computed by the server", "commit_hash": "no world holds one"},
    "ArtifactType": {"created_at": "no client sets it"},
    "File": {"url": "the server's own", "direct_url": "the server's own", "mimetype": "the server may guess it"},
    "User": {"email": "private", "admin": "the server's own"},
    "Entity": {"is_team": "see relation/many/Entity.projects", "entity_type": "the server's own words"},
}
"""Fields that no case compares, and why; ``"*"`` counts for every entity."""

_PARTS = {"Artifact": "artifacts", "ArtifactCollection": "artifacts", "ArtifactType": "artifacts", "File": "files"}
_EXPECTED: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
    ("Run", "file_count"): lambda row: len(row["files"]),
    ("Run", "history_line_count"): lambda row: len(row["history"]),
}
_ANY_ORDER = {"tags", "aliases"}
_RUN_PARTS = {"file_count": "files", "history_line_count": "histories"}


def _value(name: str, field: str, row: dict[str, Any]) -> Any:
    derive = _EXPECTED.get((name, field))
    return row[field] if derive is None else derive(row)


def _field(name: str, field: str) -> Callable[[Kit], None]:
    def run(kit: Kit) -> None:
        key = kit.key(name)
        expected = {row[key]: _value(name, field, row) for row in kit.rows(name)}
        found = kit.all(
            kit.objects(name).only(*({key, field} if name != "Artifact" else {"version_index", "collection", field}))
        )
        given = {getattr(row, key): getattr(row, field) for row in found}
        rows = {row[key]: row for row in kit.rows(name)}
        kit.same_rows(
            kit.names(name, kit.objects(name)), list(expected), f"{name}.objects", lambda item: "",
            "rows are lost or made up before any field is looked at; see also the cases page/*",
        )  # fmt: skip
        for item, wanted in expected.items():
            value = given[item]
            if field in _ANY_ORDER:
                value, wanted = sorted(value), sorted(wanted)
            if not alike(value, wanted):
                owner = next((other for other in rows if other != item and alike(expected[other], value)), None)
                hint = f"; that is the value of {owner}: are rows mixed up?" if owner is not None else ""
                kit.fail(f"{name} {item}: {field} is {shown(value)}, and must be {shown(wanted)}{hint}")

    return run


def _is_checked(name: str, field: str) -> bool:
    return field not in UNCHECKED["*"] and field not in UNCHECKED.get(name, {})


for _name, _meta in all_entities().items():
    if not _meta.cls.__module__.startswith("wbmodel."):
        continue
    for _item in _meta.fields.values():
        if _is_checked(_name, _item.name):
            _needs = [_PARTS[_name]] if _name in _PARTS else []
            if _name == "Run" and _item.name in _RUN_PARTS:
                _needs.append(_RUN_PARTS[_item.name])
            group.add(
                f"{_name}.{_item.name}", _field(_name, _item.name), f"{_name}.{_item.name} has the world's value.",
                parts=_needs,
            )  # fmt: skip


@group("by-key")
def _by_key(kit: Kit) -> None:
    """A run that is asked for by its id is that run, with its own values."""
    for row in kit.rows("Run"):
        run = kit.ask(kit.objects("Run").filter(id=row["id"]), "get")
        kit.equal(run.id, row["id"], f"the id of the run that was asked for as {row['id']!r}", "this is another run")
        for field in ("name", "state", "config", "summary", "tags"):
            value = getattr(run, field)
            kit.equal(
                sorted(value) if field == "tags" else value, row[field], f"run {row['id']}: {field}",
                "are rows of another request mixed in, by a cache perhaps?",
            )  # fmt: skip


@group("several-at-once")
def _several(kit: Kit) -> None:
    """Several runs in one document, by aliases, each have their own values."""
    rows = kit.rows("Run")[:6]
    parts = [f'r{at}: run(name: "{row["id"]}") {{ name displayName config }}' for at, row in enumerate(rows)]
    entity, project = kit.world.project.split("/")
    data = kit.data(
        f"query Several($p: String, $e: String) {{ project(name: $p, entityName: $e) {{ {' '.join(parts)} }} }}",
        p=project, e=entity,
    )  # fmt: skip
    for at, row in enumerate(rows):
        found = data["project"][f"r{at}"]
        kit.equal(found["name"], row["id"], f"the name of alias r{at}")
        kit.equal(found["displayName"], row["name"], f"the displayName of alias r{at} ({row['id']})")


@group("identity")
def _identity(kit: Kit) -> None:
    """Node ids are unique, are text, and stay the same from one request to the next."""
    for name in ("Run", "Sweep", "Report", "Project"):
        once = {getattr(row, kit.key(name)): row.node_id for row in kit.all(kit.objects(name))}
        again = {getattr(row, kit.key(name)): row.node_id for row in kit.all(kit.objects(name))}
        kit.equal(again, once, f"the node ids of {name} the second time", "the node id is the identity of a row")
        wrong = [item for item in once.values() if not isinstance(item, str) or not item]
        kit.equal(wrong, [], f"node ids of {name} that are no text")
        kit.equal(len(set(once.values())), len(once), f"the number of different node ids of {name}")


@group("other-project", parts=["projects"])
def _other_project(kit: Kit) -> None:
    """Runs of another project are asked for by its name, and are not those of the session's project."""
    import wbmodel

    second = kit.world.rows("Run", kit.world.second)
    rows = wbmodel.Run.objects.using(kit.session).filter(project=kit.world.second)
    kit.same_rows(kit.names("Run", rows), [row["id"] for row in second], f"runs of {kit.world.second}", lambda item: "")
