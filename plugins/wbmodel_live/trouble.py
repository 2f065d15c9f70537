"""What can go wrong on the way to a server and back: one exception that says what happened and what may be done.

======================================  =============  ==========================================================
what happened                           sent again     error in the end
======================================  =============  ==========================================================
429                                     always         RateLimited when the deadline leaves no time
503 with Retry-After                    if harmless    RateLimited likewise
no connection (refused, name, proxy)    twice          ServerUnreachable
5xx (not 501, 505)                      if harmless    ServerError with the status
connection lost, answer cut or stalled  if harmless    ServerUnreachable, RequestTimeout, ServerError
certificate, proxy says no              never          ServerUnreachable
401, 403                                never          NotAuthenticated, PermissionDenied
a redirect, a web page, no GraphQL      never          NotWandbServer
any other 4xx                           never          ServerError with the status
200 or 4xx with GraphQL errors          never          none here: an answer, whose errors the asker raises
======================================  =============  ==========================================================

*Harmless* are queries and mutations that say "let it be so" of an object they name (``intent.py``). A mutation that was
sent, and whose answer got lost each time, ends in OutcomeUnknown, whether it is harmless to say it again or not.
"""

from __future__ import annotations

import enum
import os
import ssl
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import aiohttp

from wbmodel.codec import loads
from wbmodel.errors import (
    NotAuthenticated,
    NotWandbServer,
    PermissionDenied,
    RateLimited,
    RequestTimeout,
    ServerError,
    ServerUnreachable,
    WbmodelError,
)
from wbmodel.urls import mask_url
from wbmodel_live.intent import Intent

if TYPE_CHECKING:
    from wbmodel_live.transport import Reply

__all__ = ["FEW", "Again", "Trouble", "bare", "of_exception", "of_reply", "retry_after"]

FEW = 3
"""Attempts at a host that cannot be reached: a slip in its name should not take a minute to be told."""
_WORDS = 300
_PROXIES = "check proxy=, HTTPS_PROXY and NO_PROXY"
_CERTIFICATES = {
    10: "the server needs a new one, unless the clock of this machine is wrong",  # X509_V_ERR_CERT_HAS_EXPIRED
    62: "check the address",  # X509_V_ERR_HOSTNAME_MISMATCH
    64: "check the address",  # X509_V_ERR_IP_ADDRESS_MISMATCH
}
_BETWEEN = "ask again later; if that goes on, check the address (https or http) and what lies in between"


class Again(enum.Enum):
    """When the same request may be sent again."""

    NEVER = "never"
    HARMLESS = "if it is harmless"
    ALWAYS = "always: it was not carried out"
    UNSURE = "never: nothing says whether it was carried out"


class Trouble(Exception):
    """One attempt that failed. ``what`` continues a sentence that begins with the server ("answered HTTP 502"),
    ``advice`` says what the user can do, ``wait`` is what the server asked for in seconds, ``most`` how many attempts
    are made at most."""

    def __init__(
        self,
        what: str,
        error: type[WbmodelError] = ServerError,
        again: Again = Again.NEVER,
        *,
        advice: str = "",
        status: int | None = None,
        said: str | None = None,
        wait: float | None = None,
        most: int | None = None,
    ) -> None:
        super().__init__(what)
        self.what, self.error, self.again, self.advice = what, error, again, advice
        self.status, self.said, self.wait, self.most = status, said, wait, most

    def may_repeat(self, intent: Intent) -> bool:
        """Whether a request of this intent may be sent again."""
        return self.again is Again.ALWAYS or (self.again is Again.HARMLESS and intent.harmless)


# -- of an HTTP answer -----------------------------------------------------------------------------


