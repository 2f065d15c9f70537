"""Fills a ``MemoryStore`` from the checked parts of a world. Names become references; a name that refers to nothing is
an error with its line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

import attrs

from wbmodel.engine.memory import MemoryStore
from wbmodel.engine.records import EntityRecord, ProjectRecord, RunRecord, UserRecord
from wbmodel.engine.store import StoreError
from wbmodel.errors import suggestion
from wbmodel_fixtures.content import Given, console_of, file_of, rows_of
from wbmodel_fixtures.fields import FIRST_DATE, copied, fields_of, placed
from wbmodel_fixtures.fill_artifacts import ArtifactFiller
from wbmodel_fixtures.folder import Part
from wbmodel_fixtures.format import Entity, Keyed, Project, Report, Run, User, World
from wbmodel_fixtures.sources import Limits, Place

__all__ = ["VIEWER", "FilledWorld", "fill"]

T = TypeVar("T")

VIEWER = "viewer"
"""The viewer of a world without users."""


@attrs.define(slots=True, eq=False)
class FilledWorld:
    """A filled store and, by node id, how runs and artifacts gave their content, so that it can be written back."""

    store: MemoryStore
    given: dict[str, Given] = attrs.field(factory=dict)


def fill(parts: list[Part], limits: Limits) -> FilledWorld:
    """The world that ``parts`` describe. Raises :class:`FixtureError`."""
    return _Filler(parts, limits).run()


class _Filler:
    def __init__(self, parts: list[Part], limits: Limits) -> None:
        self._parts = parts
        self._limits = limits
        self._world = FilledWorld(MemoryStore())
        self._store = self._world.store
        self._artifacts = ArtifactFiller(self._store, self._world.given, limits)
        self._project_places: dict[ProjectRecord, Place] = {}
        self._run_places: dict[ProjectRecord, dict[str, Place]] = {}

    def run(self) -> FilledWorld:
        top = self._parts[0]
        world: World = top.content or World()
        place = top.place
        entities = {name: entity or Entity() for name, entity in (world.entities or {}).items()}
        self._add_users(world, entities, place)
        for name, entity in entities.items():
            self._add_entity(name, entity, place / "entities" / name)
        self._set_viewer(world.viewer, list(entities))
        for name, entity in entities.items():
            at = place / "entities" / name / "projects"
            for project, content in (entity.projects or {}).items():
                self._add_project(name, project, content, at / project)
        # Projects first: runs in another file may name their sweeps.
        for part in sorted(self._parts[1:], key=lambda part: part.kind == "runs"):
            self._add_part(part)
        self._artifacts.fill()
        return self._world

    # -- people ------------------------------------------------------------------------------------

    def _add_users(self, world: World, entities: dict[str, Entity], place: Place) -> None:
        seen: dict[str, Place] = {}
        for name, user, at in placed(world.users, place / "users"):
            if name in seen:
                raise at.error(f"user {name!r} is listed twice; first at {seen[name]}")
            seen[name] = at
            self._add_user(name, user, at)
        viewer = world.viewer
        if isinstance(viewer, User):
            username = viewer.username
            at = place / "viewer"
            if username is None:
                raise at.error("user needs the key 'username'")
            if username in seen:
                raise at.error(f"user {username!r} is listed under users too, at {seen[username]}; name it here only")
            self._add_user(username, viewer, at)
        if world.users is not None:
            if isinstance(viewer, str) and self._store.user(viewer) is None:
                raise (place / "viewer").error(f"{viewer!r} is not a user{suggestion(viewer, seen, 'users')}")
            return
        # Without a list of users, every viewer, member or owner of an entity that is named is a user.
        names = [viewer] if isinstance(viewer, str) else []
        for entity_name, entity in entities.items():
            names += entity.members or []
            if entity.type == "user":
                names.append(entity_name)
        for name in names:
            if self._store.user(name) is None:
                self._add_user(name, User(), place)

    def _add_user(self, name: str, user: User, place: Place) -> UserRecord:
        fields = fields_of(user, place, but=("username", "entity"))
        record = self._store.add_user(name, **{"created_at": FIRST_DATE, **fields})
        entity = user.entity
        if entity is not None:
            self._artifacts.later.append(lambda: self._set_default_entity(record, entity, place / "entity"))
        return record

    def _set_default_entity(self, user: UserRecord, entity: str, place: Place) -> None:
        if self._store.entity(entity) is None:
            names = [e.name for e in self._store.entities()]
            raise place.error(f"there is no entity {entity!r}{suggestion(entity, names, 'entities')}")
        user.entity = entity

    def _add_entity(self, name: str, entity: Entity, place: Place) -> EntityRecord:
        user = self._store.user(name)
        kind = entity.type or ("user" if user else "team")
        if kind == "team" and user is not None:
            raise (place / "type").error(f"{name!r} is a user, so its entity is of type user")
        if kind == "user" and user is None:
            users = [u.username for u in self._store.users()]
            raise (place / "type").error(f"there is no user {name!r}{suggestion(name, users, 'users')}")
        for index, member in enumerate(entity.members or ()):
            if self._store.user(member) is None:
                users = [u.username for u in self._store.users()]
                raise (place / "members" / index).error(f"{member!r} is not a user{suggestion(member, users, 'users')}")
        fields = fields_of(entity, place, but=("type", "projects"))
        existing = self._store.entity(name)
        if existing is not None:
            for key, item in fields.items():
                setattr(existing, key, item)
            return existing
        return self._store.add_entity(name, **{"created_at": FIRST_DATE, **fields})

    def _set_viewer(self, viewer: str | User | None, entities: list[str]) -> None:
        name = viewer.username if isinstance(viewer, User) else viewer
        user = self._store.user(name) if name else next(iter(self._store.users()), None)
        if user is None:
            # A world without users still needs a viewer: a stand-in whose default entity is the first one.
            taken = {e.name for e in self._store.entities()}
            username = next(n for n in (VIEWER, *(f"{VIEWER}-{i}" for i in range(2, 1000))) if n not in taken)
            user = self._store.add_user(username, created_at=FIRST_DATE)
            for entity in self._store.entities():
                if entity.is_team:
                    entity.members.append(username)
            user.entity = entities[0] if entities else username
        self._store.viewer = user

    # -- projects ----------------------------------------------------------------------------------

    def _add_part(self, part: Part) -> None:
        entity, name = part.entity, part.project
        assert entity is not None
        assert name is not None
        if self._store.entity(entity) is None:
            self._add_entity(entity, Entity(), part.place)
        found = self._store.project(entity, name)
        if part.kind == "runs":
            if found is None:
                found = self._add_project(entity, name, None, part.place)
            self._add_runs(found, part.content, part.place)
        elif found is not None and found in self._project_places:
            first = self._project_places[found]
            raise part.place.error(f"project '{entity}/{name}' is described twice; first at {first}")
        else:
            self._add_project(entity, name, part.content, part.place)

    def _add_project(self, entity: str, name: str, given: Project | None, place: Place) -> ProjectRecord:
        content = ("runs", "sweeps", "artifacts", "artifact_types", "reports")
        declared = given or Project()
        fields = fields_of(declared, place, but=content)
        self._check_user(declared.user, place)
        project = self._store.project(entity, name)
        if project is None:
            project = self._guard(place, self._store.add_project, entity, name, **{"created_at": FIRST_DATE, **fields})
            self._run_places[project] = {}
        else:
            self._guard(place, self._store.update, project.id, **{"updated_at": None, **fields})
        if given is None:
            return project
        self._project_places[project] = place
        for key, sweep, at in _unique("sweep", placed(given.sweeps, place / "sweeps")):
            self._check_user(sweep.user, at)
            fields = {"created_at": FIRST_DATE, **fields_of(sweep, at, but=("id",))}
            self._guard(at, self._store.add_sweep, project, key, **fields)
        self._add_runs(project, given.runs, place / "runs")
        for key, report, at in _unique("report", placed(given.reports, place / "reports")):
            self._add_report(project, key, report, at)
        self._artifacts.note_project(project, given, place)
        return project

    def _add_runs(self, project: ProjectRecord, runs: Keyed[Run] | None, place: Place) -> None:
        places = self._run_places[project]
        for name, run, at in placed(runs, place):
            if name in places:
                raise at.error(f"run {name!r} is in project {project.path!r} twice; first at {places[name]}")
            self._add_run(project, name, run, at, FIRST_DATE + timedelta(minutes=len(places)))
            places[name] = at

    def _add_run(self, project: ProjectRecord, name: str, given: Run, place: Place, when: datetime) -> RunRecord:
        self._check_user(given.user, place)
        sweep = given.sweep
        if sweep is not None and self._store.sweep(project, sweep) is None:
            ids = [s.name for s in self._store.sweeps(project)]
            hint = suggestion(sweep, ids, "sweeps") or "; the project has none"
            raise (place / "sweep").error(f"there is no sweep {sweep!r} in project {project.path!r}{hint}")
        streams = ("history", "events", "system_metrics", "console", "files", "used_artifacts", "logged_artifacts")
        fields = fields_of(given, place, but=("id", *streams))
        fields.setdefault("created_at", when)
        content: Given = {}
        for key, attr in (("history", "history"), ("events", "events"), ("system_metrics", "events")):
            rows = getattr(given, key)
            if rows is not None:
                fields[attr] = content[attr] = rows_of(rows, place / key, self._limits)
        if given.console is not None:
            fields["console"] = content["console"] = console_of(given.console, place / "console", self._limits)
        run: RunRecord = self._guard(place, self._store.add_run, project, name, **fields)
        for path, item in (given.files or {}).items():
            file = file_of(item, place / "files" / path, self._limits)
            content[f"files/{path}"] = file.get("content")
            self._store.add_file(run, path, **{"created_at": run.created_at, **file})
        if content:
            self._world.given[run.id] = content
        self._artifacts.note_run(run, given, place)
        return run

    def _add_report(self, project: ProjectRecord, name: str, report: Report, place: Place) -> None:
        self._check_user(report.user, place)
        fields = fields_of(report, place, but=("id", "title", "blocks", "draft"))
        if report.title is not None:
            fields["display_name"] = report.title
        if report.blocks is not None:
            fields["spec"] = {"version": 5, "blocks": copied(report.blocks)}
        if report.draft:
            fields["type"] = "runs/draft"
        self._guard(place, self._store.add_view, project, name, **{"created_at": FIRST_DATE, **fields})

    def _check_user(self, name: str | None, place: Place) -> None:
        if name is not None and self._store.user(name) is None:
            users = [u.username for u in self._store.users()]
            raise (place / "user").error(f"there is no user {name!r}{suggestion(name, users, 'users')}")

    def _guard(self, place: Place, call: Any, *args: Any, **fields: Any) -> Any:
        try:
            return call(*args, **fields)
        except StoreError as error:
            raise place.error(str(error)) from None


def _unique(kind: str, items: Iterator[tuple[str, T, Place]]) -> Iterator[tuple[str, T, Place]]:
    seen: dict[str, Place] = {}
    for name, thing, place in items:
        if name in seen:
            raise place.error(f"{kind} {name!r} appears twice; first at {seen[name]}")
        seen[name] = place
        yield name, thing, place
