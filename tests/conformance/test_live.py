"""The kit against the live backend, over HTTP, in both colours: the world is served, or made there by mutations."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, ClassVar

from tests.conformance.backends import MODEST, Alternating, empty_store, store_of
from wbmodel.engine import Engine
from wbmodel.engine.server import serving
from wbmodel.testing.conformance import GivenSeed, World, check, make_world

KEY = "k" * 40

# A server matches $regex by RE2, so there is nothing that the live backend leaves unsaid.
SERVED = {name: expectation for name, expectation in MODEST.items() if name != "flag/regex/unclaimed"}


class Served(GivenSeed):
    """A world that a server holds from the start."""

    def __init__(self, world: World) -> None:
        self.world = world

    def make(self) -> World:
        return self.world


class TestLiveOverAServedWorld(Alternating):
    """A world behind HTTP, histories, files and artifacts with it."""

    backend: ClassVar[Any] = "http://127.0.0.1"  # and a port, when it runs
    options: ClassVar[Any] = {"api_key": KEY}
    expected = SERVED
    phase = 1
    share, asks_for_more = 4, False  # each costs several requests over HTTP
    running: ClassVar[ExitStack]

    @classmethod
    def setup_class(cls) -> None:
        cls.running = ExitStack()
        world = make_world()
        cls.backend = cls.running.enter_context(serving(Engine(store_of(world)), api_key=KEY)).url
        cls.seed = Served(world)
        super().setup_class()

    @classmethod
    def teardown_class(cls) -> None:
        super().teardown_class()
        cls.running.close()


def test_a_world_that_is_made_by_mutations() -> None:
    with serving(Engine(empty_store()), api_key=KEY) as server:
        report = check(server.url, options={"api_key": KEY}, expected=SERVED, only=["page/*", "row/*", "mutation/*"])
    assert report.ok, str(report)
    assert sum(item.result == "passed" for item in report.outcomes) > 50
