"""The fields that filters and orders may name: one table per kind of row, in both spellings (``created_at``,
``createdAt``).

:func:`path_of` parses a name from a document into a :class:`Path`, which any store understands; :func:`getter` turns a
path into a function that returns a record's value, or :data:`MISSING` for a key that a JSON object lacks. Columns are
never missing, but may be None.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Literal

import attrs

from wbmodel.engine.dialect import Dialect
from wbmodel.engine.paths import split_path
from wbmodel.errors import suggestion

__all__ = [
    "MISSING",
    "Getter",
    "LanguageError",
    "Path",
    "PathKind",
    "TooMuch",
    "getter",
    "known_fields",
    "path_of",
]


class LanguageError(Exception):
    """A filter or an order is invalid. The message names the part; the engine returns it as a GraphQL error."""


class TooMuch(LanguageError):
    """A filter or an order exceeds a limit, which the message names. A server refuses the whole request."""


class _Missing:
    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Any = _Missing()
"""The value of an absent key."""

Getter = Callable[[Any], Any]
PathKind = Literal["plain", "time", "json", "list"]


@attrs.frozen(slots=True, cache_hash=True)
class Path:
    """A value that a filter or an order refers to. ``plain``: a column of text, number or bool; ``time``: an aware
    datetime; ``json``: any JSON value; ``list``: a list of texts, tested for membership.

    ``name`` is the column in snake_case, ``keys`` is the unescaped path into a JSON column. ``keys_info`` with one key
    means the facts about that key of a run's history.
    """

    kind: PathKind
    name: str
    keys: tuple[str, ...] = ()


_Entry = tuple[PathKind, Getter]


def _optional(outer: str, inner: str) -> Getter:
    first, second = attrgetter(outer), attrgetter(inner)

    def get(record: Any) -> Any:
        target = first(record)
        return None if target is None else second(target)

    return get


_TIMES: dict[str, _Entry] = {
    "created_at": ("time", attrgetter("created_at")),
    "updated_at": ("time", attrgetter("updated_at")),
}
_USER: dict[str, _Entry] = {
    "username": ("plain", _optional("user", "username")),
    "user.username": ("plain", _optional("user", "username")),
    "user.name": ("plain", _optional("user", "name")),
}


def _columns(*names: str) -> dict[str, _Entry]:
    return {name: ("plain", attrgetter(name)) for name in names}


_RUN: dict[str, _Entry] = {
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
_PROJECT: dict[str, _Entry] = {
    **_columns("name", "description", "access", "is_benchmark"),
    **_TIMES,
    **_USER,
    "entity": ("plain", attrgetter("entity.name")),
    "entity_name": ("plain", attrgetter("entity.name")),
}
_SWEEP: dict[str, _Entry] = {
    **_columns("name", "display_name", "description", "state", "method"),
    **_TIMES,
    **_USER,
    "heartbeat_at": ("time", attrgetter("heartbeat_at")),
    "run_count_expected": ("plain", attrgetter("run_count_expected")),
    "config": ("json", attrgetter("config")),
}
_VIEW: dict[str, _Entry] = {
    **_columns("name", "display_name", "description", "type"),
    **_TIMES,
    **_USER,
}
_COLLECTION: dict[str, _Entry] = {
    **_columns("name", "description", "kind"),
    **_TIMES,
    "tags": ("list", attrgetter("tags")),
    "tag": ("list", attrgetter("tags")),
    "type": ("plain", attrgetter("type.name")),
    "collection_type": ("plain", lambda record: record.kind.upper()),
}
# The rows of a collection are memberships: version and aliases belong to the membership, the rest to the artifact.
_ARTIFACT: dict[str, _Entry] = {
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
_USERS: dict[str, _Entry] = {**_columns("username", "name", "email", "admin"), **_TIMES}

# Kinds that documents cannot filter or order; relations and resolvers do.
_OTHERS: dict[str, dict[str, _Entry]] = {
    "Entity": {**_columns("name", "is_team"), **_TIMES},
    "ArtifactType": {**_columns("name"), **_TIMES},
    "ArtifactVersion": {**_columns("path"), **_TIMES},
    "File": {**_columns("name", "digest"), **_TIMES},
    "Alias": {**_columns("alias"), **_TIMES},
    "Membership": {**_columns("version_index"), "path": ("plain", attrgetter("collection.path")), **_TIMES},
}

_TABLES = {
    **_OTHERS,
    "Run": _RUN,
    "Project": _PROJECT,
    "Sweep": _SWEEP,
    "View": _VIEW,
    "ArtifactCollection": _COLLECTION,
    "Artifact": _ARTIFACT,
    "User": _USERS,
}

_SAME = {
    "sweep_name": "sweep",
    "tag": "tags",
    "alias": "aliases",
    "entity_name": "entity",
    "user.username": "username",
}
"""Alias of a column -> the column's name. Stores see only the latter."""


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


