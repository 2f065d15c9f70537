"""Random operations with faults through both drivers, held equal to a plain recursive reading of their verbs."""

from __future__ import annotations

import asyncio
import functools
import random
from collections import Counter
from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.support.depth import deep
from wbmodel.backend import AsyncBackend, Capabilities, SyncBackend
from wbmodel.errors import ServerError, WbmodelError
from wbmodel.hookspecs import CallInfo, hookimpl
from wbmodel.registry import make_plugin_manager
from wbmodel.request import END, Batch, BlobRef, Emit, Join, Next, Open, Request, Response, Send, Start
from wbmodel.session import connect

SEEDS = deep(2_000)
ITEMS = 3


def request(number: int) -> Request:
    return Request("query Q($n: Int) { n(n: $n) }", {"n": number}, "Q")


def blob(number: int) -> Open:
    return Open(BlobRef("run_file", "r", f"{number}"))


# -- the backends: what has a fault fails, always ----------------------------------------------------


def is_faulty(number: int) -> bool:
    return number % 5 == 4


class Answering:
    """What both backends answer, and note of."""

    def __init__(self, url: str, /) -> None:
        self.seen: Counter[int] = Counter()
        self.opened = self.closed = 0

    def answer(self, request: Request) -> Response:
        number = request.variables["n"]
        self.seen[number] += 1
        if is_faulty(number):
            raise ServerError("a fault", operation="Q")
        return Response({"n": number})

    def chunks(self, ref: BlobRef) -> Generator[bytes, None, None]:
        self.opened += 1
        try:
            for at in range(ITEMS):
                if is_faulty(int(ref.name)) and at == ITEMS - 1:
                    raise ServerError("a fault in the middle")
                yield f"{ref.name}.{at}".encode()
        finally:
            self.closed += 1


class InProcess(Answering, SyncBackend):
    api_version = 0
    name = "plain"
    capabilities = Capabilities(blobs=True)

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        return self.answer(request)

    def open(self, ref: BlobRef, /, *, start: int = 0) -> Generator[bytes, None, None]:
        yield from self.chunks(ref)


class Elsewhere(Answering, AsyncBackend):
    api_version = 0
    name = "side"
    capabilities = Capabilities(blobs=True, concurrent=True)

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        return self.answer(request)

    async def aopen(self, ref: BlobRef, /, *, start: int = 0) -> Any:
        source = self.chunks(ref)
        try:
            for chunk in source:
                yield chunk
        finally:
            source.close()


# -- wrappers ----------------------------------------------------------------------------------------

Wrapper = Callable[[Any, CallInfo], Generator[Any, Any, Any]]


def passing(ask: Any, info: CallInfo) -> Generator[Any, Any, Any]:
    return (yield Send(ask))


def caching(ask: Any, info: CallInfo) -> Generator[Any, Any, Any]:
    return Response({"kept": True}) if ask.variables["n"] % 2 else (yield Send(ask))


def splitting(ask: Any, info: CallInfo) -> Generator[Any, Any, Any]:
    first, second = yield Batch([ask, request(ask.variables["n"] + 100)])
    return Response({"both": [first.data, second.data]})


def falling_back(ask: Any, info: CallInfo) -> Generator[Any, Any, Any]:
    try:
        return (yield Send(ask))
    except ServerError:
        return (yield Send(request(1000)))


def asking_nothing(ask: Any, info: CallInfo) -> Generator[Any, Any, Any]:
    assert (yield Batch([])) == []
    return (yield Send(ask))


def raising(ask: Any, info: CallInfo) -> Generator[Any, Any, Any]:
    answer = yield Send(ask)
    if ask.variables["n"] % 7 == 3:
        raise ValueError("a wrapper's own")
    return answer


def returning_text(ask: Any, info: CallInfo) -> Generator[Any, Any, Any]:
    answer = yield Send(ask)
    return "text" if ask.variables["n"] % 7 == 2 else answer


DOCUMENTS: list[Wrapper] = [passing, caching, splitting, falling_back, asking_nothing, raising, returning_text]


def every_second(ask: Any, info: CallInfo) -> Generator[Any, Any, Any]:
    stream = yield Send(ask)
    at = 0
    while (item := (yield Next(stream))) is not END:
        if at % 2 == 0:
            yield Emit([item])
        at += 1


