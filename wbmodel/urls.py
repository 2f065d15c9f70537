"""Reading and masking session URLs. Pure text functions."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

__all__ = ["app_url", "is_loopback", "is_scheme", "mask_url", "split_credentials", "split_scheme", "without_account"]

# Two characters at least: "C:" is a Windows drive, not a scheme. No digits alone after the colon: that is host:port.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]+):(?!\d+(?:/|$))")


def is_scheme(text: str) -> bool:
    """Whether ``text`` can be a URL's scheme: two characters at least, a letter first."""
    found = _SCHEME.fullmatch(f"{text}:")
    return found is not None


def split_scheme(url: str) -> tuple[str, str]:
    """``("fixtures", "dir")`` for ``fixtures:dir``; the scheme is lower-case, and ``""`` where there is none."""
    found = _SCHEME.match(url)
    return (found[1].lower(), url[found.end() :]) if found else ("", url)


def split_credentials(url: str) -> tuple[str, str | None]:
    """``url`` without user and password, and the password: ``https://api:KEY@host/x`` holds an API key so.

    A user name without a password (``https://KEY@host``) is taken for the key as well: nothing else is meant by it.
    """
    if "://" not in url or "@" not in url:
        return url, None
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, None
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    name, colon, password = user.partition(":")
    return urlunsplit(parts._replace(netloc=host)), (password if colon else name) or None


def mask_url(url: str) -> str:
    """``url`` as it may be shown: without credentials, and without the values of query parameters that look secret."""
    bare, _ = split_credentials(url)
    return _SECRET_PARAMETER.sub(r"\1***", bare)


def without_account(origin: str) -> str:
    """The origin of a backend as it may be shown: that of a server names the account behind a ``#``."""
    return origin.partition("#")[0] if origin.startswith(("http://", "https://")) else origin


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this machine to itself: ``localhost``, or an address of the loopback device."""
    import ipaddress

    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def app_url(url: str) -> str | None:
    """Where the web pages of a server are whose API is at ``url``, without a slash at the end. None for what is no
    server: only ``http`` and ``https`` are.

    ``https://api.wandb.ai`` has its pages at ``https://wandb.ai``, any other ``api.HOST`` at ``app.HOST``, and other
    hosts where their API is; a path stays (the official clients from 0.10.28 on do the same, seen).
    """
    bare, _ = split_credentials(url)
    try:
        parts = urlsplit(bare)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    host = parts.netloc
    if host.startswith("api.wandb.") and not host.startswith("api.wandb.test"):
        host = host.removeprefix("api.")
    elif host.startswith("api."):
        host = "app." + host.removeprefix("api.")
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


_SECRET_PARAMETER = re.compile(
    r"((?:[?&])(?:[^=&#]*(?:key|token|secret|password|auth|sig)[^=&#]*)=)[^&#]*", re.IGNORECASE
)
