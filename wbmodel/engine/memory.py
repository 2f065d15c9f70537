"""``MemoryStore``: a world in dictionaries. Serves fixtures and tests; nothing is written anywhere.

>>> store = MemoryStore()
>>> user = store.add_user("ada")
>>> store.viewer = user
>>> team = store.add_entity("acme", members=["ada"])
>>> project = store.add_project("acme", "vision")
>>> run = store.add_run(project, "abc123", config={"lr": 0.1}, summary={"loss": 0.2}, tags=["good"])
>>> store.run(project, "abc123") is run
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any

import attrs

from wbmodel.engine.memory_artifacts import ArtifactShelf
from wbmodel.engine.records import (
    ArtifactRecord,
    ArtifactTypeRecord,
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
from wbmodel.engine.store import StoreError
from wbmodel.errors import suggestion

__all__ = ["MemoryStore"]

_FIXED = {"id", "number", "project", "owner", "sequence", "collection", "artifact", "version_index"}
"""Fields that say where a record belongs; they do not change."""


class MemoryStore(ArtifactShelf):
    """A :class:`~wbmodel.engine.store.Store` in memory. ``clock`` gives the time for dates that are not given.

    Not locked: the engine that serves it takes one request at a time.
    """

    def __init__(self, *, clock: Callable[[], datetime] | None = None) -> None:
        super().__init__()
        self._clock = clock or (lambda: datetime.now(timezone.utc))
        self._viewer: UserRecord | None = None
        self._users: dict[str, UserRecord] = {}
        self._entities: dict[str, EntityRecord] = {}
        self._projects: dict[tuple[str, str], ProjectRecord] = {}
        self._runs: dict[ProjectRecord, dict[str, RunRecord]] = {}
        self._sweeps: dict[ProjectRecord, dict[str, SweepRecord]] = {}
        self._views: dict[ProjectRecord, dict[str, ViewRecord]] = {}
        self._sweep_runs: dict[SweepRecord, dict[RunRecord, None]] = {}
        self._files: dict[RunRecord, dict[str, FileRecord]] = {}

    # -- the viewer --------------------------------------------------------------------------------

    @property
    def viewer(self) -> UserRecord | None:
        """Who asks; its ``entity`` is the default for documents that name none."""
        return self._viewer

    @viewer.setter
    def viewer(self, user: UserRecord | None) -> None:
        self._viewer = user
        self._changed()

    # -- one thing ---------------------------------------------------------------------------------

    def node(self, node_id: str) -> Record | None:
        return self._nodes.get(node_id)

    def user(self, username: str) -> UserRecord | None:
        return self._users.get(username)

    def entity(self, name: str) -> EntityRecord | None:
        return self._entities.get(name)

    def project(self, entity: str, name: str) -> ProjectRecord | None:
        return self._projects.get((entity, name))

    def run(self, project: ProjectRecord, name: str) -> RunRecord | None:
        return self._runs[project].get(name)

    def sweep(self, project: ProjectRecord, name: str) -> SweepRecord | None:
        return self._sweeps[project].get(name)

    # -- lists -------------------------------------------------------------------------------------

    def users(self) -> Sequence[UserRecord]:
        return list(self._users.values())

    def entities(self) -> Sequence[EntityRecord]:
        return list(self._entities.values())

    def teams(self, user: UserRecord) -> Sequence[EntityRecord]:
        return [e for e in self._entities.values() if e.user is user or user.username in e.members]

    def projects(self, entity: EntityRecord) -> Sequence[ProjectRecord]:
        return [p for p in self._projects.values() if p.entity is entity]

    def runs(self, project: ProjectRecord) -> Sequence[RunRecord]:
        return list(self._runs[project].values())

    def sweeps(self, project: ProjectRecord) -> Sequence[SweepRecord]:
        return list(self._sweeps[project].values())

    def sweep_runs(self, sweep: SweepRecord) -> Sequence[RunRecord]:
        return list(self._sweep_runs.get(sweep, ()))

    def views(self, project: ProjectRecord) -> Sequence[ViewRecord]:
        return list(self._views[project].values())

    def files(self, run: RunRecord) -> Sequence[FileRecord]:
        return list(self._files.get(run, {}).values())

    # -- adding ------------------------------------------------------------------------------------

    def add_user(self, username: str, *, own_entity: bool = True, **fields: Any) -> UserRecord:
        """Add a user and, unless ``own_entity`` is false, the entity of the same name for the user's projects."""
        if username in self._users:
            raise StoreError(f"user {username!r} exists already")
        defaults = {"name": username, "entity": username if own_entity else None}
        user = self._new(UserRecord, f"User:{len(self._users) + 1}", {**defaults, **fields}, username=username)
        self._users[username] = user
        if own_entity and username not in self._entities:
            self.add_entity(username, is_team=False, user=user, members=[username], created_at=user.created_at)
        return user

    def add_entity(
        self, name: str, *, is_team: bool = True, members: Sequence[str] = (), **fields: Any
    ) -> EntityRecord:
        """Add a team (or, with ``is_team=False``, a personal entity). Raises for a member that is no user."""
        if name in self._entities:
            raise StoreError(f"entity {name!r} exists already")
        for member in members:
            if member not in self._users:
                raise StoreError(f"member {member!r} of entity {name!r} is no user{suggestion(member, self._users)}")
        fields = {"is_team": is_team, "members": list(members), **fields}
        entity = self._new(EntityRecord, f"Entity:{len(self._entities) + 1}", fields, name=name)
        self._entities[name] = entity
        return entity

    def add_project(self, entity: str | EntityRecord, name: str, **fields: Any) -> ProjectRecord:
        """Add a project to an entity that exists. ``user`` may be a username."""
        if isinstance(entity, str):
            found = self._entities.get(entity)
            if found is None:
                raise StoreError(
                    f"project {name!r} belongs to entity {entity!r}, which does not exist"
                    + suggestion(entity, self._entities)
                )
            entity = found
        if (entity.name, name) in self._projects:
            raise StoreError(f"project '{entity.name}/{name}' exists already")
        number = self._next_number("project")
        fields = {**fields, "number": number, "user": self._as_user(fields.get("user"), f"project {name!r}")}
        project = self._new(ProjectRecord, f"Project:v1:{name}:{entity.name}", fields, name=name, entity=entity)
        self._projects[entity.name, name] = project
        self._runs[project], self._sweeps[project], self._views[project] = {}, {}, {}
        self._open_shelf(project)
        return project

    def add_run(self, project: ProjectRecord, name: str, **fields: Any) -> RunRecord:
        """Add a run; ``name`` is the short id. ``sweep`` may be a sweep id and ``user`` a username.

        ``history``, ``events`` (rows) and ``console`` (:class:`ConsoleLine`) may be callables that read them later.
        """
        if name in self._runs[project]:
            raise StoreError(f"run {name!r} exists already in project {project.path!r}")
        where = f"run {name!r} in project {project.path!r}"
        fields["user"] = self._as_user(fields.get("user"), where)
        fields["sweep"] = sweep = self._as_sweep(project, fields.get("sweep"), where)
        fields.setdefault("display_name", name)
        run = self._new(
            RunRecord, f"Run:v1:{name}:{project.name}:{project.entity.name}", fields, name=name, project=project
        )
        self._runs[project][name] = run
        if sweep is not None:
            self._sweep_runs[sweep][run] = None
        return run

    def add_sweep(self, project: ProjectRecord, name: str, **fields: Any) -> SweepRecord:
        """Add a sweep; ``name`` is the short id, ``config`` the definition as a dict."""
        if name in self._sweeps[project]:
            raise StoreError(f"sweep {name!r} exists already in project {project.path!r}")
        fields["user"] = self._as_user(fields.get("user"), f"sweep {name!r} in project {project.path!r}")
        sweep = self._new(
            SweepRecord, f"Sweep:v1:{name}:{project.name}:{project.entity.name}", fields, name=name, project=project
        )
        self._sweeps[project][name] = sweep
        self._sweep_runs[sweep] = {}
        return sweep

    def add_view(self, project: ProjectRecord, name: str, **fields: Any) -> ViewRecord:
        """Add a report; ``name`` is its key in the project, ``display_name`` the title, ``spec`` the decoded spec."""
        if name in self._views[project]:
            raise StoreError(f"report {name!r} exists already in project {project.path!r}")
        fields["user"] = self._as_user(fields.get("user"), f"report {name!r} in project {project.path!r}")
        fields.setdefault("display_name", name)
        view = self._new(ViewRecord, f"View:{self._next_number('view')}", fields, name=name, project=project)
        self._views[project][name] = view
        return view

    def add_file(
        self, run: RunRecord, name: str, content: bytes | Callable[[], bytes] | None = None, **fields: Any
    ) -> FileRecord:
        """Add a run file, or replace the one of that name. ``size`` and ``digest`` are computed from bytes."""
        file = self._new_file(run, name, {"content": content, **fields})
        old = self._files.setdefault(run, {}).get(name)
        if old is not None:
            self._nodes.pop(file.id, None)
            self._nodes.pop(old.id, None)
            file.id = old.id
            self._nodes[file.id] = file
        self._files[run][name] = file
        return file

    # -- changing ----------------------------------------------------------------------------------

    def update(self, record: Record, **changes: Any) -> None:
        known = {a.alias for a in attrs.fields(type(record)) if a.init} - _FIXED
        for field in changes:
            if field not in known:
                raise StoreError(f"{record!r} has no field {field!r}{suggestion(field, known)}")
        where = repr(record)
        if "user" in changes:
            changes["user"] = self._as_user(changes["user"], where)
        if isinstance(record, RunRecord) and "sweep" in changes:
            changes["sweep"] = self._move_to_sweep(record, self._as_sweep(record.project, changes["sweep"], where))
        if "name" in changes and changes["name"] != getattr(record, "name", None):
            self._rename(record, changes["name"])
        changes.setdefault("updated_at", self._clock())
        for field, value in changes.items():
            setattr(record, field, value)
        record.forget_texts()
        self._changed()

    def delete(self, record: Record) -> None:
        if self._nodes.get(record.id) is not record:
            raise StoreError(f"{record!r} is not in this store")
        if isinstance(record, ProjectRecord):
            for children in (self.runs(record), self.views(record), self.sweeps(record)):
                for child in children:
                    self.delete(child)
            self._clear_shelf(record)
            del self._projects[record.entity.name, record.name]
            del self._runs[record], self._sweeps[record], self._views[record]
        elif isinstance(record, RunRecord):
            self._forget_run(record)
            for file in self._files.pop(record, {}).values():
                self._nodes.pop(file.id, None)
            if record.sweep is not None:
                self._sweep_runs[record.sweep].pop(record, None)
            del self._runs[record.project][record.name]
        elif isinstance(record, SweepRecord):
            for run in self._sweep_runs.pop(record):
                run.sweep = None
            del self._sweeps[record.project][record.name]
        elif isinstance(record, ViewRecord):
            del self._views[record.project][record.name]
        elif isinstance(record, FileRecord) and isinstance(record.owner, RunRecord):
            del self._files[record.owner][record.name]
        elif isinstance(record, (ArtifactRecord, CollectionRecord, ArtifactTypeRecord)):
            self._delete_from_shelf(record)
        else:
            raise StoreError(f"{record!r} cannot be deleted here")
        self._nodes.pop(record.id, None)
        self._changed()

    # -- inside ------------------------------------------------------------------------------------

    def _as_user(self, user: UserRecord | str | None, where: str) -> UserRecord | None:
        if not isinstance(user, str):
            return user
        found = self._users.get(user)
        if found is None:
            raise StoreError(f"{where} names user {user!r}, who does not exist{suggestion(user, self._users)}")
        return found

    def _as_sweep(self, project: ProjectRecord, sweep: SweepRecord | str | None, where: str) -> SweepRecord | None:
        if isinstance(sweep, SweepRecord):
            if sweep.project is not project:
                raise StoreError(f"{where} cannot be in sweep {sweep.path!r}, which is in another project")
            return sweep
        if not sweep:
            return None
        found = self._sweeps[project].get(sweep)
        if found is None:
            raise StoreError(
                f"{where} names sweep {sweep!r}, which does not exist{suggestion(sweep, self._sweeps[project])}"
            )
        return found

    def _move_to_sweep(self, run: RunRecord, sweep: SweepRecord | None) -> SweepRecord | None:
        if run.sweep is not None:
            self._sweep_runs[run.sweep].pop(run, None)
        if sweep is not None:
            self._sweep_runs[sweep][run] = None
        return sweep

    def _rename(self, record: Record, name: str) -> None:
        if isinstance(record, ProjectRecord):
            if (record.entity.name, name) in self._projects:
                raise StoreError(f"project '{record.entity.name}/{name}' exists already")
            del self._projects[record.entity.name, record.name]
            self._projects[record.entity.name, name] = record
        elif isinstance(record, ViewRecord):
            shelf = self._views[record.project]
            if name in shelf:
                raise StoreError(f"report {name!r} exists already in project {record.project.path!r}")
            del shelf[record.name]
            shelf[name] = record
        elif isinstance(record, CollectionRecord):
            self._rename_collection(record, name)
        elif not isinstance(record, UserRecord):
            raise StoreError(f"{record!r} cannot be renamed: its name is its key")
