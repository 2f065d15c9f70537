"""The current session: the process-wide default, overrides by context variable, and sessions by name or origin.

Overrides are context variables, so a thread or task started elsewhere gets the default and not another one's override.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from wbmodel import forks
from wbmodel.errors import ConfigurationError, SessionWarning, WbmodelError, suggestion, warn
from wbmodel.session.settings import Given, Secret, resolve_settings
from wbmodel.urls import mask_url

if TYPE_CHECKING:
    from wbmodel.registry import BackendEntry, PluginManager
    from wbmodel.session.session import Session

__all__ = [
    "connect",
    "connections",
    "current_session",
    "enter",
    "forget",
    "get_session",
    "is_default",
    "leave",
    "override",
    "overriding",
    "session_for_origin",
]

_lock = forks.rlock()
_connections: dict[str, Session] = {}
_default: Session | None = None
# The sessions whose blocks are open in this context, outermost first. A block removes its session by searching for it,
# not with the variable's token: a token belongs to the context that created it, and blocks of one session may be open
# in several threads and tasks at once.
_open_blocks: ContextVar[tuple[Session, ...]] = ContextVar("wbmodel_sessions", default=())
_overrides: Counter[Session] = Counter()
"""How many blocks of a session are open in the whole process."""

connections: Mapping[str, Session] = MappingProxyType(_connections)
"""The open sessions by name: a live, read-only view."""


def connect(
    url: str | None = None,
    *,
    project: str | None = None,
    entity: str | None = None,
    api_key: str | Secret | None = None,
    identity_token_file: str | os.PathLike[str] | None = None,
    name: str = "default",
    default: bool = True,
    timeout: float | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    plugins: PluginManager | None = None,
    **backend_options: Any,
) -> Session:
    """Create a session and make it the process-wide default, unless ``default=False``. Does no I/O.

    ``url`` begins with the backend's scheme (``"fixtures:dir"``, ``"https://api.wandb.ai"``); without it,
    ``WBMODEL_URL`` and then ``WANDB_BASE_URL`` are used. ``project`` is ``"project"`` or ``"entity/project"``.
    ``api_key`` or ``identity_token_file`` (a file with a JSON web token, which the server exchanges for an access
    token) override the environment and netrc; pass only one of them. ``name`` identifies the session for
    :func:`get_session` and ``.using()``. It replaces an open session of the same name; the replaced session stays
    usable, and its connections are closed when the last reference to it is gone, or at once with ``close()``.
    ``timeout`` is in seconds per request. ``cache_dir`` is the folder of the cache of downloaded files.
    ``backend_options`` go to the backend; the backend for ``https:`` takes ``transport=``, a gql ``AsyncTransport`` to
    send requests through. ``plugins`` is for tests that create their own plugin manager.

    Raises :class:`~wbmodel.errors.ConfigurationError` if there is nothing to connect to or an option is unknown, and
    :class:`~wbmodel.errors.BackendError` if the backend is unknown, not installed, claimed twice or broken.
    """
    global _default
    from wbmodel.registry import default_plugin_manager
    from wbmodel.session.session import Session

    # What may hold a key is wrapped first: a traceback may show the variables of this frame.
    api_key = Secret(api_key) if isinstance(api_key, str) else api_key
    given, backend_options = Given(backend_options), {}
    address = Secret(url) if isinstance(url, str) else url
    if isinstance(url, str):
        url = mask_url(url)
    if not name:
        raise ConfigurationError("connect(): name must not be empty")
    for label, value in (("url", url), ("project", project), ("entity", entity), ("name", name)):
        if value is not None and not isinstance(value, str):
            raise ConfigurationError(f"connect(): {label} must be a string, not {value!r}")
    if api_key is not None and not isinstance(api_key, Secret):
        raise ConfigurationError(f"connect(): api_key must be a string, not {type(api_key).__name__}")
    if api_key is not None and not api_key.reveal().strip():
        raise ConfigurationError(
            "connect(): api_key is empty; omit it or pass None to use the key from the environment or netrc"
        )
    if timeout is not None and (type(timeout) not in (int, float) or timeout <= 0):
        raise ConfigurationError(f"connect(): timeout must be a number of seconds above 0, not {timeout!r}")
    if identity_token_file is not None and not isinstance(identity_token_file, str | os.PathLike):
        raise ConfigurationError(f"connect(): identity_token_file must be a path, not {identity_token_file!r}")
    if cache_dir is not None and not isinstance(cache_dir, str | os.PathLike):
        raise ConfigurationError(f"connect(): cache_dir must be a path, not {cache_dir!r}")
    settings = resolve_settings(
        address,
        project=project,
        entity=entity,
        api_key=api_key,
        identity_token_file=identity_token_file,
        timeout=timeout,
        cache_dir=cache_dir,
    )
    manager = plugins if plugins is not None else default_plugin_manager()
    entry: BackendEntry | None = None
    failed: WbmodelError | None = None
    try:
        entry = manager.resolve(settings.url.value)
    except WbmodelError as error:
        failed = error
    if entry is None:
        assert failed is not None
        raise failed.with_traceback(None)  # without the frames in which the address is plain text
    session = Session(settings, entry, manager, name=name, options=given)
    if plugins is not None:
        # All sessions share one namespace of lookups: a condition is written before its session is known.
        from wbmodel.query.lookups import add_source

        add_source(plugins.lookups)
    with _lock:
        _connections[name] = session
        if default:
            _default = session
    return session


def override() -> Session | None:
    """The session of the innermost ``with`` block that is open in this thread and task."""
    blocks = _open_blocks.get()
    return blocks[-1] if blocks else None


def current_session() -> Session:
    """The current session: the innermost override, else the default, else a new one made from the environment.

    Warns (:class:`~wbmodel.errors.SessionWarning`) when it returns the default while another thread or task has a
    ``with`` block of another session open. Raises :class:`~wbmodel.errors.ConfigurationError` if there is no session
    and no variable says where to connect.
    """
    found = override()
    if found is not None:
        return found
    found = _default
    if found is None:
        with _lock:
            found = _default if _default is not None else connect()
    if _overrides:
        _warn_of_overrides(found)
    return found


def _warn_of_overrides(used: Session) -> None:
    with _lock:
        others = [session for session in _overrides if session is not used]
    if others:
        warn(
            f"the default session {used.name!r} is used here, while a `with` block of {others[0].name!r} is open in "
            "another thread or task; a block does not reach the threads of a pool: use .using(session), or open the "
            "block in the thread",
            SessionWarning,
        )


def get_session(name: str | Session) -> Session:
    """The open session called ``name``. A session is returned unchanged."""
    if not isinstance(name, str):
        return name
    try:
        return _connections[name]
    except KeyError:
        tail = suggestion(name, _connections, "open sessions") or "; no session is open"
        raise ConfigurationError(
            f"no open session is called {name!r}{tail}; create it with connect(..., name={name!r})"
        ) from None


def session_for_origin(origin: str) -> Session | None:
    """An open session with this ``origin`` (host and account), or None. The current one is preferred."""
    with _lock:
        candidates = [*reversed(_open_blocks.get()), _default, *_connections.values()]
    for session in candidates:
        if session is not None and not session.closed and _origin(session) == origin:
            return session
    return None


def _origin(session: Session) -> str | None:
    # The first access creates the backend, which may fail for unrelated reasons: a broken netrc, say.
    try:
        return session.origin
    except WbmodelError:
        return None


@contextlib.contextmanager
def overriding(session: Session) -> Iterator[Session]:
    """A block in which ``session`` is the current one, for this thread and task."""
    enter(session)
    try:
        yield session
    finally:
        leave(session)


def enter(session: Session) -> None:
    """Make ``session`` the current one in this context, until :func:`leave`."""
    _open_blocks.set((*_open_blocks.get(), session))
    with _lock:
        _overrides[session] += 1


def leave(session: Session) -> None:
    """Undo the innermost :func:`enter` of ``session`` in this context, if there is one: a block may be entered in one
    context and left in another, as in an asynchronous fixture."""
    with _lock:
        _overrides[session] -= 1
        if _overrides[session] <= 0:
            del _overrides[session]
    blocks = _open_blocks.get()
    for at in reversed(range(len(blocks))):
        if blocks[at] is session:
            _open_blocks.set((*blocks[:at], *blocks[at + 1 :]))
            return


def is_default(session: Session) -> bool:
    """Whether ``session`` is the process-wide default."""
    return _default is session


def forget(session: Session) -> None:
    """Remove a closed session from the table of connections, and as the default."""
    global _default
    with _lock:
        del _overrides[session]  # of a thread that ended in the middle of its block
        if _default is session:
            _default = None
        for name in [name for name, known in _connections.items() if known is session]:
            del _connections[name]
