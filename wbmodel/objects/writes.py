"""The methods of a queryset that write: making rows, and changing and deleting those that it finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, cast

from wbmodel.objects.chain import E_co

if TYPE_CHECKING:
    import os

    from wbmodel.objects.queryset import QuerySet
    from wbmodel.operations.bulk import Bulk
    from wbmodel.operations.bulk_result import BulkResult

__all__ = ["Writes"]


class Writes(Generic[E_co]):
    """The writing part of a queryset."""

    # -- one row --

    def create(self, **values: Any) -> E_co:
        """Make one entity and give it as the server has it: ``Run.objects.create(project="acme/vision", name="first",
        config={"lr": 0.1}, tags=["new"])``. The project comes from here, from ``filter(project=...)``, from the
        relation (``project.runs.create()``), or from the session; a project that is not there is made with its first
        run, as ``wandb.init`` does. ``sweep.runs.create()`` makes a run of that sweep.

        With an ``id``, it is looked for first, because W&B's mutation overwrites:
        :class:`~wbmodel.errors.ConflictError` when it is there. Without one, a new id is made here, so that a request
        that is repeated makes one thing only (a sweep's id is the server's: there it makes two). A run is made in the
        state ``running`` unless ``state`` says else. Raises :class:`~wbmodel.errors.FieldError` before anything is
        asked.
        """
        return cast("E_co", _rows(self)._written("create", values))

    async def acreate(self, **values: Any) -> E_co:
        """The twin of :meth:`create`."""
        return cast("E_co", await _rows(self)._awritten("create", values))

    def get_or_create(self, defaults: Mapping[str, Any] | None = None, **lookups: Any) -> tuple[E_co, bool]:
        """The one row that meets the lookups, or a new one with their exact values and the ``defaults``; and whether it
        is new. What in ``defaults`` can be called is called. Keys of ``config`` and ``summary`` from both are put
        together; :class:`~wbmodel.errors.FieldError` when they contradict each other, as the new row would not be found
        by its own lookups. Two callers at the same time may both make one, unless an ``id`` is given."""
        return cast("tuple[E_co, bool]", _rows(self)._written("get_or_create", lookups, defaults or {}))

    async def aget_or_create(self, defaults: Mapping[str, Any] | None = None, **lookups: Any) -> tuple[E_co, bool]:
        """The twin of :meth:`get_or_create`."""
        return cast("tuple[E_co, bool]", await _rows(self)._awritten("get_or_create", lookups, defaults or {}))

    def update_or_create(
        self,
        defaults: Mapping[str, Any] | None = None,
        create_defaults: Mapping[str, Any] | None = None,
        **lookups: Any,
    ) -> tuple[E_co, bool]:
        """The one row that meets the lookups, with the changes of ``defaults`` made and saved; or a new one, as
        :meth:`get_or_create` makes it (with ``create_defaults`` where they are given); and whether it is new.
        ``defaults`` are changes as :meth:`update` takes them: ``{"notes": "n", "config__lr": 0.1, "tags": Add("x")}``,
        and ``Set`` for a whole config or summary."""
        made = _rows(self)._written("update_or_create", lookups, defaults or {}, create_defaults)
        return cast("tuple[E_co, bool]", made)

    async def aupdate_or_create(
        self,
        defaults: Mapping[str, Any] | None = None,
        create_defaults: Mapping[str, Any] | None = None,
        **lookups: Any,
    ) -> tuple[E_co, bool]:
        """The twin of :meth:`update_or_create`."""
        made = await _rows(self)._awritten("update_or_create", lookups, defaults or {}, create_defaults)
        return cast("tuple[E_co, bool]", made)

    # -- many rows --

    def update(
        self,
        changes: Mapping[Any, Any] | None = None,
        /,
        *,
        dry_run: bool = False,
        journal: str | os.PathLike[str] | None = None,
        at_once: int = 8,
        errors: Literal["raise", "return"] = "raise",
        **fields: Any,
    ) -> BulkResult:
        """Change every row: ``update(group="x", tags=Add("good"), config__lr=0.1, summary__best=Unset())``. Paths that
        are no names stand in a mapping: ``update({F.summary["eval/acc"]: 0.5})``. ``Set(value)`` replaces a whole
        config or summary. Each row is one request with what differs; a row that is so already costs none.

        All rows are read first. Then at most ``at_once`` requests are under way; one row that fails leaves the others
        alone, and at the end :class:`~wbmodel.errors.BulkError` tells of the failures, its ``result`` of every row
        (``errors="return"`` gives the result instead). ``dry_run=True`` reads and sends no change.

        ``journal`` is a file that gets a line per row as it is settled. The same call with the same file leaves out
        what is done; a file of another call is refused. No look is taken before the write, as ``save(check=True)``
        does. Raises :class:`~wbmodel.errors.FieldError` before anything is asked, :class:`~wbmodel.errors.QueryError`
        for a slice or ``values()``.
        """
        from wbmodel.operations import bulk

        made = self._updating(changes, fields, dry_run, journal, at_once, errors)
        return bulk.run(made, _rows(self)._timeout, errors)

    async def aupdate(
        self,
        changes: Mapping[Any, Any] | None = None,
        /,
        *,
        dry_run: bool = False,
        journal: str | os.PathLike[str] | None = None,
        at_once: int = 8,
        errors: Literal["raise", "return"] = "raise",
        **fields: Any,
    ) -> BulkResult:
        """The twin of :meth:`update`."""
        from wbmodel.operations import bulk

        made = self._updating(changes, fields, dry_run, journal, at_once, errors)
        return await bulk.arun(made, _rows(self)._timeout, errors)

    def _updating(
        self,
        changes: Mapping[Any, Any] | None,
        fields: Mapping[str, Any],
        dry_run: bool,
        journal: str | os.PathLike[str] | None,
        at_once: int,
        errors: str,
    ) -> Bulk:
        from wbmodel.errors import FieldError
        from wbmodel.operations.bulk import Bulk, Updating
        from wbmodel.query.changes import resolve_changes

        if changes is not None and not isinstance(changes, Mapping):
            raise FieldError(
                f"update() takes changes as names or as one mapping of paths to values, not {changes!r:.80}"
            )
        rows = _rows(self)
        work = Updating(resolve_changes(rows._meta, changes or {}, fields))
        return Bulk.of(rows, work, dry_run, at_once, journal, errors)

    def delete(
        self,
        *,
        dry_run: bool = False,
        delete_artifacts: bool = False,
        delete_drafts: bool = True,
        journal: str | os.PathLike[str] | None = None,
        at_once: int = 8,
        errors: Literal["raise", "return"] = "raise",
    ) -> BulkResult:
        """Delete every row for good. ``delete_artifacts=True`` deletes the artifact versions that runs logged as well,
        ``delete_drafts=False`` leaves the drafts of reports. ``dry_run=True`` tells what would be deleted and deletes
        nothing. The rest is as for :meth:`update`. Sweeps cannot be deleted: W&B's clients have no mutation for it.

        ``Run.objects.delete()`` is refused, as a slip would cost every run; ``Run.objects.all().delete()`` says it.
        """
        from wbmodel.operations import bulk

        made = self._deleting(delete_artifacts, delete_drafts, dry_run, journal, at_once, errors)
        return bulk.run(made, _rows(self)._timeout, errors)

    async def adelete(
        self,
        *,
        dry_run: bool = False,
        delete_artifacts: bool = False,
        delete_drafts: bool = True,
        journal: str | os.PathLike[str] | None = None,
        at_once: int = 8,
        errors: Literal["raise", "return"] = "raise",
    ) -> BulkResult:
        """The twin of :meth:`delete`."""
        from wbmodel.operations import bulk

        made = self._deleting(delete_artifacts, delete_drafts, dry_run, journal, at_once, errors)
        return await bulk.arun(made, _rows(self)._timeout, errors)

    def _deleting(
        self,
        delete_artifacts: bool,
        delete_drafts: bool,
        dry_run: bool,
        journal: str | os.PathLike[str] | None,
        at_once: int,
        errors: str,
    ) -> Bulk:
        from wbmodel.errors import FieldError, NotSupported, QueryError
        from wbmodel.operations.bulk import Bulk, Deleting

        rows = _rows(self)
        meta = rows._meta
        writes = meta.options.writes
        if writes is None or writes.delete is None:
            raise NotSupported(f"{meta.plural} cannot be deleted here: no client of W&B has a mutation for it")
        given = {"delete_artifacts": delete_artifacts, "delete_drafts": delete_drafts}
        for name, on in given.items():
            if not isinstance(on, bool):
                raise FieldError(f"{name} is True or False, not {on!r}")
        if delete_artifacts and "delete_artifacts" not in writes.flags:
            raise FieldError(f"delete_artifacts goes with runs, which log artifacts; {meta.plural} log none")
        if rows._untouched:
            raise QueryError(
                f"{meta.name}.objects.delete() would delete every {meta.name} there is; if that is meant, write "
                f"{meta.name}.objects.all().delete()"
            )
        work = Deleting(meta, {name: given[name] for name in writes.flags})
        return Bulk.of(rows, work, dry_run, at_once, journal, errors)

    # -- running operations --

    def _written(self, name: str, *args: Any) -> Any:
        from wbmodel.operations import create as creating

        rows = _rows(self)
        session = rows._bind()
        return session.run(getattr(creating, name)(rows, session.target, *args), timeout=rows._timeout)

    async def _awritten(self, name: str, *args: Any) -> Any:
        from wbmodel.operations import create as creating

        rows = _rows(self)
        session = rows._bind()
        operation = getattr(creating, name)(rows, session.target, *args)
        return await session.arun(operation, timeout=rows._timeout)


def _rows(part: Writes[Any]) -> QuerySet[Any, Any]:
    return cast("QuerySet[Any, Any]", part)
