"""Send a request inside an operation, and read its response down to the nodes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeVar, cast

from wbmodel.backend.asks import Ask, Fetch, Open, Read, Request, Response, raise_for_errors
from wbmodel.backend.verbs import END, Batch, Emit, Next, Send, Verb
from wbmodel.compiler.physical import Parent
from wbmodel.compiler.target import Target
from wbmodel.errors import ServerError, WbmodelError
from wbmodel.meta import EntityMeta, Route, Step, entity_meta
from wbmodel.meta.scopes import PARTS, PROJECT

__all__ = ["Operation", "answer", "asked", "items", "kept", "passed_on", "send_all", "walk", "whole_answer"]

T = TypeVar("T")
Operation = Generator[Verb, Any, T]
"""A generator that does no I/O itself: it yields verbs to a driver, sync or async, and receives the answers."""


def asked(ask: Ask) -> Operation[Any]:
    """The answer to one ask."""
    return (yield Send(ask))


def items(ask: Read | Open | Fetch) -> Operation[None]:
    """Emit the items of the stream that answers ``ask``, one by one."""
    stream = yield Send(ask)
    while (item := (yield Next(stream))) is not END:
        yield Emit((item,))


def passed_on(
    operation: Operation[T], take: Callable[[Sequence[Any]], Sequence[Any]], is_over: Callable[[], bool] = lambda: False
) -> Operation[T | None]:
    """Run an operation, and emit what ``take`` makes of what it emits. Returns its value; None where ``is_over`` ended
    it early."""
    given: Any = None
    error: Exception | None = None
    try:
        while True:
            try:
                verb = operation.send(given) if error is None else operation.throw(error)
            except StopIteration as stop:
                done: T = stop.value
                return done
            given = error = None
            if isinstance(verb, Emit):
                if made := take(verb.rows):
                    yield Emit(made)
                if is_over():
                    return None
                continue
            try:
                given = yield verb
            except Exception as raised:
                error = raised
    finally:
        error = None  # its traceback refers to this frame
        operation.close()


def kept(operation: Operation[None]) -> Operation[list[Any]]:
    """What an operation emits, kept instead of passed on."""
    found: list[Any] = []

    def take(items: Sequence[Any]) -> Sequence[Any]:
        found.extend(items)
        return ()

    yield from passed_on(operation, take)
    return found


def send_all(requests: Sequence[Request]) -> Operation[Sequence[Response]]:
    """Send requests that may run concurrently."""
    if len(requests) == 1:
        response: Response = yield Send(requests[0])
        return [response]
    responses: Sequence[Response] = (yield Batch(requests)) if requests else []
    return responses


def answer(target: Target, request: Request, response: Response) -> dict[str, Any]:
    """The data of a response, in the shape that its document has.

    Raises :class:`ServerError` if it has errors or no data, or names the place where it has another shape.
    """
    raise_for_errors(request, response, target.place)
    if response.data is None:
        raise ServerError(
            f"{target.place} answered {request.operation_name} without data", operation=request.operation_name
        )
    if request.document.check is not None:
        with whole_answer(target, request):
            request.document.check(response.data)
    return response.data


@contextlib.contextmanager
def whole_answer(target: Target, request: Request) -> Iterator[None]:
    """Raise :class:`ServerError` if the data of a response do not fit its document."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, WbmodelError):
            raise
        what = f"the response lacks {error}" if isinstance(error, KeyError) else error
        raise ServerError(
            f"{target.place} answered {request.operation_name} with data of another shape than requested: {what}",
            operation=request.operation_name,
        ) from error


def walk(
    meta: EntityMeta,
    route: Route,
    parent: Parent,
    data: dict[str, Any],
    alias: str | None,
    place: str,
    *,
    optional: bool = False,
) -> tuple[Any, Any]:
    """Follow the steps of a route through a response to the last step's object and the context step's (or None).

    Raises the missing entity's ``DoesNotExist`` if a step before the node is null; if the parent is ``optional``, only
    for the first step.
    """
    at: Any = data
    context = None
    last = len(route.steps) - 1
    for index, step in enumerate(route.steps):
        at = cast("dict[str, Any]", at)[alias if alias and index == 0 else step.field]
        if at is None and not (route.connection is None and index == last):
            if optional and index > 0:
                return None, context
            raise _missing(entity_meta(step.entity or meta.name), step, parent, place)
        if route.is_context(step):
            context = at
    if not route.steps and alias:
        at = {route.connection: data[alias]}
    return at, context


def _missing(meta: EntityMeta, step: Step, parent: Parent, place: str) -> Exception:
    own = (arg.variable for arg in step.args)
    parts = [parent.get(name) for name in dict.fromkeys((*PARTS[PROJECT], *own))]
    path = "/".join(part for part in parts if part) or "(default)"
    return meta.does_not_exist(
        f"{meta.name} {path!r} does not exist on {place}, or this account may not see it; "
        "check the spelling and the entity before it"
    )
