"""A server whose runs come and go while they are read, and whose cursors may be no more than a number of rows.

The engine answers; around it, cursors are made to count, pages are cut to a cap, dates are shown shorter than they are
kept, and a script adds and deletes runs before each request but the first.
"""

from __future__ import annotations

import asyncio
import itertools
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import attrs

from tests.support.worlds import START
from wbmodel.backend import API_VERSION, AsyncBackend, Capabilities, SyncBackend
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.execute import Engine
from wbmodel.engine.memory import MemoryStore
from wbmodel.hookspecs import RegisterBackends, hookimpl
from wbmodel.operations.side_by_side import cursor_at
from wbmodel.registry import make_plugin_manager
from wbmodel.request import CallNote, Request, Response
from wbmodel.session.current import connect
from wbmodel.session.session import Session

__all__ = ["Server", "Step", "drifting", "filled"]

_numbers = itertools.count(1)
_EVERY = 1_000_000

Step = tuple[str, int]
"""``("add", ms)``: a run that was created ``ms`` milliseconds after the start; ``("delete", n)``: the n-th that is left
of those in the script's project; ``("redate", n)``: the n-th gets another date."""


def filled(moments: dict[str, list[int]], **fields: Any) -> MemoryStore:
    """A store with projects of ``acme``: for each, runs ``r000`` and so on, created so many milliseconds after the
    start."""
    store = MemoryStore(clock=lambda: START)
    store.viewer = store.add_user("ada", name="Ada", created_at=START)
    store.add_entity("acme", members=["ada"], created_at=START)
    for name, created in moments.items():
        project = store.add_project("acme", name, created_at=START)
        for index, after in enumerate(created):
            summary = {"loss": (index * 7) % 5, "even": index % 2 == 0}
            given = {"state": "finished", "summary": summary, **fields}
            store.add_run(project, f"r{index:03d}", created_at=_moment(after), **given)
    return store


def _moment(after: int) -> datetime:
    return START + timedelta(milliseconds=after)


