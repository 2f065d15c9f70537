"""The drivers: the only coloured code. Two drivers run an operation to its end; one blocks, the other awaits."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import Any, TypeVar

from wbmodel.backend.verbs import Emit
from wbmodel.session.calls import Place
from wbmodel.session.clock import Clock
from wbmodel.session.flow import Flow, Operation

__all__ = ["aiterate", "arun", "iterate", "run"]

T = TypeVar("T")


def run(operation: Operation[T], place: Place, clock: Clock) -> T:
    """Run ``operation`` to its end and return its value. It must not emit rows."""
    flow = Flow(operation, place, clock)
    for _ in _driven(flow):
        raise _emits(operation, "iterate(), not run()")
    return flow.value


def iterate(operation: Operation[Any], place: Place, clock: Clock) -> Generator[Sequence[Any], None, None]:
    """Yield what ``operation`` emits. Closing the iterator early closes the operation and its streams."""
    return _driven(Flow(operation, place, clock))


def _driven(flow: Flow[Any]) -> Generator[Sequence[Any], None, None]:
    emitted: Any = flow
    try:
        while emitted is not None:
            emitted = None
            with flow.caller.clock:
                for step in flow:
                    if step.__class__ is Emit:
                        emitted = step
                        break
                    step.now()
            if emitted is not None:
                yield emitted.rows
    finally:
        flow.close()
        with ExitStack() as closing:  # closes all of them even if one fails
            for pull in flow.pulls:
                closing.callback(pull.close)


async def arun(operation: Operation[T], place: Place, clock: Clock) -> T:
    """The twin of :func:`run`."""
    flow = Flow(operation, place, clock)
    driven = _adriven(flow)
    try:
        async for _ in driven:
            raise _emits(operation, "aiterate(), not arun()")
    except GeneratorExit:
        # Its event loop was closed, so nothing can be awaited any more.
        flow.close()
        raise
    else:
        return flow.value
    finally:
        if not flow.over:
            await driven.aclose()


def aiterate(operation: Operation[Any], place: Place, clock: Clock) -> AsyncGenerator[Sequence[Any], None]:
    """The twin of :func:`iterate`."""
    return _adriven(Flow(operation, place, clock))


async def _adriven(flow: Flow[Any]) -> AsyncGenerator[Sequence[Any], None]:
    emitted: Any = flow
    try:
        while emitted is not None:
            emitted = None
            with flow.caller.clock:
                for step in flow:
                    if step.__class__ is Emit:
                        emitted = step
                        break
                    await step.later()
            if emitted is not None:
                yield emitted.rows
    finally:
        flow.close()
        async with AsyncExitStack() as closing:
            for pull in flow.pulls:
                closing.push_async_callback(pull.aclose)


def _emits(operation: Any, instead: str) -> TypeError:
    name = getattr(operation, "__qualname__", type(operation).__name__)
    return TypeError(f"{name} emits rows; use {instead}")