def doubling(ask: Any, info: CallInfo) -> Generator[Any, Any, Any]:
    stream = yield Send(ask)
    try:
        while (item := (yield Next(stream))) is not END:
            yield Emit([item, item])
    except ServerError:
        yield Emit([b"mended"])


def one_of_its_own(ask: Any, info: CallInfo) -> Generator[Any, Any, Any]:
    yield Emit([b"first"])
    return (yield Send(ask))  # and the rest as it comes


def with_a_request(ask: Any, info: CallInfo) -> Generator[Any, Any, Any]:
    answer = yield Send(request(6))
    yield Emit([repr(answer.data).encode()])
    return (yield Send(ask))


BYTES: list[Wrapper] = [passing, every_second, doubling, one_of_its_own, with_a_request]


# -- operations: a script, and the generator that follows it -----------------------------------------


def make_script(rng: random.Random) -> list[tuple[str, Any, bool]]:
    script: list[tuple[str, Any, bool]] = []
    started = opened = 0
    for _ in range(rng.randint(1, 8)):
        kind = rng.choice(["send", "batch", "start", "join", "emit", "open", "next", "next"])
        operand: Any = rng.randint(0, 30)
        if kind == "batch":
            operand = [rng.randint(0, 30) for _ in range(rng.randint(0, 4))]
        elif kind == "join" or kind == "next":
            there = started if kind == "join" else opened
            if not there:
                continue
            operand = rng.randrange(there)
        started += kind == "start"
        opened += kind == "open"
        script.append((kind, operand, rng.random() < 0.8))
    return script


def alone(script: list[tuple[str, Any, bool]]) -> list[tuple[str, Any, bool]]:
    """The script with one request to a batch: a batch that fails fails for all, which a wrapper that mends one sees."""
    return [(kind, operand[:1] if kind == "batch" else operand, caught) for kind, operand, caught in script]


def following(script: list[tuple[str, Any, bool]]) -> Generator[Any, Any, list[Any]]:
    told: list[Any] = []
    handles: list[Any] = []
    streams: list[Any] = []
    for kind, operand, caught in script:
        try:
            if kind == "send":
                told.append((yield Send(request(operand))).data)
            elif kind == "batch":
                told.append([answer.data for answer in (yield Batch(list(map(request, operand))))])
            elif kind == "start":
                handles.append(None)
                handles[-1] = yield Start(request(operand))
            elif kind == "join":
                handle, handles[operand] = handles[operand], None
                told.append("joined" if handle is None else (yield Join(handle)).data)
            elif kind == "open":
                streams.append((yield Send(blob(operand))))
            elif kind == "next":
                told.append((yield Next(streams[operand])))
            else:
                yield Emit([operand])
        except (WbmodelError, ValueError):
            if not caught:
                raise
            told.append("an error")
    return told


# -- the plain reading -------------------------------------------------------------------------------


class Plain:
    """Follows verbs by recursion, one thing after the other. It knows nothing of batches, colours or reading ahead."""

    def __init__(self, answering: Answering, documents: list[Wrapper], around: list[Wrapper]) -> None:
        self.answering = answering
        placed = [(at, Request, wrapper) for at, wrapper in enumerate(documents)]
        placed += [(at, Open, wrapper) for at, wrapper in enumerate(around)]
        self.wrappers = [(kind, wrapper) for _, kind, wrapper in sorted(placed, key=lambda item: item[0])]

    def ask(self, ask: Any, layer: int = 0) -> Any:
        if isinstance(ask, Open):
            return self.items(ask, layer)
        for at, (kind, wrapper) in enumerate(self.wrappers[layer:], layer):
            if kind is Request:
                answer = self.follow(wrapper(ask, None), at + 1)  # type: ignore[arg-type]
                if not isinstance(answer, Response):
                    raise ValueError("no Response")
                return answer
        return self.answering.answer(ask)

    def items(self, ask: Open, layer: int) -> Any:
        for at, (kind, wrapper) in enumerate(self.wrappers[layer:], layer):
            if kind is Open:
                rest = yield from self.emitted(wrapper(ask, None), at + 1)  # type: ignore[arg-type]
                if rest is not None:
                    yield from rest
                return
        yield from self.answering.chunks(ask.ref)

    def emitted(self, running: Generator[Any, Any, Any], layer: int) -> Any:
        answer = error = None
        while True:
            try:
                verb = running.send(answer) if error is None else running.throw(error)
            except StopIteration as stop:
                return stop.value
            answer = error = None
            if isinstance(verb, Emit):
                yield from verb.rows
                continue
            try:
                answer = self.verb(verb, layer)
            except Exception as raised:
                error = raised

    def follow(self, running: Generator[Any, Any, Any], layer: int = 0, emitted: list[Any] | None = None) -> Any:
        answer = error = None
        while True:
            try:
                verb = running.send(answer) if error is None else running.throw(error)
            except StopIteration as stop:
                return stop.value
            answer = error = None
            try:
                if isinstance(verb, Emit):
                    assert emitted is not None
                    emitted += verb.rows
                else:
                    answer = self.verb(verb, layer)
            except Exception as raised:
                error = raised

    def verb(self, verb: Any, layer: int) -> Any:
        if isinstance(verb, Batch):
            return [self.ask(each, layer) for each in verb.requests]
        if isinstance(verb, Start):
            return lambda: self.ask(verb.request, layer)
        if isinstance(verb, Join):
            return verb.handle()
        if isinstance(verb, Next):
            return next(verb.stream, END)
        return self.ask(verb.request, layer)


