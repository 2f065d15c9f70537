"""Mutations of projects, runs, sweeps and reports. In an input, null means "leave unchanged" (seen in both clients).

A mutation returns the record that the store returned for the change: a record read earlier is stale.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar

from wbmodel.codec import loads
from wbmodel.engine.conditions import Compare
from wbmodel.engine.context import Context
from wbmodel.engine.fields import LanguageError, Path
from wbmodel.engine.records import (
    EntityRecord,
    ProjectRecord,
    Record,
    RunRecord,
    SweepRecord,
    ViewRecord,
    load_config_text,
    load_summary_text,
)
from wbmodel.engine.resolvers import NotFound, Resolver
from wbmodel.engine.select import Select
from wbmodel.errors import suggestion

__all__ = ["MUTATIONS", "found", "owner_of", "project_of"]

R = TypeVar("R", bound=Record)
Input = dict[str, Any]

MUTATIONS: dict[str, Resolver] = {}
"""Mutation name -> resolver; each takes one argument ``input``."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_DEFAULT_PROJECT = "uncategorized"


def mutation(function: Callable[[Context, Input], dict[str, Any]]) -> Callable[[Context, Input], dict[str, Any]]:
    """Register a function as the resolver of the mutation with its name in camelCase."""
    head, *tail = function.__name__.split("_")
    name = head + "".join(part.capitalize() for part in tail)

    def resolve(_: Any, context: Context, args: dict[str, Any]) -> dict[str, Any]:
        given = args["input"]
        # All mutations of a document are one change, but a failed one is undone by itself.
        with context.writer.savepoint():
            payload = {"clientMutationId": given.get("clientMutationId"), **function(context, given)}
        context.counts.forget()
        return payload

    MUTATIONS[f"Mutation.{name}"] = resolve
    return function


# -- finding ---------------------------------------------------------------------------------------


def found(context: Context, node_id: str, kind: type[R], what: str) -> R:
    """The record with a node id. Raises :class:`NotFound`, which names what was looked for."""
    record = context.store.node(node_id)
    if not isinstance(record, kind):
        other = type(record).__name__.removesuffix("Record").lower()
        hint = "" if record is None else f"; that id belongs to a {other}"
        raise NotFound(f"{what} with id {node_id!r} does not exist, or this account may not see it{hint}")
    return record


def owner_of(context: Context, name: str | None) -> EntityRecord:
    """The entity that an input names, or the viewer's default entity."""
    entity = context.entity(name)
    if entity is None:
        hint = suggestion(name or "", context.names("entities"), "known entities")
        raise NotFound(f"entity {name!r} does not exist, or this account may not see it{hint}")
    return entity


def project_of(context: Context, entity: str | None, name: str | None) -> ProjectRecord:
    """The project that an input names."""
    owner = owner_of(context, entity)
    project = context.store.project(owner.name, name) if name else None
    if project is None:
        hint = suggestion(name or "", context.names("entity.projects", owner), "known projects")
        raise NotFound(f"project '{owner.name}/{name}' does not exist, or this account may not see it{hint}")
    return project


def _new_name(is_taken: Callable[[str], object], length: int = 8) -> str:
    while True:
        name = "".join(random.choice(_LETTERS) for _ in range(length))
        if not is_taken(name):
            return name


def _given(given: Input, **fields: str) -> dict[str, Any]:
    """Record field -> value, for input fields that are not null."""
    return {field: given[name] for field, name in fields.items() if given.get(name) is not None}


