"""Getters of fields that a page of rows may read without the executor: type -> field -> function.

``FROM_RECORD`` getters take the source; ``FROM_STORE`` getters also take the :class:`Context`, because they query the
store; ``FROM_ARGUMENTS`` makes a getter from a field's arguments. All return what the field's type requires (text for a
String, a record for an object), which ``projection.py`` relies on.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any

from wbmodel.engine.conditions import All, Compare, all_of
from wbmodel.engine.context import Context, Tag
from wbmodel.engine.fields import Path, getter
from wbmodel.engine.project_facts import connection_keys, tag_counts
from wbmodel.engine.records import (
    AliasRecord,
    ArtifactRecord,
    CollectionRecord,
    FileRecord,
    RunRecord,
    SweepRecord,
    UserRecord,
)
from wbmodel.engine.run_info import TEXTS, run_info
from wbmodel.engine.run_parts import RUN_PARTS, Maker
from wbmodel.engine.select import Select, Term
from wbmodel.engine.streams import Stream
from wbmodel.engine.text import encode

__all__ = ["FROM_ARGUMENTS", "FROM_RECORD", "FROM_STORE", "Getter", "Loader", "Maker"]

Getter = Callable[[Any], Any]
Loader = Callable[[Any, Context], Any]


def _constant(value: Any) -> Getter:
    return lambda source: value


def _same(*names: str) -> dict[str, Getter]:
    """Fields whose record attribute has the same name in snake_case."""
    return {name: attrgetter("".join(f"_{c.lower()}" if c.isupper() else c for c in name)) for name in names}


def _self(source: Any) -> Any:
    return source


# -- runs ------------------------------------------------------------------------------------------


def _last_event(run: RunRecord) -> str | None:
    rows = run.events.tail(1)
    return encode(rows[0]) if rows else None


def _tail(stream: Stream) -> str:
    return encode([encode(row) for row in stream.tail(1)])


def _seconds(run: RunRecord) -> int | None:
    """How long a run has run: what it logged last as ``_runtime``, else the time to its last sign of life."""
    logged = run.summary.get("_runtime")
    if isinstance(logged, (int, float)) and not isinstance(logged, bool) and math.isfinite(logged):
        return int(logged)
    return None if run.heartbeat_at is None else max(0, int((run.heartbeat_at - run.created_at).total_seconds()))


def _best_loss(sweep: SweepRecord, context: Context) -> float | None:
    """The best finite value of the sweep's metric in its runs. The metric's name is a key or a dotted path."""
    metric = sweep.config.get("metric")
    if not isinstance(metric, dict) or not isinstance(metric.get("name"), str):
        return None
    highest, name = metric.get("goal") == "maximize", metric["name"]
    literal, nested = Path("json", "summary_metrics", (name,)), Path("json", "summary_metrics", tuple(name.split(".")))
    found: list[float] = []
    for path, where in ((literal, All()), (nested, Compare(literal, "eq", None))):
        finite = (Compare(path, "gt", -math.inf), Compare(path, "lt", math.inf))
        ask = Select("sweep.runs", sweep.id, all_of([where, *finite]), (Term(path, highest),), first=1)
        found += [float(getter("Run", path)(run)) for run in context.store.select(ask).rows]
    return (max if highest else min)(found) if found else None


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else encode(value)


# -- artifacts -------------------------------------------------------------------------------------


def _aliases(artifact: ArtifactRecord) -> list[AliasRecord]:
    return [alias for membership in artifact.memberships for alias in AliasRecord.of(membership)]


def _tags(names: list[str]) -> list[Tag]:
    return [Tag(base64.b64encode(f"Tag:{name}".encode("utf-8", "surrogatepass")).decode(), name) for name in names]


def _latest(collection: CollectionRecord, context: Context) -> ArtifactRecord | None:
    found = context.store.membership(collection, "latest")
    return None if found is None else found.artifact


def _of_artifact(file: FileRecord) -> ArtifactRecord | None:
    return file.owner if isinstance(file.owner, ArtifactRecord) else None


def _storage_path(file: FileRecord) -> str | None:
    return file.ref or (file.name if isinstance(file.owner, ArtifactRecord) else None)


_COLLECTION: dict[str, Getter] = {
    **_same("id", "name", "description", "createdAt", "updatedAt", "project"),
    "state": _constant("READY"),
    "defaultArtifactType": attrgetter("type"),
    "tags": lambda collection: _tags(collection.tags),
}
_EDGE: dict[str, Getter] = {"cursor": attrgetter("cursor"), "node": attrgetter("node")}
_PAGE: dict[str, Getter] = {"edges": attrgetter("edges"), "pageInfo": _self}
_COUNTED: dict[str, Getter] = {**_PAGE, "totalCount": attrgetter("total")}

FROM_RECORD: dict[str, dict[str, Getter]] = {
    "PageInfo": _same("startCursor", "endCursor", "hasPreviousPage", "hasNextPage"),
    "User": {
        **_same("id", "username", "name", "email", "admin", "entity", "photoUrl"),
        "flags": lambda user: encode(user.flags),
        "deletedAt": _constant(None),
    },
    "ApiKeyConnection": {"edges": _self},
    "ApiKeyEdge": {"node": _self},
    "ApiKey": _same("id", "name", "description"),
    "UserEdge": _EDGE,
    "UserConnection": _COUNTED,
    "Entity": {
        **_same("id", "name", "isTeam", "photoUrl", "user"),
        "entityType": lambda entity: "team" if entity.is_team else "user",
        "available": _constant(False),
        "readOnly": _constant(False),
    },
    "EntityConnection": {"edges": _self},
    "EntityEdge": {"node": _self},
    "Member": {
        **_same("id", "name", "username", "email", "admin", "photoUrl"),
        "pending": _constant(False),
        "role": lambda user: "admin" if user.admin else "member",
    },
    "Project": {
        **_same(
            "id",
            "name",
            "entity",
            "description",
            "createdAt",
            "updatedAt",
            "access",
            "user",
            "isBenchmark",
            "dockerImage",
            "repo",
        ),
        "internalId": lambda project: base64.b64encode(b"ProjectInternalId:%d" % project.number).decode(),
        "entityName": attrgetter("entity.name"),
        "readOnly": _constant(False),
        "views": lambda project: None if project.views is None else encode(project.views),
    },
    "ProjectEdge": _EDGE,
    "ProjectConnection": _COUNTED,
    "Run": {
        **_same(
            "id",
            "name",
            "displayName",
            "project",
            "state",
            "tags",
            "notes",
            "description",
            "group",
            "jobType",
            "commit",
            "createdAt",
            "updatedAt",
            "heartbeatAt",
            "exitcode",
            "stopped",
            "host",
        ),
        "computeSeconds": _seconds,
        "tagColors": lambda run: _tags(run.tags),
        "projectId": lambda run: str(run.project.number),
        "systemMetrics": _last_event,
        "sweepName": lambda run: None if run.sweep is None else run.sweep.name,
        "running": lambda run: run.state == "running",
        "failed": lambda run: run.state in ("failed", "crashed"),
        "shouldStop": attrgetter("stopped"),
        "readOnly": _constant(False),
        "historyTail": lambda run: _tail(run.history),
        "eventsLineCount": lambda run: run.events.length(),
        "eventsTail": lambda run: _tail(run.events),
        "logLineCount": lambda run: run.console.length(),
    },
    "RunTag": {**_same("id", "name"), "colorIndex": _constant(None)},
    "RunInfo": {name: itemgetter(name) for name in (*TEXTS, "args", "cpuCount", "cpuCountLogical", "gpuCount", "git")},
    "GitInfo": {name: itemgetter(name) for name in ("remote", "commit")},
    "RunEdge": _EDGE,
    "RunConnection": _COUNTED,
    "TagCount": {"name": lambda group: group.values[0], "count": attrgetter("count")},
    "ProjectField": _same("path", "type"),
    "ProjectFieldEdge": _EDGE,
    "ProjectFieldConnection": _PAGE,
    "GroupedRunConnection": {"edges": _self},
    "GroupedRunEdge": {"node": _self},
    "GroupedRun": {"group": lambda group: _shown(group.values[0]), "totalRuns": attrgetter("count")},
    "ParquetHistory": {"parquetUrls": itemgetter("parquetUrls"), "liveData": itemgetter("liveData")},
    "LogLineConnection": _PAGE,
    "LogLineEdge": _EDGE,
    "LogLine": {
        "number": attrgetter("number"),
        **{name: attrgetter(f"line.{name}") for name in ("line", "level", "label", "timestamp")},
    },
    "File": {
        **_same("id", "name", "digest", "mimetype"),
        "displayName": attrgetter("name"),
        "sizeBytes": attrgetter("size"),
        "md5": attrgetter("digest"),
        "uploadUrl": _constant(None),
        "uploadHeaders": _constant(()),
        "storagePath": _storage_path,
        "updatedAt": lambda file: file.updated_at or file.created_at,
        "artifact": _of_artifact,
    },
    "FileConnection": {**_COUNTED, "uploadHeaders": _constant(())},
    "FileEdge": _EDGE,
    "Sweep": {
        **_same(
            "id",
            "name",
            "displayName",
            "description",
            "state",
            "method",
            "project",
            "user",
            "createdAt",
            "updatedAt",
            "heartbeatAt",
            "controller",
            "scheduler",
            "runCountExpected",
        ),
        "config": attrgetter("config_text"),
        "controllerRunName": _constant(None),
        "earlyStopJobRunning": _constant(False),
    },
    "SweepEdge": _EDGE,
    "SweepConnection": _PAGE,
    "View": {
        **_same("id", "name", "type", "displayName", "description", "user", "project", "createdAt", "updatedAt"),
        "spec": attrgetter("spec_text"),
    },
    "ViewEdge": _EDGE,
    "ViewConnection": _COUNTED,
    "Artifact": {
        **_same(
            "id", "digest", "state", "versionIndex", "description", "size", "historyStep", "createdAt", "updatedAt"
        ),
        "digestAlgorithm": _constant("MANIFEST_MD5"),
        "metadata": attrgetter("metadata_text"),
        "labels": _constant("{}"),
        "commitHash": attrgetter("commit"),
        # -1 means "inherited from the collection"; nothing expires here.
        "ttlDurationSeconds": _constant(-1),
        "ttlIsInherited": _constant(True),
        "tags": lambda artifact: _tags(artifact.tags),
        "artifactType": attrgetter("sequence.type"),
        "artifactSequence": attrgetter("sequence"),
        "aliases": _aliases,
        "createdBy": attrgetter("logged_by"),
        "currentManifest": _self,
    },
    "ArtifactManifest": {"id": lambda artifact: f"{artifact.id}:manifest"},
    "ArtifactEdge": _EDGE,
    "ArtifactConnection": _COUNTED,
    "VersionedArtifactEdge": {
        "cursor": attrgetter("cursor"),
        "version": lambda edge: f"v{edge.node.version_index}",
        "node": attrgetter("node.artifact"),
    },
    "VersionedArtifactConnection": _COUNTED,
    "ArtifactAlias": {
        **_same("id", "alias"),
        "artifactCollection": attrgetter("membership.collection"),
        "artifactCollectionName": attrgetter("membership.collection.name"),
    },
    "ArtifactAliasEdge": _EDGE,
    "ArtifactAliasConnection": _PAGE,
    "ArtifactType": _same("id", "name", "description", "createdAt"),
    "ArtifactTypeEdge": _EDGE,
    "ArtifactTypeConnection": _COUNTED,
    "ArtifactSequence": {**_COLLECTION, "digestAlgorithm": _constant("MANIFEST_MD5")},
    "ArtifactPortfolio": _COLLECTION,
    "ArtifactCollectionEdge": _EDGE,
    "ArtifactCollectionConnection": _COUNTED,
    "ArtifactSequenceEdge": _EDGE,
    "ArtifactSequenceConnection": _COUNTED,
    "ArtifactCollectionMembership": {
        **_same("id", "versionIndex", "createdAt", "artifact"),
        "artifactCollection": attrgetter("collection"),
        "aliases": AliasRecord.of,
    },
    "ArtifactCollectionMembershipEdge": _EDGE,
    "ArtifactCollectionMembershipConnection": _PAGE,
    "Tag": _same("id", "name"),
    "TagConnection": {"edges": _self},
    "TagEdge": {"node": _self},
    "ServerFeature": {"name": _self, "isEnabled": _constant(True)},
}

FROM_ARGUMENTS: dict[str, dict[str, Maker]] = {"Run": RUN_PARTS}

FROM_STORE: dict[str, dict[str, Loader]] = {
    "User": {
        "teams": lambda user, context: context.store.select(Select("user.teams", user.id)).rows,
        "apiKeys": lambda user, context: (),
    },
    "Entity": {
        "members": lambda entity, context: [
            user for user in map(context.store.user, entity.members) if isinstance(user, UserRecord)
        ],
    },
    "Project": {
        "totalSweeps": lambda project, context: context.counts.of("project.sweeps", project.id),
        "tagCounts": tag_counts,
    },
    "RunConnection": {"historyKeys": connection_keys},
    "Run": {
        "historyLineCount": lambda run, context: context.histories.line_count(run),
        "fileCount": lambda run, context: context.counts.of("run.files", run.id),
        "user": lambda run, context: run.user or context.nobody,
        "runInfo": run_info,
    },
    "File": {"directUrl": lambda file, context: context.url_for(file)},
    "Sweep": {
        "runCount": lambda sweep, context: context.counts.of("sweep.runs", sweep.id),
        "bestLoss": _best_loss,
    },
    "Artifact": {"fileCount": lambda artifact, context: context.counts.of("artifact.files", artifact.id)},
    "ArtifactManifest": {"file": lambda artifact, context: context.manifest(artifact)},
    "ArtifactSequence": {"latestArtifact": _latest},
    "ServerInfo": {
        "cliVersionInfo": lambda _, context: {},
        "features": lambda _, context: sorted(context.dialect.features),
    },
}
