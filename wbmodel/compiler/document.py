"""Turn selections and routes into the text of GraphQL documents, laid out as graphql-core prints them.

Documents are cached per shape, so a query that differs from an earlier one only in its variables costs a lookup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

import attrs

from wbmodel.backend.asks import Document
from wbmodel.codec import dumps
from wbmodel.compiler.answer_types import AnswerType
from wbmodel.compiler.selection import Tree
from wbmodel.meta import Arg, Route

__all__ = ["Selection", "Shape", "build", "freeze", "write"]

Selection: TypeAlias = "tuple[tuple[str, Selection], ...]"
"""A hashable selection: each field as written, with its arguments, and the selection inside it."""

_PAGE: Selection = (("endCursor", ()), ("hasNextPage", ()))
_WIDTH = 80  # longer argument lists have one line per argument


@attrs.frozen(slots=True, kw_only=True)
class Shape:
    """Everything that the document of a query depends on. Equal shapes give the same document.

    ``mode`` is ``"list"`` (a page of nodes), ``"count"`` (the number of rows) or ``"point"`` (one node by key).
    ``names``: the rows are asked for by their keys. ``slots`` is the number of parents in one document. ``counted``: a
    page includes the number of all rows, from the route's field beside the connection. ``far`` is selected from the row
    at the other end of the order, which the page then includes. ``keys`` are the variables that hold the keys of fields
    to load in part, ``along`` the variables of what comes along with the rows, with their types. ``answer`` is the type
    of the answer.
    """

    name: str
    mode: str
    route: Route
    graphql: str
    node: Selection
    context: Selection = ()
    filters: bool = False
    order: bool = False
    names: bool = False
    slots: int = 1
    counted: bool = False
    far: Selection = ()
    keys: tuple[str, ...] = ()
    along: tuple[tuple[str, str], ...] = ()
    answer: AnswerType | None = None


def freeze(tree: Tree) -> Selection:
    """A selection tree as a hashable tuple."""
    return tuple((name, freeze(inner)) for name, inner in tree.items())


def write(
    operation: str,
    variables: Iterable[tuple[str, str]],
    selection: Selection,
    *fragments: tuple[str, Selection],
    answer: AnswerType | None = None,
) -> Document:
    """The document of one operation (``"query Runs"``), its typed variables, its fragments and the type of its answer.

    A fragment is headed ``"fragment RunNode on Run"``.
    """
    declared = ", ".join(f"${name}: {kind}" for name, kind in variables)
    definitions = [(f"{operation}({declared})" if declared else operation, selection), *fragments]
    text = "\n\n".join(_written(head, inside) for head, inside in definitions)
    return Document(text, check=None if answer is None else answer.check)


def _written(head: str, inside: Selection, indent: str = "") -> str:
    head = indent + head.replace("\n", f"\n{indent}")
    if not inside:
        return head
    lines = "\n".join(_written(name, inner, f"{indent}  ") for name, inner in inside)
    return f"{head} {{\n{lines}\n{indent}}}"


@lru_cache(maxsize=512)
def build(shape: Shape) -> Document:
    """The document of a shape, cached so that an engine in this process parses it once."""
    variables: dict[str, str] = {}
    suffixes = [f"_{slot}" for slot in range(shape.slots)] if shape.slots > 1 else [""]
    selection = tuple(_slot(shape, suffix, variables) for suffix in suffixes)
    variables |= {**dict.fromkeys(shape.keys, "[String!]"), **dict(shape.along)}
    shared = shape.slots > 1 and shape.mode != "count"
    fragments = [(f"fragment {shape.graphql}Node on {shape.graphql}", shape.node)] if shared else []
    return write(f"query {shape.name}", variables.items(), selection, *fragments, answer=shape.answer)


def _slot(shape: Shape, suffix: str, variables: dict[str, str]) -> tuple[str, Selection]:
    """The selection of one parent. Adds its variables to ``variables``."""
    route = shape.route
    names = [*(step.field for step in route.steps), route.connection or ""]
    if suffix:
        names[0] = f"s{suffix[1:]}: {names[0]}"
    heads = [
        _field(name, _scoped(step.args, suffix, variables)) for name, step in zip(names, route.steps, strict=False)
    ]
    inside = _inside(shape, names[-1], suffix, variables)
    beside = _beside(shape, suffix, variables) if shape.mode == "point" else ()
    for step, head in zip(reversed(route.steps), reversed(heads), strict=True):
        if route.is_context(step):
            # The step's own selection comes first, and no field is selected twice.
            known = {name for name, _ in shape.context}
            inside = (*shape.context, *(item for item in inside if item[0].partition("(")[0] not in known))
        inside, beside = ((head, inside), *beside), ()
    return inside[0]


def _beside(shape: Shape, suffix: str, variables: dict[str, str]) -> Selection:
    """The field beside a single node."""
    beside = shape.route.beside
    if beside is None:
        return ()
    own: Selection = tuple((name, ()) for name in beside.gives)
    head = _field(beside.field, _scoped(beside.args, suffix, variables))
    return ((head, (*own, (beside.wire, shape.context))),)


def _inside(shape: Shape, connection: str, suffix: str, variables: dict[str, str]) -> Selection:
    """The selection inside the last step: the node itself, the number of rows, or a page of the connection."""
    route = shape.route
    node = shape.node if shape.slots == 1 else ((f"...{shape.graphql}Node", ()),)
    if shape.mode == "point":
        return node
    counting = shape.mode == "count"
    counted: Selection = ((_count(shape, suffix, variables), ()),) if counting or shape.counted else ()
    if counting and route.count is not None and route.count.startswith("parent:"):
        return counted
    paged = route.paged and not counting
    head = _field(connection, _connection_arguments(shape, suffix, variables, paged=paged))
    if counting:
        return ((head, counted),)
    own: Selection = tuple((name, ()) for name in route.edge.values())
    edges: Selection = (("edges", (*own, ("node", node))), *((("pageInfo", _PAGE),) if paged else ()))
    far: Selection = ()
    if shape.far:
        arguments = _connection_arguments(shape, suffix, variables, order="far", paged=False)
        far = ((_field(f"far: {connection}", [*arguments, "first: 1"]), (("edges", (("node", shape.far),)),)),)
    return (*counted, (head, edges), *far)


def _count(shape: Shape, suffix: str, variables: dict[str, str]) -> str:
    assert shape.route.count is not None
    field, takes_filters, _ = shape.route.count.partition(":")[2].partition("(")
    filters = takes_filters and shape.filters
    return _field(field, [_argument("filters", f"filters{suffix}", "JSONString", variables)] if filters else [])


def _connection_arguments(
    shape: Shape, suffix: str, variables: dict[str, str], *, order: str = "order", paged: bool
) -> list[str]:
    arguments = _scoped(shape.route.args, suffix, variables)
    arguments += [f"{name}: {dumps(value)}" for name, value in shape.route.fixed]
    if shape.filters:
        arguments.append(_argument("filters", f"filters{suffix}", "JSONString", variables))
    if shape.names and shape.route.names is not None:
        names = shape.route.names
        arguments.append(_argument(names.name, names.variable, names.type, variables))
    if shape.order:
        arguments.append(_argument("order", order, "String", variables))
    if paged:
        arguments.append(_argument("first", "first", "Int", variables))
        arguments.append(_argument("after", f"after{suffix}", "String", variables))
    return arguments


def _scoped(args: Sequence[Arg], suffix: str, variables: dict[str, str]) -> list[str]:
    return [_argument(arg.name, arg.variable + suffix, arg.type, variables) for arg in args]


def _argument(name: str, variable: str, kind: str, variables: dict[str, str]) -> str:
    variables[variable] = kind
    return f"{name}: ${variable}"


def _field(name: str, arguments: Sequence[str]) -> str:
    if not arguments:
        return name
    line = f"{name}({', '.join(arguments)})"
    return line if len(line) <= _WIDTH else f"{name}(\n  " + "\n  ".join(arguments) + "\n)"
