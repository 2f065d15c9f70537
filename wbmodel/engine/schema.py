"""The executable schema: the SDL file with its resolvers, built once, on first use."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wbmodel.engine.records import CollectionRecord, RunRecord
from wbmodel.engine.stopping import check

if TYPE_CHECKING:
    from graphql import GraphQLSchema

    Info = Any

__all__ = ["executable_schema", "schema_text"]


@lru_cache(maxsize=1)
def schema_text() -> str:
    """The SDL. It is in ``schema/`` in a checkout, and next to this module in an installed wheel."""
    here = Path(__file__).resolve()
    for path in (here.parents[2] / "schema" / "wandb.graphql", here.with_name("wandb.graphql")):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError("wandb.graphql is missing from this installation of wbmodel; reinstall it")


@lru_cache(maxsize=2)
def executable_schema(live: bool = False) -> GraphQLSchema:
    """The schema with scalars, type resolvers, and one resolver per field; ``live`` is that of the dialect. Raises
    ``LookupError`` if a resolver is missing."""
    from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLUnionType, build_schema

    from wbmodel.engine import mutations_artifacts
    from wbmodel.engine.getters import FROM_ARGUMENTS, FROM_RECORD, FROM_STORE
    from wbmodel.engine.live import require
    from wbmodel.engine.mutations import MUTATIONS
    from wbmodel.engine.resolvers import RESOLVERS
    from wbmodel.engine.scalars import attach_scalars

    assert mutations_artifacts is not None  # imported because it registers in MUTATIONS
    # tests/schema validates the file; doing so here would take a third of the time to build the schema.
    schema = build_schema(schema_text(), assume_valid_sdl=True)
    if live:
        require(schema)
    attach_scalars(schema)
    with_args = {**RESOLVERS, **MUTATIONS}
    for name, kind in schema.type_map.items():
        if name.startswith("__"):
            continue
        if isinstance(kind, (GraphQLInterfaceType, GraphQLUnionType)):
            kind.resolve_type = _type_name
        if not isinstance(kind, GraphQLObjectType):
            continue
        for field_name, field in kind.fields.items():
            full = f"{name}.{field_name}"
            if full in with_args:
                field.resolve = _with_args(with_args[full])
            elif field_name in FROM_ARGUMENTS.get(name, ()):
                field.resolve = _made(FROM_ARGUMENTS[name][field_name])
            elif field_name in FROM_STORE.get(name, ()):
                field.resolve = _loaded(FROM_STORE[name][field_name])
            elif field_name in FROM_RECORD.get(name, ()):
                field.resolve = _plain(FROM_RECORD[name][field_name])
            elif name.endswith("Payload"):
                field.resolve = _item(field_name)
            else:
                raise LookupError(f"{full} is in the schema but has no resolver")
    return schema


def _with_args(function: Callable[[Any, Any, dict[str, Any]], Any]) -> Callable[..., Any]:
    def resolve(source: Any, info: Info, **args: Any) -> Any:
        check()  # fields with arguments do the work, and all mutations have arguments
        return function(source, info.context, args)

    return resolve


def _made(make: Callable[[dict[str, Any]], Callable[[Any], Any]]) -> Callable[..., Any]:
    def resolve(source: Any, info: Info, **args: Any) -> Any:
        return make(args)(source)

    return resolve


def _loaded(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def resolve(source: Any, info: Info, **args: Any) -> Any:
        return function(source, info.context)

    return resolve


def _plain(getter: Callable[[Any], Any]) -> Callable[..., Any]:
    def resolve(source: Any, info: Info, **args: Any) -> Any:
        return getter(source)

    return resolve


def _item(key: str) -> Callable[..., Any]:
    def resolve(source: Any, info: Info, **args: Any) -> Any:
        return source.get(key)

    return resolve


def _type_name(value: Any, info: Info, kind: Any) -> str:
    if isinstance(value, CollectionRecord):
        return "ArtifactSequence" if value.kind == "sequence" else "ArtifactPortfolio"
    return "Run" if isinstance(value, RunRecord) else "User"
