"""Fields with arguments: ``"Type.field" -> function(source, context, args)``. Exceptions become GraphQL errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wbmodel.engine.conditions import All, Compare, Condition, all_of, some_of
from wbmodel.engine.context import Context
from wbmodel.engine.fields import LanguageError, Path
from wbmodel.engine.pages import LINES, Connection, Line, LinePage
from wbmodel.engine.project_facts import fields, grouped_runs
from wbmodel.engine.records import (
    ArtifactRecord,
    ArtifactTypeRecord,
    CollectionRecord,
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
from wbmodel.engine.select import Select, Term
from wbmodel.errors import suggestion

__all__ = ["RESOLVERS", "NotFound", "Resolver"]

Resolver = Callable[[Any, Context, dict[str, Any]], Any]

RESOLVERS: dict[str, Resolver] = {}


class NotFound(Exception):
    """An object that a document refers to does not exist. The message names it."""


def _resolver(*names: str) -> Callable[[Resolver], Resolver]:
    def note(function: Resolver) -> Resolver:
        for name in names:
            RESOLVERS[name] = function
        return function

    return note


def _connection(name: str, relation: str) -> None:
    RESOLVERS[name] = lambda source, context, args: context.connection(relation, source, args)


# -- root ------------------------------------------------------------------------------------------


@_resolver("Query.viewer")
def _viewer(_: Any, context: Context, args: dict[str, Any]) -> UserRecord | None:
    return context.store.viewer


@_resolver("Query.serverInfo")
def _server_info(_: Any, context: Context, args: dict[str, Any]) -> dict[str, Any]:
    return {}


@_resolver("Query.users")
def _users(_: Any, context: Context, args: dict[str, Any]) -> Connection:
    wanted = args.get("query") or ""
    parts = [
        Compare(Path("plain", name), "contains", wanted, frozenset({"fold"})) for name in ("username", "name", "email")
    ]
    if args.get("first") is None:
        # Real clients read this list without paging.
        args = {**args, "first": context.dialect.max_page}
    return context.connection("users", None, args, some_of(parts) if wanted else All())


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
        hint = suggestion(name, context.names("entities"), "known entities")
        raise NotFound(f"entity {name!r} does not exist, or this account may not see it{hint}")
    return context.connection("entity.projects", entity, args)


def _node(name: str, kind: type[Record]) -> None:
    def resolve(_: Any, context: Context, args: dict[str, Any]) -> Record | None:
        record = context.store.node(args["id"])
        return record if isinstance(record, kind) else None

    RESOLVERS[name] = resolve


_node("Query.view", ViewRecord)
_node("Query.artifact", ArtifactRecord)
_node("Query.artifactCollection", CollectionRecord)


# -- people and projects ---------------------------------------------------------------------------


@_resolver("User.projects")
def _projects_of_user(user: UserRecord, context: Context, args: dict[str, Any]) -> Connection:
    # A user without a personal entity has no projects: no project has the user's own id as its parent.
    return context.connection("entity.projects", context.store.entity(user.username) or user, args)


_connection("Entity.projects", "entity.projects")


@_resolver("Entity.project")
def _project_of_entity(entity: EntityRecord, context: Context, args: dict[str, Any]) -> ProjectRecord | None:
    return context.store.project(entity.name, args.get("name") or "")


@_resolver("Project.run", "Project.bucket")
def _run(project: ProjectRecord, context: Context, args: dict[str, Any]) -> RunRecord | None:
    return context.store.run(project, args.get("name") or args.get("desc") or "")


_connection("Project.runs", "project.runs")
_connection("Project.buckets", "project.runs")


@_resolver("Project.runCount")
def _run_count(project: ProjectRecord, context: Context, args: dict[str, Any]) -> int:
    where = context.reader.where("Run", args.get("filters"))
    if where == All():
        return context.counts.of("project.runs", project.id)
    return context.store.count(Select("project.runs", project.id, where))[project.id]


@_resolver("Project.sweep")
def _sweep(project: ProjectRecord, context: Context, args: dict[str, Any]) -> SweepRecord | None:
    return context.store.sweep(project, args.get("sweepName") or "")


_connection("Project.sweeps", "project.sweeps")
RESOLVERS["Project.fields"] = fields
RESOLVERS["Project.groupedRuns"] = grouped_runs
_connection("Sweep.runs", "sweep.runs")


@_resolver("Project.allViews")
def _views(project: ProjectRecord, context: Context, args: dict[str, Any]) -> Connection:
    name, kind = args.get("viewName"), args.get("viewType")
    where: list[Condition] = []
    if name:
        where.append(some_of([Compare(Path("plain", field), "eq", name) for field in ("name", "display_name")]))
    if kind:
        where.append(Compare(Path("plain", "type"), "eq", kind))
    return context.connection("project.views", project, args, all_of(where))


# -- artifacts -------------------------------------------------------------------------------------

_connection("Project.artifactTypes", "project.artifact_types")
_connection("Project.artifactCollections", "project.collections")


@_resolver("Project.artifactType")
def _artifact_type(project: ProjectRecord, context: Context, args: dict[str, Any]) -> ArtifactTypeRecord | None:
    found = context.store.artifact_type(project, args["name"])
    if found is None:
        # 0.31.0 queries this field for the type of the artifact "name:alias" before it logs one (seen).
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


_connection("ArtifactType.artifactCollections", "artifact_type.collections")


@_resolver("ArtifactType.artifactSequences")
def _sequences(kind: ArtifactTypeRecord, context: Context, args: dict[str, Any]) -> Connection:
    where = Compare(Path("plain", "kind"), "eq", "sequence")
    return context.connection("artifact_type.collections", kind, args, where, (Term(Path("plain", "name")),))


@_resolver("ArtifactType.artifactCollection")
def _collection_of_type(kind: ArtifactTypeRecord, context: Context, args: dict[str, Any]) -> CollectionRecord | None:
    found = context.store.collection(kind.project, args["name"])
    return found if found is not None and found.type.id == kind.id else None


@_resolver("ArtifactType.artifactSequence")
def _sequence_of_type(kind: ArtifactTypeRecord, context: Context, args: dict[str, Any]) -> CollectionRecord | None:
    found = _collection_of_type(kind, context, args)
    return found if found is not None and found.kind == "sequence" else None


@_resolver("ArtifactType.artifact")
def _artifact_of_type(kind: ArtifactTypeRecord, context: Context, args: dict[str, Any]) -> ArtifactRecord | None:
    found = context.artifact(kind.project, args["name"])
    return found.artifact if found is not None and found.artifact.sequence.type.id == kind.id else None


def _member(collection: CollectionRecord, context: Context, args: dict[str, Any]) -> MembershipRecord | None:
    return context.store.membership(collection, args["aliasName"] or "latest")


for _kind in ("ArtifactSequence", "ArtifactPortfolio"):
    _connection(f"{_kind}.artifacts", "collection.versions")
    _connection(f"{_kind}.aliases", "collection.aliases")
    RESOLVERS[f"{_kind}.artifactMembership"] = _member


@_resolver("Artifact.usedBy")
def _used_by(artifact: ArtifactRecord, context: Context, args: dict[str, Any]) -> Connection:
    if args.get("before") is not None or args.get("last") is not None:
        raise LanguageError("usedBy pages forward only: use first and after, not last and before")
    return context.connection("artifact.used_by", artifact, args)


_connection("Run.inputArtifacts", "run.used")
_connection("Run.outputArtifacts", "run.logged")


@_resolver("Artifact.artifactMemberships")
def _memberships(artifact: ArtifactRecord, context: Context, args: dict[str, Any]) -> Connection:
    return context.page(Select("artifact.memberships", artifact.id))


# -- files -----------------------------------------------------------------------------------------


def _files(relation: str, owner: Record, context: Context, args: dict[str, Any]) -> Connection:
    names, pattern = args.get("names"), args.get("pattern")
    where: list[Condition] = []
    if names:
        where.append(Compare(Path("plain", "name"), "in", tuple(dict.fromkeys(names))))
    if pattern:
        where.append(Compare(Path("plain", "name"), "like", pattern))
    return context.connection(relation, owner, args, all_of(where))


@_resolver("Run.files")
def _run_files(run: RunRecord, context: Context, args: dict[str, Any]) -> Connection:
    return _files("run.files", run, context, args)


@_resolver("Artifact.files")
def _artifact_files(artifact: ArtifactRecord, context: Context, args: dict[str, Any]) -> Connection:
    return _files("artifact.files", artifact, context, args)


@_resolver("ArtifactCollectionMembership.files")
def _member_files(membership: MembershipRecord, context: Context, args: dict[str, Any]) -> Connection:
    return _files("artifact.files", membership.artifact, context, args)


@_resolver("File.url")
def _file_url(file: FileRecord, context: Context, args: dict[str, Any]) -> str:
    return context.url_for(file)


# -- streams ---------------------------------------------------------------------------------------


@_resolver("Run.logLines")
def _log_lines(run: RunRecord, context: Context, args: dict[str, Any]) -> Connection:
    length, last = run.console.length(), args.get("last")
    if last is not None and last >= 0:
        start, stop = max(length - last, 0), length
    else:
        start, first = context.reader.window(args)
        stop = start + first
    numbered = enumerate(run.console.rows(start, stop), start)
    lines = [Line(number, line) for number, line in numbered if line is not None]
    return Connection(LinePage(lines, stop < length, length), LINES, start > 0)