def _parsed(given: Input, name: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(given[name])
    except (ValueError, RecursionError) as error:
        raise LanguageError(f"{name} cannot be read: {error}") from None


# -- projects --------------------------------------------------------------------------------------


@mutation
def upsert_model(context: Context, given: Input) -> dict[str, Any]:
    """Create or change a project; an ``id`` with another ``name`` renames it."""
    changes = _given(
        given,
        description="description",
        access="access",
        docker_image="dockerImage",
        repo="repo",
        is_benchmark="isBenchmark",
    )
    if given.get("views") is not None:
        changes["views"] = _parsed(given, "views", loads)
    name = given.get("name")
    if given.get("id"):
        project: ProjectRecord | None = found(context, given["id"], ProjectRecord, "project")
        if name:
            changes["name"] = name
    else:
        if not name:
            raise LanguageError("upsertModel needs the name or the id of the project")
        project = context.store.project(owner_of(context, given.get("entityName")).name, name)
    if project is None:
        owner = owner_of(context, given.get("entityName"))
        project = context.writer.add_project(owner, str(name), user=context.store.viewer, **changes)
        return {"inserted": True, "model": project, "project": project}
    changed = context.writer.update(project.id, **changes)
    return {"inserted": False, "model": changed, "project": changed}


@mutation
def delete_model(context: Context, given: Input) -> dict[str, Any]:
    """Delete a project with everything in it."""
    context.writer.delete(found(context, given["id"], ProjectRecord, "project").id)
    return {"success": True}


@mutation
def rename_project(context: Context, given: Input) -> dict[str, Any]:
    """Rename a project; its id stays the same."""
    project = project_of(context, given.get("entityName"), given["oldProjectName"])
    if not given["newProjectName"]:
        raise LanguageError("newProjectName must not be empty")
    renamed = context.writer.update(project.id, name=given["newProjectName"])
    return {"inserted": False, "project": renamed}


# -- runs ------------------------------------------------------------------------------------------


@mutation
def upsert_bucket(context: Context, given: Input) -> dict[str, Any]:
    """Create or change a run. A missing project is created, because ``wandb.init`` relies on that."""
    changes = _given(
        given,
        display_name="displayName",
        notes="notes",
        description="description",
        group="groupName",
        job_type="jobType",
        state="state",
        commit="commit",
        host="host",
        program="jobProgram",
        repo="jobRepo",
    )
    if given.get("tags") is not None:
        changes["tags"] = list(dict.fromkeys(given["tags"]))
    if given.get("summaryMetrics") is not None:
        changes["summary"] = _parsed(given, "summaryMetrics", load_summary_text)
    if given.get("config") is not None:
        config, wandb_part, desc = _parsed(given, "config", load_config_text)
        changes.update(config=config, config_desc=desc)
        if wandb_part is not None:
            changes["config_wandb"] = wandb_part
    project, run = _bucket(context, given)
    if given.get("sweep") is not None:
        changes["sweep"] = _sweep_of(context, project, given["sweep"])
    if run is not None:
        return {"bucket": context.writer.update(run.id, **changes), "inserted": False}
    if project is None:
        owner = owner_of(context, given.get("entityName"))
        title = given.get("modelName") or _DEFAULT_PROJECT
        project = context.writer.add_project(owner, title, user=context.store.viewer)
    where = project
    name = given.get("name") or _new_name(lambda text: context.store.run(where, text))
    run = context.writer.add_run(project, name, **{"state": "running", "user": context.store.viewer, **changes})
    started = context.writer.update(run.id, heartbeat_at=run.created_at, updated_at=run.created_at)
    return {"bucket": started, "inserted": True}


def _bucket(context: Context, given: Input) -> tuple[ProjectRecord | None, RunRecord | None]:
    if given.get("id"):
        run = found(context, given["id"], RunRecord, "run")
        return run.project, run
    owner = owner_of(context, given.get("entityName"))
    project = context.store.project(owner.name, given.get("modelName") or _DEFAULT_PROJECT)
    if project is None or not given.get("name"):
        return project, None
    return project, context.store.run(project, given["name"])


def _sweep_of(context: Context, project: ProjectRecord | None, name: str) -> SweepRecord | None:
    if not name:
        return None
    sweep = context.store.sweep(project, name) if project is not None else None
    if sweep is None:
        known = context.names("project.sweeps", project) if project is not None else ()
        hint = suggestion(name, known, "known sweeps")
        raise NotFound(f"sweep {name!r} does not exist in the run's project{hint}")
    return sweep


@mutation
def delete_run(context: Context, given: Input) -> dict[str, Any]:
    """Delete a run, and with ``deleteArtifacts`` the artifacts that it logged."""
    run = found(context, given["id"], RunRecord, "run")
    if given.get("deleteArtifacts"):
        for artifact in context.store.select(Select("run.logged", run.id)).rows:
            context.writer.delete(artifact.id)
    context.writer.delete(run.id)
    return {}


@mutation
def update_run_state(context: Context, given: Input) -> dict[str, Any]:
    """Set a run's state to the given text."""
    context.writer.update(found(context, given["id"], RunRecord, "run").id, state=given["state"])
    return {"success": True}


@mutation
def stop_run(context: Context, given: Input) -> dict[str, Any]:
    """Ask a run to stop: its client reads ``stopped``."""
    context.writer.update(found(context, given["id"], RunRecord, "run").id, stopped=True)
    return {"success": True}


# -- sweeps ----------------------------------------------------------------------------------------


def _sweep_config(text: str) -> dict[str, Any]:
    # The definition is YAML; wbmodel itself sends JSON, which does not need a YAML library.
    try:
        config = loads(text)
    except ValueError:
        import yaml

        try:
            config = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"it is not valid YAML: {error}") from None
    if not isinstance(config, dict):
        raise ValueError("a sweep definition must be a mapping")
    return config


