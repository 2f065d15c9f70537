"""A server that lacks some fields: the engine, behind a schema from which they were taken out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from graphql import GraphQLSchema, build_schema, execute, parse, specified_rules, validate
from graphql.validation import VariablesInAllowedPositionRule

from wbmodel.engine import Engine, FileRecord, Store
from wbmodel.engine.schema import schema_text
from wbmodel.request import Request, Response

RULES = [rule for rule in specified_rules if rule is not VariablesInAllowedPositionRule]
"""All but one: real servers take a nullable variable where an argument with a default value is."""


def parts_of(name: str) -> tuple[str, str, str]:
    """The type, the field and the argument (or "") of ``"Run.files(names:)"``."""
    kind, _, rest = name.partition(".")
    field, _, argument = rest.partition("(")
    return kind, field, argument.rstrip(":)")


@contextmanager
def taken_out(schema: GraphQLSchema, lacking: Iterable[str]) -> Iterator[None]:
    """A block in which a schema lacks these fields and arguments."""
    taken: list[tuple[dict[str, Any], str, Any]] = []
    for name in lacking:
        kind, field, argument = parts_of(name)
        fields: dict[str, Any] = schema.type_map[kind].fields  # type: ignore[attr-defined]
        if argument and field not in fields:
            continue
        place, key = (fields[field].args, argument) if argument else (fields, field)
        taken.append((place, key, place.pop(key)))
    try:
        yield
    finally:
        for place, key, value in reversed(taken):
            place[key] = value


@lru_cache(maxsize=1)
def _schema() -> GraphQLSchema:
    return build_schema(schema_text(), assume_valid=True)


class OldEngine(Engine):
    """An engine that knows nothing of ``lacking`` (``{"Run.readOnly", "Run.files(names:)"}``). ``introspection`` says
    whether ``__type`` is answered, or refused as some servers do. ``documents`` keeps what was asked. ``words`` says
    how it refuses, from the words of graphql-core."""

    def __init__(self, store: Store, lacking: set[str], introspection: bool = True) -> None:
        super().__init__(store)
        self.lacking = frozenset(lacking)
        self.introspection = introspection
        self.documents: list[str] = []
        self.refused = 0
        self.words: Callable[[str], object] = lambda message: {"message": message}

    def for_server(self, url_for: Callable[[FileRecord], str]) -> Engine:
        return self  # what is asked of it has no files

    def execute(self, request: Request, *, given_up: Callable[[], bool] | None = None) -> Response:
        self.documents.append(request.document.text)
        with taken_out(_schema(), self.lacking):
            return self._answered(request)

    def _answered(self, request: Request) -> Response:
        ast = parse(request.document.text)
        problems = validate(_schema(), ast, RULES)
        introspects = "__type(" in request.document.text
        if problems or (introspects and not self.introspection):
            self.refused += 1
            return Response(
                errors=[self.words(problem.message) for problem in problems] or [{"message": "no introspection here"}]
            )
        if introspects:
            return Response(data=execute(_schema(), ast).data)
        return super().execute(request)
