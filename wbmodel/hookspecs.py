"""The plugin contract: the five hooks, their arguments, and how plugins are found.

A plugin is a module (or any object) with functions named after the hooks below, decorated with :data:`hookimpl`. It is
found through an entry point in the group ``wbmodel``, named after the backend or the plugin::

    [project.entry-points.wbmodel]
    acme = "acme_backend.plugin"

A hook function takes the arguments it needs, by name, and may omit the others, so hooks can gain arguments without
breaking plugins. A function whose name starts with ``wbmodel_`` but is not a hook is an error that names it. A plugin
that fails is reported and skipped; the others still load. ``WBMODEL_NO_PLUGINS=1`` skips every plugin that is not
wbmodel's own. Requests never flow through hooks: hooks provide the objects that requests flow through.
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


# -- what hooks receive and provide ----------------------------------------------------------------


class BackendFactory(Protocol):
    """Makes a backend from a URL. Called once per session, on first use; it must not do I/O.

    ``url`` is the session's URL without credentials. Keyword arguments are the caller's ``connect(..., **options)`` and
    the settings named in ``wants``. ``connect`` checks the options against the factory's signature.
    """

    def __call__(self, url: str, /, **options: Any) -> Backend: ...


class RegisterBackends(Protocol):
    """The callable passed to :func:`wbmodel_register_backends`."""

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

        ``requires`` is ``(extra, import names)``: if one of the names cannot be imported, connecting fails and suggests
        ``pip install "<distribution>[<extra>]"``. ``wants`` names the settings the factory takes: ``api_key`` (a
        ``Secret`` or None), ``identity_token_file`` (an absolute path or None; at most one of these two is set),
        ``entity``, ``project`` and ``timeout``. ``api_version`` is the version of the contract that the backend
        implements; it defaults to the factory's attribute of that name.
        """
        ...


@attrs.frozen(slots=True, kw_only=True)
class CallInfo:
    """Where a request goes: the names of the ``session`` and the ``backend``, and the ``origin`` (no secrets)."""

    session: str
    backend: str
    origin: str


Wrapper = Callable[[Any, CallInfo], Generator[Any, Any, Any]]
"""A generator function around an ask, neither sync nor async.

It receives the ask (a ``Request`` if it is registered for documents only). It yields ``Send(ask)``, which gives a
``Response``, or ``Batch(asks)``, which gives a list, any number of times, and returns the answer. Errors from further
in are raised at the ``yield``. A wrapper that does not yield answers by itself, as a cache does.

For an ask that is answered by a stream (``Read``, ``Open``, ``Fetch``), ``Send(ask)`` gives a handle, and
``Next(handle)`` gives its next item, or ``END``. The wrapper yields ``Emit(items)`` to emit items, or returns the
handle to pass on the rest of the stream.
"""


class RegisterWrappers(Protocol):
    """The callable passed to :func:`wbmodel_register_wrappers`."""

    def __call__(self, name: str, wrapper: Wrapper, *, order: int = 0, doors: Iterable[Door] = ("documents",)) -> None:
        """Add ``wrapper`` for the asks of ``doors``: ``"documents"``, ``"columns"`` or ``"bytes"``.

        A smaller ``order`` is nearer to the caller; wrappers with equal ``order`` keep the order of registration.
        """
        ...


LookupRewrite = Callable[[Any, Any], Any]
"""Rewrites ``(path, operand)`` to built-in lookups: takes an ``F`` path, returns a ``Q`` such as ``path >= 1``."""


class RegisterLookups(Protocol):
    """The callable passed to :func:`wbmodel_register_lookups`."""

    def __call__(self, name: str, rewrite: LookupRewrite, phrase: str) -> None:
        """Add lookup ``name`` (an identifier without ``__``). ``phrase`` is for people: ``"lies strictly in"``."""
        ...


class CommandTable(Protocol):
    """The object passed to :func:`wbmodel_register_commands`."""

    def add(
        self,
        name: str,
        run: Callable[[argparse.Namespace], int | None],
        *,
        help: str,
        configure: Callable[[argparse.ArgumentParser], None] | None = None,
    ) -> None:
        """Add sub-command ``name``: ``configure`` declares its arguments, ``run`` returns the exit status (None: 0)."""
        ...


class SessionView(Protocol):
    """The parts of a session that plugins may rely on: its identity and its backend."""

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

    If two plugins claim a scheme, only connecting to that scheme is an error. Import heavy libraries in the factory,
    not in the plugin module.
    """


@hookspec
def wbmodel_register_wrappers(register: RegisterWrappers, session: SessionView) -> None:
    """Called once per session, before its first request. Returns nothing; a plugin need not register any.

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

    ``Run.objects.filter(summary__loss__near=0.3)`` then works like any other query, on every backend.
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
    """Called once when a session closes, before its backend closes: the last chance to flush. Returns nothing.

    An error raised here becomes a warning, and closing continues.
    """


HOOKS: tuple[str, ...] = tuple(sorted(name for name in globals() if name.startswith("wbmodel_")))
"""The names of all hooks."""
