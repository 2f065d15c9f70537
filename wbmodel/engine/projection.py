"""A shortcut through graphql-core for lists of plain rows.

graphql-core spends several microseconds on each field of each row. If a selection uses only the getters of
``getters.py``, it is compiled into one function, which is called per row. The function only skips the executor's work;
in any case that it does not handle (other arguments, abstract types, a null in a non-null field, an error), the
executor processes the whole list. A property test checks that both give the same results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLString,
    get_argument_values,
)
from graphql.execution.executor import Executor

from wbmodel.engine.getters import FROM_ARGUMENTS, FROM_RECORD, FROM_STORE
from wbmodel.engine.scalars import OUTPUT
from wbmodel.engine.stopping import check, until_given_up

__all__ = ["ProjectingExecutor"]

Project = Callable[[Any], Any]


class _NotPlain(Exception):
    """The executor must process this list."""


class ProjectingExecutor(Executor[Any]):
    """graphql-core's executor, with a shortcut for lists of objects."""

    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: Any,
        info: Any,
        path: Any,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Complete the list, with the shortcut if the selection allows it."""
        check()
        item = return_type.of_type
        if type(result) is list and _named(item) is GraphQLString and set(map(type, result)) == {str}:
            return result  # the texts of a history are many
        if type(result) in (list, tuple) and result and _named(item).__class__ is GraphQLObjectType:
            project = self._projection(item, field_details_list)
            if project is not None:
                try:
                    return [project(row) for row in until_given_up(result)]
                except Exception:
                    pass
        return super().complete_list_value(return_type, field_details_list, info, path, result, position_context)

    def _projection(self, item: GraphQLOutputType, field_details_list: Any) -> Project | None:
        cache: dict[int, tuple[Any, Project | None]] = self.__dict__.setdefault("_projections", {})
        found = cache.get(id(field_details_list))
        if found is None:
            try:
                made: Project | None = self._value(item, field_details_list)
            except Exception:  # not plain, or a wrong argument, which the executor will report
                made = None
            # The list is stored with its function to keep its id from being reused.
            found = cache[id(field_details_list)] = (field_details_list, made)
        return found[1]

    def _value(self, kind: GraphQLOutputType, field_details_list: Any) -> Project:
        """A function that completes a getter's result to a value of type ``kind``."""
        if isinstance(kind, GraphQLNonNull):
            return _required(self._value(kind.of_type, field_details_list))
        if isinstance(kind, GraphQLList):
            each = self._value(kind.of_type, field_details_list)
            return lambda value: None if value is None else [each(item) for item in value]
        if isinstance(kind, GraphQLScalarType):
            output = OUTPUT.get(kind.name)
            if output is None or kind.name == "JSONString":
                return _as_it_is
            return lambda value: None if value is None else output(value)
        if isinstance(kind, GraphQLEnumType):
            return _as_it_is
        if isinstance(kind, GraphQLObjectType):
            return self._object(kind, field_details_list)
        raise _NotPlain

    def _object(self, kind: GraphQLObjectType, field_details_list: Any) -> Project:
        plain, loaded = FROM_RECORD.get(kind.name, {}), FROM_STORE.get(kind.name, {})
        made, context = FROM_ARGUMENTS.get(kind.name, {}), self.context_value
        parts: list[tuple[str, Callable[[Any], Any], Project]] = []
        for key, details in self.collect_subfields(kind, field_details_list).grouped_field_set.items():
            node = details[0].node
            name = node.name.value
            if name == "__typename":
                parts.append((key, _constant(kind.name), _as_it_is))
                continue
            if name in made:
                scope = self.variable_values, details[0].fragment_variable_values
                getter = made[name](get_argument_values(kind.fields[name], node, *scope), context)
            elif node.arguments:
                raise _NotPlain
            elif name in plain:
                getter = plain[name]
            elif name in loaded:
                getter = _bound(loaded[name], context)
            else:
                raise _NotPlain
            parts.append((key, getter, self._value(kind.fields[name].type, details)))
        # Decided once per selection, not per row: values that need no completion.
        steps = [(key, getter, None if make is _as_it_is else make) for key, getter, make in parts]

        def project(row: Any) -> Any:
            if row is None:
                return None
            return {key: getter(row) if make is None else make(getter(row)) for key, getter, make in steps}

        return project


def _named(kind: Any) -> Any:
    return kind.of_type if isinstance(kind, GraphQLNonNull) else kind


def _as_it_is(value: Any) -> Any:
    return value


def _constant(value: Any) -> Callable[[Any], Any]:
    return lambda row: value


def _bound(loader: Callable[[Any, Any], Any], context: Any) -> Callable[[Any], Any]:
    return lambda row: loader(row, context)


def _required(make: Project) -> Project:
    def value(given: Any) -> Any:
        made = make(given)
        if made is None:
            raise _NotPlain
        return made

    return value
