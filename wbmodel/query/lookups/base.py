"""The base class of lookups, the grades of their pushdown, and the registry of all lookups."""

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
    """The filter to push down, and how far the server's answer can be trusted.

    The grade is ``exact`` (no further check needed), ``superset`` (rows are re-checked locally) or ``local`` (nothing
    is pushed, and ``filter`` is None). Made by :func:`graded`, or :data:`LOCAL`.
    """

    filter: Filter | None
    grade: Grade


LOCAL = Pushed(None, "local")


def graded(filter: Filter, exact: bool) -> Pushed:
    """Push ``filter``; if it is not ``exact``, it may match too many rows but never too few."""
    return Pushed(filter, "exact" if exact else "superset")


@attrs.frozen(slots=True, eq=False)
class Lookup:
    """One operator: the values it takes, its meaning, and its pushdown.

    Each lookup has its own class, whose single instance is in :data:`LOOKUPS`. ``takes`` and ``example`` are for
    people; ``explain()`` writes ``phrase`` between the path and the operand.
    """

    name: str
    phrase: str
    takes: str
    example: str
    rewrite: Callable[[Any, Any], Any] | None = None
    """Set only for lookups of plugins, and all they have: it rewrites a path and a value to a condition."""

    inverse: ClassVar[str | None] = None
    """The lookup whose exact opposite this one is; conditions resolve to the negation of that lookup."""
    on_texts: ClassVar[bool] = False
    """Whether it applies to a list of text."""

    def accept(self, value: Any, kind: Kind, where: str) -> Any:
        """``value`` in normal form. Raises :class:`FieldError`, starting with ``where``, for an invalid value."""
        raise NotImplementedError

    def matches(self, operand: Any, kind: Kind) -> Test:
        """A predicate for values of the field, the same on every backend. The value may be ``ABSENT``."""
        raise NotImplementedError

    def push(self, key: str, operand: Any, kind: Kind, can: Capabilities) -> Pushed:
        """The filter for a server with the capabilities ``can``; ``key`` is the server's name for the path."""
        return LOCAL

    def push_negated(self, key: str, operand: Any, kind: Kind, can: Capabilities) -> Pushed:
        """The filter for the plain opposite, which keeps rows that lack the key."""
        plain, grade = self.push(key, operand, kind, can)
        if grade != "exact":
            # Negating a filter that matches too many rows gives one that matches too few.
            return LOCAL
        wire = self.negation(key, operand, kind)
        if wire is None and can.strict_values:
            # W&B's own clients were never seen to send $nor, so send it only to servers that promise strict values.
            wire = {"$nor": [plain]}
        return LOCAL if wire is None else graded(wire, exact=True)

    def negation(self, key: str, operand: Any, kind: Kind) -> Filter | None:
        """The exact opposite of an exact filter, in operators that every server knows; None if not possible."""
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return (_named, (self.name,))


def _named(name: str) -> Lookup:
    return LOOKUPS[name]


def wire_value(value: Any) -> Any:
    """An operand as it is written in the filter's JSON."""
    return format_datetime(value) if isinstance(value, datetime) else value


def null_or(key: str, condition: Filter) -> Filter:
    """A full negation: the server's own ``$ne`` and the like may drop rows that lack the key, so keep them."""
    return {"$or": [{key: None}, {key: condition}]}


# -- the registry ----------------------------------------------------------------------------------

LOOKUPS: dict[str, Lookup] = {}
"""Every lookup by name: the built-in ones, then those of loaded plugins."""

L = TypeVar("L", bound=Lookup)


def lookup(name: str, phrase: str, *, takes: str, example: str) -> Callable[[type[L]], type[L]]:
    """Register the single instance of the decorated class."""

    def register(cls: type[L]) -> type[L]:
        LOOKUPS[name] = cls(name, phrase, takes, example)
        return cls

    return register


def add_lookup(name: str, rewrite: Callable[[Any, Any], Any], phrase: str) -> None:
    """Add a plugin's lookup, which rewrites ``(F path, value)`` to a condition on built-in lookups.

    Raises ``ValueError`` if the name is taken or is not an identifier.
    """
    if not name.isidentifier() or "__" in name:
        raise ValueError(f"{name!r} cannot be the name of a lookup: use an identifier without two underscores")
    if name in LOOKUPS and LOOKUPS[name].rewrite is not rewrite:
        raise ValueError(f"the lookup {name!r} is already registered")
    LOOKUPS[name] = Lookup(name, phrase, "see the plugin", f"config__key__{name}=value", rewrite)


def rewrites() -> Mapping[str, Lookup]:
    """The lookups that plugins have added."""
    return {name: entry for name, entry in LOOKUPS.items() if entry.rewrite is not None}


_sources: list[Callable[[], Mapping[str, Any]]] = []
_lock = forks.rlock()


def add_source(source: Callable[[], Mapping[str, Any]]) -> None:
    """Call ``source`` for more lookups when a query uses an unknown one. It is called until it succeeds once.

    It returns a mapping of names to objects with ``rewrite`` and ``phrase``.
    """
    with _lock:
        if source not in _sources:
            _sources.append(source)


def find_lookup(name: str) -> Lookup | None:
    """The lookup of this name, built in or from a plugin, or None."""
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
            # The same plugin, loaded again by another plugin manager.
            del LOOKUPS[name]
        try:
            add_lookup(name, entry.rewrite, entry.phrase)
        except ValueError as error:
            # A faulty plugin must not break queries that do not use it.
            plugin = getattr(entry, "plugin", "?")
            warnings.warn(f"plugin {plugin!r}: {error}; this lookup is skipped", QueryWarning, stacklevel=2)


def _origin(rewrite: Callable[[Any, Any], Any]) -> tuple[str, str]:
    return (getattr(rewrite, "__module__", ""), getattr(rewrite, "__qualname__", repr(rewrite)))
