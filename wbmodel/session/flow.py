"""Runs an operation without colour: passes its asks through the wrappers and yields steps for a driver.

:class:`Flow` steps an operation and the wrappers around each ask. Asks that are waited for at the same time are sent
together, so that a batch stays a batch through any number of wrappers. A step is either rows for the caller
(:class:`Emit`), or a wait in either colour: ``now()`` and its twin ``later()``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wbmodel.backend.asks import Ask, Fetch, Open, Read, Request, door_of
from wbmodel.backend.verbs import END, Batch, Emit, Join, Next, Send, Start, Verb
from wbmodel.errors import PluginError, exit_of_plugin
from wbmodel.session.calls import ANSWERS, Caller, Collecting, Exchange, Leaf, Place, Pull

if TYPE_CHECKING:
    from wbmodel.registry import WrapperEntry
    from wbmodel.session.clock import Clock

__all__ = ["Flow", "Operation"]

T = TypeVar("T")
Operation = Generator[Verb, Any, T]
"""A piece of work without I/O or colour: it yields verbs and receives the answers."""

Steps = Generator[Any, None, T]
_STREAMS = (Read, Open, Fetch)


class Flow(Generic[T]):
    """The steps of ``operation`` at ``place``, within ``clock``: an iterator of :class:`Emit` and of steps to wait for.
    :attr:`value` holds the operation's value once it is over. :meth:`close` ends the operation early."""

    def __init__(self, operation: Operation[T], place: Place, clock: Clock) -> None:
        self.operation, self.caller = operation, Caller(place, clock)
        self.value: T
        self.over = False
        self.pulls: list[Pull] = []
        """The backend streams that were opened."""
        self._begun: set[Asking] = set()
        self._steps = self._run()

    def __iter__(self) -> Flow[T]:
        return self

    def __next__(self) -> Any:
        return next(self._steps)

    def close(self) -> None:
        """End the operation and the asks it began. The driver closes the streams (:attr:`pulls`) in its own colour."""
        self._steps.close()

    def _run(self) -> Steps[None]:
        operation, answer, error = self.operation, None, None
        try:
            while True:
                try:
                    verb = operation.send(answer) if error is None else operation.throw(error)
                except StopIteration as stop:
                    self.value = stop.value
                    return
                answer = error = None
                if isinstance(verb, Emit):
                    yield verb
                    continue
                try:
                    if isinstance(verb, Next):
                        answer = yield from self._next(_stream(verb.stream))
                    elif isinstance(verb, Send):
                        answer = (yield from self._settled([Asking(self, verb.request)]))[0]
                    elif isinstance(verb, Batch):
                        answer = yield from self._settled([Asking(self, ask) for ask in verb.requests])
                    elif isinstance(verb, Start):
                        answer = Asking(self, verb.request)
                        self._begun.add(answer)
                        answer.begin()
                    elif isinstance(verb, Join):
                        answer = (yield from self._settled([self._joined(verb.handle)]))[0]
                    else:
                        raise TypeError(
                            f"an operation must yield Send, Batch, Start, Join, Next or Emit, not {type(verb).__name__}"
                        )
                except Exception as raised:
                    error = raised
        finally:
            error = None  # the exception's traceback refers to this frame
            self.over = True
            operation.close()
            for asking in self._begun:
                asking.close()

    def _joined(self, handle: Any) -> Asking:
        if not isinstance(handle, Asking) or handle not in self._begun:
            raise TypeError("Join takes a handle that the same operation got for a Start, and only once")
        self._begun.discard(handle)
        return handle

    def _settled(self, askings: Sequence[Asking]) -> Steps[list[Any]]:
        """The answers to several asks. If any fail, the first error is raised instead."""
        try:
            while True:
                waiting = [leaf for asking in askings for leaf in asking.advance()]
                for asking in askings:
                    if asking.error is not None:
                        raise asking.error
                if not waiting:
                    return [asking.answer for asking in askings]
                yield from self._exchanged(waiting)
        finally:
            for asking in askings:
                asking.close()

    def _exchanged(self, waiting: list[Asking]) -> Steps[None]:
        """Have the backend answer asks that have passed all wrappers, together where possible."""
        requests = [leaf for leaf in waiting if leaf.future is None and leaf.ask.__class__ is Request]
        if requests:
            yield Exchange(self.caller, requests)
        for leaf in waiting:
            if leaf.done:
                continue
            if leaf.future is not None:
                collecting, leaf.future = leaf.future, None
                yield collecting
            elif leaf.ask.__class__ is not Request:
                yield Exchange(self.caller, [leaf])

    def _next(self, stream: Stream) -> Steps[Any]:
        """The next item of a stream, or END."""
        while stream.inner is not None:
            stream = stream.inner
        if stream.wrapper is None:
            pull = stream.pull or stream.opened(self)
            yield pull
            return pull.taken()
        while not stream.ready and not stream.over:
            yield from self._unwrapped(stream)
            if stream.inner is not None:
                return (yield from self._next(stream.inner))
        return stream.ready.popleft() if stream.ready else END

    def _unwrapped(self, stream: Stream) -> Steps[None]:
        """Step the wrapper of a stream until it emits items or ends."""
        wrapper, running, answer, error = stream.wrapper, stream.running(self), None, None
        assert wrapper is not None
        while True:
            try:
                verb = running.send(answer) if error is None else running.throw(error)
            except StopIteration as stop:
                stream.over = True
                if isinstance(stop.value, Stream):
                    stream.inner = stop.value
                return
            answer = error = None
            if isinstance(verb, Emit):
                stream.ready.extend(verb.rows)
                return
            try:
                if isinstance(verb, Next):
                    answer = yield from self._next(_stream(verb.stream))
                elif isinstance(verb, Send):
                    answer = (yield from self._settled([Asking(self, verb.request, stream.layer + 1)]))[0]
                else:
                    raise PluginError(
                        f"wrapper {wrapper.name!r} yielded {type(verb).__name__}; around a stream, a wrapper must "
                        "yield Send, Next or Emit"
                    )
            except Exception as raised:
                error = raised


