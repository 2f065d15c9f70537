"""Measures GraphQL documents: their kind, nesting depth and cost (fields times rows)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wbmodel.engine.pages import DEFAULT_FIRST
from wbmodel.server.errors import over_limit
from wbmodel.server.limits import Limits

if TYPE_CHECKING:
    from graphql import DocumentNode, FieldNode, SelectionSetNode

__all__ = ["measured"]

_REPEATS = 100
"""How often one name may be selected in one place. (Validation compares every pair of them.)"""


def measured(ast: DocumentNode, variables: Mapping[str, Any], max_page: int, limits: Limits) -> None:
    """Raise :class:`~wbmodel.server.errors.Refusal` for a document that exceeds ``limits``.

    Measures every operation in the document, whichever one is executed.
    """
    from graphql import FragmentDefinitionNode, OperationDefinitionNode

    _count(ast, limits)
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


def _defaults(operation: Any) -> dict[str, Any]:
    return {
        item.variable.name.value: _whole(item.default_value.value)
        for item in operation.variable_definitions or ()
        if item.default_value is not None and item.default_value.kind == "int_value"
    }


def _whole(digits: str) -> float:
    # Python refuses to convert thousands of digits to an integer.
    return int(digits) if len(digits) < 20 else float("inf")


def _count(ast: DocumentNode, limits: Limits) -> None:
    number = 0
    sets = (getattr(item, "selection_set", None) for item in ast.definitions)
    waiting: list[Any] = [item for item in sets if item is not None]
    while waiting:
        names: dict[str, int] = {}
        for selection in waiting.pop().selections:
            number += 1
            if number > limits.selections:
                raise over_limit(400, f"the document selects more than {limits.selections} fields and fragments")
            name = getattr(selection, "alias", None) or getattr(selection, "name", None)
            if name is not None:
                names[name.value] = seen = names.get(name.value, 0) + 1
                if seen > _REPEATS:
                    raise over_limit(
                        400, f"the document selects {name.value!r} more than {_REPEATS} times in one place"
                    )
            inner = getattr(selection, "selection_set", None)
            if inner is not None:
                waiting.append(inner)


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
