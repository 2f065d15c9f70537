"""``Attrs``: what every object of the facade is, a thin one over an entity. Siblings load together what is missing."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import attrs

from wbmodel import operations
from wbmodel.api.errors import NotHere
from wbmodel.codec import format_datetime
from wbmodel.entities.base import Model
from wbmodel.meta import EntityMeta, Kind, state

if TYPE_CHECKING:
    from typing_extensions import Self

    from wbmodel.api.client import Client
    from wbmodel.meta.parts import Wanted
    from wbmodel.objects.queryset import QuerySet

__all__ = ["Attrs", "Siblings", "as_text", "pages", "take", "OfProject"]

E = TypeVar("E", bound=Model)

AT_ONCE = 1000
"""How many objects are loaded by one query: the names of so many fit a request."""
KEYS = 3
"""So many keys of a listing are asked for one by one; who reads more reads them all."""


def as_text(value: Any) -> Any:
    """A moment as the server writes it; anything else as it is."""
    return format_datetime(value) if isinstance(value, datetime) else value


def pages(client: Client, rows: QuerySet[Any], size: int | None = None) -> Iterator[Sequence[Any]]:
    """The rows of a query as they are read, in pages of at most ``size`` rows; None: of wbmodel's own sizes."""
    session = client.session
    target = session.target
    if size is not None:
        size = min(size, target.capabilities.max_page_size)
        sized = attrs.evolve(target.capabilities, page_size=size, max_page_size=size)
        target = attrs.evolve(target, capabilities=sized)
    return session.iterate(operations.results.emit(rows.plan, target))


class Siblings:
    """Objects of one listing. A field that is first read of one of them is loaded for all of them, in one request."""

    def __init__(self, client: Client, rows: QuerySet[Any], carry: Callable[[str], None] = lambda name: None) -> None:
        """``carry`` has the pages that are still to be read carry a field, and may load it for those that were read."""
        self.rows: list[Model] = []
        self.keys: set[str] = set()
        """The keys of fields that were asked for one by one."""
        self._client = client
        self._query = rows
        self._carry = carry

    def need(self, row: Model, name: str) -> None:
        """Load a field of ``row``, and of every sibling that lacks it. ``summary.loss`` is one key of a field."""
        wanted = _wanted(name)
        if any(one is row for one in self.rows):
            self._carry(name)
        lacking = [one for one in self.rows if not state.holds(one, wanted)]
        if not any(one is row for one in lacking):
            lacking = [row]
        if not state.holds(row, wanted):
            at = next(at for at, one in enumerate(lacking) if one is row) // AT_ONCE * AT_ONCE
            self._load(lacking[at : at + AT_ONCE], name)
        if not state.holds(row, wanted):
            raise type(row).DoesNotExist(f"{row!r} was deleted, or this account may no longer see it")

    def _with_held(self, row: Model, name: str) -> list[str]:
        """With a key of a field, the keys that are loaded already: what is loaded is replaced as a whole."""
        field, dot, key = name.partition(".")
        held = state.parts(row).get(field, ()) if dot else ()
        return [name] if not dot else [f"{field}.{one}" for one in sorted({key, *held})]

    def _load(self, rows: Sequence[Model], name: str) -> None:
        meta: EntityMeta = type(rows[0]).__wbmodel_meta__
        keys = [getattr(row, meta.key) for row in rows]
        query = self._query.filter(**{f"{meta.key}__in": keys}).only(*self._with_held(rows[0], name))
        by_id = {one.node_id: one for part in pages(self._client, query, len(keys)) for one in part}
        for row in rows:
            one = by_id.get(row.node_id)
            if one is not None:
                take(row, one, name)


def _wanted(name: str) -> Wanted:
    field, dot, key = name.partition(".")
    return (field, key) if dot else field


