"""Asks and answers: the plain, frozen data that passes through a backend's three doors.

*Documents*: a :class:`Request` is answered by a :class:`Response`, in the GraphQL of ``schema/wandb.graphql``.
*Columns*: a :class:`Read` is answered by a stream of :class:`ColumnBatch`, an :class:`Append` by :class:`Posted`.
*Bytes*: an :class:`Open` is answered by a stream of chunks, a :class:`Fetch` by a stream of finished files, and a
:class:`Put` stores the content of a :class:`Source`. :class:`Work` is local file work, which the driver does itself.
Operations send asks with the verbs of :mod:`wbmodel.backend.verbs`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import attrs

from wbmodel.errors import NotAuthenticated, PermissionDenied, ServerError, WbmodelError
from wbmodel.safe_text import brief
from wbmodel.table.batch import ColumnBatch

if TYPE_CHECKING:
    from graphql.language import DocumentNode, OperationDefinitionNode

__all__ = [
    "Append",
    "Ask",
    "BlobRef",
    "BytesSource",
    "CallNote",
    "ColumnBatch",
    "Document",
    "Door",
    "Failure",
    "Fetch",
    "FetchItem",
    "Fetched",
    "FileSource",
    "Open",
    "Post",
    "Posted",
    "Put",
    "Read",
    "ReadSpec",
    "Request",
    "Response",
    "RunRef",
    "Source",
    "Stream",
    "StreamName",
    "Work",
    "door_of",
    "raise_for_errors",
    "subject_of",
]

StreamName = Literal["history", "events", "console"]
Stream = StreamName
Door = Literal["documents", "columns", "bytes"]

# -- documents -------------------------------------------------------------------------------------


class Document:
    """A GraphQL document held as text, as an AST, or as both. Each is made from the other on first use.

    In-process backends use :attr:`ast`; recordings and servers use :attr:`text`. Two documents are equal if their texts
    are equal. ``check`` raises ``ValueError`` if it is called with data that do not have the document's shape; a
    document that the compiler wrote has one.
    """

    __slots__ = ("__weakref__", "_ast", "_text", "check")

    def __init__(
        self,
        text: str | None = None,
        *,
        ast: DocumentNode | None = None,
        check: Callable[[Any], None] | None = None,
    ) -> None:
        if (text is None) == (ast is None):
            raise TypeError("Document() takes either text or ast=, and not both")
        self._text = text
        self._ast = ast
        self.check = check

    @classmethod
    def parsed(cls, text: str, max_tokens: int) -> Document:
        """The document, parsed. Raises ``GraphQLSyntaxError`` for text that is not GraphQL, or has too many tokens."""
        from graphql import parse

        document = cls(text)
        document._ast = parse(text, no_location=True, max_tokens=max_tokens)
        return document

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
        """The graphql-core ``DocumentNode``. Raises ``GraphQLSyntaxError`` if the text is not GraphQL."""
        if self._ast is None:
            from graphql import parse

            assert self._text is not None
            self._ast = parse(self._text, no_location=True)
        return self._ast

    def operation(self, name: str | None = None) -> OperationDefinitionNode | None:
        """The operation called ``name``, or else the first one; None where the document holds only fragments.

        Raises ``GraphQLSyntaxError`` for text that is not GraphQL.
        """
        from graphql import OperationDefinitionNode

        found = [node for node in self.ast.definitions if isinstance(node, OperationDefinitionNode)]
        named = [node for node in found if name and node.name is not None and node.name.value == name]
        return next(iter(named or found), None)

    def mutates(self, name: str | None = None) -> bool:
        """Whether :meth:`operation` is a mutation."""
        found = self.operation(name)
        return found is not None and found.operation.value == "mutation"

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
    """One GraphQL request. ``variables`` may hold more than the document declares: real clients send such requests.

    ``divisible``: it asks for a page, and its sender asks for a smaller one if the answer is too much for the server
    (502, 504, :class:`~wbmodel.errors.ResponseTooLarge`), so it need not be repeated often.
    """

    document: Document = attrs.field(converter=_to_document)
    variables: Mapping[str, Any] = attrs.field(factory=dict)
    operation_name: str | None = None
    divisible: bool = attrs.field(default=False, eq=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        from wbmodel.codec import dumps

        return f"{self.document.text}\n\nvariables: {dumps(dict(self.variables))}"


@attrs.frozen(slots=True, kw_only=True)
class CallNote:
    """A backend's note on one answer, for statistics, traces and page sizes. None means that it does not say.

    ``attempts`` is how often the request was sent, ``pauses`` how often the server asked the client to wait.
    ``received`` and ``sent`` are bytes on the wire, ``size`` is the size of the decoded answer in bytes. ``in_flight``
    is the largest number of requests in flight at once so far. ``status`` is the HTTP status, ``seconds`` is the time
    until the answer was complete. ``told`` are sentences for the caller, which the session issues as warnings.
    """

    attempts: int = 1
    pauses: int = 0
    received: int | None = None
    sent: int | None = None
    size: int | None = None
    in_flight: int | None = None
    status: int | None = None
    seconds: float | None = None
    told: tuple[str, ...] = ()


@attrs.frozen(slots=True)
class Response:
    """The answer to a :class:`Request`. ``data`` is the decoded object or None, ``errors`` are GraphQL error objects
    (``{"message", "path", ...}``), ``extensions`` holds the server's additions, ``note`` is the backend's note on the
    answer."""

    data: dict[str, Any] | None = None
    errors: Sequence[Mapping[str, Any]] = ()
    extensions: Mapping[str, Any] = attrs.field(factory=dict)
    note: CallNote | None = None


_CODES: Mapping[str, type[WbmodelError]] = {
    "UNAUTHENTICATED": NotAuthenticated,
    "FORBIDDEN": PermissionDenied,
    "PERMISSION_ERROR": PermissionDenied,
}
"""Error codes in ``errors[].extensions.code``; the first two are Apollo's, which many servers follow."""