def _stream(handle: Any) -> Stream:
    if not isinstance(handle, Stream):
        raise TypeError("Next takes the handle that answered a Send of Read, Open or Fetch")
    return handle


def _wrapper_of(place: Place, ask: Ask, layer: int) -> tuple[WrapperEntry | None, int]:
    """The next wrapper from ``layer`` on that handles the door of ``ask``, and its index."""
    door = door_of(ask)
    wrappers = place.wrappers if door is not None else ()
    for at in range(layer, len(wrappers)):
        if door in wrappers[at].doors:
            return wrappers[at], at
    return None, len(wrappers)


class Asking(Leaf):
    """One ask that passes through the wrappers from ``layer`` on, until it has its answer or error."""

    __slots__ = ("_batch", "_inner", "_layer", "_running", "_wrapper", "flow", "future")

    def __init__(self, flow: Flow[Any], ask: Ask, layer: int = 0) -> None:
        super().__init__(ask)
        self.flow = flow
        self.future: Collecting | None = None
        """The pending answer of the backend to an ask that was started."""
        self._running: Generator[Any, Any, Any] | None = None
        self._inner: list[Asking] = []
        self._batch = False
        if isinstance(ask, _STREAMS):
            self.finish(Stream(flow.caller.place, ask, layer))
            return
        self._wrapper, self._layer = _wrapper_of(flow.caller.place, ask, layer)

    def advance(self) -> list[Asking]:
        """Advance as far as possible without waiting. Returns the asks that the backend must answer to go on."""
        if self.done:
            return []
        if self._wrapper is None:
            return [self]
        while not self.done:
            waiting = [leaf for inner in self._inner for leaf in inner.advance()]
            failed = next((inner.error for inner in self._inner if inner.error is not None), None)
            if failed is None and waiting:
                return waiting
            self._resume(failed)
        return []

    def _resume(self, failed: Exception | None) -> None:
        """Step the wrapper with the answers it waited for."""
        wrapper = self._wrapper
        assert wrapper is not None
        inner, self._inner = self._inner, []
        try:
            if self._running is None:
                self._running = wrapper.wrapper(self.ask, self.flow.caller.place.call_info)
                verb = next(self._running)
            elif failed is not None:
                for each in inner:
                    each.close()
                verb = self._running.throw(failed)
            else:
                answers = [each.answer for each in inner]
                verb = self._running.send(answers if self._batch else answers[0])
        except StopIteration as stop:
            return self.finish(stop.value, self._wrong(stop.value))
        except Exception as error:
            return self.finish(None, error)
        except SystemExit as error:
            told = exit_of_plugin(error, f"wrapper {wrapper.name!r}", wrapper.wrapper.__module__)
            if told is None:
                raise
            return self.finish(None, told)
        if not isinstance(verb, Send | Batch):
            told = PluginError(
                f"wrapper {wrapper.name!r} yielded {type(verb).__name__}; a wrapper must yield Send or Batch"
            )
            self._running.close()
            return self.finish(None, told)
        self._batch = isinstance(verb, Batch)
        asks = verb.requests if isinstance(verb, Batch) else (verb.request,)
        self._inner = [Asking(self.flow, ask, self._layer + 1) for ask in asks]
        return None

    def _wrong(self, answer: Any) -> Exception | None:
        wanted = ANSWERS[type(self.ask)]
        if isinstance(answer, wanted):
            return None
        assert self._wrapper is not None
        return PluginError(
            f"wrapper {self._wrapper.name!r} returned {type(answer).__name__}; a wrapper must return a "
            f"{getattr(wanted, '__name__', 'None')}"
        )

    def begin(self) -> None:
        """Have the backend begin at once, if that saves time. Raises any error in doing so."""
        if not self.flow.caller.place.backend.capabilities.concurrent:
            return
        waiting = self.advance()
        if self.error is not None:
            raise self.error
        if len(waiting) == 1 and waiting[0].ask.__class__ is Request:
            waiting[0].future = Collecting(self.flow.caller, waiting[0])

    def close(self) -> None:
        """Cancel everything in flight."""
        if self.future is not None:
            self.future.cancel()
            self.future = None
        for inner in self._inner:
            inner.close()
        if self._running is not None:
            self._running.close()


class Stream:
    """The handle of a stream, from the backend itself or from a wrapper around it."""

    __slots__ = ("_running", "ask", "inner", "layer", "over", "pull", "ready", "wrapper")

    def __init__(self, place: Place, ask: Any, layer: int) -> None:
        self.ask = ask
        self.wrapper, self.layer = _wrapper_of(place, ask, layer)
        self.pull: Pull | None = None
        self.inner: Stream | None = None
        """The stream that the wrapper returned, which replaces this one."""
        self.ready: deque[Any] = deque()
        self.over = False
        self._running: Generator[Any, Any, Any] | None = None

    def opened(self, flow: Flow[Any]) -> Pull:
        """The step that takes an item from the backend."""
        self.pull = Pull(flow.caller, self.ask)
        flow.pulls.append(self.pull)
        return self.pull

    def running(self, flow: Flow[Any]) -> Generator[Any, Any, Any]:
        """The wrapper's generator, created on the first call."""
        if self._running is None:
            assert self.wrapper is not None
            self._running = self.wrapper.wrapper(self.ask, flow.caller.place.call_info)
        return self._running
