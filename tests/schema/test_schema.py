"""The SDL file: it builds, its README tells the truth about it, and the engine answers every field of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_leaf_type,
    validate_schema,
)

from tests.support.engine_world import Asker, make_world
from wbmodel.engine.schema import executable_schema, schema_text

HERE = Path(__file__).parents[2] / "schema"


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((HERE / "wandb.graphql").read_text(encoding="utf-8"))


def test_it_is_a_valid_schema(schema: GraphQLSchema) -> None:
    assert validate_schema(schema) == []
    assert (HERE / "wandb.graphql").read_text(encoding="utf-8") == schema_text()


def test_every_field_has_a_resolver() -> None:
    for name, kind in executable_schema().type_map.items():
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__"):
            assert [field for field, definition in kind.fields.items() if definition.resolve is None] == []


def test_every_connection_has_one_shape(schema: GraphQLSchema) -> None:
    unpaged = {"EntityConnection", "TagConnection", "ApiKeyConnection", "GroupedRunConnection"}
    for name, kind in schema.type_map.items():
        if not name.endswith("Connection"):
            continue
        assert isinstance(kind, GraphQLObjectType)
        edge = get_named_type(kind.fields["edges"].type)
        assert isinstance(edge, GraphQLObjectType)
        assert str(kind.fields["edges"].type) == f"[{edge.name}!]!"
        assert "node" in edge.fields
        assert ("pageInfo" in kind.fields) is ("cursor" in edge.fields) is (name not in unpaged)


def test_every_paged_field_takes_first_and_after(schema: GraphQLSchema) -> None:
    whole = {"Artifact.artifactMemberships"}
    for name, kind in schema.type_map.items():
        if not isinstance(kind, GraphQLObjectType):
            continue
        for field_name, field in kind.fields.items():
            target = get_named_type(field.type)
            if isinstance(target, GraphQLObjectType) and "pageInfo" in target.fields:
                paged = {"first", "after"} <= field.args.keys()
                assert paged is (f"{name}.{field_name}" not in whole), f"{name}.{field_name}"


def test_only_keys_are_required_arguments(schema: GraphQLSchema) -> None:
    required = {
        f"{name}.{field_name}({argument})"
        for name, kind in schema.type_map.items()
        if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)) and not name.startswith("__")
        for field_name, field in kind.fields.items()
        for argument, definition in field.args.items()
        if isinstance(definition.type, GraphQLNonNull)
    }
    assert {text[text.index("(") :] for text in required} == {
        "(id)",
        "(name)",
        "(aliasName)",
        "(input)",
        "(specs)",
        "(liveKeys)",
        "(sweepName)",
    }


def test_what_the_readme_calls_ours_exists(schema: GraphQLSchema) -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Ours")[1].split("## Scalars")[0]
    named = re.findall(r"`(\w+)\.(\w+)(?:\(([^)]*)\))?`", section)
    assert len(named) > 12
    for type_name, field_name, arguments in named:
        if type_name == "Capabilities":
            continue
        kind: Any = schema.type_map[type_name]
        assert field_name in kind.fields, f"{type_name}.{field_name}"
        for argument in filter(None, re.split(r"[, ]+", arguments)):
            assert argument in kind.fields[field_name].args, f"{type_name}.{field_name}({argument})"
    for name in re.findall(r"^- `(\w+)`", section, re.MULTILINE):
        assert name in schema.type_map


def test_every_field_can_be_reached_and_is_answered() -> None:
    """One document per field of each type that the world holds, found by walking the schema from the root."""
    ask = Asker(make_world())
    schema = executable_schema()
    values = {
        ("Query", "entity", "name"): '"acme"',
        "entityName": '"acme"',
        ("Project", "run", "name"): '"r1"',
        ("Project", "bucket", "name"): '"r1"',
        ("Project", "artifact", "name"): '"data:v0"',
        ("Project", "artifactCollectionMembership", "name"): '"data:v0"',
        ("Project", "artifactType", "name"): '"dataset"',
        ("ArtifactType", "artifact", "name"): '"data:v0"',
        ("Project", "artifactCollection", "name"): '"data"',
        ("ArtifactType", "artifactCollection", "name"): '"data"',
        ("ArtifactType", "artifactSequence", "name"): '"data"',
        "name": '"vision"',
        "sweepName": '"sw1"',
        "aliasName": '"v0"',
        "specs": "[]",
        "liveKeys": "[]",
        "groupKeys": '["group"]',
    }
    reached: set[str] = set()
    todo: list[tuple[str, Any]] = [("%s", schema.query_type)]
    seen: set[str] = {"Query"}
    while todo:
        template, kind = todo.pop(0)
        for name, field in kind.fields.items():
            arguments = []
            for argument in field.args:
                value = values.get((kind.name, name, argument)) or values.get(argument)
                if value is not None:
                    arguments.append(f"{argument}: {value}")
            if any(
                isinstance(a.type, GraphQLNonNull) and f"{n}: " not in str(arguments) for n, a in field.args.items()
            ):
                continue
            call = f"{name}({', '.join(arguments)})" if arguments else name
            target = get_named_type(field.type)
            if is_leaf_type(target):
                document = template % call
            else:
                document = template % f"{call} {{ __typename }}"
            response = ask.send("{ " + document + " }")
            assert not response.errors, (document, response.errors)
            reached.add(f"{kind.name}.{name}")
            members: list[Any] = [target] if isinstance(target, GraphQLObjectType) else []
            if isinstance(target, (GraphQLInterfaceType, GraphQLUnionType)):
                members = list(schema.get_possible_types(target))
            for member in members:
                if member.name not in seen:
                    seen.add(member.name)
                    inside = "%s" if member is target else f"... on {member.name} {{ %s }}"
                    todo.append((template % f"{call} {{ {inside} }}", member))
    by_id = {"Query.view", "Query.artifact", "Query.artifactCollection"}
    expected = {
        f"{name}.{field}"
        for name, kind in schema.type_map.items()
        if isinstance(kind, GraphQLObjectType) and name != "Mutation" and not name.startswith("__")
        for field in kind.fields
        if not name.endswith("Payload")
    }
    assert expected - reached == by_id
