"""``Engine``: executes requests over a store, and opens the other two doors (columns, bytes) on it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeGuard

import attrs

from wbmodel import forks
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
from wbmodel.engine.columns import read_columns
from wbmodel.engine.context import MANIFEST, Context, blob_url, manifest_file
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.pages import Pager
from wbmodel.engine.records import ArtifactRecord, ConsoleLine, FileRecord, RunRecord
from wbmodel.engine.store import Store
from wbmodel.errors import DoesNotExist
from wbmodel.weighted_cache import WeightedCache

if TYPE_CHECKING:
    from graphql import DocumentNode, GraphQLError

__all__ = ["Engine"]

_KEPT_TEXTS = 4 * 1024 * 1024
"""Characters of the documents whose validation is kept: an AST takes some 50 times the memory of its text."""


_locks: weakref.WeakKeyDictionary[Store, threading.RLock] = weakref.WeakKeyDictionary()
_locks_lock = forks.lock()


def _lock_of(store: Store) -> threading.RLock:
    """The one lock of a store, which several engines may be over: one in this process and one behind a server, say."""
    with _locks_lock:
        try:
            return _locks.setdefault(store, forks.rlock())
        except TypeError:  # a store of somebody's that cannot be referred to weakly
            return forks.rlock()


class Engine:
    """W&B's GraphQL over ``store``. ``url_for`` writes the URLs of files (default: names inside this engine).

    Documents are executed, never told apart by operation name. Variables that a document does not declare are
    ignored, as real clients send such (seen). The schema is built at the first request. One request runs at a time
    on a store, whichever of its engines executes it; an engine may be called from any thread.
    """

    def __init__(
        self, store: Store, dialect: Dialect | None = None, *, url_for: Callable[[FileRecord], str] = blob_url
    ) -> None:
        self.store = store
        self.dialect = dialect or Dialect()
        self._context = Context(store, self.dialect, Pager(store, self.dialect), url_for)
        self._lock = _lock_of(store)

    def __repr__(self) -> str:
        return f"Engine({self.store!r})"

    def with_urls(self, url_for: Callable[[FileRecord], str]) -> Engine:
        """This engine (its store, dialect and lock) with other URLs for files, as a server in front of it needs."""
        twin = Engine(self.store, self.dialect, url_for=url_for)
        twin._context = attrs.evolve(self._context, url_for=url_for)
        return twin

    def execute(self, request: Request, *, given_up: Callable[[], bool] | None = None) -> Response:
        """Answer one request. What is wrong with it is in ``Response.errors``; nothing is raised for it.

        Once ``given_up()`` is true, fields with arguments are errors instead of work: nobody waits for the answer.
        """
        from graphql import GraphQLError, execute

        from wbmodel.engine.projection import ProjectingExecutor
        from wbmodel.engine.schema import executable_schema

        try:
            ast, problems = _checked(request.document)
        except GraphQLError as error:
            return Response(errors=[error.formatted])
        if problems:
            return Response(errors=[error.formatted for error in problems])
        context = self._context if given_up is None else attrs.evolve(self._context, given_up=given_up)
        with self._lock:
            result = execute(
                executable_schema(),
                ast,
                context_value=context,
                variable_values=dict(request.variables),
                # 0.31.0 sends "" for every document that comes from Python (seen).
                operation_name=request.operation_name or None,
                is_awaitable=_is_awaitable,
                executor_class=ProjectingExecutor,
            )
        data: Any = getattr(result, "data", None)
        return Response(data=data, errors=[_formatted(error) for error in getattr(result, "errors", None) or ()])

    def read(self, run: str, spec: ReadSpec) -> Iterator[ColumnBatch]:
        """A run's stream as columns; ``run`` is the node id. Raises :class:`DoesNotExist` for no such run."""
        with self._lock:
            record = self.store.node(run)
        if not isinstance(record, RunRecord):
            raise DoesNotExist(f"run with id {run!r} does not exist, or this account may not see it")
        return read_columns(record, spec)

    def append(self, run: str, post: Post) -> Posted:
        """Write to the run with this node id: rows overwrite what stands at their lines, and cut nothing off."""
        with self._lock:
            record = self.store.node(run)
            if not isinstance(record, RunRecord):
                raise DoesNotExist(f"run with id {run!r} does not exist, or this account may not see it")
            changes: dict[str, Any] = {}
            ends: dict[StreamName, int] = {}
            for stream, (first, rows) in post.rows.items():
                kept = list(getattr(record, stream))
                made = [_row(row) for row in rows]
                kept[first : first + len(made)] = made
                changes[stream], ends[stream] = kept, first + len(made)
            if post.summary is not None:
                changes["summary"] = dict(post.summary)
            if post.complete:
                changes["state"] = "finished" if not post.exit_code else "failed"
                changes["exitcode"] = post.exit_code
            if changes:
                self.store.update(record, **changes)
            return Posted(ends, record.stopped)

    def open(self, ref: BlobRef) -> bytes:
        """The bytes of a run file or artifact file. Raises :class:`DoesNotExist` when this store has not got them."""
        file = self.find(ref)
        data = file.read() if file is not None else None
        if data is None:
            where = "is not there" if file is None else "has no bytes in this store"
            if file is not None and file.ref:
                where = f"is a reference to {file.ref!r}"
            raise DoesNotExist(f"{ref.kind.replace('_', ' ')} {ref.name!r} of {ref.owner!r} {where}")
        return data

    def run_id(self, entity: str, project: str, run: str) -> str | None:
        """The node id of a run by the names of its path; None when there is none."""
        with self._lock:
            parent = self.store.project(entity, project)
            found = None if parent is None else self.store.run(parent, run)
            return None if found is None else found.id

    def find(self, ref: BlobRef) -> FileRecord | None:
        """The record of a run file or artifact file (its manifest too); None when there is none."""
        with self._lock:
            return self._file(ref)

    def entry(self, artifact: str, digest: str) -> FileRecord | None:
        """The file of an artifact version (by node id) whose bytes have this digest, base64 of the MD5."""
        with self._lock:
            owner = self.store.node(artifact)
            if not isinstance(owner, ArtifactRecord):
                return None
            return next((file for file in owner.files.values() if file.digest == digest), None)

    def _file(self, ref: BlobRef) -> FileRecord | None:
        owner = self.store.node(ref.owner)
        if ref.kind == "run_file" and isinstance(owner, RunRecord):
            return next((file for file in self.store.files(owner) if file.name == ref.name), None)
        if ref.kind == "artifact_file" and isinstance(owner, ArtifactRecord):
            file = owner.files.get(ref.name)
            return manifest_file(owner) if file is None and ref.name == MANIFEST else file
        return None


