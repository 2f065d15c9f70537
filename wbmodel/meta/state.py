"""The state of an entity's object: direct access to its slots, and what it keeps besides its fields.

A field that was not selected is an unset slot. The owner of an object, its edits and its prefetched rows are not
fields, and only this module knows how they are stored. (Hydration fills slots with a function generated for each
selection.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import attrs

from wbmodel.meta.parts import Wanted

__all__ = [
    "State",
    "damage",
    "drop",
    "edits",
    "forget",
    "get",
    "holds",
    "home",
    "is_loaded",
    "kept",
    "label",
    "notes",
    "parts",
    "prefetched",
    "put",
    "put_damaged",
    "put_prefetched",
    "refuse_deletion",
]


@attrs.define(slots=True, weakref_slot=False, eq=False, init=False, repr=False, getstate_setstate=False)
class State:
    """The base of every entity: what an object keeps besides its fields, and how it is copied and pickled."""

    _owner: Any = attrs.field(init=False)
    _prefetched: dict[str, list[Any]] = attrs.field(init=False)
    # The original values of scalar fields that were set: nothing is stored for the others.
    _edits: dict[str, Any] = attrs.field(init=False)
    # What the server has in fields that could not be read, with the reason.
    _damaged: dict[str, tuple[Any, str]] = attrs.field(init=False)
    # The keys of the fields that were loaded in part; one mapping for all rows of a query.
    _parts: Mapping[str, frozenset[str]] = attrs.field(init=False)

    def _home(self) -> str | None:
        try:
            project = self.project  # type: ignore[attr-defined]
            path = None if project is None else project.path
        except AttributeError:
            return None
        return path if isinstance(path, str) else None

    def _found_by(self) -> dict[str, Any]:
        """The lookups that find this object in its place."""
        key = type(self).__wbmodel_meta__.key  # type: ignore[attr-defined]
        return {key: getattr(self, key)}

    def _refuse_deletion(self, flags: Mapping[str, bool]) -> None:
        """Raise if the object, as far as it is loaded, must not be deleted with these flags."""

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
        # Made from a copy, which keeps the session; the pickled state holds only its origin.
        made = memo[id(self)] = self.__copy__()
        for name, value in (*_slots(made).items(), *getattr(made, "__dict__", {}).items()):
            if name != "_owner":
                put(made, name, deepcopy(value, memo))
        return made

    def __copy__(self) -> Any:
        made = _blank(type(self))
        for name, value in (*_slots(self).items(), *getattr(self, "__dict__", {}).items()):
            # Each copy records its own changes.
            put(made, name, dict(value) if name == "_edits" else value)
        return made


def _blank(cls: type[Any]) -> Any:
    return object.__new__(cls)


def _slots(row: Any) -> dict[str, Any]:
    """The slots that are set, by name."""
    found: dict[str, Any] = {}
    for item in attrs.fields(type(row)):
        try:
            found[item.name] = get(row, item.name)
        except AttributeError:
            continue
    return found


# -- slots -----------------------------------------------------------------------------------------

get: Callable[[Any, str], Any] = object.__getattribute__
"""The content of a slot, without decoding. Raises ``AttributeError`` if it is unset."""

put: Callable[[Any, str, Any], None] = object.__setattr__
"""Fill a slot with data from a backend, which does not count as a change."""


def drop(row: Any, slot: str) -> None:
    """Unset a slot, if it is set."""
    try:
        object.__delattr__(row, slot)
    except AttributeError:
        pass


def kept(row: Any, name: str) -> Any:
    """The stored form of a field: the text or tuple from which its value is decoded, else the value.

    Raises ``AttributeError`` if the field was not loaded.
    """
    return get(row, type(row).__wbmodel_meta__.slots.get(name, name))


def is_loaded(row: Any, name: str) -> bool:
    """Whether a field was loaded or set."""
    for slot in {type(row).__wbmodel_meta__.slots.get(name, name), name}:
        try:
            get(row, slot)
        except AttributeError:
            continue
        return True
    return damage(row, name) is not None


def parts(row: Any) -> Mapping[str, frozenset[str]]:
    """The fields that were loaded in part, with the keys that were asked for. Read-only."""
    try:
        found: Mapping[str, frozenset[str]] = get(row, "_parts")
    except AttributeError:
        return _WHOLE
    return found


_WHOLE: Mapping[str, frozenset[str]] = {}


def holds(row: Any, wanted: Wanted) -> bool:
    """Whether a field is loaded, all of it or the key that is wanted."""
    name, key = (wanted, None) if isinstance(wanted, str) else wanted
    keys = parts(row).get(name)
    return is_loaded(row, name) and (keys is None or key in keys)


# -- other state -----------------------------------------------------------------------------------


def row_ids(rows: Sequence[Any]) -> Iterable[Any]:
    """What tells the rows of one listing apart: the node id, and the object through which a row is listed."""
    return map(type(rows[0]).__wbmodel_meta__.row_id, rows) if rows else ()


def home(row: Any) -> str | None:
    """The path of the object's project, if known; for a project, its own path."""
    found: str | None = row._home()
    return found


def found_by(row: Any) -> dict[str, Any]:
    """The lookups that find the object again, in the place that :func:`home` names."""
    lookups: dict[str, Any] = row._found_by()
    return lookups


def refuse_deletion(row: Any, flags: Mapping[str, bool]) -> None:
    """Raise if an object, as far as it is loaded, must not be deleted with these flags."""
    row._refuse_deletion(flags)


def label(row: Any) -> str:
    """The name of an object for people. Raises ``AttributeError`` if the fields it needs were not loaded."""
    words: str = row._label()
    return words


def edits(row: Any) -> dict[str, Any]:
    """The original values of scalar fields that were set. Read-only; use :func:`notes` to write."""
    try:
        found: dict[str, Any] = get(row, "_edits")
    except AttributeError:
        return {}
    return found


def notes(row: Any) -> dict[str, Any]:
    """Like :func:`edits`, but stored with the object and writable. :func:`forget` drops this dict."""
    try:
        found: dict[str, Any] = get(row, "_edits")
    except AttributeError:
        found = {}
        put(row, "_edits", found)
    return found


def prefetched(row: Any, name: str) -> list[Any] | None:
    """The rows prefetched for a relation; None if it was not prefetched."""
    try:
        found: dict[str, list[Any]] = get(row, "_prefetched")
    except AttributeError:
        return None
    return found.get(name)


def put_prefetched(row: Any, name: str, rows: list[Any]) -> None:
    """Store the prefetched rows of a relation."""
    try:
        get(row, "_prefetched")[name] = rows
    except AttributeError:
        put(row, "_prefetched", {name: rows})


def damage(row: Any, name: str) -> tuple[Any, str] | None:
    """What the server has in a field that could not be read, and the reason; None for any other field."""
    try:
        found: dict[str, tuple[Any, str]] = get(row, "_damaged")
    except AttributeError:
        return None
    return found.get(name)


def put_damaged(row: Any, name: str, value: Any, reason: object) -> None:
    """Record that a field could not be read."""
    try:
        known: dict[str, tuple[Any, str]] = get(row, "_damaged")
    except AttributeError:
        known = {}
    put(row, "_damaged", {**known, name: (value, str(reason))})


def forget(row: Any) -> None:
    """Forget local edits, prefetched rows and damage."""
    drop(row, "_prefetched")
    drop(row, "_edits")
    drop(row, "_damaged")
