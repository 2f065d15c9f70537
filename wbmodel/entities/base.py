"""The base of all entities: identity, lazy decoding of JSON fields, and registration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import attrs

from wbmodel import errors, forks, operations
from wbmodel.errors import ConfigurationError, FieldError, FieldNotLoaded, UnreadableValue, nearest
from wbmodel.meta import EntityMeta, FieldMeta, Kind, Options, ReadOnly, register, state
from wbmodel.meta.parts import Part
from wbmodel.meta.state import State
from wbmodel.objects.relations import ToMany
from wbmodel.urls import without_account

if TYPE_CHECKING:
    from wbmodel.operations.answer import Operation
    from wbmodel.session.session import Session

__all__ = ["Model", "entity"]

T = TypeVar("T")

# If two threads decode a field at once, the first value is kept: replacing it would lose edits made to it in place.
_keeping = forks.lock()


def _with_texts(cls: type[Any], fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """Add a slot for the text of each lazily decoded field; changes are found by comparing with that text."""
    texts = []
    for item in fields:
        info = item.metadata.get("wbmodel")
        if info is not None and FieldMeta(name=item.name, **info).is_lazy:
            texts.append(item.evolve(name=f"_{item.name}_text", alias=f"{item.name}_text", metadata={}))
    return [*fields, *texts]


def entity(cls: type[T]) -> type[T]:
    """Class decorator that makes an attrs class from an entity's declarations.

    A field that was not selected is an unset slot. The class has no ``__init__``, compares by identity on the server,
    and defines its own pickling.
    """
    make: Callable[[type[T]], type[T]] = attrs.define(
        slots=True,
        weakref_slot=False,
        eq=False,
        init=False,
        repr=False,
        getstate_setstate=False,
        field_transformer=_with_texts,
    )
    return make(cls)


@attrs.define(slots=True, weakref_slot=False, eq=False, init=False, repr=False, getstate_setstate=False)
class Model(State):
    """The base of Project, Run and the others. Objects come from queries; attribute access never makes requests."""

    __wbmodel__: ClassVar[Options]
    __wbmodel_meta__: ClassVar[EntityMeta]
    DoesNotExist: ClassVar[type[errors.DoesNotExist]]
    MultipleObjectsReturned: ClassVar[type[errors.MultipleObjectsReturned]]

    node_id: ReadOnly[str] = attrs.field(init=False)

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            name = type(self).__name__
            raise TypeError(
                f"{name} objects cannot be created directly; get one from a query, as in {name}.objects.get(...)"
            )

    @classmethod
    def __attrs_init_subclass__(cls) -> None:
        if "__wbmodel__" not in cls.__dict__:
            return
        many = {name: item.meta for name, item in vars(cls).items() if isinstance(item, ToMany)}
        cls.__wbmodel_meta__ = EntityMeta(cls, cls.__wbmodel__, many)
        for base in (errors.DoesNotExist, errors.MultipleObjectsReturned):
            body = {
                "__module__": cls.__module__,
                "__qualname__": f"{cls.__qualname__}.{base.__name__}",
                "__doc__": base.__doc__,
            }
            setattr(cls, base.__name__, type(base.__name__, (base,), body))
        meta = cls.__wbmodel_meta__
        for name, slot in meta.slots.items():
            # The slots' own accessors bypass __getattr__ and are the fastest.
            made, text = vars(cls)[name], vars(cls)[slot]
            meta.lazy[name] = (text.__get__, meta.fields[name].kind.codec.decode, made.__get__, made.__set__)
        register(meta)

    # -- reading --

    if not TYPE_CHECKING:
        # Hidden from type checkers, so that a misspelt attribute stays an error there.
        def __getattr__(self, name: str) -> Any:
            meta = type(self).__wbmodel_meta__
            lazy = meta.lazy.get(name)
            if lazy is not None:
                read, decode, made, keep = lazy
                try:
                    text = read(self)
                except AttributeError:
                    raise FieldNotLoaded(_how_to_load(meta, name)) from None
                try:
                    value = decode(text)
                except (ValueError, TypeError, RecursionError) as error:
                    raise unreadable(self, name, text, error) from error
                keys = state.parts(self).get(name)
                if keys is not None:
                    value = Part(value, keys, f"{meta.name}.{name}")
                with _keeping:
                    try:
                        return made(self)
                    except AttributeError:
                        keep(self, value)
                return value
            bad = state.damage(self, name)
            if bad is not None:
                raise unreadable(self, name, *bad)
            field = meta.find(name)
            if name == "objects":
                # Python calls this after the manager refused the instance, and drops the manager's error.
                raise AttributeError(f"objects is only available on the class: {type(self).__name__}.objects")
            if field is None:
                own = getattr(type(self), name, None)
                if isinstance(own, property) and own.fget is not None:
                    # A property read a field that was not loaded; Python dropped its error, so call it again.
                    return own.fget(self)
                said = _ELSEWHERE.get(name)
                hits = [] if said else nearest(name, [*meta.names, *meta.to_many, *_properties(type(self))])
                hint = f"; {said}" if said else f"; did you mean {' or '.join(map(repr, hits))}?" if hits else ""
                raise AttributeError(f"{meta.name} has no attribute {name!r}{hint}")
            if field.name != name:
                return getattr(self, field.name)
            raise FieldNotLoaded(_how_to_load(meta, name))

        # Hidden as well: to a type checker, a class with __setattr__ takes every name.
        def __setattr__(self, name: str, value: Any) -> None:
            if name[:1] != "_":
                name, value = operations.save.setting(self, name, value)
            state.put(self, name, value)

        def __delattr__(self, name: str) -> None:
            meta = type(self).__wbmodel_meta__
            if meta.find(name) is not None:
                field = meta.editable(name, "deleted")
                clear, undo = _CLEARED.get(field.kind, "{}"), "refresh() undoes local changes"
                key = f"del {meta.name.lower()}.{field.name}['key'] removes one key, " if clear == "{}" else ""
                raise FieldError(
                    f"{meta.name}.{field.name} cannot be deleted; {key}{field.name} = {clear} clears it, and {undo}"
                )
            object.__delattr__(self, name)

    @property
    def session(self) -> Session:
        """The session of this object; after unpickling, an open session of the same origin (never another host)."""
        from wbmodel.session.current import session_for_origin

        owner = self._owner
        if isinstance(owner, str):
            found = session_for_origin(owner)
            if found is None:
                raise ConfigurationError(
                    f"{self!r} came from {without_account(owner)}, but no session to it is open; connect() to it first"
                )
            self._owner = owner = found
        session: Session = owner
        return session

    def _run(self, operation: Callable[..., Operation[T]], *args: Any) -> T:
        """Run an operation on this object, in its session."""
        session = self.session
        return session.run(operation(self, session.target, *args))

    async def _arun(self, operation: Callable[..., Operation[T]], *args: Any) -> T:
        """The async twin of :meth:`_run`."""
        session = self.session
        return await session.arun(operation(self, session.target, *args))

    def refresh(self) -> None:
        """Reload every loaded field in place, dropping local changes and prefetched rows.

        Raises the class's ``DoesNotExist`` if the object is gone.
        """
        self._run(operations.reload.reload)

    async def arefresh(self) -> None:
        """The async twin of :meth:`refresh`."""
        await self._arun(operations.reload.reload)

    def _delete(self, **flags: bool) -> None:
        self._run(operations.save.delete, flags)

    async def _adelete(self, **flags: bool) -> None:
        await self._arun(operations.save.delete, flags)

    def _page(self, *parts: str) -> str | None:
        """The URL of a page in the web app of this object's server; None if it has no web app."""
        base = self.session.app_url
        if base is None:
            return None
        from urllib.parse import quote

        return "/".join([base, *(quote(part, safe="") for part in parts)])

    def loaded_fields(self) -> tuple[str, ...]:
        """The names of the fields that are loaded."""
        meta = type(self).__wbmodel_meta__
        return tuple(name for name in meta.fields if state.is_loaded(self, name))

    # -- identity --

    def _identity(self) -> tuple[Any, ...]:
        owner = self._owner
        origin = owner if isinstance(owner, str) else owner.origin if owner is not None else ""
        meta = type(self).__wbmodel_meta__
        if not meta.options.keyed and state.is_loaded(self, "node_id"):
            return (meta.name, origin, self.node_id)
        return (meta.name, origin, self._home(), getattr(self, meta.key))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Model):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _repr_html_(self) -> str | None:
        from wbmodel.display.notebook import entity_html

        return entity_html(self)

    def __repr__(self) -> str:
        name = type(self).__name__
        try:
            return f"<{name} {self._label()}>"
        except AttributeError:
            return f"<{name} (not loaded)>"


