"""Error answers, in the shape that W&B's clients read: ``{"errors": [{"message": ..., "extensions": {...}}]}``.

Known behaviour of a real server: an unknown key gives 401 with the message ``permission denied``, in JSON (public
reports of 0.12 users, wandb/wandb issues 2657 and 2966), and a field that its schema lacks gives 400 with ``Cannot
query field "x" on type "Y".`` (0.31.0 relies on it and falls back). A missing object is null in ``data`` with status
200. The codes in ``extensions`` are this server's own: no client reads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from wbmodel.engine.execute import LIMIT_EXCEEDED

__all__ = ["JSON_TYPE", "Refusal", "error_body"]

JSON_TYPE = "application/json"


class Refusal(Exception):
    """The request is refused; ``status``, ``code`` and the message say why."""

    def __init__(self, status: int, message: str, code: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = dict(headers or {})

    @property
    def body(self) -> bytes:
        """The JSON body of the error."""
        return error_body(self.message, self.code)


def error_body(message: str, code: str) -> bytes:
    """The body of an answer with one error."""
    return json.dumps({"errors": [{"message": message, "extensions": {"code": code}}]}).encode()


def not_logged_in() -> Refusal:
    """The request has no key."""
    return Refusal(
        401,
        "user is not logged in: send the API key as Basic authentication, user api",
        "PERMISSION_ERROR",
        {"WWW-Authenticate": 'Basic realm="wandb"'},
    )


def wrong_key() -> Refusal:
    """The request has a wrong key."""
    return Refusal(401, "permission denied", "PERMISSION_ERROR", {"WWW-Authenticate": 'Basic realm="wandb"'})


def not_found(path: str) -> Refusal:
    """The path does not exist."""
    return Refusal(404, f"{path[:200]} does not exist on this server; GraphQL is at /graphql", "NOT_FOUND")


def wrong_method(method: str, allowed: str) -> Refusal:
    """The path does not take this method."""
    return Refusal(
        405, f"{method[:20]} is not allowed for this path; use {allowed}", "METHOD_NOT_ALLOWED", {"Allow": allowed}
    )


def bad_request(message: str) -> Refusal:
    """The request cannot be understood."""
    return Refusal(400, message, "BAD_REQUEST")


def over_limit(status: int, message: str, headers: Mapping[str, str] | None = None) -> Refusal:
    """The request exceeds a limit."""
    return Refusal(status, message, LIMIT_EXCEEDED, headers)


def overloaded(message: str, headers: Mapping[str, str] | None = None) -> Refusal:
    """The server is overloaded or about to stop; the same request may succeed later."""
    return Refusal(503, message, "UNAVAILABLE", {"Retry-After": "1", **(headers or {})})