def take(row: Model, other: Model, name: str) -> None:
    """Copy a field that ``row`` lacks, undecoded: all of it, or the keys of it that ``other`` has."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    name = name.partition(".")[0]
    slot = meta.slots.get(name, name)
    damaged = state.damage(other, name)
    if damaged is not None:
        state.put_damaged(row, name, *damaged)
        return
    if slot != name:
        state.drop(row, name)
    state.put(row, slot, state.get(other, slot))
    parts, keys = state.parts(row), state.parts(other).get(name)
    if name in parts or keys is not None:
        rest = {field: held for field, held in parts.items() if field != name}
        state.put(row, "_parts", rest if keys is None else {**rest, name: keys})


class Attrs(Generic[E]):
    """An object with the fields of an entity as attributes, in snake case and as the server spells them."""

    client: Client
    model: E
    """The entity behind it, with everything that querysets and entities do."""
    _siblings: Siblings | None = None
    _out: ClassVar[Mapping[str, str]] = {}
    """What the official client's class has and this one does not, with what to do instead."""

    @classmethod
    def of(cls, client: Client, row: E, siblings: Siblings | None = None) -> Self:
        """An object over a row that a listing gave; ``siblings`` are the other rows of it."""
        made = cls.__new__(cls)
        made.client = client
        made.model = row
        made._siblings = siblings
        return made

    def _row(self) -> E:
        """The entity, loaded. An unpickled one finds its session among the open ones, so ours is opened first."""
        _ = self.client.session
        return self.model

    def _read(self, name: str) -> Any:
        """A field, loaded for all siblings if it is not there."""
        row = self._row()
        if not state.holds(row, name):
            siblings = self._siblings
            if siblings is None:
                siblings = Siblings(self.client, self._again())
            siblings.need(row, name)
        return getattr(row, name)

    def _read_key(self, name: str, key: str) -> Mapping[str, Any]:
        """A field of which at least one key is loaded. The third key that is asked of a listing loads all of it."""
        row, siblings = self._row(), self._siblings
        if state.holds(row, (name, key)):
            return getattr(row, name)  # type: ignore[no-any-return]
        if siblings is None or not key.isidentifier() or "__" in key or len(siblings.keys | {key}) > KEYS:
            return self._read(name)  # type: ignore[no-any-return]
        siblings.keys.add(key)
        siblings.need(row, f"{name}.{key}")
        return getattr(row, name)  # type: ignore[no-any-return]

    def _again(self) -> QuerySet[E]:
        """The query that this object is among."""
        raise NotImplementedError

    if not TYPE_CHECKING:
        # Hidden, so that a misspelt attribute stays an error to a type checker.
        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            if name in self._out:
                raise NotHere(f"{type(self).__name__}.{name} is not in wbmodel: {self._out[name]}")
            meta: EntityMeta = type(self._row()).__wbmodel_meta__
            field = meta.find(name)
            if field is None or field.name == "node_id":
                raise AttributeError(f"{self!r} object has no attribute {name!r}")
            value = self._read(field.name)
            if field.kind is Kind.REF:
                target = type(value).__wbmodel_meta__ if value is not None else None
                return None if target is None else getattr(value, target.key)
            return as_text(value)

    def snake_to_camel(self, string: str) -> str:
        """``created_at`` as ``createdAt``."""
        head, *tail = string.split("_")
        return head + "".join(part.title() for part in tail)

    @property
    def _attrs(self) -> dict[str, Any]:
        """What is loaded, by the server's names, as scripts read it that look behind the attributes."""
        row = self._row()
        meta: EntityMeta = type(row).__wbmodel_meta__
        found: dict[str, Any] = {}
        for field in _loaded(row, meta):
            value = getattr(row, field.name)
            if field.kind is Kind.REF and isinstance(value, Model):
                inner = type(value).__wbmodel_meta__
                named = {item.wire: as_text(getattr(value, item.name)) for item in _loaded(value, inner)}
                found[field.wire] = getattr(value, inner.key) if field.by_key else named
            else:
                found[field.wire] = as_text(value)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_siblings": None}

    @property
    def url(self) -> str | None:
        """The address of the web page; None on a backend without web pages."""
        raise NotImplementedError

    def to_html(self, height: int = 420, hidden: bool = False) -> str:
        """The web page in a frame, for notebooks."""
        style = f"border:none;width:100%;height:{int(height)}px;"
        frame = f'<iframe src="{html.escape(self.url or "")}?jupyter=true" style="{style}"></iframe>'
        return f"<details><summary>{html.escape(repr(self))}</summary>{frame}</details>" if hidden else frame

    def display(self, height: int = 420, hidden: bool = False) -> bool:
        """Show the web page in a notebook; False where there is none."""
        try:
            from IPython import display as shown
            from IPython.core.getipython import get_ipython
        except ImportError:
            return False
        if get_ipython() is None:
            return False
        make, show = getattr(shown, "HTML"), getattr(shown, "display")  # noqa: B009
        show(make(self.to_html(height, hidden)))
        return True


def _loaded(row: Model, meta: EntityMeta) -> Iterable[Any]:
    return [
        field for field in meta.fields.values() if state.holds(row, field.name) and not state.damage(row, field.name)
    ]


class OfProject(Attrs[E]):
    """An object that belongs to a project."""

    @property
    def entity(self) -> str:
        """The entity of its project."""
        found: str = self._place.entity
        return found

    @property
    def project(self) -> str:
        """The name of its project."""
        found: str = self._place.name
        return found

    @property
    def _place(self) -> Any:
        model: Any = self.model  # each of these entities declares its project
        return model.project
