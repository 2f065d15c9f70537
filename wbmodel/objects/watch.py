"""What changes while one looks: reloading an object in place, waiting for a run to end, watching a queryset.

Each poll is an operation, written once; only the sleeping between polls has a colour.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Literal, cast

import attrs

from wbmodel.errors import QueryError, RequestTimeout, WaitTimeout, suggestion
from wbmodel.meta import EntityMeta, FieldMeta, Kind, entity_meta
from wbmodel.objects.chain import E_co

if TYPE_CHECKING:
    from wbmodel.compiler.target import Target
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.operations.pages import Operation
    from wbmodel.query.plan import Plan
    from wbmodel.session.session import Session

__all__ = ["STATES", "TERMINAL", "Change", "Waiting", "Watching", "areload", "look_again", "reload"]

TERMINAL = ("finished", "crashed", "failed", "killed", "preempted")
"""The states in which a run has ended. (A preempted run may be started again; as that run it is over until then.)"""

STATES = ("pending", "running", "preempting", *TERMINAL)
"""The states that a run may have, as W&B's own clients know them (0.31.0, seen)."""

_HEARTBEATS = ("heartbeat_at", "updated_at")
"""Fields that move by themselves: alone, they are no change, unless ``only()`` names them."""


def _number(value: Any, what: str, *, zero: bool) -> None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and (value > 0 or (zero and value == 0))
    if not good:
        raise QueryError(f"{what} is a number of seconds {'from' if zero else 'above'} 0, not {value!r}")


class _Pace:
    """When the next poll is: every ``interval`` seconds, until ``timeout`` seconds (None: no end) are over."""

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
        """Seconds for one poll: the first is always made, with however little time."""
        return None if self.left is None or not self.timeout else max(self.left, 0.001)

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        left = self.left
        return left is not None and left <= 0

    def pause(self) -> float | None:
        """Seconds to sleep before the next poll; None when there is none."""
        left = self.left
        if left is None:
            return self.interval
        return None if left <= 0 else min(self.interval, left)


# -- one object again ------------------------------------------------------------------------------


def _again(row: Any, fields: tuple[str, ...]) -> Plan:
    """The plan that finds this very object, with these fields."""
    from wbmodel.query.conditions import resolve
    from wbmodel.query.plan import Plan
    from wbmodel.query.q import Q

    meta: EntityMeta = type(row).__wbmodel_meta__
    scopes = meta.options.scopes
    asked: dict[str, Any] = {meta.key: getattr(row, meta.key)}
    home = row._home()
    if meta.name == "Project":
        asked["entity"] = row.entity
    elif "project" in scopes and meta.key != "node_id" and home is not None:
        asked["project"] = home
    where, found = resolve(meta, Q(**asked))
    needs = [point.needs for point in meta.options.points] + [route.needs for route in meta.options.routes]
    if not any(set(item) <= found.keys() for item in needs):
        raise QueryError(
            f"{row!r} does not know what it belongs to, so it cannot be asked for by itself; ask its owner again"
        )
    related = tuple(name for name in fields if _is_widened(row, meta.fields[name]))
    return Plan(meta=meta, where=where, scopes=found, only=fields, related=related, cls=type(row))


def _is_widened(row: Any, field: FieldMeta) -> bool:
    if field.kind is not Kind.REF or field.by_key:
        return False
    target = getattr(row, field.name)
    if target is None:
        return False
    assert field.target is not None
    there = entity_meta(field.target)
    return bool(set(target.loaded_fields()) - {*field.identity, "node_id", there.key})


def look_again(row: Any, fields: tuple[str, ...], target: Target) -> Operation[Any]:
    """The object as the backend has it now. Raises its ``DoesNotExist``."""
    from wbmodel.operations.rows import collect

    for found in (yield from collect(_again(row, fields), target)):
        if not row._is_loaded("node_id") or found.node_id == row.node_id:
            return found
    raise type(row).DoesNotExist(f"{row!r} was deleted on {target.place}, or this account may not see it any more")


def _reloading(row: Any, target: Target) -> Operation[None]:
    found = yield from look_again(row, row.loaded_fields(), target)
    _take_over(row, found)


