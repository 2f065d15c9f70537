"""The currency of the three doors between the object model and a backend. Plain, frozen data.

*Documents* (:class:`Request` -> :class:`Response`) are GraphQL as ``schema/wandb.graphql`` states it.
*Columns* (:class:`ReadSpec` -> :class:`ColumnBatch`) are a run's streams. *Bytes* (:class:`BlobRef`) are
run files and artifact files.

The verbs at the end are what I/O-free operations yield to a driver; see ``session/drive.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import attrs

from wbmodel.errors import NotAuthenticated, PermissionDenied, ServerError, WbmodelError
from wbmodel.table.batch import ColumnBatch

if TYPE_CHECKING:
    from graphql.language import DocumentNode

__all__ = [
    "Ahead",
    "Batch",
    "BlobRef",
    "ColumnBatch",
    "Document",
    "Emit",
    "ReadSpec",
    "Request",
    "Response",
    "Send",
    "Stream",
    "Verb",
    "Wait",
    "raise_for_errors",
]

Stream = Literal["history", "events", "console"]


class Document:
    """A GraphQL document that is held as text, as an AST, or both: each is made from the other when asked for.

    In-process backends use :attr:`ast`; a recording or a server uses :attr:`text`. Two documents are equal when
    their texts are.
    """

    __slots__ = ("__weakref__", "_ast", "_text")

    def __init__(self, text: str | None = None, *, ast: DocumentNode | None = None) -> None:
        if (text is None) == (ast is None):
            raise TypeError("a Document is made from text or from an AST")
        self._text = text
        self._ast = ast

    @property
    def text(self) -> str:
        """The printed document, stable for equal plans."""
        if self._text is None:
            from graphql import print_ast

            assert self._ast is not None
            self._text = print_ast(self._ast)
        return self._text

    @property
    def ast(self) -> DocumentNode:
        """The graphql-core ``DocumentNode``. Raises ``GraphQLSyntaxError`` for text that is no GraphQL."""
        if self._ast is None:
            from graphql import parse

            assert self._text is not None
            self._ast = parse(self._text, no_location=True)
        return self._ast

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Document) and self.text == other.text)

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Document({self.text!r})"

    def __reduce__(self) -> tuple[type[Document], tuple[str]]:
        return (Document, (self.text,))


def _to_document(value: Document | str) -> Document:
    return value if isinstance(value, Document) else Document(value)


@attrs.frozen(slots=True)
class Request:
    """One GraphQL request. ``variables`` may hold more than the document declares, as real clients send it."""

    document: Document = attrs.field(converter=_to_document)
    variables: Mapping[str, Any] = attrs.field(factory=dict)
    operation_name: str | None = None

    def __str__(self) -> str:
        from wbmodel.codec import dumps

        return f"{self.document.text}\n\nvariables: {dumps(dict(self.variables))}"


@attrs.frozen(slots=True)
class Response:
    """The answer to a :class:`Request`: ``data`` is the decoded object or None, ``errors`` are GraphQL error objects
    (``{"message", "path", ...}``), ``extensions`` is whatever the backend adds."""

    data: dict[str, Any] | None = None
    errors: Sequence[Mapping[str, Any]] = ()
    extensions: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(slots=True)
class BlobRef:
    """The name of some bytes: a run file or an artifact file.

    ``owner`` is the node id of the run or artifact, ``name`` the slash-separated path inside it. ``url`` is where
    a document said the bytes are (None for backends that read their own), ``size`` is in bytes, ``digest`` is
    base64 of the MD5.
    """

    kind: Literal["run_file", "artifact_file"]
    owner: str
    name: str
    url: str | None = None
    size: int | None = None
    digest: str | None = None


@attrs.frozen(slots=True)
class ReadSpec:
    """What to read of a run's stream: ``keys`` (None: all), steps ``min_step <= step < max_step`` and, when
    ``samples`` is given, at most so many rows."""

    stream: Stream = "history"
    keys: tuple[str, ...] | None = None
    min_step: int = 0
    max_step: int | None = None
    samples: int | None = None


_CODES: Mapping[str, type[WbmodelError]] = {
    "UNAUTHENTICATED": NotAuthenticated,
    "FORBIDDEN": PermissionDenied,
    "PERMISSION_ERROR": PermissionDenied,
}
"""Codes that GraphQL servers give in ``errors[].extensions.code``; the first two are Apollo's, which many follow."""


def raise_for_errors(request: Request, response: Response, place: str) -> None:
    """Raise when ``response`` holds GraphQL errors; ``place`` is named in the message. It is a
    :class:`~wbmodel.errors.ServerError`, or :class:`~wbmodel.errors.NotAuthenticated` or
    :class:`~wbmodel.errors.PermissionDenied` where the server's error code says so."""
    if not response.errors:
        return
    words = [str(error.get("message", error)) for error in response.errors]
    told = "; ".join(words[:5]) + (f" (and {len(words) - 5} more)" if len(words) > 5 else "")
    message = f"{place} refused {request.operation_name or 'the query'}: {told}"
    for error in response.errors:
        about = error.get("extensions")
        kind = _CODES.get(str(about.get("code"))) if isinstance(about, Mapping) else None
        if kind is not None:
            raise kind(message)
    note = response.extensions.get("wbmodel")
    note = note if isinstance(note, Mapping) else {}
    raise ServerError(
        message,
        status=note.get("status"),
        operation=request.operation_name,
        attempts=note.get("attempts", 1),
        server_message=words[0],
        errors=response.errors,
    )


# -- the verbs that operations yield to a driver ---------------------------------------------------


@attrs.frozen(slots=True)
class Send:
    """Send one request; the driver answers with its :class:`Response`."""

    request: Request


@attrs.frozen(slots=True)
class Batch:
    """Send several requests that may run together; the driver answers with their responses, in order."""

    requests: Sequence[Request]


@attrs.frozen(slots=True)
class Ahead:
    """Start a request and go on; the driver answers with a handle for :class:`Wait`."""

    request: Request


@attrs.frozen(slots=True)
class Wait:
    """Wait for what :class:`Ahead` started; the driver answers with the :class:`Response`."""

    handle: Any


@attrs.frozen(slots=True)
class Emit:
    """Hand rows to the caller that iterates; the driver answers with None."""

    rows: Sequence[Any]


Verb = Send | Batch | Ahead | Wait | Emit
