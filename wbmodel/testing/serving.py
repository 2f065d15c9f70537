"""``served``: serves a world as a W&B server on the loopback device, for tests of clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from wbmodel.engine.dialect import Dialect
from wbmodel.engine.execute import Engine
from wbmodel.errors import ConfigurationError
from wbmodel.server.server import Server, running
from wbmodel.testing.faults import Faults

__all__ = ["FaultyServer", "served"]


class FaultyServer(Server):
    """A :class:`~wbmodel.server.Server` that plays the faults in ``faults``."""

    def __init__(self, engine: Engine, *, faults: Faults | None = None, **options: Any) -> None:
        self.faults = faults if faults is not None else Faults()
        """The latency and the script of faults. Can be changed while the server runs."""
        super().__init__(engine, faults=self.faults, **options)


@contextmanager
def served(world: str | Mapping[str, Any] | Engine = "demo:", **options: Any) -> Iterator[FaultyServer]:
    """Serve ``world`` for the length of the block.

    ``world`` is a fixtures URL (``"fixtures:PATH"``, ``"demo:"``), a dict in the fixtures format, or an engine. As with
    ``wbmodel serve``, a run without a user shows the user ``nobody``; an engine does what its dialect says.

    ``options`` are those of :class:`~wbmodel.server.Server`: ``api_key``, ``limits``, ``faults``, ``port``. The server
    has a ``url``, and ``faults``, which make it misbehave. The official client can use it too (``WANDB_BASE_URL``).
    Raises :class:`~wbmodel.errors.ConfigurationError` for a URL of another backend.
    """
    # wandb 0.31.0 cannot read a run without a user.
    engine = world if isinstance(world, Engine) else Engine(_store(world), Dialect(missing_user="nobody"))
    with running(FaultyServer(engine, **options)) as server:
        yield server


def _store(world: str | Mapping[str, Any]) -> Any:
    from wbmodel.registry import default_plugin_manager

    url = world if isinstance(world, str) else "fixtures:"
    entry = default_plugin_manager().resolve(url)
    if entry.name != "fixtures":
        raise ConfigurationError(f"served() requires a world of fixtures, but {url!r} is a {entry.name} backend")
    backend: Any = entry.factory(url, **({} if isinstance(world, str) else {"world": world}))
    return backend.world
