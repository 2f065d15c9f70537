"""One small world on every kind of backend that can be written: add a kind to ``PLACES`` and every test runs over
it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import attrs

from tests.support.backends import WEAK, SlowBackend
from wbmodel import Run, connect
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.execute import Engine
from wbmodel.engine.memory import MemoryStore
from wbmodel.engine.server import serving
from wbmodel.hookspecs import RegisterBackends, hookimpl
from wbmodel.registry import make_plugin_manager
from wbmodel.request import Request, Response
from wbmodel.session.session import Session
from wbmodel_fixtures import world_from

__all__ = ["HOME", "PLACES", "Moody", "kept", "moody", "on", "variables", "world"]

HOME = "acme/vision"
KEY = "k" * 40
_numbers = itertools.count(1)


def world(runs: int = 5) -> dict[str, Any]:
    """A project with ``runs`` finished runs ``r0``, ``r1`` ..., a sweep and a report, and an empty project."""
    made = [
        {
            "id": f"r{number}",
            "name": f"run {number}",
            "state": "finished",
            "created_at": f"2024-03-01T10:{number // 60:02}:{number % 60:02}Z",
            "config": {"lr": number / 10, "model": {"depth": number}},
            "summary": {"loss": number, "best": float("inf")},
            "tags": ["first"] if number % 2 else [],
            "group": "even" if number % 2 == 0 else "odd",
            "user": "ada",
        }
        for number in range(runs)
    ]
    vision = {
        "runs": made,
        "sweeps": {"sw": {"config": {"method": "grid", "parameters": {"lr": {"values": [1, 2]}}}, "state": "RUNNING"}},
        "reports": [{"id": "rep1", "name": "Old", "description": "d", "spec": {"blocks": [], "version": 5}}],
    }
    return {
        "viewer": "ada",
        "users": ["ada"],
        "entities": {"acme": {"members": ["ada"], "projects": {"vision": vision, "empty": {"description": "none"}}}},
    }


class Moody(SlowBackend):
    """The engine, asynchronous, with requests side by side, that fails as it is told: ``mood(request)`` gives what to
    raise instead of carrying it out, or ``(error,)`` to carry it out and lose the answer."""

    def __init__(self, url: str, *, store: MemoryStore, mood: Callable[[Request], Any] | None = None) -> None:
        capabilities = attrs.evolve(WEAK, writable=True, concurrent=True)
        super().__init__(url, store=store, dialect=Dialect(max_page=7), capabilities=capabilities, delay=0.001)
        self.mood = mood or (lambda request: None)

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        told = self.mood(request)
        if isinstance(told, BaseException):
            raise told
        response = await super().aexecute(request, timeout=timeout)
        if told is not None:
            raise told[0]
        return response


class _Plugin:
    @hookimpl
    def wbmodel_register_backends(self, register: RegisterBackends) -> None:
        register("moody", Moody, schemes=("moody",))


@contextmanager
def moody(store: MemoryStore, mood: Callable[[Request], Any] | None = None) -> Iterator[Session]:
    """A session over a :class:`Moody` backend, current inside the block."""
    plugins = make_plugin_manager(load_entry_points=False, plugins=[_Plugin()])
    name = f"moody-{next(_numbers)}"
    with connect("moody:", plugins=plugins, store=store, mood=mood, name=name, default=False, project=HOME) as session:
        yield session


@contextmanager
def _fixtures(given: dict[str, Any]) -> Iterator[Session]:
    name = f"fixtures-{next(_numbers)}"
    with connect("fixtures:", world=given, name=name, default=False, project=HOME) as session:
        yield session


@contextmanager
def _slow(given: dict[str, Any]) -> Iterator[Session]:
    with moody(world_from(given).world) as session:
        yield session


@contextmanager
def _live(given: dict[str, Any]) -> Iterator[Session]:
    with serving(Engine(world_from(given).world), api_key=KEY) as server:
        name = f"live-{next(_numbers)}"
        with connect(server.url, api_key=KEY, name=name, default=False, project=HOME) as session:
            yield session


PLACES: dict[str, Callable[[dict[str, Any]], AbstractContextManager[Session]]] = {
    "fixtures": _fixtures,
    "slow": _slow,
    "live": _live,
}
"""Every kind of backend, as a session over a world."""


@contextmanager
def on(place: str, given: dict[str, Any] | None = None) -> Iterator[Session]:
    """A session over the world (or over ``given``), current inside the block."""
    with PLACES[place](world() if given is None else given) as session:
        yield session


def kept(run_id: str = "r1") -> Run:
    """The run as the backend has it now."""
    return Run.objects.get(id=run_id)


def variables(request: Request) -> dict[str, Any]:
    """The variables of a request, with JSON texts decoded."""
    return {
        name: json.loads(value) if name in ("config", "summaryMetrics", "spec") else value
        for name, value in request.variables.items()
    }