@mutation
def upsert_sweep(context: Context, given: Input) -> dict[str, Any]:
    """Create a sweep, or change the one with the given ``id``."""
    changes = _given(
        given,
        display_name="displayName",
        description="description",
        state="state",
        controller="controller",
        scheduler="scheduler",
    )
    if given.get("config") is not None:
        changes.update(config=_parsed(given, "config", _sweep_config), config_source=given["config"])
    if given.get("id"):
        changed = context.writer.update(found(context, given["id"], SweepRecord, "sweep").id, **changes)
        return {"sweep": changed, "inserted": False, "configValidationWarnings": []}
    project = project_of(context, given.get("entityName"), given.get("projectName"))
    name = _new_name(lambda text: context.store.sweep(project, text))
    sweep = context.writer.add_sweep(project, name, **{"user": context.store.viewer, **changes})
    return {"sweep": sweep, "inserted": True, "configValidationWarnings": []}


@mutation
def delete_sweep(context: Context, given: Input) -> dict[str, Any]:
    """Delete a sweep; its runs stay."""
    context.writer.delete(found(context, given["id"], SweepRecord, "sweep").id)
    return {"success": True}


# -- reports ---------------------------------------------------------------------------------------


@mutation
def upsert_view(context: Context, given: Input) -> dict[str, Any]:
    """Create a report, or change the one with the given ``id``."""
    changes = _given(given, display_name="displayName", description="description", type="type")
    if given.get("spec") is not None:
        changes["spec"] = _parsed(given, "spec", loads)
    if given.get("id"):
        view = found(context, given["id"], ViewRecord, "report")
        if given.get("name"):
            changes["name"] = given["name"]
        return {"view": context.writer.update(view.id, **changes), "inserted": False}
    project = project_of(context, given.get("entityName"), given.get("projectName"))
    name = given.get("name") or _new_name(lambda text: _is_view(context, project, text), 12)
    view = context.writer.add_view(project, name, **{"user": context.store.viewer, **changes})
    return {"view": view, "inserted": True}


def _is_view(context: Context, project: ProjectRecord, name: str) -> bool:
    where = Compare(Path("plain", "name"), "eq", name)
    return bool(context.store.select(Select("project.views", project.id, where, first=1)).rows)


@mutation
def delete_view(context: Context, given: Input) -> dict[str, Any]:
    """Delete a report. Drafts are separate reports here, so none are pending."""
    context.writer.delete(found(context, given["id"], ViewRecord, "report").id)
    return {"success": True, "pendingDrafts": False}
