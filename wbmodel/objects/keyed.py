"""``fields()``: the keys that the rows of a queryset have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from wbmodel import operations
from wbmodel.meta.parts import Wanted
from wbmodel.query.plan import Plan

if TYPE_CHECKING:
    from wbmodel.meta import FieldMeta
    from wbmodel.operations.answer import Operation
    from wbmodel.operations.keys import FieldInfo

__all__ = ["Keyed", "aperform", "perform"]


class Keyed:
    """A query that tells which keys its rows have."""

    _plan: Plan

    def _ask(self, operation: Callable[..., Operation[Any]], *args: Any) -> Any:
        """The result of an operation on the plan."""
        raise NotImplementedError

    async def _aask(self, operation: Callable[..., Operation[Any]], *args: Any) -> Any:
        """The async twin of :meth:`_ask`."""
        raise NotImplementedError

    def _held(self, wanted: Sequence[Wanted]) -> list[Any] | None:
        """The rows, if they are here with all that is wanted."""
        raise NotImplementedError

    def fields(self, *names: str, exact: bool = False, varying: bool = False) -> list[FieldInfo]:
        """List the keys that the rows have under these fields, including nested ones. Names are ``"config"``,
        ``"summary"`` ...; without names, every field that has keys. Each key comes with its path and type, an example,
        the number of rows that have it, and that of its different values.

        All runs of one project of a server: the ten newest are read, for examples, and the server's own list of keys is
        asked, whose pages hold 1,000. So two requests are enough for most projects, and ``count`` and ``distinct`` are
        None. The list may lag behind the runs. Its paths do not tell a dot inside a key from one between two keys: the
        keys of the ten runs decide; else the dot separates.

        Otherwise the rows are read: with ``exact``, with ``varying``, with conditions or a slice, for several projects,
        for less than ten runs, and where the server has no list. ``varying`` keeps the keys whose values differ between
        the rows; a key that some rows lack differs.
        """
        wanted, here = self._keyed(names, varying)
        if here is not None:
            return here
        return cast("list[FieldInfo]", self._ask(operations.keys.keys_of, wanted, exact, varying))

    async def afields(self, *names: str, exact: bool = False, varying: bool = False) -> list[FieldInfo]:
        """The async twin of :meth:`fields`."""
        wanted, here = self._keyed(names, varying)
        if here is not None:
            return here
        return cast("list[FieldInfo]", await self._aask(operations.keys.keys_of, wanted, exact, varying))

    def _keyed(self, names: Sequence[str], varying: bool) -> tuple[list[FieldMeta], list[FieldInfo] | None]:
        """The requested fields, and their keys if the rows are cached."""
        self._plan.refuse_shaped("fields")
        wanted = operations.keys.keyed_fields(self._plan.meta, names)
        rows = self._held([field.name for field in wanted])
        return wanted, None if rows is None else operations.keys.keys_in(rows, wanted, fresh=False, varying=varying)


def perform(rows: Keyed, operation: Callable[..., Operation[Any]], *args: Any) -> Any:
    """The result of an operation on the plan of ``rows``, by their session."""
    return rows._ask(operation, *args)


async def aperform(rows: Keyed, operation: Callable[..., Operation[Any]], *args: Any) -> Any:
    """The async twin of :func:`perform`."""
    return await rows._aask(operation, *args)
