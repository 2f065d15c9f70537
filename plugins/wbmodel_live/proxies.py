"""Chooses the proxy for a server. aiohttp's ``trust_env`` is not used because it also takes logins from netrc."""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from wbmodel.errors import ConfigurationError
from wbmodel.urls import mask_url

if TYPE_CHECKING:
    from wbmodel_live.options import Options

__all__ = ["proxy_for"]


def _in_network(host: str, names: str) -> bool:
    """Whether ``host`` is an address in one of the networks among ``names``, the value of NO_PROXY: ``10.0.0.0/8`` or
    ``fd00::/8``. The standard library compares names only."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    for name in names.split(","):
        with suppress(ValueError):
            network = ip_network(re.sub(r"[\[\]]", "", name.strip()), strict=False)
            if address in network or (mapped is not None and mapped in network):
                return True
    return False


def proxy_for(url: str, options: Options) -> str | None:
    """The proxy for ``url``: ``proxy=``, else the one in the environment, else None."""
    found = options.proxy
    source = "proxy="
    parts = urlsplit(url)
    if found is None and options.trust_env:
        source = f"{parts.scheme.upper()}_PROXY"
        if not proxy_bypass(parts.netloc) and not _in_network(parts.hostname or "", getproxies().get("no", "")):
            found = getproxies().get(parts.scheme)
    if not found:
        return None
    if urlsplit(found).scheme not in ("http", "https") or not urlsplit(found).hostname:
        raise ConfigurationError(
            f"{source} is not the address of an HTTP proxy: {mask_url(found)!r}; use http://HOST:PORT"
        )
    return found
