"""``Journal``: an undo log for changes in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

__all__ = ["Journal"]


class Journal:
    """Changes tables and records, and inside a :meth:`savepoint` records how to undo each change. Outside of one it
    records nothing, so filling a store costs no extra memory."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], None]] | None = None

    def put(self, table: MutableMapping[Any, Any], key: Any, value: Any) -> None:
        """``table[key] = value``."""
        if self._steps is not None:
            if key in table:
                old = table[key]
                self._steps.append(lambda: table.__setitem__(key, old))
            else:
                self._steps.append(lambda: table.__delitem__(key))
        table[key] = value

    def drop(self, table: MutableMapping[Any, Any], key: Any) -> None:
        """``table.pop(key, None)``. Undo restores the item at its old position."""
        if key not in table:
            return
        if self._steps is not None:
            before = dict(table)

            def restore() -> None:
                table.clear()
                table.update(before)

            self._steps.append(restore)
        del table[key]

    def forget(self, table: MutableMapping[Any, Any], key: Any) -> None:
        """Like :meth:`drop`, for a table whose order does not matter: undo restores the item at the end."""
        if key in table:
            old = table.pop(key)
            if self._steps is not None:
                self._steps.append(lambda: table.__setitem__(key, old))

    def assign(self, record: Any, field: str, value: Any) -> None:
        """``record.field = value``."""
        if self._steps is not None:
            old = getattr(record, field)
            self._steps.append(lambda: setattr(record, field, old))
        setattr(record, field, value)

    def note(self, undo: Callable[[], None]) -> None:
        """Record how to undo any other change."""
        if self._steps is not None:
            self._steps.append(undo)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """If the block raises, undo its changes, newest first. A nested block undoes only its own changes."""
        outermost = self._steps is None
        if self._steps is None:
            self._steps = []
        steps, mark = self._steps, len(self._steps)
        try:
            yield
        except BaseException:
            while len(steps) > mark:
                steps.pop()()
            raise
        finally:
            if outermost:
                self._steps = None
