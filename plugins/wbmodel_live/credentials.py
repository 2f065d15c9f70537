"""The Authorization header, from an API key or from an identity token that is exchanged for an access token.

Neither is shown, logged, pickled or written to disk, and neither is sent to any host but the session's own.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol

import aiohttp
from typing_extensions import Self

from wbmodel.codec import loads
from wbmodel.errors import ConfigurationError, NotAuthenticated
from wbmodel.key_hiding import KeyHider, Secret, account_mark
from wbmodel.safe_text import brief
from wbmodel_live.bodies import ERROR_LIMIT, read_body
from wbmodel_live.words import words_of

__all__ = ["OWN_LOGIN", "ApiKey", "OwnLogin", "Credentials", "IdentityToken", "Anonymous", "SecretText"]

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EARLY = 300.0
_PLAIN_KEY = re.compile(r"[!-~]+")


class SecretText(Protocol):
    """The session's type for secrets."""

    def reveal(self) -> str: ...


class Login(str):
    """The value of the Authorization header, which is made when it is written: ``str(login)``.

    A header is a local variable of a dozen frames, and tools show those in tracebacks, whole or in slices. As text this
    is only the word ``hidden``; aiohttp writes a header whose class is derived from ``str`` as ``str(header)``.
    """

    __slots__ = ("value",)

    value: Callable[[], str]

    def __new__(cls, value: Callable[[], str]) -> Self:
        made = super().__new__(cls, "hidden")
        made.value = value
        return made

    def __str__(self) -> str:
        return self.value()

    def __repr__(self) -> str:
        return "<Login>"


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

    async def login(self, http: aiohttp.ClientSession, **extra: object) -> Login | None:
        """What to log in with, or None for nothing. ``extra`` goes to aiohttp if a request is needed to get it."""
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

    async def login(self, http: aiohttp.ClientSession, **extra: object) -> Login | None:
        return None


OWN_LOGIN = "the transport passed as transport= has its own login; the session's API key is not given to it"
"""Advice when the login of a user's transport is refused."""


class OwnLogin(Credentials):
    """The login of a user's transport. The session's key is known here only so that it can be masked."""

    def __init__(self, key: SecretText | None) -> None:
        self._hider = KeyHider([] if key is None else [key.reveal().strip()])

    @property
    def hint(self) -> str:
        return OWN_LOGIN

    async def login(self, http: aiohttp.ClientSession, **extra: object) -> Login | None:
        return None

    def hide(self, text: str) -> str:
        return self._hider(text)


class ApiKey(Credentials):
    """An API key: Basic authentication as user ``api``, as both clients send it (0.10.28, 0.31.0, seen)."""

    def __init__(self, key: SecretText, host: str) -> None:
        if not _PLAIN_KEY.fullmatch(key.reveal().strip()):
            raise ConfigurationError(
                f"the API key for {host} is empty or contains blanks, control characters or non-ASCII characters; "
                "copy it again from the server's settings page"
            )
        self._host = host
        self._hider = KeyHider([key.reveal().strip()])
        self._login = Login(lambda: "Basic " + base64.b64encode(f"api:{key.reveal().strip()}".encode()).decode())
        self._account = account_mark("account", key.reveal().strip())

    @property
    def account(self) -> str:
        return self._account

    @property
    def hint(self) -> str:
        return (
            f"the API key is not valid on {self._host}; `wbmodel status` shows where it came from: "
            "an argument, the URL, WANDB_API_KEY or netrc"
        )

    async def login(self, http: aiohttp.ClientSession, **extra: object) -> Login | None:
        return self._login

    def hide(self, text: str) -> str:
        return self._hider(text)


class IdentityToken(Credentials):
    """A file with a JWT, exchanged at ``/oidc/token`` for an access token that is sent as ``Bearer``.

    As in the 0.31.0 client (read), the file is read again for every exchange, the access token is used until five
    minutes before it expires, and exchanges do not overlap. The token is kept in memory only.
    """

    def __init__(self, path: str, base: str, host: str) -> None:
        self._path, self._base, self._host = path, base, host
        self._token = Secret("")
        self._until = 0.0
        self._lock: asyncio.Lock | None = None
        self._hider = KeyHider(())

    @property
    def account(self) -> str:
        return account_mark("identity", self._path)

    @property
    def hint(self) -> str:
        return f"the identity token in {self._path} was exchanged, but {self._host} rejects the access token"

    async def login(self, http: aiohttp.ClientSession, **extra: object) -> Login | None:
        if time.monotonic() >= self._until:
            if self._lock is None:
                self._lock = asyncio.Lock()
            async with self._lock:
                if time.monotonic() >= self._until:
                    await self._exchange(http, extra)
        token = self._token
        return Login(lambda: f"Bearer {token.reveal()}")

    def forked(self) -> None:
        self._lock = None

    async def _exchange(self, http: aiohttp.ClientSession, extra: dict[str, object]) -> None:
        try:
            assertion = Secret(await asyncio.to_thread(_stripped, self._path))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"the identity token file {self._path} cannot be read ({type(error).__name__}); "
                "correct WANDB_IDENTITY_TOKEN_FILE or pass an API key"
            ) from None
        if not assertion:
            raise ConfigurationError(f"the identity token file {self._path} is empty")
        self._hider = KeyHider([assertion.reveal()])
        # Transient statuses (429, 5xx) are raised as bad replies, so that the exchange is retried.
        async with http.post(
            f"{self._base}/oidc/token",
            data=aiohttp.FormData({"grant_type": _GRANT, "assertion": assertion.reveal()}),
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
            token, lasts = _granted(body) if answer.status == 200 else (None, 0.0)
        except (ValueError, KeyError, TypeError):
            token, lasts = None, 0.0
        if token is None:
            # What came with HTTP 200 may hold a token.
            said = "" if answer.status == 200 else brief(self.hide(words_of(body) or ""))
            raise NotAuthenticated(
                f"{self._host} did not exchange the identity token in {self._path}: HTTP {answer.status}"
                + (f": {said}" if said else "")
            )
        self._token = token
        self._hider = KeyHider([assertion.reveal(), token.reveal()])
        self._until = time.monotonic() + max(lasts - _EARLY, min(lasts, 1.0))

    def hide(self, text: str) -> str:
        return self._hider(text)


def _stripped(path: str) -> str:
    return Path(path).read_text("utf-8").strip()


def _granted(body: bytes) -> tuple[Secret, float]:
    found = loads(body)
    return Secret(str(found["access_token"])), float(found["expires_in"])
