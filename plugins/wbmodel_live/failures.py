"""Classifies what goes wrong between wbmodel and a server: what happened, whether to retry, what the user can do.

==========================================  ================  =======================================================
what happened                               retried           final error
==========================================  ================  =======================================================
429                                         always            RateLimited if the deadline leaves no time
503 with Retry-After                        if idempotent     RateLimited, likewise
no connection (refused, name, proxy)        twice             ServerUnreachable
5xx (not 501, 505)                          if idempotent     ServerError with the status
connection lost, response cut or stalled    if idempotent     ServerUnreachable, RequestTimeout, ServerError
certificate rejected, proxy refuses         never             ServerUnreachable
401, 403                                    never             NotAuthenticated, PermissionDenied
a redirect, a web page, not GraphQL         never             NotWandbServer
any other 4xx                               never             ServerError with the status
500 with GraphQL errors                     once              ServerError with the status
200 or 4xx with GraphQL errors              never             none here: a response, whose errors the caller raises
==========================================  ================  =======================================================

Queries are *idempotent*, and so are mutations that name their object and set values (``idempotency.py``). A mutation
that was sent, and whose response was lost on every attempt, ends in OutcomeUnknown, idempotent or not.
"""

from __future__ import annotations

import enum
import os
import ssl
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import aiohttp

from wbmodel.errors import (
    NotAuthenticated,
    NotWandbServer,
    PermissionDenied,
    RateLimited,
    RequestTimeout,
    ResponseTooLarge,
    ServerError,
    ServerUnreachable,
    WbmodelError,
)
from wbmodel.safe_text import brief, printable
from wbmodel.urls import mask_url
from wbmodel_live.bodies import ACCEPTED, TooLarge, UnknownCoding
from wbmodel_live.idempotency import Intent
from wbmodel_live.words import is_page, words_of

if TYPE_CHECKING:
    from wbmodel_live.transport import Reply

__all__ = ["FEW", "TWO", "Retry", "FailedAttempt", "bare", "of_body", "of_exception", "of_reply", "retry_after"]

FEW = 3
"""Attempts to reach a host that cannot be reached: a misspelt name should not take a minute to report."""
TWO = 2
"""Attempts when a resolver refuses with HTTP 500, or a page gets 502 or 504: it may be by chance once."""
_PROXIES = "check proxy=, HTTPS_PROXY and NO_PROXY"
_CERTIFICATES = {
    10: "the server needs a new certificate, unless this machine's clock is wrong",  # X509_V_ERR_CERT_HAS_EXPIRED
    62: "check the address",  # X509_V_ERR_HOSTNAME_MISMATCH
    64: "check the address",  # X509_V_ERR_IP_ADDRESS_MISMATCH
}
_BETWEEN = "try again later; if it persists, check the address (https or http) and any proxy or firewall in between"


class Retry(enum.Enum):
    """When the same request may be sent again."""

    NEVER = "never"
    IF_IDEMPOTENT = "if the request is idempotent"
    ALWAYS = "always: the server did not carry it out"
    UNSURE = "never: it is unknown whether the server carried it out"


class FailedAttempt(Exception):
    """One attempt that failed. ``what`` continues a sentence that begins with the server ("answered HTTP 502"),
    ``advice`` says what the user can do, ``said`` quotes the server, ``wait`` is the pause in seconds that the server
    asked for, ``most`` limits the number of attempts. ``refused``: the server answered with GraphQL errors."""

    def __init__(
        self,
        what: str,
        error: type[WbmodelError] = ServerError,
        retry: Retry = Retry.NEVER,
        *,
        advice: str = "",
        status: int | None = None,
        said: str | None = None,
        wait: float | None = None,
        most: int | None = None,
        refused: bool = False,
    ) -> None:
        super().__init__(what)
        self.what, self.error, self.retry, self.advice = what, error, retry, advice
        self.status, self.said, self.wait, self.most = status, said, wait, most
        self.refused = refused

    def hide(self, hide: Callable[[str], str]) -> None:
        """Hide keys in its words: a traceback that shows variables shows them, and so do the pauses of a host."""
        self.what, self.said = hide(self.what), None if self.said is None else hide(self.said)
        self.args = (self.what,)

    def may_retry(self, intent: Intent) -> bool:
        """Whether a request with this intent may be sent again."""
        return self.retry is Retry.ALWAYS or (self.retry is Retry.IF_IDEMPOTENT and intent.idempotent)


