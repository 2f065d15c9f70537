"""Measures GraphQL documents: their kind, nesting depth and cost (fields times rows)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wbmodel.engine.pages import DEFAULT_FIRST
from wbmodel.server.errors import over_limit
from wbmodel.server.limits import Limits

if TYPE_CHECKING:
    from graphql import DocumentNode, FieldNode, SelectionSetNode

__all__ = ["measured"]

_REPEATS = 100
"""How often one name may be selected in one place."""
_PAIRS = 100_000
"""How many pairs of fields a document may select under one name in one place, where fragments are expanded and equal
names are merged. Validation compares every pair."""


def measured(ast: DocumentNode, variables: Mapping[str, Any], max_page: int, limits: Limits) -> None:
    """Raise :class:`~wbmodel.server.errors.Refusal` for a document that exceeds ``limits``.

    Measures every operation in the document, whichever one is executed.
    """
    from graphql import FragmentDefinitionNode, OperationDefinitionNode

    _count(ast, limits)
    _define(ast, limits)
    measure = _Measure({f.name.value: f for f in ast.definitions if isinstance(f, FragmentDefinitionNode)}, max_page)
    for operation in ast.definitions:
        if not isinstance(operation, OperationDefinitionNode):
            continue
        measure.variables = {**_defaults(operation), **variables}
        cost, depth = measure.selection(operation.selection_set)
        if depth > limits.depth:
            raise over_limit(400, f"the document nests {depth} fields deep; the limit of this server is {limits.depth}")
        if cost > limits.cost:
            raise over_limit(
                400,
                f"the document may return {cost} fields (fields times rows of pages); the limit of this server is "
                f"{limits.cost}: request smaller pages or fewer fields",
            )
    _merge(ast, measure.fragments, limits)


def _defaults(operation: Any) -> dict[str, Any]:
    return {
        item.variable.name.value: _whole(item.default_value.value)
        for item in operation.variable_definitions or ()
        if item.default_value is not None and item.default_value.kind == "int_value"
    }


def _whole(digits: str) -> float:
    # Python refuses to convert thousands of digits to an integer.
    return int(digits) if len(digits) < 20 else float("inf")


def _define(ast: DocumentNode, limits: Limits) -> None:
    if len(ast.definitions) > limits.definitions:
        raise over_limit(400, f"the document has more than {limits.definitions} operations and fragments")
    for definition in ast.definitions:
        if len(getattr(definition, "variable_definitions", None) or ()) > limits.variables:
            raise over_limit(400, f"the document declares more than {limits.variables} variables")


def _count(ast: DocumentNode, limits: Limits) -> None:
    number = 0
    waiting = _sets(ast.definitions)
    while waiting:
        selections = waiting.pop().selections
        number += len(selections)
        if number > limits.selections:
            raise over_limit(400, f"the document selects more than {limits.selections} fields and fragments")
        waiting += _sets(selections)


def _sets(nodes: Iterable[Any]) -> list[Any]:
    found = [getattr(node, "selection_set", None) for node in nodes]
    return [item for item in found if item is not None]


def _merge(ast: DocumentNode, fragments: Mapping[str, Any], limits: Limits) -> None:
    """Refuse a document whose validation would compare too many pairs of fields."""
    steps = pairs = 0
    places: list[list[Any]] = [[selections] for selections in _sets(ast.definitions)]
    while places:
        sets, by_name, spread = places.pop(), dict[str, list[Any]](), set[str]()
        while sets:
            for selection in sets.pop().selections:
                steps += 1
                name = getattr(selection, "alias", None) or getattr(selection, "name", None)
                if name is None:
                    sets.append(selection.selection_set)
                    continue
                is_spread = selection.kind == "fragment_spread"
                same = by_name.setdefault(f"...{name.value}" if is_spread else name.value, [])
                pairs += len(same)
                same.append(selection)
                if len(same) > _REPEATS or pairs > _PAIRS or steps > 10 * limits.selections:
                    often = f"{name.value!r} more than {_REPEATS} times" if len(same) > _REPEATS else "too many fields"
                    raise over_limit(400, f"the document selects {often} in one place, where fragments are expanded")
                if is_spread and name.value in fragments and name.value not in spread:
                    spread.add(name.value)
                    sets.append(fragments[name.value].selection_set)
        places += [inner for same in by_name.values() if (inner := _sets(same))]


class _Measure:
    def __init__(self, fragments: Mapping[str, Any], max_page: int) -> None:
        self.fragments = fragments
        self.max_page = max_page
        self.variables: Mapping[str, Any] = {}
        self._known: dict[str, tuple[int, int]] = {}

    def selection(self, selections: SelectionSetNode) -> tuple[int, int]:
        """``(cost, depth)`` of a selection."""
        cost = depth = 0
        for item in selections.selections:
            if item.kind == "fragment_spread":
                inner, below = self._fragment(item.name.value)  # type: ignore[attr-defined]
            elif item.kind == "inline_fragment":
                inner, below = self.selection(item.selection_set)  # type: ignore[attr-defined]
            else:
                inner, below = self._field(item)  # type: ignore[arg-type]
            cost += inner
            depth = max(depth, below)
        return cost, depth

    def _field(self, field: FieldNode) -> tuple[int, int]:
        if field.selection_set is None:
            return 1, 1
        inner, below = self.selection(field.selection_set)
        return 1 + self._rows(field) * inner, 1 + below

    def _fragment(self, name: str) -> tuple[int, int]:
        # Cached, because fragments that each spread others twice would be walked 2**n times. The cost of fragments that
        # spread themselves does not matter: validation rejects them.
        known = self._known.get(name)
        if known is None:
            self._known[name] = (0, 0)
            fragment = self.fragments.get(name)
            known = self._known[name] = (0, 0) if fragment is None else self.selection(fragment.selection_set)
        return known

    def _rows(self, field: FieldNode) -> int:
        for argument in field.arguments or ():
            if argument.name.value in ("first", "last"):
                value = argument.value
                number: Any = None
                if value.kind == "int_value":
                    number = _whole(value.value)  # type: ignore[attr-defined]
                elif value.kind == "variable":
                    number = self.variables.get(value.name.value)  # type: ignore[attr-defined]
                if isinstance(number, (int, float)) and number == number:
                    return int(min(max(number, 1), self.max_page))
        return DEFAULT_FIRST if field.name.value in _paged() else 1


@lru_cache(maxsize=1)
def _paged() -> frozenset[str]:
    """Names of fields that take ``first``."""
    from graphql import GraphQLObjectType

    from wbmodel.engine.schema import executable_schema

    kinds = [kind for kind in executable_schema().type_map.values() if isinstance(kind, GraphQLObjectType)]
    return frozenset(name for kind in kinds for name, field in kind.fields.items() if "first" in field.args)
