"""``Api``: what ``wandb.Api`` of 0.10.28 does, over entities and querysets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wbmodel.api.artifact_collections import (
    ArtifactCollection,
    ArtifactType,
    ProjectArtifactCollections,
    ProjectArtifactTypes,
)
from wbmodel.api.artifacts import Artifact, ArtifactVersions
from wbmodel.api.client import Client
from wbmodel.api.errors import CommError, NotHere, UsageError, normalize_exceptions
from wbmodel.api.paths import artifact_path, project_path, run_path
from wbmodel.api.projects import Project, Projects
from wbmodel.api.reports import BetaReport, Reports
from wbmodel.api.runs import Run, Runs
from wbmodel.api.sweeps import Sweep
from wbmodel.api.users import User
from wbmodel.errors import DoesNotExist, WbmodelError, warn
from wbmodel.key_hiding import Secret

__all__ = ["Api"]

VIEWER = """query Viewer {
  viewer {
    id
    flags
    entity
    teams {
      edges {
        node {
          name
        }
      }
    }
  }
}"""


class _ViewerQuery:
    """``Api.VIEWER_QUERY``, parsed when it is first read."""

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        from graphql import parse

        return parse(VIEWER)


class Api:
    """The read side of W&B's public API, as ``wandb.Api`` has it.

    ``overrides`` may have ``base_url`` (of a server, or of any backend: ``"fixtures:DIR"``), ``entity``, ``project``
    and ``run``; else the environment says (``WANDB_BASE_URL``, ``WANDB_ENTITY``, ``WANDB_PROJECT``, ``WANDB_RUN_ID``).
    The key comes from ``api_key``, ``WANDB_API_KEY`` or netrc. ``timeout`` is in seconds per request. Making an ``Api``
    does no I/O and asks for nothing.
    """

    VIEWER_QUERY = _ViewerQuery()
    """A GraphQL document that asks for the account, its entity and its teams."""

    def __init__(
        self,
        overrides: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        api_key: str | None = None,
    ) -> None:
        key = Secret(api_key) if isinstance(api_key, str) else None
        if api_key is not None and key is None:
            raise TypeError(f"api_key must be text, not {type(api_key).__name__}")
        del api_key  # a traceback may show the variables of this frame
        if overrides is not None and not isinstance(overrides, Mapping):
            raise TypeError(f"overrides is a dict such as {{'entity': 'acme'}}, not {overrides!r:.80}")
        given = dict(overrides or {})
        if "username" in given:
            warn("the override username is deprecated; use entity", DeprecationWarning)
            given.setdefault("entity", given.pop("username"))
        for name, value in given.items():
            if value is not None and not isinstance(value, str):
                raise TypeError(f"the override {name} must be text, not {type(value).__name__}")
        url = (given.get("base_url") or "").rstrip("/") or None
        project = given.get("project") or os.environ.get("WANDB_PROJECT") or ""
        owner, _, project = project.strip().strip("/").rpartition("/")
        self._client = Client(
            url,
            entity=given.get("entity") or owner or os.environ.get("WANDB_ENTITY") or None,
            project=project or None,
            timeout=timeout,
            api_key=key,
        )
        self._run_id = given.get("run") or os.environ.get("WANDB_RUN_ID") or None
        self._runs: dict[str, Run] = {}
        self._sweeps: dict[str, Sweep] = {}

    # -- settings and the account --

    @property
    def client(self) -> Client:
        """What sends GraphQL documents: ``client.execute(document, variable_values=...)``."""
        return self._client

    @property
    def settings(self) -> dict[str, str | None]:
        """``base_url``, ``entity``, ``project`` and ``run``."""
        client = self._client
        return {
            "base_url": client.base_url,
            "entity": client.entity,
            "project": client.project,
            "run": self._run_id,
        }

    @property
    def api_key(self) -> str | None:
        """The API key, from the argument, the environment, or netrc; None if there is none."""
        found = self._client.session.settings.api_key().value
        return None if found is None else found.reveal()

    @property
    def user_agent(self) -> str:
        """What this client calls itself."""
        return self._client.user_agent

    @property
    def default_entity(self) -> str | None:
        """The entity that is meant where none is named: that of the settings, else the account's."""
        return self._client.default_entity

    @property
    def viewer(self) -> User:
        """The account. Raises ``ValueError`` where nobody is logged in."""
        found = self._client.execute("query Viewer { viewer { id username } }").get("viewer")
        user = self.user(found["username"]) if isinstance(found, dict) else None
        if user is None:
            raise ValueError("nobody is logged in; set WANDB_API_KEY, or pass api_key=")
        return user

    def user(self, username_or_email: str) -> User | None:
        """The first user with this name or e-mail address; None if there is none."""
        found = self.users(username_or_email)
        return found[0] if found else None

    def users(self, username_or_email: str) -> list[User]:
        """The users with this name or e-mail address."""
        from wbmodel.entities.user import User as UserEntity
        from wbmodel.query.q import Q

        rows = UserEntity.objects.using(self._client.session)
        named = rows.filter(Q(username=username_or_email) | Q(email=username_or_email))
        return [User.of(self._client, row) for row in named]

    def flush(self) -> None:
        """Forget the runs and sweeps that were asked for, so that ``run(path)`` asks again."""
        self._runs.clear()
        self._sweeps.clear()

    # -- projects, runs, sweeps, reports --

    def projects(self, entity: str | None = None, per_page: int | None = 200) -> Projects:
        """The projects of an entity. Raises ``ValueError`` if no entity is named and there is no default entity."""

        entity = entity or self.default_entity
        if not entity:
            raise ValueError("entity must be passed as a parameter, or set in settings")
        return Projects(self._client, entity, per_page)

    def project(self, name: str, entity: str | None = None) -> Project:
        """A project, which is loaded when something of it is read."""

        return Project(self._client, entity or self._client.entity, name)

    def create_project(self, name: str, entity: str) -> None:
        """Create a project."""
        from wbmodel.entities.project import Project as ProjectEntity

        ProjectEntity.objects.using(self._client.session).get_or_create(name=name, entity=entity)

    def runs(
        self,
        path: str | None = "",
        filters: Mapping[str, Any] | None = None,
        order: str | None = "-created_at",
        per_page: int | None = 50,
        include_sweeps: bool = False,
        lazy: bool = True,
    ) -> Runs:
        """The runs of a project that match a Mongo filter, newest first unless ``order`` says otherwise.

        ``order`` is ``created_at``, ``heartbeat_at``, ``config.*.value`` or ``summary_metrics.*``, with ``+`` to ascend
        and ``-`` to descend (which is also what no sign means). Raises ``ValueError`` for an order or a filter that
        cannot be.
        """

        entity, project = project_path(self._client, path)
        return Runs(self._client, entity, project, filters, order, per_page, include_sweeps, lazy)

    @normalize_exceptions
    def run(self, path: str = "") -> Run:
        """One run, by ``entity/project/run_id``, ``project/run_id`` or ``run_id``: the same object until
        ``flush()``."""

        path = path or self._run_id or ""
        if path not in self._runs:
            self._runs[path] = Run(self._client, *run_path(self._client, path))
        return self._runs[path]

    @normalize_exceptions
    def sweep(self, path: str = "") -> Sweep:
        """One sweep, by ``entity/project/sweep_id``, ``project/sweep_id`` or ``sweep_id``. The same object until
        ``flush()``."""

        if path not in self._sweeps:
            self._sweeps[path] = Sweep(self._client, *run_path(self._client, path, "sweeps"))
        return self._sweeps[path]

    def reports(self, path: str | None = "", name: str | None = None, per_page: int | None = 50) -> Reports:
        """The reports of a project, or those of one name or title. A third part of the path is ignored: 0.10.28 needs
        one, whatever it is."""

        place = path.strip("/").rpartition("/")[0] if path and path.strip("/").count("/") == 2 else path
        entity, project = project_path(self._client, place)
        return Reports(self._client, Project(self._client, entity, project), name, entity, per_page)

    def create_run(
        self,
        run_id: str | None = None,
        project: str | None = None,
        entity: str | None = None,
        state: str = "running",
    ) -> Run:
        """Create a run, in the project ``uncategorized`` if none is named; with the id of an existing run, get it."""

        return Run.create(self, run_id, project, entity, state)

    # -- artifacts --

    @normalize_exceptions
    def artifact_types(self, project: str | None = None) -> ProjectArtifactTypes:
        """The types of artifact in a project."""

        return ProjectArtifactTypes(self._client, *project_path(self._client, project))

    @normalize_exceptions
    def artifact_type(self, type_name: str, project: str | None = None) -> ArtifactType:
        """One type of artifact in a project."""

        return ArtifactType(self._client, *project_path(self._client, project), type_name)

    @normalize_exceptions
    def artifact_collections(
        self, project_name: str, type_name: str, order: str | None = None, per_page: int | None = 50
    ) -> ProjectArtifactCollections:
        """The collections of one type in a project."""

        entity, project = project_path(self._client, project_name)
        return ProjectArtifactCollections(self._client, entity, project, type_name, per_page, None, order)

    @normalize_exceptions
    def artifact_collection(self, type_name: str, name: str) -> ArtifactCollection:
        """One collection, by ``[entity/][project/]name``."""

        made = ArtifactCollection(self._client, *artifact_path(self._client, name))
        if made.type != type_name:
            raise ValueError(f"type {type_name} specified but this collection is of type {made.type}")
        return made

    @normalize_exceptions
    def artifact_versions(self, type_name: str, name: str, per_page: int | None = 50) -> ArtifactVersions:
        """The versions in a collection, newest first."""
        return self.artifacts(type_name, name, per_page=per_page)

    @normalize_exceptions
    def artifacts(
        self,
        type_name: str,
        name: str,
        order: str | None = None,
        per_page: int | None = 50,
        tags: Sequence[str] | None = None,
    ) -> ArtifactVersions:
        """The versions in a collection, newest first unless ``order`` says otherwise; those that have all ``tags``."""

        place = artifact_path(self._client, name)
        return ArtifactVersions(self._client, *place, type_name, None, order, per_page, tags)

    @normalize_exceptions
    def artifact(self, name: str, type: str | None = None) -> Artifact:
        """One version, by ``name:v3``, ``name:alias``, ``name`` (its latest) or digest, perhaps behind
        ``entity/project/``."""

        made = Artifact(self._client, *artifact_path(self._client, name))
        if type is not None and made.type != type:
            raise ValueError(f"type {type} specified but this artifact is of type {made.type}")
        return made

    def artifact_exists(self, name: str, type: str | None = None) -> bool:
        """Whether there is such a version."""
        return _exists(lambda: self.artifact(name, type))

    def artifact_collection_exists(self, name: str, type: str) -> bool:
        """Whether there is such a collection."""
        return _exists(lambda: self.artifact_collection(type, name))

    # -- the rest --

    def from_path(self, path: str) -> Project | Run | Sweep | BetaReport:
        """What a path names: ``project``, ``entity/project``, a run, ``.../sweeps/id`` or ``.../reports/name``."""
        parts = [part for part in path.strip().strip("/").split("/") if part]
        if len(parts) in (1, 2):
            entity, project = project_path(self._client, path)
            return self.project(project, entity)
        if len(parts) == 3:
            return self.run(path)
        if len(parts) == 4 and parts[2].startswith("run"):
            return self.run("/".join([*parts[:2], parts[3]]))
        if len(parts) == 4 and parts[2].startswith("sweep"):
            return self.sweep("/".join([*parts[:2], parts[3]]))
        if len(parts) == 4 and parts[2].startswith("report"):
            # The address of a report's page ends in --ID.
            wanted = parts[3].rpartition("--")[2]
            for report in self.reports("/".join(parts[:2])):
                if parts[3] in (report.name, report.display_name) or report.id.replace("=", "") == wanted:
                    return report
            raise ValueError(f"Could not find report {path}")
        raise UsageError(
            f"{path!r} is not a path; write project, entity/project, entity/project/run_id, or a word "
            "such as runs, sweeps or reports before the id"
        )

    def sync_tensorboard(
        self,
        root_dir: str,
        run_id: str | None = None,
        project: str | None = None,
        entity: str | None = None,
    ) -> Run:
        """Not there yet: raises :class:`~wbmodel.errors.NotSupported`."""
        raise NotHere(
            "wbmodel does not send TensorBoard logs to a server yet; `wandb sync` of the official client does"
        )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            for words, why in _OUT.items():
                if name in words.split():
                    raise NotHere(f"Api.{name} is not in wbmodel: {why}; the official client has it")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<Api {self._client!r}>"


_OUT = {
    "create_run_queue upsert_run_queue run_queue queued_run job list_jobs": "it has no launch queues and jobs",
    "automation automations create_automation update_automation delete_automation integrations webhook_integrations "
    "slack_integrations": "it has no automations",
    "registries registry create_registry": "it has no registries",
    "organization": "it has no organisations",
    "create_user create_team team": "it does not administer people",
    "create_custom_chart": "it has no charts",
}
"""What the official client has and this one leaves out, and why."""


def _exists(look: Any) -> bool:
    """Whether ``look()`` finds something. Errors other than its absence are raised."""
    try:
        look()
    except CommError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, DoesNotExist):
                return False
            cause = cause.__cause__
        if isinstance(error.exc, ValueError) and not isinstance(error.exc, WbmodelError):
            return False
        raise
    return True
