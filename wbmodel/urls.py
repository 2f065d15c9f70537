"""Reading and masking session URLs. Pure text functions."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit, urlunsplit

__all__ = [
    "app_url",
    "is_address",
    "is_loopback",
    "is_scheme",
    "local_path",
    "mask_url",
    "split_credentials",
    "split_scheme",
    "web_host",
    "without_account",
]

# At least two characters, as "C:" is a Windows drive. Not followed by digits alone, as that is host:port.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]+):(?!\d+(?:/|$))")


def is_scheme(text: str) -> bool:
    """Whether ``text`` can be the scheme of a URL: at least two characters, starting with a letter."""
    found = _SCHEME.fullmatch(f"{text}:")
    return found is not None


def split_scheme(url: str) -> tuple[str, str]:
    """``("fixtures", "dir")`` for ``fixtures:dir``; the scheme is lower-case, or ``""`` if missing."""
    found = _SCHEME.match(url)
    return (found[1].lower(), url[found.end() :]) if found else ("", url)


def split_credentials(url: str) -> tuple[str, str | None]:
    """``url`` without user and password, and the password, which is the API key in ``https://api:KEY@host/x``.

    A user name without a password (``https://KEY@host``) is taken as the key too.
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


def local_path(rest: str, *, windows: bool = os.name == "nt") -> str:
    """The path that follows the scheme of a local backend's URL: ``C:\\worlds`` of ``fixtures:C:\\worlds``.

    ``fixtures://worlds`` means the same as ``fixtures:worlds``. On Windows the slash before a drive is dropped
    (``fixtures:///C:/worlds``), as file URLs have it.
    """
    path = rest.removeprefix("//")
    return path[1:] if windows and re.match(r"[/\\][A-Za-z]:", path) else path


def mask_url(url: str) -> str:
    """``url`` safe to show, malformed or not: without credentials, without values of query parameters that look secret,
    and for ``http`` and ``https`` without anything that an address does not have and a misplaced key may be."""
    masked = _mask_places(url)
    web = _WEB.match(masked)
    return masked if web is None else web[0] + _KEY_LIKE.sub("***", masked[web.end() :])


def is_address(url: str) -> bool:
    """Whether ``http`` or ``https`` may be spoken with ``url``: nothing of it is in the place where a key goes by
    mistake, and its host is not a W&B API key, which a resolver would be asked for."""
    web = _WEB.match(url)
    return web is not None and _mask_places(url) == url and not _KEY_HOST.match(url, web.end())


def _mask_places(url: str) -> str:
    bare, _ = split_credentials(url)
    bare = _SECRET_PARAMETER.sub(r"\1***", bare)
    web = _WEB.match(bare)
    if web is None:
        return _LOGIN.sub("***@", bare)
    rest = bare[web.end() :]
    at = ""
    if not _CLEAN_HOST.match(rest):  # a password may contain slashes, which end the host
        _, at, rest = rest.rpartition("@")
    rest = re.sub(r"#.*", "#***", rest, flags=re.DOTALL)
    host, mark, tail = _HOST_END.match(rest).groups()  # type: ignore[union-attr]
    if not host.endswith("]"):
        name, colon, port = host.rpartition(":")
        if colon and not (port.isascii() and port.isdigit()):
            host = f"{name}:{'***' if port else ''}"
    return f"{web[0]}{'***@' if at else ''}{host}{mark}{tail}"


def without_account(origin: str) -> str:
    """A backend's origin safe to show: a server's origin names the account after a ``#``, which is removed."""
    return mask_url(origin.partition("#")[0]) if origin.startswith(("http://", "https://")) else origin


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine: ``localhost`` or a loopback address."""
    import ipaddress

    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def app_url(url: str) -> str | None:
    """The URL of the web app of the server whose API is at ``url``, without a trailing slash.

    None unless the scheme is ``http`` or ``https``. The app of ``https://api.wandb.ai`` is at ``https://wandb.ai``,
    that of any other ``api.HOST`` at ``app.HOST``; on other hosts it is at the URL of the API. A path is kept (the
    official clients do the same from 0.10.28 on, seen).
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


def web_host(url: str) -> str:
    """The host of an address, with its port unless that is the scheme's own; every name of this machine is one."""
    bare, _ = split_credentials(url)
    try:
        parts = urlsplit(bare)
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    name = "localhost" if is_loopback(name) else name.removeprefix("www.")
    return name if port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f"{name}:{port}"


_WEB = re.compile(r"\s*https?:/*", re.IGNORECASE)
_HOST_END = re.compile(r"([^/?#]*)([/?#]?)(.*)", re.DOTALL)
_CLEAN_HOST = re.compile(r"(?:localhost|[\w-]+(?:\.[\w-]+)+|\[[0-9A-Fa-f:.]+\])(?::\d+)?(?:[/?#]|$)")
_LOGIN = re.compile(r"(?<=api:)[^@\s]+@|[^/\\\s:@]{8,}@")
# As long as a key, and with a digit, which names of words have not.
_KEY_LIKE = re.compile(r"(?<![\w.-])(?=[\w-]*\d)[\w-]{32,}(?![\w.-])")
_KEY_HOST = re.compile(r"(?:[0-9a-f]{40}|local-\w{20,}|wandb_v\d+_\w{20,})(?![\w.-])", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    r"((?:[?&])(?:[^=&#]*(?:key|token|secret|password|auth|sig)[^=&#]*)=)[^&#]*", re.IGNORECASE
)
