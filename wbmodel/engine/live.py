"""What W&B's own schema has beyond ``schema/wandb.graphql``, for ``Dialect(live=True)``.

The source is an introspection of api.wandb.ai of 2026-09-07. It is a part: what our own clients must not trip over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphql import GraphQLSchema

__all__ = ["require"]

_REQUIRED = ("Project.runCount", "FileConnection.totalCount")
_REQUIRED_ITEMS = ("ParquetHistory.liveData",)
_REQUIRED_ARGUMENTS = (
    "Project.run.name",
    "Project.sweep.sweepName",
    "Run.sampledHistory.specs",
    "Run.parquetHistory.liveKeys",
)


def require(schema: GraphQLSchema) -> None:
    """Make fields, items and arguments of a built schema non-null."""
    from graphql import GraphQLList, GraphQLNonNull

    types: Any = schema.type_map
    for name in _REQUIRED:
        kind, field = name.split(".")
        types[kind].fields[field].type = GraphQLNonNull(types[kind].fields[field].type)
    for name in _REQUIRED_ITEMS:
        kind, field = name.split(".")
        items = types[kind].fields[field].type.of_type
        types[kind].fields[field].type = GraphQLNonNull(GraphQLList(GraphQLNonNull(items)))
    for name in _REQUIRED_ARGUMENTS:
        kind, field, argument = name.split(".")
        found = types[kind].fields[field].args[argument]
        found.type = GraphQLNonNull(found.type)
