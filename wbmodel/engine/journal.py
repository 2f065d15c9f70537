"""``Journal``: how each step of a change in memory is undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

__all__ = ["Journal"]


class Journal:
    """Changes tables and records, and inside a :meth:`savepoint` remembers the way back. Outside of one, nothing is
    remembered: filling a store costs no memory for it."""

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
        """``table.pop(key, None)``. What is put back stands where it was."""
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
        """As :meth:`drop`, for a table whose order means nothing: what is put back stands last."""
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
        """Remember a step of another kind."""
        if self._steps is not None:
            self._steps.append(undo)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what was done inside, newest first, when it raises. Inside another one, only that much is undone."""
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