def of_reply(reply: Reply, url: str, *, broken: bool, key_hint: str, proxy: str | None = None) -> Trouble:
    """The trouble of an answer that is no GraphQL result, or whose status says no. ``key_hint`` says which key was
    sent, and where another one would be taken from; ``proxy`` is what lies in between."""
    status, said = reply.status, _said(reply)
    name = f"answered HTTP {status}" + (f" ({reply.reason})" if reply.reason else "")
    if status in (301, 302, 303, 307, 308):
        target = urljoin(url, reply.headers.get("Location", ""))
        where = urlsplit(target)
        base = mask_url(f"{where.scheme}://{where.netloc}{where.path.removesuffix('/graphql').rstrip('/')}")
        return Trouble(
            f"redirects to {base}",
            NotWandbServer,
            advice=f"the API key was not sent there; if that is the server you mean, connect({base!r})",
            status=status,
        )
    if status == 401:
        return Trouble("does not accept the login", NotAuthenticated, advice=key_hint, status=status, said=said)
    if status == 403:
        return Trouble(
            "refuses this to the account",
            PermissionDenied,
            advice="ask for access, or use an API key of an account that has it",
            status=status,
            said=said,
        )
    if status == 407:
        return Trouble(
            f"cannot be reached: the proxy {mask_url(proxy) if proxy else ''} wants a login (HTTP 407)",
            ServerUnreachable,
            advice=_PROXIES,
            status=status,
            said=said,
        )
    if status == 429 or (status == 503 and "Retry-After" in reply.headers):
        pause = retry_after(reply)
        return Trouble(
            name,
            RateLimited,
            Again.ALWAYS if status == 429 else Again.HARMLESS,
            advice=(
                f"it asks for a pause of {pause:g} s: give it more time (timeout=), or ask less at once (concurrency=)"
                if pause
                else "ask less at once (concurrency=), or give it more time (timeout=)"
            ),
            status=status,
            said=said,
            wait=pause,
        )
    if status >= 500 and status not in (501, 505):
        return Trouble(
            name,
            ServerError,
            Again.HARMLESS,
            advice="ask again later",
            status=status,
            said=said,
            wait=retry_after(reply),
        )
    if status == 200 and broken:
        return Trouble(
            f"answered with JSON that is cut or garbled ({reply.received} bytes)",
            ServerError,
            Again.HARMLESS,
            advice=_BETWEEN,
            status=status,
        )
    page = reply.kind == "text/html" or reply.body.lstrip()[:1] == b"<"
    if status == 200 or status in (404, 405, 501) or page:
        what = "a web page" if page else f"{reply.kind or 'something'} that is no GraphQL answer"
        return Trouble(
            f"{name} with {what}: this is not the API of a W&B server",
            NotWandbServer,
            advice="check the address: the API of the public server is https://api.wandb.ai",
            status=status,
            said=None if page else said,
        )
    return Trouble(name, ServerError, status=status, said=said)


def _said(reply: Reply) -> str | None:
    """The server's own words: the first GraphQL error, a JSON message, or the text of a short plain body."""
    try:
        body = loads(reply.body)
    except ValueError:
        text = reply.text.strip()
        return None if not text or text.startswith("<") else " ".join(text.split())[:_WORDS]
    if isinstance(body, dict):
        errors = body.get("errors")
        first = errors[0] if isinstance(errors, list) and errors else body
        for name in ("message", "error", "error_description", "detail"):
            found = first.get(name) if isinstance(first, dict) else None
            if isinstance(found, str):
                return found[:_WORDS]
        if isinstance(first, str):
            return first[:_WORDS]
    return None


def retry_after(reply: Reply) -> float | None:
    """Seconds that ``Retry-After`` asks for: a number (fractions too, as wandb-core takes them) or a date."""
    text = reply.headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
            sent = parsedate_to_datetime(reply.headers.get("Date", ""))
            # Both by the server's clock, which need not be ours.
            seconds = (moment - sent).total_seconds()
        except (ValueError, TypeError):
            return None
    return seconds if 0 <= seconds < float("inf") else None


# -- of an exception -------------------------------------------------------------------------------


def of_exception(error: Exception, proxy: str | None) -> Trouble | None:
    """The trouble behind what aiohttp raised; None for what is no trouble of the network."""
    through = f" through the proxy {mask_url(proxy)}" if proxy else ""
    words = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError, ssl.SSLError)):
        reason = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
        if not isinstance(reason, ssl.SSLCertVerificationError):
            detail = getattr(reason, "reason", None) or words
            return Trouble(
                f"cannot be reached{through}: no TLS connection can be made ({detail})",
                ServerUnreachable,
                advice="if it speaks plain HTTP, its address begins with http://",
            )
        return Trouble(
            f"cannot be trusted: {reason.verify_message}",
            ServerUnreachable,
            advice=_CERTIFICATES.get(
                reason.verify_code,
                "if it has a certificate authority of its own, give its file as connect(..., ca_file=PATH)",
            ),
        )
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return Trouble(
            f"cannot be reached: the proxy {mask_url(proxy or '')} answered HTTP {error.status} ({error.message})",
            ServerUnreachable,
            advice=_PROXIES,
            status=error.status,
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Trouble(
            f"cannot be found: no address for the name {error.host!r}",
            ServerUnreachable,
            Again.ALWAYS,
            advice="check the spelling and the network",
            most=FEW,
        )
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        number = getattr(error, "errno", None)
        # asyncio puts words of its own in the place of the system's.
        detail = os.strerror(number) if number else words
        return Trouble(
            f"cannot be reached{through}: {detail}",
            ServerUnreachable,
            Again.ALWAYS,
            advice="check the address and that the server runs" if not proxy else _PROXIES,
            most=FEW,
        )
    if isinstance(error, aiohttp.SocketTimeoutError):
        return Trouble(
            "stopped sending in the middle of an answer or before it",
            RequestTimeout,
            Again.HARMLESS,
            advice="give it more time (read_timeout=)",
        )
    if isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)):
        return Trouble(f"broke the connection ({words})", ServerUnreachable, Again.HARMLESS, advice=_BETWEEN)
    if isinstance(error, aiohttp.ClientResponseError):
        return Trouble(
            f"does not speak HTTP as it should ({' '.join(error.message.split())})",
            NotWandbServer,
            Again.HARMLESS,
            advice="check the address",
            most=FEW,
        )
    return None


def bare(error: Exception) -> Exception:
    """``error`` and what led to it, without their frames: those hold the login."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
