"""Seeds, which fill a backend with the world: an author's own, by mutations, or as a fixtures world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wbmodel.codec import dumps, parse_datetime
from wbmodel.errors import ConfigurationError
from wbmodel.testing.world import World, make_world

if TYPE_CHECKING:
    from wbmodel.session.session import Session

__all__ = ["FixturesSeed", "GivenSeed", "MutationSeed", "Seed", "config_text", "load_seed"]


class Seed:
    """Fills a backend with the world. Subclass it and write :meth:`load`; the rest has defaults.

    One object serves one run of the kit: :meth:`make`, :meth:`options` before the session is made, then :meth:`load`,
    and :meth:`clear` at the end. ``session`` is the kit's session, there from :meth:`load` on.
    """

    session: Session

    def make(self) -> World:
        """The world to query. Override it to use names for the team, users and projects that suit this backend:
        ``return make_world(entity="my-team", viewer="me", other=None)``."""
        return make_world()

    def options(self, world: World) -> dict[str, Any]:
        """Options for ``connect()``, in addition to the URL and the project."""
        return {}

    def load(self, world: World) -> None:
        """Put ``world`` into the backend. What the backend decides for itself (dates, ids) is written back into the
        dicts of ``world``; what it cannot hold is taken out by :meth:`World.drop <wbmodel.testing.world.World.drop>`,
        or from ``world.parts``. Called once."""
        raise NotImplementedError(f"{type(self).__name__} must define load(world)")

    def add_run(self, project: str, run_id: str) -> None:
        """Add one run to ``project``, newer than all others, while it is read. The default is a mutation."""
        entity, name = project.split("/")
        self.session.execute(
            UPSERT_RUN, {"input": {"entityName": entity, "modelName": name, "name": run_id, "state": "finished"}}
        )

    def clear(self, world: World) -> None:
        """Remove the world from the backend. Called after the last case; does nothing by default."""


class GivenSeed(Seed):
    """For a backend that a function makes from the world, and that holds the world from the start."""

    def load(self, world: World) -> None:
        """Do nothing: the backend holds the world already."""


class FixturesSeed(GivenSeed):
    """For ``fixtures:``, which takes a world as a dict."""

    def options(self, world: World) -> dict[str, Any]:
        """The world in the fixtures format."""
        return {"world": world.fixtures()}


UPSERT_RUN = """
mutation Seed($input: UpsertBucketInput!) {
  upsertBucket(input: $input) { bucket { id name createdAt heartbeatAt user { username } } }
}
"""
_RUN_INPUT = {
    "name": "id",
    "displayName": "name",
    "state": "state",
    "tags": "tags",
    "groupName": "group",
    "jobType": "job_type",
    "notes": "notes",
    "sweep": "sweep",
}
_UPSERT_PROJECT = """
mutation Seed($input: UpsertModelInput!) { upsertModel(input: $input) { inserted project { id createdAt } } }
"""
_UPSERT_SWEEP = """
mutation Seed($input: UpsertSweepInput!) { upsertSweep(input: $input) { sweep { id name createdAt state } } }
"""
_UPSERT_REPORT = """
mutation Seed($input: UpsertViewInput!) { upsertView(input: $input) { view { id name createdAt user { username } } } }
"""
_DELETE_PROJECT = "mutation Seed($input: DeleteModelInput!) { deleteModel(input: $input) { success } }"


def config_text(config: dict[str, Any]) -> str:
    """A config as it is sent: each value wrapped, and bare NaN for NaN."""
    return dumps({key: {"value": value, "desc": None} for key, value in config.items()})


class MutationSeed(Seed):
    """For any writable backend: creates projects, sweeps, runs and reports by mutations.

    There are no mutations for files, artifacts and the streams of runs, so cases about these are skipped; dates, sweep
    ids and the users of runs are the server's, and are taken over from its answers. A team called ``acme`` and a user
    ``ada`` must be there, or :meth:`make` must name others. A project that is there already is never touched.
    """

    def __init__(self) -> None:
        self._projects: list[str] = []

    def make(self) -> World:
        """The world, in projects with unused names."""
        return make_world(names=("wbmodel-kit-vision", "wbmodel-kit-nlp", "wbmodel-kit-scratch"))

    def load(self, world: World) -> None:
        """Create everything, each thing after those it refers to."""
        world.drop("artifacts", "files", "histories", "streams")
        for project in world.projects:
            given = {"entityName": project["entity"], "name": project["name"], "description": project["description"]}
            payload = self._send(_UPSERT_PROJECT, given)["upsertModel"]
            made = payload["project"]
            if not payload["inserted"]:
                raise ConfigurationError(
                    f"{project['path']} is there already, perhaps from a run of the kit that was broken off: delete "
                    "it, or have the seed's make() name other projects"
                )
            self._projects.append(made["id"])
            project["created_at"] = parse_datetime(made["createdAt"])
        ids = {(sweep["project"], sweep["id"]): self._sweep(sweep) for sweep in world.sweeps}
        for run in world.runs:
            run["sweep"] = ids.get((run["project"], run["sweep"]))
            self._run(run)
        for report in world.reports:
            self._report(report)

    def clear(self, world: World) -> None:
        """Delete the projects that were created."""
        while self._projects:
            self._send(_DELETE_PROJECT, {"id": self._projects.pop()})

    def _send(self, document: str, given: dict[str, Any]) -> dict[str, Any]:
        data = self.session.execute(document, {"input": given}).data
        if data is None:
            raise RuntimeError(f"the world could not be loaded: no data came for {given!r}")
        return data

    def _sweep(self, sweep: dict[str, Any]) -> str:
        entity, project = sweep["project"].split("/")
        given = {"entityName": entity, "projectName": project, "displayName": sweep["name"], "state": sweep["state"]}
        given["config"] = dumps(sweep["config"])
        made = self._send(_UPSERT_SWEEP, given)["upsertSweep"]["sweep"]
        sweep["id"], sweep["created_at"] = made["name"], parse_datetime(made["createdAt"])
        return str(sweep["id"])

    def _run(self, run: dict[str, Any]) -> None:
        entity, project = run["project"].split("/")
        given = {wire: run[name] for wire, name in _RUN_INPUT.items()}
        given |= {"entityName": entity, "modelName": project}
        given |= {"config": config_text(run["config"]), "summaryMetrics": dumps(run["summary"])}
        made = self._send(UPSERT_RUN, given)["upsertBucket"]["bucket"]
        beat = made["heartbeatAt"]
        run["created_at"] = parse_datetime(made["createdAt"])
        run["heartbeat_at"] = None if beat is None else parse_datetime(beat)
        run["user"] = made["user"]["username"] if made["user"] else None

    def _report(self, report: dict[str, Any]) -> None:
        entity, project = report["project"].split("/")
        given = {"entityName": entity, "projectName": project, "type": "runs/draft" if report["draft"] else "runs"}
        given |= {"name": report["id"], "displayName": report["name"], "description": report["description"]}
        given["spec"] = dumps(report["spec"])
        made = self._send(_UPSERT_REPORT, given)["upsertView"]["view"]
        report["created_at"] = parse_datetime(made["createdAt"])
        report["id"], report["user"] = made["name"], made["user"]["username"] if made["user"] else None


def load_seed(spec: str) -> Seed:
    """The seed named by ``"package.module:Name"``: a :class:`Seed` class, an object, or a function returning one."""
    import importlib

    module, colon, name = spec.partition(":")
    if not colon or not module or not name:
        raise ValueError(f"{spec!r} does not name a seed; write package.module:Name")
    found: Any = getattr(importlib.import_module(module), name)
    made = found() if callable(found) else found
    if not isinstance(made, Seed):
        raise ValueError(f"{spec!r} gave {made!r}, which is not a Seed of wbmodel.testing.conformance")
    return made
