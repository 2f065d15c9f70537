"""One cell of the matrix: an operation in one colour against a served world under one fault, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import attrs

from tests.support.backends import served
from tests.support.http import KEY
from tests.support.servers import Ground
from wbmodel import Run, Session, Sweep, connect
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.execute import Engine
from wbmodel.engine.memory import MemoryStore
from wbmodel.engine.server import Seen, Server
from wbmodel.testing import Fault, Faults
from wbmodel_live import limiter

__all__ = ["IDS", "KEY", "OPERATIONS", "Cell", "Operation", "Outcome", "Scene", "make_store", "run_cell"]

RUNS, PAGE = 24, 7
IDS = [f"r{number:02}" for even in reversed(range(0, RUNS, 2)) for number in (even, even + 1)]
"""The runs, newest first and by id where two were made in one moment: four pages of them, the last with three."""
SWEEP = {"method": "grid", "parameters": {"lr": {"values": [1, 2]}}}

_numbers = itertools.count(1)


def make_store() -> MemoryStore:
    """One project with the runs. Two neighbours each were made in one moment, also those between which a page ends."""
    store = MemoryStore()
    store.viewer = store.add_user("ada")
    store.add_entity("acme", members=["ada"])
    project = store.add_project("acme", "vision")
    start = datetime(2024, 1, 1, tzinfo=timezone.utc)
    for number in range(RUNS):
        store.add_run(
            project,
            f"r{number:02}",
            config={"lr": number},
            summary={"loss": 1 / (number + 1)},
            created_at=start + timedelta(minutes=number // 2),
        )
    return store


# -- what is asked ---------------------------------------------------------------------------------


@attrs.frozen
class Operation:
    """``group`` is ``read``, ``write`` (mutations that may be sent twice) or ``once`` (those that may not). ``good`` is
    how many requests it makes without a fault, and the fault begins with the request behind ``after`` others.
    ``hole`` is the path in its answer of something that cannot be null, ``part`` of something that the rest can be
    used without. ``name`` is what GraphQL calls it."""

    label: str
    group: str
    name: str
    hole: str
    part: str
    sync: Callable[[Session, Any, list[Any]], Any]
    twin: Callable[[Session, Any, list[Any]], Coroutine[Any, Any, Any]]
    good: int = 1
    after: int = 0
    target: Callable[[Session], Any] = lambda local: None


def _list(session: Session, target: Any, rows: list[Any]) -> Any:
    for run in Run.objects.using(session).iterator():
        rows.append(run.id)


async def _alist(session: Session, target: Any, rows: list[Any]) -> Any:
    async for run in Run.objects.using(session).aiterator():
        rows.append(run.id)


def _get(session: Session, target: Any, rows: list[Any]) -> Any:
    return Run.objects.using(session).get(id="r05").summary["loss"]


async def _aget(session: Session, target: Any, rows: list[Any]) -> Any:
    return (await Run.objects.using(session).aget(id="r05")).summary["loss"]


def _count(session: Session, target: Any, rows: list[Any]) -> Any:
    return Run.objects.using(session).count()


async def _acount(session: Session, target: Any, rows: list[Any]) -> Any:
    return await Run.objects.using(session).acount()


def _create(session: Session, target: Any, rows: list[Any]) -> Any:
    return Run.objects.using(session).create(name="made", config={"lr": 1}).name


async def _acreate(session: Session, target: Any, rows: list[Any]) -> Any:
    return (await Run.objects.using(session).acreate(name="made", config={"lr": 1})).name


def _update(session: Session, target: Any, rows: list[Any]) -> Any:
    target.notes = "changed"
    return target.save()


async def _aupdate(session: Session, target: Any, rows: list[Any]) -> Any:
    target.notes = "changed"
    return await target.asave()


def _delete(session: Session, target: Any, rows: list[Any]) -> Any:
    return target.delete()


async def _adelete(session: Session, target: Any, rows: list[Any]) -> Any:
    return await target.adelete()


def _sweep(session: Session, target: Any, rows: list[Any]) -> Any:
    return Sweep.objects.using(session).create(config=SWEEP).config["method"]


async def _asweep(session: Session, target: Any, rows: list[Any]) -> Any:
    return (await Sweep.objects.using(session).acreate(config=SWEEP)).config["method"]


def _run(local: Session) -> Any:
    return Run.objects.using(local).get(id="r05")


_NODE = "project.runs.edges.0.node"
_PAGES = -(-RUNS // PAGE)

OPERATIONS: dict[str, Operation] = {
    item.label: item
    for item in (
        *(
            Operation(label, "read", "Runs", f"{_NODE}.name", f"{_NODE}.notes", _list, _alist, _PAGES, after)
            for label, after in (("list", 0), ("list, page 2", 1), ("list, last page", _PAGES - 1))
        ),
        Operation("get", "read", "Run", "project.run.name", "project.run.notes", _get, _aget),
        Operation("count", "read", "RunsCount", "project.runCount", "project.runCount", _count, _acount),
        # A run is made by an id that is chosen here, and changed by its id.
        Operation(
            "create run",
            "write",
            "UpsertBucket",
            "upsertBucket.bucket.name",
            "upsertBucket.bucket.notes",
            _create,
            _acreate,
        ),
        Operation(
            "update",
            "write",
            "UpsertBucket",
            "upsertBucket.bucket",
            "upsertBucket.bucket",
            _update,
            _aupdate,
            target=_run,
        ),
        Operation("delete", "once", "DeleteRun", "deleteRun", "deleteRun", _delete, _adelete, target=_run),
        # A sweep gets its id from the server: made twice, it is two.
        Operation(
            "create sweep",
            "once",
            "UpsertSweep",
            "upsertSweep.sweep.name",
            "upsertSweep.sweep.description",
            _sweep,
            _asweep,
        ),
    )
}


# -- where it is asked -----------------------------------------------------------------------------


class Scene:
    """The place of one cell: its store, the server over it, and what stands in between. A case sets it up."""

    def __init__(self, ground: Ground, operation: Operation, pace: float = 1.0) -> None:
        self.ground, self.operation = ground, operation
        self.store = make_store()
        self.faults = Faults()
        self.server_options: dict[str, Any] = {"api_key": KEY}
        self.options: dict[str, Any] = {"api_key": KEY, "project": "acme/vision", "timeout": 6.0}
        self.url: str | None = None
        """Where the session connects, when that is not the server itself."""
        self.others: list[Server] = []
        """Servers that must not be asked anything."""
        self.notes: dict[str, Any] = {}
        self.pace = pace
        """What the seconds of ``timeout`` and ``read_timeout`` are multiplied by, as the machine is busy."""
        self.server: Server | None = None
        self._stack = contextlib.ExitStack()

    def play(self, fault: Fault, times: int | None = 1) -> None:
        """Have a fault played from the request on that the operation's column is about."""
        self.faults.add(fault, times=times, after=self.operation.after)

    def start(self) -> Server:
        """The server, running; made when it is first asked for."""
        if self.server is None:
            engine = Engine(self.store, Dialect(max_page=PAGE))
            made = Server(engine, faults=self.faults, **self.server_options)
            self.server = self.hold(_running(made))
        return self.server

    def elsewhere(self) -> Server:
        """Another server, with a world of its own, that must not be asked anything."""
        other: Server = self.hold(_running(Server(Engine(make_store()))))
        self.others.append(other)
        return other

    def hold(self, block: contextlib.AbstractAsyncContextManager[Any]) -> Any:
        """Enter an asynchronous block on the ground's loop, and leave it when the cell is over."""
        return self._stack.enter_context(self.ground.holding(block))

    def enter(self, block: contextlib.AbstractContextManager[Any]) -> Any:
        """Enter a block, and leave it when the cell is over."""
        return self._stack.enter_context(block)

    def close(self) -> None:
        """Stop everything."""
        self._stack.close()


