"""``ListStore``: a world in lists and dictionaries, filled once and then read. File-based stores subclass or create it.

>>> store = ListStore(viewer="ada")
>>> project = store.add_project("ada", "vision")
>>> run = store.add_run(project, "abc123", config={"lr": 0.1}, summary={"loss": 0.2}, tags=["good"])
>>> with store.view() as view:
...     [found.name for found in view.select(Select("project.runs", project.id)).rows]
['abc123']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from wbmodel import forks
from wbmodel.engine.fields import Path
from wbmodel.engine.list_artifacts import ArtifactTables
from wbmodel.engine.records import (
    ArtifactRecord,
    EntityRecord,
    FileRecord,
    ProjectRecord,
    RunRecord,
    SweepRecord,
    UserRecord,
    ViewRecord,
)
from wbmodel.engine.select import Group, KeyFacts, Page, Select
from wbmodel.engine.selection import ListSelection
from wbmodel.engine.store import StoreError, View
from wbmodel.errors import suggestion

__all__ = ["ListStore"]


class _Locked:
    """A block that holds a store's lock. (A generator with ``contextmanager`` takes three times as long.)"""

    __slots__ = ("_lock", "_store")

    def __init__(self, lock: Any, store: View) -> None:
        self._lock, self._store = lock, store

    def __enter__(self) -> View:
        self._lock.acquire()
        return self._store

    def __exit__(self, *exc: object) -> None:
        self._lock.release()


