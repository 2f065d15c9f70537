"""Chooses the proxy for a server. aiohttp's ``trust_env`` is not used because it also takes logins from netrc."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from wbmodel.errors import ConfigurationError
from wbmodel.urls import mask_url

if TYPE_CHECKING:
    from wbmodel_live.options import Options

__all__ = ["proxy_for"]


def proxy_for(url: str, options: Options) -> str | None:
    """The proxy for ``url``: ``proxy=``, else the one in the environment, else None."""
    found = options.proxy
    source = "proxy="
    parts = urlsplit(url)
    if found is None and options.trust_env:
        source = f"{parts.scheme.upper()}_PROXY"
        if not proxy_bypass(parts.netloc):
            found = getproxies().get(parts.scheme)
    if not found:
        return None
    if urlsplit(found).scheme not in ("http", "https") or not urlsplit(found).hostname:
        raise ConfigurationError(
            f"{source} is not the address of an HTTP proxy: {mask_url(found)!r}; use http://HOST:PORT"
        )
    return found
