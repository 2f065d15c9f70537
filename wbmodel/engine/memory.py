"""``MemoryStore``: a writable world in memory. Serves fixtures and tests; nothing is written to disk.

>>> store = MemoryStore()
>>> user = store.add_user("ada")
>>> store.viewer = user
>>> team = store.add_entity("acme", members=["ada"])
>>> project = store.add_project("acme", "vision")
>>> run = store.add_run(project, "abc123", config={"lr": 0.1}, summary={"loss": 0.2}, tags=["good"])
>>> with store.change() as writer:
...     run = writer.update(run.id, notes="better")
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from wbmodel.engine.lists import ListStore
from wbmodel.engine.records import (
    ArtifactRecord,
    ArtifactTypeRecord,
    CollectionRecord,
    FileRecord,
    ProjectRecord,
    Record,
    RunRecord,
    SweepRecord,
    UserRecord,
    ViewRecord,
)
from wbmodel.engine.store import StoreError, Writer
from wbmodel.errors import suggestion

__all__ = ["MemoryStore"]

_FIXED = {
    "id",
    "number",
    "project",
    "owner",
    "sequence",
    "collection",
    "artifact",
    "version_index",
    "memberships",
    "size",
}
"""Fields that cannot be changed: they say where a record belongs, or follow from other fields."""


class MemoryStore(ListStore):
    """A :class:`~wbmodel.engine.store.WritableStore` in memory.

    Views and changes hold the store's lock and are the store itself: records are changed in place, and a change that
    raises is undone step by step. The lock hides intermediate steps from other threads; code that fills or changes the
    store without :meth:`change` must be the store's only user.
    """

    @contextmanager
    def change(self) -> Iterator[Writer]:
        """The store, locked. If the block raises, its changes are undone."""
        with self._lock, self.savepoint():
            yield self

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo the block's changes if it raises."""
        before = self._token
        try:
            with self._journal.savepoint():
                yield
        except BaseException:
            if self._token != before:
                self._changed()  # not the old token: lists may have been cached under the tokens in between
            raise

    def update(self, record: str, /, **changes: Any) -> Record:
        """Change fields of the record with this node id and return the current record. ``updated_at`` becomes now,
        unless it is one of the changes. Raises :class:`StoreError` for an unknown record or field, or a name that is
        taken."""
        found = self._found(record)
        known = {a.alias for a in attrs.fields(type(found)) if a.init} - _FIXED
        for field in changes:
            if field not in known:
                raise StoreError(f"{found!r} has no field {field!r}{suggestion(field, known)}")
        where = repr(found)
        if "user" in changes:
            changes["user"] = self._as_user(changes["user"], where)
        if isinstance(found, RunRecord) and "sweep" in changes:
            changes["sweep"] = self._as_sweep(found.project, changes["sweep"], where)
        if "name" in changes and changes["name"] != getattr(found, "name", None):
            self._rename(found, changes["name"])
        if isinstance(found, RunRecord) and "sweep" in changes:
            self._move_to_sweep(found, changes["sweep"])
        changes.setdefault("updated_at", self._clock())
        self._journal.note(found.forget_texts)
        for field, value in changes.items():
            self._journal.assign(found, field, value)
        found.forget_texts()
        self._changed()
        return found

    def delete(self, record: str, /) -> None:
        """Remove the record with this node id and everything below it. The runs of a deleted sweep stay, without it."""
        found = self._found(record)
        if isinstance(found, ProjectRecord):
            self._delete_project(found)
        elif isinstance(found, RunRecord):
            self._delete_run(found)
        elif isinstance(found, SweepRecord):
            for run in self.sweep_runs(found):
                self._journal.assign(run, "sweep", None)
            self._journal.forget(self._sweep_runs, found.id)
            self._journal.drop(self._sweeps[found.project.id], found.name)
        elif isinstance(found, ViewRecord):
            self._journal.drop(self._views[found.project.id], found.name)
        elif isinstance(found, FileRecord) and isinstance(found.owner, RunRecord):
            self._journal.drop(self._files[found.owner.id], found.name)
        elif isinstance(found, ArtifactRecord):
            self._delete_artifact(found)
        elif isinstance(found, CollectionRecord):
            self._delete_collection(found)
        elif isinstance(found, ArtifactTypeRecord):
            self._delete_type(found)
        else:
            raise StoreError(f"{found!r} cannot be deleted here")
        self._forget(found)
        self._changed()

    # -- inside ------------------------------------------------------------------------------------

    def _found(self, node_id: str) -> Record:
        found = self._nodes.get(node_id)
        if found is None:
            raise StoreError(f"the record with id {node_id!r} is not in this store")
        return found

    def _delete_project(self, project: ProjectRecord) -> None:
        for child in (*self.runs(project), *self.views(project), *self.sweeps(project)):
            self.delete(child.id)
        self._clear_project(project)
        self._journal.drop(self._projects, (project.entity.name, project.name))
        for table in (self._runs, self._short_ids, self._sweeps, self._views):
            self._journal.forget(table, project.id)

    def _delete_run(self, run: RunRecord) -> None:
        self._forget_run(run)
        if run.sweep is not None:
            self._journal.drop(self._sweep_runs[run.sweep.id], run.id)
        self._journal.drop(self._runs[run.project.id], run.id)
        named = self._short_ids[run.project.id]
        left = [other for other in named[run.name] if other.id != run.id]
        if left:
            self._journal.put(named, run.name, left)
        else:
            self._journal.forget(named, run.name)

    def _move_to_sweep(self, run: RunRecord, sweep: SweepRecord | None) -> None:
        if run.sweep is not None:
            self._journal.drop(self._sweep_runs[run.sweep.id], run.id)
        if sweep is not None:
            self._journal.put(self._sweep_runs[sweep.id], run.id, run)

    def _rename(self, record: Record, name: str) -> None:
        if isinstance(record, ProjectRecord):
            if (record.entity.name, name) in self._projects:
                raise StoreError(f"project '{record.entity.name}/{name}' already exists")
            self._journal.drop(self._projects, (record.entity.name, record.name))
            self._journal.put(self._projects, (record.entity.name, name), record)
        elif isinstance(record, ViewRecord):
            table = self._views[record.project.id]
            if name in table:
                raise StoreError(f"report {name!r} already exists in project {record.project.path!r}")
            self._journal.drop(table, record.name)
            self._journal.put(table, name, record)
        elif isinstance(record, CollectionRecord):
            self._rename_collection(record, name)
        elif not isinstance(record, UserRecord):
            raise StoreError(f"{record!r} cannot be renamed: its name is its key")
