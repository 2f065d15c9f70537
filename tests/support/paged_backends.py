"""Small backends that really page through rows, an asynchronous and slow one among them; and a plugin for them."""

from __future__ import annotations

import asyncio
import threading
import time

from wbmodel.backend import AsyncBackend, Capabilities, SyncBackend
from wbmodel.errors import ServerError
from wbmodel.hookspecs import hookimpl
from wbmodel.registry import make_plugin_manager
from wbmodel.request import Batch, Emit, Join, Request, Response, Send, Start

DOCUMENT = "query Rows($first: Int!, $after: Int) { rows(first: $first, after: $after) { items next } }"


def page(start, size):
    return Request(DOCUMENT, {"first": size, "after": start}, "Rows")


def answer(request, total, limit):
    """What a server with ``total`` rows and at most ``limit`` rows a page says to ``request``."""
    start = request.variables["after"] or 0
    if start < 0:
        return Response(errors=[{"message": f"after: {start} is negative"}])
    stop = min(start + min(request.variables["first"], limit), total)
    following = stop if stop < total else None
    return Response(data={"rows": {"items": list(range(start, stop)), "next": following}})


class SlowPaged(AsyncBackend):
    """Waits before each page, on a primitive that belongs to one event loop, as an HTTP client does."""

    api_version = 0
    name = "slow"

    def __init__(self, url, /, *, total=25, limit=10, delay=0.01, concurrent=True):
        self.url = url
        self.total, self.limit, self.delay = total, limit, delay
        self.capabilities = Capabilities(concurrent=concurrent, max_page_size=limit)
        self.threads = set()
        self.started = 0
        self.finished = 0
        self.cancelled = 0
        self.most = 0
        self.released = 0
        self.forks = 0
        self.client = None

    async def aexecute(self, request, *, timeout=None):
        if self.client is None:
            self.client = asyncio.get_running_loop()
        assert self.client is asyncio.get_running_loop(), "a client belongs to one loop"
        self.threads.add(threading.current_thread().name)
        self.started += 1
        self.most = max(self.most, self.started - self.finished)
        try:
            await asyncio.sleep(self.delay)
            if request.variables.get("fail"):
                raise ServerError("the server is on fire", status=500)
            return answer(request, self.total, self.limit)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.finished += 1

    async def release(self):
        self.released += 1
        self.client = None

    def forked(self):
        self.forks += 1
        self.client = None


class Plain(SyncBackend):
    """In memory, answers at once."""

    api_version = 0
    name = "plain"
    capabilities = Capabilities()

    def __init__(self, url, /, *, total=25, limit=10, delay=0.0):
        self.total, self.limit, self.delay = total, limit, delay
        self.threads = set()
        self.sent = []
        self.closed = 0

    def execute(self, request, *, timeout=None):
        self.threads.add(threading.current_thread().name)
        self.sent.append(request)
        if self.delay:
            time.sleep(self.delay)
        if request.variables.get("fail"):
            raise ServerError("the server is on fire", status=500)
        return answer(request, self.total, self.limit)

    def close(self):
        super().close()
        self.closed += 1


class Blocking(Plain):
    """Waits for something outside, so its twins go to a thread; answers side by side."""

    name = "blocking"
    blocking = True
    capabilities = Capabilities(concurrent=True)


class Plugin:
    """Registers the backends above."""

    @hookimpl
    def wbmodel_register_backends(self, register):
        register("slow", SlowPaged)
        register("plain", Plain)
        register("blocking", Blocking)


def manager(*plugins):
    return make_plugin_manager(load_entry_points=False, plugins=[Plugin(), *plugins])


# -- operations ------------------------------------------------------------------------------------


def pages(size):
    """Emit every page, each asked for when the one before has been handed over."""
    start = 0
    while start is not None:
        rows = (yield Send(page(start, size))).data["rows"]
        yield Emit(rows["items"])
        start = rows["next"]


def pages_ahead(size, total):
    """Emit every page; all are asked for before the first is handed over."""
    handles = []
    for start in range(0, total, size):
        handle = yield Start(page(start, size))
        handles.append(handle)
    for handle in handles:
        response = yield Join(handle)
        yield Emit(response.data["rows"]["items"])


def all_rows(size, total):
    """The rows, by one batch."""
    responses = yield Batch([page(start, size) for start in range(0, total, size)])
    return [row for response in responses for row in response.data["rows"]["items"]]


def patient(request, tries):
    """Send until it is answered, ``tries`` times at most; the answer, and how often it failed."""
    failures = 0
    while True:
        try:
            return (yield Send(request)), failures
        except ServerError:
            failures += 1
            if failures == tries:
                raise
            request = Request(request.document, {**request.variables, "fail": False}, request.operation_name)
