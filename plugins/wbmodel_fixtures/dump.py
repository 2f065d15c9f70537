"""Writes a store as a world in the format, which ``fill`` reads back into the same records. Defaults are left out."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any

from wbmodel.codec import format_datetime
from wbmodel.engine.list_artifacts import manifest_digest
from wbmodel.engine.lists import ListStore
from wbmodel.engine.records import (
    ArtifactRecord,
    CollectionRecord,
    EntityRecord,
    FileRecord,
    ProjectRecord,
    Record,
    RunRecord,
    SweepRecord,
    UserRecord,
    ViewRecord,
)
from wbmodel_fixtures.fields import FIRST_DATE
from wbmodel_fixtures.format import (
    FORMAT_VERSION,
    ArtifactCollection,
    ArtifactType,
    ArtifactVersion,
    Declared,
    Entity,
    Project,
    Report,
    Run,
    Sweep,
    User,
)

__all__ = ["Keep", "dump_file", "dump_project", "dump_run", "dump_world", "inline"]

Keep = Callable[[Record, str, Any], Any]
"""``keep(record, name, content)`` gives what to write for ``history``, ``events``, ``console`` (rows or lines) or
``files/<path>`` (a ``FileRecord``) of a run or artifact: the content itself, or a mapping that names a file."""


def inline(record: Record, name: str, content: Any) -> Any:
    """The :data:`Keep` that writes everything into the world file itself."""
    return dump_file(content) if isinstance(content, FileRecord) else content


def dump_world(store: ListStore) -> dict[str, Any]:
    """The world without projects: format version, viewer, users, entities."""
    world: dict[str, Any] = {"wbmodel": FORMAT_VERSION}
    if store.viewer is not None:
        world["viewer"] = store.viewer.username
    world["users"] = {user.username: _user(user) for user in store.users()}
    entities = {}
    for entity in store.entities():
        fields = _entity(entity)
        if entity.user is None or fields.keys() - {"type", "created_at"} or store.projects(entity):
            entities[entity.name] = fields
    world["entities"] = entities
    return world


def _fields(cls: type[Declared], record: Record, *, but: tuple[str, ...] = ()) -> dict[str, Any]:
    """The keys of a class of the format that a record has values for."""
    found: dict[str, Any] = {}
    for key, attr in cls.names():
        if key in but:
            continue
        value = getattr(record, attr, None)
        if value is None or value is False or (isinstance(value, (dict, list)) and not value and key != "config_wandb"):
            continue
        if key == "created_at" and value == FIRST_DATE and cls not in (Run, ArtifactVersion):
            continue
        if isinstance(value, datetime):
            value = format_datetime(value)
        elif isinstance(value, UserRecord):
            value = value.username
        found[key] = value
    return found


def _user(user: UserRecord) -> dict[str, Any] | None:
    fields = _fields(User, user, but=("username",))
    if fields.get("name") == user.username:
        del fields["name"]
    if fields.get("entity") == user.username:
        del fields["entity"]
    return fields or None


def _entity(entity: EntityRecord) -> dict[str, Any]:
    fields = {"type": "team" if entity.is_team else "user", **_fields(Entity, entity, but=("type", "projects"))}
    if entity.user is not None and entity.members == [entity.user.username]:
        del fields["members"]
    return fields


def dump_project(store: ListStore, project: ProjectRecord, keep: Keep, *, runs: bool = True) -> dict[str, Any]:
    """A project with everything in it; ``runs=False`` leaves out its runs."""
    content = ("runs", "sweeps", "artifact_types", "artifacts", "reports")
    fields = _fields(Project, project, but=content)
    sweeps = {sweep.name: _sweep(sweep) for sweep in store.sweeps(project)}
    if sweeps:
        fields["sweeps"] = sweeps
    if runs and store.runs(project):
        fields["runs"] = [dump_run(store, run, keep) for run in store.runs(project)]
    collections = store.collections(project)
    used = {collection.type.id for collection in collections}
    types = {
        kind.name: _fields(ArtifactType, kind)
        for kind in store.artifact_types(project)
        if kind.description is not None or kind.id not in used
    }
    if types:
        fields["artifact_types"] = types
    if collections:
        fields["artifacts"] = {collection.name: _collection(store, collection, keep) for collection in collections}
    reports = [_report(view) for view in store.views(project)]
    if reports:
        fields["reports"] = reports
    return fields


def dump_run(store: ListStore, run: RunRecord, keep: Keep) -> dict[str, Any]:
    """A run with its streams, files and edges to artifacts it used."""
    streams = ("history", "events", "system_metrics", "console", "files", "used_artifacts", "logged_artifacts")
    fields = _fields(Run, run, but=("sweep", *streams))
    if fields.get("name") == run.name:
        del fields["name"]
    if fields.get("state") == "finished":
        del fields["state"]
    if run.sweep is not None:
        fields["sweep"] = run.sweep.name
    for name in ("history", "events"):
        rows = [row for row in getattr(run, name).rows() if row is not None]
        if rows:
            fields[name] = keep(run, name, rows)
    lines = [line for line in run.console.rows() if line is not None]
    if lines:
        plain = all(line.level is None and line.timestamp is None and line.label is None for line in lines)
        written = [line.line if plain else _line(line) for line in lines]
        fields["console"] = keep(run, "console", written)
    files = {file.name: keep(run, f"files/{file.name}", file) for file in store.files(run)}
    if files:
        fields["files"] = files
    artifacts = [_name(artifact, run.project) for artifact in store.used(run)]
    if artifacts:
        fields["used_artifacts"] = artifacts
    return fields


def _line(line: Any) -> dict[str, Any]:
    keys = ("line", "level", "timestamp", "label")
    return {key: getattr(line, key) for key in keys if getattr(line, key) is not None}


def _name(artifact: ArtifactRecord, project: ProjectRecord) -> str:
    own = artifact.sequence.project.id == project.id
    return f"{artifact.sequence.name}:v{artifact.version_index}" if own else artifact.path


def _sweep(sweep: SweepRecord) -> dict[str, Any]:
    fields = _fields(Sweep, sweep, but=("id",))
    if fields.get("state") == "RUNNING":
        del fields["state"]
    return fields


def _report(view: ViewRecord) -> dict[str, Any]:
    fields = _fields(Report, view, but=("title", "blocks", "draft"))
    if fields["type"] == "runs":
        del fields["type"]
    elif fields["type"] == "runs/draft":
        del fields["type"]
        fields["draft"] = True
    if fields.get("name") == view.name:
        del fields["name"]
    return fields


def _collection(store: ListStore, collection: CollectionRecord, keep: Keep) -> dict[str, Any]:
    fields = _fields(ArtifactCollection, collection, but=("type", "kind", "versions"))
    fields = {"type": collection.type.name, **fields}
    if collection.kind == "portfolio":
        fields["kind"] = "portfolio"
    versions = []
    for membership in sorted(store.versions(collection), key=lambda m: m.version_index):
        artifact = membership.artifact
        if collection.kind == "portfolio":
            version: dict[str, Any] = {"link": _name(artifact, collection.project)}
        else:
            version = {"version": artifact.version_index, **_version(store, artifact, keep)}
        if membership.aliases:
            version["aliases"] = list(membership.aliases)
        versions.append(version)
    if versions:
        fields["versions"] = versions
    return fields


def _version(store: ListStore, artifact: ArtifactRecord, keep: Keep) -> dict[str, Any]:
    fields = _fields(ArtifactVersion, artifact, but=("version", "aliases", "link", "files", "logged_by", "user"))
    if fields.get("state") == "COMMITTED":
        del fields["state"]
    entries = {file.name: file for file in store.files(artifact)}
    if artifact.digest == manifest_digest(entries):
        del fields["digest"]
    if artifact.created_at == artifact.sequence.created_at:
        del fields["created_at"]
    maker = artifact.logged_by
    if isinstance(maker, RunRecord):
        fields["logged_by"] = maker.name
    elif maker is not None:
        fields["user"] = maker.username
    files = {file.name: keep(artifact, f"files/{file.name}", file) for file in entries.values()}
    if files:
        fields["files"] = files
    return fields


def dump_file(file: FileRecord) -> Any:
    """A file with its content in it: as text where it is UTF-8, else as base64."""
    fields: dict[str, Any] = {}
    data = file.read()
    if data is not None:
        try:
            fields["text"] = data.decode()
        except UnicodeDecodeError:
            fields["base64"] = base64.b64encode(data).decode()
    elif file.ref is not None:
        fields["ref"] = file.ref
    if data is None:
        fields["size"] = file.size
        if file.digest is not None:
            fields["digest"] = file.digest
    if file.mimetype is not None:
        fields["mimetype"] = file.mimetype
    owner = file.owner
    if file.created_at != owner.created_at:
        fields["created_at"] = format_datetime(file.created_at)
    if file.updated_at is not None:
        fields["updated_at"] = format_datetime(file.updated_at)
    return fields["text"] if list(fields) == ["text"] else fields
