"""What is asked of a backend, and what it answers: the currency of its three doors. Plain, frozen data.

*Documents*: a :class:`Request` is answered by a :class:`Response`, in GraphQL as ``schema/wandb.graphql`` states it.
*Columns*: a :class:`Read` is answered by a stream of :class:`ColumnBatch`, an :class:`Append` by :class:`Posted`.
*Bytes*: an :class:`Open` is answered by a stream of chunks, a :class:`Fetch` by a stream of finished files, and a
:class:`Put` stores what a :class:`Source` holds. :class:`Work` is local file work, which goes no further than the
driver. The verbs by which operations ask are in :mod:`wbmodel.backend.verbs`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import attrs

from wbmodel.errors import NotAuthenticated, PermissionDenied, ServerError, WbmodelError
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
        """The graphql-core ``DocumentNode``. Raises ``GraphQLSyntaxError`` for text that is not GraphQL."""
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
    """One GraphQL request. ``variables`` may hold more than the document declares, as real clients send it."""

    document: Document = attrs.field(converter=_to_document)
    variables: Mapping[str, Any] = attrs.field(factory=dict)
    operation_name: str | None = None

    def __str__(self) -> str:
        from wbmodel.codec import dumps

        return f"{self.document.text}\n\nvariables: {dumps(dict(self.variables))}"


@attrs.frozen(slots=True, kw_only=True)
class CallNote:
    """What a backend says of one answer, for statistics, traces and the size of pages. None where it does not say.

    ``attempts`` is how often the request was sent, ``pauses`` how often the server asked to wait. ``received`` and
    ``sent`` are bytes on the wire, ``size`` is the bytes of the answer once unpacked. ``in_flight`` is how many
    requests were under way at once so far, at most. ``status`` is that of HTTP, ``seconds`` the time until the whole
    answer was there.
    """

    attempts: int = 1
    pauses: int = 0
    received: int | None = None
    sent: int | None = None
    size: int | None = None
    in_flight: int | None = None
    status: int | None = None
    seconds: float | None = None


@attrs.frozen(slots=True)
class Response:
    """The answer to a :class:`Request`: ``data`` is the decoded object or None, ``errors`` are GraphQL error objects
    (``{"message", "path", ...}``), ``extensions`` is what the server adds, ``note`` what the backend says of it."""

    data: dict[str, Any] | None = None
    errors: Sequence[Mapping[str, Any]] = ()
    extensions: Mapping[str, Any] = attrs.field(factory=dict)
    note: CallNote | None = None


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
    note = response.note or CallNote()
    raise ServerError(
        message,
        status=note.status,
        operation=request.operation_name,
        attempts=note.attempts,
        server_message=words[0],
        errors=response.errors,
    )


# -- columns ---------------------------------------------------------------------------------------


@attrs.frozen(slots=True)
class RunRef:
    """The name of a run, in both ways that backends need: its node id, and its path ``entity/project/name``."""

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
    """What to read of a run's stream: ``keys`` (None: all) of the rows whose step is at least ``min_step`` and below
    ``max_step`` (None: no bound; there are negative steps). Events and console lines have no steps: there, the line
    number takes the step's part."""

    stream: StreamName = "history"
    keys: tuple[str, ...] | None = None
    min_step: int | None = None
    max_step: int | None = None


@attrs.frozen(slots=True)
class Read:
    """Ask for a stream of several runs. The answer is a stream of :class:`ColumnBatch`, those of one run together and
    the runs as they were asked for; a :class:`Failure` stands for a run that cannot be read, and the others go on."""

    runs: Sequence[RunRef]
    spec: ReadSpec = ReadSpec()


@attrs.frozen(slots=True)
class Failure:
    """What a stream gives in place of a run's batches."""

    run: RunRef
    error: WbmodelError


@attrs.frozen(slots=True, kw_only=True)
class Post:
    """What is written to a run in one go. ``rows`` maps a stream to the number of its first line and the lines: dicts,
    or texts for the console. They **overwrite** what stands at those lines and never cut off what stands behind; a gap
    before them is legal, and writing the same once more changes nothing. ``summary`` takes the place of the run's
    summary, ``uploaded`` names files that are there now, ``complete`` with ``exit_code`` says that the run is over, and
    ``preempting`` that its machine is about to be taken away."""

    rows: Mapping[StreamName, tuple[int, Sequence[Mapping[str, Any] | str]]] = attrs.field(factory=dict)
    summary: Mapping[str, Any] | None = None
    uploaded: Sequence[str] = ()
    complete: bool = False
    exit_code: int | None = None
    preempting: bool = False


