"""Reading and masking session URLs. Pure text functions."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

__all__ = ["is_scheme", "mask_url", "split_credentials", "split_scheme"]

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


_SECRET_PARAMETER = re.compile(
    r"((?:[?&])(?:[^=&#]*(?:key|token|secret|password|auth|sig)[^=&#]*)=)[^&#]*", re.IGNORECASE
)
