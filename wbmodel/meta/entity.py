"""The description of an entity class, which other layers read instead of the class, and its registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

import attrs

from wbmodel.errors import FieldError, nearest, suggestion
from wbmodel.meta.fields import FieldMeta, Kind
from wbmodel.meta.scopes import ENTITY, PROJECT
from wbmodel.meta.wiring import Options, ToManyMeta

__all__ = ["EntityMeta", "all_entities", "entity_meta", "register"]


class EntityMeta:
    """The description of an entity class, made once when the class is complete."""

    def __init__(self, cls: type[Any], options: Options, to_many: Mapping[str, ToManyMeta]) -> None:
        self.cls = cls
        self.name = cls.__name__
        self.options = options
        self.graphql = options.graphql or self.name
        self.plural = options.plural or f"{self.name}s"
        self.key = options.key
        scopes = options.scopes
        # The kind of place where rows live; also the name of the scope and of the field that name the place.
        self.home = next((kind for kind in (PROJECT, ENTITY) if scopes.get(kind) == kind), None)
        self.to_many = dict(to_many)
        self.fields: dict[str, FieldMeta] = {}
        for attribute in attrs.fields(cls):
            info = attribute.metadata.get("wbmodel")
            if info is not None:
                self.fields[attribute.name] = FieldMeta(owner=cls, name=attribute.name, **info)
        self._by_name: dict[str, FieldMeta] = {}
        for item in self.fields.values():
            for name in item.names:
                if name in self._by_name:
                    raise TypeError(f"{self.name} declares the name {name!r} twice")
                self._by_name[name] = item
        self.slots: dict[str, str] = {item.name: f"_{item.name}_text" for item in self.fields.values() if item.is_lazy}
        # Properties that can be read as values, although no query can filter or order by them.
        named = {"path": (), "url": (), **options.computed}
        self.computed = {
            name: FieldMeta(owner=cls, name=name, wire="", kind=Kind.TEXT, doc="", needs=needs)
            for name, needs in named.items()
            if isinstance(getattr(cls, name, None), property)
        }
        # What tells the rows of a listing apart.
        within = options.within
        self.row_id: Callable[[Any], Any] = attrgetter("node_id", *([f"{within}.node_id"] if within else []))
        self._default = tuple(item.name for item in self.fields.values() if item.selected)
        # For each lazily decoded field: functions to read the text, decode it, and read and set the value.
        self.lazy: dict[
            str, tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any], Callable[[Any, Any], Any]]
        ] = {}

    @property
    def does_not_exist(self) -> type[Exception]:
        """The exception that ``get()`` raises if nothing matches."""
        found: type[Exception] = self.cls.DoesNotExist
        return found

    @property
    def names(self) -> list[str]:
        """Every field name and alias, for messages."""
        return list(self._by_name)

    def find(self, name: str) -> FieldMeta | None:
        """The field of this name or alias, or None."""
        return self._by_name.get(name)

    def need(self, name: str, what: str = "field") -> FieldMeta:
        """The field of this name or alias. Raises :class:`FieldError` with the nearest names."""
        found = self._by_name.get(name)
        if found is None:
            if name in self.options.scopes:
                raise FieldError(
                    f"{self.name}: {name} selects where to look; use it in filter(), it cannot be read as a {what}"
                )
            if name in self.to_many:
                raise FieldError(
                    f"{self.name}.{name} is a to-many relation, which queries cannot span; query the relation directly"
                )
            inside = [item.name for item in self.fields.values() if item.kind.is_keyed and item.selected]
            near = nearest(name, [*self._by_name, *self.options.scopes, *self.to_many])
            if inside and not near:
                # Any name may be a key: say where keys are, not every field.
                ways = " or ".join(repr(f"{item}.{name}") for item in inside)
                raise FieldError(f"{self.name} has no {what} {name!r}; did you mean the key {ways}?")
            choices = [*self._by_name, *self.options.scopes]
            raise FieldError(f"{self.name} has no {what} {name!r}{suggestion(name, choices, 'fields')}")
        return found

    def editable(self, name: str, verb: str = "set") -> FieldMeta:
        """The editable field of this name or alias.

        Raises :class:`FieldError` with the reason if the field cannot be changed, or with the nearest names if it is
        unknown.
        """
        found = self._by_name.get(name)
        if found is None:
            choices = [item.name for item in self.fields.values() if item.editable]
            if name in self.to_many or name in self.options.scopes:
                raise FieldError(
                    f"{self.name}.{name} is a relation or a scope and cannot be {verb}; editable fields: {choices}"
                )
            raise FieldError(f"{self.name} has no field {name!r}{suggestion(name, self._by_name)}")
        if self.options.writes is None:
            raise FieldError(f"{self.name}.{found.name} cannot be {verb}: {self.plural} are read-only in wbmodel")
        if not found.editable:
            why = found.fixed or "W&B has no mutation to change it"
            raise FieldError(f"{self.name}.{found.name} cannot be {verb}: {why}")
        return found

    def default_fields(self) -> tuple[str, ...]:
        """The names of the fields that a plain query loads."""
        return self._default

    def __repr__(self) -> str:
        return f"<EntityMeta {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # Compared by identity, so a pickle stores a reference to its class.
        return (getattr, (self.cls, "__wbmodel_meta__"))


_registry: dict[str, EntityMeta] = {}


def register(meta: EntityMeta) -> None:
    """Register an entity under its class name."""
    _registry[meta.name] = meta


def entity_meta(name: str) -> EntityMeta:
    """The description of the entity class ``name``, which is registered when its module is imported.

    Raises ``LookupError`` for an unknown name.
    """
    try:
        return _registry[name]
    except KeyError:
        raise LookupError(f"unknown entity {name!r}{suggestion(name, _registry)}") from None


def all_entities() -> dict[str, EntityMeta]:
    """Every registered entity by class name."""
    return dict(_registry)
