"""What :meth:`Session.execute` takes as a document: text, and what gql and graphql-core make of it."""

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
    """The request that ``document`` is, with the variables and the operation name that a ``gql.GraphQLRequest`` brings.

    Raises :class:`~wbmodel.errors.QueryError` where those are given twice, and for what is not a document.
    """
    if isinstance(document, (str, Document)):
        return Request(document, dict(variables or {}), operation_name)
    from graphql import DocumentNode

    if isinstance(document, DocumentNode):
        return Request(Document(ast=document), dict(variables or {}), operation_name)
    # Whoever gives one of the others has loaded gql; whoever gives none of them does not wait for it.
    from gql import GraphQLRequest
    from gql.dsl import DSLOperation, dsl_gql

    if isinstance(document, DSLOperation):
        document = dsl_gql(document)
    if not isinstance(document, GraphQLRequest):
        raise QueryError(
            "a GraphQL document is text, a wbmodel.request.Document, a graphql.DocumentNode, a gql.GraphQLRequest or a "
            f"query of gql.dsl, not {type(document).__name__}"
        )
    if getattr(document, "extensions", None):  # gql has them since 4.1
        raise QueryError("the GraphQLRequest has extensions=, which a wbmodel Request cannot carry; leave them out")
    return Request(
        Document(ast=document.document),
        dict(_one("variables", variables, "variable_values", document.variable_values) or {}),
        _one("operation_name", operation_name, "operation_name", document.operation_name),
    )


def _one(name: str, given: Any, theirs: str, brought: Any) -> Any:
    if given is not None and brought is not None:
        raise QueryError(
            f"{name} is given twice: as an argument, and as {theirs}= of the GraphQLRequest; leave one of them out"
        )
    return brought if given is None else given
