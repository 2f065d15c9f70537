"""The plan of a query: everything a queryset knows, resolved and frozen. The compiler reads it and nothing else."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import attrs

from wbmodel.meta import EntityMeta
from wbmodel.query.conditions import Node, is_never
from wbmodel.query.order import OrderKey, default_order
from wbmodel.query.scopes import Scopes

__all__ = ["Plan"]


@attrs.frozen(slots=True, kw_only=True)
class Plan:
    """One query, immutable: a chain step makes a new one with ``attrs.evolve``.

    ``order`` is empty for the default order. ``start`` and ``stop`` count rows of the whole result, ``stop`` None
    meaning to the end. ``only`` names the fields to load (None: the default ones), ``defer`` those to leave out, and
    ``extra`` those that something else needs. ``related`` are relations to widen in the same document, ``prefetch``
    relations to load in as few more requests as possible. ``cls`` is the class of the rows where it is a subclass.
    ``lenient``: the scopes were found and not
    given, so what is missing on the way to the rows is no error.
    """

    meta: EntityMeta
    scopes: Scopes = attrs.field(factory=dict)
    where: Node | None = None
    order: tuple[OrderKey, ...] = ()
    start: int = 0
    stop: int | None = None
    only: tuple[str, ...] | None = None
    defer: frozenset[str] = frozenset()
    extra: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    prefetch: tuple[str, ...] = ()
    never: bool = False
    cls: type[Any] | None = None
    lenient: bool = False

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

    def __getstate__(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in attrs.fields(type(self))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
