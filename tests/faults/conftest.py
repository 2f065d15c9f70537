"""Servers and what stands in front of them; the table of the matrix."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.runner import KEY, PAGE, make_store
from tests.support.matrix import TABLE
from tests.support.servers import Ground, Tap, listening
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.execute import Engine
from wbmodel.engine.server import Server, serving


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The event loop that the servers run on."""
    made = Ground(tmp_path_factory.mktemp("faults"))
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """The world, served."""
    with serving(Engine(make_store(), Dialect(max_page=PAGE)), api_key=KEY) as running:
        yield running


@pytest.fixture
def tap(ground: Ground, server: Server) -> Iterator[tuple[Tap, str]]:
    """A look at the connections to the world, and the address behind which it is."""
    made = Tap(server.url)
    with ground.holding(listening(made.handle)) as port:
        yield made, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def table() -> dict[str, dict[str, str]]:
    """What is printed in the end."""
    return TABLE
