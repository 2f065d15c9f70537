"""Random programs over two sessions: every request reaches the session that the rules name, and no other.

The rules, as plain code: :class:`Made` holds whose a queryset or an entity is, and :meth:`Program.owner` says who is
asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import pickle
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from wbmodel import Count, Project, Run, Session, Sweep, connect
from wbmodel.errors import DoesNotExist, NotSupported

pytestmark = pytest.mark.filterwarnings("ignore")
SEEDS, STEPS, MANY = 6, 30, 150


@attrs.define
class Made:
    """A queryset or an entity, with the session that it keeps (``owner``: None if it was made for no session), and the
    one that its rows came from (``read``)."""

    it: Any
    owner: Session | None
    how: str
    read: Session | None = None


class Program:
    """Makes querysets and entities in random ways and places, and asks them."""

    def __init__(self, seed: int, north: Session, south: Session) -> None:
        self.rng = random.Random(seed)
        self.default, self.both = north, (north, south)
        self.querysets: list[Made] = []
        self.entities: list[Made] = []

    # -- the rules -----------------------------------------------------------------------------------

    def owner(self, made: Made, override: Session | None) -> Session:
        """Who is asked: the session it keeps, else that of its rows, that of the innermost block, the default."""
        return made.owner or made.read or override or self.default

    def kept(self, name: str, made: Made) -> Session | None:
        """What a queryset made of this one keeps. Copies leave the rows behind, and their session with them."""
        return made.owner if name in COPIES else made.owner or made.read

    # -- where code runs -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def place(self) -> Iterator[tuple[Session | None, Callable[[Callable[[], Any]], Any]]]:
        """A place to run code: the override there, and how to call a function in it."""
        blocks = self.rng.choices(self.both, k=self.rng.choice([0, 0, 1, 1, 2]))
        override = blocks[-1] if blocks else None
        ways: dict[str, tuple[Session | None, Callable[[Callable[[], Any]], Any]]] = {
            "here": (override, lambda call: call()),
            "a thread": (None, in_thread),
            "a thread with the context": (override, lambda call: in_thread(contextvars.copy_context().run, call)),
            "a loop": (override, lambda call: asyncio.run(later(call))),
            "to_thread": (override, lambda call: asyncio.run(asyncio.to_thread(call))),
        }
        with contextlib.ExitStack() as stack:
            for session in blocks:
                stack.enter_context(session.as_current())
            yield ways[self.rng.choice([*ways, "here", "here"])]

    # -- making --------------------------------------------------------------------------------------

    def make_queryset(self) -> None:
        with self.place() as (override, call):
            old = self.rng.choice(self.querysets) if self.querysets else None
            name = self.rng.choice(list(MAKE))
            if old is None or name in FRESH:
                name = name if name in FRESH else "Run.objects"
                self.querysets.append(Made(call(MAKE[name]), override, name))
            elif name == "using":
                session = self.rng.choice([*self.both, None])
                given = session.name if session is not None and self.rng.random() < 0.5 else session
                self.querysets.append(Made(call(lambda: old.it.using(given)), session, f"{old.how}, using {given!r}"))
            elif name == "pickle":
                owner = self.owner(old, override)
                with self.only(owner, f"pickle of {old.how}"):
                    it = call(lambda: pickle.loads(pickle.dumps(old.it)))
                old.read = owner
                self.querysets.append(Made(it, owner, f"{old.how}, pickled"))
            else:
                made = Made(call(lambda: MAKE[name](old.it)), self.kept(name, old), f"{old.how}, {name}")
                self.querysets.append(made)

    def make_entity(self) -> None:
        if not self.querysets:
            return
        with self.place() as (override, call):
            old, name = self.rng.choice(self.querysets), self.rng.choice(list(FIND))
            owner = self.owner(old, override)
            with self.only(owner, f"{name} of {old.how}"):
                found = call(lambda: FIND[name](old.it))
            if found is None:
                return
            if self.rng.random() < 0.3:
                found = pickle.loads(pickle.dumps(found))
            self.entities.append(Made(found, owner, f"{old.how}, {name}"))

    def make_relation(self) -> None:
        if not self.entities:
            return
        with self.place() as (_, call):
            old, name = self.rng.choice(self.entities), self.rng.choice(list(RELATED))
            with self.only(old.owner, f"{name} of {old.how}"):
                self.querysets.append(Made(call(lambda: RELATED[name](old.it)), old.owner, f"{old.how}, {name}"))

    # -- asking --------------------------------------------------------------------------------------

    def ask(self) -> None:
        kind, verbs = self.rng.choice([(self.querysets, VERBS), (self.entities, OF_ENTITIES)])
        if not kind:
            return
        with self.place() as (override, call):
            made, name = self.rng.choice(kind), self.rng.choice(list(verbs))
            owner = self.owner(made, override)
            with self.only(owner, f"{name} of {made.how}"), contextlib.suppress(DoesNotExist, NotSupported):
                found = call(lambda: verbs[name](made.it))
                if name == "explain":
                    assert found.documents[0].variables.get("project") in (None, owner.name), made.how
            if name in ("list", "len", "bool"):
                made.read = owner

    @contextlib.contextmanager
    def only(self, owner: Session, what: str) -> Iterator[None]:
        """All requests inside go to ``owner``."""
        (other,) = (session for session in self.both if session is not owner)
        before = other.stats.requests
        yield
        assert other.stats.requests == before, f"{what}: asked of {other.name}, and belongs to {owner.name}"

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.rng.choice([self.make_queryset, self.make_entity, self.make_relation, self.ask, self.ask, self.ask])()


def in_thread(function: Callable[..., Any], *given: Any) -> Any:
    """What a function returns on a thread of its own, which sees no override of this one."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(function(*given))
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


