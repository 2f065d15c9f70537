"""A document without what a server lacks, valid by every rule of GraphQL."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLNonNull,
    OperationDefinitionNode,
    Visitor,
    get_named_type,
    visit,
)
from graphql.language import (
    ArgumentNode,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    NameNode,
    ObjectValueNode,
    SelectionSetNode,
    ValueNode,
)

from wbmodel.request import Document
from wbmodel_live.lacks import OPTIONAL, Lack, kind_fields, schema

__all__ = ["Holes", "Lowered", "declared", "fill"]

Holes: TypeAlias = "dict[str, Any]"
"""Response key -> the holes below it; None for a key that must be filled with null."""


def declared(document: Document) -> frozenset[str]:
    """The names of the variables that a document declares."""
    return frozenset(
        item.variable.name.value
        for node in document.ast.definitions
        if isinstance(node, OperationDefinitionNode)
        for item in node.variable_definitions or ()
    )


def _tidied(definitions: Sequence[Any]) -> list[Any]:
    """``definitions`` without the fragments that no operation spreads any more, and without the variables that none of
    them uses: a document that declares either is invalid."""
    fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}
    spread: set[str] = set()
    made: list[Any] = []
    for node in definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        found = _Uses()
        pending: list[Any] = [node.selection_set, *(node.directives or ())]
        while pending:
            visit(pending.pop(), found)
            pending += [fragments[name].selection_set for name in found.new_fragments() if name in fragments]
        spread |= found.fragments
        kept = tuple(item for item in node.variable_definitions or () if item.variable.name.value in found.variables)
        made.append(_with(node, node.selection_set, variable_definitions=kept))
    return [*made, *(fragments[name] for name in fragments if name in spread)]


class _Uses(Visitor):
    """The variables and fragments that are used somewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.variables: set[str] = set()
        self.fragments: set[str] = set()
        self._new: list[str] = []

    def new_fragments(self) -> list[str]:
        """The fragments that were met since the last call."""
        new, self._new = self._new, []
        return new

    def enter_variable(self, node: Any, *_: Any) -> None:
        self.variables.add(node.name.value)

    def enter_fragment_spread(self, node: Any, *_: Any) -> None:
        if node.name.value not in self.fragments:
            self.fragments.add(node.name.value)
            self._new.append(node.name.value)


