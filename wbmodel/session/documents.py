"""The documents that :meth:`Session.execute` takes: text, and the document types of gql and graphql-core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from wbmodel.backend.asks import Document, Request
from wbmodel.errors import QueryError

if TYPE_CHECKING:
    from gql import GraphQLRequest
    from gql.dsl import DSLOperation
    from graphql import DocumentNode

    AnyDocument: TypeAlias = str | Document | DocumentNode | GraphQLRequest | DSLOperation

__all__ = ["request_of"]


def request_of(
    document: AnyDocument, variables: Mapping[str, Any] | None = None, operation_name: str | None = None
) -> Request:
    """Make a request from ``document``. A ``gql.GraphQLRequest`` supplies its variables and operation name.

    Raises :class:`~wbmodel.errors.QueryError` if those are given twice, or if ``document`` is not a document.
    """
    if isinstance(document, (str, Document)):
        return Request(document, dict(variables or {}), operation_name)
    from graphql import DocumentNode

    if isinstance(document, DocumentNode):
        return Request(Document(ast=document), dict(variables or {}), operation_name)
    # Imported late: text and Document do not need gql, and a caller with one of its types has already imported it.
    from gql import GraphQLRequest
    from gql.dsl import DSLOperation, dsl_gql

    if isinstance(document, DSLOperation):
        document = dsl_gql(document)
    if not isinstance(document, GraphQLRequest):
        raise QueryError(
            "a GraphQL document must be text, a wbmodel.request.Document, a graphql.DocumentNode, a gql.GraphQLRequest "
            f"or a gql.dsl query, not {type(document).__name__}"
        )
    if getattr(document, "extensions", None):  # gql has them since 4.1
        raise QueryError("the GraphQLRequest has extensions=, which wbmodel cannot send; leave them out")
    return Request(
        Document(ast=document.document),
        dict(_one("variables", variables, "variable_values", document.variable_values) or {}),
        _one("operation_name", operation_name, "operation_name", document.operation_name),
    )


def _one(name: str, given: Any, theirs: str, brought: Any) -> Any:
    if given is not None and brought is not None:
        raise QueryError(
            f"{name} is given twice, as an argument and as {theirs}= of the GraphQLRequest; leave one of them out"
        )
    return brought if given is None else given
