"""Converts a :class:`~wbmodel.testing.world.World` to the fixtures format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wbmodel.codec import format_datetime

if TYPE_CHECKING:
    from wbmodel.testing.world import World

__all__ = ["fixtures_of"]

_RUN = (
    "name",
    "state",
    "config",
    "summary",
    "tags",
    "group",
    "job_type",
    "notes",
    "description",
    "commit",
    "user",
    "sweep",
)


def fixtures_of(world: World) -> dict[str, Any]:
    """The world as a dict for ``connect("fixtures:", world=...)``."""
    names = [item["username"] for item in world.users]
    entities: dict[str, Any] = {world.entity: {"type": "team", "members": names, "projects": {}}}
    for item in world.projects:
        owner = entities.setdefault(item["entity"], {"type": "user", "projects": {}})
        owner["projects"][item["name"]] = _project(world, item)
    return {
        "wbmodel": 1,
        "viewer": world.viewer,
        "users": {item["username"]: {"name": item["name"], "entity": world.entity} for item in world.users},
        "entities": entities,
    }


def _project(world: World, item: dict[str, Any]) -> dict[str, Any]:
    path = item["path"]
    return {
        "description": item["description"],
        "created_at": format_datetime(item["created_at"]),
        "runs": {run["id"]: _run(world, run) for run in world.runs if run["project"] == path},
        "sweeps": {sweep["id"]: _sweep(sweep) for sweep in world.sweeps if sweep["project"] == path},
        "reports": {report["id"]: _report(report) for report in world.reports if report["project"] == path},
        "artifact_types": {
            kind["name"]: {"description": kind["description"]} for kind in world.types if kind["project"] == path
        },
        "artifacts": {item["name"]: _collection(world, item) for item in world.collections if item["project"] == path},
    }


def _run(world: World, run: dict[str, Any]) -> dict[str, Any]:
    made = {key: run[key] for key in _RUN if run[key] is not None}
    made["created_at"] = format_datetime(run["created_at"])
    if run["heartbeat_at"] is not None:
        made["heartbeat_at"] = format_datetime(run["heartbeat_at"])
    made |= {stream: run[stream] for stream in ("history", "events", "console") if run[stream]}
    if run["files"]:
        made["files"] = {name: _file(data) for name, data in run["files"].items()}
    used = [
        item["name"] for item in world.artifacts if item["project"] == run["project"] and run["id"] in item["used_by"]
    ]
    if used:
        made["used_artifacts"] = used
    return made


def _file(data: bytes) -> dict[str, str]:
    import base64

    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _sweep(sweep: dict[str, Any]) -> dict[str, Any]:
    made = {key: sweep[key] for key in ("name", "state", "config", "user") if sweep[key] is not None}
    return {**made, "created_at": format_datetime(sweep["created_at"])}


def _report(report: dict[str, Any]) -> dict[str, Any]:
    made = {key: report[key] for key in ("name", "description", "spec", "user", "draft")}
    return {**made, "created_at": format_datetime(report["created_at"])}


def _collection(world: World, item: dict[str, Any]) -> dict[str, Any]:
    versions = [
        {
            "version": version["version_index"],
            "aliases": version["aliases"],
            "description": version["description"],
            "metadata": version["metadata"],
            "tags": version["tags"],
            "logged_by": version["logged_by"],
            "created_at": format_datetime(version["created_at"]),
            "files": {name: _file(data) for name, data in version["files"].items()},
        }
        for version in world.artifacts
        if (version["project"], version["collection"]) == (item["project"], item["name"])
    ]
    return {
        "type": item["type"],
        "description": item["description"],
        "created_at": format_datetime(item["created_at"]),
        "versions": versions,
    }
