"""How to reach a server: the options of ``connect()`` besides the address and the login."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import attrs

from wbmodel.errors import ConfigurationError

if TYPE_CHECKING:
    from ssl import SSLContext

    import aiohttp
    from gql.transport import AsyncTransport

__all__ = ["Options"]


@attrs.frozen(slots=True, kw_only=True)
class Options:
    """How to reach a server. All times are in seconds.

    ``timeout`` is the deadline of one request with all its retries and pauses, if neither the session nor the query
    sets one; ``connect_timeout`` is for opening a connection; ``read_timeout`` is the longest silence while a response
    is due. ``max_attempts`` is how often a request is sent at most, ``concurrency`` how many requests the host gets at
    once. ``max_response`` is how many bytes one response may have once it is unpacked; of an error response, 1 MB is
    read. ``proxy`` is a URL; ``trust_env`` takes the proxy from HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and the
    certificate authorities from REQUESTS_CA_BUNDLE (OpenSSL itself reads SSL_CERT_FILE). ``ca_file`` is a PEM file to
    trust instead; ``ssl_context`` replaces all TLS settings. ``client_session`` creates the aiohttp session, with any
    connector or tracing; it is called on the event loop that uses the session, which is closed with the backend.
    ``headers`` go with every request.

    ``transport`` is a gql ``AsyncTransport`` to use instead of wbmodel's own client. It has its own address and login,
    and is connected and closed with the backend, on the backend's event loop. Options for wbmodel's own client cannot
    be combined with it.
    """

    timeout: float = 60.0
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    max_attempts: int = 20
    concurrency: int | None = None
    max_response: int = 100_000_000
    proxy: str | None = attrs.field(default=None, repr=False)
    trust_env: bool = True
    ca_file: str | os.PathLike[str] | None = None
    ssl_context: SSLContext | None = None
    client_session: Callable[[], aiohttp.ClientSession | Awaitable[aiohttp.ClientSession]] | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    transport: AsyncTransport | None = attrs.field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        for name in ("timeout", "connect_timeout", "read_timeout"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not value > 0:
                raise ConfigurationError(f"{name} must be a number of seconds above 0, not {value!r}")
        for name in ("max_attempts", "concurrency", "max_response"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ConfigurationError(f"{name} must be a whole number above 0, not {value!r}")
        if self.ca_file is not None and self.ssl_context is not None:
            raise ConfigurationError("ca_file= and ssl_context= both set what to trust; pass only one of them")
        if any(name.lower() == "authorization" for name in self.headers):
            raise ConfigurationError("headers= cannot contain Authorization; pass the API key as api_key=")
        if self.transport is not None:
            self._check_transport(self.transport)

    def _check_transport(self, transport: object) -> None:
        from gql.transport import AsyncTransport, Transport

        kind = transport if isinstance(transport, type) else type(transport)
        if isinstance(transport, type) and issubclass(transport, AsyncTransport | Transport):
            raise ConfigurationError(f"transport= must be an instance, not a class: transport={kind.__name__}(...)")
        if isinstance(transport, Transport):
            raise ConfigurationError(
                f"transport= must be an asynchronous gql transport, and {kind.__name__} is synchronous; "
                "AIOHTTPTransport and HTTPXAsyncTransport are asynchronous"
            )
        if not isinstance(transport, AsyncTransport):
            raise ConfigurationError(f"transport= must be a gql AsyncTransport, not {kind.__name__}")
        for name in _OF_OUR_CLIENT:
            if getattr(self, name) != getattr(_DEFAULTS, name):
                raise ConfigurationError(
                    f"{name}= is for wbmodel's own client, which transport= replaces; "
                    f"configure the {kind.__name__} instead"
                )


_DEFAULTS = Options()
_OF_OUR_CLIENT = (
    "connect_timeout",
    "read_timeout",
    "max_response",
    "proxy",
    "trust_env",
    "ca_file",
    "ssl_context",
    "client_session",
    "headers",
)