_ELSEWHERE = {
    "update": "save() sends local changes",
    "load": "refresh() reloads it",
    "refresh_from_db": "refresh() reloads it",
    "pk": "use node_id, or id for the short id",
    "scan_history": "run.history is every row already: for row in run.history",
    "runtime": "it is in the summary: run.summary['_runtime'] has the seconds, if the run reported them",
}
"""Hints for names that other clients or Django use."""

_CLEARED = {Kind.TEXT: "None", Kind.TEXTS: "[]"}


def unreadable(row: Model, name: str, stored: Any, cause: object) -> UnreadableValue:
    """The error for a field whose stored value cannot be decoded."""
    field = type(row).__wbmodel_meta__.fields[name]
    shown = repr(stored)
    key = type(row).__wbmodel_meta__.key
    ways = [f"query with defer({name!r}) to skip the field"]
    if state.is_loaded(row, key) and name != key:
        ways.append(f"with exclude({key}={getattr(row, key)!r}) to skip the row")
    if field.editable:
        ways.append(f"set {name} to a new dict and save() to replace it")
    return UnreadableValue(
        f"{name} of {row!r} cannot be read: the server has {shown[:60]}{'...' if len(shown) > 60 else ''} there, which "
        f"is not {field.kind.codec.word} ({cause}); {', or '.join(ways)}",
        server_message=str(cause),
    )


def _properties(cls: type[Any]) -> Sequence[str]:
    return [name for name in dir(cls) if not name.startswith("_") and isinstance(getattr(cls, name, None), property)]


def _how_to_load(meta: EntityMeta, name: str) -> str:
    field = meta.fields[name]
    ask = f"{meta.name}.objects.also({name!r})" if not field.selected else f"a query with .also({name!r})"
    if field.kind is Kind.REF:
        ask = f"{meta.name}.objects.select_related({name!r})" if not field.by_key else ask
    return f"{meta.name}.{name} was not loaded; {ask} loads it (attribute access never makes requests)"
