"""Probes of what a server does by itself, past the compiler: the flag cases hold promises against them.

A probe asks raw documents and gives complaints; none means that the ability is there.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

from wbmodel.codec import dumps
from wbmodel.errors import WbmodelError
from wbmodel.testing import oracle
from wbmodel.testing.conformance.cases import Nonconforming
from wbmodel.testing.conformance.counts import COUNT
from wbmodel.testing.conformance.declared import OURS
from wbmodel.testing.conformance.kit import Kit
from wbmodel.testing.conformance.pages import grown, walk
from wbmodel.testing.world import World

__all__ = [
    "FILTERED",
    "TELLING",
    "Probe",
    "count",
    "exists",
    "filterable",
    "filtered",
    "literal_keys",
    "multi_order",
    "nulls_last",
    "quickness",
    "regex",
    "stable_cursors",
    "strict_values",
    "write",
]

Probe = Callable[[Kit], list[str]]
_numbers = itertools.count(1)
Path = tuple[str, ...]


def _walk(kit: Kit, **variables: Any) -> list[str] | str:
    """The ids of all pages, or the error message."""
    try:
        return walk(kit, kit.capabilities.max_page_size, **variables)
    except (Nonconforming, WbmodelError) as error:
        return str(error).partition("\n")[0]


def _filters(kit: Kit, asked: Sequence[tuple[Any, Any]]) -> list[str]:
    complaints = []
    for wire, tree in asked:
        expected = sorted(oracle.answer([*map(oracle.Stored, kit.rows("Run"))], tree))
        found = _walk(kit, filters=dumps(wire))
        if isinstance(found, str):
            complaints.append(f"filters {dumps(wire)}: {found}")
        elif sorted(found) != expected:
            missing = [item for item in expected if item not in found]
            extra = [item for item in found if item not in expected]
            told = [f"lacks {', '.join(missing[:4])}"] if missing else []
            told += [f"has {', '.join(extra[:4])}"] if extra else []
            complaints.append(f"filters {dumps(wire)} {' and '.join(told) or 'repeats rows'}")
    return complaints


def _leaf(path: Path, lookup: str, operand: Any) -> Any:
    return ("leaf", path, lookup, operand)


_EVERY = ("config", "every")
_SEEN = ("summary", "every")


def strict_values(kit: Kit) -> list[str]:
    """Case, types, NaN and lists are distinguished."""
    return _filters(
        kit,
        [
            ({"config.every": "adam"}, _leaf(_EVERY, "exact", "adam")),
            ({"display_name": "beta"}, _leaf(("name",), "exact", "beta")),
            ({"group": {"$in": ["g1", "g2"]}}, _leaf(("group",), "in", ["g1", "g2"])),
            ({"tags": "baseline"}, _leaf(("tags",), "contains", "baseline")),
            ({"config.every": 1}, _leaf(_EVERY, "exact", 1)),
            ({"config.every": True}, _leaf(_EVERY, "exact", True)),
            ({"config.every": "1"}, _leaf(_EVERY, "exact", "1")),
            ({"config.every": {"$gt": 0}}, _leaf(_EVERY, "gt", 0)),
            ({"summary_metrics.every": {"$lt": 3}}, _leaf(_SEEN, "lt", 3)),
            ({"summary_metrics.every": {"$gte": "a"}}, _leaf(_SEEN, "gte", "a")),
            ({"summary_metrics.best": {"$gte": 1.5}}, _leaf(("summary", "best"), "gte", 1.5)),
            ({"config.every": {"$in": ["a", True]}}, _leaf(_EVERY, "in", ["a", True])),
            ({"config.holes": None}, _leaf(("config", "holes"), "isnull", True)),
            ({"$nor": [{"config.every": {"$gt": 1}}]}, ("not", _leaf(_EVERY, "gt", 1))),
        ],
    )


def literal_keys(kit: Kit) -> list[str]:
    """A dot, and in orders a comma, can be part of a key."""
    key = ("config", "model.depth")
    complaints = _filters(
        kit,
        [
            ({"config.model\\.depth": 7}, _leaf(key, "exact", 7)),
            ({"config.model\\.depth": {"$gt": 1}}, _leaf(key, "gt", 1)),
            ({"config.model.depth": 2}, _leaf(("config", "model", "depth"), "exact", 2)),
            ({"config.model.a\\.b": 1}, _leaf(("config", "model", "a.b"), "exact", 1)),
            ({"config.back\\\\slash": True}, _leaf(("config", "back\\slash"), "exact", True)),
        ],
    )
    for order, path in (("-config.model\\.depth.value", key), ("-config.co\\,mma.value", ("config", "co,mma"))):
        complaints += _valued(kit, order, path, descending=True)
    return complaints


def _valued(kit: Kit, order: str, path: Path, *, descending: bool) -> list[str]:
    """Check that rows with a value under ``path`` are in order, wherever the others are."""
    found = _walk(kit, order=order)
    if isinstance(found, str):
        return [f"order {order!r}: {found}"]
    rows = {row["id"]: row for row in kit.rows("Run")}
    values = [oracle.look(rows[item], path) for item in found if item in rows]
    numbers = [value for value in values if isinstance(value, (int, float)) and value == value]
    return [] if numbers == sorted(numbers, reverse=descending) else [f"order {order!r} gives {numbers[:8]}"]


def regex(kit: Kit) -> list[str]:
    """$regex is Python's re.search."""
    patterns = ["(?i)BETA", r"\Agam", r"a-1\Z", "a(?=-)", "^g.*1$", "", r"(?P<x>m)(?P=x)", "ph|et"]
    asked = [({"display_name": {"$regex": text}}, _leaf(("name",), "regex", text)) for text in patterns]
    asked += [({"config.every": {"$regex": text}}, _leaf(_EVERY, "regex", text)) for text in ("^A", "m$", r"m\Z", "1")]
    return _filters(kit, asked)


