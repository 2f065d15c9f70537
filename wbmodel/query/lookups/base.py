"""What a lookup is, what becomes of it on a server, and the registry of all lookups."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar

import attrs

from wbmodel import forks
from wbmodel.codec import format_datetime
from wbmodel.errors import QueryWarning
from wbmodel.meta import Kind

if TYPE_CHECKING:
    from wbmodel.backend.capabilities import Capabilities

Filter = dict[str, Any]
Grade = Literal["exact", "superset", "local"]
Test = Callable[[Any], bool]


class Pushed(NamedTuple):
    """What a server is sent, and how far its answer can be trusted: ``exact`` (nothing is left to do), ``superset``
    (rows are checked again here), ``local`` (nothing is sent, so ``filter`` is None). Made by :func:`graded`, or
    :data:`LOCAL`."""

    filter: Filter | None
    grade: Grade


LOCAL = Pushed(None, "local")


def graded(filter: Filter, exact: bool) -> Pushed:
    """``filter`` is sent; ``exact`` False: it may find more than is meant, never less."""
    return Pushed(filter, "exact" if exact else "superset")


@attrs.frozen(slots=True, eq=False)
class Lookup:
    """One operator: the values it takes, what it means here, and what a server is sent for it.

    Each has a class of its own, whose one instance is in :data:`LOOKUPS`. ``takes`` and ``example`` are for people,
    ``phrase`` stands between the path and the operand in ``explain()``.
    """

    name: str
    phrase: str
    takes: str
    example: str
    rewrite: Callable[[Any, Any], Any] | None = None
    """Set for lookups of plugins, which are nothing but this: it turns a path and a value into a condition."""

    inverse: ClassVar[str | None] = None
    """The lookup that this one is the exact opposite of; a condition is resolved to its negation."""
    on_texts: ClassVar[bool] = False
    """Whether a list of text takes it."""

    def accept(self, value: Any, kind: Kind, where: str) -> Any:
        """``value`` in normal form. Raises :class:`FieldError`, which begins with ``where``, for what a field of this
        kind is not compared with."""
        raise NotImplementedError

    def matches(self, operand: Any, kind: Kind) -> Test:
        """A predicate of a value of the field, the same on every backend. The value may be ``ABSENT``."""
        raise NotImplementedError

    def push(self, key: str, operand: Any, kind: Kind, can: Capabilities) -> Pushed:
        """What a server that ``can`` so much is sent; ``key`` is its name of the path."""
        return LOCAL

    def push_negated(self, key: str, operand: Any, kind: Kind, can: Capabilities) -> Pushed:
        """What it is sent for the plain opposite, which keeps rows that lack the key."""
        plain, grade = self.push(key, operand, kind, can)
        if grade != "exact":
            # The opposite of more than was meant is less than is meant.
            return LOCAL
        wire = self.negation(key, operand, kind)
        if wire is None and can.strict_values:
            # No client of W&B's was seen to send $nor, so only a server that promises much is sent it.
            wire = {"$nor": [plain]}
        return LOCAL if wire is None else graded(wire, exact=True)

    def negation(self, key: str, operand: Any, kind: Kind) -> Filter | None:
        """The exact opposite of an exact filter in words that every server knows, or None when there are none."""
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return (_named, (self.name,))


def _named(name: str) -> Lookup:
    return LOOKUPS[name]


def wire_value(value: Any) -> Any:
    """An operand as it is written into the filter's JSON."""
    return format_datetime(value) if isinstance(value, datetime) else value


def null_or(key: str, condition: Filter) -> Filter:
    """A negation in full: the server's own ``$ne`` and the like may drop rows that lack the key; here they stay."""
    return {"$or": [{key: None}, {key: condition}]}


# -- the registry ----------------------------------------------------------------------------------

LOOKUPS: dict[str, Lookup] = {}
"""Every lookup by name: those built in, then those of plugins that have been met."""

L = TypeVar("L", bound=Lookup)


def lookup(name: str, phrase: str, *, takes: str, example: str) -> Callable[[type[L]], type[L]]:
    """Register the one instance of the class below."""

    def register(cls: type[L]) -> type[L]:
        LOOKUPS[name] = cls(name, phrase, takes, example)
        return cls

    return register


def add_lookup(name: str, rewrite: Callable[[Any, Any], Any], phrase: str) -> None:
    """Add a lookup of a plugin's, which rewrites ``(F path, value)`` to a condition on built-in lookups.

    Raises ``ValueError`` when the name is taken or is no identifier.
    """
    if not name.isidentifier() or "__" in name:
        raise ValueError(f"{name!r} cannot be the name of a lookup: it is written after two underscores")
    if name in LOOKUPS and LOOKUPS[name].rewrite is not rewrite:
        raise ValueError(f"the lookup {name!r} is there already")
    LOOKUPS[name] = Lookup(name, phrase, "see the plugin", f"config__key__{name}=value", rewrite)


def rewrites() -> Mapping[str, Lookup]:
    """The lookups that plugins have added."""
    return {name: entry for name, entry in LOOKUPS.items() if entry.rewrite is not None}


_sources: list[Callable[[], Mapping[str, Any]]] = []
_lock = forks.rlock()


def add_source(source: Callable[[], Mapping[str, Any]]) -> None:
    """Ask ``source`` for more lookups (name -> an object with ``rewrite`` and ``phrase``) when one is met that is not
    known. It is asked until it has answered once."""
    with _lock:
        if source not in _sources:
            _sources.append(source)


def find_lookup(name: str) -> Lookup | None:
    """The lookup of this name, a plugin's included; None for what is none."""
    found = LOOKUPS.get(name)
    if found is not None or not _sources:
        return found
    with _lock:
        while name not in LOOKUPS and _sources:
            _take_in(_sources[0]())
            del _sources[0]
        return LOOKUPS.get(name)


def _take_in(entries: Mapping[str, Any]) -> None:
    for name, entry in entries.items():
        known = LOOKUPS.get(name)
        if known is not None and known.rewrite is not None and _origin(known.rewrite) == _origin(entry.rewrite):
            # The same plugin, met again by way of another plugin manager.
            del LOOKUPS[name]
        try:
            add_lookup(name, entry.rewrite, entry.phrase)
        except ValueError as error:
            # One plugin's slip must not take down every query of everybody else.
            plugin = getattr(entry, "plugin", "?")
            warnings.warn(f"plugin {plugin!r}: {error}; it is left out", QueryWarning, stacklevel=2)


def _origin(rewrite: Callable[[Any, Any], Any]) -> tuple[str, str]:
    return (getattr(rewrite, "__module__", ""), getattr(rewrite, "__qualname__", repr(rewrite)))
