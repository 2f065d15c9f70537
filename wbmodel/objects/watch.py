"""Wait for an object to reach a state, and watch the rows of a query for changes.

Each poll is an operation, written once; only the sleep between polls has a sync and an async version.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Literal

import attrs

from wbmodel.codec import loads
from wbmodel.errors import QueryError, RequestTimeout, WaitTimeout, suggestion
from wbmodel.json_values import same
from wbmodel.meta import EntityMeta, Kind
from wbmodel.meta.state import kept, put, row_ids
from wbmodel.objects.typevars import E_co
from wbmodel.operations.answer import Operation
from wbmodel.operations.poll import bring_relations, poll
from wbmodel.operations.reload import look_again, reload

if TYPE_CHECKING:
    from wbmodel.query.plan import Plan
    from wbmodel.session.session import Session

__all__ = ["Change", "Pace", "Waiting", "Watch"]

_HEARTBEATS = ("heartbeat_at", "updated_at")
"""Fields that change all the time: they do not count as changes unless ``only()`` names them."""


def _number(value: Any, what: str, *, zero: bool) -> None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and (value > 0 or (zero and value == 0))
    if not good:
        raise QueryError(f"{what} must be a number of seconds {'from' if zero else 'above'} 0, not {value!r}")


class Pace:
    """The schedule of polls: every ``interval`` seconds, for ``timeout`` seconds (None: no limit)."""

    def __init__(self, interval: float, timeout: float | None) -> None:
        _number(interval, "interval", zero=False)
        if timeout is not None:
            _number(timeout, "timeout", zero=True)
        self.interval, self.timeout = interval, timeout
        self.started = time.monotonic()

    @property
    def left(self) -> float | None:
        """Seconds until the end, or None."""
        return None if self.timeout is None else self.timeout - (time.monotonic() - self.started)

    @property
    def limit(self) -> float | None:
        """Seconds for one poll, never zero, so that the first one is always made."""
        return None if self.left is None or not self.timeout else max(self.left, 0.001)

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        left = self.left
        return left is not None and left <= 0

    def pause(self) -> float | None:
        """Seconds to sleep before the next poll; None if there is no next poll."""
        left = self.left
        if left is None:
            return self.interval
        return None if left <= 0 else min(self.interval, left)


# -- waiting for one object ------------------------------------------------------------------------


class Waiting:
    """One wait for an object to reach a state of ``until``.

    ``states`` are all possible states, ``ended`` those that end every wait.
    """

    def __init__(
        self,
        row: Any,
        pace: Pace,
        until: str | Iterable[str],
        *,
        states: Collection[str],
        ended: Collection[str],
    ) -> None:
        wanted = (until,) if isinstance(until, str) else tuple(until)
        for state in wanted:
            if state not in states:
                raise QueryError(f"a run cannot be {state!r}{suggestion(str(state), states, 'its states')}")
        if not wanted:
            raise QueryError("until= needs a state to wait for; omit it to wait for the end")
        self.row, self.wanted, self.ended, self.pace = row, wanted, ended, pace
        self.session: Session = row.session

    def _look(self) -> Operation[bool]:
        """Whether the wait is over. Loads only the state; at the end, reloads all loaded fields once."""
        target = self.session.target
        now = yield from look_again(self.row, target, ("state",))
        put(self.row, "state", now.state)
        if now.state not in self.wanted and now.state not in self.ended:
            return False
        yield from reload(self.row, target)
        return True

    def _pause(self) -> float:
        seconds = self.pace.pause()
        if seconds is None:
            raise self._late() from None
        return seconds

    def _late(self) -> WaitTimeout:
        names = " or ".join(self.wanted)
        return WaitTimeout(
            f"{self.row.path} is {self.row.state} after {self.pace.timeout:g} s of waiting for {names}; "
            "wait longer with wait(timeout=seconds), or without a timeout for as long as it takes"
        )

    def wait(self) -> None:
        """Poll until the wait is over. Raises :class:`~wbmodel.errors.WaitTimeout`."""
        try:
            while not self.session.run(self._look(), timeout=self.pace.limit):
                time.sleep(self._pause())
        except RequestTimeout as error:
            # Either the end of the wait cut it short, or the session's own limit for a request.
            if self.pace.over:
                raise self._late() from error
            raise

    async def await_(self) -> None:
        """The async twin of :meth:`wait`."""
        import asyncio

        try:
            # The server does not notify clients that a run has ended, so there is no event to wait for.
            while not await self.session.arun(self._look(), timeout=self.pace.limit):  # noqa: ASYNC110
                await asyncio.sleep(self._pause())
        except RequestTimeout as error:
            # Either the end of the wait cut it short, or the session's own limit for a request.
            if self.pace.over:
                raise self._late() from error
            raise


# -- watching a query ------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Change(Generic[E_co]):
    """One change seen by :meth:`QuerySet.watch`.

    ``obj`` is the current object (for a removed one, its last known version), ``before`` its previous version (None for
    an added one), and ``fields`` are the names of the fields that differ.
    """

    kind: Literal["added", "changed", "removed"]
    obj: E_co
    before: E_co | None = None
    fields: tuple[str, ...] = ()

    def __repr__(self) -> str:
        names = f" {', '.join(self.fields)}" if self.fields else ""
        return f"<Change {self.kind} {self.obj!r}{names}>"


class Watch:
    """One watch: the rows of the last poll by node id, with their field values. It stores nothing older."""

    def __init__(self, plan: Plan, session: Session, pace: Pace, timeout: float | None, existing: bool) -> None:
        self.plan, self.session, self.pace, self.timeout = plan, session, pace, timeout
        self.known: dict[str, tuple[Any, dict[str, Any]]] | None = {} if existing else None
        named = plan.only or ()
        self.ignored = frozenset(name for name in _HEARTBEATS if name not in named)

    @property
    def limit(self) -> float | None:
        """Seconds for one poll: the query's own limit, and the end of the watch."""
        limits = [seconds for seconds in (self.timeout, self.pace.limit) if seconds is not None]
        return min(limits, default=None)

    def _poll(self) -> Operation[list[Any]]:
        """Read all current rows. Relations are prefetched for those that are news."""
        target = self.session.target
        rows = yield from poll(self.plan, target)
        if self.plan.prefetch:
            news, unchanged = [], []
            for mark, row in zip(row_ids(rows), rows, strict=True):
                before = (self.known or {}).get(mark)
                if before is None or _differing(before[1], _marks(row, self.ignored)):
                    news.append(row)
                else:
                    unchanged.append((row, before[0]))
            yield from bring_relations(news, unchanged, self.plan.prefetch, target)
        return rows

    def changes(self) -> Iterator[Change[Any]]:
        """The differences between polls, until the time is over."""
        pause: float | None = 0.0
        while pause is not None:
            if pause:
                time.sleep(pause)
            try:
                rows = self.session.run(self._poll(), timeout=self.limit)
            except RequestTimeout:
                if self.pace.over:
                    return
                raise
            yield from self.take(rows)
            pause = self.pace.pause()

    async def achanges(self) -> AsyncIterator[Change[Any]]:
        """The async twin of :meth:`changes`."""
        import asyncio

        pause: float | None = 0.0
        while pause is not None:
            if pause:
                await asyncio.sleep(pause)
            try:
                rows = await self.session.arun(self._poll(), timeout=self.limit)
            except RequestTimeout:
                if self.pace.over:
                    return
                raise
            for change in self.take(rows):
                yield change
            pause = self.pace.pause()

    def take(self, rows: list[Any]) -> list[Change[Any]]:
        """The differences from the previous poll: removed rows first, then the others in the order of the rows."""
        before = self.known
        now = {mark: (row, _marks(row, self.ignored)) for mark, row in zip(row_ids(rows), rows, strict=True)}
        self.known = now
        if before is None:
            return []
        made = [Change(kind="removed", obj=row, before=row) for key, (row, _) in before.items() if key not in now]
        for key, (row, marks) in now.items():
            if key not in before:
                made.append(Change(kind="added", obj=row))
                continue
            old, was = before[key]
            if names := _differing(was, marks):
                made.append(Change(kind="changed", obj=row, before=old, fields=names))
        return made


