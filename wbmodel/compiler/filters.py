"""Compile conditions to the server's filter, leaf by leaf; untrusted parts are re-checked locally.

Little is known about the real server's filter language (its own clients use ``$and $or $ne $gt $gte $lt $lte $in $nin
$regex`` and bare values). So each leaf is graded by the backend's capabilities, and only the rows of an ``exact`` tree
need no local check.
"""

from __future__ import annotations

from typing import Any

import attrs

from wbmodel.backend.capabilities import Capabilities
from wbmodel.meta import Kind
from wbmodel.query.conditions import Leaf, Node, WireLeaf, refuse_unsent
from wbmodel.query.lookups import LOCAL, Grade, Pushed, graded
from wbmodel.query.paths import Path

__all__ = ["UNFILTERED", "Compiled", "Note", "compile_filter", "conjoined", "order_path", "server_path"]


@attrs.frozen(slots=True)
class Note:
    """How one leaf is evaluated, for ``explain()``."""

    leaf: Leaf | WireLeaf
    grade: Grade
    wire: dict[str, Any] | None


@attrs.frozen(slots=True)
class Compiled:
    """A filter for the server (None: nothing to push), its grade, and a note on each leaf."""

    wire: dict[str, Any] | None
    grade: Grade
    notes: tuple[Note, ...]


def compile_filter(node: Node | None, can: Capabilities, pushed: bool = True) -> Compiled:
    """Compile a condition. ``pushed`` False: the connection takes no filters, so everything is local."""
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
    if isinstance(node, WireLeaf):
        if pushed:
            notes.append(Note(node, "exact", node.wire))
            return Pushed(node.wire, "exact")
        refuse_unsent(node, UNFILTERED)
        assert node.here is not None
        return _compile(node.here, can, pushed, notes)
    first = len(notes)
    parts = [_compile(child, can, pushed, notes) for child in node.children]
    wires = [wire for wire, _ in parts if wire is not None]
    exact = all(grade == "exact" for _, grade in parts)
    if node.connector == "AND":
        return graded(_and(wires), exact) if wires else LOCAL
    if not exact:
        refuse_unsent(node, "the other side of its $or has to be checked here; ask for the two sides by themselves")
    if len(wires) < len(parts):
        # If the server cannot evaluate one part of an OR, it cannot evaluate any of it.
        notes[first:] = [Note(note.leaf, "local", None) for note in notes[first:]]
        return LOCAL
    return graded({"$or": wires}, exact)


UNFILTERED = "this query asks the server for rows in a way that takes no filter"


def _and(wires: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for wire in wires:
        if len(wire) != 1 or next(iter(wire)) in merged or next(iter(wire)).startswith("$"):
            return wires[0] if len(wires) == 1 else {"$and": wires}
        merged.update(wire)
    return merged


def conjoined(one: dict[str, Any] | None, other: dict[str, Any] | None) -> dict[str, Any] | None:
    """Join two filters by AND; None means no filter."""
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
    if leaf.negated and found.filter is None and path.leaf.choices:
        # The words of an enumeration are spelt one way: ask for the others, and check the rows again.
        wire = lookup.negation(key, leaf.operand, path.kind)
        found = LOCAL if wire is None else Pushed(wire, "superset")
    if found.grade == "superset" and not leaf.negated and _is_spelt_one_way(leaf):
        found = Pushed(found.filter, "exact")
    if path.leaf.is_blank and found.filter is not None:
        found = Pushed(_blank(leaf, key, found.filter), found.grade)
    if found.grade == "exact" and len(path.keys) > 1 and not can.literal_keys:
        # It is unknown whether "a.b" also matches a key literally called "a.b"; if so, the negation matches too few.
        return LOCAL if leaf.negated else Pushed(found.filter, "superset")
    return found


def _is_spelt_one_way(leaf: Leaf) -> bool:
    """Whether a condition asks for words of an enumeration, which no server spells in upper case too."""
    wanted = {"exact": (leaf.operand,), "in": leaf.operand}.get(leaf.lookup.name)
    return wanted is not None and bool(leaf.path.leaf.choices) and set(leaf.path.leaf.choices).issuperset(wanted)


def _blank(leaf: Leaf, key: str, wire: dict[str, Any]) -> dict[str, Any]:
    """The filter for a field whose ``""`` reads as null, where the server still tells the two apart."""
    test = leaf.lookup.matches(leaf.operand, leaf.path.kind)
    null, empty = (bool(test(value)) != leaf.negated for value in (None, ""))
    if null == empty:
        return wire
    return {"$or": [wire, {key: ""}]} if null else {"$and": [wire, {key: {"$ne": ""}}]}


# -- paths -----------------------------------------------------------------------------------------


def server_path(path: Path, can: Capabilities) -> str | None:
    """The server's name for a path in a filter, or None."""
    if path.related is not None:
        return path.field.filters.get(path.related.name)
    base = path.field.filter_path
    if base is None:
        return None
    keys = _keys(path.keys, can)
    if keys is None or (path.kind is Kind.CONFIG and "value" in path.keys[1:2]):
        # config.k.value is the server's own spelling of config.k, so a nested key "value" cannot be expressed.
        return None
    return ".".join([base, *keys])


def order_path(path: Path, can: Capabilities) -> str | None:
    """The server's name for a path in an order, or None. Orders use ``config.k.value``."""
    if path.related is not None or path.field.order_key is None:
        return None
    if path.kind in (Kind.TEXT, Kind.ID) and not can.strict_values:
        # The server's collation may sort "a" before "Z", which cannot be corrected from the rows of a page.
        return None
    keys = _keys(path.keys, can)
    if path.keys and path.keys[-1] != path.keys[-1].strip():
        # An order is a list of terms, and blanks around a term are ignored.
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
    # It is unknown what a backslash means to a server that does not promise escapes.
    return None if any("." in key or "\\" in key or not key for key in keys) else list(keys)
