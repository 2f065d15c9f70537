"""``objects``: the descriptor that provides an entity class with querysets."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet

__all__ = ["Manager"]


Q = TypeVar("Q", bound="QuerySet[Any, Any]")
Q_co = TypeVar("Q_co", bound="QuerySet[Any, Any]", covariant=True)


class Manager(Generic[Q_co]):
    """Returns a fresh, unevaluated queryset of the class it is accessed on: ``Run.objects``.

    Every queryset method is available without proxies, because it *is* a queryset. To use your own queryset class,
    write ``objects = MyQuerySet.as_manager()`` or ``Manager.from_queryset(MyQuerySet)``. To start with fewer rows,
    override :meth:`get_queryset`, as in Django::

        class Crashed(Manager["QuerySet[Run]"]):
            def get_queryset(self) -> QuerySet[Run]:
                return super().get_queryset().filter(state="crashed")

    Other methods belong to a queryset class: a subclass of ``Manager`` that defines one raises ``TypeError``.
    """

    model: type[Any]
    """The class that the queryset is of: for :meth:`get_queryset`."""

    def __init__(self, queryset_class: type[Any] | None = None) -> None:
        self._queryset_class = queryset_class

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, value in vars(cls).items():
            lifted = callable(value) or isinstance(value, property | classmethod | staticmethod)
            if lifted and name not in _OVERRIDES and not name.startswith("_"):
                raise TypeError(
                    f"{cls.__qualname__}.{name} would be lost: the managers of wbmodel are querysets. Write it as a "
                    "method of a QuerySet class, and use that class's as_manager()"
                )

    @staticmethod
    def from_queryset(queryset_class: type[Q]) -> Manager[Q]:
        """A manager that returns querysets of ``queryset_class``."""
        return Manager(queryset_class)

    def get_queryset(self) -> Q_co:
        """The queryset that ``objects`` returns: all rows, unless a subclass overrides it."""
        cls: Any = self._queryset_class
        if cls is None:
            from wbmodel.objects.queryset import QuerySet

            cls = QuerySet
        made: Q_co = cls(self.model)
        return made

    def __get__(self, instance: object | None, owner: type[Any]) -> Q_co:
        if instance is not None:
            raise AttributeError(f"objects is only available on the class: {owner.__name__}.objects")
        bound = copy.copy(self)  # one manager serves a class and its subclasses, in several threads
        bound.model = owner
        return bound.get_queryset()


_OVERRIDES = {"get_queryset", "from_queryset"}
