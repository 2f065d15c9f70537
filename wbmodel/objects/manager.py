"""``objects``: the descriptor that gives an entity class its querysets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet

__all__ = ["Manager"]


Q = TypeVar("Q", bound="QuerySet[Any, Any]")
Q_co = TypeVar("Q_co", bound="QuerySet[Any, Any]", covariant=True)


class Manager(Generic[Q_co]):
    """Gives a fresh, unevaluated queryset of the class it is asked on: ``Run.objects``.

    Every queryset method is there without being lifted, because it *is* a queryset. For a queryset class of your own,
    ``objects = MyQuerySet.as_manager()`` or ``Manager.from_queryset(MyQuerySet)``.
    """

    def __init__(self, queryset_class: type[Any] | None = None) -> None:
        self._queryset_class = queryset_class

    @staticmethod
    def from_queryset(queryset_class: type[Q]) -> Manager[Q]:
        """A manager whose querysets are of ``queryset_class``."""
        return Manager(queryset_class)

    def __get__(self, instance: object | None, owner: type[Any]) -> Q_co:
        if instance is not None:
            raise AttributeError(f"objects belongs to the class: {owner.__name__}.objects")
        cls: Any = self._queryset_class
        if cls is None:
            from wbmodel.objects.queryset import QuerySet

            cls = QuerySet
        made: Q_co = cls(owner)
        return made
