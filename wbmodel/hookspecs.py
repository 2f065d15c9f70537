"""The reference page of the plugin contract: the five hooks, what they are handed, and how a plugin is found.

A plugin is a module (or any object) with functions named after the hooks below, decorated with :data:`hookimpl`.
It is found by an entry point in the group ``wbmodel``, named after the backend or the plugin::

    [project.entry-points.wbmodel]
    acme = "acme_backend.plugin"

A hook function takes the arguments it needs, by name, and may leave out the others: arguments can be added to a hook
without breaking plugins. A function whose name begins with ``wbmodel_`` and is no hook is an error that names it. A
plugin that fails is reported and left out; the others go on. ``WBMODEL_NO_PLUGINS=1`` leaves out all that are not
wbmodel's own. Requests never flow through hooks: hooks hand over the objects that requests flow through.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import pluggy

from wbmodel.backend.asks import Door
from wbmodel.backend.base import Backend

if TYPE_CHECKING:
    import argparse

__all__ = [
    "GROUP",
    "HOOKS",
    "BackendFactory",
    "CallInfo",
    "CommandTable",
    "LookupRewrite",
    "RegisterBackends",
    "RegisterLookups",
    "RegisterWrappers",
    "SessionView",
    "Wrapper",
    "hookimpl",
    "hookspec",
]

GROUP = "wbmodel"
"""The entry-point group, and pluggy's name for the project."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)
"""Decorates a hook function in a plugin: ``@hookimpl`` above ``def wbmodel_register_backends(register): ...``."""


# -- what hooks are handed, and hand over ----------------------------------------------------------


class BackendFactory(Protocol):
    """Makes a backend of a URL. Called once per session, on first use; it does no I/O and asks nothing.

    ``url`` is the session's URL without credentials. Keyword arguments are the caller's ``connect(..., **options)``
    and the settings named in ``wants``. A wrong option is refused at ``connect``, by the factory's signature.
    """

    def __call__(self, url: str, /, **options: Any) -> Backend: ...


class RegisterBackends(Protocol):
    """The callable that :func:`wbmodel_register_backends` is handed."""

    def __call__(
        self,
        name: str,
        factory: BackendFactory,
        *,
        schemes: Iterable[str] = (),
        requires: tuple[str, Iterable[str]] | None = None,
        wants: Iterable[str] = (),
        api_version: int | None = None,
    ) -> None:
        """Claim ``schemes`` (default: the name itself) for ``factory``.

        ``requires`` is ``(extra, import names)``: while one of the names cannot be imported, connecting says
        ``pip install "<distribution>[<extra>]"``. ``wants`` names the settings the factory takes, of ``api_key`` (a
        ``Secret`` or None), ``identity_token_file`` (an absolute path or None; one of these two is None), ``entity``,
        ``project`` and ``timeout``. ``api_version`` is the contract's version that the author wrote against; where it
        is not given, the factory's attribute of that name says it.
        """
        ...


@attrs.frozen(slots=True, kw_only=True)
class CallInfo:
    """Where a request is going: the ``session``'s name, the ``backend``'s name and the ``origin`` (no secrets)."""

    session: str
    backend: str
    origin: str


Wrapper = Callable[[Any, CallInfo], Generator[Any, Any, Any]]
"""A generator function around what is asked, without colour. It is handed the ask (a ``Request``, where it is
registered for documents only), yields ``Send(ask)`` (answered by a ``Response``) or ``Batch(asks)`` (answered by a
list), as often as it likes, and returns the answer. Errors from further in are raised at the ``yield``. Not yielding at
all answers from here, as a cache does.

Around what is answered by a stream (``Read``, ``Open``, ``Fetch``), ``Send(ask)`` is answered by a handle, of which
``Next(handle)`` takes an item, or ``END``; the wrapper yields ``Emit(items)`` for the items that it gives, or returns
the handle to have the rest of the stream pass."""


class RegisterWrappers(Protocol):
    """The callable that :func:`wbmodel_register_wrappers` is handed."""

    def __call__(self, name: str, wrapper: Wrapper, *, order: int = 0, doors: Iterable[Door] = ("documents",)) -> None:
        """Add ``wrapper`` for the asks of ``doors``: ``"documents"``, ``"columns"`` or ``"bytes"``. A smaller ``order``
        is nearer to the caller; equal ones keep the order of registration."""
        ...


LookupRewrite = Callable[[Any, Any], Any]
"""Turns ``(path, operand)`` into a condition on built-in lookups: the path is an ``F``, the result what comparing one
gives (``path >= 1``), or a ``Q`` of such."""


class RegisterLookups(Protocol):
    """The callable that :func:`wbmodel_register_lookups` is handed."""

    def __call__(self, name: str, rewrite: LookupRewrite, phrase: str) -> None:
        """Add lookup ``name`` (an identifier, without ``__``). ``phrase`` is for humans: ``"lies strictly in"``."""
        ...


class CommandTable(Protocol):
    """What :func:`wbmodel_register_commands` is handed."""

    def add(
        self,
        name: str,
        run: Callable[[argparse.Namespace], int | None],
        *,
        help: str,
        configure: Callable[[argparse.ArgumentParser], None] | None = None,
    ) -> None:
        """Add sub-command ``name``: ``configure`` declares its arguments, ``run`` gives the exit status (None: 0)."""
        ...


class SessionView(Protocol):
    """What a plugin may rely on of a session: its identity and its backend."""

    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def backend(self) -> Backend: ...


# -- the hooks -------------------------------------------------------------------------------------


@hookspec
def wbmodel_register_backends(register: RegisterBackends) -> None:
    """Called once per plugin manager, when the first session connects. Returns nothing.

    ::

        @hookimpl
        def wbmodel_register_backends(register):
            register("acme", AcmeBackend, schemes=("acme", "acme-tls"), requires=("acme", ("acme_client",)))

    A scheme that two plugins claim is an error for whoever connects to it, and for nobody else. Keep imports of heavy
    libraries out of the plugin module: the factory is the place for them.
    """


@hookspec
def wbmodel_register_wrappers(register: RegisterWrappers, session: SessionView) -> None:
    """Called once per session, before its first request. Returns nothing; registering nothing is usual.

    ::

        @hookimpl
        def wbmodel_register_wrappers(register):
            def timed(request, info):
                start = time.perf_counter()
                response = yield Send(request)
                print(info.backend, request.operation_name, time.perf_counter() - start)
                return response

            register("timed", timed, order=-10)
    """


@hookspec
def wbmodel_register_lookups(register: RegisterLookups) -> None:
    """Called once per plugin manager, when a query first uses a lookup that is not built in. Returns nothing.

    ::

        @hookimpl
        def wbmodel_register_lookups(register):
            register("near", lambda path, value: (path >= value * 0.9) & (path <= value * 1.1), "is within a tenth of")

    Then ``Run.objects.filter(summary__loss__near=0.3)`` is a query like any other, on every backend.
    """


@hookspec
def wbmodel_register_commands(cli: CommandTable) -> None:
    """Called when the command line starts. Returns nothing.

    ::

        @hookimpl
        def wbmodel_register_commands(cli):
            cli.add("hello", lambda arguments: print("hello"), help="say hello")
    """


@hookspec
def wbmodel_session_closed(session: SessionView) -> None:
    """Called once when a session closes, before its backend does: the last chance to flush. Returns nothing.

    An error raised here becomes a warning; closing goes on.
    """


HOOKS: tuple[str, ...] = tuple(sorted(name for name in globals() if name.startswith("wbmodel_")))
"""The names of all hooks."""
