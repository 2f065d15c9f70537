"""``Api`` over the shared world, served over a real socket; a world to write to is made for each test that asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.http import KEY
from tests.support.worlds import make_world
from wbmodel import Api
from wbmodel.engine import Engine
from wbmodel.engine.server import Server, serving

WORLD = make_world()
VISION = WORLD.of("acme/vision")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The shared world; nothing writes to it."""
    with serving(Engine(WORLD.store()), api_key=KEY) as found:
        yield found


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    """A fresh ``Api`` on the shared world."""
    made = Api({"base_url": server.url, "entity": "acme"}, api_key=KEY)
    yield made
    made.client.session.close()


@pytest.fixture
def writable() -> Iterator[Callable[[], Api]]:
    """Makes an ``Api`` on a world of its own."""
    with ExitStack() as open_servers:

        def make() -> Api:
            store = make_world().store()
            url = open_servers.enter_context(serving(Engine(store), api_key=KEY)).url
            return Api({"base_url": url, "entity": "acme"}, api_key=KEY)

        yield make