def exists(kit: Kit) -> list[str]:
    """$exists tells absent from null."""
    return _filters(
        kit,
        [
            ({"config.every": {"$exists": True}}, _leaf(_EVERY, "exists", True)),
            ({"config.every": {"$exists": False}}, _leaf(_EVERY, "exists", False)),
            ({"summary_metrics.loss": {"$exists": True}}, _leaf(("summary", "loss"), "exists", True)),
        ],
    )


def multi_order(kit: Kit) -> list[str]:
    """Several keys, and ties newest first, then by id."""
    orders: dict[str, list[tuple[Path, bool]]] = {
        "+state": [(("state",), False)],
        "-state,+display_name": [(("state",), True), (("name",), False)],
        "+display_name,-created_at": [(("name",), False), (("created_at",), True)],
        "+state,+display_name,+created_at": [(("state",), False), (("name",), False), (("created_at",), False)],
    }
    complaints = []
    for text, keys in orders.items():
        expected = oracle.answer([*map(oracle.Stored, kit.rows("Run"))], ("and", []), keys)
        found = _walk(kit, order=text)
        if found != expected:
            told = (
                found if isinstance(found, str) else f"gives {', '.join(found[:5])} and not {', '.join(expected[:5])}"
            )
            complaints.append(f"order {text!r}: {told}")
    return complaints


def nulls_last(kit: Kit) -> list[str]:
    """Null, absent and NaN last, both ways; values of several types under one key in the documented order."""
    orders: dict[str, Path] = {
        "heartbeat_at": ("heartbeat_at",),
        "group": ("group",),
        "summary_metrics.loss": ("summary", "loss"),
        "config.rank.value": ("config", "rank"),
        "config.every.value": _EVERY,
        "summary_metrics.every": _SEEN,
    }
    rows = {row["id"]: row for row in kit.rows("Run")}
    complaints = []
    for text, path in orders.items():
        for sign in "+-":
            found = _walk(kit, order=sign + text)
            if isinstance(found, str):
                complaints.append(f"order {sign + text!r}: {found}")
                continue
            known = [rows[item] for item in found if item in rows]
            lacking = [_lacks(oracle.look(row, path)) for row in known]
            if lacking != sorted(lacking):
                first = next(row for row, lacks in zip(known, lacking, strict=True) if lacks)
                value = oracle.look(first, path)
                complaints.append(
                    f"order {sign + text!r}: {first['id']}, where it is {value!r}, stands before rows with a value"
                )
            elif path in (_EVERY, _SEEN):
                # No two runs have the same value there, so that rows do not tie.
                there = known[: lacking.count(False)]
                values, expected = (
                    [oracle.look(row, path) for row in order]
                    for order in (there, oracle.ordered(there, [(path, sign == "-")]))
                )
                told = next((pair for pair in zip(values, expected, strict=True) if pair[0] is not pair[1]), None)
                if told is not None:
                    complaints.append(f"order {sign + text!r}: {told[0]!r} stands where {told[1]!r} belongs")
    return complaints