# -- HTTP responses --------------------------------------------------------------------------------


def of_reply(
    reply: Reply, url: str, *, broken: bool, key_hint: str, proxy: str | None = None, refused: bool = False
) -> FailedAttempt:
    """Classify a response that is not a GraphQL result or has an error status. ``key_hint`` is the advice for a refused
    login; ``proxy`` is the URL of the proxy in between, if any; ``refused`` says that the body has GraphQL errors."""
    status, said = reply.status, words_of(reply.body)
    page = reply.kind == "text/html" or is_page(reply.text.lstrip())
    name = f"answered HTTP {status}" + (f" ({brief(reply.reason, 60)})" if reply.reason else "")
    if 300 <= status < 400 and "Location" in reply.headers:
        return _of_redirect(reply, url)
    if status == 401:
        return FailedAttempt("rejected the login", NotAuthenticated, advice=key_hint, status=status, said=said)
    if status == 403 and page:
        return FailedAttempt(
            f"{name} with a web page, as firewalls and proxies do: it is not known what the account may do",
            NotWandbServer,
            advice="check the address, the network (VPN) and any firewall or proxy in between",
            status=status,
            said=said,
        )
    if status == 403:
        return FailedAttempt(
            "denied access to this account",
            PermissionDenied,
            advice="ask for access, or use the API key of an account that has it",
            status=status,
            said=said,
        )
    if status == 407:
        return FailedAttempt(
            f"cannot be reached: the proxy {mask_url(proxy) if proxy else ''} requires a login (HTTP 407)",
            ServerUnreachable,
            advice=_PROXIES,
            status=status,
            said=said,
        )
    if status == 429 or (status == 503 and "Retry-After" in reply.headers):
        pause = retry_after(reply)
        return FailedAttempt(
            name,
            RateLimited,
            Retry.ALWAYS if status == 429 else Retry.IF_IDEMPOTENT,
            advice=(
                f"it asks for a pause of {pause:g} s: allow more time (timeout=) or send less at once (concurrency=)"
                if pause
                else "send less at once (concurrency=) or allow more time (timeout=)"
            ),
            status=status,
            said=said,
            wait=pause,
        )
    if status == 500 and refused and said:
        # A resolver failed. Asking again helps only if it was by chance.
        return FailedAttempt(
            f"refused the request with HTTP {status}",
            ServerError,
            Retry.IF_IDEMPOTENT,
            status=status,
            said=said,
            most=TWO,
            refused=True,
        )
    if status >= 500 and status not in (501, 505):
        return FailedAttempt(
            name,
            ServerError,
            Retry.IF_IDEMPOTENT,
            advice="try again later",
            status=status,
            said=said,
            wait=retry_after(reply),
        )
    if status == 200 and broken:
        return FailedAttempt(
            f"answered with truncated or garbled JSON ({reply.received} bytes)",
            ServerError,
            Retry.IF_IDEMPOTENT,
            advice=_BETWEEN,
            status=status,
        )
    if status < 400 or status in (404, 405, 501) or page:
        what = "a web page" if page else f"{reply.kind or 'content'} that is not a GraphQL response"
        return FailedAttempt(
            f"{name} with {what}: this is not the API of a W&B server",
            NotWandbServer,
            advice="check the address; the API of the public server is https://api.wandb.ai",
            status=status,
            said=said,
        )
    return FailedAttempt(name, ServerError, status=status, said=said)


def _of_redirect(reply: Reply, url: str) -> FailedAttempt:
    try:
        where = urlsplit(urljoin(url, reply.headers["Location"]))
        base = mask_url(f"{where.scheme}://{where.netloc}{where.path.removesuffix('/graphql').rstrip('/')}")
    except ValueError:
        return FailedAttempt(
            f"redirects to an address that cannot be read ({brief(mask_url(reply.headers['Location']), 60)})",
            NotWandbServer,
            advice="check the address",
            status=reply.status,
        )
    return FailedAttempt(
        f"redirects to {brief(base)}",
        NotWandbServer,
        advice=f"the API key was not sent there; if that is the right server, use connect({brief(base)!r})",
        status=reply.status,
    )