@attrs.define(eq=False, slots=False)
class Server:
    """What both backends below answer with. ``cap``: rows of a page at most. ``offsets``: cursors count rows;
    ``relay``: they are written as relay's are, by the place of the last row. ``trouble`` may replace an answer.
    ``digits``: of the fraction of a second in dates (None: as they are). ``size``: bytes that a row is said to weigh.
    """

    store: MemoryStore
    dialect: Dialect = attrs.field(factory=Dialect)
    cap: int = _EVERY
    offsets: bool = True
    relay: bool = False
    trouble: Callable[[Request, Response], Response] | None = None
    digits: int | None = None
    script: Sequence[Step] = ()
    project: str = "vision"
    size: int | None = None
    requests: list[Request] = attrs.field(factory=list)
    given: list[int] = attrs.field(factory=list)
    redated: set[str] = attrs.field(factory=set)
    """The names of the runs that got another date."""

    def __attrs_post_init__(self) -> None:
        limit = _EVERY if self.offsets else self.cap
        self.engine = Engine(self.store, attrs.evolve(self.dialect, max_page=limit))
        self.steps = iter(self.script)

    def answer(self, request: Request) -> Response:
        """The answer to one request, after the script's next step."""
        if self.requests:
            self.step()
        self.requests.append(request)
        variables = dict(request.variables)
        asked: dict[str, int] = {}
        if self.offsets:
            for name in [key for key in variables if key.startswith("after")]:
                asked[name.removeprefix("after")] = self._place(variables.pop(name))
            if asked:
                variables["first"] = _EVERY
        response = self.engine.execute(attrs.evolve(request, variables=variables))
        rows = 0
        for suffix, connection in self._connections(response.data, list(asked) or [""]):
            if suffix in asked:
                start = asked[suffix]
                stop = start + min(int(request.variables["first"]), self.cap)
                more = stop < len(connection["edges"])
                connection["edges"] = connection["edges"][start:stop]
                end = cursor_at(start + len(connection["edges"]) - 1) if self.relay else str(stop)
                connection["pageInfo"] = {"endCursor": end if connection["edges"] else None, "hasNextPage": more}
            if self.digits is not None:
                for edge in connection["edges"]:
                    edge["node"]["createdAt"] = self._shown(edge["node"]["createdAt"])
            rows += len(connection["edges"])
        self.given.append(rows)
        note = None if self.size is None else CallNote(size=self.size * rows)
        response = attrs.evolve(response, note=note)
        return response if self.trouble is None else self.trouble(request, response)

    def _place(self, cursor: str | None) -> int:
        if cursor is None:
            return 0
        return int(b64decode(cursor).decode().removeprefix("arrayconnection:")) + 1 if self.relay else int(cursor)

    def step(self) -> None:
        """The next step of the script."""
        kind, number = next(self.steps, ("none", 0))
        project = self.store.project("acme", self.project)
        assert project is not None
        if kind == "add":
            self.store.add_run(
                project, f"new{next(_numbers):06d}", created_at=_moment(number), state="finished", summary={"loss": 1}
            )
        elif kind == "delete" and (left := sorted(self.store.runs(project), key=lambda run: run.name)):
            self.store.delete(left[number % len(left)].id)
        elif kind == "redate" and (left := sorted(self.store.runs(project), key=lambda run: run.name)):
            run = left[number % len(left)]
            self.redated.add(run.name)
            self.store.update(run.id, created_at=_moment(number * 7919 % 90_000))

    def _connections(self, data: Any, suffixes: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for suffix in suffixes:
            parent = (data or {}).get(f"s{suffix[1:]}" if suffix else "project")
            if isinstance(parent, dict) and parent.get("runs") is not None:
                yield suffix, parent["runs"]

    def _shown(self, text: str) -> str:
        head, _, fraction = text.removesuffix("Z").partition(".")
        kept = f"{fraction:0<6}"[: self.digits]
        return f"{head}.{kept}Z" if kept else f"{head}Z"


class _Plain(SyncBackend):
    api_version = API_VERSION
    name = "drifting"

    def __init__(self, url: str, *, server: Server, capabilities: Capabilities) -> None:
        self.server, self.capabilities = server, capabilities
        self.origin = f"drifting{next(_numbers)}"

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        return self.server.answer(request)


class _Ahead(AsyncBackend):
    """``delay`` is in seconds for each request, ``stall`` for each but the first."""

    api_version = API_VERSION
    name = "drifting-ahead"

    def __init__(
        self, url: str, *, server: Server, capabilities: Capabilities, delay: float = 0, stall: float | None = None
    ) -> None:
        self.server, self.delay = server, delay
        self.stall = delay if stall is None else stall
        self.capabilities = attrs.evolve(capabilities, concurrent=True)
        self.origin = f"drifting{next(_numbers)}"
        self.running = self.most = self.cancelled = self.started = 0
        self.last_word: Exception | None = None

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        self.running += 1
        self.started += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.delay if self.started == 1 else self.stall)
            return self.server.answer(request)
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.last_word is not None:
                raise self.last_word from None
            raise
        finally:
            self.running -= 1


class _Plugin:
    @hookimpl
    def wbmodel_register_backends(self, register: RegisterBackends) -> None:
        register("drifting", _Plain, schemes=("drifting",))
        register("drifting-ahead", _Ahead, schemes=("drifting-ahead",))


_plugins = make_plugin_manager(load_entry_points=False, plugins=[_Plugin()])


@contextmanager
def drifting(
    server: Server, *, ahead: bool = False, promises: Capabilities | None = None, **options: Any
) -> Iterator[Session]:
    """A session to ``server``, current in the block; ``ahead``: by the backend on which reading ahead saves time."""
    settings = {"project": "acme/vision", "name": f"drifting-{next(_numbers)}", "default": False}
    given = {"server": server, "capabilities": promises or Capabilities(), "plugins": _plugins}
    with connect(f"drifting{'-ahead' if ahead else ''}:", **{**given, **settings, **options}) as session:
        yield session
