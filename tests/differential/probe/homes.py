"""Where questions are asked: fixtures, the engine in seven dialects, and the live backend against servers of them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from wbmodel import connect
from wbmodel.backend import API_VERSION, AsyncBackend, Capabilities, SyncBackend
from wbmodel.engine import Dialect, Engine
from wbmodel.engine.server import serving
from wbmodel.hookspecs import hookimpl
from wbmodel.registry import make_plugin_manager
from wbmodel.request import Request, Response
from wbmodel_fixtures import world_from

__all__ = ["HOMES", "PLACES", "Mood", "home", "place"]

PROJECT = "acme/vision"
KEY = "k" * 40
# Nothing speaks TLS here, and loading the machine's authorities takes longer than a scenario.
_LIVE = {"api_key": KEY, "ssl_context": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}

# The names of classes (the starting revision's) and those of GraphQL types say the same of the engine.
_FILTERED = {"Run", "Sweep", "Project", "Report", "View", "ArtifactCollection", "ArtifactSequence", "Artifact"}
FULL = Capabilities(
    strict_values=True,
    literal_keys=True,
    regex=True,
    exists=True,
    multi_order=True,
    nulls_last=True,
    stable_cursors=True,
    all_projects=True,
    filtered=frozenset(_FILTERED),
    writable=True,
)
WEAK = Capabilities(page_size=4, max_page_size=7, max_aliases=3)

KINDS: dict[str, tuple[str, Dialect, Capabilities]] = {
    "full": ("engine", Dialect(), FULL),
    "weak": ("slow", Dialect(max_page=7), WEAK),
    "drops": ("engine", Dialect(ne_keeps_null=False, nulls="first", max_page=5, multi_order=False), WEAK),
    "mongo": ("engine", attrs.evolve(Dialect.mongo(), max_page=6, nan="text"), WEAK),
    "loose": ("engine", Dialect(case_blind=True, cross_types=True, literal_keys=False, max_page=3), WEAK),
    "hostile1": ("slow", Dialect.hostile(1), attrs.evolve(WEAK, concurrent=True)),
    "hostile2": ("engine", Dialect.hostile(2), WEAK),
}
"""What a server does and what it promises, each true of the other; the kinds of ``tests/backends.py``."""

HOMES = ("fixtures", *KINDS, *(f"live-{kind}" for kind in KINDS))

Mood = Callable[[Request], Any]
"""What to raise instead of carrying a request out, ``(error,)`` to carry it out and lose the answer, or None."""


class _InPlace(SyncBackend):
    """The engine, answered in place."""

    api_version = API_VERSION
    name = "engine"

    def __init__(self, url: str, *, store: Any, dialect: Dialect, capabilities: Capabilities) -> None:
        self.engine = Engine(store, dialect)
        self.capabilities = capabilities
        self.origin = url

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        return self.engine.execute(request)


class _OnALoop(AsyncBackend):
    """The engine on the owner loop, with requests side by side where the capabilities say so."""

    api_version = API_VERSION
    name = "slow"

    def __init__(
        self, url: str, *, store: Any, dialect: Dialect, capabilities: Capabilities, mood: Mood | None = None
    ) -> None:
        self.engine = Engine(store, dialect)
        self.capabilities = capabilities
        self.origin = url
        self.mood = mood

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        told = self.mood(request) if self.mood else None
        if isinstance(told, BaseException):
            raise told
        await asyncio.sleep(0)
        response = self.engine.execute(request)
        if told is not None:
            raise told[0]
        return response


class _Plugin:
    @hookimpl
    def wbmodel_register_backends(self, register: Any) -> None:
        register("engine", _InPlace, schemes=("engine",))
        register("slow", _OnALoop, schemes=("slow",))


@contextlib.contextmanager
def _session(url: str, name: str, project: str | None = PROJECT, **options: Any) -> Iterator[Any]:
    session = connect(url, name=name, default=False, project=project, **options)
    try:
        yield session
    finally:
        session.close()


@contextlib.contextmanager
def home(name: str, world: dict[str, Any]) -> Iterator[Any]:
    """A session to the home of this name, and one called ``nowhere`` to the same place without a project."""
    kind = name.removeprefix("live-")
    with contextlib.ExitStack() as stack:
        options: dict[str, Any]
        if name == "fixtures":
            url, options = "fixtures:", {"world": world}
        elif name == kind:
            scheme, dialect, capabilities = KINDS[kind]
            url = f"{scheme}:{kind}"
            options = {"store": world_from(world).world, "dialect": dialect, "capabilities": capabilities}
            options["plugins"] = make_plugin_manager(load_entry_points=False, plugins=[_Plugin()])
        else:
            engine = Engine(world_from(world).world, KINDS[kind][1])
            url, options = stack.enter_context(serving(engine, api_key=KEY)).url, _LIVE
        session = stack.enter_context(_session(url, name, **options))
        stack.enter_context(_session(url, "nowhere", None, **options))
        yield session


PLACES = ("fixtures", "engine", "slow", "live", "readonly")
"""Where writes are tried."""


@contextlib.contextmanager
def place(name: str, world: dict[str, Any], mood: Mood | None = None) -> Iterator[Any]:
    """A session to a place whose world may be changed; ``mood`` is for ``slow``."""
    with contextlib.ExitStack() as stack:
        if name == "fixtures":
            made = _session("fixtures:", name, world=world)
        elif name == "live":
            server = stack.enter_context(serving(Engine(world_from(world).world), api_key=KEY))
            made = _session(server.url, name, **_LIVE)
        else:
            options: dict[str, Any] = {"store": world_from(world).world, "dialect": Dialect(max_page=7)}
            options["plugins"] = make_plugin_manager(load_entry_points=False, plugins=[_Plugin()])
            if name == "slow":
                options |= {"capabilities": attrs.evolve(WEAK, writable=True, concurrent=True), "mood": mood}
            else:
                options["capabilities"] = FULL if name == "engine" else WEAK
            made = _session(f"{'slow' if name == 'slow' else 'engine'}:{name}", name, **options)
        yield stack.enter_context(made)
