"""Fields that take arguments: ``"Type.field" -> function(source, context, args)``. Errors become GraphQL errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from wbmodel.engine.context import Alias, Context
from wbmodel.engine.fields import LanguageError
from wbmodel.engine.history import in_steps, sample, sampled_rows
from wbmodel.engine.orders import Order, microseconds
from wbmodel.engine.pages import Connection, fixed_order
from wbmodel.engine.records import (
    ArtifactRecord,
    ArtifactTypeRecord,
    CollectionRecord,
    ConsoleLine,
    EntityRecord,
    FileRecord,
    MembershipRecord,
    ProjectRecord,
    Record,
    RunRecord,
    SweepRecord,
    UserRecord,
    ViewRecord,
)
from wbmodel.engine.text import encode
from wbmodel.errors import suggestion

__all__ = ["RESOLVERS", "NotFound", "Resolver"]

Resolver = Callable[[Any, Context, dict[str, Any]], Any]

RESOLVERS: dict[str, Resolver] = {}


class NotFound(Exception):
    """Something that a document takes for granted is not there. The message names it."""


class _NumberedLine:
    __slots__ = ("line", "number")

    def __init__(self, number: int, line: ConsoleLine) -> None:
        self.number = number
        self.line = line


_BY_NAME = fixed_order(lambda record: (0, record.name))
_BY_DATE = fixed_order(lambda record: (microseconds(record.created_at), record.path))
_BY_NUMBER = fixed_order(lambda line: (line.number, ""))
_BY_ALIAS = fixed_order(lambda alias: (0, alias.alias))
_BY_VERSION = fixed_order(lambda membership: (membership.version_index, membership.collection.path))


def _resolver(*names: str) -> Callable[[Resolver], Resolver]:
    def note(function: Resolver) -> Resolver:
        for name in names:
            RESOLVERS[name] = function
        return function

    return note


def _listing(name: str, order: Order, rows: Callable[[Any, Context], Sequence[Any]]) -> None:
    RESOLVERS[name] = lambda source, context, args: context.pager.listing(order, rows(source, context), args)


def _connection(name: str, type_name: str, rows: Callable[[Any, Context], Sequence[Any]]) -> None:
    def resolve(source: Record, context: Context, args: dict[str, Any]) -> Connection:
        return context.pager.connection(type_name, source, name, lambda: rows(source, context), args)

    RESOLVERS[name] = resolve


# -- root ------------------------------------------------------------------------------------------


@_resolver("Query.viewer")
def _viewer(_: Any, context: Context, args: dict[str, Any]) -> UserRecord | None:
    return context.store.viewer


@_resolver("Query.serverInfo")
def _server_info(_: Any, context: Context, args: dict[str, Any]) -> dict[str, Any]:
    return {}


@_resolver("Query.users")
def _users(_: Any, context: Context, args: dict[str, Any]) -> Connection:
    wanted = (args.get("query") or "").lower()

    def rows() -> list[UserRecord]:
        users = context.store.users()
        return [u for u in users if any(wanted in (text or "").lower() for text in (u.username, u.name, u.email))]

    if args.get("first") is None:
        # Real clients read this list without pages.
        args = {**args, "first": context.dialect.max_page}
    return context.pager.connection("User", None, f"users:{wanted}", rows, args)


@_resolver("Query.entity")
def _entity(_: Any, context: Context, args: dict[str, Any]) -> EntityRecord | None:
    return context.entity(args.get("name"))


@_resolver("Query.project", "Query.model")
def _project(_: Any, context: Context, args: dict[str, Any]) -> ProjectRecord | None:
    return context.project(args.get("entityName"), args.get("name"))


@_resolver("Query.models")
def _models(_: Any, context: Context, args: dict[str, Any]) -> Connection:
    name = args.get("entityName")
    entity = context.entity(name)
    if entity is None:
        if not name:
            raise NotFound("models without entityName needs a viewer with a default entity")
        hint = suggestion(name, (e.name for e in context.store.entities()), "known entities")
        raise NotFound(f"entity {name!r} does not exist, or this account may not see it{hint}")
    return context.pager.connection("Project", entity, "projects", lambda: context.store.projects(entity), args)


def _node(name: str, kind: type[Record]) -> None:
    def resolve(_: Any, context: Context, args: dict[str, Any]) -> Record | None:
        record = context.store.node(args["id"])
        return record if isinstance(record, kind) else None

    RESOLVERS[name] = resolve


_node("Query.view", ViewRecord)
_node("Query.artifact", ArtifactRecord)
_node("Query.artifactCollection", CollectionRecord)


# -- people and projects ---------------------------------------------------------------------------


def _projects_of_user(user: UserRecord, context: Context) -> Sequence[ProjectRecord]:
    entity = context.store.entity(user.username)
    return context.store.projects(entity) if entity is not None else ()


_connection("User.projects", "Project", _projects_of_user)
_connection("Entity.projects", "Project", lambda entity, context: context.store.projects(entity))


@_resolver("Entity.project")
def _project_of_entity(entity: EntityRecord, context: Context, args: dict[str, Any]) -> ProjectRecord | None:
    return context.store.project(entity.name, args.get("name") or "")


@_resolver("Project.run", "Project.bucket")
def _run(project: ProjectRecord, context: Context, args: dict[str, Any]) -> RunRecord | None:
    return context.store.run(project, args.get("name") or args.get("desc") or "")


@_resolver("Project.runs", "Project.buckets")
def _runs(project: ProjectRecord, context: Context, args: dict[str, Any]) -> Connection:
    return context.pager.connection("Run", project, "runs", lambda: context.store.runs(project), args)


@_resolver("Project.runCount")
def _run_count(project: ProjectRecord, context: Context, args: dict[str, Any]) -> int:
    return context.pager.count("Run", project, "runs", lambda: context.store.runs(project), args)


@_resolver("Project.sweep")
def _sweep(project: ProjectRecord, context: Context, args: dict[str, Any]) -> SweepRecord | None:
    return context.store.sweep(project, args.get("sweepName") or "")


_connection("Project.sweeps", "Sweep", lambda project, context: context.store.sweeps(project))
_connection("Sweep.runs", "Run", lambda sweep, context: context.store.sweep_runs(sweep))


@_resolver("Project.allViews")
def _views(project: ProjectRecord, context: Context, args: dict[str, Any]) -> Connection:
    name, kind = args.get("viewName"), args.get("viewType")

    def rows() -> list[ViewRecord]:
        views = context.store.views(project)
        return [v for v in views if (not name or name in (v.name, v.display_name)) and (not kind or v.type == kind)]

    return context.pager.connection("View", project, f"views:{[name, kind]}", rows, args)


# -- artifacts -------------------------------------------------------------------------------------

_listing("Project.artifactTypes", _BY_NAME, lambda project, context: context.store.artifact_types(project))
_connection("Project.artifactCollections", "ArtifactCollection", lambda p, context: context.store.collections(p))


@_resolver("Project.artifactType")
def _artifact_type(project: ProjectRecord, context: Context, args: dict[str, Any]) -> ArtifactTypeRecord | None:
    found = context.store.artifact_type(project, args["name"])
    if found is None:
        # 0.31.0 asks here for the type of the artifact "name:alias" before it logs one (seen).
        membership = context.artifact(project, args["name"])
        found = membership.artifact.sequence.type if membership is not None else None
    return found


@_resolver("Project.artifactCollection")
def _collection(project: ProjectRecord, context: Context, args: dict[str, Any]) -> CollectionRecord | None:
    return context.store.collection(project, args["name"])


@_resolver("Project.artifact")
def _artifact(project: ProjectRecord, context: Context, args: dict[str, Any]) -> ArtifactRecord | None:
    found = context.artifact(project, args["name"])
    return None if found is None else found.artifact


@_resolver("Project.artifactCollectionMembership")
def _membership(project: ProjectRecord, context: Context, args: dict[str, Any]) -> MembershipRecord | None:
    return context.artifact(project, args["name"])


def _of_type(kind: ArtifactTypeRecord, context: Context) -> list[CollectionRecord]:
    return [c for c in context.store.collections(kind.project) if c.type is kind]


_connection("ArtifactType.artifactCollections", "ArtifactCollection", _of_type)
_listing(
    "ArtifactType.artifactSequences",
    _BY_NAME,
    lambda kind, context: [c for c in _of_type(kind, context) if c.kind == "sequence"],
)


@_resolver("ArtifactType.artifactCollection")
def _collection_of_type(kind: ArtifactTypeRecord, context: Context, args: dict[str, Any]) -> CollectionRecord | None:
    found = context.store.collection(kind.project, args["name"])
    return found if found is not None and found.type is kind else None


@_resolver("ArtifactType.artifactSequence")
def _sequence_of_type(kind: ArtifactTypeRecord, context: Context, args: dict[str, Any]) -> CollectionRecord | None:
    found = _collection_of_type(kind, context, args)
    return found if found is not None and found.kind == "sequence" else None


@_resolver("ArtifactType.artifact")
def _artifact_of_type(kind: ArtifactTypeRecord, context: Context, args: dict[str, Any]) -> ArtifactRecord | None:
    found = context.artifact(kind.project, args["name"])
    return found.artifact if found is not None and found.artifact.sequence.type is kind else None


def _aliases_of(collection: CollectionRecord, context: Context) -> list[Alias]:
    return [Alias(alias, m) for m in context.store.versions(collection) for alias in m.aliases]


def _member(collection: CollectionRecord, context: Context, args: dict[str, Any]) -> MembershipRecord | None:
    return context.membership(collection, args["aliasName"])


for _kind in ("ArtifactSequence", "ArtifactPortfolio"):
    _connection(f"{_kind}.artifacts", "Artifact", lambda collection, context: context.store.versions(collection))
    _listing(f"{_kind}.aliases", _BY_ALIAS, _aliases_of)
    RESOLVERS[f"{_kind}.artifactMembership"] = _member


@_resolver("Artifact.usedBy")
def _used_by(artifact: ArtifactRecord, context: Context, args: dict[str, Any]) -> Connection:
    if args.get("before") is not None or args.get("last") is not None:
        raise LanguageError("usedBy goes forward only: first and after, not last and before")
    return context.pager.connection("Run", artifact, "Artifact.usedBy", lambda: context.store.used_by(artifact), args)


_listing("Run.inputArtifacts", _BY_DATE, lambda run, context: context.store.used(run))
_listing("Run.outputArtifacts", _BY_DATE, lambda run, context: context.store.logged(run))


@_resolver("Artifact.artifactMemberships")
def _memberships(artifact: ArtifactRecord, context: Context, args: dict[str, Any]) -> Connection:
    return context.pager.whole(_BY_VERSION, context.store.memberships(artifact))


# -- files -----------------------------------------------------------------------------------------


def _like(pattern: str) -> re.Pattern[str]:
    """A SQL LIKE pattern: ``%`` is any text, ``_`` any character."""
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(char) or re.escape(char) for char in pattern), re.DOTALL)


def _files(files: Sequence[FileRecord], context: Context, args: dict[str, Any]) -> Connection:
    names, pattern = args.get("names"), args.get("pattern")
    if names:
        wanted = set(names)
        files = [file for file in files if file.name in wanted]
    if pattern:
        like = _like(pattern)
        files = [file for file in files if like.fullmatch(file.name)]
    return context.pager.listing(_BY_NAME, files, args)


@_resolver("Run.files")
def _run_files(run: RunRecord, context: Context, args: dict[str, Any]) -> Connection:
    return _files(context.store.files(run), context, args)


@_resolver("Artifact.files")
def _artifact_files(artifact: ArtifactRecord, context: Context, args: dict[str, Any]) -> Connection:
    return _files(list(artifact.files.values()), context, args)


@_resolver("ArtifactCollectionMembership.files")
def _member_files(membership: MembershipRecord, context: Context, args: dict[str, Any]) -> Connection:
    return _files(list(membership.artifact.files.values()), context, args)


@_resolver("File.url")
def _file_url(file: FileRecord, context: Context, args: dict[str, Any]) -> str:
    return context.url_for(file)


# -- streams ---------------------------------------------------------------------------------------


@_resolver("Run.history")
def _history(run: RunRecord, context: Context, args: dict[str, Any]) -> list[str]:
    rows: Sequence[Any] = run.history
    if args.get("minStep") is not None or args.get("maxStep") is not None:
        rows = in_steps(rows, args.get("minStep"), args.get("maxStep"))
    return [encode(row) for row in sample(rows, args.get("samples"))]


@_resolver("Run.sampledHistory")
def _sampled_history(run: RunRecord, context: Context, args: dict[str, Any]) -> list[Any]:
    try:
        return [sampled_rows(run, spec) for spec in args.get("specs") or ()]
    except ValueError as error:
        raise LanguageError(f"sampledHistory: {error}") from None


@_resolver("Run.events")
def _events(run: RunRecord, context: Context, args: dict[str, Any]) -> list[str]:
    return [encode(row) for row in sample(run.events, args.get("samples"))]


@_resolver("Run.parquetHistory")
def _parquet(run: RunRecord, context: Context, args: dict[str, Any]) -> dict[str, Any]:
    return {}


@_resolver("Run.logLines")
def _log_lines(run: RunRecord, context: Context, args: dict[str, Any]) -> Connection:
    lines = [_NumberedLine(number, line) for number, line in enumerate(run.console)]
    last = args.get("last")
    if last is not None and last >= 0:
        return context.pager.whole(_BY_NUMBER, lines[max(len(lines) - last, 0) :])
    return context.pager.listing(_BY_NUMBER, lines, args)


@_resolver("Run.wandbConfig")
def _wandb_config(run: RunRecord, context: Context, args: dict[str, Any]) -> str | None:
    inner = run.config_wandb
    if isinstance(inner, dict) and "value" in inner and inner.keys() <= {"desc", "value"}:
        inner = inner["value"]
    if not isinstance(inner, dict):
        return None
    keys = args.get("keys")
    return encode(inner if keys is None else {key: inner[key] for key in keys if key in inner})
