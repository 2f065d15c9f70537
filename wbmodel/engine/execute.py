"""``Engine``: executes requests over a store, and implements the other two doors (columns, bytes) on it."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, TypeGuard

import attrs

from wbmodel.backend.asks import (
    BlobRef,
    ColumnBatch,
    Document,
    Post,
    Posted,
    ReadSpec,
    Request,
    Response,
    StreamName,
)
from wbmodel.backend.capabilities import Capabilities
from wbmodel.engine.conditions import Compare
from wbmodel.engine.context import MANIFEST, Context, blob_url, manifest_file
from wbmodel.engine.dialect import TYPES, Dialect
from wbmodel.engine.exports import ExportFile
from wbmodel.engine.fields import Path, TooMuch
from wbmodel.engine.history import HistoryReader
from wbmodel.engine.pages import Reader
from wbmodel.engine.records import ArtifactRecord, ConsoleLine, FileRecord, RunRecord
from wbmodel.engine.select import Select
from wbmodel.engine.stopping import GivenUp, check, watching
from wbmodel.engine.store import Store, Writer, is_writable
from wbmodel.engine.streams import Stream
from wbmodel.errors import DoesNotExist, NotSupported
from wbmodel.weighted_cache import WeightedCache

if TYPE_CHECKING:
    from graphql import DocumentNode, GraphQLError

__all__ = ["LIMIT_EXCEEDED", "Engine"]

LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
"""The code of errors that name a limit."""

SERVED_TERMS = 10_000
"""Maximum number of comparisons in a filter that a server takes."""

_KEPT_TEXTS = 256 * 1024
"""Size of the cache of validated documents, in characters: an AST takes up to 150 times the memory of its text."""


class Engine:
    """W&B's GraphQL over ``store``. ``url_for`` creates the URLs of files (default: names inside this engine).

    Documents are executed; operation names do not matter. Undeclared variables are ignored, because real clients send
    them (seen). The schema is built at the first request. A query reads one view of the store, a mutation document is
    one change. An engine may be called from any thread; the store does the locking.
    """

    def __init__(
        self, store: Store, dialect: Dialect | None = None, *, url_for: Callable[[FileRecord], str] = blob_url
    ) -> None:
        self.store = store
        self.dialect = dialect or Dialect()
        self._reader = Reader(self.dialect)
        self._histories = HistoryReader(self.dialect)
        self._url_for = url_for

    def __repr__(self) -> str:
        return f"Engine({self.store!r})"

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities of this engine: those that its dialect allows, and writing if the store can be changed."""
        dialect, writable = self.dialect, is_writable(self.store)
        plain = not dialect.case_blind and dialect.arrays == "opaque"
        return Capabilities(
            strict_values=plain and not dialect.cross_types and not dialect.null_comparisons and dialect.nan == "token",
            literal_keys=dialect.literal_keys,
            regex=plain and dialect.regex == "python",
            exists=True,
            multi_order=dialect.multi_order and dialect.ties == "newest",
            # With this promise, a client leaves the whole order to the backend, including the order of types.
            nulls_last=dialect.nulls == "last" and dialect.nan == "token" and dialect.types == TYPES,
            all_projects=True,
            filtered=dialect.filtered,
            page_size=dialect.max_page,
            max_page_size=dialect.max_page,
            max_aliases=200,
            in_process=True,
            stable_cursors=dialect.cursors == "places",
            writable=writable,
            columns=True,
            append=writable,
            blobs=True,
        )

    def for_server(self, url_for: Callable[[FileRecord], str]) -> Engine:
        """An engine over the same store for a server: other file URLs, RE2 for patterns, and a limit on filters."""
        terms = min(self.dialect.max_terms, SERVED_TERMS)
        return type(self)(self.store, attrs.evolve(self.dialect, regex="re2", max_terms=terms), url_for=url_for)

    def execute(self, request: Request, *, given_up: Callable[[], bool] | None = None) -> Response:
        """Answer one request. Errors in the request are returned in ``Response.errors``, not raised.

        Once ``given_up()`` returns true, the work stops: the answer is an error, and a mutation is undone.
        """
        from graphql import GraphQLError, execute

        from wbmodel.engine.projection import ProjectingExecutor
        from wbmodel.engine.schema import executable_schema

        try:
            ast, problems = _checked(request.document, self.dialect)
        except GraphQLError as error:
            return Response(errors=[error.formatted])
        if problems:
            return Response(errors=[error.formatted for error in problems])
        try:
            with watching(given_up), self._opened(request) as context:
                check()  # opening may have waited for another request
                result = execute(
                    executable_schema(self.dialect.lacking),
                    ast,
                    context_value=context,
                    variable_values=dict(request.variables),
                    # 0.31.0 sends "" with every document from Python (seen).
                    operation_name=request.operation_name or None,
                    is_awaitable=_is_awaitable,
                    executor_class=ProjectingExecutor,
                )
        except GivenUp:
            return Response(errors=[{"message": "this request was given up"}])
        data: Any = getattr(result, "data", None)
        return Response(data=data, errors=[_formatted(error) for error in getattr(result, "errors", None) or ()])

    def read(self, run: str, spec: ReadSpec) -> Iterator[ColumnBatch]:
        """A run's stream as columns; ``run`` is the node id. Raises :class:`DoesNotExist` if there is no such run."""
        with self.store.view() as view:
            record = view.node(run)
        if not isinstance(record, RunRecord):
            raise DoesNotExist(f"run with id {run!r} does not exist, or this account may not see it")
        stream: Stream = getattr(record, spec.stream)
        return (_of_run(batch, run) for batch in stream.read(spec))

    def append(self, run: str, post: Post) -> Posted:
        """Write to the run with this node id. Rows overwrite the rows at their lines; later rows are kept. Raises
        :class:`DoesNotExist` if there is no such run."""
        with self._changed("accept rows") as writer:
            record = writer.node(run)
            if not isinstance(record, RunRecord):
                raise DoesNotExist(f"run with id {run!r} does not exist, or this account may not see it")
            changes: dict[str, Any] = {}
            ends: dict[StreamName, int] = {}
            for name, (first, rows) in post.rows.items():
                stream: Stream = getattr(record, name)
                changes[name] = stream.written(first, [_row(name, row) for row in rows])
                ends[name] = first + len(rows)
            if post.summary is not None:
                changes["summary"] = dict(post.summary)
            if post.complete:
                changes["state"] = "finished" if not post.exit_code else "failed"
                changes["exitcode"] = post.exit_code
            stopped = record.stopped
            if changes:
                writer.update(run, **changes)
            return Posted(ends, stopped)

    def put(self, ref: BlobRef, data: bytes) -> None:
        """Store a run file, replacing any file of that name. Raises :class:`DoesNotExist` if there is no such run, and
        :class:`NotSupported` for artifact files, which are added with their version."""
        if ref.kind != "run_file":
            raise NotSupported("only run files can be stored; artifact files are added with their version")
        with self._changed("accept files") as writer:
            record = writer.node(ref.owner)
            if not isinstance(record, RunRecord):
                raise DoesNotExist(f"run with id {ref.owner!r} does not exist, or this account may not see it")
            writer.add_file(record, ref.name, data)

    def open(self, ref: BlobRef) -> bytes:
        """The bytes of a run file or artifact file. Raises :class:`DoesNotExist` if this store does not have them."""
        file = self.find(ref)
        data = file.read() if file is not None else None
        if data is None:
            where = "does not exist" if file is None else "has no bytes in this store"
            if file is not None and file.ref:
                where = f"is a reference to {file.ref!r}"
            raise DoesNotExist(f"{ref.kind.replace('_', ' ')} {ref.name!r} of {ref.owner!r} {where}")
        return data

    def run_id(self, entity: str, project: str, run: str) -> str | None:
        """The node id of the newest run with the names of a path, or None."""
        with self.store.view() as view:
            parent = view.project(entity, project)
            found = None if parent is None else view.run(parent, run)
            return None if found is None else found.id

    def find(self, ref: BlobRef) -> FileRecord | None:
        """The record of a run file or artifact file (including its manifest), or None."""
        with self.store.view() as view:
            owner = view.node(ref.owner)
            if not isinstance(owner, RunRecord if ref.kind == "run_file" else ArtifactRecord):
                return None
            where = Compare(Path("plain", "name"), "eq", ref.name)
            relation = "run.files" if ref.kind == "run_file" else "artifact.files"
            found = view.select(Select(relation, owner.id, where, first=1)).rows
            if not found and isinstance(owner, ArtifactRecord) and ref.name == MANIFEST:
                return manifest_file(owner, view.select(Select(relation, owner.id)).rows)
            return found[0] if found else None

    def exported(self, name: str) -> ExportFile | None:
        """An exported file of a history, by the name in its URL; None if no document was told of it recently."""
        return self._histories.file(name)

    def entry(self, artifact: str, digest: str) -> FileRecord | None:
        """The file of an artifact version (by node id) with this digest (base64 of the MD5), or None."""
        with self.store.view() as view:
            where = Compare(Path("plain", "digest"), "eq", digest)
            owner = view.node(artifact)
            if not isinstance(owner, ArtifactRecord):
                return None
            found = view.select(Select("artifact.files", owner.id, where, first=1)).rows
            return found[0] if found else None

    def _changed(self, what: str) -> AbstractContextManager[Writer]:
        if not is_writable(self.store):
            raise NotSupported(f"this store is read-only and cannot {what}")
        return self.store.change()

    @contextmanager
    def _opened(self, request: Request) -> Iterator[Context]:
        """The context of one request: over a change for a mutation if the store supports it, else over a view."""
        if is_writable(self.store) and request.document.mutates(request.operation_name):
            with self.store.change() as writer:
                yield Context(writer, self._reader, self._url_for, writer, self._histories)
        else:
            with self.store.view() as view:
                yield Context(view, self._reader, self._url_for, histories=self._histories)


