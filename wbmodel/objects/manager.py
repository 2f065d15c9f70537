"""``objects``: the descriptor that provides an entity class with querysets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet

__all__ = ["Manager"]


Q = TypeVar("Q", bound="QuerySet[Any, Any]")
Q_co = TypeVar("Q_co", bound="QuerySet[Any, Any]", covariant=True)


class Manager(Generic[Q_co]):
    """Returns a fresh, unevaluated queryset of the class it is accessed on: ``Run.objects``.

    Every queryset method is available without proxies, because it *is* a queryset. To use your own queryset class,
    write ``objects = MyQuerySet.as_manager()`` or ``Manager.from_queryset(MyQuerySet)``.
    """

    def __init__(self, queryset_class: type[Any] | None = None) -> None:
        self._queryset_class = queryset_class

    @staticmethod
    def from_queryset(queryset_class: type[Q]) -> Manager[Q]:
        """A manager that returns querysets of ``queryset_class``."""
        return Manager(queryset_class)

    def __get__(self, instance: object | None, owner: type[Any]) -> Q_co:
        if instance is not None:
            raise AttributeError(f"objects is only available on the class: {owner.__name__}.objects")
        cls: Any = self._queryset_class
        if cls is None:
            from wbmodel.objects.queryset import QuerySet

            cls = QuerySet
        made: Q_co = cls(owner)
        return made
