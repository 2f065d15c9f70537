"""The steps of a flow that wait for a backend: a call, an answer that was begun earlier, the next item of a stream.

Each has ``now()`` and a twin ``later()``. A backend's error is stored instead of raised: the flow raises it at the
operation's ``yield``. Anything else that is raised (Ctrl-C, a cancellation) propagates.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, cast

import attrs

from wbmodel.backend.asks import Append, Ask, ColumnBatch, Fetch, Open, Posted, Put, Read, Request, Response, Work
from wbmodel.backend.base import SyncBackend
from wbmodel.backend.doors import door_method
from wbmodel.backend.owner_loop import WaitedTooLong, within
from wbmodel.backend.verbs import END
from wbmodel.errors import ConfigurationError, IntegrityError, PluginError, QueryWarning, exit_of_plugin, warn
from wbmodel.session.observers import Outcome

if TYPE_CHECKING:
    from concurrent.futures import Future

    from typing_extensions import Self

    from wbmodel.backend import Backend
    from wbmodel.hookspecs import CallInfo
    from wbmodel.registry import WrapperEntry
    from wbmodel.session.clock import Clock
    from wbmodel.session.observers import Ended

__all__ = ["ANSWERS", "Caller", "Collecting", "Exchange", "Leaf", "Place", "Pull"]

ANSWERS: dict[type, type] = {Request: Response, Append: Posted, Put: type(None), Work: object}
"""The type of the answer to each ask that is not answered by a stream."""


class Place(Protocol):
    """The part of a session that calls need."""

    @property
    def url(self) -> str: ...
    @property
    def backend(self) -> Backend: ...
    @property
    def wrappers(self) -> Sequence[WrapperEntry]: ...
    @property
    def call_info(self) -> CallInfo: ...
    def observe(self, asks: Sequence[Ask]) -> Ended:
        """Tell the observers what is about to go to the backend. The function returned must get the outcome."""
        ...


@attrs.frozen(slots=True)
class Caller:
    """Where the calls of one operation go, and how long they may take."""

    place: Place
    clock: Clock


class Leaf:
    """An ask, with its answer or error once there is one."""

    __slots__ = ("answer", "ask", "done", "error")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.answer: Any = None
        self.error: Exception | None = None
        self.done = False

    def finish(self, answer: Any = None, error: Exception | None = None) -> None:
        """Store the answer, or the error instead."""
        self.answer, self.error, self.done = answer, error, True


class _Told:
    """A block around a call: notifies observers before and after it, and stores the answers in the leaves."""

    __slots__ = ("_end", "answers", "caller", "leaves")

    def __init__(self, caller: Caller, leaves: Sequence[Leaf]) -> None:
        self.caller, self.leaves = caller, leaves
        self.answers: Sequence[Any] = ()
        self._end: Ended | None = None

    def begin(self) -> None:
        """Notify observers that the call starts. Raises :class:`~wbmodel.errors.RequestTimeout` if no time is left."""
        asks = [leaf.ask for leaf in self.leaves]
        self.caller.clock.note(asks)
        self._end = self.caller.place.observe(asks)

    def end(self, error: BaseException | None) -> None:
        """Notify observers, once, of the outcome: the answers or the error."""
        end, self._end = self._end, None
        if end is not None:
            end(Outcome(self.answers if error is None else None, error))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        error = _contained(self.caller, error) if error is not None else self._wrong()
        self.end(error)
        if error is not None and not isinstance(error, Exception):
            return False
        for index, leaf in enumerate(self.leaves):
            leaf.finish(self.answers[index] if error is None else None, error)
            if isinstance(leaf.answer, Response) and leaf.answer.note is not None:
                for sentence in leaf.answer.note.told:
                    try:
                        warn(sentence, QueryWarning)
                    except QueryWarning as raised:  # warnings are errors in this process
                        leaf.finish(None, raised)
        return True

    def _wrong(self) -> Exception | None:
        """The error if the backend gave the wrong number or type of answers."""
        name, answers = self.caller.place.call_info.backend, self.answers
        if len(answers) != len(self.leaves):
            return PluginError(f"backend {name!r} gave {len(answers)} answers to {len(self.leaves)} requests")
        for leaf, answer in zip(self.leaves, answers, strict=True):
            wanted = ANSWERS[type(leaf.ask)]
            if not isinstance(answer, wanted):
                return PluginError(
                    f"the backend {name!r} answered with {type(answer).__name__} instead of {wanted.__name__}"
                )
        return None


def _contained(caller: Caller, error: BaseException) -> BaseException:
    if isinstance(error, SystemExit):
        place = caller.place
        who = f"the backend {place.call_info.backend!r}"
        return exit_of_plugin(error, who, type(place.backend).__module__) or error
    return error


class Exchange:
    """Asks that are sent together: several requests, or one ask of another kind."""

    __slots__ = ("caller", "leaves")

    def __init__(self, caller: Caller, leaves: Sequence[Leaf]) -> None:
        self.caller, self.leaves = caller, leaves

    def now(self) -> None:
        """Send the asks and wait for the answers."""
        with _Told(self.caller, self.leaves) as told:
            ask = self.leaves[0].ask
            if isinstance(ask, Work):
                told.answers = [ask.function()]
                return
            told.begin()
            backend, clock = self.caller.place.backend, self.caller.clock
            if not isinstance(ask, Request):
                method, given = door_method(backend, ask, "")
                told.answers = [method(*given, timeout=clock.left())]
            elif len(self.leaves) == 1:
                told.answers = [backend.execute(ask, timeout=clock.left())]
            elif self._in_turn:
                told.answers = [backend.execute(request, timeout=clock.left()) for request in self._requests]
            else:
                told.answers = backend.execute_many(self._requests, timeout=clock.left())

    async def later(self) -> None:
        """The twin of :meth:`now`."""
        with _Told(self.caller, self.leaves) as told:
            ask = self.leaves[0].ask
            if isinstance(ask, Work):
                import asyncio

                told.answers = [await asyncio.to_thread(ask.function)]
                return
            told.begin()
            backend, clock = self.caller.place.backend, self.caller.clock
            if not isinstance(ask, Request):
                method, given = door_method(backend, ask, "a")
                told.answers = [await method(*given, timeout=clock.left())]
            elif len(self.leaves) == 1:
                told.answers = [await backend.aexecute(ask, timeout=clock.left())]
            elif self._in_turn:
                told.answers = [await backend.aexecute(request, timeout=clock.left()) for request in self._requests]
            else:
                told.answers = await backend.aexecute_many(self._requests, timeout=clock.left())

    @property
    def _requests(self) -> list[Request]:
        return [cast("Request", leaf.ask) for leaf in self.leaves]

    @property
    def _in_turn(self) -> bool:
        """Whether the backend answers a batch in a loop, so that each request can get the time left at its turn."""
        backend = self.caller.place.backend
        loops = isinstance(backend, SyncBackend) and type(backend).execute_many is SyncBackend.execute_many
        return self.caller.clock.limited and loops and not backend.capabilities.concurrent


class Collecting:
    """The answer to a request that was begun earlier, on a thread or on the backend's own loop. (A task on the caller's
    event loop would start only when the caller next awaits something.)"""

    __slots__ = ("_future", "_told", "leaf")

    def __init__(self, caller: Caller, leaf: Leaf) -> None:
        self.leaf = leaf
        self._told = _Told(caller, [leaf])
        self._future: Future[Response] | None = None
        self._told.begin()
        try:
            self._future = caller.place.backend.submit(cast("Request", leaf.ask), timeout=caller.clock.left())
        except BaseException as error:
            self._told.end(error)
            raise

    def now(self) -> None:
        """Wait for the answer."""
        with self._told as told:
            future = self._taken()
            try:
                told.answers = [self._outcome(future)]
            except BaseException:
                future.cancel()
                raise

    async def later(self) -> None:
        """The twin of :meth:`now`."""
        import asyncio

        with self._told as told:
            future = self._taken()
            try:
                # wait() and not await: if another caller cancels the request, this task must not look cancelled.
                waiter = asyncio.wrap_future(future)
                await asyncio.wait((waiter,))
                if not waiter.cancelled():
                    waiter.exception()  # retrieved here, or asyncio would log it as never retrieved
                told.answers = [self._outcome(future)]
            except BaseException:
                future.cancel()
                raise

    def cancel(self) -> None:
        """Cancel the request. An answer that has already arrived still counts for the observers."""
        if self._future is None:
            return
        future = self._taken()
        came_in = not future.cancel() and future.done() and future.exception() is None
        if came_in and isinstance(answer := future.result(), Response):
            self._told.answers = [answer]
            self._told.end(None)
        else:
            self._told.end(GeneratorExit())

    def _taken(self) -> Future[Response]:
        future, self._future = self._future, None  # the outcome is reported only once
        assert future is not None
        return future

    def _outcome(self, future: Future[Response]) -> Response:
        from concurrent.futures import CancelledError

        try:
            return future.result()
        except CancelledError:
            name = self._told.caller.place.call_info.backend
            raise ConfigurationError(f"{name} was closed while a request was under way") from None


class Pull:
    """Takes the next item of a backend's stream. The first call opens the stream; the driver closes it."""

    __slots__ = ("_bytes", "_end", "_error", "_item", "_patient", "_rows", "ask", "caller", "over", "source")

    def __init__(self, caller: Caller, ask: Ask) -> None:
        self.caller, self.ask = caller, ask
        self.over = False
        self.source: Any = None
        self._item: Any = END
        self._error: Exception | None = None
        self._end: Ended | None = None
        self._rows = self._bytes = 0
        self._patient = False

    def now(self) -> None:
        """Take an item."""
        if self.over:
            return
        try:
            left = self.caller.clock.left()
            source = self._open("") if self.source is None else self.source
            if self._patient:
                source.timeout = left
            item = next(source, END)
        except BaseException as error:
            self._failed(error)
        else:
            self._came(item)

    async def later(self) -> None:
        """The twin of :meth:`now`."""
        if self.over:
            return
        try:
            left = self.caller.clock.left()
            source = self._open("a") if self.source is None else self.source
            if left is None or not self._patient:
                item = await anext(source, END)
            else:
                item = await within(anext(source, END), left)
        except BaseException as error:
            self._failed(error)
        else:
            self._came(item)

    def taken(self) -> Any:
        """The item, or END. Raises the error if there was one."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        item, self._item = self._item, END
        return item

    def close(self) -> None:
        """Close the source and notify observers that the stream is over."""
        self._finish(GeneratorExit())
        if hasattr(self.source, "close"):
            self.source.close()

    async def aclose(self) -> None:
        """The twin of :meth:`close`."""
        self._finish(GeneratorExit())
        if hasattr(self.source, "aclose"):
            await self.source.aclose()

    def _open(self, colour: str) -> Any:
        ask, caller = self.ask, self.caller
        caller.clock.note([ask])
        self._end = caller.place.observe([ask])
        method, given = door_method(caller.place.backend, ask, colour)
        self.source = method(*given)
        # A source that works in this process without waiting cannot be interrupted, and need not be.
        backend = caller.place.backend
        self._patient = hasattr(self.source, "timeout") if not colour else getattr(backend, "blocking", True)
        return self.source

    def _came(self, item: Any) -> None:
        self._item = item
        if item is END:
            self._error = self._cut_off()
            self._finish(self._error)
        elif item.__class__ is bytes:
            self._bytes += len(item)
        elif item.__class__ is ColumnBatch:
            self._rows += item.length
        elif self.ask.__class__ is Fetch:
            self._bytes += sum(done.bytes for done in item)

    def _cut_off(self) -> Exception | None:
        """The error if the bytes ended before the promised size."""
        ask = self.ask
        size = ask.ref.size if isinstance(ask, Open) else None
        if not isinstance(ask, Open) or size is None or ask.start + self._bytes >= size:
            return None
        return IntegrityError(
            f"{ask.ref.name} has {size:,} bytes, but {self.caller.place.url} stopped after {ask.start + self._bytes:,}"
        )

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, WaitedTooLong):
            error = self.caller.clock.overrun(self.ask)
        error = _contained(self.caller, error)
        self._finish(error)
        if not isinstance(error, Exception):
            raise error
        self._error = error

    def _finish(self, error: BaseException | None) -> None:
        self.over = True
        end, self._end = self._end, None
        if end is not None:
            columns = self.ask.__class__ is Read
            end(Outcome(None if error else (), error, self._rows if columns else None, self._bytes or None))