def _of_run(batch: ColumnBatch, run: str) -> ColumnBatch:
    # A shallow copy: a stream may cache its batches, and does not know which run they belong to.
    named = copy(batch)
    named.run = run
    return named


def _row(stream: StreamName, row: Mapping[str, Any] | str) -> Any:
    if stream != "console":
        return dict(row)  # type: ignore[arg-type]  # only console lines are texts
    return ConsoleLine(line=row) if isinstance(row, str) else ConsoleLine(**row)


def _is_awaitable(value: Any) -> TypeGuard[Awaitable[Any]]:
    # All resolvers are plain functions, so graphql-core does not need to check each value.
    return False


def _formatted(error: GraphQLError) -> dict[str, Any]:
    formatted: dict[str, Any] = dict(error.formatted)
    original = error.original_error
    if isinstance(original, TooMuch):
        formatted["extensions"] = {"code": LIMIT_EXCEEDED}
    if original is not None and not str(original):
        formatted["message"] = f"{type(original).__name__} in {'.'.join(map(str, error.path or ()))}"
    return formatted


# -- validation, once per document -----------------------------------------------------------------

_Checked = tuple["DocumentNode", "list[GraphQLError]"]
_Rules = tuple[frozenset[str], frozenset[str], bool]
_by_document: dict[tuple[int, _Rules], tuple[weakref.ref[Document], _Checked]] = {}
_by_text: WeightedCache[_Checked] = WeightedCache(_KEPT_TEXTS)