async def later(call: Callable[[], Any]) -> Any:
    return call()


async def rows_of(rows: Any) -> list[Any]:
    return [row async for row in rows]


def alone(coroutine: Any) -> Any:
    """Run it on a loop of its own; the context goes along."""
    return in_thread(contextvars.copy_context().run, asyncio.run, coroutine)


COPIES = ("all", "copy", "deepcopy")
FRESH = ("Run.objects", "filtered", "sweeps")
MAKE: dict[str, Callable[..., Any]] = {
    "Run.objects": lambda: Run.objects,
    "filtered": lambda: Run.objects.filter(state="finished"),
    "sweeps": lambda: Sweep.objects,
    "filter": lambda rows: rows.filter(name__contains="r"),
    "exclude": lambda rows: rows.exclude(name="none"),
    "order_by": lambda rows: rows.order_by("created_at"),
    "only": lambda rows: rows.only("name", "state"),
    "all": lambda rows: rows.all(),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "related": lambda rows: rows.select_related("project"),
    "using": lambda rows: rows,
    "pickle": lambda rows: rows,
}
FIND: dict[str, Callable[[Any], Any]] = {
    "first": lambda rows: rows.first(),
    "afirst": lambda rows: alone(rows.afirst()),
    "iterator": lambda rows: next(rows.iterator(), None),
    "its project": lambda rows: (found := rows.first()) and found.project,
    "prefetched": lambda rows: rows.prefetch_related("files" if rows.plan.meta.name == "Run" else "runs").first(),
}
RELATED: dict[str, Callable[[Any], Any]] = {
    "runs": lambda one: one.runs if isinstance(one, Project | Sweep) else one.project.runs,
    "sweeps": lambda one: one.sweeps if isinstance(one, Project) else one.project.sweeps,
}
VERBS: dict[str, Callable[[Any], Any]] = {
    "list": list,
    "len": len,
    "bool": bool,
    "async list": lambda rows: alone(rows_of(rows.filter(name__contains="r"))),
    "count": lambda rows: rows.count(),
    "acount": lambda rows: alone(rows.acount()),
    "exists": lambda rows: rows.exists(),
    "explain": lambda rows: rows.explain(),
    "analyze": lambda rows: rows.explain(analyze=True),
    "repr": repr,
    "html": lambda rows: rows._repr_html_(),
    "query": lambda rows: str(rows.query),
    "best": lambda rows: rows.best("created_at", goal="min"),
    "in_bulk": lambda rows: rows.in_bulk(["r1"]),
    "csv": lambda rows: rows.to_csv(),
    "values": lambda rows: list(rows.values("id")),
    "groups": lambda rows: list(rows.group_by("state")),
    "repr of groups": lambda rows: repr(rows.group_by("state")),
    "best of groups": lambda rows: list(rows.group_by("state").best("created_at", goal="max")),
    "aggregate": lambda rows: rows.aggregate(n=Count()),
    "aaggregate": lambda rows: alone(rows.aaggregate(n=Count())),
    "fields": lambda rows: rows.fields("config"),
    "watch": lambda rows: list(rows.watch(interval=1, timeout=0, existing=True)),
    "update": lambda rows: rows.filter(id="r1").update(description="x"),
    "aupdate": lambda rows: alone(rows.filter(id="r1").aupdate(description="x")),
    "delete": lambda rows: rows.filter(id="r9").delete(dry_run=True),
    "contains": lambda rows: rows.contains(rows.first()),
    "delete there": lambda rows: rows.filter(id="r8").delete(),
}
OF_ENTITIES: dict[str, Callable[[Any], Any]] = {
    "refresh": lambda one: one.refresh(),
    "arefresh": lambda one: alone(one.arefresh()),
    "repr": repr,
    "save": lambda one: (setattr(one, "description", str(id(object()))), one.save()),
    "runs": lambda one: RELATED["runs"](one).count(),
    "runs, async": lambda one: alone(RELATED["runs"](one).acount()),
    "explain": lambda one: RELATED["runs"](one).explain(),
    "create a run": lambda one: one.runs.create() if isinstance(one, Project) else None,
    "update its runs": lambda one: RELATED["runs"](one).filter(id="r1").update(notes="x"),
    "delete a run": lambda one: RELATED["runs"](one).filter(id="r9").delete(),
    "groups": lambda one: list(RELATED["runs"](one).group_by("state")),
    "page": lambda one: getattr(one, "url", None),
}


