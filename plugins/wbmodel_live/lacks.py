"""What a server lacks of ``schema/wandb.graphql``: read from its refusals, and from one introspection request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import attrs
from graphql import GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, build_schema

from wbmodel.engine.schema import schema_text
from wbmodel.request import Request

__all__ = ["OPTIONAL", "Lack", "kind_fields", "question", "read_types", "refused", "schema", "unknown_type"]


@attrs.frozen(slots=True, order=True)
class Lack:
    """A field of a type (of an input type too), or an ``argument`` of it, that a server does not have."""

    kind: str
    field: str
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.kind}.{self.field}" + (f"({self.argument}:)" if self.argument else "")


OPTIONAL = frozenset(
    {
        Lack("Artifact", "files", "names"),
        Lack("ArtifactMembership", "files", "names"),
        Lack("Project", "fields", "pattern"),
        Lack("Run", "bucketedHistory", "packVersion"),
        Lack("Run", "config", "keys"),
        Lack("Run", "files", "names"),
        Lack("Run", "files", "pattern"),
        Lack("Run", "history", "maxKeyLimit"),
        Lack("Run", "historyKeys", "format"),
        Lack("Run", "logLines", "useImprovedPagination"),
        Lack("Run", "sampledHistory", "packVersion"),
        Lack("Run", "summaryMetrics", "keys"),
        Lack("Run", "wandbConfig", "keys"),
    }
)
"""The arguments that are left out for a server that lacks them. The answer without them holds at least as much, and
the reader takes what it needs. Every other argument selects rows or changes what a value means, so a server without it
does not support the request."""

_QUOTED = r"""["'`“‘«](\w+)["'`”’»]"""
_PATH = r"""["'`“‘«](?:\w+\.)?\w+["'`”’»]"""
_REFUSALS = (
    re.compile(rf"(?:Cannot query|Unknown) field (?P<field>{_QUOTED}) on type (?P<kind>{_QUOTED})", re.IGNORECASE),
    re.compile(rf"Field (?P<field>{_QUOTED}) does(?:n't| not) exist on type (?P<kind>{_QUOTED})", re.IGNORECASE),
    re.compile(rf"Field (?P<field>{_QUOTED}) is not defined (?:by|in|on) type (?P<kind>{_QUOTED})", re.IGNORECASE),
    re.compile(
        rf"Unknown argument (?P<argument>{_QUOTED}) on field (?P<field>{_PATH})"
        rf"(?: (?:of|on) type (?P<kind>{_QUOTED}))?",
        re.IGNORECASE,
    ),
)
_UNKNOWN_TYPE = re.compile(rf"Unknown type {_QUOTED}", re.IGNORECASE)
_MARKS = "\"'`“”‘’«»"


@lru_cache(maxsize=1)
def schema() -> GraphQLSchema:
    """The schema that documents are written for."""
    return build_schema(schema_text(), assume_valid_sdl=True)


def kind_fields(kind: str) -> dict[str, Any]:
    """The fields of a type of ours; empty for any other name."""
    fields: dict[str, Any] = getattr(schema().type_map.get(kind), "fields", {})
    return fields


def refused(messages: Iterable[str]) -> set[Lack]:
    """What of our schema a server says it lacks, in the words of any GraphQL library."""
    return {lack for message in messages for lack in _in(message) if _is_ours(lack)}


def unknown_type(message: str) -> str | None:
    """The type of our schema that a server says it does not know."""
    found = _UNKNOWN_TYPE.search(message)
    return found[1] if found is not None and found[1] in schema().type_map else None


def _in(message: str) -> Iterator[Lack]:
    for pattern in _REFUSALS:
        for found in pattern.finditer(message):
            said = {name: (text or "").strip(_MARKS) for name, text in found.groupdict().items()}
            inside, _, field = said["field"].rpartition(".")
            yield Lack(said["kind"] or inside, field, said.get("argument", ""))


def _is_ours(lack: Lack) -> bool:
    field = kind_fields(lack.kind).get(lack.field)
    if not lack.argument or lack in OPTIONAL:
        return field is not None
    return field is not None and lack.argument in getattr(field, "args", {})


# -- introspection ---------------------------------------------------------------------------------


def question(*, deprecated: bool) -> Request:
    """The introspection request. Servers from before arguments could be deprecated refuse to be asked for those."""
    also = "(includeDeprecated: true)" if deprecated else ""
    parts = " ".join(f'{name}: __type(name: "{name}") {{ ...Shown }}' for name in _kinds())
    shown = f"fields(includeDeprecated: true) {{ name args{also} {{ name }} }} inputFields{also} {{ name }}"
    return Request(f"query ServerFields {{ {parts} }} fragment Shown on __Type {{ {shown} }}", {}, "ServerFields")


def _kinds() -> list[str]:
    asked = (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)
    return [name for name, kind in schema().type_map.items() if isinstance(kind, asked) and not name.startswith("__")]


def read_types(data: Any) -> set[Lack]:
    """What the answer to the introspection request does not show of our types. A type that is null, or that is shown
    without fields, says nothing."""
    answered = data if isinstance(data, dict) else {}
    found: set[Lack] = set()
    for kind in _kinds():
        theirs = _shown(answered.get(kind))
        if theirs is None:
            continue
        for name, field in kind_fields(kind).items():
            if name not in theirs:
                found.add(Lack(kind, name))
            elif (arguments := theirs[name]) is not None:
                found |= {
                    Lack(kind, name, argument) for argument in getattr(field, "args", ()) if argument not in arguments
                }
    return found


def _shown(kind: Any) -> dict[str, set[str] | None] | None:
    """The fields that a server shows of a type, with their arguments; None if it does not say."""
    if not isinstance(kind, dict):
        return None
    fields = kind.get("fields") or kind.get("inputFields")
    if not isinstance(fields, list) or not fields:
        return None
    shown: dict[str, set[str] | None] = {}
    for field in fields:
        if not isinstance(field, dict) or not isinstance(field.get("name"), str):
            return None
        arguments = field.get("args")
        shown[field["name"]] = (
            {item.get("name") for item in arguments}
            if isinstance(arguments, list) and all(isinstance(item, dict) for item in arguments)
            else None
        )
    return shown