def _checked(document: Document, dialect: Dialect) -> _Checked:
    """The AST to execute and its validation errors, cached for the life of the document and, if it is valid, for recent
    texts.

    Without a lock: threads that validate the same document at once do so twice.
    """
    rules = (dialect.lacking, dialect.ignoring, dialect.introspection)
    key = (id(document), rules)
    known = _by_document.get(key)
    if known is not None and known[0]() is document:
        return known[1]
    text = _text(document)
    checked = _by_text.get((rules, text))
    if checked is None:
        checked = _validate(document, dialect)
        if not checked[1]:
            _by_text.put((rules, text), checked, len(text))
    _by_document[key] = (weakref.ref(document, lambda _: _by_document.pop(key, None)), checked)
    return checked


def _text(document: Document) -> str:
    from graphql import GraphQLError

    try:
        return document.text
    except RecursionError:
        raise GraphQLError("the document nests too deeply") from None


def _validate(document: Document, dialect: Dialect) -> _Checked:
    from graphql import GraphQLError, specified_rules, validate
    from graphql.validation import (
        NoSchemaIntrospectionCustomRule,
        NoUnusedFragmentsRule,
        NoUnusedVariablesRule,
        VariablesInAllowedPositionRule,
    )

    from wbmodel.engine.schema import executable_schema, without_arguments

    # Real clients declare more than they use, and declare "String" where the schema may say ID or JSONString.
    relaxed = {NoUnusedFragmentsRule, NoUnusedVariablesRule, VariablesInAllowedPositionRule}
    rules = [rule for rule in specified_rules if rule not in relaxed]
    if not dialect.introspection:
        rules.append(NoSchemaIntrospectionCustomRule)
    schema = executable_schema(dialect.lacking)
    try:
        ast = document.ast
        problems = validate(schema, ast, rules)
        if dialect.ignoring and not problems:
            ast = without_arguments(ast, schema, dialect.ignoring)
        return ast, problems
    except RecursionError:
        raise GraphQLError("the document nests too deeply") from None