_SPELLINGS = {
    kind: {spelling: name for name in table for spelling in (name, _camel(name))} for kind, table in _TABLES.items()
}


def known_fields(kind: str) -> list[str]:
    """The fields of a type that filters and orders may name, in snake_case; JSON fields end in ``.<key>``."""
    paths = [f"{name}.<key>" if entry[0] == "json" else name for name, entry in _TABLES[kind].items()]
    return [*paths, "keys_info.keys.<key>"] if kind == "Run" else paths


def path_of(kind: str, text: str, dialect: Dialect, role: str = "filter") -> Path:
    """Parse a path from a document. Raises :class:`LanguageError` for an unknown one, listing the known ones."""
    spellings, table = _SPELLINGS[kind], _TABLES[kind]
    name = spellings.get(text)
    if name is not None:
        return Path(table[name][0], _SAME.get(name, name))
    keys = split_path(text, dialect.literal_keys)
    name = spellings.get(keys[0])
    if name is not None and table[name][0] == "json" and len(keys) > 1:
        rest = keys[1:]
        if keys[0] == "config" and len(rest) > 1 and rest[1] == "value":
            # config.k.value is config.k as wrapped on the wire; a nested key "value" is config.k.value.value.
            del rest[1]
        return Path("json", name, tuple(rest))
    if kind == "Run" and keys[:2] in (["keys_info", "keys"], ["keysInfo", "keys"]) and len(keys) > 2:
        return Path("json", "keys_info", (".".join(keys[2:]),))
    raise LanguageError(
        f"{role} names {text!r}, which is not a field of {kind}"
        + suggestion(keys[0], {*(p for p in table), *(["keys_info"] if kind == "Run" else [])}, "known fields")
        + (f" (known: {', '.join(known_fields(kind))})" if role == "filter" else "")
    )


def getter(kind: str, path: Path, nan_text: bool = False) -> Getter:
    """A function that returns the value at a path of a record of ``kind``. With ``nan_text``, non-finite numbers inside
    a JSON column become text."""
    if path.name == "keys_info":
        (wanted,) = path.keys
        return lambda run: _key_info(run, wanted)
    base = _TABLES[kind][path.name][1]
    if not path.keys:
        return base
    get = _digger(base, path.keys)
    return (lambda record: _as_text(get(record))) if nan_text else get


def _key_info(run: Any, key: str) -> Any:
    facts = run.history.keys().get(key)
    return MISSING if facts is None else facts.info


def _digger(base: Getter, keys: tuple[str, ...]) -> Getter:
    if len(keys) == 1:
        key = keys[0]
        return lambda record: base(record).get(key, MISSING)

    def get(record: Any) -> Any:
        value = base(record)
        for key in keys:
            if type(value) is not dict:
                return MISSING
            value = value.get(key, MISSING)
        return value

    return get


def _as_text(value: Any) -> Any:
    if type(value) is float and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value