# -- the tests -------------------------------------------------------------------------------------


def world(name: str) -> dict[str, Any]:
    runs = [
        {"id": f"r{at}", "name": f"r{at}", "state": "finished", "sweep": "sw", "created_at": f"2024-01-{at + 1:02}"}
        for at in range(10)
    ]
    sweep = {"config": {"method": "grid", "parameters": {"lr": {"values": [1]}}}, "name": "r"}
    return {"entities": {"acme": {"projects": {name: {"runs": runs, "sweeps": {"sw": sweep}}}}}}


def trial(seed: int, steps: int) -> Program:
    north, south = (
        connect("fixtures:", world=world(name), project=f"acme/{name}", name=name, default=name == "north")
        for name in ("north", "south")
    )
    program = Program(seed, north, south)
    program.run(steps)
    assert north.stats.requests + south.stats.requests
    return program


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_request_reaches_the_session_that_the_rules_name(seed: int) -> None:
    trial(seed, STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS, SEEDS + MANY))
def test_the_same_in_long_programs(seed: int) -> None:
    trial(seed, 4 * STEPS)


def test_what_was_read_elsewhere_is_deleted_there() -> None:
    """The block is over, and the rows on the screen are those of the other server."""
    north = connect("fixtures:", world=world("p"), project="acme/p")
    south = connect("fixtures:", world=world("p"), project="acme/p", name="south", default=False)
    rows = Run.objects.filter(name="r3")
    with south.as_current():
        assert len(rows) == 1
    rows.filter(state="finished").update(notes="seen")
    rows.delete()
    assert (Run.objects.using(south).count(), Run.objects.using(north).count()) == (9, 10)
    assert not Run.objects.using(north).filter(notes="seen").exists()
    assert rows.all().count() == 1, "a copy is not bound"