def _take_over(row: Any, found: Any) -> None:
    """Give ``row`` every value of ``found``, undecoded texts too, and forget what was prefetched or decoded."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    for name in meta.fields:
        if not found._is_loaded(name):
            continue
        slot = meta.slots.get(name)
        if slot is not None:
            # It is decoded again, from the new text, when it is read.
            object.__setattr__(row, slot, object.__getattribute__(found, slot))
            _drop(row, name)
            continue
        old = getattr(row, name, None)
        new = getattr(found, name)
        if meta.fields[name].by_key and old is not None and new is not None and _same_key(old, new):
            continue  # what was prefetched for it stays
        object.__setattr__(row, name, new)
    _drop(row, "_prefetched")
    _drop(row, "_edits")


def _drop(row: Any, slot: str) -> None:
    try:
        object.__delattr__(row, slot)
    except AttributeError:
        pass


def _same_key(one: Any, other: Any) -> bool:
    key = type(one).__wbmodel_meta__.key
    return bool(getattr(one, key) == getattr(other, key))


def reload(row: Any) -> None:
    """Load every loaded field of ``row`` again, in place."""
    session: Session = row.session
    session.run(_reloading(row, session.target))


async def areload(row: Any) -> None:
    """The twin of :func:`reload`."""
    session: Session = row.session
    await session.arun(_reloading(row, session.target))


# -- waiting for a run -----------------------------------------------------------------------------


class Waiting:
    """One wait for one run to reach a state: when to look, what to look for, and what to say when it takes too long."""

    def __init__(self, run: Any, timeout: float | None, until: str | Iterable[str], interval: float) -> None:
        wanted = (until,) if isinstance(until, str) else tuple(until)
        for state in wanted:
            if state not in STATES:
                raise QueryError(f"no run is ever {state!r}{suggestion(str(state), STATES, 'its states')}")
        if not wanted:
            raise QueryError("until= names no state to wait for; leave it out to wait for the end")
        self.run, self.wanted = run, wanted
        self.pace = _Pace(interval, timeout)
        self.session: Session = run.session
        self.target = self.session.target

    def _look(self) -> Operation[bool]:
        """Whether the wait is over. Only the state is asked for, until it is: then all that was loaded is, once."""
        now = yield from look_again(self.run, ("state",), self.session.target)
        object.__setattr__(self.run, "state", now.state)
        if now.state not in self.wanted and now.state not in TERMINAL:
            return False
        yield from _reloading(self.run, self.session.target)
        return True

    def _pause(self) -> float:
        seconds = self.pace.pause()
        if seconds is None:
            raise self._late() from None
        return seconds

    def _late(self) -> WaitTimeout:
        names = " or ".join(self.wanted)
        return WaitTimeout(
            f"{self.run.path} is {self.run.state} after {self.pace.timeout:g} s of waiting for {names}; "
            "give it more with wait(timeout=seconds), or none to wait for as long as it takes"
        )

    def wait(self) -> None:
        """Sleep and look until it is over. Raises :class:`~wbmodel.errors.WaitTimeout`."""
        try:
            while not self.session.run(self._look(), timeout=self.pace.limit):
                time.sleep(self._pause())
        except RequestTimeout as error:
            # Either the end of the wait cut it short, or the session's own limit for a request.
            if self.pace.over:
                raise self._late() from error
            raise

    async def await_(self) -> None:
        """The twin of :meth:`wait`."""
        import asyncio

        try:
            # No server says by itself that a run has ended, so there is no event to wait for.
            while not await self.session.arun(self._look(), timeout=self.pace.limit):  # noqa: ASYNC110
                await asyncio.sleep(self._pause())
        except RequestTimeout as error:
            # Either the end of the wait cut it short, or the session's own limit for a request.
            if self.pace.over:
                raise self._late() from error
            raise


# -- watching a queryset ---------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False)
class Change(Generic[E_co]):
    """One change that :meth:`QuerySet.watch` saw: ``kind``, the object as it is now (of a removed one, as it was last),
    as it was ``before`` (None for an added one), and the names of the ``fields`` that differ."""

    kind: Literal["added", "changed", "removed"]
    obj: E_co
    before: E_co | None = None
    fields: tuple[str, ...] = ()

    def __repr__(self) -> str:
        names = f" {', '.join(self.fields)}" if self.fields else ""
        return f"<Change {self.kind} {self.obj!r}{names}>"


class Watching(Generic[E_co]):
    """The part of a queryset that watches. It keeps the rows of the last poll and nothing older."""

    def watch(
        self, interval: float = 30, timeout: float | None = None, *, existing: bool = False
    ) -> Iterator[Change[E_co]]:
        """Ask every ``interval`` seconds, and give each :class:`Change` since the poll before, until ``timeout``
        seconds are over (None: for ever). What is there at the start is no change; with ``existing``, it is added.

        Loaded fields are compared (``only("state")`` watches the state). ``heartbeat_at`` and ``updated_at`` count only
        where ``only()`` names them, and an order that changes is no change. A slice watches who is in it.
        """
        watch = _Watch(cast("QuerySet[E_co, Any]", self), _Pace(interval, timeout), existing)

        def changes() -> Iterator[Change[E_co]]:
            pause: float | None = 0.0
            while pause is not None:
                if pause:
                    time.sleep(pause)
                try:
                    rows = watch.session.run(watch.poll(), timeout=watch.limit)
                except RequestTimeout:
                    if watch.pace.over:
                        return
                    raise
                yield from watch.take(rows)
                pause = watch.pace.pause()

        return changes()

    def awatch(
        self, interval: float = 30, timeout: float | None = None, *, existing: bool = False
    ) -> AsyncIterator[Change[E_co]]:
        """The twin of :meth:`watch`."""
        watch = _Watch(cast("QuerySet[E_co, Any]", self), _Pace(interval, timeout), existing)

        async def changes() -> AsyncIterator[Change[E_co]]:
            import asyncio

            pause: float | None = 0.0
            while pause is not None:
                if pause:
                    await asyncio.sleep(pause)
                try:
                    rows = await watch.session.arun(watch.poll(), timeout=watch.limit)
                except RequestTimeout:
                    if watch.pace.over:
                        return
                    raise
                for change in watch.take(rows):
                    yield change
                pause = watch.pace.pause()

        return changes()


class _Watch:
    """One watch: the rows of the last poll by identity, each with what its fields were."""

    def __init__(self, rows: QuerySet[Any, Any], pace: _Pace, existing: bool) -> None:
        rows._refuse_shaped("watch")
        self.rows, self.pace = rows, pace
        # Bound now: a session that becomes the current one later must not look like a change of everything.
        self.session = rows._bind()
        self.known: dict[str, tuple[Any, dict[str, Any]]] | None = {} if existing else None
        named = rows._plan.only or ()
        self.ignored = frozenset(name for name in _HEARTBEATS if name not in named)

    @property
    def limit(self) -> float | None:
        """Seconds for one poll: the queryset's own limit, and the end of the watch."""
        limits = [seconds for seconds in (self.rows._timeout, self.pace.limit) if seconds is not None]
        return min(limits, default=None)

    def poll(self) -> Operation[list[Any]]:
        """All rows as they are now."""
        from wbmodel.operations.prefetch import prefetch
        from wbmodel.operations.rows import collect

        plan, target = self.rows._evaluable(), self.session.target
        found = yield from collect(plan, target)
        if plan.prefetch:
            yield from prefetch(found, plan.prefetch, target)
        return found

    def take(self, rows: list[Any]) -> list[Change[Any]]:
        """What differs from the poll before, in the order of the rows; what is gone comes first."""
        before = self.known
        now = {row.node_id: (row, _marks(row, self.ignored)) for row in rows}
        self.known = now
        if before is None:
            return []
        made = [Change(kind="removed", obj=row, before=row) for key, (row, _) in before.items() if key not in now]
        for key, (row, marks) in now.items():
            if key not in before:
                made.append(Change(kind="added", obj=row))
                continue
            old, was = before[key]
            names = tuple(name for name, mark in marks.items() if not _same(was.get(name), mark))
            if names:
                made.append(Change(kind="changed", obj=row, before=old, fields=names))
        return made


def _marks(row: Any, ignored: frozenset[str]) -> dict[str, Any]:
    """What each loaded field holds, in a form that no change to the object's dicts and lists can reach."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    made: dict[str, Any] = {}
    for name in row.loaded_fields():
        if name in ignored:
            continue
        field, slot = meta.fields[name], meta.slots.get(name)
        if slot is not None:
            kept = object.__getattribute__(row, slot)
            made[name] = kept if field.kind is Kind.TEXTS else _Text(kept)
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
        return one.text == other.text or _canonical(one.text) == _canonical(other.text)
    # NaN is not equal to itself, and still the same.
    return bool(one == other) or (one != one and other != other)


def _canonical(text: str | None) -> Any:
    """JSON without what means nothing: spaces and the order of keys."""
    import json

    from wbmodel.codec import loads

    if text is None:
        return None
    try:
        return json.dumps(loads(text), sort_keys=True)
    except (ValueError, RecursionError):  # YAML, or no JSON at all
        return text
