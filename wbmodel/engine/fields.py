"""What filters and orders may name: one table per GraphQL type, in both spellings (``created_at``, ``createdAt``).

A getter takes a record and gives the value, or :data:`MISSING` for a key that a JSON object lacks. Columns are never
missing; they may be None.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Literal

import attrs

from wbmodel.engine.dialect import Dialect
from wbmodel.engine.history import history_keys
from wbmodel.engine.paths import split_path
from wbmodel.errors import suggestion

__all__ = ["MISSING", "Field", "LanguageError", "field", "known_fields"]


class LanguageError(Exception):
    """A filter or an order is wrong. The message names the part; the engine answers it as a GraphQL error."""


class _Missing:
    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Any = _Missing()
"""The value of a key that is not there."""

Getter = Callable[[Any], Any]
Kind = Literal["plain", "time", "json", "list"]


@attrs.frozen(slots=True)
class Field:
    """One path of a filter or order. ``plain``: a column of text, number or bool; ``time``: an aware datetime;
    ``json``: any JSON value; ``list``: a list of texts with membership meaning."""

    path: str
    kind: Kind
    get: Getter


def _optional(outer: str, inner: str) -> Getter:
    first, second = attrgetter(outer), attrgetter(inner)

    def get(record: Any) -> Any:
        target = first(record)
        return None if target is None else second(target)

    return get


_TIMES: dict[str, tuple[Kind, Getter]] = {
    "created_at": ("time", attrgetter("created_at")),
    "updated_at": ("time", attrgetter("updated_at")),
}
_USER: dict[str, tuple[Kind, Getter]] = {
    "username": ("plain", _optional("user", "username")),
    "user.username": ("plain", _optional("user", "username")),
    "user.name": ("plain", _optional("user", "name")),
}


def _columns(*names: str) -> dict[str, tuple[Kind, Getter]]:
    return {name: ("plain", attrgetter(name)) for name in names}


_RUN: dict[str, tuple[Kind, Getter]] = {
    **_columns("name", "display_name", "state", "group", "job_type", "notes", "description", "commit", "exitcode"),
    **_TIMES,
    **_USER,
    "heartbeat_at": ("time", attrgetter("heartbeat_at")),
    "tags": ("list", attrgetter("tags")),
    "sweep": ("plain", _optional("sweep", "name")),
    "sweep_name": ("plain", _optional("sweep", "name")),
    "stopped": ("plain", attrgetter("stopped")),
    "config": ("json", attrgetter("config")),
    "summary_metrics": ("json", attrgetter("summary")),
}
_PROJECT: dict[str, tuple[Kind, Getter]] = {
    **_columns("name", "description", "access", "is_benchmark"),
    **_TIMES,
    **_USER,
    "entity": ("plain", attrgetter("entity.name")),
    "entity_name": ("plain", attrgetter("entity.name")),
}
_SWEEP: dict[str, tuple[Kind, Getter]] = {
    **_columns("name", "display_name", "description", "state", "method"),
    **_TIMES,
    **_USER,
    "heartbeat_at": ("time", attrgetter("heartbeat_at")),
    "run_count_expected": ("plain", attrgetter("run_count_expected")),
    "config": ("json", attrgetter("config")),
}
_VIEW: dict[str, tuple[Kind, Getter]] = {
    **_columns("name", "display_name", "description", "type"),
    **_TIMES,
    **_USER,
}
_COLLECTION: dict[str, tuple[Kind, Getter]] = {
    **_columns("name", "description", "kind"),
    **_TIMES,
    "tags": ("list", attrgetter("tags")),
    "tag": ("list", attrgetter("tags")),
    "type": ("plain", attrgetter("type.name")),
    "collection_type": ("plain", lambda record: record.kind.upper()),
}
# The rows of a collection are memberships: version and aliases belong to the place, the rest to the artifact.
_ARTIFACT: dict[str, tuple[Kind, Getter]] = {
    "state": ("plain", attrgetter("artifact.state")),
    "digest": ("plain", attrgetter("artifact.digest")),
    "description": ("plain", attrgetter("artifact.description")),
    "size": ("plain", attrgetter("artifact.size")),
    "created_at": ("time", attrgetter("artifact.created_at")),
    "updated_at": ("time", attrgetter("artifact.updated_at")),
    "tags": ("list", attrgetter("artifact.tags")),
    "tag": ("list", attrgetter("artifact.tags")),
    "version_index": ("plain", attrgetter("version_index")),
    "version": ("plain", lambda record: f"v{record.version_index}"),
    "aliases": ("list", attrgetter("aliases")),
    "alias": ("list", attrgetter("aliases")),
    "metadata": ("json", attrgetter("artifact.metadata")),
    "commit_hash": ("plain", attrgetter("artifact.commit")),
    "history_step": ("plain", attrgetter("artifact.history_step")),
}
_USERS: dict[str, tuple[Kind, Getter]] = {**_columns("username", "name", "email", "admin"), **_TIMES}

_TABLES = {
    "Run": _RUN,
    "Project": _PROJECT,
    "Sweep": _SWEEP,
    "View": _VIEW,
    "ArtifactCollection": _COLLECTION,
    "Artifact": _ARTIFACT,
    "User": _USERS,
}


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


_SPELLINGS = {
    type_name: {spelling: name for name in table for spelling in (name, _camel(name))}
    for type_name, table in _TABLES.items()
}


def known_fields(type_name: str) -> list[str]:
    """The fields of a type that filters and orders may name, in snake_case; JSON fields with ``.<key>``."""
    paths = [f"{name}.<key>" if kind == "json" else name for name, (kind, _) in _TABLES[type_name].items()]
    return [*paths, "keys_info.keys.<key>"] if type_name == "Run" else paths


def field(type_name: str, path: str, dialect: Dialect, role: str = "filter") -> Field:
    """The field that a path names. Raises :class:`LanguageError` for an unknown one, with the known ones."""
    spellings, table = _SPELLINGS[type_name], _TABLES[type_name]
    name = spellings.get(path)
    if name is not None:
        kind, get = table[name]
        return Field(path, kind, get)
    keys = split_path(path, dialect.literal_keys)
    name = spellings.get(keys[0])
    if name is not None and table[name][0] == "json" and len(keys) > 1:
        rest = keys[1:]
        if keys[0] == "config" and len(rest) > 1 and rest[1] == "value":
            # config.k.value is the wire's wrapping of config.k; a nested key "value" is config.k.value.value.
            del rest[1]
        return Field(path, "json", _digger(table[name][1], rest, dialect))
    if type_name == "Run" and keys[:2] in (["keys_info", "keys"], ["keysInfo", "keys"]) and len(keys) > 2:
        wanted = ".".join(keys[2:])
        return Field(path, "json", lambda run: history_keys(run)["keys"].get(wanted, MISSING))
    raise LanguageError(
        f"{role} names {path!r}, which is no field of {type_name}"
        + suggestion(keys[0], {*(p for p in table), *(["keys_info"] if type_name == "Run" else [])}, "known fields")
        + (f" (known: {', '.join(known_fields(type_name))})" if role == "filter" else "")
    )


def _digger(base: Getter, keys: list[str], dialect: Dialect) -> Getter:
    if len(keys) == 1:
        key = keys[0]

        def get(record: Any) -> Any:
            return base(record).get(key, MISSING)

    else:

        def get(record: Any) -> Any:
            value = base(record)
            for key in keys:
                if type(value) is not dict:
                    return MISSING
                value = value.get(key, MISSING)
            return value

    if dialect.nan == "token":
        return get
    return lambda record: _as_text(get(record))


def _as_text(value: Any) -> Any:
    if type(value) is float and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value
