"""The bench that cases run on: the backend under test, its world, and sessions to it."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from wbmodel.backend.owner_loop import OwnerLoop
from wbmodel.errors import ConfigurationError, NotSupported, ServerError
from wbmodel.hookspecs import RegisterBackends, hookimpl
from wbmodel.testing.conformance.seeds import FixturesSeed, GivenSeed, MutationSeed, Seed
from wbmodel.testing.world import PARTS

if TYPE_CHECKING:
    from wbmodel.backend.base import Backend
    from wbmodel.session.session import Session
    from wbmodel.testing.world import World

__all__ = ["Bench", "Subject"]

Subject = str | Callable[["World"], "Backend"]
"""A URL for ``connect()``, or a function that makes a backend from the world."""

SCHEME = "conformance"
_numbers = itertools.count(1)
_ENVIRONMENT = ("WANDB_PROJECT", "WANDB_ENTITY")


class Bench:
    """A backend, filled with the world by :meth:`start`.

    ``options`` go to ``connect()``; ``plugins`` are objects with hooks, for a backend that no entry point registers.
    """

    world: World
    session: Session
    """The session that most cases use."""

    def __init__(
        self,
        subject: Subject,
        seed: Seed | None = None,
        options: Mapping[str, Any] | None = None,
        plugins: Sequence[object] = (),
    ) -> None:
        self.subject, self.seed = subject, seed
        self._given, self._plugins = dict(options or {}), plugins
        self.loop = OwnerLoop("wbmodel conformance")
        self._open = contextlib.ExitStack()
        self.error: BaseException | None = None

    def start(self) -> None:
        """Make the session and load the world."""
        try:
            self.seed = seed = self.seed or self._default_seed()
            self.world = world = seed.make()
            self.session = self._open.enter_context(self.open(world.project))
            seed.session = self.session
            self._open.callback(lambda: seed.clear(world))
            seed.load(world)
            world.drop(*(PARTS - world.parts))
        except BaseException as error:
            self.error = error
            with contextlib.suppress(Exception):  # what went wrong first is what is told
                self._open.close()
            raise

    def close(self) -> None:
        """Clear the world and close the sessions."""
        try:
            self._open.close()
        finally:
            self.loop.stop()

    def add_run(self, project: str) -> str:
        """Add a run to ``project`` through the seed and to the world, for cases that read while rows arrive."""
        run_id = f"later-{next(_numbers)}"
        assert self.seed is not None
        try:
            self.seed.add_run(project, run_id)
        except (NotSupported, ServerError) as error:
            pytest.skip(f"no run can be added while pages are read: {error}")
        self.world.add(id=run_id, project=project)
        return run_id

    @contextlib.contextmanager
    def open(self, project: str | None = None, plugins: Sequence[object] = ()) -> Iterator[Session]:
        """Another session to the same backend, without a project unless one is given."""
        from wbmodel.registry import make_plugin_manager
        from wbmodel.session.current import connect

        made = [] if isinstance(self.subject, str) else [_FunctionPlugin(self.subject, self)]
        options = {**(self.seed.options(self.world) if self.seed is not None else {}), **self._given}
        # Otherwise settings of the machine would fill in what a case leaves out.
        kept = {name: os.environ.pop(name) for name in _ENVIRONMENT if name in os.environ}
        try:
            session = connect(
                self.subject if isinstance(self.subject, str) else f"{SCHEME}:",
                project=project,
                name=f"conformance-{next(_numbers)}",
                default=False,
                plugins=make_plugin_manager(plugins=[*made, *self._plugins, *plugins]),
                **options,
            )
        finally:
            os.environ.update(kept)
        with contextlib.closing(session):
            yield session

    def _default_seed(self) -> Seed:
        if not isinstance(self.subject, str):
            return GivenSeed()
        if self.subject.partition(":")[0] == "fixtures":
            return FixturesSeed()
        with self.open() as session:
            if session.capabilities.writable:
                return MutationSeed()
        raise ConfigurationError(
            f"{self.subject} is not writable, so the kit cannot fill it: give a seed that puts the world there "
            "(--wbmodel-world=package.module:Name, or `seed` of the class); see "
            "python -m wbmodel.docs run-the-conformance-kit"
        )


class _FunctionPlugin:
    """Registers a backend that a function makes from the world."""

    def __init__(self, make: Callable[[World], Backend], bench: Bench) -> None:
        self._make, self._bench = make, bench

    @hookimpl
    def wbmodel_register_backends(self, register: RegisterBackends) -> None:
        from wbmodel.backend.base import API_VERSION

        def factory(url: str, /, **options: Any) -> Backend:
            return self._make(self._bench.world, **options)

        register(SCHEME, factory, schemes=(SCHEME,), api_version=API_VERSION)
