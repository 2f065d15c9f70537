"""To-many relations: descriptors on entities that return querysets filtered by the relation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from wbmodel.meta import ToManyMeta, entity_meta
from wbmodel.meta.state import prefetched

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet

__all__ = ["ToMany"]

E = TypeVar("E")


class ToMany(Generic[E]):
    """A to-many relation to the rows of ``target`` whose scope or field ``scope`` is this object."""

    def __init__(self, target: str, scope: str, doc: str) -> None:
        self.target, self.scope = target, scope
        self.name = ""
        self.__doc__ = doc

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    @property
    def meta(self) -> ToManyMeta:
        """The declaration, for layers that do not see entity classes."""
        return ToManyMeta(name=self.name, target=self.target, scope=self.scope, doc=self.__doc__ or "")

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> ToMany[E]: ...

    @overload
    def __get__(self, instance: object, owner: type[Any]) -> QuerySet[E]: ...

    def __get__(self, instance: Any, owner: type[Any]) -> ToMany[E] | QuerySet[E]:
        if instance is None:
            return self
        from wbmodel.objects.chain import related
        from wbmodel.operations.prefetch import related_plan

        rows = entity_meta(self.target).cls.objects.using(instance.session)
        known = prefetched(instance, self.name)
        found: QuerySet[E] = related(rows, related_plan(self.meta, instance), known)
        return found
