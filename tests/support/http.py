"""A client made of the standard library only, so that nothing between a test and the socket hides what was sent."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

KEY = "0123456789abcdef0123456789abcdef01234567"
VIEWER = "query Viewer { viewer { username } }"


def basic(key: str, user: str = "api") -> str:
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


class Got(NamedTuple):
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> bytes:
        return gzip.decompress(self.raw) if self.headers.get("Content-Encoding") == "gzip" else self.raw

    @property
    def data(self) -> Any:
        return json.loads(self.body, parse_constant=_refuse)

    @property
    def message(self) -> str:
        errors = self.data["errors"]
        assert len(errors) == 1, errors
        assert self.headers["Content-Type"] == "application/json"
        return str(errors[0]["message"])


def _refuse(token: str) -> None:
    raise AssertionError(f"{token} is no JSON")


def call(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 20,
) -> Got:
    """One request on a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body, dict(headers or {}))
        answer = connection.getresponse()
        return Got(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def post(
    server: Any,
    document: Any = VIEWER,
    variables: Any = None,
    *,
    key: str | None = KEY,
    operation: Any = None,
    headers: Mapping[str, str] | None = None,
    raw: bytes | None = None,
    timeout: float = 20,
) -> Got:
    """One GraphQL request."""
    payload = json.dumps({"query": document, "variables": variables or {}, "operationName": operation}).encode()
    sent = {
        "Content-Type": "application/json",
        **({} if key is None else {"Authorization": basic(key)}),
        **(headers or {}),
    }
    return call(f"{server.url}/graphql", "POST", payload if raw is None else raw, sent, timeout)
