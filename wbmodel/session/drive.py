"""The only coloured code: two drivers that carry an I/O-free operation to its end over a backend.

An operation is a generator over the verbs of :mod:`wbmodel.backend.asks`. What a backend raises is raised at the
operation's ``yield``, so that it can retry or clean up. Wrappers are layered around every request, without colour:
the requests of one :class:`~wbmodel.backend.asks.Batch` go through them in lockstep, so a batch stays a batch.

Reading ahead starts a request at once where the backend says that this saves time (``capabilities.concurrent``);
elsewhere the request is sent at :class:`~wbmodel.backend.asks.Wait`, and one that is never waited for costs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs

from wbmodel.backend.asks import Ahead, Batch, Emit, Request, Response, Send, Verb, Wait
from wbmodel.backend.base import Backend
from wbmodel.errors import ConfigurationError, PluginError
from wbmodel.hookspecs import CallInfo, Wrapper

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Doors", "NamedWrapper", "Operation", "aiterate", "arun", "iterate", "layered", "run"]

T = TypeVar("T")
Operation = Generator[Verb, Any, T]
_Raw = Generator[Sequence[Request], Sequence[Response], list[Response]]


@attrs.frozen(slots=True)
class NamedWrapper:
    """A wrapper with the name it was registered under, for messages."""

    name: str
    wrapper: Wrapper
    order: int = 0


class Doors(Protocol):
    """What the drivers need of a session."""

    @property
    def backend(self) -> Backend: ...
    @property
    def timeout(self) -> float | None: ...
    @property
    def in_turn(self) -> bool:
        """Whether the requests of a batch go to the backend one by one, each with the timeout of its moment."""
        ...

    @property
    def wrappers(self) -> Sequence[NamedWrapper]: ...
    @property
    def call_info(self) -> CallInfo: ...

    def sending(self, requests: Sequence[Request]) -> None:
        """Called with what goes to the backend, just before it does."""
        ...

    def received(self, responses: Sequence[Response]) -> None:
        """Called with what the backend answered."""
        ...

    def failed(self, requests: Sequence[Request], error: BaseException) -> None:
        """Called when the backend raised ``error`` instead; an error that is no ``Exception`` (a cancellation, or the
        ``GeneratorExit`` of an operation that was closed) says that nobody waits any more."""
        ...


# -- wrappers, without colour ----------------------------------------------------------------------


def layered(requests: Sequence[Request], wrappers: Sequence[NamedWrapper], info: CallInfo) -> _Raw:
    """Yield the lists of requests that are to go to the backend; return the answers that the caller sees."""
    if not wrappers:
        return list((yield requests))
    outer, inner = wrappers[0], wrappers[1:]
    running = [outer.wrapper(request, info) for request in requests]
    results: list[Response | None] = [None] * len(requests)
    resume: list[tuple[int, Callable[[], Any]]] = [(at, layer.__next__) for at, layer in enumerate(running)]
    try:
        while resume:
            wanted: list[tuple[int, Send | Batch]] = []
            for at, step in resume:
                try:
                    verb = step()
                except StopIteration as stop:
                    results[at] = _checked(stop.value, outer.name)
                    continue
                if not isinstance(verb, Send | Batch):
                    raise PluginError(
                        f"wrapper {outer.name!r} yielded {type(verb).__name__}; a wrapper yields Send or Batch"
                    )
                wanted.append((at, verb))
            resume = yield from _answers(wanted, running, inner, info)
    finally:
        for layer in running:
            layer.close()
    return [result for result in results if result is not None]


def _answers(
    wanted: list[tuple[int, Send | Batch]],
    running: Sequence[Generator[Any, Any, Response]],
    inner: Sequence[NamedWrapper],
    info: CallInfo,
) -> Generator[Sequence[Request], Sequence[Response], list[tuple[int, Callable[[], Any]]]]:
    """Have the layers further in answer ``wanted``, in one go; give the calls that resume each waiting wrapper."""
    flat = [
        request for _, verb in wanted for request in (verb.requests if isinstance(verb, Batch) else (verb.request,))
    ]
    if not flat:
        return [(at, _sender(running[at], [])) for at, _ in wanted]
    try:
        responses = yield from layered(flat, inner, info)
    except Exception as error:
        return [(at, _thrower(running[at], error)) for at, _ in wanted]
    resume: list[tuple[int, Callable[[], Any]]] = []
    start = 0
    for at, verb in wanted:
        if isinstance(verb, Batch):
            stop = start + len(verb.requests)
            resume.append((at, _sender(running[at], responses[start:stop])))
        else:
            stop = start + 1
            resume.append((at, _sender(running[at], responses[start])))
        start = stop
    return resume


def _sender(layer: Generator[Any, Any, Response], answer: Any) -> Callable[[], Any]:
    return lambda: layer.send(answer)


def _thrower(layer: Generator[Any, Any, Response], error: Exception) -> Callable[[], Any]:
    return lambda: layer.throw(error)


def _checked(value: Any, name: str) -> Response:
    if not isinstance(value, Response):
        raise PluginError(f"wrapper {name!r} returned {type(value).__name__}; a wrapper returns a Response")
    return value


def _counted(responses: Sequence[Response], requests: Sequence[Request], backend: Backend) -> Sequence[Response]:
    if len(responses) != len(requests):
        raise PluginError(f"backend {backend.name!r} gave {len(responses)} answers to {len(requests)} requests")
    return responses


# -- without await ---------------------------------------------------------------------------------


def run(operation: Operation[T], doors: Doors) -> T:
    """Drive ``operation`` to its end and give the value it returns. It must not :class:`~wbmodel.backend.asks.Emit`."""
    driver = _drive(operation, doors)
    try:
        next(driver)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    driver.close()
    raise TypeError(f"{_name(operation)} emits rows: use iterate(), not run()")


def iterate(operation: Operation[Any], doors: Doors) -> Iterator[Sequence[Any]]:
    """What ``operation`` emits, as it comes. Closing the iterator early closes the operation."""
    return _drive(operation, doors)


def _drive(operation: Operation[T], doors: Doors) -> Generator[Sequence[Any], None, T]:
    started: set[_Started] = set()
    answer: Any = None
    error: Exception | None = None
    try:
        while True:
            try:
                verb = operation.send(answer) if error is None else operation.throw(error)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            answer = error = None
            try:
                if isinstance(verb, Send):
                    answer = _exchange(doors, (verb.request,))[0]
                elif isinstance(verb, Emit):
                    yield verb.rows
                elif isinstance(verb, Batch):
                    answer = _exchange(doors, verb.requests)
                elif isinstance(verb, Ahead):
                    answer = _Started(doors, verb.request)
                    started.add(answer)
                else:
                    answer = _taken(verb, started).wait()
            except Exception as raised:
                error = raised
    finally:
        error = None  # the exception's traceback refers to this frame
        operation.close()
        for handle in started:
            handle.cancel()


def _exchange(doors: Doors, requests: Sequence[Request]) -> list[Response]:
    if not requests:
        return []
    return _pump(doors, layered(requests, doors.wrappers, doors.call_info), None)


def _pump(doors: Doors, raw: _Raw, first: Callable[[], list[Response]] | None) -> list[Response]:
    """Answer what ``raw`` asks until it returns. ``first`` collects an answer to a question that was taken already."""
    call = first
    try:
        if call is None:
            call = _caller(doors, next(raw))
        while True:
            try:
                responses = call()
            except Exception as error:
                call = _caller(doors, raw.throw(error))
            else:
                call = _caller(doors, raw.send(responses))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        raw.close()


def _caller(doors: Doors, requests: Sequence[Request]) -> Callable[[], list[Response]]:
    return lambda: _call(doors, requests)


def _call(doors: Doors, requests: Sequence[Request]) -> list[Response]:
    backend = doors.backend
    doors.sending(requests)
    try:
        if len(requests) == 1:
            responses: Sequence[Response] = [backend.execute(requests[0], timeout=doors.timeout)]
        elif doors.in_turn:
            responses = [backend.execute(request, timeout=doors.timeout) for request in requests]
        else:
            responses = _counted(backend.execute_many(requests, timeout=doors.timeout), requests, backend)
    except BaseException as error:
        doors.failed(requests, error)
        raise
    doors.received(responses)
    return list(responses)


class _Started:
    """A request that was read ahead, whichever driver waits for it."""

    def __init__(self, doors: Doors, request: Request) -> None:
        self._doors = doors
        self._request = request
        self._raw: _Raw | None = None
        self._first: Sequence[Request] = ()
        self._ready: list[Response] | None = None
        self._future: Future[Response] | None = None
        if not doors.backend.capabilities.concurrent:
            return
        self._raw = layered((request,), doors.wrappers, doors.call_info)
        try:
            self._first = next(self._raw)
        except StopIteration as stop:  # a wrapper answered by itself
            self._ready = stop.value
            return
        if len(self._first) == 1:
            self._submit(self._raw)

    def _submit(self, raw: _Raw) -> None:
        # Also with await: a task of the caller's event loop would start only when the caller next awaits something.
        doors = self._doors
        doors.sending(self._first)
        try:
            self._future = doors.backend.submit(self._first[0], timeout=doors.timeout)
        except BaseException as error:
            doors.failed(self._first, error)
            raw.close()
            raise

    def wait(self) -> Response:
        if self._raw is None:
            return _exchange(self._doors, (self._request,))[0]
        if self._ready is not None:
            return self._ready[0]
        first = self._collect if self._future is not None else _caller(self._doors, self._first)
        return _pump(self._doors, self._raw, first)[0]

    async def await_(self) -> Response:
        """The twin of :meth:`wait`."""
        if self._raw is None:
            return (await _aexchange(self._doors, (self._request,)))[0]
        if self._ready is not None:
            return self._ready[0]
        first = self._acollect() if self._future is not None else _acall(self._doors, self._first)
        return (await _apump(self._doors, self._raw, first))[0]

    def _collect(self) -> list[Response]:
        future, self._future = self._future, None  # what becomes of it is told here, once
        assert future is not None
        try:
            response = _outcome(future, self._doors)
        except BaseException as error:
            future.cancel()
            self._doors.failed(self._first, error)
            raise
        self._doors.received((response,))
        return [response]

    async def _acollect(self) -> list[Response]:
        import asyncio

        future, self._future = self._future, None
        assert future is not None
        try:
            # wait() and not await: a request that others cancel must not look like the cancelling of this task.
            waiter = asyncio.wrap_future(future)
            await asyncio.wait((waiter,))
            if not waiter.cancelled():
                waiter.exception()  # asyncio would log it as an error that nobody asked for
            response = _outcome(future, self._doors)
        except BaseException as error:
            future.cancel()
            self._doors.failed(self._first, error)
            raise
        self._doors.received((response,))
        return [response]

    def cancel(self) -> None:
        if self._future is not None:
            # An answer that came in meanwhile counts, though nobody wants it.
            came_in = not self._future.cancel() and self._future.done() and self._future.exception() is None
            if came_in and isinstance(response := self._future.result(), Response):
                self._doors.received((response,))
            else:
                self._doors.failed(self._first, GeneratorExit())
        if self._raw is not None:
            self._raw.close()


def _outcome(future: Future[Response], doors: Doors) -> Response:
    from concurrent.futures import CancelledError

    try:
        return future.result()
    except CancelledError:
        name = doors.call_info.backend
        raise ConfigurationError(f"{name} was closed while a request was under way") from None


# -- with await ------------------------------------------------------------------------------------


async def arun(operation: Operation[T], doors: Doors) -> T:
    """The twin of :func:`run`."""
    driver: AsyncGenerator[Any, None] = _adrive(operation, doors)
    destroyed = False
    try:
        async for item in driver:
            if isinstance(item, _Done):
                return item.value  # type: ignore[no-any-return]
            break
    except GeneratorExit:
        # Its event loop was closed under it, and with that whatever could be awaited.
        destroyed = True
        raise
    finally:
        if not destroyed:
            await driver.aclose()
    raise TypeError(f"{_name(operation)} emits rows: use aiterate(), not arun()")


async def aiterate(operation: Operation[Any], doors: Doors) -> AsyncGenerator[Sequence[Any], None]:
    """The twin of :func:`iterate`."""
    driver: AsyncGenerator[Any, None] = _adrive(operation, doors)
    try:
        async for item in driver:
            if isinstance(item, _Done):
                return
            yield item
    finally:
        await driver.aclose()


@attrs.frozen(slots=True)
class _Done:
    # An asynchronous generator cannot return a value, so the last item carries it.
    value: Any


async def _adrive(operation: Operation[Any], doors: Doors) -> AsyncGenerator[Any, None]:
    started: set[_Started] = set()
    answer: Any = None
    error: Exception | None = None
    try:
        while True:
            try:
                verb = operation.send(answer) if error is None else operation.throw(error)
            except StopIteration as stop:
                yield _Done(stop.value)
                return
            answer = error = None
            try:
                if isinstance(verb, Send):
                    answer = (await _aexchange(doors, (verb.request,)))[0]
                elif isinstance(verb, Emit):
                    yield verb.rows
                elif isinstance(verb, Batch):
                    answer = await _aexchange(doors, verb.requests)
                elif isinstance(verb, Ahead):
                    answer = _Started(doors, verb.request)
                    started.add(answer)
                else:
                    answer = await _taken(verb, started).await_()
            except Exception as raised:
                error = raised
    finally:
        error = None
        operation.close()
        for handle in started:
            handle.cancel()


async def _aexchange(doors: Doors, requests: Sequence[Request]) -> list[Response]:
    if not requests:
        return []
    return await _apump(doors, layered(requests, doors.wrappers, doors.call_info), None)


async def _apump(doors: Doors, raw: _Raw, first: Coroutine[Any, Any, list[Response]] | None) -> list[Response]:
    """The twin of :func:`_pump`."""
    call = first
    try:
        if call is None:
            call = _acall(doors, next(raw))
        while True:
            try:
                responses = await call
            except Exception as error:
                call = _acall(doors, raw.throw(error))
            else:
                call = _acall(doors, raw.send(responses))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        raw.close()


async def _acall(doors: Doors, requests: Sequence[Request]) -> list[Response]:
    backend = doors.backend
    doors.sending(requests)
    try:
        if len(requests) == 1:
            responses: Sequence[Response] = [await backend.aexecute(requests[0], timeout=doors.timeout)]
        elif doors.in_turn:
            responses = [await backend.aexecute(request, timeout=doors.timeout) for request in requests]
        else:
            responses = _counted(await backend.aexecute_many(requests, timeout=doors.timeout), requests, backend)
    except BaseException as error:
        doors.failed(requests, error)
        raise
    doors.received(responses)
    return list(responses)


def _taken(verb: Verb, started: set[_Started]) -> _Started:
    if isinstance(verb, Wait):
        if isinstance(verb.handle, _Started) and verb.handle in started:
            started.discard(verb.handle)
            return verb.handle
        raise TypeError("Wait takes, once, the handle that the same operation got for an Ahead")
    raise TypeError(f"an operation yields Send, Batch, Ahead, Wait or Emit, not {type(verb).__name__}")


def _name(operation: Any) -> str:
    return str(getattr(operation, "__qualname__", type(operation).__name__))
