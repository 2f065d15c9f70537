"""Conditions -> the server's filter, leaf by leaf, with what the server cannot be trusted with kept for here.

What is known of the real server's language is little (its own clients use ``$and $or $ne $gt $gte $lt $lte $in $nin
$regex`` and bare values), so each leaf is graded by what the backend can, and only an ``exact`` tree needs no
second look at the rows.
"""

from __future__ import annotations

from typing import Any

import attrs

from wbmodel.backend.capabilities import Capabilities
from wbmodel.meta import Kind
from wbmodel.query.conditions import Leaf, Node
from wbmodel.query.lookups import LOCAL, Grade, Pushed, graded
from wbmodel.query.paths import Path

__all__ = ["Compiled", "Note", "compile_filter", "conjoined", "order_path", "server_path"]


@attrs.frozen(slots=True)
class Note:
    """What becomes of one leaf, for ``explain()``."""

    leaf: Leaf
    grade: Grade
    wire: dict[str, Any] | None


@attrs.frozen(slots=True)
class Compiled:
    """A filter for the server (None: nothing to send), how far it reaches, and what became of each leaf."""

    wire: dict[str, Any] | None
    grade: Grade
    notes: tuple[Note, ...]


def compile_filter(node: Node | None, can: Capabilities, pushed: bool = True) -> Compiled:
    """Compile a condition. ``pushed`` False: the connection takes no filters, so everything is done here."""
    if node is None:
        return Compiled(None, "exact", ())
    notes: list[Note] = []
    wire, grade = _compile(node, can, pushed, notes)
    return Compiled(wire, grade, tuple(notes))


def _compile(node: Node, can: Capabilities, pushed: bool, notes: list[Note]) -> Pushed:
    if isinstance(node, Leaf):
        found = _leaf(node, can) if pushed else LOCAL
        notes.append(Note(node, found.grade, found.filter))
        return found
    first = len(notes)
    parts = [_compile(child, can, pushed, notes) for child in node.children]
    wires = [wire for wire, _ in parts if wire is not None]
    exact = all(grade == "exact" for _, grade in parts)
    if node.connector == "AND":
        return graded(_and(wires), exact) if wires else LOCAL
    if len(wires) < len(parts):
        # One part of an OR that the server cannot answer makes all of it unanswerable there.
        notes[first:] = [Note(note.leaf, "local", None) for note in notes[first:]]
        return LOCAL
    return graded({"$or": wires}, exact)


def _and(wires: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for wire in wires:
        if len(wire) != 1 or next(iter(wire)) in merged or next(iter(wire)).startswith("$"):
            return wires[0] if len(wires) == 1 else {"$and": wires}
        merged.update(wire)
    return merged


def conjoined(one: dict[str, Any] | None, other: dict[str, Any] | None) -> dict[str, Any] | None:
    """Both conditions in one filter; None is no condition."""
    if one is None or other is None:
        return one if other is None else other
    parts = [item for part in (one, other) for item in (part["$and"] if part.keys() == {"$and"} else [part])]
    return {"$and": parts}


def _leaf(leaf: Leaf, can: Capabilities) -> Pushed:
    path, lookup = leaf.path, leaf.lookup
    key = server_path(path, can)
    if key is None:
        return LOCAL
    found = (lookup.push_negated if leaf.negated else lookup.push)(key, leaf.operand, path.kind, can)
    if found.grade == "exact" and len(path.keys) > 1 and not can.literal_keys:
        # Whether "a.b" also finds a key that is literally called so is not known; if it does, the negation finds less.
        return LOCAL if leaf.negated else Pushed(found.filter, "superset")
    return found


# -- paths -----------------------------------------------------------------------------------------


def server_path(path: Path, can: Capabilities) -> str | None:
    """The server's name of a path in a filter, or None when it has none."""
    if path.related is not None:
        return path.field.filters.get(path.related.name)
    base = path.field.filter_path
    if base is None:
        return None
    keys = _keys(path.keys, can)
    if keys is None or (path.kind is Kind.CONFIG and "value" in path.keys[1:2]):
        # config.k.value is the server's own spelling of config.k, so a nested key "value" cannot be said.
        return None
    return ".".join([base, *keys])


def order_path(path: Path, can: Capabilities) -> str | None:
    """The server's name of a path in an order, or None when it has none. Orders want ``config.k.value``."""
    if path.related is not None or path.field.order_key is None:
        return None
    if path.kind in (Kind.TEXT, Kind.ID) and not can.strict_values:
        # A server's collation may put "a" before "Z", which no look at the rows that came can mend.
        return None
    keys = _keys(path.keys, can)
    if path.keys and path.keys[-1] != path.keys[-1].strip():
        # An order is a list of terms, and the blanks around a term are not part of it.
        return None
    if keys is None or (path.keys and "," in "".join(path.keys) and not can.literal_keys):
        return None
    if can.literal_keys:
        keys = [key.replace(",", "\\,") for key in keys]
    if path.kind is Kind.CONFIG:
        if "value" in path.keys[1:2]:
            return None
        keys = [keys[0], "value", *keys[1:]]
    return ".".join([path.field.order_key, *keys])


def _keys(keys: tuple[str, ...], can: Capabilities) -> list[str] | None:
    if not keys:
        return []
    if can.literal_keys:
        return None if "" in keys else [key.replace("\\", "\\\\").replace(".", "\\.") for key in keys]
    # What a backslash means to a server that does not promise to take it as an escape is not known.
    return None if any("." in key or "\\" in key or not key for key in keys) else list(keys)
