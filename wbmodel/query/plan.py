"""The plan of a query: everything a queryset knows, resolved and frozen. The compiler reads it and nothing else."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import attrs

from wbmodel.errors import QueryError
from wbmodel.meta import EntityMeta
from wbmodel.query.conditions import Node, both, is_never, resolve
from wbmodel.query.order import OrderKey, default_order
from wbmodel.query.q import Q
from wbmodel.query.scopes import Scopes, narrow
from wbmodel.query.shapes import ENTITIES, Shape

__all__ = ["Plan"]


@attrs.frozen(slots=True, kw_only=True)
class Plan:
    """One question, whole and immutable: a chain step makes a new one with ``attrs.evolve``.

    ``order`` is empty for the default order; ``unordered`` says that any order will do. ``start`` and ``stop`` count
    rows of the whole result, ``stop`` None meaning to the end. ``only`` names the fields to load (None: the default
    ones), ``defer`` those to leave out, and ``extra`` those that something else needs. ``related`` are relations to
    widen in the same document, ``prefetch`` relations to load in as few more requests as possible. ``shape`` is what is
    made of each entity, ``distinct`` whether equal results come once. ``cls`` is the class of the rows where it is a
    subclass of the entity.

    ``lenient``: the scopes were found and not given, so what is missing on the way to the rows is no error.
    ``glance``: one page is all that will be read, so what it does not tell may stay open.
    ``stated``: a chain step was taken, so the question is meant; ``Run.objects`` alone is not.
    """

    meta: EntityMeta
    scopes: Scopes = attrs.field(factory=dict)
    where: Node | None = None
    order: tuple[OrderKey, ...] = ()
    unordered: bool = False
    start: int = 0
    stop: int | None = None
    only: tuple[str, ...] | None = None
    defer: frozenset[str] = frozenset()
    extra: tuple[str, ...] = ()
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
        """Whether equal results have to be found here. Entities are distinct by nature."""
        return self.distinct and self.is_shaped

    def bare(self, *fields: str, **changes: Any) -> Plan:
        """The same rows as entities with only these fields, for questions that look at the rows themselves."""
        return attrs.evolve(
            self, only=fields, defer=frozenset(), extra=(), related=(), prefetch=(), shape=ENTITIES, distinct=False,
            **changes,
        )  # fmt: skip

    @property
    def sliced(self) -> bool:
        """Whether a slice was taken."""
        return self.start > 0 or self.stop is not None

    @property
    def is_empty(self) -> bool:
        """Whether the result is known to be empty, so that no request is needed."""
        if self.never or (self.stop is not None and self.stop <= self.start):
            return True
        return any(not values for values in self.scopes.values()) or is_never(self.where)

    @property
    def order_keys(self) -> tuple[OrderKey, ...]:
        """The order keys, with the default order where the user gave none."""
        return self.order or default_order(self.meta)

    def fields(self, needed: Collection[str] = ()) -> tuple[str, ...]:
        """The names of the fields to select, in the order of declaration: what was asked for, the identity, and what is
        ``needed`` besides."""
        meta = self.meta
        wanted = set(meta.default_fields() if self.only is None else self.only) - self.defer
        wanted.update(("node_id", meta.key), meta.options.node_context, self.extra, needed)
        return tuple(name for name in meta.fields if name in wanted)

    def where_also(self, condition: Q, *, negated: bool = False) -> Plan:
        """The rows of this plan that meet the condition as well (with ``negated``, those that do not). Raises
        :class:`~wbmodel.errors.FieldError` for an unknown name or a wrong value."""
        node, scopes = resolve(self.meta, condition, negated)
        merged = dict(self.scopes)
        for name, values in scopes.items():
            narrow(merged, self.meta.options.scopes, name, values)
        return attrs.evolve(self, where=both(self.where, node), scopes=merged, stated=True)

    def refuse_sliced(self, verb: str) -> None:
        """Raise :class:`~wbmodel.errors.QueryError` where a slice was taken."""
        if self.sliced:
            raise QueryError(f"{verb} after a slice has no meaning: slice last, or filter the list")

    def refuse_shaped(self, verb: str) -> None:
        """Raise :class:`~wbmodel.errors.QueryError` where the results are not entities."""
        if self.is_shaped:
            raise QueryError(f"{verb} comes before values() and values_list(), which make rows that are no entities")

    def __getstate__(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in attrs.fields(type(self))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
