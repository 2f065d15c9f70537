"""Turns a request that has been read into an answer: authorization, path, document. No sockets here."""

from __future__ import annotations

import base64
import binascii
import contextvars
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs

from wbmodel.backend.asks import Document, Request
from wbmodel.codec import loads
from wbmodel.engine.execute import LIMIT_EXCEEDED, Engine
from wbmodel.server import errors
from wbmodel.server.answers import Answer, encode_strict
from wbmodel.server.errors import Refusal
from wbmodel.server.limits import Limits
from wbmodel.server.links import Links
from wbmodel.server.measure import measured
from wbmodel.server.ranges import ranged
from wbmodel.urls import is_loopback
from wbmodel.weighted_cache import WeightedCache

__all__ = ["Call", "Executed", "Routes", "host_name"]

_KEPT_TEXTS = 256 * 1024
"""Size of the cache of parsed documents, in characters; an AST takes up to 150 times the memory of its text."""
_KEPT_CHARACTERS = 64 * 1024
"""Maximum length of a document or a body that is cached."""

_QUOTED = re.compile(r"'([A-Za-z_][A-Za-z0-9_.]*)'")

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:[0-9]{1,5})?", re.ASCII)

Kind = Literal["query", "mutation"]


def host_name(host: str) -> str | None:
    """The host name or address in a ``Host`` header; None if it is not valid."""
    found = _HOST.fullmatch(host)
    return None if found is None else found[1].strip("[]").lower()


