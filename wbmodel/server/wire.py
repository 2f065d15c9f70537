"""Writes answers as HTTP responses."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from wbmodel._version import __version__
from wbmodel.server.answers import Answer
from wbmodel.server.errors import JSON_TYPE

__all__ = ["headers_of", "raw_response", "response_of"]

_SERVER = f"wbmodel/{__version__}"


def headers_of(answer: Answer) -> dict[str, str]:
    """The headers of an answer."""
    return {"Content-Type": answer.content_type, "Server": _SERVER, **answer.headers}


def response_of(answer: Answer, packed: bool = False) -> web.Response:
    """The aiohttp response for an answer."""
    headers = headers_of(answer)
    if packed:
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    response = web.Response(status=answer.status, body=answer.pack() if packed else answer.body, headers=headers)
    if headers.get("Connection") == "close":
        response.force_close()
    return response


def raw_response(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a response that ends its connection, for where no request has been read."""
    lines = {
        **headers_of(Answer(status, body, JSON_TYPE, headers or {})),
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{head}\r\n".encode() + body