class ListStore(ArtifactTables):
    """A read-only :class:`~wbmodel.engine.store.Store`: its content is added with ``add_*`` before it is served.
    ``viewer`` is a username, which is added at once; ``clock`` supplies dates that are not given.

    A view holds the store's lock and is the store itself, so one request is answered at a time.
    """

    def __init__(self, *, viewer: str | None = None, clock: Callable[[], datetime] | None = None) -> None:
        super().__init__(clock)
        self._lock = forks.rlock()
        self._viewer: UserRecord | None = None
        self._users: dict[str, UserRecord] = {}
        self._entities: dict[str, EntityRecord] = {}
        self._projects: dict[tuple[str, str], ProjectRecord] = {}
        self._runs: dict[str, dict[str, RunRecord]] = {}
        self._short_ids: dict[str, dict[str, list[RunRecord]]] = {}
        self._sweeps: dict[str, dict[str, SweepRecord]] = {}
        self._views: dict[str, dict[str, ViewRecord]] = {}
        self._sweep_runs: dict[str, dict[str, RunRecord]] = {}
        self._selection = ListSelection(self._rows, lambda: self._token)
        if viewer is not None:
            self.viewer = self.add_user(viewer)

    def view(self) -> AbstractContextManager[View]:
        """The store, locked."""
        return _Locked(self._lock, self)

    # -- the viewer --------------------------------------------------------------------------------

    @property
    def viewer(self) -> UserRecord | None:
        """The current user. Its ``entity`` is the default for documents that do not name one."""
        return self._viewer

    @viewer.setter
    def viewer(self, user: UserRecord | None) -> None:
        self._viewer = user
        self._changed()

    # -- one thing ---------------------------------------------------------------------------------

    def user(self, username: str) -> UserRecord | None:
        """A user by username."""
        return self._users.get(username)

    def entity(self, name: str) -> EntityRecord | None:
        """A team, or a user's own space, by name."""
        return self._entities.get(name)

    def project(self, entity: str, name: str) -> ProjectRecord | None:
        """A project by the names of its path."""
        return self._projects.get((entity, name))

    def run(self, project: ProjectRecord, name: str) -> RunRecord | None:
        """The newest run with this short id."""
        named = self._short_ids.get(project.id, {}).get(name)
        if not named:
            return None
        return named[0] if len(named) == 1 else self.runs_named(project, name)[0]

    def runs_named(self, project: ProjectRecord, name: str) -> Sequence[RunRecord]:
        """All runs with this short id, newest first, then by node id."""
        named = sorted(self._short_ids.get(project.id, {}).get(name, ()), key=lambda run: run.id)
        return sorted(named, key=lambda run: run.created_at, reverse=True)

    def sweep(self, project: ProjectRecord, name: str) -> SweepRecord | None:
        """A sweep by its short id."""
        return self._sweeps.get(project.id, {}).get(name)

    # -- selection ---------------------------------------------------------------------------------

    def select(self, ask: Select, /) -> Page:
        """A page of rows."""
        return self._selection.select(ask)

    def count(self, ask: Select, parents: Sequence[str] | None = None, /) -> Mapping[str | None, int]:
        """The number of matching rows, by parent."""
        return self._selection.count(ask, parents)

    def groups(self, ask: Select, by: tuple[Path, ...], /) -> Sequence[Group]:
        """The number of rows for each combination of values."""
        return self._selection.groups(ask, by)

    def keys(self, ask: Select, part: Path, /) -> Mapping[str, KeyFacts]:
        """The keys that rows have in a JSON column."""
        return self._selection.keys(ask, part)

    def _rows(self, relation: str, parent: str | None) -> Sequence[Any]:
        """A whole list, in the order in which its rows were added. Subclasses with other sources override this."""
        if parent is None:
            return self.users() if relation == "users" else self.entities()
        if relation == "user.teams":
            user = self._nodes.get(parent)
            return self.teams(user) if isinstance(user, UserRecord) else ()
        if relation == "entity.projects":
            return [project for project in self._projects.values() if project.entity.id == parent]
        if relation == "artifact_type.collections":
            collections = [c for table in self._collections.values() for c in table.values()]
            return [collection for collection in collections if collection.type.id == parent]
        if relation == "collection.aliases":
            return self._all_aliases(parent)
        if relation == "artifact.memberships":
            artifact = self._nodes.get(parent)
            return artifact.memberships if isinstance(artifact, ArtifactRecord) else ()
        tables: dict[str, Mapping[str, Mapping[Any, Any]]] = {
            "project.runs": self._runs,
            "project.sweeps": self._sweeps,
            "project.views": self._views,
            "project.artifact_types": self._types,
            "project.collections": self._collections,
            "sweep.runs": self._sweep_runs,
            "run.files": self._files,
            "run.logged": self._logged,
            "run.used": self._used,
            "collection.versions": self._versions,
            "artifact.files": self._files,
            "artifact.used_by": self._used_by,
        }
        return list(tables[relation].get(parent, {}).values())

    # -- lists, for direct users of the store ------------------------------------------------------

    def users(self) -> Sequence[UserRecord]:
        """All users. Like all lists here, in the order in which they were added."""
        return list(self._users.values())

    def entities(self) -> Sequence[EntityRecord]:
        """All teams and users' own spaces."""
        return list(self._entities.values())

    def teams(self, user: UserRecord) -> Sequence[EntityRecord]:
        """Teams that ``user`` is a member of, and the user's own entity."""
        return [
            entity
            for entity in self._entities.values()
            if (entity.user is not None and entity.user.id == user.id) or user.username in entity.members
        ]

    def projects(self, entity: EntityRecord) -> Sequence[ProjectRecord]:
        """Projects of an entity."""
        return [p for p in self._projects.values() if p.entity.id == entity.id]

    def runs(self, project: ProjectRecord) -> Sequence[RunRecord]:
        """Runs of a project."""
        return list(self._runs.get(project.id, {}).values())

    def sweeps(self, project: ProjectRecord) -> Sequence[SweepRecord]:
        """Sweeps of a project."""
        return list(self._sweeps.get(project.id, {}).values())

    def sweep_runs(self, sweep: SweepRecord) -> Sequence[RunRecord]:
        """Runs of a sweep."""
        return list(self._sweep_runs.get(sweep.id, {}).values())

    def views(self, project: ProjectRecord) -> Sequence[ViewRecord]:
        """Reports of a project, including drafts."""
        return list(self._views.get(project.id, {}).values())

    # -- adding ------------------------------------------------------------------------------------

    def add_user(self, username: str, *, own_entity: bool = True, **fields: Any) -> UserRecord:
        """Add a user and, unless ``own_entity`` is false, the entity of the same name for the user's projects."""
        if username in self._users:
            raise StoreError(f"user {username!r} already exists")
        defaults = {"name": username, "entity": username if own_entity else None}
        user = self._new(UserRecord, f"User:{len(self._users) + 1}", {**defaults, **fields}, username=username)
        self._journal.put(self._users, username, user)
        if own_entity and username not in self._entities:
            self.add_entity(username, is_team=False, user=user, members=[username], created_at=user.created_at)
        return user

    def add_entity(
        self, name: str, *, is_team: bool = True, members: Sequence[str] = (), **fields: Any
    ) -> EntityRecord:
        """Add a team (or, with ``is_team=False``, a personal entity). Raises :class:`StoreError` for an unknown
        member."""
        if name in self._entities:
            raise StoreError(f"entity {name!r} already exists")
        for member in members:
            if member not in self._users:
                raise StoreError(f"member {member!r} of entity {name!r} is not a user{suggestion(member, self._users)}")
        fields = {"is_team": is_team, "members": list(members), **fields}
        entity = self._new(EntityRecord, f"Entity:{len(self._entities) + 1}", fields, name=name)
        self._journal.put(self._entities, name, entity)
        return entity

    def add_project(self, entity: str | EntityRecord, name: str, **fields: Any) -> ProjectRecord:
        """Add a project to an existing entity. ``user`` may be a username."""
        entity_name = entity if isinstance(entity, str) else entity.name
        owner = self._entities.get(entity_name)
        if owner is None:
            raise StoreError(
                f"project {name!r} belongs to entity {entity_name!r}, which does not exist"
                + suggestion(entity_name, self._entities)
            )
        if (owner.name, name) in self._projects:
            raise StoreError(f"project '{owner.name}/{name}' already exists")
        number = self._next_number("project")
        fields = {**fields, "number": number, "user": self._as_user(fields.get("user"), f"project {name!r}")}
        project = self._new(ProjectRecord, f"Project:v1:{name}:{owner.name}", fields, name=name, entity=owner)
        self._journal.put(self._projects, (owner.name, name), project)
        for table in (self._runs, self._short_ids, self._sweeps, self._views):
            self._journal.put(table, project.id, {})
        self._open_project(project)
        return project

    def add_run(self, project: ProjectRecord, name: str, *, node_id: str | None = None, **fields: Any) -> RunRecord:
        """Add a run; ``name`` is the short id. ``sweep`` may be a sweep id and ``user`` a username.

        Several runs may share a short id if each has its own ``node_id``; without one, an existing short id raises
        :class:`StoreError`. ``history``, ``events`` (rows) and ``console`` (:class:`ConsoleLine`) may be callables that
        read them later.
        """
        project = self._own(project)
        named = self._short_ids[project.id].get(name, [])
        if named and node_id is None:
            raise StoreError(f"run {name!r} already exists in project {project.path!r}")
        where = f"run {name!r} in project {project.path!r}"
        fields["user"] = self._as_user(fields.get("user"), where)
        fields["sweep"] = sweep = self._as_sweep(project, fields.get("sweep"), where)
        fields.setdefault("display_name", name)
        key = f"Run:v1:{name}:{project.name}:{project.entity.name}"
        run = self._new(RunRecord, key, fields, node_id, name=name, project=project)
        self._journal.put(self._runs[project.id], run.id, run)
        self._journal.put(self._short_ids[project.id], name, [*named, run])
        if sweep is not None:
            self._journal.put(self._sweep_runs[sweep.id], run.id, run)
        return run

    def add_sweep(self, project: ProjectRecord, name: str, **fields: Any) -> SweepRecord:
        """Add a sweep; ``name`` is the short id, ``config`` the definition as a dict."""
        project = self._own(project)
        if name in self._sweeps[project.id]:
            raise StoreError(f"sweep {name!r} already exists in project {project.path!r}")
        fields["user"] = self._as_user(fields.get("user"), f"sweep {name!r} in project {project.path!r}")
        key = f"Sweep:v1:{name}:{project.name}:{project.entity.name}"
        sweep = self._new(SweepRecord, key, fields, name=name, project=project)
        self._journal.put(self._sweeps[project.id], name, sweep)
        self._journal.put(self._sweep_runs, sweep.id, {})
        return sweep

    def add_view(self, project: ProjectRecord, name: str, **fields: Any) -> ViewRecord:
        """Add a report; ``name`` is its key in the project, ``display_name`` the title, ``spec`` the decoded spec."""
        project = self._own(project)
        if name in self._views[project.id]:
            raise StoreError(f"report {name!r} already exists in project {project.path!r}")
        fields["user"] = self._as_user(fields.get("user"), f"report {name!r} in project {project.path!r}")
        fields.setdefault("display_name", name)
        view = self._new(ViewRecord, f"View:{self._next_number('view')}", fields, name=name, project=project)
        self._journal.put(self._views[project.id], name, view)
        return view

    def add_file(
        self, run: RunRecord, name: str, content: bytes | Callable[[], bytes] | None = None, **fields: Any
    ) -> FileRecord:
        """Add a run file, or replace the one with that name. ``size`` and ``digest`` are computed from bytes."""
        run = self._own(run)
        table = self._files.setdefault(run.id, {})
        file = self._new_file(run, name, {"content": content, **fields})
        old = table.get(name)
        if old is not None:
            self._forget(file)
            file.id = old.id
            self._journal.put(self._nodes, file.id, file)
        self._journal.put(table, name, file)
        return file

    # -- inside ------------------------------------------------------------------------------------

    def _as_user(self, user: UserRecord | str | None, where: str) -> UserRecord | None:
        if not isinstance(user, str):
            return None if user is None else self._own(user)
        found = self._users.get(user)
        if found is None:
            raise StoreError(f"{where} names user {user!r}, which does not exist{suggestion(user, self._users)}")
        return found

    def _as_sweep(self, project: ProjectRecord, sweep: SweepRecord | str | None, where: str) -> SweepRecord | None:
        if isinstance(sweep, SweepRecord):
            if sweep.project.id != project.id:
                raise StoreError(f"{where} cannot be in sweep {sweep.path!r}, which is in another project")
            return self._own(sweep)
        if not sweep:
            return None
        found = self._sweeps[project.id].get(sweep)
        if found is None:
            raise StoreError(
                f"{where} names sweep {sweep!r}, which does not exist{suggestion(sweep, self._sweeps[project.id])}"
            )
        return found
