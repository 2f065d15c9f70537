"""``wbmodel serve``: a world behind HTTP, for the official clients and for wbmodel itself.

Every user of the machine can read an API key on a command line (``ps``), so the key is best passed in a file or a
variable. A key passed as an argument is removed by re-executing the process without it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wbmodel.cli.output import complain, emit
from wbmodel.cli.session import plugin_manager
from wbmodel.errors import ConfigurationError, NotSupported, suggestion

if TYPE_CHECKING:
    import ssl
    from contextlib import ExitStack

    from wbmodel.engine import Engine
    from wbmodel.server import Limits, Server

__all__ = ["KEY_VARIABLE", "run_serve"]

KEY_VARIABLE = "WBMODEL_SERVE_API_KEY"
_USUAL_KEY = 40
"""Minimum length of a key in wandb 0.31.0 (seen)."""


def run_serve(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM, then finish the requests in flight. Returns 0."""
    import asyncio
    import logging
    from contextlib import ExitStack

    from wbmodel.server import Server
    from wbmodel.server.injection import NoFaults

    key = _key(arguments)
    logging.basicConfig(format="%(name)s: %(levelname)s: %(message)s")
    with ExitStack() as open_things:
        engine, what = _engine(arguments, open_things)
        server = Server(
            engine,
            host=arguments.host,
            port=arguments.port,
            api_key=key,
            limits=_limits(arguments),
            faults=NoFaults(latency=arguments.latency),
            ssl_context=_tls(arguments),
        )
        asyncio.run(_serve(server, what, key))
    return 0


async def _serve(server: Server, what: str, key: str | None) -> None:
    import asyncio
    import signal

    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    ends = (signal.SIGINT, signal.SIGTERM)

    def end() -> None:
        # A second Ctrl-C does not wait for requests in flight.
        for each in ends:
            loop.remove_signal_handler(each)
        ending.set()

    await server.start()
    try:
        for each in ends:
            loop.add_signal_handler(each, end)
    except NotImplementedError:  # Windows: Ctrl-C is a KeyboardInterrupt, which cancels the wait below
        pass
    try:
        # The address comes first, alone on its line and flushed, because the starting process waits for it.
        emit(server.url)
        sys.stdout.flush()
        needs = "the key" if key is not None else f"any key (wandb requires {_USUAL_KEY} characters)"
        complain(
            f"serving {what}; for clients, set WANDB_BASE_URL={server.url} and {needs} as WANDB_API_KEY; "
            "stop with Ctrl-C"
        )
        if key is not None and len(key) < _USUAL_KEY:
            complain(f"this key has {len(key)} characters, and wandb rejects keys shorter than {_USUAL_KEY}", "warning")
        await ending.wait()
    except asyncio.CancelledError:
        pass
    await server.stop()
    complain(f"stopped after {server.requests} requests")


# -- the world -------------------------------------------------------------------------------------


def _engine(arguments: argparse.Namespace, open_things: ExitStack) -> tuple[Engine, str]:
    """The engine for the world that the arguments name, and a description of the world."""
    import wbmodel
    from wbmodel.engine import Dialect, Engine, MemoryStore

    # wandb 0.31.0 cannot read a run without a user.
    dialect = Dialect(missing_user="nobody")
    # Environment settings are for clients. Only a world named on this command line is served.
    place = arguments.world if arguments.world is not None else arguments.url
    if arguments.world is not None and arguments.url is not None:
        raise ConfigurationError(f"{arguments.world!r} and --url {arguments.url!r} name two worlds; pass only one")
    if place is None:
        name = arguments.entity or "local"
        store: Any = MemoryStore()
        store.viewer = store.add_user(name)
        return Engine(store, dialect), f"an empty world for the entity {name}, in memory"
    if arguments.entity is not None:
        raise ConfigurationError("--entity is only for an empty world; the world to serve has its own entities")
    url = place if _has_scheme(place) else f"fixtures:{place}"
    session = wbmodel.connect(url, name="served", default=False, plugins=plugin_manager(arguments))
    open_things.enter_context(session)
    store = getattr(session.backend, "world", None)
    if store is None:
        raise NotSupported(f"{session.url} cannot be served; only fixtures worlds can (fixtures:PATH and demo:)")
    return Engine(store, dialect), f"{session.url} (changes are kept in memory only)"


def _has_scheme(place: str) -> bool:
    # One letter is a Windows drive.
    scheme, colon, _ = place.partition(":")
    return bool(colon) and len(scheme) > 1 and scheme.replace("+", "").replace("-", "").isalnum()


# -- the key ---------------------------------------------------------------------------------------


def _key(arguments: argparse.Namespace) -> str | None:
    given = [name for name in ("api_key", "api_key_file") if getattr(arguments, name) is not None]
    if len(given) > 1:
        raise ConfigurationError("both --api-key and --api-key-file are given; pass only one of them")
    # Removed, so that child processes do not inherit it.
    variable = os.environ.pop(KEY_VARIABLE, None)
    if arguments.api_key is not None:
        _hide(arguments.api_key)
        return _checked(arguments.api_key, "--api-key")
    if arguments.api_key_file is not None:
        return _checked(_read_key(arguments.api_key_file), f"--api-key-file {arguments.api_key_file}")
    return _checked(variable, KEY_VARIABLE) if variable else None


def _read_key(path: str) -> str:
    try:
        text = sys.stdin.readline() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--api-key-file {path} cannot be read: {error}") from None
    return text.strip()


def _checked(key: str, where: str) -> str:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        # Never show the key, not even an invalid one.
        raise ConfigurationError(
            f"{where} does not contain a valid API key; it must be one word of ASCII letters, digits and punctuation"
        )
    return key


def _hide(key: str) -> None:
    """Re-execute this command with the key in a variable, if the key is among the arguments that ``ps`` shows.

    Only this user and root can read the variable. Without exec (Windows), the arguments stay as they are.
    """
    words = list(getattr(sys, "orig_argv", ()))
    if os.name != "posix" or not any(word in (key, f"--api-key={key}") for word in words):
        return
    kept = [sys.executable]
    skip = False
    for word in words[1:]:
        if skip:
            skip = False
        elif word == "--api-key":
            skip = True
        elif not word.startswith("--api-key="):
            kept.append(word)
    if key in kept:
        raise ConfigurationError("the API key appears twice in the arguments, where every user can read it")
    os.execve(sys.executable, kept, {**os.environ, KEY_VARIABLE: key})


# -- limits, TLS -----------------------------------------------------------------------------------


def _limits(arguments: argparse.Namespace) -> Limits:
    import attrs

    from wbmodel.server import Limits

    kinds: dict[str, Any] = {item.name: type(item.default) for item in attrs.fields(Limits)}
    given: dict[str, Any] = {} if arguments.timeout is None else {"seconds": arguments.timeout}
    for text in arguments.set_limit:
        name, _, value = text.partition("=")
        if name not in kinds:
            raise ConfigurationError(f"{name!r} is not a limit{suggestion(name, kinds, 'limits')}")
        try:
            given[name] = kinds[name](value)
        except ValueError:
            raise ConfigurationError(f"--set-limit {name}={value}: the limit must be a number") from None
        if given[name] < 0 or given[name] != given[name]:
            raise ConfigurationError(f"--set-limit {name}={value}: the limit must be 0 or more")
    return Limits(**given)


def _tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.tls_certificate is None:
        if arguments.tls_key is not None:
            raise ConfigurationError("--tls-key requires --tls-certificate")
        return None
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(arguments.tls_certificate, arguments.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"the certificate {arguments.tls_certificate} cannot be used: {error}") from None
    return context
