"""The bench that cases are run on: the backend under test, the world in it, and sessions to it."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from wbmodel.errors import ConfigurationError, NotSupported, ServerError
from wbmodel.hookspecs import RegisterBackends, hookimpl
from wbmodel.testing.conformance.cases import COLOURS, Case, Inapplicable
from wbmodel.testing.conformance.expect import Expectation, find_expectation
from wbmodel.testing.conformance.kit import Kit
from wbmodel.testing.conformance.seeds import FixturesSeed, GivenSeed, MutationSeed, Seed

if TYPE_CHECKING:
    from wbmodel.backend.base import Backend
    from wbmodel.backend.owner_loop import OwnerLoop
    from wbmodel.registry import PluginManager
    from wbmodel.session.session import Session
    from wbmodel.testing.world import World

__all__ = ["Bench", "Outcome", "Subject", "run_case"]

Subject = str | Callable[["World"], "Backend"]
"""What is tested: a URL for ``connect()``, or a function that makes a backend of the world."""

SCHEME = "conformance"
_numbers = itertools.count(1)
_ENVIRONMENT = ("WANDB_PROJECT", "WANDB_ENTITY")


class Bench:
    """A backend, filled with the world. Started at first use.

    ``options`` go to ``connect()``; ``plugins`` are objects with hooks, for a backend that no entry point registers.
    """

    def __init__(
        self,
        subject: Subject,
        seed: Seed | None = None,
        options: Mapping[str, Any] | None = None,
        plugins: Sequence[object] = (),
    ) -> None:
        self.subject = subject
        self.given = dict(options or {})
        self._extra = plugins
        self._seed = seed
        self._session: Session | None = None
        self._world: World | None = None
        self._loop: OwnerLoop | None = None
        self.error: BaseException | None = None

    # -- its parts ---------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """What ``connect()`` is given."""
        return self.subject if isinstance(self.subject, str) else f"{SCHEME}:"

    @property
    def world(self) -> World:
        """The world, loaded."""
        self.start()
        assert self._world is not None
        return self._world

    @property
    def session(self) -> Session:
        """The session that most cases ask."""
        self.start()
        assert self._session is not None
        return self._session

    @property
    def seed(self) -> Seed:
        """How the world got there."""
        if self._seed is None:
            self._seed = self._default_seed()
        return self._seed

    def kit(self, colour: str) -> Kit:
        """What a case asks with."""
        if self._loop is None:
            from wbmodel.backend.owner_loop import OwnerLoop

            self._loop = OwnerLoop("wbmodel conformance")
        return Kit(self, colour, self._loop)

    # -- beginning and end -------------------------------------------------------------------------

    def start(self) -> None:
        """Make the session and load the world. What went wrong the first time is raised each time."""
        if self._session is not None:
            return
        if self.error is not None:
            raise self.error
        session: Session | None = None
        try:
            self._world = self.seed.make()
            session = self._connect(self._world.project)
            self.seed.session = session
            self.seed.load(self._world)
        except BaseException as error:
            self.error = error
            if session is not None and self._world is not None:
                with contextlib.suppress(Exception):  # what went wrong first is what is told
                    self.seed.clear(self._world)
                session.close()
            raise
        self._session = session

    def close(self) -> None:
        """Clear the world, and close what was opened."""
        session, self._session = self._session, None
        if session is not None:
            try:
                self.seed.clear(self.world_or_none())
            finally:
                session.close()
        if self._loop is not None:
            self._loop.stop()
            self._loop = None

    def world_or_none(self) -> Any:
        """The world, without loading it."""
        return self._world

    def add_run(self, project: str) -> str:
        """Add a run to ``project`` by the seed, for cases that read while rows come. It is the world's from then on."""
        run_id = f"later-{next(_numbers)}"
        try:
            self.seed.add_run(project, run_id)
        except (NotSupported, ServerError) as error:
            raise Inapplicable(f"no run can be added while pages are read: {error}") from None
        self.world.add(id=run_id, project=project)
        return run_id

    @contextlib.contextmanager
    def open(self, project: str | None = None, plugins: Sequence[object] = ()) -> Iterator[Session]:
        """Another session to the same backend, without a project unless one is given."""
        self.start()
        session = self._connect(project, plugins)
        try:
            yield session
        finally:
            session.close()

    def _connect(self, project: str | None, plugins: Sequence[object] = ()) -> Session:
        from wbmodel.session.current import connect

        assert self._world is not None
        options = {**self.seed.options(self._world), **self.given}
        # Settings of the machine would answer for what a case leaves open.
        kept = {name: os.environ.pop(name) for name in _ENVIRONMENT if name in os.environ}
        try:
            return connect(
                self.url,
                project=project,
                name=f"conformance-{next(_numbers)}",
                default=False,
                plugins=self._manager(plugins),
                **options,
            )
        finally:
            os.environ.update(kept)

    def _manager(self, plugins: Sequence[object]) -> PluginManager:
        from wbmodel.registry import make_plugin_manager

        made = [] if isinstance(self.subject, str) else [_FunctionPlugin(self.subject, self)]
        return make_plugin_manager(plugins=[*made, *self._extra, *plugins])

    def _default_seed(self) -> Seed:
        if not isinstance(self.subject, str):
            return GivenSeed()
        if self.subject.partition(":")[0] == "fixtures":
            return FixturesSeed()
        seed = MutationSeed()
        self._world = seed.make()
        self._seed = seed
        session = self._connect(self._world.project)
        try:
            if session.capabilities.writable:
                return seed
        finally:
            session.close()
            self._seed = None
        raise ConfigurationError(
            f"{self.url} is not writable, so the kit cannot fill it: give a seed that puts the world there "
            "(--wbmodel-world=package.module:Name, or `seed` of the class); see docs/how-to/run-the-conformance-kit.md"
        )