class Lowered:
    """One document without what a server lacks. ``ast`` is the result, ``holes`` are the places in the answer where
    fields would have been.

    ``left_out`` are the fields and arguments that were taken out, ``required`` those of them that the document makes no
    sense without.
    """

    def __init__(self, ast: DocumentNode, lacking: AbstractSet[Lack]) -> None:
        self._lacking = lacking
        self._fragments = {
            node.name.value: node for node in ast.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._fragment_holes: dict[str, Holes] = {}
        self.left_out: set[Lack] = set()
        self.required: set[Lack] = set()
        self.holes: Holes = {}
        self.ast = self._made(ast)

    def _made(self, ast: DocumentNode) -> DocumentNode:
        definitions: list[Any] = []
        for node in ast.definitions:
            if isinstance(node, OperationDefinitionNode):
                root = schema().get_root_type(node.operation)
                kept, inner = self._selections(node.selection_set, root.name if root is not None else "")
                self.holes.update(inner)
                definitions.append(_with(node, kept))
            elif isinstance(node, FragmentDefinitionNode):
                kept, _ = self._selections(node.selection_set, node.type_condition.name.value)
                definitions.append(_with(node, kept))
            else:
                definitions.append(node)
        return DocumentNode(definitions=tuple(_tidied(definitions)))

    def _selections(self, selections: SelectionSetNode, kind: str) -> tuple[SelectionSetNode, Holes]:
        kept: list[Any] = []
        holes: Holes = {}
        for node in selections.selections:
            if isinstance(node, FieldNode):
                self._field(node, kind, kept, holes)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition.name.value if node.type_condition is not None else kind
                inside, inner = self._selections(node.selection_set, condition)
                _merge(holes, inner)
                kept.append(_with(node, inside))
            else:
                assert isinstance(node, FragmentSpreadNode)
                _merge(holes, self._of_fragment(node.name.value))
                kept.append(node)
        if not kept:
            # A selection set cannot be empty.
            kept.append(FieldNode(name=NameNode(value="__typename"), alias=None, arguments=(), directives=()))
        return SelectionSetNode(selections=tuple(kept)), holes

    def _field(self, node: FieldNode, kind: str, kept: list[Any], holes: Holes) -> None:
        name = node.name.value
        key = node.alias.value if node.alias is not None else name
        declared = kind_fields(kind).get(name)
        lack = Lack(kind, name)
        if lack in self._lacking:
            self.left_out.add(lack)
            # Null in place of a connection would say that the place does not exist.
            if declared is not None and (isinstance(declared.type, GraphQLNonNull) or _is_connection(declared.type)):
                self.required.add(lack)
            holes[key] = None
            return
        arguments = tuple(item for item in node.arguments or () if self._has_argument(lack, item, declared))
        if node.selection_set is None or declared is None:
            kept.append(_with(node, node.selection_set, arguments=arguments))
            return
        inside, inner = self._selections(node.selection_set, get_named_type(declared.type).name)
        if inner:
            _merge(holes, {key: inner})
        kept.append(_with(node, inside, arguments=arguments))

    def _has_argument(self, field: Lack, node: ArgumentNode, declared: Any) -> bool:
        """Whether the server has an argument. Notes the input fields inside it that the server lacks."""
        lack = Lack(field.kind, field.field, node.name.value)
        if lack in self._lacking:
            self.left_out.add(lack)
            if lack not in OPTIONAL:
                self.required.add(lack)
            return False
        argument = getattr(declared, "args", {}).get(node.name.value)
        if argument is not None:
            self._look_into(node.value, get_named_type(argument.type).name)
        return True

    def _look_into(self, value: ValueNode, kind: str) -> None:
        if isinstance(value, ListValueNode):
            for item in value.values:
                self._look_into(item, kind)
        elif isinstance(value, ObjectValueNode):
            for part in value.fields:
                lack = Lack(kind, part.name.value)
                declared = kind_fields(kind).get(lack.field)
                if lack in self._lacking:
                    self.left_out.add(lack)
                    self.required.add(lack)
                elif declared is not None:
                    self._look_into(part.value, get_named_type(declared.type).name)

    def _of_fragment(self, name: str) -> Holes:
        if name not in self._fragment_holes:
            self._fragment_holes[name] = {}  # ends the recursion; any server refuses a fragment that contains itself
            node = self._fragments.get(name)
            if node is not None:
                _, holes = self._selections(node.selection_set, node.type_condition.name.value)
                self._fragment_holes[name] = holes
        return self._fragment_holes[name]


def _with(node: Any, selections: SelectionSetNode | None, **changes: Any) -> Any:
    parts = {name: getattr(node, name) for name in node.keys}
    return type(node)(**{**parts, "selection_set": selections, **changes})


def _is_connection(kind: Any) -> bool:
    return "pageInfo" in (fields := getattr(get_named_type(kind), "fields", {})) or "edges" in fields


def _merge(holes: Holes, more: Holes) -> None:
    for key, inner in more.items():
        known = holes.get(key)
        if isinstance(known, dict) and isinstance(inner, dict):
            _merge(known, inner)
        else:
            holes[key] = inner


def fill(data: Any, holes: Holes) -> None:
    """Put null into an answer where fields were left out."""
    if isinstance(data, list):
        for item in data:
            fill(item, holes)
    elif isinstance(data, dict):
        for key, inner in holes.items():
            if inner is None:
                data.setdefault(key, None)
            elif key in data:
                fill(data[key], inner)
