"""A second store, as unlike a list as can be: what it gives is fresh in every view, comes without its parts, and what
the engine may not take for granted is an error. It keeps the seam honest.

- Every record is a copy of this view; a part (config, summary, whatever is related) is loaded for the whole page.
- A condition is answered by a superset first, and then tested with ``predicate`` on those copies.
- A total that the document does not select, and a long list that is asked for whole, are errors.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from wbmodel.backend import Capabilities
from wbmodel.engine import (
    All,
    Condition,
    EngineBackend,
    Group,
    KeyFacts,
    MemoryStore,
    Not,
    PageLoader,
    Path,
    Select,
    Some,
    predicate,
)
from wbmodel.engine.orders import Order, compile_order
from wbmodel.engine.records import Record
from wbmodel.request import Request, Response

__all__ = ["StrictBackend", "StrictStore", "superset"]

SHORT = ("artifact.files", "artifact.memberships", "run.logged", "user.teams")
"""Lists that the schema has no pages for, or that a manifest and a deletion need whole."""

CATALOG = ("node", "user", "entity", "project", "run", "sweep", "artifact_type", "collection", "membership")
PARTS = ("config", "summary", "metadata", "spec")


def superset(condition: Condition) -> Condition:
    """A condition that every record meets which meets ``condition``, and more: what a weak language can say of it."""
    if isinstance(condition, All):
        return All(tuple(superset(part) for part in condition.parts[:1]))
    if isinstance(condition, Some):
        return Some(tuple(superset(part) for part in condition.parts))
    if isinstance(condition, Not):
        return All()
    return condition if condition.op == "eq" and not condition.loose else All()


class StrictStore:
    """The store over one in memory. ``loads`` notes each part that was loaded, and for how many rows."""

    def __init__(self, inner: MemoryStore) -> None:
        self.inner = inner
        self.loads: list[tuple[str, int]] = []
        self.totals = True
        """Whether the document at work selects a total."""

    @property
    def token(self) -> int:
        return self.inner.token

    @contextmanager
    def view(self) -> Iterator[Any]:
        with self.inner.view():
            yield View(self)

    @contextmanager
    def change(self) -> Iterator[Any]:
        with self.inner.change():
            yield Writer(self)


@attrs.frozen
class Page:
    view: View
    rows: Sequence[Any]
    has_next: bool
    order: Order
    matching: int

    @property
    def places(self) -> Sequence[Any]:
        return [self.order.place(row) for row in self.rows]

    @property
    def total(self) -> int:
        assert self.view.store.totals, "a total was counted, and the document does not select one"
        return self.matching


class View:
    """One view: copies of records, one for each id."""

    def __init__(self, store: StrictStore) -> None:
        self.store, self.inner = store, store.inner
        self.copies: dict[str, Any] = {}

    token = property(lambda self: self.inner.token)
    viewer = property(lambda self: self.one(self.inner.viewer))

    def __getattr__(self, name: str) -> Any:
        if name not in CATALOG:
            raise AttributeError(name)
        return lambda *keys: self.one(getattr(self.inner, name)(*keys))

    def runs_named(self, project: Any, name: str) -> Sequence[Any]:
        return self.page(self.inner.runs_named(project, name))

    def select(self, ask: Select, /) -> Page:
        assert ask.first is not None or ask.relation in SHORT, f"{ask.relation} was asked for whole"
        order = compile_order(ask.terms, ask.kind, ask.collation)
        rows = self.matching(ask, ask.parent)
        rows = order.sort(order.settle(rows))
        after = ask.after
        left = rows if after is None else [row for row in rows if order.is_after(row, after)]
        page = left if ask.first is None else left[: ask.first]
        return Page(self, page, len(left) > len(page), order, len(rows))

    def count(self, ask: Select, parents: Sequence[str] | None = None, /) -> Mapping[Any, int]:
        return {parent: len(self.matching(ask, parent)) for parent in ([ask.parent] if parents is None else parents)}

    def groups(self, ask: Select, by: tuple[Path, ...], /) -> Sequence[Group]:
        return self.inner.groups(ask, by)

    def keys(self, ask: Select, part: Path, /) -> Mapping[str, KeyFacts]:
        return self.inner.keys(ask, part)

    def matching(self, ask: Select, parent: str | None) -> list[Any]:
        wider = attrs.evolve(ask, parent=parent, where=superset(ask.where), order=(), after=None, first=None)
        rows = self.page(self.inner.select(wider).rows)
        matches = predicate(ask.where, ask.kind)
        return [row for row in rows if matches is None or matches(row)]

    # -- copies ------------------------------------------------------------------------------------

    def one(self, record: Any) -> Any:
        return None if record is None else self.page([record])[0]

    def page(self, records: Sequence[Any]) -> list[Any]:
        """The copies of these records. Those that are new in this view come without parts, and share a loader."""
        new = {record.id: record for record in records if record.id not in self.copies}
        by_class: dict[type, list[Any]] = {}
        for node_id, record in new.items():
            made = self.copies[node_id] = copy.copy(record)
            made.forget_texts()
            by_class.setdefault(type(record), []).append(made)
        for cls, rows in by_class.items():
            names = [a.name for a in attrs.fields(cls) if self._is_part(a.name, [new[row.id] for row in rows])]
            PageLoader(rows, {name: self._reader(name, new) for name in names})
        return [self.copies[record.id] for record in records]

    def _is_part(self, name: str, records: Sequence[Any]) -> bool:
        values = [getattr(record, name) for record in records if not name.startswith("_")]
        return name in PARTS or name == "memberships" or any(isinstance(value, Record) for value in values)

    def _reader(self, name: str, originals: Mapping[str, Any]) -> Callable[[Sequence[Any]], Sequence[Any]]:
        def read(rows: Sequence[Any]) -> Sequence[Any]:
            self.store.loads.append((name, len(rows)))
            values = [getattr(originals[row.id], name) for row in rows]
            self.page([value for value in values if isinstance(value, Record)])
            return [self._fresh(value) for value in values]

        return read

    def _fresh(self, value: Any) -> Any:
        if isinstance(value, Record):
            return self.one(value)
        return self.page(value) if isinstance(value, list) and value and isinstance(value[0], Record) else value


class Writer(View):
    """A view that changes. Records from before a change are copies of what was."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("add_") and name not in ("link", "use", "set_aliases", "update", "delete"):
            return super().__getattr__(name)

        def change(*args: Any, **fields: Any) -> Any:
            found = getattr(self.inner, name)(*args, **fields)
            self.copies = {}
            return self.one(found)

        return change

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        try:
            with self.inner.savepoint():
                yield
        except BaseException:
            self.copies = {}
            raise


class StrictBackend(EngineBackend):
    """The engine over it."""

    api_version = 0
    name = "strict"

    def __init__(self, store: MemoryStore, capabilities: Capabilities | None = None) -> None:
        self.store = StrictStore(store)

    def open_store(self) -> Any:
        return self.store

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        self.store.totals = "totalCount" in request.document.text
        return super().execute(request)
