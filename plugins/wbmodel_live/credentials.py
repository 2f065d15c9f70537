"""The Authorization header, from an API key or from an identity token that is exchanged for an access token.

Neither is shown, logged, pickled or written to disk, and neither is sent to any host but the session's own.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

from wbmodel.codec import loads
from wbmodel.errors import ConfigurationError, NotAuthenticated
from wbmodel_live.bodies import ERROR_LIMIT, read_body

if TYPE_CHECKING:
    import aiohttp

__all__ = ["OWN_LOGIN", "ApiKey", "OwnLogin", "Credentials", "IdentityToken", "Anonymous", "SecretText"]

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EARLY = 300.0


class Hidden(str):
    """A header value whose repr is masked, for tools that show local variables in tracebacks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class SecretText(Protocol):
    """The session's type for secrets."""

    def reveal(self) -> str: ...


class Credentials:
    """How a session authenticates. Subclasses implement one method each."""

    @property
    def account(self) -> str:
        """A tag that tells accounts apart without revealing the secret; "" for anonymous access."""
        return ""

    @property
    def hint(self) -> str:
        """Advice for a refused login: what was sent, and where the key was or can be taken from."""
        raise NotImplementedError

    async def header(self, http: aiohttp.ClientSession, **extra: object) -> str | None:
        """The value of the Authorization header, or None for no header. ``extra`` goes to aiohttp if a request is
        needed to get it."""
        raise NotImplementedError

    def hide(self, text: str) -> str:
        """Mask the secrets in ``text``: a server may quote what it was sent."""
        return text

    def forked(self) -> None:
        """Called in a forked child, which has another event loop."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("credentials cannot be pickled")


class Anonymous(Credentials):
    """No login. A server may still show what is public."""

    def __init__(self, host: str) -> None:
        self._host = host

    @property
    def hint(self) -> str:
        return (
            "no API key was given: pass api_key= to connect(), set WANDB_API_KEY, or add an entry for "
            f"{self._host} to your netrc file"
        )

    async def header(self, http: aiohttp.ClientSession, **extra: object) -> str | None:
        return None


OWN_LOGIN = "the transport passed as transport= has its own login; the session's API key is not given to it"
"""Advice when the login of a user's transport is refused."""


class OwnLogin(Credentials):
    """The login of a user's transport. The session's key is known here only so that it can be masked."""

    def __init__(self, key: SecretText | None) -> None:
        self._text = "" if key is None else key.reveal().strip()

    @property
    def hint(self) -> str:
        return OWN_LOGIN

    async def header(self, http: aiohttp.ClientSession, **extra: object) -> str | None:
        return None

    def hide(self, text: str) -> str:
        return _without_key(text, self._text) if self._text else text


class ApiKey(Credentials):
    """An API key: Basic authentication as user ``api``, as both clients send it (0.10.28, 0.31.0, seen)."""

    def __init__(self, key: SecretText, host: str) -> None:
        text = key.reveal().strip()
        if not text or any(ord(char) < 33 or ord(char) > 126 for char in text):
            raise ConfigurationError(
                f"the API key for {host} is empty or contains blanks, control characters or non-ASCII characters; "
                "copy it again from the server's settings page"
            )
        self._host = host
        self._text = text
        self._value = Hidden("Basic " + _basic(text))

    @property
    def account(self) -> str:
        # Eight of 64 hexadecimal digits: enough to tell accounts apart, not enough to recover a key.
        return hashlib.sha256(f"wbmodel account {self._text}".encode()).hexdigest()[:8]

    @property
    def hint(self) -> str:
        return (
            f"the API key is not valid on {self._host}; `wbmodel status` shows where it came from: "
            "an argument, the URL, WANDB_API_KEY or netrc"
        )

    async def header(self, http: aiohttp.ClientSession, **extra: object) -> str | None:
        return self._value

    def hide(self, text: str) -> str:
        return _without_key(text, self._text)


def _basic(key: str) -> str:
    return base64.b64encode(f"api:{key}".encode()).decode()


def _without_key(text: str, key: str) -> str:
    return text.replace(key, "***").replace(_basic(key), "***")


class IdentityToken(Credentials):
    """A file with a JWT, exchanged at ``/oidc/token`` for an access token that is sent as ``Bearer``.

    As in the 0.31.0 client (read), the file is read again for every exchange, the access token is used until five
    minutes before it expires, and exchanges do not overlap. The token is kept in memory only.
    """

    def __init__(self, path: str, base: str, host: str) -> None:
        self._path, self._base, self._host = path, base, host
        self._token = ""
        self._until = 0.0
        self._lock: asyncio.Lock | None = None
        self._assertion = ""

    @property
    def account(self) -> str:
        return hashlib.sha256(f"wbmodel identity {self._path}".encode()).hexdigest()[:8]

    @property
    def hint(self) -> str:
        return f"the identity token in {self._path} was exchanged, but {self._host} rejects the access token"

    async def header(self, http: aiohttp.ClientSession, **extra: object) -> str | None:
        if time.monotonic() >= self._until:
            if self._lock is None:
                self._lock = asyncio.Lock()
            async with self._lock:
                if time.monotonic() >= self._until:
                    await self._exchange(http, extra)
        return Hidden(f"Bearer {self._token}")

    def forked(self) -> None:
        self._lock = None

    async def _exchange(self, http: aiohttp.ClientSession, extra: dict[str, object]) -> None:
        try:
            assertion = (await asyncio.to_thread(Path(self._path).read_text, "utf-8")).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"the identity token file {self._path} cannot be read ({type(error).__name__}); "
                "correct WANDB_IDENTITY_TOKEN_FILE or pass an API key"
            ) from None
        if not assertion:
            raise ConfigurationError(f"the identity token file {self._path} is empty")
        self._assertion = assertion
        form = {"grant_type": _GRANT, "assertion": assertion}
        # Transient statuses (429, 5xx) are raised as bad replies, so that the exchange is retried.
        async with http.post(
            f"{self._base}/oidc/token",
            data=form,
            allow_redirects=False,
            auto_decompress=False,
            **extra,
        ) as answer:
            found = await read_body(answer, ERROR_LIMIT)
            body = found.content
            if answer.status == 429 or answer.status >= 500:
                from wbmodel_live.transport import BadReply, Reply

                reply = Reply(answer.status, answer.reason or "", answer.headers, body, found.received, 0)
                raise BadReply(reply, broken=False)
        try:
            granted = loads(body) if answer.status == 200 else {}
            token, lasts = str(granted["access_token"]), float(granted["expires_in"])
        except (ValueError, KeyError, TypeError):
            said = self.hide(body.decode("utf-8", "replace"))[:300]
            raise NotAuthenticated(
                f"{self._host} did not exchange the identity token in {self._path}: HTTP {answer.status}: {said}"
            ) from None
        self._token = token
        self._until = time.monotonic() + max(lasts - _EARLY, min(lasts, 1.0))

    def hide(self, text: str) -> str:
        for secret in (self._token, self._assertion):
            if secret:
                text = text.replace(secret, "***")
        return text
