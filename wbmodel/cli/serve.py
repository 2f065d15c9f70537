"""``wbmodel serve``: a world behind HTTP, for the official clients and for wbmodel itself.

An API key on a command line can be read by every user of the machine (``ps``). So the key is best given in a file or a
variable; one given as an argument is taken out of the process's arguments by running the command anew without it.
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
"""Characters that wandb 0.31.0 wants a key to have at least (seen)."""


def run_serve(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM, then finish what is under way. 0 in the end."""
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
        # A second Ctrl-C does not wait for what is under way.
        for each in ends:
            loop.remove_signal_handler(each)
        ending.set()

    await server.start()
    try:
        for each in ends:
            loop.add_signal_handler(each, end)
    except NotImplementedError:  # Windows: Ctrl-C is a KeyboardInterrupt, which cancels what is below
        pass
    try:
        # The address first, alone on its line and at once, as whoever started this waits for it.
        emit(server.url)
        sys.stdout.flush()
        needs = "the key" if key is not None else f"any key (wandb wants {_USUAL_KEY} characters)"
        complain(f"{what}; clients: WANDB_BASE_URL={server.url}, and {needs} as WANDB_API_KEY; Ctrl-C ends it")
        if key is not None and len(key) < _USUAL_KEY:
            complain(f"this key has {len(key)} characters, and wandb refuses keys of less than {_USUAL_KEY}", "warning")
        await ending.wait()
    except asyncio.CancelledError:
        pass
    await server.stop()
    complain(f"stopped after {server.requests} requests")


# -- what is served --------------------------------------------------------------------------------


def _engine(arguments: argparse.Namespace, open_things: ExitStack) -> tuple[Engine, str]:
    """The engine over the world of the arguments, and what to call it."""
    import wbmodel
    from wbmodel.engine import Dialect, Engine, MemoryStore

    # wandb 0.31.0 cannot read a run without a user.
    dialect = Dialect(missing_user="nobody")
    # A setting of the environment is for asking, not for serving: only what this command line names is served.
    place = arguments.world if arguments.world is not None else arguments.url
    if arguments.world is not None and arguments.url is not None:
        raise ConfigurationError(f"{arguments.world!r} and --url {arguments.url!r} name two worlds; give one of them")
    if place is None:
        name = arguments.entity or "local"
        store: Any = MemoryStore()
        store.viewer = store.add_user(name)
        return Engine(store, dialect), f"an empty world of the entity {name}, in memory"
    if arguments.entity is not None:
        raise ConfigurationError("--entity names the entity of an empty world, and this one has its own")
    url = place if _has_scheme(place) else f"fixtures:{place}"
    session = wbmodel.connect(url, name="served", default=False, plugins=plugin_manager(arguments))
    open_things.enter_context(session)
    store = getattr(session.backend, "world", None)
    if store is None:
        raise NotSupported(f"{session.url} cannot be served: only fixtures worlds can, fixtures:PATH and demo:")
    return Engine(store, dialect), f"{session.url}; changes are kept in memory only"


def _has_scheme(place: str) -> bool:
    # One letter is a drive of Windows.
    scheme, colon, _ = place.partition(":")
    return bool(colon) and len(scheme) > 1 and scheme.replace("+", "").replace("-", "").isalnum()


# -- the key ---------------------------------------------------------------------------------------


def _key(arguments: argparse.Namespace) -> str | None:
    given = [name for name in ("api_key", "api_key_file") if getattr(arguments, name) is not None]
    if len(given) > 1:
        raise ConfigurationError("--api-key and --api-key-file are both given; one of them is needed")
    # Taken out, so that what this process may start does not inherit it.
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
        # The key itself is not shown, not even a bad one.
        raise ConfigurationError(f"{where} holds no API key: one word of letters, digits and signs is needed")
    return key


def _hide(key: str) -> None:
    """Run this command anew with the key in a variable, if it is among the arguments that ``ps`` shows.

    The variable can be read by this user and root only. Where there is no exec, the arguments stay as they are.
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
        raise ConfigurationError("the API key stands twice among the arguments, where every user can read it")
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
            raise ConfigurationError(f"there is no limit {name!r}{suggestion(name, kinds, 'limits')}")
        try:
            given[name] = kinds[name](value)
        except ValueError:
            raise ConfigurationError(f"--set-limit {name}={value}: a number is needed") from None
        if given[name] < 0 or given[name] != given[name]:
            raise ConfigurationError(f"--set-limit {name}={value}: a limit is not negative")
    return Limits(**given)


def _tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.tls_certificate is None:
        if arguments.tls_key is not None:
            raise ConfigurationError("--tls-key goes with --tls-certificate")
        return None
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(arguments.tls_certificate, arguments.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"the certificate {arguments.tls_certificate} cannot be used: {error}") from None
    return context
