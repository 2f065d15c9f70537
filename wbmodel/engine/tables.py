"""``Tables``: node ids, numbers, the clock and the token, shared by all tables of an in-memory store."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, TypeVar

import attrs

from wbmodel.engine.journal import Journal
from wbmodel.engine.records import Record
from wbmodel.engine.store import StoreError
from wbmodel.errors import suggestion

__all__ = ["Tables"]

R = TypeVar("R", bound=Record)


class Tables:
    """The table of all records by node id. All changes go through one journal, which can undo them."""

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        self._clock = clock or (lambda: datetime.now(timezone.utc))
        self._journal = Journal()
        self._token = 0
        self._numbers: dict[str, int] = {}
        self._nodes: dict[str, Record] = {}

    @property
    def token(self) -> int:
        """Increases with each change; equal tokens mean equal content."""
        return self._token

    def node(self, node_id: str) -> Record | None:
        """Any record by its node id."""
        return self._nodes.get(node_id)

    # -- inside ------------------------------------------------------------------------------------

    def _own(self, record: R) -> R:
        """The current record with this id. The given one may be stale (from an older view), or a copy."""
        found: Any = self._nodes.get(record.id)
        if found is None or not isinstance(record, type(found)):
            raise StoreError(f"{record!r} is not in this store")
        return found  # type: ignore[no-any-return]

    def _new(self, cls: type[R], key: str, fields: Mapping[str, Any], node_id: str | None = None, **fixed: Any) -> R:
        """Create a record with a new node id and add it."""
        fields = dict(fields)
        if fields.get("created_at") is None:
            fields["created_at"] = self._clock()
        if node_id is not None and node_id in self._nodes:
            raise StoreError(f"node id {node_id!r} already belongs to {self._nodes[node_id]!r}")
        try:
            record = cls(id=self._free_id(key) if node_id is None else node_id, **fixed, **fields)
        except TypeError as error:
            known = {a.alias for a in attrs.fields(cls) if a.init}
            wrong = sorted(set(fields) - known)
            if not wrong:
                raise StoreError(f"{cls.__name__}: {error}") from None
            raise StoreError(f"{cls.__name__} has no field {wrong[0]!r}{suggestion(wrong[0], known)}") from None
        self._journal.put(self._nodes, record.id, record)
        self._changed()
        return record

    def _free_id(self, key: str) -> str:
        # A renamed project keeps its id, so a new project with the old name needs another.
        node_id, turn = _opaque(key), 2
        while node_id in self._nodes:
            node_id, turn = _opaque(f"{key}:{turn}"), turn + 1
        return node_id

    def _forget(self, record: Record) -> None:
        self._journal.forget(self._nodes, record.id)

    def _next_number(self, kind: str) -> int:
        # Not reused when a change is undone: a number identifies one object forever.
        self._numbers[kind] = number = self._numbers.get(kind, 0) + 1
        return number

    def _changed(self) -> None:
        self._token += 1


def _opaque(key: str) -> str:
    return base64.b64encode(key.encode("utf-8", "surrogatepass")).decode()
