"""Every document that the compiler can write is valid under ``schema/wandb.graphql``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import attrs
import pytest
from graphql import GraphQLSchema, build_schema, parse, print_ast, validate

from tests.backends import FULL
from wbmodel import Run
from wbmodel.compiler.query import CompiledQuery, compile_plan
from wbmodel.compiler.selection import check_related
from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError
from wbmodel.meta import EntityMeta, Kind, Point, Route, all_entities
from wbmodel.query.plan import Plan
from wbmodel.request import Document

TARGET = Target(capabilities=FULL, project="acme/vision")
ENTITIES = sorted(all_entities())


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((Path(__file__).parents[2] / "schema" / "wandb.graphql").read_text(encoding="utf-8"))


def problems(schema: GraphQLSchema, document: Document) -> list[str]:
    # Parsed again from its text: what is sent over HTTP is the text, not the AST.
    return [error.message for error in validate(schema, parse(document.text))]


def relations(meta: EntityMeta, depth: int = 2) -> Iterator[str]:
    """Every path that select_related takes."""
    for field in meta.fields.values():
        if field.kind is Kind.REF and not field.by_key:
            yield check_related(meta, field.name)
            if depth > 1:
                assert field.target is not None
                yield from (f"{field.name}.{rest}" for rest in relations(all_entities()[field.target], depth - 1))


def queries(meta: EntityMeta, way: Route | Point) -> Iterator[CompiledQuery]:
    """Compiled queries with every choice of fields and relations, to be shaped along ``way``."""
    paths = list(relations(meta))
    base = _any_query(meta)
    everything = product(("default", "every", "none"), ((), tuple(paths)))
    for fields, related in (*everything, *(("none", (path,)) for path in paths)):
        extra = tuple(path.partition(".")[0] for path in related)
        only = {"default": None, "every": tuple(meta.fields), "none": ()}[fields]
        plan = attrs.evolve(base.plan, only=only, related=related, extra=extra)
        yield attrs.evolve(base, plan=plan, fields=plan.fields())


def _any_query(meta: EntityMeta) -> CompiledQuery:
    scopes = {
        name: ("acme/vision" if kind == "project" else "acme/vision/v00",) for name, kind in meta.options.scopes.items()
    }
    scopes = {name: value for name, value in scopes.items() if name in meta.options.routes[0].needs}
    return compile_plan(Plan(meta=meta, scopes=scopes), TARGET)


@pytest.mark.parametrize("name", ENTITIES)
def test_every_route(name: str, schema: GraphQLSchema) -> None:
    meta = all_entities()[name]
    seen = 0
    for route in meta.options.routes:
        for query in queries(meta, route):
            for slots, filters, order in product((1, 2), {False, route.filters}, {False, route.order}):
                document = _build(query, route, "list", slots=slots, filters=filters, order=order)
                assert problems(schema, document) == [], document.text
                seen += 1
    assert seen >= 6


@pytest.mark.parametrize("name", ENTITIES)
def test_every_count(name: str, schema: GraphQLSchema) -> None:
    meta = all_entities()[name]
    for route in meta.options.routes:
        if route.count is None:
            continue
        for slots, filters in product((1, 2), {False, route.filters}):
            document = _build(_any_query(meta), route, "count", slots=slots, filters=filters)
            # A count beside the connection that takes no filters leaves the variable unused; such counts are not asked.
            if filters and route.count.startswith("parent:") and "(filters)" not in route.count:
                continue
            assert problems(schema, document) == [], document.text


@pytest.mark.parametrize("name", [name for name in ENTITIES if all_entities()[name].options.points])
def test_every_point(name: str, schema: GraphQLSchema) -> None:
    meta = all_entities()[name]
    for point in meta.options.points:
        for query in queries(meta, point):
            for slots in (1, 2):
                document = _build(query, point, "point", slots=slots)
                assert problems(schema, document) == [], document.text


def _build(query: CompiledQuery, way: Route | Point, mode: str, **choices: Any) -> Document:
    from wbmodel.compiler.document import build

    return build(query.shape(way, mode, **choices))


def test_text_and_ast_say_the_same() -> None:
    query = compile_plan(Plan(meta=Run.__wbmodel_meta__), TARGET)
    route = query.way.route
    assert route is not None
    document = _build(query, route, "list", filters=True, order=True, slots=3)
    assert print_ast(parse(document.text)) == document.text
    assert Document(document.text) == document


def test_filterless_documents_declare_no_filter() -> None:
    query = compile_plan(Plan(meta=Run.__wbmodel_meta__), TARGET)
    route = query.way.route
    assert route is not None
    assert "filters" not in _build(query, route, "list").text
    assert "order" not in _build(query, route, "list").text
    assert "$filters: JSONString" in _build(query, route, "list", filters=True).text


def test_what_cannot_be_widened() -> None:
    meta = Run.__wbmodel_meta__
    for path, says in (
        ("sweep", "use prefetch_related\\('sweep'\\)"),
        ("files", "to-many relation, use prefetch_related"),
        ("projct", "did you mean 'project'"),
        ("state", "no to-one relation 'state'"),
        ("project.runs", "to-many"),
    ):
        with pytest.raises(FieldError, match=says):
            check_related(meta, path)
