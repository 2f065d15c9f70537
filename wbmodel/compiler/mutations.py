"""Turn changes into GraphQL mutations whose variables are exactly what changes. Pure.

In W&B's inputs, null means "leave unchanged" (seen in both clients), so clearing a field sends ``""`` or ``[]``. The
document lists the inputs one by one, each with its own variable, as both clients do: the names of some input types do
not appear in either client.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import attrs

from wbmodel.backend.asks import Request
from wbmodel.compiler.answer_types import AnswerType, created_type
from wbmodel.compiler.document import freeze, write
from wbmodel.compiler.selection import Tree, node_selection
from wbmodel.meta import EntityMeta, FieldMeta, Writes

__all__ = ["Apart", "changed", "deletion", "encode", "input_types", "upsert"]


@attrs.frozen(slots=True)
class Apart:
    """A mutation in the same document, before the entity's own: it takes ``items`` for the node of the input ``id``."""

    mutation: str
    argument: str
    type: str
    id: str
    items: list[dict[str, Any]] = attrs.field(hash=False)

    @property
    def field(self) -> str:
        """The field of the document, with its arguments."""
        return f"{self.mutation}(input: {{ {self.id}: ${self.id}, {self.argument}: ${self.mutation} }})"


# -- documents -------------------------------------------------------------------------------------


def upsert(
    meta: EntityMeta,
    inputs: Mapping[str, Any],
    types: Mapping[str, str],
    *,
    fields: tuple[str, ...] = (),
    apart: tuple[Apart, ...] = (),
) -> Request:
    """The mutation that creates or changes a node with these inputs (input field -> value; null is omitted).

    It selects ``fields`` of the node, or only its id. ``types`` are the GraphQL types of inputs that are not
    ``String``. The document has the mutations ``apart`` before it.
    """
    writes = _writes(meta)
    given = {name: value for name, value in inputs.items() if value is not None}
    tree: Tree = {writes.answer: node_selection(meta, fields) if fields else {"id": {}}}
    if fields and writes.claimed:
        tree["inserted"] = {}
    if fields and writes.warnings is not None:
        tree[writes.warnings] = {}
    answer = created_type(meta, fields) if fields else None
    return _request(writes.upsert, given, {**types, **writes.types}, writes.fixed, tree, answer, apart)


def deletion(meta: EntityMeta, node_id: str, flags: Mapping[str, bool]) -> Request:
    """The mutation that deletes a node. False flags are omitted, as both clients do."""
    writes = _writes(meta)
    assert writes.delete is not None
    inputs: dict[str, Any] = {writes.id: [node_id] if writes.delete_list else node_id}
    types = {writes.id: writes.delete_id}
    for name, on in flags.items():
        if on:
            inputs[writes.flags[name]], types[writes.flags[name]] = True, "Boolean"
    tree: Tree = {"success": {}} if writes.confirms else {"clientMutationId": {}}
    return _request(writes.delete, inputs, types, {}, tree)


def input_types(meta: EntityMeta, fields: Mapping[str, FieldMeta]) -> dict[str, str]:
    """The GraphQL types of inputs, derived from the kinds of their fields."""
    writes = _writes(meta)
    types = {name: field.kind.codec.input for name, field in fields.items()}
    return {writes.id: "ID" if writes.id == "id" else "ID!", **dict.fromkeys(writes.place.values(), "String"), **types}


def _writes(meta: EntityMeta) -> Writes:
    assert meta.options.writes is not None
    return meta.options.writes


def _request(
    name: str,
    inputs: Mapping[str, Any],
    types: Mapping[str, str],
    fixed: Mapping[str, str],
    tree: Tree,
    answer: AnswerType | None = None,
    apart: tuple[Apart, ...] = (),
) -> Request:
    operation = name[0].upper() + name[1:]
    declared = [(item, types.get(item, "String")) for item in inputs]
    declared += [(other.mutation, other.type) for other in apart]
    given = [*(f"{item}: {literal}" for item, literal in fixed.items()), *(f"{item}: ${item}" for item in inputs)]
    selection = (
        *((other.field, freeze({"success": {}})) for other in apart),
        (f"{name}(input: {{ {', '.join(given)} }})", freeze(tree)),
    )
    variables = {**inputs, **{other.mutation: other.items for other in apart}}
    return Request(_document(f"mutation {operation}", tuple(declared), selection, answer=answer), variables, operation)


_document = lru_cache(maxsize=256)(write)  # the rows of one update() share their document


# -- values ----------------------------------------------------------------------------------------


def encode(meta: EntityMeta, field: FieldMeta, value: Any, kept: Any) -> Any:
    """Encode a field's value for its input. ``kept`` is the stored form of the value that was read, or None.

    Raises :class:`~wbmodel.errors.FieldError` for values that JSON cannot hold.
    """
    return field.kind.codec.encode(value, kept, f"{meta.name}.{field.name}")


def changed(meta: EntityMeta, field: FieldMeta, kept: Any, value: Any) -> bool:
    """Whether a value differs from the one that was read. W&B treats null and ``""`` as equal."""
    return field.kind.codec.changed(kept, value, f"{meta.name}.{field.name}")