def _lacks(value: Any) -> bool:
    return value is None or value is oracle.ABSENT or value != value


def count(kit: Kit) -> list[str]:
    """runCount honours filters."""
    entity, project = kit.world.project.split("/")
    complaints = []
    for wire, tree in (
        ({"state": "finished"}, _leaf(("state",), "exact", "finished")),
        ({"job_type": None}, _leaf(("job_type",), "isnull", True)),
        ({"state": "no such state"}, _leaf(("state",), "exact", "no such state")),
    ):
        expected = len(oracle.answer([*map(oracle.Stored, kit.rows("Run"))], tree))
        try:
            found = kit.data(COUNT, project=project, entity=entity, filters=dumps(wire))["project"]["runCount"]
        except (Nonconforming, WbmodelError) as error:
            complaints.append(f"runCount(filters: {dumps(wire)}): {str(error).partition(chr(10))[0]}")
            continue
        if found != expected:
            complaints.append(f"runCount(filters: {dumps(wire)}) is {found}, and {expected} runs match")
    return complaints


def stable_cursors(kit: Kit) -> list[str]:
    """Pages continue after a row while runs are added before and after it."""
    complaints = []
    for order in ("-created_at", "+created_at", "-display_name", "+display_name"):
        told = grown(kit, order)
        if told is not None:
            complaints.append(f"pages of 2 with order {order}, while runs are added: {told}")
    return complaints


def _ask_by_name(way: str, field: str, tail: str) -> str:
    return (
        "query F($project: String, $entity: String, $filters: JSONString, $order: String) "
        f"{{ {way}(filters: $filters, order: $order, first: 100) {{ edges {{ node {{ {field} }} }} }} {tail} }}"
    )


_IN_PROJECT = "project(name: $project, entityName: $entity) { "
FILTERED: dict[str, tuple[str, str, str, Callable[[World], list[str]]]] = {
    "Run": (_ask_by_name(f"{_IN_PROJECT}runs", "name", "}"), "name", "project.runs", lambda w: _names(w, "Run", "id")),
    "Sweep": (
        _ask_by_name(f"{_IN_PROJECT}sweeps", "name", "}"),
        "name",
        "project.sweeps",
        lambda w: _names(w, "Sweep", "id"),
    ),
    "View": (
        _ask_by_name(f"{_IN_PROJECT}allViews", "name", "}"),
        "name",
        "project.allViews",
        lambda w: _names(w, "Report", "id"),
    ),
    "ArtifactCollection": (
        _ask_by_name(f"{_IN_PROJECT}artifactCollections", "name", "}"),
        "name",
        "project.artifactCollections",
        lambda w: _names(w, "ArtifactCollection", "name"),
    ),
    "Artifact": (
        _ask_by_name(f'{_IN_PROJECT}artifactCollection(name: "images") {{ artifacts', "versionIndex", "} }"),
        "version_index",
        "project.artifactCollection.artifacts",
        lambda w: [str(row["version_index"]) for row in w.rows("Artifact") if row["collection"] == "images"],
    ),
    "Project": (
        _ask_by_name("models", "name", "").replace("models(", "models(entityName: $entity, "),
        "name",
        "models",
        lambda w: [row["name"] for row in w.projects if row["entity"] == w.entity],
    ),
    "User": (
        _ask_by_name("users", "username", ""),
        "username",
        "users",
        lambda w: [row["username"] for row in w.users],
    ),
}
"""Connections that the flag ``filtered`` is about: a document, the field it filters by, where it is, and the world's
values of that field."""


