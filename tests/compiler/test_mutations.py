"""Mutations as they are sent: valid under the schema, minimal, and texts that mean what was given."""

from __future__ import annotations

import json
import math
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from graphql import GraphQLSchema, build_schema, parse, validate

from wbmodel.compiler.mutations import deletion, input_types, upsert
from wbmodel.errors import FieldError
from wbmodel.meta import EntityMeta, Writes, all_entities
from wbmodel.meta.json_fields import Config, Summary, Yaml

WRITTEN = sorted(name for name, meta in all_entities().items() if meta.options.writes is not None)
CHANGED = [name for name in WRITTEN if all_entities()[name].options.writes.upsert]  # type: ignore[union-attr]


def config_text(kept: str | None, value: Any) -> str:
    return str(Config().encode(value, kept, "config"))


def summary_text(kept: str | None, value: Any) -> str:
    return str(Summary().encode(value, kept, "summary"))


def yaml_text(value: Any) -> str:
    return str(Yaml().encode(value, None, "config"))


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((Path(__file__).parents[2] / "schema" / "wandb.graphql").read_text(encoding="utf-8"))


def inputs(meta: EntityMeta) -> tuple[dict[str, Any], dict[str, str]]:
    """Every input that an entity can be changed or made with, and their types."""
    writes = meta.options.writes
    assert writes is not None
    fields = {
        str(item.input): item for item in meta.fields.values() if item.editable and item.name not in writes.differences
    }
    fields |= {name: meta.fields[field] for field, name in writes.creates.items()}
    given = {writes.id: "x", **dict.fromkeys(writes.place.values(), "p"), **dict.fromkeys(fields, "v")}
    if writes.key is not None:
        given[writes.key] = "k"
    return given, input_types(meta, fields)


def writes_of(meta: EntityMeta) -> Writes:
    assert meta.options.writes is not None
    return meta.options.writes


@pytest.mark.parametrize("name", CHANGED)
def test_every_mutation_is_valid(schema: GraphQLSchema, name: str) -> None:
    meta = all_entities()[name]
    given, types = inputs(meta)
    must = set() if writes_of(meta).id == "id" else {writes_of(meta).id}
    for count in (1, 2, len(given)):
        for chosen in list(combinations(given, count))[:40]:
            names = must.union(chosen)
            for fields in ((), meta.default_fields()):
                request = upsert(meta, {key: given[key] for key in names}, types, fields=fields)
                document = parse(request.document.text)
                assert [error.message for error in validate(schema, document)] == [], request.document.text
                assert set(request.variables) == set(names)


@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "Sweep"])
def test_every_deletion_is_valid(schema: GraphQLSchema, name: str) -> None:
    meta = all_entities()[name]
    writes = meta.options.writes
    assert writes is not None
    for on in (False, True):
        request = deletion(meta, "x", dict.fromkeys(writes.flags, on))
        assert validate(schema, parse(request.document.text)) == []
        assert len(request.variables) == 1 + (len(writes.flags) if on else 0)


def test_null_is_left_out() -> None:
    meta = all_entities()["Run"]
    request = upsert(meta, {"id": "x", "notes": None, "tags": []}, {"id": "ID", "tags": "[String!]"})
    assert request.variables == {"id": "x", "tags": []}
    assert "notes" not in request.document.text


def test_a_config_that_was_never_read() -> None:
    assert config_text(None, {"lr": 1}) == '{"lr":{"value":1}}'
    assert config_text("", {}) == "{}"
    assert config_text("[1]", {"a": None}) == '{"a":{"value":null}}'
    with pytest.raises(FieldError, match="_wandb"):
        config_text(None, {"_wandb": 1})


def test_values_that_look_wrapped_are_wrapped_all_the_same() -> None:
    text = '{"a":{"value":{"value":1}},"b":{"value":1,"desc":null,"more":2}}'
    assert json.loads(config_text(text, {"a": {"value": 2}, "b": 3})) == {
        "a": {"value": {"value": 2}},
        "b": {"value": 3, "desc": None, "more": 2},
    }


def test_texts_that_utf8_cannot_hold_are_escaped() -> None:
    text = summary_text(None, {"x": "\ud800", "ключ": 1})
    assert text.encode()
    assert json.loads(text) == {"x": "\ud800", "ключ": 1}
    assert summary_text(None, {"ключ": "да"}) == '{"ключ":"да"}'


def test_integers_stay_exact_and_absurd_ones_are_refused() -> None:
    assert summary_text('{"n":18446744073709551617}', {"n": 18446744073709551617, "m": -(2**200)}) == (
        '{"n":18446744073709551617,"m":' + str(-(2**200)) + "}"
    )
    with pytest.raises(FieldError, match="summary cannot be written"):
        summary_text(None, {"n": 10**5000})


@pytest.mark.parametrize(
    "value",
    [
        {"parameters": {"lr": {"min": 1e-05, "max": 1e16, "values": [0.1, 1, True, None]}}},
        {"program": "08", "method": "yes", "name": "null", "x": "1e-5", "t": "12:30:00", "d": "2024-01-01", "o": "0o7"},
        {"weird": "\x85\u2028 \U0001f600 ключ\n\ttab", "empty": "", "list": [], "dict": {}, "neg": -math.inf},
    ],
)
def test_a_definition_means_the_same_to_a_yaml_1_1_reader(value: Any) -> None:
    assert yaml.safe_load(yaml_text(value)) == value
    assert yaml_text(value).isascii()
