"""Classifies requests by what a retry would do: queries, idempotent mutations, other mutations. Does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import attrs
from graphql import OperationType, value_from_ast_untyped
from graphql.language import FieldNode

from wbmodel.request import Document, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Intent", "intent_of"]

# Idempotent mutations, and the arguments that name their object (one of them is enough). upsertBucket finds its run by
# id, or by name in a project, so a retry overwrites the same run with the same values.
_NAMED_BY: dict[str, tuple[str, ...]] = {
    "upsertBucket": ("id", "name"),
    "upsertModel": ("id", "name"),
    "upsertSweep": ("id",),
    "upsertView": ("id",),
    "updateArtifact": ("artifactID",),
    "updateArtifactSequence": ("artifactSequenceID",),
    "addAliases": ("artifactID",),
    "deleteAliases": ("artifactID",),
    "useArtifact": ("artifactID",),
}


@attrs.frozen(slots=True)
class Intent:
    """``name`` is for messages, ``mutates`` is whether the request changes anything, ``idempotent`` whether sending it
    twice has the same effect as sending it once, ``divisible`` whether its sender can ask for less at once."""

    name: str
    mutates: bool
    idempotent: bool
    divisible: bool = False


@attrs.frozen(slots=True)
class _Shape:
    name: str | None
    roots: Sequence[FieldNode] | None  # of a mutation; None for a query


_shapes: WeakKeyDictionary[Document, dict[str | None, _Shape]] = WeakKeyDictionary()


def intent_of(request: Request) -> Intent:
    """The intent of a request. Raises ``GraphQLError`` for a document that is not GraphQL."""
    by_name = _shapes.setdefault(request.document, {})
    asked = request.operation_name or None
    shape = by_name.get(asked)
    if shape is None:
        shape = by_name[asked] = _shape(request.document, asked)
    name = request.operation_name or shape.name or "the query"
    if shape.roots is None:
        return Intent(name, False, True, request.divisible)
    return Intent(
        name, True, bool(shape.roots) and all(_is_idempotent(root, request.variables) for root in shape.roots)
    )


def _shape(document: Document, asked: str | None) -> _Shape:
    node = document.operation(asked)
    if node is None:
        return _Shape(None, None)
    name = node.name.value if node.name is not None else None
    if node.operation is not OperationType.MUTATION:
        return _Shape(name, None)
    selections = node.selection_set.selections
    fields = [selection for selection in selections if isinstance(selection, FieldNode)]
    # A fragment at the root may contain any mutation.
    return _Shape(name, fields if len(fields) == len(selections) else ())


def _is_idempotent(root: FieldNode, variables: Mapping[str, Any]) -> bool:
    naming = _NAMED_BY.get(root.name.value)
    if naming is None:
        return False
    for argument in root.arguments or ():
        value = value_from_ast_untyped(argument.value, dict(variables))
        if argument.name.value == "input" and isinstance(value, dict):
            return any(value.get(name) for name in naming)
        if argument.name.value in naming and value:
            return True
    return False