def _names(world: World, name: str, key: str) -> list[str]:
    return [row[key] for row in world.rows(name)]


def filterable(kit: Kit) -> list[str]:
    """The GraphQL types in :data:`FILTERED` that the world has rows of."""
    names = {meta.graphql: name for name, meta in OURS.items()}
    return [name for name in sorted(FILTERED) if kit.there(names[name])]


def filtered(kit: Kit, name: str) -> list[str]:
    """Check that the connection of a GraphQL type takes a filter and an order."""
    document, field, where, values = FILTERED[name]
    known = values(kit.world)
    entity, project = kit.world.project.split("/")
    complaints = []
    number = name == "Artifact"

    def ask(filters: Any, order: str | None) -> list[str] | None:
        try:
            given = None if filters is None else dumps(filters)
            at: Any = kit.data(document, project=project, entity=entity, order=order, filters=given)
        except (Nonconforming, WbmodelError) as error:
            complaints.append(f"{where}: {str(error).partition(chr(10))[0]}")
            return None
        for step in where.split("."):
            at = at[step]
        return [str(next(iter(edge["node"].values()))) for edge in at["edges"]]

    one = int(known[0]) if number else known[0]
    for filters, expected in (({field: one}, [known[0]]), ({field: -1 if number else "nobody"}, [])):
        found = ask(filters, None)
        if found is not None and found != expected:
            complaints.append(f"{where}(filters: {dumps(filters)}) gives {found[:4]} and not {expected}")
    for sign in "+-":
        found = ask(None, sign + field)
        ours = [item for item in found or () if item in known]
        wanted = sorted(known, reverse=sign == "-")
        # A page may be shorter than the list, and a server may have more projects and users than the world.
        wanted = [item for item in wanted if item in ours] if name in ("Project", "User") else wanted[: len(ours)]
        if found is not None and (ours != wanted or not ours):
            complaints.append(f"{where}(order: {sign + field!r}) gives {ours[:4]}")
    return complaints


_MAKE = """
mutation Probe($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted bucket { id project { id } } } }
"""
_READ = 'query Probe($e: String, $p: String) { project(name: $p, entityName: $e) { run(name: "probe") { notes } } }'
_DROP = "mutation Probe($input: DeleteModelInput!) { deleteModel(input: $input) { success } }"


def write(kit: Kit) -> str | None:
    """None if mutations work (a run is created, has the given values, and is deleted again); else what went wrong."""
    entity, project = kit.world.entity, f"wbmodel-probe-{next(_numbers)}"
    given = {"entityName": entity, "modelName": project, "name": "probe", "notes": "kept"}
    try:
        made = kit.data(_MAKE, input=given)["upsertBucket"]
    except (Nonconforming, WbmodelError) as error:
        return str(error).partition("\n")[0]
    if not made or not made.get("bucket"):
        return f"upsertBucket answered {made!r}"
    found = kit.data(_READ, e=entity, p=project)["project"]
    if not found or found.get("run") != {"notes": "kept"}:
        return f"upsertBucket said that it made a run, and {found!r} is there"
    kit.data(_DROP, input={"id": made["bucket"]["project"]["id"]})
    left = kit.data(_READ, e=entity, p=project)["project"]
    return None if left is None else "deleteModel said that it deleted a project, which is still there"


TELLING = 0.005
"""Seconds that a request must take so that concurrent requests can be distinguished from sequential ones."""


def quickness(kit: Kit, times: int = 8) -> tuple[float, float]:
    """Seconds of one small request (the best of a few), and of ``times`` of them in one ``execute_many``."""
    from wbmodel.backend.asks import Request

    requests = [Request("query Q { viewer { id } }") for _ in range(times)]
    single = []
    for request in requests[:4]:
        start = time.perf_counter()
        kit.ask(kit.backend, "execute", request)
        single.append(time.perf_counter() - start)
    together = []
    for _ in range(2):
        start = time.perf_counter()
        kit.ask(kit.backend, "execute_many", requests)
        together.append(time.perf_counter() - start)
    return min(single), min(together)
