"""Mutations of existing artifacts and files: description, metadata, tags, aliases, use, deletion."""

from __future__ import annotations

from typing import Any

from wbmodel.codec import loads
from wbmodel.engine.context import Context
from wbmodel.engine.fields import LanguageError
from wbmodel.engine.mutations import Input, found, mutation, project_of
from wbmodel.engine.records import ArtifactRecord, FileRecord, MembershipRecord, RunRecord
from wbmodel.engine.resolvers import NotFound

__all__: list[str] = []


def _artifact(context: Context, given: Input) -> ArtifactRecord:
    return found(context, given["artifactID"], ArtifactRecord, "artifact")


def _named(artifact: ArtifactRecord, wanted: list[Input]) -> list[tuple[MembershipRecord, list[str]]]:
    """The aliases that an input names, grouped by the artifact's membership in their collection."""
    named: dict[str, tuple[MembershipRecord, list[str]]] = {}
    for item in wanted:
        membership = next((m for m in artifact.memberships if _is_in(m, item)), None)
        if membership is None:
            where = ", ".join(sorted(m.collection.path for m in artifact.memberships))
            parts = (item.get("entityName"), item.get("projectName"), item["artifactCollectionName"])
            asked = "/".join(part for part in parts if part)
            raise NotFound(f"artifact {artifact.path!r} is not in a collection {asked!r}; it is in {where}")
        named.setdefault(membership.id, (membership, []))[1].append(item["alias"])
    return list(named.values())


def _is_in(membership: MembershipRecord, item: Input) -> bool:
    """Whether an input names the collection of a membership; 0.10.28 gives its name alone."""
    there = membership.collection
    entity, project = item.get("entityName"), item.get("projectName")
    return (
        there.name == item["artifactCollectionName"]
        and project in (None, "", there.project.name)
        and entity in (None, "", there.project.entity.name)
    )


@mutation
def update_artifact(context: Context, given: Input) -> dict[str, Any]:
    """Change description, metadata, tags and, if given, the whole list of aliases in the named collections."""
    artifact = _artifact(context, given)
    changes: dict[str, Any] = {}
    if given.get("description") is not None:
        changes["description"] = given["description"]
    if given.get("metadata") is not None:
        try:
            metadata = loads(given["metadata"])
        except ValueError as error:
            raise LanguageError(f"metadata cannot be read: {error}") from None
        if not isinstance(metadata, dict):
            raise LanguageError("metadata must be a JSON object")
        changes["metadata"] = metadata
    gone = {tag["tagName"] for tag in given.get("tagsToDelete") or ()}
    added = [tag["tagName"] for tag in given.get("tagsToAdd") or ()]
    if gone or added:
        changes["tags"] = list(dict.fromkeys([*(tag for tag in artifact.tags if tag not in gone), *added]))
    if given.get("aliases") is not None:
        for membership, aliases in _named(artifact, given["aliases"]) or [(artifact.memberships[0], [])]:
            # 0.10.28 lists version aliases with the others; the server assigns those itself.
            context.writer.set_aliases(membership, [a for a in aliases if a != f"v{membership.version_index}"])
    return {"artifact": context.writer.update(artifact.id, **changes)}


@mutation
def add_aliases(context: Context, given: Input) -> dict[str, Any]:
    """Add aliases to a version; each moves here from the version that had it."""
    artifact = _artifact(context, given)
    for membership, aliases in _named(artifact, given["aliases"]):
        context.writer.set_aliases(membership, [*membership.aliases, *aliases])
    return {"success": True}


@mutation
def delete_aliases(context: Context, given: Input) -> dict[str, Any]:
    """Remove aliases from a version."""
    artifact = _artifact(context, given)
    for membership, aliases in _named(artifact, given["aliases"]):
        context.writer.set_aliases(membership, [a for a in membership.aliases if a not in aliases])
    return {"success": True}


@mutation
def delete_artifact(context: Context, given: Input) -> dict[str, Any]:
    """Delete a version. A version with aliases requires ``deleteAliases``."""
    artifact = _artifact(context, given)
    aliases = [alias for m in artifact.memberships for alias in m.aliases]
    if aliases and not given.get("deleteAliases"):
        raise LanguageError(
            f"artifact {artifact.path!r} has aliases {', '.join(aliases)}; delete them, or pass deleteAliases: true"
        )
    context.writer.delete(artifact.id)
    return {"artifact": artifact}


@mutation
def delete_files(context: Context, given: Input) -> dict[str, Any]:
    """Delete files of runs. If one of them is not there, none is deleted."""
    files = [found(context, node_id, FileRecord, "file") for node_id in dict.fromkeys(given["files"])]
    for file in files:
        if not isinstance(file.owner, RunRecord):
            raise LanguageError(f"file {file.name!r} belongs to an artifact, whose files are fixed")
    for file in files:
        context.writer.delete(file.id)
    return {"success": True}


@mutation
def use_artifact(context: Context, given: Input) -> dict[str, Any]:
    """Record that a run uses an artifact as input."""
    artifact = _artifact(context, given)
    project = project_of(context, given.get("entityName"), given.get("projectName"))
    run = context.store.run(project, given["runName"])
    if run is None:
        raise NotFound(f"run {given['runName']!r} does not exist in project {project.path!r}")
    context.writer.use(run, artifact)
    return {"artifact": artifact}
