"""The plan of a query: everything a queryset knows, resolved and frozen. It is the compiler's only input."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from wbmodel.errors import QueryError
from wbmodel.meta import EntityMeta
from wbmodel.meta.parts import Keys, Wanted, keys_of, name_of, names_of
from wbmodel.query.conditions import Node, both, is_never, resolve
from wbmodel.query.order import OrderKey, default_order
from wbmodel.query.q import Q
from wbmodel.query.scopes import Scopes, narrow
from wbmodel.query.shapes import ENTITIES, Shape

__all__ = ["Plan"]


@attrs.frozen(slots=True, kw_only=True)
class Plan:
    """One query, complete and immutable: each chain step makes a new plan with ``attrs.evolve``.

    ``order`` is empty for the default order; ``unordered`` says that any order will do. ``start`` and ``stop`` count
    rows of the whole result; a ``stop`` of None means to the end. ``only`` is what to load (None: the default fields),
    ``defer`` the fields to leave out, and ``extra`` what is needed internally besides. ``related``
    are relations to widen in the same document, ``prefetch`` relations to load in as few additional requests as
    possible. ``shape`` converts each entity to a result; ``distinct`` removes duplicate results. ``cls`` is the class
    of the rows if it is a subclass of the entity.

    ``lenient``: the scopes were discovered rather than given, so a missing parent of the rows is not an error.

    ``glance``: only one page will be read, so facts that it does not tell may stay unknown.

    ``stated``: at least one chain step was made; ``Run.objects`` alone has none.
    """

    meta: EntityMeta
    scopes: Scopes = attrs.field(factory=dict)
    where: Node | None = None
    order: tuple[OrderKey, ...] = ()
    unordered: bool = False
    start: int = 0
    stop: int | None = None
    only: tuple[Wanted, ...] | None = None
    defer: frozenset[str] = frozenset()
    extra: tuple[Wanted, ...] = ()
    related: tuple[str, ...] = ()
    prefetch: tuple[str, ...] = ()
    shape: Shape = ENTITIES
    distinct: bool = False
    never: bool = False
    cls: type[Any] | None = None
    lenient: bool = False
    glance: bool = False
    stated: bool = False

    @property
    def row_class(self) -> type[Any]:
        """The class of the rows."""
        return self.cls or self.meta.cls

    @property
    def is_shaped(self) -> bool:
        """Whether the results are ``values()`` rows instead of entities."""
        return self.shape is not ENTITIES

    @property
    def is_unique(self) -> bool:
        """Whether duplicate results must be removed locally. Entities are always distinct."""
        return self.distinct and self.is_shaped

    def bare(self, *fields: Wanted, **changes: Any) -> Plan:
        """The same rows as entities with nothing but this, for operations on the rows themselves."""
        return attrs.evolve(
            self,
            only=fields,
            defer=frozenset(),
            extra=(),
            related=(),
            prefetch=(),
            shape=ENTITIES,
            distinct=False,
            **changes,
        )

    @property
    def sliced(self) -> bool:
        """Whether the plan is sliced."""
        return self.start > 0 or self.stop is not None

    @property
    def is_empty(self) -> bool:
        """Whether the result is known to be empty, so that no request is needed."""
        if self.never or (self.stop is not None and self.stop <= self.start):
            return True
        return any(not values for values in self.scopes.values()) or is_never(self.where)

    @property
    def order_keys(self) -> tuple[OrderKey, ...]:
        """The order keys, or the default order if none were given."""
        return self.order or default_order(self.meta)

    @property
    def asked(self) -> tuple[Wanted, ...]:
        """What the query itself asks for: the default fields, or those of ``only()``, without the deferred ones."""
        asked = self.meta.default_fields() if self.only is None else self.only
        return tuple(item for item in asked if name_of(item) not in self.defer)

    def fields(self, needed: Iterable[Wanted] = ()) -> tuple[str, ...]:
        """The names of the fields to select, in the order of declaration.

        They are the requested fields, the identity, and what is ``needed`` besides.
        """
        names = set(names_of(self._selected(needed)))
        return tuple(name for name in self.meta.fields if name in names)

    def keys(self, needed: Iterable[Wanted] = ()) -> Keys:
        """The fields to select in part, with their keys."""
        return keys_of(self._selected(needed))

    def _selected(self, needed: Iterable[Wanted]) -> set[Wanted]:
        return {*self.asked, "node_id", self.meta.key, *self.meta.options.node_context, *self.extra, *needed}

    def where_also(self, condition: Q, *, negated: bool = False) -> Plan:
        """A plan for the rows that also match the condition (with ``negated``, that do not match it).

        Raises :class:`~wbmodel.errors.FieldError` for an unknown name or a wrong value.
        """
        node, scopes = resolve(self.meta, condition, negated)
        merged = dict(self.scopes)
        for name, values in scopes.items():
            narrow(merged, self.meta.options.scopes, name, values)
        return attrs.evolve(self, where=both(self.where, node), scopes=merged, stated=True)

    def refuse_sliced(self, verb: str) -> None:
        """Raise :class:`~wbmodel.errors.QueryError` if the plan is sliced."""
        if self.sliced:
            raise QueryError(f"{verb} cannot follow a slice: slice last, or filter the list")

    def refuse_shaped(self, verb: str) -> None:
        """Raise :class:`~wbmodel.errors.QueryError` if the results are not entities."""
        if self.is_shaped:
            raise QueryError(f"{verb} must come before values() and values_list(), whose results are not entities")

    def __getstate__(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in attrs.fields(type(self))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
