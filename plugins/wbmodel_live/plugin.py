"""The entry point: registers the ``https`` and ``http`` schemes. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, cast

from wbmodel.hookspecs import BackendFactory, RegisterBackends, hookimpl

if TYPE_CHECKING:
    from os import PathLike
    from ssl import SSLContext

    import aiohttp
    from gql.transport import AsyncTransport

    from wbmodel_live.backend import LiveBackend
    from wbmodel_live.credentials import SecretText

__all__ = ["live", "wbmodel_register_backends"]


def live(
    url: str,
    /,
    *,
    api_key: SecretText | None = None,
    identity_token_file: str | None = None,
    connect_timeout: float | None = None,
    read_timeout: float | None = None,
    max_attempts: int | None = None,
    concurrency: int | None = None,
    max_response: int | None = None,
    proxy: str | None = None,
    trust_env: bool = True,
    ca_file: str | PathLike[str] | None = None,
    ssl_context: SSLContext | None = None,
    client_session: Callable[[], aiohttp.ClientSession | Awaitable[aiohttp.ClientSession]] | None = None,
    headers: Mapping[str, str] | None = None,
    transport: AsyncTransport | None = None,
) -> LiveBackend:
    """The backend for an ``https:`` or ``http:`` URL. The options are those of ``wbmodel_live.options.Options``."""
    from wbmodel_live.backend import LiveBackend
    from wbmodel_live.options import Options

    given = {
        "connect_timeout": connect_timeout,
        "read_timeout": read_timeout,
        "max_attempts": max_attempts,
        "concurrency": concurrency,
        "max_response": max_response,
        "proxy": proxy,
        "trust_env": trust_env,
        "ca_file": ca_file,
        "ssl_context": ssl_context,
        "client_session": client_session,
        "headers": headers,
        "transport": transport,
    }
    options = Options(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    return LiveBackend(url, api_key=api_key, identity_token_file=identity_token_file, options=options)


@hookimpl
def wbmodel_register_backends(register: RegisterBackends) -> None:
    """Register ``https://HOST`` and ``http://HOST``."""
    # The protocol allows any options; this factory names its own, so that connect() can reject a misspelt one.
    factory = cast("BackendFactory", live)
    register("live", factory, schemes=("https", "http"), wants=("api_key", "identity_token_file"), api_version=0)
