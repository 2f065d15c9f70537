"""Parts of JSON fields: what a query wants of an entity, and the value of a field that was loaded in part.

A server can answer only some top-level keys of a config or a summary, so a query that needs ``summary.loss`` loads that
key alone. What was not asked for is unknown, not absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeAlias

from wbmodel.errors import FieldNotLoaded

__all__ = ["Keys", "Part", "Wanted", "keys_of", "name_of", "names_of", "wanted_of"]

Wanted: TypeAlias = "str | tuple[str, str]"
"""A field, or one top-level key of it: ``"state"``, ``("summary", "loss")``."""

Keys: TypeAlias = "tuple[tuple[str, tuple[str, ...]], ...]"
"""The fields to load in part, each with its keys, sorted."""


def name_of(wanted: Wanted) -> str:
    """The name of the field."""
    return wanted if isinstance(wanted, str) else wanted[0]


def names_of(wanted: Iterable[Wanted]) -> tuple[str, ...]:
    """The names of the fields, each once."""
    return tuple(dict.fromkeys(map(name_of, wanted)))


def keys_of(wanted: Iterable[Wanted]) -> Keys:
    """The fields of which nothing but keys is wanted, with these keys."""
    items = set(wanted)
    found: dict[str, list[str]] = {}
    for item in items:
        if not isinstance(item, str) and item[0] not in items:
            found.setdefault(item[0], []).append(item[1])
    return tuple((name, tuple(sorted(found[name]))) for name in sorted(found))


def wanted_of(names: Iterable[str], parts: Mapping[str, frozenset[str]]) -> tuple[Wanted, ...]:
    """The fields of these names, or the keys of those that are there in part."""
    made: list[Wanted] = []
    for name in names:
        keys = parts.get(name)
        made += [name] if keys is None else [(name, key) for key in sorted(keys)]
    return tuple(made)


class Part(Mapping[str, Any]):
    """The value of a field that was loaded in part: a read-only mapping of the keys that were asked for.

    A key that was asked for and is not there is a ``KeyError``, as in a dict. Whatever would need the other keys raises
    :class:`~wbmodel.errors.FieldNotLoaded`: another key, iteration, ``len``, ``==``, ``dict()``, any edit.
    :meth:`loaded` is a dict of what is there.

    A server answers a part of a damaged value, such as a config that is a list, as ``{}``: its keys are then absent,
    and only the whole field raises :class:`~wbmodel.errors.UnreadableValue`.
    """

    __slots__ = ("_asked", "_there", "_what")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Mapping[str, Any], asked: frozenset[str], what: str) -> None:
        # A server that does not know the argument sends everything.
        self._there = {key: value[key] for key in asked if key in value}
        self._asked, self._what = asked, what

    @property
    def asked(self) -> frozenset[str]:
        """The keys that were asked for."""
        return self._asked

    def loaded(self) -> dict[str, Any]:
        """A new dict of the keys that were asked for and are there."""
        return dict(self._there)

    def _check(self, key: object) -> None:
        if key not in self._asked:
            self._refuse(f"[{key!r}]")

    def _refuse(self, of: str = "") -> NoReturn:
        name = self._what.partition(".")[2]
        raise FieldNotLoaded(
            f"{self._what}{of} was not loaded, only {self._what} with {', '.join(map(repr, sorted(self._asked)))}; "
            f"a query with .also({name!r}) loads all of it, and {name}.loaded() is a dict of what is there"
        )

    def __getitem__(self, key: str) -> Any:
        self._check(key)
        return self._there[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key that was asked for; ``default`` if it is not there."""
        self._check(key)
        return self._there.get(key, default)

    def __contains__(self, key: object) -> bool:
        self._check(key)
        return key in self._there

    def __iter__(self) -> Iterator[str]:
        self._refuse()

    def __len__(self) -> int:  # noqa: PLE0303 (it never returns)
        self._refuse()

    def __bool__(self) -> bool:
        return bool(self._there) or self._refuse()

    def __eq__(self, other: object) -> bool:
        return other is self or self._refuse()

    def _edit(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse()

    __setitem__ = __delitem__ = __ior__ = __or__ = __ror__ = _edit
    update = pop = popitem = setdefault = clear = copy = _edit

    def __repr__(self) -> str:
        return f"<part of {self._what}: {self._there!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Part, (self._there, self._asked, self._what))