@contextlib.asynccontextmanager
async def _running(server: Server) -> Any:
    await server.start()
    try:
        yield server
    finally:
        # A connection that asyncio has accepted and a server that is closed do not go together: let it come in first.
        for _ in range(3):
            await asyncio.sleep(0.01)
        await server.stop()


@attrs.frozen
class Cell:
    """An operation in a colour."""

    operation: Operation
    colour: str


@attrs.define(kw_only=True)
class Outcome:
    """What came of a cell. ``effects`` is how often the mutation shows in the store, ``executed`` how often the engine
    carried one out; ``lost`` are runs that went away and should not have."""

    value: Any
    error: BaseException | None
    rows: list[Any]
    seconds: float
    stats: Mapping[str, int]
    seen: list[Seen]
    executed: int
    effects: int
    lost: set[str]
    url: str
    scene: Scene

    @property
    def text(self) -> str:
        """What the matrix shows."""
        name = "ok" if self.error is None else type(self.error).__qualname__
        tries = self.stats["retries"] + 1
        return name if tries == 1 else f"{name} ({tries} tries)"


def run_cell(ground: Ground, cell: Cell, setup: Callable[[Scene], None], pace: float = 1.0) -> Outcome:
    """Make the place, let the operation run in it, look at what is left, and clean up."""
    operation = cell.operation
    scene = Scene(ground, operation, pace)
    rows: list[Any] = []
    value: Any = None
    error: BaseException | None = None
    with contextlib.closing(scene):
        setup(scene)
        for name in {"timeout", "read_timeout"} & scene.options.keys():
            scene.options[name] = round(scene.options[name] * pace, 2)
        server = scene.start()
        url = scene.url or server.url
        with served(scene.store) as local:
            target = operation.target(local)
        scene.notes.get("meanwhile", lambda: None)()
        session = connect(url, default=False, name=f"fault {next(_numbers)}", **scene.options)
        if target is not None:
            # Read without a request, so that the first request of the session is the one that meets the fault.
            object.__setattr__(target, "_owner", session)
        started = time.monotonic()
        try:
            if cell.colour == "sync":
                value = operation.sync(session, target, rows)
            else:
                value = asyncio.run(operation.twin(session, target, rows))
        except BaseException as raised:
            error = raised
        seconds = time.monotonic() - started
        stats = session.stats.as_dict()
        session.close()
        # What this server asked for must not hold for the next one that gets its port.
        place = urlsplit(url)
        limiter._limiters.pop(f"{place.scheme}://{place.netloc}", None)
    # The server has stopped, so that all of its work is done and counted.
    store = scene.store
    projects = [project for entity in store.entities() for project in store.projects(entity)]
    runs = {run.name: run for project in projects for run in store.runs(project)}
    lost = set(IDS) - set(runs)
    effects = {
        "create run": len(runs) - len(IDS) + len(lost),
        "update": sum(run.notes == "changed" for run in runs.values()),
        "delete": len(lost & {"r05"}),
        "create sweep": sum(len(store.sweeps(project)) for project in projects),
    }.get(operation.label, 0)
    return Outcome(
        value=value,
        error=error,
        rows=rows,
        seconds=seconds,
        stats=stats,
        seen=[item for item in server.seen if item.path == "/graphql"],
        executed=server.stats.mutations,
        effects=effects,
        lost=lost - ({"r05"} if operation.label == "delete" or "meanwhile" in scene.notes else set()),
        url=url,
        scene=scene,
    )


def each_cell(operations: Mapping[str, Operation], colours: tuple[str, ...] = ("sync", "async")) -> Iterator[Cell]:
    """The cells of a row."""
    for operation in operations.values():
        for colour in colours:
            yield Cell(operation, colour)
