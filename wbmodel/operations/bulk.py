"""``update()`` and ``delete()`` of querysets: many rows, one mutation each, several at a time.

All rows are read before the first is written, because a changed row may no longer match the query, and pages would
shift while they are read. The operation does no I/O itself; it emits the result of each row, which the caller collects
and writes to the journal.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol, cast

import attrs

from wbmodel.backend.asks import Request, Response
from wbmodel.backend.verbs import Emit, Join, Start
from wbmodel.compiler.mutations import deletion
from wbmodel.compiler.target import Target
from wbmodel.errors import (
    ConfigurationError,
    ConflictError,
    DoesNotExist,
    NotAuthenticated,
    NotSupported,
    NotWandbServer,
    QueryError,
    RequestTimeout,
    ServerUnreachable,
    WbmodelError,
)
from wbmodel.meta import EntityMeta, state
from wbmodel.operations.answer import Operation
from wbmodel.operations.bulk_result import BulkResult, Outcome, RowResult
from wbmodel.operations.journal import Call, Entry, Journal
from wbmodel.operations.run import collect
from wbmodel.operations.save import (
    apply,
    change_request,
    check_answer,
    check_deleted,
    dirty,
    pending,
    require_writable,
    unanswered,
)
from wbmodel.query.changes import Add, Change, Remove
from wbmodel.query.conditions import resolve
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q
from wbmodel.query.scopes import at_home

__all__ = ["Bulk", "Deleting", "Updating"]

_FATAL = (ConfigurationError, NotAuthenticated, NotSupported, NotWandbServer, ServerUnreachable)
"""Errors that every other row would raise as well, so the remaining rows are not tried."""

_CHUNK = 100


class Work(Protocol):
    """The work done on each row."""

    verb: str

    def fields(self) -> tuple[str, ...]:
        """The fields needed from each row."""
        ...

    def related(self) -> tuple[str, ...]:
        """The relations to widen."""
        ...

    def request(self, row: Any) -> Request | None:
        """The request for a row; None if there is nothing to do."""
        ...

    def finish(self, row: Any, request: Request, response: Response, target: Target) -> None:
        """Raise unless the response confirms that the row was written."""
        ...

    def describe(self) -> tuple[list[str], list[str]]:
        """Everything that it does, for a digest, and the names that may be stored in clear."""
        ...


class Updating:
    """The work of ``update()``."""

    verb = "update"

    def __init__(self, changes: tuple[Change, ...]) -> None:
        self.changes = changes

    def fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(change.field.name for change in self.changes))

    def related(self) -> tuple[str, ...]:
        return ()

    def request(self, row: Any) -> Request | None:
        apply(row, self.changes)
        names = dirty(row)
        if not names:
            return None
        return change_request(row, row.node_id, pending(row, names))

    def finish(self, row: Any, request: Request, response: Response, target: Target) -> None:
        check_answer(row, row.node_id, request, response, target)

    def describe(self) -> tuple[list[str], list[str]]:
        return sorted(map(_told, self.changes)), sorted(change.path.dotted for change in self.changes)


class Deleting:
    """The work of ``delete()``."""

    verb = "delete"

    def __init__(self, meta: EntityMeta, flags: Mapping[str, bool]) -> None:
        self.meta, self.flags = meta, flags

    def fields(self) -> tuple[str, ...]:
        assert self.meta.options.writes is not None
        return self.meta.options.writes.delete_reads

    def related(self) -> tuple[str, ...]:
        assert self.meta.options.writes is not None
        return self.meta.options.writes.delete_related

    def request(self, row: Any) -> Request | None:
        state.refuse_deletion(row, self.flags)
        return deletion(self.meta, row.node_id, self.flags)

    def finish(self, row: Any, request: Request, response: Response, target: Target) -> None:
        try:
            check_deleted(row, request, response, target)
        except self.meta.does_not_exist:
            pass  # already gone, which is the goal

    def describe(self) -> tuple[list[str], list[str]]:
        return [f"{name}={on}" for name, on in sorted(self.flags.items())], [n for n, on in self.flags.items() if on]


@attrs.define(slots=True)
class Bulk:
    """One bulk write: the rows, the work, and its progress."""

    plan: Plan
    target: Target
    work: Work
    dry_run: bool
    at_once: int
    journal: Journal | None = None
    known: dict[str, Entry] = attrs.field(factory=dict)
    under_way: dict[str, RowResult] = attrs.field(factory=dict)
    waiting: deque[Any] = attrs.field(factory=deque)
    listed: bool = False

    @classmethod
    def of(
        cls,
        plan: Plan,
        target: Target,
        work: Work,
        dry_run: bool,
        at_once: int,
        journal: str | os.PathLike[str] | None,
        errors: str,
    ) -> Bulk:
        """Check everything that can be checked before the first request."""
        if plan.sliced:
            raise QueryError(
                f"{work.verb}() of a slice is not supported, because its rows may change while they are "
                f"written; take the ids first: Run.objects.filter(id__in=[run.id for run in rows]).{work.verb}(...)"
            )
        plan.refuse_shaped(f"{work.verb}()")
        if type(at_once) is not int or at_once < 1:
            raise QueryError(f"at_once must be a positive number of requests, not {at_once!r}")
        if errors not in ("raise", "return"):
            raise QueryError(f"errors must be 'raise' or 'return', not {errors!r}")
        made = cls(plan, target, work, dry_run, at_once)
        if journal is not None:
            scopes = {name: sorted(map(repr, values)) for name, values in sorted(plan.scopes.items())}
            query = f"{scopes}\n{_spelled(plan.where)}\n{plan.never}"
            defaults = f"{target.project}\n{target.entity}"
            call = Call(work.verb, plan.meta.name, target.owner.origin, f"{query}\n{defaults}", *work.describe())
            if not isinstance(journal, (str, os.PathLike)):
                raise QueryError(f"journal must be the path of a file, as in journal='tags.jsonl', not {journal!r}")
            made.journal = Journal(journal, call, write=not dry_run)
        return made

    # -- the operation -----------------------------------------------------------------------------

    def operation(self) -> Operation[None]:
        """Read the rows, then write them and emit the result of each."""
        target = self.target
        if not self.dry_run:
            require_writable(target)
        plan = attrs.evolve(self.plan.bare(*self.work.fields(), order=()), related=self.work.related())
        found = yield from collect(plan, target)
        strays = yield from self._strays(plan, found, target)
        listed = {row.node_id for row in (*found, *strays)}
        self.listed = True
        earlier = [
            RowResult(path=path, node_id=node_id, outcome=cast("Outcome", outcome), earlier=True)
            for node_id, (path, outcome) in self.known.items()
            if outcome in ("done", "unchanged")
        ]
        settled = {item.node_id for item in earlier}
        gone = [
            self._absent(node_id, path, target)
            for node_id, (path, _) in self.known.items()
            if node_id not in settled and node_id not in listed
        ]
        left = [self._left(row, target) for row in strays]
        if earlier or gone or left:
            yield Emit([*earlier, *gone, *left])
        self.waiting = deque(row for row in found if row.node_id not in settled)
        # Without concurrent requests, each one is sent when it is joined.
        width = self.at_once if target.capabilities.concurrent else 1
        handles: deque[tuple[Any, Request, Any]] = deque()
        ended: Exception | None = None
        while handles or (self.waiting and ended is None):
            if ended is None and self.waiting and len(handles) < width:
                row = self.waiting[0]
                settled_now, request = self._prepared(row)
                if request is None:
                    self.waiting.popleft()
                    yield Emit([settled_now])
                    continue
                try:
                    handle = yield Start(request)
                except WbmodelError as error:
                    ended = error
                    continue
                self.waiting.popleft()
                self.under_way[row.node_id] = _result(row, "unknown")
                handles.append((row, request, handle))
                continue
            # Also after a fatal error: requests in flight are joined, so that their outcome is known.
            ended = (yield from self._settled(*handles.popleft(), target)) or ended
        if ended is not None:
            raise ended

    def _absent(self, node_id: str, path: str, target: Target) -> RowResult:
        """The result of a row that an earlier call left failed or unknown and that no longer exists."""
        if self.work.verb == "delete":
            return RowResult(path=path, node_id=node_id, outcome="done")
        meta = self.plan.meta
        error = meta.does_not_exist(
            f"{meta.name} {path!r} no longer exists on {target.place}, or this account may not see it"
        )
        return RowResult(path=path, node_id=node_id, outcome="failed", error=error)

    def _left(self, row: Any, target: Target) -> RowResult:
        """The result of a stray row: unchanged if it needs no change, else left alone because it no longer matches."""
        try:
            if self.work.request(row) is None:
                return _result(row, "unchanged")
        except WbmodelError:
            pass  # the change does not apply to it
        before = self.known[row.node_id][1]
        error = ConflictError(
            f"{row.path} no longer matches the query, so this call did not change it on {target.place}; "
            f"an earlier call left it {before}"
        )
        return _result(row, "left", error)

    def _prepared(self, row: Any) -> tuple[RowResult, Request | None]:
        try:
            request = self.work.request(row)
        except WbmodelError as error:
            return _result(row, "failed", error), None
        if request is None:
            return _result(row, "unchanged"), None
        return _result(row, "planned"), None if self.dry_run else request

    def _settled(self, row: Any, request: Request, handle: Any, target: Target) -> Operation[Exception | None]:
        """Wait for one response and emit the row's result. Returns the error after which no other row is tried."""
        fatal: Exception | None = None
        try:
            response = yield Join(handle)
            self.work.finish(row, request, response, target)
            result = _result(row, "done")
        except WbmodelError as error:
            lost = unanswered(error)
            if isinstance(error, RequestTimeout) and not lost:
                # It was not sent, as no time was left, so the row is unchanged.
                self.under_way.pop(row.node_id, None)
                self.waiting.append(row)
                return error
            result = _result(row, "unknown" if lost else "failed", error)
            fatal = error if isinstance(error, _FATAL) else None
        self.under_way.pop(row.node_id, None)
        yield Emit([result])
        return fatal

    def _strays(self, plan: Plan, found: list[Any], target: Target) -> Operation[list[Any]]:
        """Read the rows an earlier call left failed or unknown that no longer match the query.

        The change itself, if it was applied, or another client's change may be the reason.
        """
        here = {row.node_id for row in found}
        homes: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        for node_id, (path, outcome) in self.known.items():
            if outcome in ("failed", "unknown") and node_id not in here:
                home = tuple(at_home(plan.meta, path).items())
                homes.setdefault(home, {})[node_id] = path.rpartition("/")[2]
        more: list[Any] = []
        for home, wanted in homes.items():
            keys = list(wanted.values())
            for at in range(0, len(keys), _CHUNK):
                asked = {f"{plan.meta.key}__in": keys[at : at + _CHUNK]}
                where, scopes = resolve(plan.meta, Q(**dict(home), **asked))
                again = attrs.evolve(plan, where=where, scopes=scopes, never=False)
                try:
                    seen = yield from collect(again, target)
                except DoesNotExist:
                    continue  # the project is gone, and all its rows with it
                more += [row for row in seen if row.node_id in wanted]
        return more

    # -- the end -----------------------------------------------------------------------------------

    def lost(self) -> list[RowResult]:
        """The rows in flight, whose responses are no longer awaited."""
        found = list(self.under_way.values())
        self.under_way.clear()
        return found

    def cut_short(self, results: list[RowResult], cause: Exception) -> None:
        """Add the remaining rows to ``results`` after ``cause``: those in flight are unknown, the others untried."""
        results += [attrs.evolve(row, error=cause) for row in self.lost()]
        results += [_result(row, "untried") for row in self.waiting]

    def finished(self, results: list[RowResult], cause: Exception | None, errors: str) -> BulkResult:
        """The overall result. Raises :class:`~wbmodel.errors.BulkError` if rows failed and ``errors`` is "raise"."""
        verb = f"dry run of {self.work.verb}" if self.dry_run else self.work.verb
        made = BulkResult(verb, self.plan.meta.plural, tuple(results), cause)
        if errors == "raise":
            made.raise_for_failures()
        return made


def _spelled(node: Any) -> str:
    """A condition with its full operands, for a digest.

    Operands of ``in`` are sorted: they may come from a set, whose order differs between processes.
    """
    if node is None:
        return ""
    children = getattr(node, "children", None)
    if children is not None:
        return f"{node.connector}({', '.join(sorted(map(_spelled, children)))})"
    operand = sorted(map(repr, node.operand)) if node.lookup.name == "in" else repr(node.operand)
    return f"{'not ' if node.negated else ''}{node.path.dotted} {node.lookup.name} {operand}"


def _told(change: Change) -> str:
    """A change for the digest; ``Add(*a_set)`` gives the same text in each process."""
    if isinstance(change.act, (Add, Remove)):
        change = attrs.evolve(change, act=type(change.act)(*sorted(change.act.texts)))
    return str(change)


def _result(row: Any, outcome: Outcome, error: Exception | None = None) -> RowResult:
    return RowResult(path=row.path, node_id=row.node_id, outcome=outcome, error=error)
