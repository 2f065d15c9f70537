"""The executable schema: the SDL file with its resolvers, built once, on first use."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wbmodel.engine.records import CollectionRecord, RunRecord
from wbmodel.engine.stopping import check
from wbmodel.errors import ConfigurationError

if TYPE_CHECKING:
    from graphql import DocumentNode, GraphQLSchema

    Info = Any

__all__ = ["executable_schema", "schema_text", "without_arguments"]


@lru_cache(maxsize=1)
def schema_text() -> str:
    """The SDL. It is in ``schema/`` in a checkout, and next to this module in an installed wheel."""
    here = Path(__file__).resolve()
    for path in (here.parents[2] / "schema" / "wandb.graphql", here.with_name("wandb.graphql")):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError("wandb.graphql is missing from this installation of wbmodel; reinstall it")


@lru_cache(maxsize=16)
def executable_schema(lacking: frozenset[str] = frozenset()) -> GraphQLSchema:
    """The schema with scalars, type resolvers, and one resolver per field, without what a dialect is ``lacking``.
    Raises ``LookupError`` if a resolver is missing."""
    from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLUnionType, build_schema

    from wbmodel.engine import mutations_artifacts
    from wbmodel.engine.getters import FROM_ARGUMENTS, FROM_RECORD, FROM_STORE
    from wbmodel.engine.mutations import MUTATIONS
    from wbmodel.engine.resolvers import RESOLVERS
    from wbmodel.engine.scalars import attach_scalars

    assert mutations_artifacts is not None  # imported because it registers in MUTATIONS
    # tests/schema validates the file; doing so here would take a third of the time to build the schema.
    schema = build_schema(schema_text(), assume_valid_sdl=True)
    for table, key in [_named(schema, name) for name in lacking]:
        del table[key]
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


def _named(schema: GraphQLSchema, name: str) -> tuple[dict[str, Any], str]:
    """The table of fields or arguments that a dialect's ``name`` is in, and its key there."""
    path, _, argument = name.rstrip(")").partition("(")
    kind, _, field = path.partition(".")
    fields: Any = getattr(schema.type_map.get(kind), "fields", {})
    table, key = (getattr(fields.get(field), "args", {}), argument) if argument else (fields, field)
    if key not in table:
        raise ConfigurationError(f"a dialect names {name!r}, which is not in the schema")
    return table, key


def without_arguments(ast: DocumentNode, schema: GraphQLSchema, names: Collection[str]) -> DocumentNode:
    """A valid document without the arguments of these names (``Run.config(keys)``)."""
    from graphql import REMOVE, FieldNode, TypeInfo, TypeInfoVisitor, Visitor, visit

    for name in names:
        _named(schema, name)
    info = TypeInfo(schema)

    class Cut(Visitor):
        def enter_argument(self, node: Any, key: Any, parent: Any, path: Any, ancestors: Any) -> Any:
            kind, owner = info.get_parent_type(), ancestors[-1]
            if isinstance(owner, FieldNode) and kind is not None:
                name = f"{kind.name}.{owner.name.value}({node.name.value})"
                return REMOVE if name in names else None
            return None

    cut: DocumentNode = visit(ast, TypeInfoVisitor(info, Cut()))
    return cut


def _with_args(function: Callable[[Any, Any, dict[str, Any]], Any]) -> Callable[..., Any]:
    def resolve(source: Any, info: Info, **args: Any) -> Any:
        check()  # fields with arguments do the work, and all mutations have arguments
        return function(source, info.context, args)

    return resolve


def _made(make: Callable[[dict[str, Any], Any], Callable[[Any], Any]]) -> Callable[..., Any]:
    def resolve(source: Any, info: Info, **args: Any) -> Any:
        check()
        return make(args, info.context)(source)

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
    if kind.name == "GroupedRuns":
        return "GroupedRunConnection"
    if isinstance(value, CollectionRecord):
        return "ArtifactSequence" if value.kind == "sequence" else "ArtifactPortfolio"
    return "Run" if isinstance(value, RunRecord) else "User"
