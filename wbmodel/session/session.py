"""A session: one backend, created lazily, with its settings and wrappers."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from typing_extensions import Self

from wbmodel import forks
from wbmodel.backend import Backend, Capabilities
from wbmodel.backend.asks import Ask, Request, Response, raise_for_errors
from wbmodel.backend.verbs import Send
from wbmodel.compiler.extras import Refusals, lesser
from wbmodel.compiler.target import Target
from wbmodel.errors import BackendNotInstalled, ConfigurationError, QueryError, exits_contained, suggestion
from wbmodel.hookspecs import CallInfo
from wbmodel.meta.state import State
from wbmodel.session import current, driver, observers
from wbmodel.session.clock import Clock
from wbmodel.session.documents import request_of
from wbmodel.session.flow import Operation
from wbmodel.session.observers import Call, Ended, Observer
from wbmodel.session.settings import Given, Settings
from wbmodel.session.stats import SessionStats
from wbmodel.session.viewer import Viewer
from wbmodel.urls import app_url, mask_url

if TYPE_CHECKING:
    from wbmodel.registry import BackendEntry, PluginManager, WrapperEntry
    from wbmodel.session.documents import AnyDocument

__all__ = ["Session"]

T = TypeVar("T")


class Session:
    """A connection to one backend, created by :func:`wbmodel.connect`. Safe to share between threads and loops.

    Creating a session does no I/O: the backend is created on first use, and does I/O only to answer requests. As a
    context manager, in both colours, the session is the current one inside the block, for this thread and task. Leaving
    the block closes the session, unless it is the process-wide default. To override the current session without
    closing it, use :meth:`as_current`.
    """

    def __init__(
        self,
        settings: Settings,
        entry: BackendEntry,
        plugins: PluginManager,
        *,
        name: str = "default",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        forks.wait_for_imports()
        self.name = name
        self.settings: Settings = settings
        self.plugins = plugins
        self.stats = SessionStats()
        self._entry = entry
        self._options = Given(options or {})
        self._lock = forks.rlock()
        self._backend: Backend | None = None
        self._wrappers: Sequence[WrapperEntry] | None = None
        self._observers: Sequence[Observer] = (self.stats.observe, *_recording(settings))
        self._call_info: CallInfo | None = None
        self._viewer = Viewer()
        self._refusals = Refusals()
        self._closed = False
        self._blocks = 0
        _check_options(entry, self._options)

    # -- properties --------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The URL, without credentials."""
        return mask_url(self.settings.url.value)

    @property
    def entity(self) -> str | None:
        """The entity of a bare project name; None means the viewer's own."""
        return self.settings.entity.value

    @property
    def project(self) -> str | None:
        """The default project: ``"entity/project"``, or ``"project"`` if no entity is set, or None."""
        project = self.settings.project.value
        return f"{self.entity}/{project}" if project and self.entity else project

    @property
    def timeout(self) -> float | None:
        """How long one request may take, in seconds; None means no limit."""
        return self.settings.timeout.value

    @property
    def app_url(self) -> str | None:
        """The URL of this server's web pages, without a trailing slash; None for a backend without web pages."""
        return app_url(self.url)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` has been called."""
        return self._closed

    @property
    def backend(self) -> Backend:
        """The backend, created on first use. Raises :class:`~wbmodel.errors.ConfigurationError` once closed."""
        self._ensure_open()
        if self._backend is None:
            with self._lock:
                if self._backend is None:
                    self._backend = self._make_backend()
        return self._backend

    @property
    def capabilities(self) -> Capabilities:
        """What the backend promises."""
        return self.backend.capabilities

    @property
    def target(self) -> Target:
        """The target of plans that run on this session. Raises :class:`~wbmodel.errors.ConfigurationError` once
        closed."""
        # Not cached: the reference cycle would keep an unused session alive until the next garbage collection.
        refused = self._refusals.known
        return Target(
            capabilities=lesser(self.capabilities, refused) if refused else self.capabilities,
            project=self.project,
            entity=self.entity or self._viewer.home,
            place=self.url,
            owner=self,
            viewer=self._viewer,
            refused=refused,
            refusals=self._refusals,
        )

    @property
    def refused(self) -> Mapping[str, str]:
        """What wbmodel adds to requests by itself and this server refused so far, with what is done instead."""
        return {extra.what: extra.instead for extra in sorted(self._refusals.known, key=str)}

    @property
    def origin(self) -> str:
        """The identity of host and account, without secrets. An unpickled entity finds its session by it."""
        backend = self._backend if self._closed and self._backend is not None else self.backend
        return backend.origin or self.url

    @property
    def wrappers(self) -> Sequence[WrapperEntry]:
        """The wrappers that plugins put around asks, outermost first."""
        if self._wrappers is None:
            with self._lock:
                if self._wrappers is None:
                    self._wrappers = tuple(self.plugins.wrappers(self))
        return self._wrappers

    @property
    def call_info(self) -> CallInfo:
        """What wrappers get to know about the destination of a request."""
        if self._call_info is None:
            self._call_info = CallInfo(session=self.name, backend=self._entry.name, origin=self.origin)
        return self._call_info

    def __repr__(self) -> str:
        project = f" project={self.project!r}" if self.project else ""
        return f"<Session {self.name!r} {self.url}{project}{' closed' if self._closed else ''}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "a Session cannot be pickled because it holds a connection and credentials; pickle the entities, "
            "which find a session with the same origin when they are unpickled"
        )

    # -- requests ----------------------------------------------------------------------------------

    def execute(
        self, document: AnyDocument, variables: Mapping[str, Any] | None = None, operation_name: str | None = None
    ) -> Response:
        """Send one raw GraphQL document.

        ``document`` is text, a :class:`~wbmodel.request.Document`, a ``graphql.DocumentNode``, the result of gql's
        ``gql()`` or ``dsl_gql()`` (a ``GraphQLRequest``, with its variables and operation name), or a ``DSLQuery`` or
        ``DSLMutation``. Raises :class:`~wbmodel.errors.ServerError` for GraphQL errors, and
        :class:`~wbmodel.errors.QueryError` if ``document`` is not a document or if variables or the operation name are
        given twice.
        """
        return self.run(self._asked(request_of(document, variables, operation_name)))

    async def aexecute(
        self, document: AnyDocument, variables: Mapping[str, Any] | None = None, operation_name: str | None = None
    ) -> Response:
        """The twin of :meth:`execute`."""
        return await self.arun(self._asked(request_of(document, variables, operation_name)))

    def refresh(self, rows: Iterable[Any]) -> None:
        """Reload every loaded field of these objects in place, as each one's ``refresh()``, but many in one request.

        Raises the class's ``DoesNotExist`` if any of them are gone, after the others were reloaded.
        """
        self.run(_reloading(rows, self.target))

    async def arefresh(self, rows: Iterable[Any]) -> None:
        """The twin of :meth:`refresh`."""
        await self.arun(_reloading(rows, self.target))

    def run(self, operation: Operation[T], *, timeout: float | None = None) -> T:
        """Run an I/O-free operation to its end and return its value. ``timeout`` is in seconds for all its requests
        together; when it runs out, :class:`~wbmodel.errors.RequestTimeout` is raised."""
        return driver.run(self._viewer.naming(operation, self), self, self._clock(timeout))

    async def arun(self, operation: Operation[T], *, timeout: float | None = None) -> T:
        """The twin of :meth:`run`."""
        return await driver.arun(self._viewer.naming(operation, self), self, self._clock(timeout))

    def iterate(self, operation: Operation[Any], *, timeout: float | None = None) -> Iterator[Sequence[Any]]:
        """Yield what an I/O-free operation emits. Closing the iterator early closes the operation. ``timeout`` is as in
        :meth:`run`; time that the caller spends between two items does not count."""
        return driver.iterate(self._viewer.naming(operation, self), self, self._clock(timeout))

    def aiterate(
        self, operation: Operation[Any], *, timeout: float | None = None
    ) -> AsyncGenerator[Sequence[Any], None]:
        """The twin of :meth:`iterate`."""
        return driver.aiterate(self._viewer.naming(operation, self), self, self._clock(timeout))

    def observe(self, asks: Sequence[Ask]) -> Ended:
        """Notify the observers of asks that are about to go to the backend. Called by the drivers."""
        return observers.told(Call(self, asks), self._observers)

    def _clock(self, total: float | None) -> Clock:
        return Clock(self.url, self.timeout, total)

    def _asked(self, request: Request) -> Operation[Response]:
        response: Response = yield Send(request)
        raise_for_errors(request, response, self.url)
        return response

    # -- blocks and closing ------------------------------------------------------------------------

    def as_current(self) -> contextlib.AbstractContextManager[Session]:
        """A block in which this is the current session, for this thread and task. It does not close the session."""
        return current.overriding(self)

    def __enter__(self) -> Self:
        with self._lock:
            self._ensure_open()
            self._blocks += 1
        current.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leave():
            self.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leave():
            await self.aclose()

    def _leave(self) -> bool:
        """Undo one override. Returns whether to close the session: after its last block, in whatever context."""
        current.leave(self)
        with self._lock:
            self._blocks -= 1
            return not self._blocks and not current.is_default(self)

    def close(self) -> None:
        """Close the backend and remove the session from the table of connections. May be called twice."""
        backend = self._shut()
        if backend is not None:
            with self._exits_contained(type(backend)):
                backend.close()

    async def aclose(self) -> None:
        """The twin of :meth:`close`."""
        backend = self._shut()
        if backend is not None:
            with self._exits_contained(type(backend)):
                await backend.aclose()

    def _exits_contained(self, code: object) -> contextlib.AbstractContextManager[None]:
        entry = self._entry
        return exits_contained(f"the backend {entry.name!r} of {entry.owner}", str(getattr(code, "__module__", "")))

    def _shut(self) -> Backend | None:
        with self._lock:
            if self._closed:
                return None
            if self._backend is not None:  # otherwise nothing was ever sent, and there is nothing to flush
                self.plugins.session_closed(self)
            self._closed = True
        current.forget(self)
        return self._backend

    def _ensure_open(self) -> None:
        if self._closed:
            raise ConfigurationError(f"the session {self.name!r} ({self.url}) is closed; connect() again")

    def _make_backend(self) -> Backend:
        from wbmodel.registry import check_api_version

        entry = self._entry
        settings: dict[str, Callable[[], Any]] = {
            "api_key": lambda: self.settings.api_key().value,
            "identity_token_file": lambda: self.settings.identity_token_file.value,
            "entity": lambda: self.entity,
            "project": lambda: self.settings.project.value,
            "timeout": lambda: self.timeout,
        }
        wanted = {name: get() for name, get in settings.items() if name in entry.wants}
        try:
            with self._exits_contained(entry.factory):
                backend = entry.factory(self.settings.url.value, **wanted, **self._options)
        except ImportError as error:
            extra = f"[{entry.extra}]" if entry.extra else ""
            missing = error.name or str(error)
            raise BackendNotInstalled(
                f"the backend {entry.name!r} could not import {missing}; "
                f'install it with: pip install "{entry.distribution or entry.plugin}{extra}"'
            ) from error
        check_api_version(getattr(backend, "api_version", None), entry.name, entry.owner)
        return backend


def _reloading(rows: Iterable[Any], target: Target) -> Operation[None]:
    from wbmodel.operations.reload import reload_all

    if isinstance(rows, State):
        raise QueryError(f"refresh() takes a list of objects, not {rows!r}; call its own refresh()")
    listed = list(rows)
    for row in listed:
        if not isinstance(row, State):
            raise QueryError(f"refresh() takes objects that queries returned, not {row!r}")
    return reload_all(listed, target)


def _recording(settings: Settings) -> list[Observer]:
    """The observers that the environment requests for a session. Imports nothing if it requests none."""
    wanted: list[Observer] = []
    if settings.trace.value is not None:
        from wbmodel.session.trace import by_setting as traced

        wanted.append(traced(settings.trace.value))
    if settings.otel.value:
        from wbmodel.session.otel import by_setting as spanned

        wanted.append(spanned())
    return wanted


_OWN = ("project", "entity", "api_key", "identity_token_file", "name", "default", "timeout", "cache_dir", "plugins")


def _check_options(entry: BackendEntry, options: Mapping[str, Any]) -> None:
    """Reject options that the factory does not take, at connect() and not on first use."""
    try:
        parameters = list(inspect.signature(entry.factory).parameters.values())
    except (TypeError, ValueError):  # a factory written in C, say
        return
    kinds = inspect.Parameter
    if any(parameter.kind is kinds.VAR_KEYWORD for parameter in parameters):
        return
    named = [p.name for p in parameters if p.kind is kinds.KEYWORD_ONLY]
    named += [p.name for p in parameters if p.kind is kinds.POSITIONAL_OR_KEYWORD][1 if _takes_url(parameters) else 0 :]
    choices = [name for name in named if name not in entry.wants]
    for option in options:
        if option not in choices:
            tail = suggestion(option, [*choices, *_OWN], "its options") or "; it takes no options"
            raise ConfigurationError(f"the backend {entry.name!r} does not take the option {option!r}{tail}")


def _takes_url(parameters: Sequence[inspect.Parameter]) -> bool:
    # The first positional parameter is the URL, whatever its name; if it is positional-only, it is not in the list.
    return bool(parameters) and parameters[0].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