def _row(row: Any) -> Any:
    return ConsoleLine(line=row) if isinstance(row, str) else dict(row)


def _is_awaitable(value: Any) -> TypeGuard[Awaitable[Any]]:
    # Resolvers here are plain functions; graphql-core need not look at each value.
    return False


def _formatted(error: GraphQLError) -> dict[str, Any]:
    formatted: dict[str, Any] = dict(error.formatted)
    original = error.original_error
    if original is not None and not str(original):
        formatted["message"] = f"{type(original).__name__} in {'.'.join(map(str, error.path or ()))}"
    return formatted


# -- validation, once per document -----------------------------------------------------------------

_Checked = tuple["DocumentNode", "list[GraphQLError]"]
_by_document: dict[int, tuple[weakref.ref[Document], _Checked]] = {}
_by_text: WeightedCache[_Checked] = WeightedCache(_KEPT_TEXTS)
_check_lock = forks.lock()


def _checked(document: Document) -> _Checked:
    """The AST and what is wrong with it; kept for the life of the document, and for the latest texts."""
    known = _by_document.get(id(document))
    if known is not None and known[0]() is document:
        return known[1]
    text = _text(document)
    with _check_lock:
        checked = _by_text.get(text)
        if checked is None:
            checked = _validate(document)
            _by_text.put(text, checked, len(text))
        key = id(document)
        _by_document[key] = (weakref.ref(document, lambda _: _by_document.pop(key, None)), checked)
    return checked


def _text(document: Document) -> str:
    from graphql import GraphQLError

    try:
        return document.text
    except RecursionError:
        raise GraphQLError("the document nests too deeply") from None


def _validate(document: Document) -> _Checked:
    from graphql import GraphQLError, specified_rules, validate
    from graphql.validation import NoUnusedFragmentsRule, NoUnusedVariablesRule, VariablesInAllowedPositionRule

    from wbmodel.engine.schema import executable_schema

    # Real clients declare more than they use, and "String" where the schema may say ID or JSONString.
    relaxed = {NoUnusedFragmentsRule, NoUnusedVariablesRule, VariablesInAllowedPositionRule}
    rules = [rule for rule in specified_rules if rule not in relaxed]
    try:
        ast = document.ast
        return ast, validate(executable_schema(), ast, rules)
    except RecursionError:
        raise GraphQLError("the document nests too deeply") from None
