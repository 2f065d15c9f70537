"""Selections and routes -> GraphQL documents, as ASTs of graphql-core's nodes. No schema object is needed.

Documents are cached per shape, so a query that differs from an earlier one in its variables only costs a lookup.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs

from wbmodel.backend.asks import Document
from wbmodel.compiler.selection import Tree
from wbmodel.meta import Arg, Route

if TYPE_CHECKING:
    from graphql import FieldNode, SelectionSetNode, ValueNode

__all__ = ["Shape", "build"]

_PAGE: Tree = {"endCursor": {}, "hasNextPage": {}}


@attrs.frozen(slots=True, kw_only=True)
class Shape:
    """All that a reading document depends on. Equal shapes give the same document.

    ``mode`` is ``"list"`` (a page of nodes), ``"count"`` (how many there are) or ``"point"`` (one node by key, where
    ``point`` is the field that answers it). ``slots`` is how many parents the document holds side by side. ``counted``:
    a page comes with the number of all rows, by the route's field beside the connection.
    """

    name: str
    mode: str
    route: Route
    graphql: str
    node: tuple[Any, ...]
    context: tuple[Any, ...] = ()
    filters: bool = False
    order: bool = False
    slots: int = 1
    counted: bool = False


def freeze(tree: Tree) -> tuple[Any, ...]:
    """A selection tree as a hashable tuple."""
    return tuple((name, freeze(inner)) for name, inner in tree.items())


@lru_cache(maxsize=512)
def build(shape: Shape) -> Document:
    """The document of a shape. Those that were built before are kept."""
    from graphql import DocumentNode, OperationDefinitionNode, OperationType, SelectionSetNode

    variables: dict[str, str] = {}
    fields: list[FieldNode] = []
    for slot in range(shape.slots):
        suffix = f"_{slot}" if shape.slots > 1 else ""
        fields.append(_slot(shape, suffix, variables, f"s{slot}" if shape.slots > 1 else None))
    definitions: list[Any] = [
        OperationDefinitionNode(
            operation=OperationType.QUERY,
            name=_name(shape.name),
            variable_definitions=tuple(_definition(name, kind) for name, kind in variables.items()),
            directives=(),
            selection_set=SelectionSetNode(selections=tuple(fields)),
        )
    ]
    if shape.slots > 1 and shape.mode != "count":
        definitions.append(_fragment(shape))
    return Document(ast=DocumentNode(definitions=tuple(definitions)))


def _slot(shape: Shape, suffix: str, variables: dict[str, str], alias: str | None) -> FieldNode:
    route = shape.route
    steps = route.steps
    for step in steps:
        _scoped(step.args, suffix, variables)
    inside = _inside(shape, suffix, variables)
    for index in range(len(steps) - 1, -1, -1):
        step = steps[index]
        own = route.context is not None and step.entity is not None and step.entity.lower() == route.context
        selected = _selections(shape.context) if own else []
        known = {item.name.value for item in selected}
        inside = [
            _field(
                step.field,
                _scoped(step.args, suffix, variables),
                [*selected, *(item for item in inside if item.name.value not in known)],
            )
        ]
    outer = inside[0]
    return _aliased(outer, alias) if alias else outer


def _inside(shape: Shape, suffix: str, variables: dict[str, str]) -> list[FieldNode]:
    route = shape.route
    if shape.mode == "point":
        # The last step is the node itself.
        return _node(shape)
    if shape.mode == "count":
        assert route.count is not None
        counted = _count(shape, suffix, variables)
        if route.count.startswith("parent:"):
            return [counted]
        return [_field(route.connection or "", _connection_arguments(shape, suffix, variables, paged=False), [counted])]
    node = _field("node", [], _node(shape))
    edges = _field("edges", [], [node])
    page = [_field("pageInfo", [], [_leaf(name) for name in _PAGE])] if route.paged else []
    beside = [_count(shape, suffix, variables)] if shape.counted else []
    return [
        *beside,
        _field(
            route.connection or "", _connection_arguments(shape, suffix, variables, paged=route.paged), [edges, *page]
        ),
    ]


def _count(shape: Shape, suffix: str, variables: dict[str, str]) -> FieldNode:
    assert shape.route.count is not None
    field, takes_filters, _ = shape.route.count.partition(":")[2].partition("(")
    arguments = []
    if takes_filters and shape.filters:
        variables[f"filters{suffix}"] = "JSONString"
        arguments.append(("filters", _variable(f"filters{suffix}")))
    return _field(field, arguments, [])


def _node(shape: Shape) -> list[Any]:
    if shape.slots == 1:
        return _selections(shape.node)
    from graphql import FragmentSpreadNode

    return [FragmentSpreadNode(name=_name(f"{shape.graphql}Node"), directives=())]


def _fragment(shape: Shape) -> Any:
    from graphql import FragmentDefinitionNode, NamedTypeNode

    return FragmentDefinitionNode(
        name=_name(f"{shape.graphql}Node"),
        type_condition=NamedTypeNode(name=_name(shape.graphql)),
        variable_definitions=(),
        directives=(),
        selection_set=_set(_selections(shape.node)),
    )


def _connection_arguments(
    shape: Shape, suffix: str, variables: dict[str, str], *, paged: bool
) -> list[tuple[str, ValueNode]]:
    arguments = _scoped(shape.route.args, suffix, variables)
    arguments += [(name, _literal(value)) for name, value in shape.route.fixed]
    if shape.filters:
        variables[f"filters{suffix}"] = "JSONString"
        arguments.append(("filters", _variable(f"filters{suffix}")))
    if shape.order:
        variables["order"] = "String"
        arguments.append(("order", _variable("order")))
    if paged:
        variables["first"] = "Int"
        variables[f"after{suffix}"] = "String"
        arguments += [("first", _variable("first")), ("after", _variable(f"after{suffix}"))]
    return arguments


def _scoped(args: tuple[Arg, ...], suffix: str, variables: dict[str, str]) -> list[tuple[str, ValueNode]]:
    arguments = []
    for arg in args:
        variables[arg.variable + suffix] = arg.type
        arguments.append((arg.name, _variable(arg.variable + suffix)))
    return arguments


# -- AST, the short way ----------------------------------------------------------------------------


def _name(value: str) -> Any:
    from graphql import NameNode

    return NameNode(value=value)


def _variable(name: str) -> Any:
    from graphql import VariableNode

    return VariableNode(name=_name(name))


def _literal(value: str | bool) -> Any:
    from graphql import BooleanValueNode, StringValueNode

    return BooleanValueNode(value=value) if isinstance(value, bool) else StringValueNode(value=value, block=False)


def _definition(name: str, kind: str) -> Any:
    from graphql import NamedTypeNode, NonNullTypeNode, VariableDefinitionNode

    named: Any = NamedTypeNode(name=_name(kind.rstrip("!")))
    return VariableDefinitionNode(
        variable=_variable(name), type=NonNullTypeNode(type=named) if kind.endswith("!") else named, directives=()
    )


def _set(selections: Sequence[Any]) -> SelectionSetNode:
    from graphql import SelectionSetNode

    return SelectionSetNode(selections=tuple(selections))


def _field(name: str, arguments: Sequence[tuple[str, Any]], inside: Sequence[Any]) -> FieldNode:
    from graphql import ArgumentNode, FieldNode

    return FieldNode(
        name=_name(name),
        alias=None,
        arguments=tuple(ArgumentNode(name=_name(key), value=value) for key, value in arguments),
        directives=(),
        selection_set=_set(inside) if inside else None,
    )


def _leaf(name: str) -> FieldNode:
    return _field(name, [], [])


def _aliased(field: FieldNode, alias: str) -> FieldNode:
    from graphql import FieldNode

    return FieldNode(
        name=field.name,
        alias=_name(alias),
        arguments=field.arguments,
        directives=(),
        selection_set=field.selection_set,
    )


def _selections(tree: tuple[Any, ...]) -> list[Any]:
    return [
        _inline(name[3:], inner) if name.startswith("...") else _field(name, [], _selections(inner))
        for name, inner in tree
    ]


def _inline(type_name: str, inner: tuple[Any, ...]) -> Any:
    from graphql import InlineFragmentNode, NamedTypeNode

    return InlineFragmentNode(
        type_condition=NamedTypeNode(name=_name(type_name)), directives=(), selection_set=_set(_selections(inner))
    )