def raise_for_errors(request: Request, response: Response, place: str) -> None:
    """Raise if ``response`` holds GraphQL errors; the message names ``place``.

    Raises :class:`~wbmodel.errors.ServerError`, or :class:`~wbmodel.errors.NotAuthenticated` or
    :class:`~wbmodel.errors.PermissionDenied` if the server's error code says so.
    """
    if not response.errors:
        return
    words = [_told(error) for error in response.errors[:_MOST_ERRORS]]
    told = "; ".join(words) + (
        f" (and {len(response.errors) - len(words)} more)" if response.errors[_MOST_ERRORS:] else ""
    )
    message = f"{place} refused {request.operation_name or 'the query'}: {told}"
    for error in response.errors:
        about = error.get("extensions")
        kind = _CODES.get(str(about.get("code"))) if isinstance(about, Mapping) else None
        if kind is not None:
            raise kind(message)
    note = response.note or CallNote()
    raise ServerError(
        message,
        status=note.status,
        operation=request.operation_name,
        attempts=note.attempts,
        server_message=words[0],
        errors=response.errors,
    )


_MOST_ERRORS = 5


def _told(error: Mapping[str, Any]) -> str:
    """One GraphQL error in words, with the place of the answer that it is about."""
    message, path = error.get("message"), error.get("path")
    told = brief(message if isinstance(message, str) and message.strip() else str(dict(error)))
    if not isinstance(path, list | tuple) or not path:
        return told
    place = brief(".".join(map(str, path[:20])), 100)
    return told if place in told else f"{told} (at {place})"


# -- columns ---------------------------------------------------------------------------------------


@attrs.frozen(slots=True)
class RunRef:
    """Names a run in both ways that backends need: by its node id and by its path ``entity/project/name``."""

    node_id: str
    entity: str
    project: str
    name: str

    @property
    def path(self) -> str:
        """``"entity/project/name"``."""
        return f"{self.entity}/{self.project}/{self.name}"


@attrs.frozen(slots=True)
class ReadSpec:
    """Which part of a run's stream to read: ``keys`` (None: all) of the rows whose step is at least ``min_step`` and
    below ``max_step`` (None: no bound; steps can be negative). Events and console lines have no steps; for them, the
    line number is used instead."""

    stream: StreamName = "history"
    keys: tuple[str, ...] | None = None
    min_step: int | None = None
    max_step: int | None = None


@attrs.frozen(slots=True)
class Read:
    """Ask for a stream of several runs. The answer is a stream of :class:`ColumnBatch`, grouped by run in the order of
    ``runs``; a :class:`Failure` takes the place of a run that cannot be read, and the others are read all the same."""

    runs: Sequence[RunRef]
    spec: ReadSpec = ReadSpec()


@attrs.frozen(slots=True)
class Failure:
    """Takes the place of a run's batches in a stream when the run cannot be read."""

    run: RunRef
    error: WbmodelError


@attrs.frozen(slots=True, kw_only=True)
class Post:
    """What to write to a run in one go. ``rows`` maps a stream to the number of its first line and the lines: dicts, or
    texts for the console. They **overwrite** the rows at those lines and never truncate the rows after them; a gap
    before them is legal, and writing the same rows again changes nothing. ``summary`` replaces the run's summary,
    ``uploaded`` names files that have been uploaded, ``complete`` with ``exit_code`` marks the run as finished, and
    ``preempting`` says that its machine is about to be taken away."""

    rows: Mapping[StreamName, tuple[int, Sequence[Mapping[str, Any] | str]]] = attrs.field(factory=dict)
    summary: Mapping[str, Any] | None = None
    uploaded: Sequence[str] = ()
    complete: bool = False
    exit_code: int | None = None
    preempting: bool = False


@attrs.frozen(slots=True)
class Posted:
    """The result of a :class:`Post`: for each stream the line after the last one written, and whether the run was asked
    to stop."""

    offsets: Mapping[StreamName, int] = attrs.field(factory=dict)
    stopped: bool = False


@attrs.frozen(slots=True)
class Append:
    """Ask to write ``post`` to ``run``. The answer is :class:`Posted`."""

    run: RunRef
    post: Post