def of_body(error: TooLarge | UnknownCoding) -> FailedAttempt:
    """Classify a body that was not read to its end. Whether a mutation was carried out is unknown then."""
    if isinstance(error, TooLarge):
        return FailedAttempt(
            f"answered with {error.what}",
            ResponseTooLarge,
            Retry.UNSURE,
            advice="allow more (max_response=, in bytes), or ask for less at once: fewer fields (only()) or fewer rows "
            "(a slice)",
        )
    return FailedAttempt(
        f"answered in the content coding {printable(str(error))!r}, which it was not asked for",
        ServerError,
        Retry.UNSURE,
        advice=f"check the server and any proxy in between; wbmodel reads {ACCEPTED}",
    )


def retry_after(reply: Reply) -> float | None:
    """The pause in seconds that ``Retry-After`` asks for: a number (or fraction, as in wandb-core) or a date."""
    text = reply.headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
            sent = parsedate_to_datetime(reply.headers.get("Date", ""))
            # Both are by the server's clock, which may differ from ours.
            seconds = (moment - sent).total_seconds()
        except (ValueError, TypeError):
            return None
    return seconds if 0 <= seconds < float("inf") else None


# -- exceptions ------------------------------------------------------------------------------------


def of_exception(error: Exception, proxy: str | None) -> FailedAttempt | None:
    """Classify an exception from aiohttp; None if it is not a network failure."""
    through = f" through the proxy {mask_url(proxy)}" if proxy else ""
    words = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError, ssl.SSLError)):
        reason = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
        if not isinstance(reason, ssl.SSLCertVerificationError):
            detail = getattr(reason, "reason", None) or words
            return FailedAttempt(
                f"cannot be reached{through}: the TLS handshake failed ({detail})",
                ServerUnreachable,
                advice="if it serves plain HTTP, use an address that begins with http://",
            )
        return FailedAttempt(
            f"cannot be trusted: {reason.verify_message}",
            ServerUnreachable,
            advice=_CERTIFICATES.get(
                reason.verify_code,
                "if it has its own certificate authority, pass its file as connect(..., ca_file=PATH)",
            ),
        )
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return FailedAttempt(
            f"cannot be reached: the proxy {mask_url(proxy or '')} answered HTTP {error.status} ({error.message})",
            ServerUnreachable,
            advice=_PROXIES,
            status=error.status,
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return FailedAttempt(
            f"cannot be found: the name {error.host!r} does not resolve",
            ServerUnreachable,
            Retry.ALWAYS,
            advice="check the spelling and the network",
            most=FEW,
        )
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        number = getattr(error, "errno", None)
        # asyncio replaces the system's message with its own.
        detail = os.strerror(number) if number else words
        return FailedAttempt(
            f"cannot be reached{through}: {detail}",
            ServerUnreachable,
            Retry.ALWAYS,
            advice="check the address and that the server is running" if not proxy else _PROXIES,
            most=FEW,
        )
    if isinstance(error, aiohttp.SocketTimeoutError):
        return FailedAttempt(
            "stopped sending before the response was complete",
            RequestTimeout,
            Retry.IF_IDEMPOTENT,
            advice="allow more time (read_timeout=)",
        )
    if isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)):
        return FailedAttempt(
            f"dropped the connection ({words})", ServerUnreachable, Retry.IF_IDEMPOTENT, advice=_BETWEEN
        )
    if isinstance(error, aiohttp.ClientResponseError):
        return FailedAttempt(
            f"does not speak valid HTTP ({' '.join(error.message.split())})",
            NotWandbServer,
            Retry.IF_IDEMPOTENT,
            advice="check the address",
            most=FEW,
        )
    return None


def bare(error: Exception) -> Exception:
    """Strip the tracebacks from ``error`` and its causes: their frames hold the credentials."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
