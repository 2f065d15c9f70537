"""A small fixtures world that tests change from outside, by raw mutations, as a training script would."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.backends import EngineBackend
from wbmodel import connect
from wbmodel.engine.memory import MemoryStore
from wbmodel.hookspecs import RegisterBackends, hookimpl
from wbmodel.registry import make_plugin_manager
from wbmodel.session.session import Session

__all__ = ["Outside", "alater", "later", "outside", "web"]


def _world() -> dict[str, Any]:
    runs = [
        {
            "id": f"r{index}",
            "name": f"run {index}",
            "state": "running",
            "created_at": f"2024-03-0{index}T10:00:00Z",
            "config": {"lr": index / 10},
            "summary": {"loss": index},
            "tags": ["first"],
            "user": "ada",
        }
        for index in (1, 2, 3)
    ]
    vision = {"runs": runs, "sweeps": {"sw": {"config": {"method": "grid"}}}}
    return {
        "viewer": "ada",
        "users": ["ada"],
        "entities": {"acme": {"members": ["ada"], "projects": {"vision": vision}}},
    }


class Outside:
    """Whoever else works on the same server."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def _mutate(self, name: str, type_: str, given: dict[str, Any]) -> None:
        # Asked of the backend itself, so that the session's own count of requests stays the test's.
        from wbmodel.request import Request

        text = f"mutation M($input: {type_}!) {{ {name}(input: $input) {{ clientMutationId }} }}"
        response = self.session.backend.execute(Request(text, {"input": given}))
        assert not response.errors

    def upsert(self, run: str, **fields: Any) -> None:
        """Write fields of a run, by their wire names; it is made where it is not there."""
        self._mutate(
            "upsertBucket", "UpsertBucketInput", {"entityName": "acme", "modelName": "vision", "name": run, **fields}
        )

    def delete(self, node_id: str) -> None:
        """Delete a run."""
        self._mutate("deleteRun", "DeleteRunInput", {"id": node_id})


@contextmanager
def outside() -> Iterator[Outside]:
    """A session over a fresh world, current inside the block, and the other who works on it."""
    with connect("fixtures:", world=_world(), project="acme/vision", name="changing", default=False) as session:
        yield Outside(session)


@contextmanager
def later(do: Callable[[], None], seconds: float = 0.05) -> Iterator[None]:
    """Do something from another thread while the block waits."""
    timer = threading.Timer(seconds, do)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


async def alater(do: Callable[[], None], seconds: float = 0.05) -> None:
    """The twin of :func:`later`, as a task."""
    await asyncio.sleep(seconds)
    do()


class _Web:
    @hookimpl
    def wbmodel_register_backends(self, register: RegisterBackends) -> None:
        register("web", EngineBackend, schemes=("https",))


@contextmanager
def web(store: MemoryStore, url: str = "https://api.wandb.ai") -> Iterator[Session]:
    """A session whose URL is a server's; the engine over ``store`` answers."""
    plugins = make_plugin_manager(load_entry_points=False, plugins=[_Web()])
    settings = {"project": "acme/vision", "name": "web", "default": False, "api_key": "k" * 40}
    with connect(url, plugins=plugins, store=store, **settings) as session:  # type: ignore[arg-type]
        yield session
