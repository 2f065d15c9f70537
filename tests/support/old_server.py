"""A server that lacks some fields: the engine, behind a schema from which they were taken out."""

from __future__ import annotations

from collections.abc import Callable

from graphql import build_schema, execute, parse, print_schema, specified_rules, validate
from graphql.validation import VariablesInAllowedPositionRule

from wbmodel.engine import Engine, FileRecord, Store
from wbmodel.engine.schema import schema_text
from wbmodel.request import Request, Response

RULES = [rule for rule in specified_rules if rule is not VariablesInAllowedPositionRule]
"""All but one: real servers take a nullable variable where an argument with a default value is."""


class OldEngine(Engine):
    """An engine that knows nothing of ``lacking`` (``{"Run.readOnly"}``). ``introspection`` says whether ``__type``
    is answered, or refused as some servers do. ``documents`` keeps what was asked."""

    def __init__(self, store: Store, lacking: set[str], introspection: bool = True) -> None:
        super().__init__(store)
        schema = build_schema(schema_text())
        for name in lacking:
            kind, _, field = name.partition(".")
            del schema.type_map[kind].fields[field]
        self.schema = build_schema(print_schema(schema))
        self.introspection = introspection
        self.documents: list[str] = []
        self.refused = 0

    def for_server(self, url_for: Callable[[FileRecord], str]) -> Engine:
        return self  # what is asked of it has no files

    def execute(self, request: Request, *, given_up: Callable[[], bool] | None = None) -> Response:
        self.documents.append(request.document.text)
        ast = parse(request.document.text)
        problems = validate(self.schema, ast, RULES)
        introspects = "__type(" in request.document.text
        if problems or (introspects and not self.introspection):
            self.refused += 1
            return Response(
                errors=[problem.formatted for problem in problems] or [{"message": "no introspection here"}]
            )
        if introspects:
            return Response(data=execute(self.schema, ast).data)
        return super().execute(request)