@attrs.frozen(slots=True)
class Posted:
    """What became of a :class:`Post`: the line after the last one written, by stream, and whether the run was asked to
    stop."""

    offsets: Mapping[StreamName, int] = attrs.field(factory=dict)
    stopped: bool = False


@attrs.frozen(slots=True)
class Append:
    """Ask that ``post`` be written to ``run``. The answer is :class:`Posted`."""

    run: RunRef
    post: Post


# -- bytes -----------------------------------------------------------------------------------------


@attrs.frozen(slots=True)
class BlobRef:
    """The name of some bytes: a run file or an artifact file.

    ``owner`` is the node id of the run or artifact, ``name`` the slash-separated path inside it. ``url`` is where
    a document said the bytes are, or go (None for backends that keep their own), with the ``headers`` that it gave for
    them. ``size`` is in bytes, ``digest`` is base64 of the MD5, ``etag`` is what a storage host called the content.
    """

    kind: Literal["run_file", "artifact_file"]
    owner: str
    name: str
    url: str | None = attrs.field(default=None, repr=False)  # a signed one is a credential
    size: int | None = None
    digest: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict, kw_only=True, repr=False)
    etag: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen(slots=True)
class Open:
    """Ask for bytes from ``start`` on. The answer is a stream of chunks of 256 KiB to 1 MiB (the last may be smaller).
    What ends before ``ref.size`` is an :class:`~wbmodel.errors.IntegrityError`."""

    ref: BlobRef
    start: int = 0


@attrs.frozen(slots=True)
class FetchItem:
    """A file to fetch: its bytes go to ``target`` once they are whole, and have the size and digest of ``ref``."""

    ref: BlobRef
    target: Path


@attrs.frozen(slots=True)
class Fetched:
    """What became of an item: the bytes that were written, or the error."""

    item: FetchItem
    bytes: int = 0
    error: WbmodelError | None = None


@attrs.frozen(slots=True)
class Fetch:
    """Ask for many files on disk. The answer is a stream of groups of :class:`Fetched`, as they are finished."""

    items: Sequence[FetchItem]


class Source(Protocol):
    """Bytes that can be read again, as a repeated upload needs: ``size`` is how many there are."""

    @property
    def size(self) -> int: ...

    def open(self) -> Iterator[bytes]:
        """The bytes in chunks, from the start, each time."""
        ...


@attrs.frozen(slots=True)
class BytesSource:
    """A :class:`Source` of bytes in memory."""

    data: bytes = attrs.field(repr=False)

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def open(self) -> Iterator[bytes]:
        """All bytes, in one chunk."""
        if self.data:
            yield self.data


@attrs.frozen(slots=True)
class FileSource:
    """A :class:`Source` of a file on disk."""

    path: Path

    @property
    def size(self) -> int:
        """The size of the file now."""
        return os.stat(self.path).st_size

    def open(self) -> Iterator[bytes]:
        """The file, in chunks of 1 MiB."""
        with open(self.path, "rb") as file:
            while chunk := file.read(2**20):
                yield chunk


@attrs.frozen(slots=True)
class Put:
    """Ask that what ``source`` holds be stored under ``ref``. The answer is None."""

    ref: BlobRef
    source: Source


# -- what is no request ----------------------------------------------------------------------------


@attrs.frozen(slots=True)
class Work:
    """Work on local files (hash, fsync, rename): done in place, or on a thread where an event loop would wait for it.
    The answer is what ``function`` returns."""

    function: Callable[[], Any]


Ask = Request | Read | Append | Open | Fetch | Put | Work
"""Everything that an operation can ask."""


def door_of(ask: Ask) -> Door | None:
    """The door that ``ask`` goes through; None for :class:`Work`, which goes through none."""
    return DOOR_OF_ASK.get(type(ask))


def subject_of(ask: Ask) -> str:
    """``ask`` in a few words, for messages: the name of the operation, or what is read or written."""
    if isinstance(ask, Request):
        return ask.operation_name or "a query"
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