def outcome_of(follow: Callable[[list[Any]], Any]) -> tuple[list[Any], Any]:
    emitted: list[Any] = []
    try:
        return emitted, follow(emitted)
    except (WbmodelError, ValueError):
        return emitted, "an error"


def connected(backend: type[Any], documents: list[Wrapper], around: list[Wrapper]) -> Any:
    class Plugin:
        @hookimpl
        def wbmodel_register_backends(self, register: Any) -> None:
            register(backend.name, backend)

        @hookimpl
        def wbmodel_register_wrappers(self, register: Any) -> None:
            for order, wrapper in enumerate(documents):
                register(wrapper.__name__, wrapper, order=order)
            for order, wrapper in enumerate(around):
                register(wrapper.__name__, wrapper, order=order, doors=["bytes"])

    plugins = make_plugin_manager(False, [Plugin()])
    return connect(f"{backend.name}:x", plugins=plugins, default=False, name=f"flow {random.random()}")


def collected(session: Any, script: list[Any], asynchronous: bool) -> tuple[list[Any], Any]:
    found: list[Any] = []

    def noting() -> Generator[Any, Any, None]:
        found.append((yield from following(script)))

    def follow(emitted: list[Any]) -> Any:
        if not asynchronous:
            for rows in session.iterate(noting()):
                emitted += rows
            return found[0]

        async def run() -> None:
            async for rows in session.aiterate(noting()):
                emitted.extend(rows)

        asyncio.run(run())
        return found[0]

    return outcome_of(follow)


@pytest.mark.parametrize("part", range(10))
def test_random_operations_do_what_their_verbs_say(part: int) -> None:
    for seed in range(part, SEEDS, 10):
        rng = random.Random(seed)
        script = make_script(rng)
        documents = rng.sample(DOCUMENTS, rng.randint(0, 2))
        around = rng.sample(BYTES, rng.randint(0, 2))
        if falling_back in documents:
            script, documents = alone(script), [wrapper for wrapper in documents if wrapper is not splitting]
        if caching in documents and {raising, returning_text} & {*documents}:
            # What a wrapper does wrong without asking comes up at Start where that begins at once, else at Join.
            script = [each for each in script if each[0] not in ("start", "join")]
        plain = Answering("")
        reading = Plain(plain, documents, around)
        expected = outcome_of(functools.partial(reading.follow, following(script), 0))
        backend, asynchronous = ((InProcess, False), (InProcess, True), (Elsewhere, False), (Elsewhere, True))[seed % 4]
        session = connected(backend, documents, around)
        try:
            assert collected(session, script, asynchronous) == expected, f"seed {seed}: {script}"
            made = session.backend
            assert made.opened == made.closed, f"seed {seed}: a stream was left open"
            if "an error" not in expected[1] and not any(kind == "start" for kind, _, _ in script):
                assert made.seen == plain.seen, f"seed {seed}: {script}"
                assert session.stats.requests == sum(plain.seen.values()) + made.opened
        finally:
            session.close()
