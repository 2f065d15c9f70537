"""Every document that the compiler can write is valid under ``schema/wandb.graphql``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema, parse, print_ast, validate

from wbmodel import Run
from wbmodel.compiler.document import build
from wbmodel.compiler.physical import NodeSpec
from wbmodel.compiler.requests import shape_of
from wbmodel.compiler.selection import check_related
from wbmodel.errors import FieldError
from wbmodel.meta import EntityMeta, Kind, Route, all_entities
from wbmodel.query.plan import Plan
from wbmodel.request import Document

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


def nodes(meta: EntityMeta) -> Iterator[NodeSpec]:
    """Every choice of fields and relations."""
    paths = list(relations(meta))
    everything = product(("default", "every", "none"), ((), tuple(paths)))
    for fields, related in (*everything, *(("none", (path,)) for path in paths)):
        extra = tuple(path.partition(".")[0] for path in related)
        only = {"default": None, "every": tuple(meta.fields), "none": ()}[fields]
        plan = Plan(meta=meta, only=only, related=related, extra=extra)
        yield NodeSpec(meta=meta, fields=plan.fields(), related=related)


@pytest.mark.parametrize("name", ENTITIES)
def test_every_route(name: str, schema: GraphQLSchema) -> None:
    meta = all_entities()[name]
    seen = 0
    for route in meta.options.routes:
        for node in nodes(meta):
            for slots, filters, order in product((1, 2), {False, route.filters}, {False, route.order}):
                document = _build(node, route, "list", slots=slots, filters=filters, order=order)
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
            document = _build(NodeSpec(meta=meta, fields=()), route, "count", slots=slots, filters=filters)
            # A count beside the connection that takes no filters leaves the variable unused; such counts are not asked.
            if filters and route.count.startswith("parent:") and "(filters)" not in route.count:
                continue
            assert problems(schema, document) == [], document.text


@pytest.mark.parametrize("name", [name for name in ENTITIES if all_entities()[name].options.points])
def test_every_point(name: str, schema: GraphQLSchema) -> None:
    meta = all_entities()[name]
    for point in meta.options.points:
        for node in nodes(meta):
            for slots in (1, 2):
                document = _build(node, point, "point", slots=slots)
                assert problems(schema, document) == [], document.text


def _build(node: NodeSpec, route: Route, mode: str, *, slots: int = 1, **choices: Any) -> Document:
    return build(shape_of(node, route, mode, slots, **choices))


RUNS = NodeSpec(meta=Run.__wbmodel_meta__, fields=Plan(meta=Run.__wbmodel_meta__).fields())
ROUTE = Run.__wbmodel_meta__.options.routes[0]


def test_text_and_ast_say_the_same() -> None:
    document = _build(RUNS, ROUTE, "list", filters=True, order=True, slots=3)
    assert print_ast(parse(document.text)) == document.text
    assert Document(document.text) == document


def test_filterless_documents_declare_no_filter() -> None:
    assert "filters" not in _build(RUNS, ROUTE, "list").text
    assert "order" not in _build(RUNS, ROUTE, "list").text
    assert "$filters: JSONString" in _build(RUNS, ROUTE, "list", filters=True).text


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
