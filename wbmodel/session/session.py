"""A session: one backend, lazily made, with the settings and wrappers around it."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from typing_extensions import Self

from wbmodel import forks
from wbmodel.backend import Backend, Capabilities
from wbmodel.backend.asks import Ask, Request, Response, raise_for_errors
from wbmodel.backend.verbs import Send
from wbmodel.compiler.target import Target
from wbmodel.errors import BackendNotInstalled, ConfigurationError, suggestion
from wbmodel.hookspecs import CallInfo
from wbmodel.session import current, driver, observers
from wbmodel.session.clock import Clock
from wbmodel.session.documents import request_of
from wbmodel.session.flow import Operation
from wbmodel.session.observers import Call, Ended, Observer
from wbmodel.session.settings import Settings
from wbmodel.session.stats import SessionStats
from wbmodel.session.viewer import Viewer
from wbmodel.urls import app_url, mask_url

if TYPE_CHECKING:
    from wbmodel.registry import BackendEntry, PluginManager, WrapperEntry
    from wbmodel.session.documents import AnyDocument

__all__ = ["Session"]

T = TypeVar("T")


class Session:
    """A connection to one backend, as :func:`wbmodel.connect` makes it. Safe to share between threads and loops.

    Making one does no I/O: the backend is made on first use, and does its I/O when it is asked something. As a context
    manager, in both colours, it is the current session inside the block, for this thread and task. Leaving the block
    closes a session that is not the process-wide default (it was made for the block); the default stays open. To
    override without closing, use :meth:`as_current`.
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
        self._options = dict(options or {})
        self._lock = forks.rlock()
        self._backend: Backend | None = None
        self._wrappers: Sequence[WrapperEntry] | None = None
        self._observers: Sequence[Observer] = (self.stats.observe, *_recording(settings))
        self._call_info: CallInfo | None = None
        self._viewer = Viewer()
        self._closed = False
        self._blocks = 0
        _check_options(entry, self._options)

    # -- what it is --------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The URL, without credentials."""
        return mask_url(self.settings.url.value)

    @property
    def entity(self) -> str | None:
        """The entity that a bare project name belongs to, or None: the viewer's own."""
        return self.settings.entity.value

    @property
    def project(self) -> str | None:
        """The default project: ``"entity/project"``, or ``"project"`` where no entity is set, or None."""
        project = self.settings.project.value
        return f"{self.entity}/{project}" if project and self.entity else project

    @property
    def timeout(self) -> float | None:
        """Seconds that one request may take, or None."""
        return self.settings.timeout.value

    @property
    def app_url(self) -> str | None:
        """Where the web pages of this server are, without a slash at the end; None for a backend that has none."""
        return app_url(self.url)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` has been called."""
        return self._closed

    @property
    def backend(self) -> Backend:
        """The backend, made on first use. Raises :class:`~wbmodel.errors.ConfigurationError` once closed."""
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
        """Where plans are asked over this session. Raises :class:`~wbmodel.errors.ConfigurationError` once closed."""
        # Made anew each time: kept here, it would keep a session alive that nobody holds any more, until the collector
        # of garbage comes by.
        return Target(
            capabilities=self.capabilities, project=self.project, entity=self.entity, place=self.url, owner=self
        )

    @property
    def origin(self) -> str:
        """The identity of host and account, without secrets: what an unpickled entity finds its session by."""
        backend = self._backend if self._closed and self._backend is not None else self.backend
        return backend.origin or self.url

    @property
    def wrappers(self) -> Sequence[WrapperEntry]:
        """The wrappers that plugins put around what is asked, outermost first."""
        if self._wrappers is None:
            with self._lock:
                if self._wrappers is None:
                    self._wrappers = tuple(self.plugins.wrappers(self))
        return self._wrappers

    @property
    def call_info(self) -> CallInfo:
        """What wrappers are told about where a request goes."""
        if self._call_info is None:
            self._call_info = CallInfo(session=self.name, backend=self._entry.name, origin=self.origin)
        return self._call_info

    def __repr__(self) -> str:
        project = f" project={self.project!r}" if self.project else ""
        return f"<Session {self.name!r} {self.url}{project}{' closed' if self._closed else ''}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "a Session holds a connection and credentials and is not pickled; pickle the entities, "
            "which find a session of the same origin where they are unpickled"
        )

    # -- asking ------------------------------------------------------------------------------------

    def execute(
        self, document: AnyDocument, variables: Mapping[str, Any] | None = None, operation_name: str | None = None
    ) -> Response:
        """Send one GraphQL document: the raw door. ``document`` is text, a :class:`~wbmodel.request.Document`, a
        ``graphql.DocumentNode``, what ``gql()`` or ``dsl_gql()`` of gql makes (a ``GraphQLRequest``, with its variables
        and operation name), or a ``DSLQuery`` or ``DSLMutation`` by itself. Raises
        :class:`~wbmodel.errors.ServerError` for GraphQL errors, and :class:`~wbmodel.errors.QueryError` for what is not
        a document, and for variables or operation names that are given twice."""
        return self.run(self._asked(request_of(document, variables, operation_name)))

    async def aexecute(
        self, document: AnyDocument, variables: Mapping[str, Any] | None = None, operation_name: str | None = None
    ) -> Response:
        """The twin of :meth:`execute`."""
        return await self.arun(self._asked(request_of(document, variables, operation_name)))

    def run(self, operation: Operation[T], *, timeout: float | None = None) -> T:
        """Drive an I/O-free operation to its end and give the value it returns. ``timeout`` is in seconds for all that
        it asks together; :class:`~wbmodel.errors.RequestTimeout` says when they were not enough."""
        return driver.run(self._viewer.naming(operation, self), self, self._clock(timeout))

    async def arun(self, operation: Operation[T], *, timeout: float | None = None) -> T:
        """The twin of :meth:`run`."""
        return await driver.arun(self._viewer.naming(operation, self), self, self._clock(timeout))

    def iterate(self, operation: Operation[Any], *, timeout: float | None = None) -> Iterator[Sequence[Any]]:
        """What an I/O-free operation emits, as it comes. Closing the iterator early closes the operation. ``timeout``
        is as in :meth:`run`; the time that the caller takes between two of them does not count."""
        return driver.iterate(self._viewer.naming(operation, self), self, self._clock(timeout))

    def aiterate(
        self, operation: Operation[Any], *, timeout: float | None = None
    ) -> AsyncGenerator[Sequence[Any], None]:
        """The twin of :meth:`iterate`."""
        return driver.aiterate(self._viewer.naming(operation, self), self, self._clock(timeout))

    def observe(self, asks: Sequence[Ask]) -> Ended:
        """Called by the drivers with what goes to the backend, just before it does: tells the observers."""
        return observers.told(Call(self, asks), self._observers)

    def _clock(self, total: float | None) -> Clock:
        return Clock(self.url, self.timeout, total)

    def _asked(self, request: Request) -> Operation[Response]:
        response: Response = yield Send(request)
        raise_for_errors(request, response, self.url)
        return response

    # -- as a block, and the end -------------------------------------------------------------------

    def as_current(self) -> contextlib.AbstractContextManager[Session]:
        """A block in which this is the current session, for this thread and task. It is not closed."""
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
        """Undo one override; whether the session is to be closed now: with the last block, wherever that is."""
        current.leave(self)
        with self._lock:
            self._blocks -= 1
            return not self._blocks and not current.is_default(self)

    def close(self) -> None:
        """Give back what the backend opened, and leave the table of connections. May be called twice."""
        backend = self._shut()
        if backend is not None:
            backend.close()

    async def aclose(self) -> None:
        """The twin of :meth:`close`."""
        backend = self._shut()
        if backend is not None:
            await backend.aclose()

    def _shut(self) -> Backend | None:
        with self._lock:
            if self._closed:
                return None
            if self._backend is not None:  # otherwise nothing was ever asked, and there is nothing to flush
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
            backend = entry.factory(self.settings.url.value, **wanted, **self._options)
        except ImportError as error:
            extra = f"[{entry.extra}]" if entry.extra else ""
            missing = error.name or str(error)
            raise BackendNotInstalled(
                f"the backend {entry.name!r} could not import {missing}: "
                f'pip install "{entry.distribution or entry.plugin}{extra}"'
            ) from error
        check_api_version(getattr(backend, "api_version", None), entry.name, entry.owner)
        return backend


def _recording(settings: Settings) -> list[Observer]:
    """What the environment asked to be recorded of a session. Loads nothing when that is nothing."""
    wanted: list[Observer] = []
    if settings.trace.value is not None:
        from wbmodel.session.trace import by_setting as traced

        wanted.append(traced(settings.trace.value))
    if settings.otel.value:
        from wbmodel.session.otel import by_setting as spanned

        wanted.append(spanned())
    return wanted


_OWN = ("project", "entity", "api_key", "identity_token_file", "name", "default", "timeout", "plugins")


def _check_options(entry: BackendEntry, options: Mapping[str, Any]) -> None:
    """Refuse an option that the factory does not take, at connect and not at first use."""
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
            tail = suggestion(option, [*choices, *_OWN], "its options") or "; it takes none"
            raise ConfigurationError(f"the backend {entry.name!r} takes no option {option!r}{tail}")


def _takes_url(parameters: Sequence[inspect.Parameter]) -> bool:
    # The first positional parameter is the URL, whatever it is called, unless it is positional-only already.
    return bool(parameters) and parameters[0].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
