"""What an entity's object keeps: its slots, past the checks of what is set from outside, and what stands beside them.

A field that was not selected is an unset slot. Where it is from, what its fields held before they were set here and
what was prefetched for it are no fields, and only this module knows how they are kept. (Hydration fills slots by a
function that is made for each selection.)
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import attrs

__all__ = [
    "State",
    "drop",
    "edits",
    "forget",
    "get",
    "home",
    "is_loaded",
    "kept",
    "label",
    "notes",
    "prefetched",
    "put",
    "put_prefetched",
]


@attrs.define(slots=True, weakref_slot=False, eq=False, init=False, repr=False, getstate_setstate=False)
class State:
    """The base of every entity's object: what it keeps beside its fields, and how that is copied and pickled."""

    _owner: Any = attrs.field(init=False)
    _prefetched: dict[str, list[Any]] = attrs.field(init=False)
    # What scalar fields held before they were first set here: nothing is kept per field until then.
    _edits: dict[str, Any] = attrs.field(init=False)

    def _home(self) -> str | None:
        try:
            project = self.project  # type: ignore[attr-defined]
            path = None if project is None else project.path
        except AttributeError:
            return None
        return path if isinstance(path, str) else None

    def _label(self) -> str:
        key = str(getattr(self, type(self).__wbmodel_meta__.key))  # type: ignore[attr-defined]
        home = self._home()
        return f"{home}/{key}" if home else key

    # -- pickling: no session, no socket, no credentials --

    def __getstate__(self) -> dict[str, Any]:
        state = _slots(self)
        # A plain subclass has a dict beside its slots.
        state.update(getattr(self, "__dict__", {}))
        owner = self._owner
        state["_owner"] = owner if isinstance(owner, str) or owner is None else owner.origin
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            put(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_blank, (type(self),), self.__getstate__())

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # By way of a copy, which keeps the session: the state for pickling names its origin alone.
        made = memo[id(self)] = self.__copy__()
        for name, value in (*_slots(made).items(), *getattr(made, "__dict__", {}).items()):
            if name != "_owner":
                put(made, name, deepcopy(value, memo))
        return made

    def __copy__(self) -> Any:
        made = _blank(type(self))
        for name, value in (*_slots(self).items(), *getattr(self, "__dict__", {}).items()):
            # Each copy notes its own changes.
            put(made, name, dict(value) if name == "_edits" else value)
        return made


def _blank(cls: type[Any]) -> Any:
    return object.__new__(cls)


def _slots(row: Any) -> dict[str, Any]:
    """What is set of the slots."""
    found: dict[str, Any] = {}
    for item in attrs.fields(type(row)):
        try:
            found[item.name] = get(row, item.name)
        except AttributeError:
            continue
    return found


# -- slots -----------------------------------------------------------------------------------------

get: Callable[[Any, str], Any] = object.__getattribute__
"""What a slot holds: nothing is decoded. Raises ``AttributeError`` where it is unset."""

put: Callable[[Any, str, Any], None] = object.__setattr__
"""Fill a slot with what came from a backend: that is no change."""


def drop(row: Any, slot: str) -> None:
    """Unset a slot, where it is set."""
    try:
        object.__delattr__(row, slot)
    except AttributeError:
        pass


def kept(row: Any, name: str) -> Any:
    """What a field was read as: the text or the tuple that its value is made of, else the value. Raises
    ``AttributeError`` where it was not loaded."""
    return get(row, type(row).__wbmodel_meta__.slots.get(name, name))


def is_loaded(row: Any, name: str) -> bool:
    """Whether a field was loaded, or set here."""
    for slot in {type(row).__wbmodel_meta__.slots.get(name, name), name}:
        try:
            get(row, slot)
        except AttributeError:
            continue
        return True
    return False


# -- beside them -----------------------------------------------------------------------------------


def home(row: Any) -> str | None:
    """The path of the project that an object belongs to, where that is known; a project's own."""
    found: str | None = row._home()
    return found


def label(row: Any) -> str:
    """What an object is called for people. Raises ``AttributeError`` where too little of it was loaded."""
    words: str = row._label()
    return words


def edits(row: Any) -> dict[str, Any]:
    """What scalar fields held before they were first set here. To read: :func:`notes` is to write in."""
    try:
        found: dict[str, Any] = get(row, "_edits")
    except AttributeError:
        return {}
    return found


def notes(row: Any) -> dict[str, Any]:
    """The same, kept with the object. :func:`forget` begins anew, with another dict."""
    try:
        found: dict[str, Any] = get(row, "_edits")
    except AttributeError:
        found = {}
        put(row, "_edits", found)
    return found


def prefetched(row: Any, name: str) -> list[Any] | None:
    """The rows that were prefetched for a relation; None where none were asked for."""
    try:
        found: dict[str, list[Any]] = get(row, "_prefetched")
    except AttributeError:
        return None
    return found.get(name)


def put_prefetched(row: Any, name: str, rows: list[Any]) -> None:
    """Keep the rows of a relation."""
    try:
        get(row, "_prefetched")[name] = rows
    except AttributeError:
        put(row, "_prefetched", {name: rows})


def forget(row: Any) -> None:
    """Forget what was changed here, and what was prefetched."""
    drop(row, "_prefetched")
    drop(row, "_edits")
