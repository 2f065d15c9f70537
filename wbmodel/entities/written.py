"""The base of entities that can be changed: tracking changes and saving them."""

from __future__ import annotations

from collections.abc import Iterable

from wbmodel import operations
from wbmodel.entities.base import Model

__all__ = ["Written"]


class Written(Model):
    """An entity that can be saved. Set editable fields, edit ``config`` and ``summary`` in place, then save."""

    __slots__ = ()

    @property
    def dirty_fields(self) -> tuple[str, ...]:
        """The names of the changed fields, which :meth:`save` would send. Makes no requests."""
        return operations.save.dirty(self)

    def save(self, update_fields: Iterable[str] | None = None, *, check: bool = False) -> tuple[str, ...]:
        """Send only the changed fields, in one request, and return their names; without changes, make no request.

        ``update_fields`` limits it to these fields. If the object is gone, its ``DoesNotExist`` is raised.

        After an error, all changes remain unsaved. If the server did not respond
        (:class:`~wbmodel.errors.OutcomeUnknown`, a cancelled call), its values are unknown, and the next ``save()``
        sends these fields again, whatever their values are by then.

        ``config`` and ``summary`` are sent whole even if only one key changed, so if two clients change the same field,
        the last one wins. ``check=True`` reads the fields first, and raises :class:`~wbmodel.errors.ConflictError` if
        the server's values differ from the ones loaded here. W&B has no compare-and-swap, so a change between this read
        and the write goes unnoticed.
        """
        return self._run(operations.save.save, update_fields, check)

    async def asave(self, update_fields: Iterable[str] | None = None, *, check: bool = False) -> tuple[str, ...]:
        """The async twin of :meth:`save`."""
        return await self._arun(operations.save.save, update_fields, check)