class _FunctionPlugin:
    def __init__(self, make: Callable[[World], Backend], bench: Bench) -> None:
        self._make, self._bench = make, bench

    @hookimpl
    def wbmodel_register_backends(self, register: RegisterBackends) -> None:
        def factory(url: str, /, **options: Any) -> Backend:
            return self._make(self._bench.world_or_none(), **options)

        from wbmodel.backend.base import API_VERSION

        register(SCHEME, factory, schemes=(SCHEME,), api_version=API_VERSION)


# -- running ---------------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True)
class Outcome:
    """How a case ended: ``passed``, ``failed``, ``skipped``, ``expected`` (it fails, as declared) or ``unexpected``
    (declared to fail, it passed, or failed in another way)."""

    case: str
    colour: str
    result: str
    message: str = ""
    error: BaseException | None = attrs.field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether there is nothing to do about it."""
        return self.result in ("passed", "skipped", "expected")

    def __str__(self) -> str:
        return f"{self.case}:{self.colour} {self.result}" + (f": {self.message}" if self.message else "")


def run_case(bench: Bench, case: Case, colour: str, expected: Mapping[str, Expectation] | None = None) -> Outcome:
    """Run one case in one colour and weigh how it ended against what was declared."""
    if colour not in COLOURS:
        raise ValueError(f"a colour is one of {', '.join(COLOURS)}, not {colour!r}")
    declared = find_expectation(expected or {}, case.id, colour)
    error: Exception | None = None
    reason: str | None = None
    try:
        reason = _inapplicable(bench, case)
        if reason is None:
            case.run(bench.kit(colour))
    except Inapplicable as found:
        reason = str(found)
    except Exception as raised:
        error = raised

    def ended(result: str, message: str = "") -> Outcome:
        return Outcome(case=case.id, colour=colour, result=result, message=message, error=error)

    if reason is not None:
        return ended("skipped", reason)
    if error is None:
        if declared is None:
            return ended("passed")
        return ended("unexpected", f"this is declared {declared}; it passes now, so take the declaration out")
    message = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
    if declared is None:
        return ended("failed", message)
    if declared.covers(error):
        return ended("expected", str(declared))
    return ended("unexpected", f"this is declared {declared}; it fails in another way: {message}")


def _inapplicable(bench: Bench, case: Case) -> str | None:
    lacking = sorted(case.parts - bench.world.parts)
    if lacking:
        return f"the world was loaded without {', '.join(lacking)}"
    can = bench.session.capabilities
    off = sorted(flag for flag in case.flags if not getattr(can, flag))
    return f"the backend does not promise {', '.join(off)}" if off else None