@attrs.define(slots=True, eq=False, kw_only=True)
class Call:
    """One HTTP request. ``document``, ``variables`` and ``operation`` are set once its body has been parsed."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    base: str = ""
    document: str = ""
    variables: dict[str, Any] = attrs.field(factory=dict)
    operation: str | None = None

    @property
    def is_graphql(self) -> bool:
        """Whether this is a request to ``/graphql``."""
        return self.path == "/graphql"

    @property
    def takes_gzip(self) -> bool:
        """Whether the client accepts gzip."""
        for offer in self.headers.get("Accept-Encoding", "").lower().split(","):
            name, _, weight = offer.replace(" ", "").partition(";q=")
            if name in ("gzip", "x-gzip"):
                return not weight or weight.strip("0.") != ""
        return False


@attrs.frozen(slots=True, eq=False)
class Executed:
    """An executed GraphQL request. ``key`` is the cache key for the answer; None means that it is not cached."""

    answer: Answer
    kind: Kind
    key: tuple[Any, ...] | None


class Routes:
    """The answers of one server. ``api_key`` is text, an object with ``reveal()``, or None for an open server; only its
    digest is kept."""

    def __init__(self, engine: Engine, api_key: Any, limits: Limits, loopback_only: bool) -> None:
        self.links = Links()
        self.engine = engine.for_server(self.links.url_for)
        self.limits = limits
        self._loopback_only = loopback_only
        key = api_key.reveal() if hasattr(api_key, "reveal") else api_key
        self._digest = None if key is None else hashlib.sha256(key.encode()).digest()
        self._documents: WeightedCache[Document] = WeightedCache(_KEPT_TEXTS)

    # -- checks ------------------------------------------------------------------------------------

    def understand(self, call: Call) -> None:
        """Parse the GraphQL request in the body of ``call``. Raises :class:`Refusal`."""
        kind = call.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            # Any web page can make a browser post plain text or forms to this address, but not JSON.
            raise Refusal(415, "GraphQL must be JSON: send Content-Type: application/json", "UNSUPPORTED_MEDIA_TYPE")
        try:
            given = loads(call.body)
        except ValueError as error:
            raise errors.bad_request(f"the body is not valid JSON: {error}") from None
        if isinstance(given, list):
            raise errors.bad_request("this server takes one GraphQL request at a time, not a list")
        if not isinstance(given, dict):
            raise errors.bad_request("the body must be a JSON object with query, variables and operationName")
        document, variables, operation = given.get("query"), given.get("variables"), given.get("operationName")
        if not isinstance(document, str) or not document.strip():
            raise errors.bad_request("the body has no query; it must be the text of a GraphQL document")
        if not isinstance(variables, (dict, type(None))):
            raise errors.bad_request("variables must be a JSON object")
        if not isinstance(operation, (str, type(None))):
            raise errors.bad_request("operationName must be a string")
        if len(document) > self.limits.document:
            raise errors.over_limit(413, f"the document has more than {self.limits.document} characters")
        if len(call.body) > self.limits.values and _count(variables) > self.limits.values:
            raise errors.over_limit(400, f"the variables hold more than {self.limits.values} values")
        call.document, call.variables, call.operation = document, variables or {}, operation or None

    def kind(self, call: Call) -> Kind | None:
        """The kind of the operation; None if the document is not valid GraphQL."""
        if not call.document:
            return None
        try:
            return _kind(self._document(call.document), call.operation)
        except Exception:  # execution reports what is wrong with the document
            return None

    def admit(self, call: Call) -> None:
        """Check the method and the key. Raises :class:`Refusal`."""
        if call.method != "POST":
            raise errors.wrong_method(call.method, "POST")
        if self._digest is not None:
            given = self._given(call)
            if given is None:
                raise errors.not_logged_in()
            if not self._right(given):
                raise errors.wrong_key()

    def check_host(self, call: Call) -> None:
        """Refuse an invalid host, and another host name on an open loopback server. Otherwise a web page whose name
        resolves to this address (DNS rebinding) could read it. Raises :class:`Refusal`."""
        host = call.headers.get("Host")
        name = None if host is None else host_name(host)
        if host and name is None:
            raise errors.bad_request(f"the Host header {host[:100]!r} is not a host and a port")
        if self._digest is not None or not self._loopback_only:
            return
        if host is not None and not is_loopback(name or ""):
            raise Refusal(
                403,
                f"this server has no API key, so it only answers as localhost, not as {host[:100]!r}",
                "WRONG_HOST",
            )

    def authorized(self, call: Call) -> bool:
        """Whether the request has the right key, or needs none."""
        given = self._given(call)
        return self._digest is None or (given is not None and self._right(given))

    def _given(self, call: Call) -> bytes | None:
        """The key in the request; empty if it is in an unknown form, None if there is no key."""
        scheme, _, value = call.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "basic":
            return b""
        try:
            user, _, key = base64.b64decode(value.strip(), validate=True).partition(b":")
        except (ValueError, binascii.Error):
            return b""
        return key if user == b"api" else b""

    def _right(self, key: bytes) -> bool:
        return self._digest is not None and hmac.compare_digest(hashlib.sha256(key).digest(), self._digest)

    # -- GraphQL -----------------------------------------------------------------------------------

    def key(self, call: Call) -> tuple[Any, ...] | None:
        """The cache key for the answer to this call; None if it should not be cached."""
        if len(call.body) > _KEPT_CHARACTERS:
            return None
        engine = self.engine
        try:
            variables = json.dumps(call.variables, sort_keys=True)
        except (ValueError, RecursionError):
            return None
        return (call.document, variables, call.operation, engine.store.token, engine.dialect, call.base)

    def execute(self, call: Call, given_up: Callable[[], bool]) -> Executed:
        """Execute the GraphQL request of ``call``. Runs in a thread; raises :class:`Refusal`."""
        return contextvars.copy_context().run(self._execute, call, given_up)

    def _execute(self, call: Call, given_up: Callable[[], bool]) -> Executed:
        from graphql import GraphQLError

        self.links.base.set(call.base)
        # Computed before the work: if the world changes meanwhile, this version's key is never looked up again.
        key = self.key(call)
        try:
            document = self._document(call.document)
            ast = document.ast
            kind = _kind(document, call.operation)
            measured(ast, call.variables, self.engine.dialect.max_page, self.limits)
        except GraphQLError as error:
            return Executed(Answer(400, encode_strict({"errors": [_worded(error.formatted)]})), "query", None)
        except RecursionError:
            raise errors.over_limit(400, "the document nests too deeply") from None
        response = self.engine.execute(Request(document, call.variables, call.operation), given_up=given_up)
        found = [dict(error) for error in response.errors]
        if response.data is None and found and not any(error.get("path") for error in found):
            # Nothing was executed: the document does not fit the schema, or the variables do not fit the document.
            return Executed(Answer(400, encode_strict({"errors": [_worded(error) for error in found]})), kind, None)
        self._keep(document)
        if kind == "query" and any(error.get("extensions") == {"code": LIMIT_EXCEEDED} for error in found):
            return Executed(Answer(400, encode_strict({"errors": found})), kind, None)
        status = 500 if found and self.engine.dialect.live else 200
        answer = Answer(status, encode_strict({"data": response.data, **({"errors": found} if found else {})}))
        if call.takes_gzip and len(answer.body) > self.limits.compress:
            answer.pack()
        return Executed(answer, kind, key if kind == "query" and status == 200 and not given_up() else None)

    def _document(self, text: str) -> Document:
        kept = self._documents.get(text)
        return Document.parsed(text, self.limits.tokens) if kept is None else kept

    def _keep(self, document: Document) -> None:
        """Cache a document that was executed; those that are refused are not worth their memory."""
        if len(document.text) <= _KEPT_CHARACTERS:
            self._documents.put(document.text, document, len(document.text))

    # -- everything else ---------------------------------------------------------------------------

    def file(self, call: Call) -> Answer:
        """Answer any request other than GraphQL. Runs in a thread; raises :class:`Refusal`."""
        head, _, rest = call.path.removeprefix("/").partition("/")
        if head == "files" and call.method == "POST" and rest.endswith("/file_stream"):
            # Not a 4xx: any 4xx here makes the official client drop the run's data for good (seen).
            raise Refusal(
                503,
                "this server does not accept run histories yet; nothing was stored",
                "NOT_IMPLEMENTED",
                {"Retry-After": "60"},
            )
        if head not in ("files", "artifact-files", "artifactsV2"):
            raise errors.not_found(call.path)
        if call.method == "PUT":
            raise Refusal(501, "this server does not accept uploads yet; nothing was stored", "NOT_IMPLEMENTED")
        if call.method not in ("GET", "HEAD"):
            raise errors.wrong_method(call.method, "GET, HEAD")
        if head == "files":
            whole = self.links.run_file(self.engine, rest, call.query, self.authorized(call))
        elif head == "artifactsV2":
            whole = self.links.artifact_by_digest(self.engine, rest, self.authorized(call))
        else:
            whole = self.links.artifact_file(self.engine, rest)
        return ranged(whole, call.headers)


def _count(value: Any) -> int:
    """The number of values in a JSON value."""
    number, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        number += 1
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return number


def _kind(document: Document, operation: str | None) -> Kind:
    return "mutation" if document.mutates(operation) else "query"


def _worded(error: Mapping[str, Any]) -> dict[str, Any]:
    """A validation error with the quotation marks of a real server: ``Cannot query field "x" on type "Y".``"""
    return {**error, "message": _QUOTED.sub(r'"\1"', str(error["message"]))}
