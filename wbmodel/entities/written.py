"""What entities that can be changed share: saving, and what of them has changed."""

from __future__ import annotations

from collections.abc import Iterable

from wbmodel import operations
from wbmodel.entities.base import Model

__all__ = ["Written"]


class Written(Model):
    """The part of an entity that saves. Set editable fields, edit ``config`` and ``summary`` in place, then save."""

    __slots__ = ()

    @property
    def dirty_fields(self) -> tuple[str, ...]:
        """The names of the fields that differ from what was read: what :meth:`save` would send. Asks nothing."""
        return operations.save.dirty(self)

    def save(self, update_fields: Iterable[str] | None = None, *, check: bool = False) -> tuple[str, ...]:
        """Send what changed since it was read, and nothing else, in one request; none when nothing changed. Gives the
        names of the fields that were sent. ``update_fields`` keeps it to those.

        When it fails, everything is still to be saved. Where that is because no answer came
        (:class:`~wbmodel.errors.OutcomeUnknown`, a cancelled call), what the server has is not known, and the fields
        that were sent are sent again by the next ``save()``, whatever they hold by then. An object that is gone raises
        its ``DoesNotExist``. ``config`` and ``summary`` are sent whole when one key in them
        changed, so of two who change the same one the last wins. ``check=True`` looks first, and raises
        :class:`~wbmodel.errors.ConflictError` when the server's value is not the one that was read; W&B has no
        compare-and-swap, so what changes between the look and the write goes unseen.
        """
        return self._run(operations.save.save, update_fields, check)

    async def asave(self, update_fields: Iterable[str] | None = None, *, check: bool = False) -> tuple[str, ...]:
        """The twin of :meth:`save`."""
        return await self._arun(operations.save.save, update_fields, check)

    def _delete(self, **flags: bool) -> None:
        self._run(operations.save.delete, flags)

    async def _adelete(self, **flags: bool) -> None:
        await self._arun(operations.save.delete, flags)