def _differing(before: dict[str, Any], now: dict[str, Any]) -> tuple[str, ...]:
    """The names of the fields that differ."""
    return tuple(name for name, mark in now.items() if not _same(before.get(name), mark))


def _marks(row: Any, ignored: frozenset[str]) -> dict[str, Any]:
    """The value of each loaded field, in a form unaffected by changes to the object's dicts and lists."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    made: dict[str, Any] = {}
    for name in row.loaded_fields():
        if name in ignored:
            continue
        field = meta.fields[name]
        if name in meta.slots:
            text = kept(row, name)
            made[name] = text if field.kind is Kind.TEXTS else _Text(text)
            continue
        value = getattr(row, name)
        if field.kind is Kind.REF:
            made[name] = None if value is None else _key_of(value)
        elif isinstance(value, (dict, list)):
            made[name] = repr(value)
        else:
            made[name] = value
    return made


def _key_of(target: Any) -> Any:
    return getattr(target, type(target).__wbmodel_meta__.key)


@attrs.frozen(slots=True, eq=False)
class _Text:
    """The text of a JSON field."""

    text: str | None


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, _Text) and isinstance(other, _Text):
        return one.text == other.text or _same_document(one.text, other.text)
    # NaN is not equal to itself, but is not a change.
    return bool(one == other) or (one != one and other != other)


def _same_document(one: str | None, other: str | None) -> bool:
    """Whether two texts hold the same JSON; whitespace and the order of keys do not matter."""
    if one is None or other is None:
        return False
    try:
        return same(loads(one), loads(other), exact=True)
    except (ValueError, TypeError, RecursionError):  # YAML, not JSON, or not even text
        return False