# -- bytes -----------------------------------------------------------------------------------------


@attrs.frozen(slots=True)
class BlobRef:
    """Names the bytes of a run file or an artifact file.

    ``owner`` is the node id of the run or artifact, ``name`` the slash-separated path inside it. ``url`` is where the
    bytes are read from or written to according to a document (None for backends with their own storage), with the
    ``headers`` that the document gave. ``size`` is in bytes. ``digest`` is base64 of the MD5, or in hexadecimal an MD5,
    SHA-256 or (as ``crc32:0123abcd``) a CRC-32. ``etag`` is the storage host's tag for the content.
    """

    kind: Literal["run_file", "artifact_file"]
    owner: str
    name: str
    url: str | None = attrs.field(default=None, repr=False)  # a signed URL is a credential
    size: int | None = None
    digest: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict, kw_only=True, repr=False)
    etag: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen(slots=True)
class Open:
    """Ask for bytes from ``start`` on. The answer is a stream of chunks of 256 KiB to 1 MiB (the last may be smaller).
    A stream that ends before ``ref.size`` raises :class:`~wbmodel.errors.IntegrityError`."""

    ref: BlobRef
    start: int = 0


@attrs.frozen(slots=True)
class FetchItem:
    """A file to fetch. ``target`` is written only when the bytes are complete and match the size and digest of
    ``ref``. Of a large file that breaks off, the part stays beside ``target``, and fetching it again goes on there
    (:mod:`wbmodel.backend.parts`)."""

    ref: BlobRef
    target: Path


@attrs.frozen(slots=True)
class Fetched:
    """The result of an item: the number of bytes written, or the error."""

    item: FetchItem
    bytes: int = 0
    error: WbmodelError | None = None


@attrs.frozen(slots=True)
class Fetch:
    """Ask to write many files to disk. The answer is a stream of groups of :class:`Fetched`, as files are finished. A
    group is empty if bytes of a large file keep coming but nothing is finished."""

    items: Sequence[FetchItem]


class Source(Protocol):
    """Bytes that can be read more than once, so that an upload can be retried. ``size`` is in bytes."""

    @property
    def size(self) -> int: ...

    def open(self) -> Iterator[bytes]:
        """The bytes in chunks; each call starts from the beginning."""
        ...


@attrs.frozen(slots=True)
class BytesSource:
    """A :class:`Source` of bytes in memory."""

    data: bytes = attrs.field(repr=False)

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.data)

    def open(self) -> Iterator[bytes]:
        """All bytes, in one chunk."""
        if self.data:
            yield self.data


@attrs.frozen(slots=True)
class FileSource:
    """A :class:`Source` that reads a file on disk."""

    path: Path

    @property
    def size(self) -> int:
        """The current size of the file in bytes."""
        return os.stat(self.path).st_size

    def open(self) -> Iterator[bytes]:
        """The file, in chunks of 1 MiB."""
        with open(self.path, "rb") as file:
            while chunk := file.read(2**20):
                yield chunk


@attrs.frozen(slots=True)
class Put:
    """Ask to store the content of ``source`` under ``ref``. The answer is None."""

    ref: BlobRef
    source: Source


# -- local work ------------------------------------------------------------------------------------


@attrs.frozen(slots=True)
class Work:
    """Work on local files (hash, fsync, rename), done in place, or on a thread if it would block an event loop. The
    answer is what ``function`` returns."""

    function: Callable[[], Any]


Ask = Request | Read | Append | Open | Fetch | Put | Work
"""Everything that an operation can ask."""


def door_of(ask: Ask) -> Door | None:
    """The door that ``ask`` goes through; None for :class:`Work`, which does not go to a backend."""
    return DOOR_OF_ASK.get(type(ask))


_NAMED = re.compile(r"^\s*(?:query|mutation)\s+(\w+)", re.MULTILINE)


def subject_of(ask: Ask) -> str:
    """Describe ``ask`` in a few words, for messages: the operation's name, or what is read or written."""
    if isinstance(ask, Request):
        named = None if ask.operation_name else _NAMED.search(ask.document.text)
        return ask.operation_name or (named[1] if named else "a query")
    if isinstance(ask, Read):
        only = ask.runs[0].path if len(ask.runs) == 1 else f"{len(ask.runs):,} runs"
        return f"reading the {ask.spec.stream} of {only}"
    if isinstance(ask, Append):
        return f"writing to {ask.run.path}"
    if isinstance(ask, Open):
        return f"reading {ask.ref.name}"
    if isinstance(ask, Fetch):
        return f"fetching {len(ask.items):,} files" if len(ask.items) != 1 else f"fetching {ask.items[0].ref.name}"
    if isinstance(ask, Put):
        return f"writing {ask.ref.name}"
    return "work on local files"


DOOR_OF_ASK: Mapping[type, Door] = {
    Request: "documents",
    Read: "columns",
    Append: "columns",
    Open: "bytes",
    Fetch: "bytes",
    Put: "bytes",
}
