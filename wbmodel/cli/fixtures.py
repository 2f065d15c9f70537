"""``wbmodel fixtures``: check worlds, copy them, and export one from a session."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wbmodel.cli.listing import counted
from wbmodel.cli.output import complain, emit, to_json
from wbmodel.cli.session import conditioned, open_session, plugin_manager
from wbmodel.codec import format_datetime
from wbmodel.errors import ConfigurationError, FixtureError, NotSupported

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.session.session import Session

__all__ = ["run_fixtures"]


def run_fixtures(arguments: argparse.Namespace) -> int:
    """Run one of the three actions."""
    return {"check": _check, "save": _save, "from-session": _from_session}[arguments.action](arguments)


def _check(arguments: argparse.Namespace) -> int:
    """Read each world. Returns 1 if any has a problem."""
    items = []
    for path in arguments.paths:
        url = path if path.partition(":")[0] in ("fixtures", "demo") else f"fixtures:{path}"
        problem = None
        counts: dict[str, int] = {}
        try:
            counts = _counts(arguments, url)
        except FixtureError as error:
            problem = str(error)
        items.append({"path": path, "ok": problem is None, "counts": counts, "problem": problem})
        if arguments.format != "json":
            if problem is not None:
                complain(problem)
            elif arguments.format == "table":
                emit(f"{path}: " + ", ".join(counted(number, name[:-1]) for name, number in counts.items()))
    bad = sum(not item["ok"] for item in items)
    if arguments.format == "json":
        emit(to_json({"items": items, "returned": len(items), "total": len(items), "truncated": False}))
    return 1 if bad else 0


def _counts(arguments: argparse.Namespace, url: str) -> dict[str, int]:
    import wbmodel

    with wbmodel.connect(url, name="check", default=False, plugins=plugin_manager(arguments)) as session:
        listings: dict[str, Any] = {
            "projects": wbmodel.Project,
            "runs": wbmodel.Run,
            "sweeps": wbmodel.Sweep,
            "artifacts": wbmodel.Artifact,
            "reports": wbmodel.Report,
        }
        return {name: entity.objects.using(session).count() for name, entity in listings.items()}


def _save(arguments: argparse.Namespace) -> int:
    """Write the world of the session to another place."""
    with open_session(arguments) as session:
        write: Any = getattr(session.backend, "save", None)
        if write is None:
            raise NotSupported(
                f"{session.url} is not a fixtures world; "
                f"export one with wbmodel fixtures from-session {arguments.target}"
            )
        _write(write, arguments)
    return 0


def _write(write: Any, arguments: argparse.Namespace) -> None:
    target = Path(arguments.target)
    if not arguments.force and (target.is_file() or (target.is_dir() and any(target.iterdir()))):
        raise ConfigurationError(f"{target} already exists; use --force to replace it")
    write(target)
    complain(f"wrote {target}")


def _from_session(arguments: argparse.Namespace) -> int:
    """Export the runs that match, with the sweeps and reports of their projects."""
    import wbmodel

    with open_session(arguments) as session:
        rows = conditioned(wbmodel.Run.objects.using(session), arguments)
        limit = None if arguments.limit is ... else arguments.limit
        world = _world(session, rows if limit is None else rows[:limit], arguments)
    made = wbmodel.connect("fixtures:", world=world, name="made", default=False, plugins=plugin_manager(arguments))
    with made:
        _write(getattr(made.backend, "save"), arguments)  # noqa: B009 - the protocol of backends has no save
    return 0


def _world(session: Session, runs: QuerySet[Any, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    import wbmodel

    histories = {} if arguments.no_history else _histories(runs)
    users: set[str] = set()
    projects: dict[str, dict[str, Any]] = {}
    number = 0
    for run in runs:
        number += 1
        made = _known(run, ("id", "name", "state", "tags", "notes", "group", "job_type", "created_at", "heartbeat_at"))
        made |= {"config": run.config, "summary": run.summary}
        if run.user is not None:
            users.add(run.user.username)
            made["user"] = run.user.username
        if run.sweep is not None:
            made["sweep"] = run.sweep.id
        if run.node_id in histories:
            made["history"] = histories[run.node_id]
        projects.setdefault(run.project.path, {}).setdefault("runs", []).append(made)
    if not projects:
        raise wbmodel.Run.DoesNotExist(f"no run matches on {session.url}, so there is nothing to export")
    world: dict[str, Any] = {"wbmodel": 1, "entities": {}}
    for path, content in projects.items():
        # The format lists runs oldest first, and must include every sweep that a run refers to.
        content["runs"].reverse()
        content["sweeps"] = [
            _known(sweep, ("id", "name", "state", "description", "config", "created_at"))
            for sweep in wbmodel.Sweep.objects.using(session).filter(project=path)
        ]
        content["reports"] = []
        for report in wbmodel.Report.objects.using(session).filter(project=path):
            content["reports"].append(_known(report, ("id", "name", "description", "spec", "created_at", "updated_at")))
            if report.user is not None:
                users.add(report.user.username)
                content["reports"][-1]["user"] = report.user.username
        entity, _, name = path.partition("/")
        owner = world["entities"].setdefault(entity, {"type": "team", "projects": {}})
        owner["projects"][name] = content
    world["users"] = sorted(users) or ["viewer"]
    for name, owner in world["entities"].items():
        # The viewer of a world sees only the projects of teams that it is a member of.
        owner |= {"type": "user"} if name in users else {"members": world["users"]}
    told = f"{counted(number, 'run')} of {counted(len(projects), 'project')}"
    complain(f"{told}; artifacts and files are left out")
    return world


def _known(item: Any, names: Iterable[str]) -> dict[str, Any]:
    """The fields that are not null, in the form of the fixtures format."""
    found = {name: getattr(item, name) for name in names}
    return {
        name: format_datetime(value) if hasattr(value, "tzinfo") else value
        for name, value in found.items()
        if value is not None
    }


def _histories(runs: QuerySet[Any, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of each run, by its node id. What could not be read is named."""
    rows = runs.history
    made = {}
    for run, table in rows.by_run():
        made[run.node_id] = [
            {name: value for name, value in row.items() if value is not None} for row in table.records()
        ]
    for failure in rows.failures:
        complain(f"the history of {failure.run.path} is left out: {failure.error}", "warning")
    return made
