"""The condition of a plan: a ``Q`` resolved against an entity, with every name and value checked.

Negation is pushed to the leaves, so the compiler and the evaluator see only AND, OR and leaves. A negated leaf is the
plain opposite: it keeps rows that lack the key.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import attrs

from wbmodel.codec import format_datetime, loads
from wbmodel.errors import ChoiceWarning, FieldError, PluginError, WbmodelError, suggestion, warn
from wbmodel.meta import EntityMeta, Kind, entity_meta, state
from wbmodel.meta.parts import Wanted
from wbmodel.meta.scopes import ENTITY, INSIDE, PROJECT
from wbmodel.query.days import of_days
from wbmodel.query.f import PathExpr
from wbmodel.query.lookups import LOOKUPS, Lookup, find_lookup
from wbmodel.query.paths import Path, resolve_expr, resolve_keyword
from wbmodel.query.q import Connector, Item, Q, Term, Wire
from wbmodel.query.scopes import OfPage, Scopes, id_named, marked, narrow, scope_values, split_inside, split_project

__all__ = [
    "MAX_DEPTH",
    "Group",
    "Leaf",
    "Node",
    "WireLeaf",
    "both",
    "either",
    "reads_of",
    "refuse_unsent",
    "only_sent",
    "fixed",
    "is_never",
    "leaves",
    "resolve",
]

MAX_DEPTH = 100
"""How deep conditions may nest. Width is not limited: ten thousand terms side by side are one level."""


@attrs.frozen(slots=True)
class Leaf:
    """One condition on one path. ``operand`` is in normal form."""

    path: Path
    lookup: Lookup
    operand: Any
    negated: bool = False

    def __str__(self) -> str:
        value = _words(self.operand)
        shown = value if len(value) <= 60 else value[:57] + "..."
        return f"{'not ' if self.negated else ''}{self.path.dotted} {self.lookup.phrase} {shown}"


def _words(value: Any) -> str:
    if isinstance(value, datetime):
        return format_datetime(value)
    if isinstance(value, (list, tuple)) and any(isinstance(item, datetime) for item in value[:20]):
        return f"[{', '.join(map(_words, value[:20]))}]"
    return repr(value)


@attrs.frozen(slots=True)
class Group:
    """Conditions joined by AND or OR; never empty, and never containing a group with the same connector."""

    connector: Literal["AND", "OR"]
    children: tuple[Node, ...]

    def __str__(self) -> str:
        shown = [f"({item})" if isinstance(item, Group) else str(item) for item in self.children[:12]]
        if len(self.children) > 12:
            shown.append(f"... {len(self.children) - 12} more")
        return f" {self.connector} ".join(shown)


@attrs.frozen(slots=True)
class WireLeaf:
    """A filter that is sent as it is. ``here`` means the same, for where it cannot be sent; None if nothing does."""

    text: str
    negated: bool = False
    here: Node | None = None

    @property
    def wire(self) -> dict[str, Any]:
        """The filter."""
        found: dict[str, Any] = loads(self.text)
        return {"$nor": [found]} if self.negated else found

    def __str__(self) -> str:
        shown = self.text if len(self.text) <= 60 else self.text[:57] + "..."
        return f"{'not ' if self.negated else ''}{shown}, as it is"


Node = Leaf | WireLeaf | Group


def resolve(meta: EntityMeta, condition: Q, negated: bool = False) -> tuple[Node | None, Scopes]:
    """Resolve a condition to its tree and the scopes (``project``, ``entity`` ...) found at its top level.

    Raises :class:`FieldError` for an unknown field or lookup, a wrong value, a scope that is not at the top level of an
    AND, or nesting deeper than :data:`MAX_DEPTH`.
    """
    if condition.depth > MAX_DEPTH:
        raise FieldError(
            f"the condition is nested {condition.depth} levels deep, and the limit is {MAX_DEPTH}; "
            "join terms of one kind side by side (Q | Q | Q is one level) or use in=[...]"
        )
    scopes: Scopes = {}
    node = _resolve(meta, condition, negated, scopes, top=True)
    return node, scopes


def _resolve(meta: EntityMeta, item: Item, negated: bool, scopes: Scopes, top: bool) -> Node | None:
    if isinstance(item, Wire):
        here = None if item.here is None else _resolve(meta, item.here, negated, scopes, top=False)
        return WireLeaf(item.text, negated, here)
    if isinstance(item, Term):
        return _leaf(meta, item, negated, scopes, top)
    flipped = negated != item.negated
    connector: Connector = item.connector
    if flipped:
        connector = "OR" if connector == "AND" else "AND"
    # A scope may appear in a plain AND, or in a group of one, whatever its connector.
    inner_top = top and not flipped and (item.connector == "AND" or len(item.children) == 1)
    children = [_resolve(meta, child, flipped, scopes, inner_top) for child in item.children]
    return _join(connector, [child for child in children if child is not None])


def _join(connector: Connector, nodes: list[Node]) -> Node | None:
    flat: list[Node] = []
    for node in nodes:
        if isinstance(node, Group) and node.connector == connector:
            flat.extend(node.children)
        else:
            flat.append(node)
    if not flat:
        return None
    return flat[0] if len(flat) == 1 else Group(connector, tuple(flat))


def both(one: Node | None, other: Node | None) -> Node | None:
    """The AND of two conditions; None means no condition."""
    return _join("AND", [node for node in (one, other) if node is not None])


def either(one: Node | None, other: Node | None) -> Node | None:
    """The OR of two conditions; None means no condition."""
    return None if one is None or other is None else _join("OR", [one, other])


def _leaf(meta: EntityMeta, term: Term, negated: bool, scopes: Scopes, top: bool) -> Node | None:
    name = term.path if isinstance(term.path, str) else term.path.field
    scope, _, scope_lookup = name.partition("__")
    if scope in meta.options.scopes and not (isinstance(term.path, PathExpr) and term.path.keys):
        lookup = (scope_lookup or "exact") if term.lookup is None else term.lookup
        node_id = id_named(meta.options.scopes[scope], term.value, f"{meta.name} {scope}")
        if node_id is not None and lookup == "exact":
            return _leaf(meta, Term("node_id", "exact", node_id), negated, scopes, top)
        _add_scope(meta, scope, lookup, term.value, scopes, top and not negated)
        return None
    if isinstance(term.path, str):
        path, lookup_name = resolve_keyword(meta, term.path)
    else:
        path, lookup_name = resolve_expr(meta, term.path), term.lookup or "exact"
    entry = find_lookup(lookup_name)
    if entry is None:
        raise FieldError(f"unknown lookup {lookup_name!r}; the lookups are {', '.join(LOOKUPS)}")
    if entry.rewrite is not None:
        try:
            rewritten = entry.rewrite(PathExpr(path.field.name, path.keys), term.value)
        except WbmodelError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"the plugin lookup {lookup_name!r} failed: {type(error).__name__}: {error}") from error
        if not isinstance(rewritten, Q):
            raise FieldError(f"the plugin lookup {lookup_name!r} returned {rewritten!r} instead of a Q")
        return _resolve(meta, rewritten, negated, scopes, top=False)
    if path.kind is Kind.TIME:
        days = of_days(PathExpr(path.field.name, path.keys), entry.name, term.value)
        if days is not None:
            return _resolve(meta, days, negated, scopes, top=False)
    where = f"{meta.name} {path.dotted} {entry.name}"
    if path.field.kind is Kind.REF and path.related is None:
        return _relation(meta, path, entry, term.value, negated, scopes, top, where)
    return _made(path, entry, term.value, negated, where)


def _made(path: Path, entry: Lookup, value: Any, negated: bool, where: str) -> Leaf:
    _check_whole(path, entry, where)
    operand = entry.accept(value, path.kind, where)
    if path.leaf.is_blank:
        operand = [item or None for item in operand] if isinstance(operand, list) else operand
        operand = None if operand == "" and entry.name in ("exact", "ne") else operand
    if path.leaf.choices and entry.name in ("exact", "ne", "in", "nin"):
        _check_choices(path, operand if isinstance(operand, list) else [operand], where)
    flip = entry.inverse is not None
    return Leaf(path, LOOKUPS[entry.inverse] if entry.inverse else entry, operand, negated != flip)


def _check_choices(path: Path, values: list[Any], where: str) -> None:
    """Warn about words outside an enumeration. The list of values is the server's, so they are asked for anyway."""
    for value in values:
        if isinstance(value, str) and value not in path.leaf.choices:
            near = [item for item in path.leaf.choices if item.lower() == value.lower()]
            told = f"; did you mean {near[0]!r}?" if near else suggestion(value, path.leaf.choices, "known values")
            several = [part.strip() for part in value.split(",")]
            if len(several) > 1 and all(part in path.leaf.choices for part in several):
                told = f"; for any of several values write {path.field.name}__in={several}"
            warn(f"{where}: {value!r} is not a known {path.leaf.name}{told}", ChoiceWarning)


def _check_whole(path: Path, entry: Lookup, where: str) -> None:
    if path.kind.is_keyed and not path.keys and entry.name not in ("isnull", "exists", "exact"):
        raise FieldError(f"{where}: name a key inside {path.field.name}, as in {path.field.name}__lr__{entry.name}=...")
    if path.kind is Kind.TEXTS and not entry.on_texts:
        raise FieldError(f"{where}: {path.field.name} is a list; use contains, in, exact or isnull")


def _relation(
    meta: EntityMeta,
    path: Path,
    entry: Lookup,
    value: Any,
    negated: bool,
    scopes: Scopes,
    top: bool,
    where: str,
) -> Node:
    """A condition on a relation itself, which becomes one on the target's key.

    If the value is an object with a project, it also becomes a condition on that project, as keys are unique only
    within a project.
    """
    assert path.field.target is not None
    target = entity_meta(path.field.target)
    key = Path(path.field, (), target.fields[target.key])
    if entry.name in ("isnull", "exists"):
        return _made(key, entry, value, negated, where)
    many = entry.name in ("in", "nin") and not isinstance(value, str)
    items = list(value) if many else [value]
    objects: list[Any] = [item if isinstance(item, target.cls) else None for item in items]
    homes = [None if item is None else state.home(item) for item in objects]
    keys = [item if obj is None else getattr(obj, target.key) for item, obj in zip(items, objects, strict=True)]
    for at, item in enumerate(items):
        if isinstance(item, str) and "/" in item and target.name.lower() in INSIDE:
            *place, key_there = _inside(target, item, where)
            keys[at], homes[at] = marked(key_there, item), marked("/".join(place), item)
    if not any(homes):
        return _made(key, entry, keys if many else keys[0], negated, where)
    flipped = negated != (entry.inverse is not None)
    if top and not flipped and all(homes) and meta.home == PROJECT:
        found = tuple(dict.fromkeys(homes))
        narrow(scopes, meta.options.scopes, PROJECT, found)
        if len(found) == 1:
            # The scope already restricts the rows to this project.
            return _made(key, entry, keys if many else keys[0], negated, where)
    each = [_at_home(meta, key, item, home, flipped, where) for item, home in zip(keys, homes, strict=True)]
    joined = _join("AND" if flipped else "OR", each)
    assert joined is not None
    return joined


def _inside(target: EntityMeta, text: str, where: str) -> tuple[str, str, str]:
    """The parts of the path of an object in a project, where its key alone would do too."""
    entity, project, key = split_inside(target.name.lower(), text, where)
    if entity is None or project is None:
        raise FieldError(f"{where}: {text!r} does not name the entity; write entity/project/{key}")
    return entity, project, key


def _at_home(meta: EntityMeta, key: Path, value: Any, home: str | None, negated: bool, where: str) -> Node:
    exact = LOOKUPS["exact"]
    parts: list[Node] = [_made(key, exact, value, negated, where)]
    if home is not None:
        project = meta.fields[PROJECT]
        assert project.target is not None
        there = entity_meta(project.target)
        for name, part in zip((ENTITY, there.key), split_project(home), strict=True):
            parts.append(_made(Path(project, (), there.fields[name]), exact, part, negated, where))
    joined = _join("OR" if negated else "AND", parts)
    assert joined is not None
    return joined


def _add_scope(meta: EntityMeta, scope: str, lookup: str, value: Any, scopes: Scopes, allowed: bool) -> None:
    where = f"{meta.name} {scope}"
    if lookup not in ("exact", "in"):
        raise FieldError(
            f"{where}: {scope} selects where to look and takes only {scope}=... or {scope}__in=[...], not {lookup!r}"
        )
    if not allowed:
        raise FieldError(
            f"{where}: {scope} selects where to look, so it belongs directly in filter() or under &, not under |, ~ or "
            f"exclude(); for several values use {scope}__in=[...]"
        )
    kind = meta.options.scopes[scope]
    if lookup == "in":
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            raise FieldError(f"{where}: in takes a list, not {value!r}")
        values: tuple[Any, ...] = ()
        for item in value:
            # A page is kept beside the same path, as its server is still to be compared with the session's.
            values += tuple(
                found for found in scope_values(kind, item, where) if found not in values or isinstance(found, OfPage)
            )
    else:
        values = scope_values(kind, value, where)
    narrow(scopes, meta.options.scopes, scope, values)


# -- reading a tree --------------------------------------------------------------------------------


def leaves(node: Node | None) -> Iterator[Leaf]:
    """Every leaf of a tree, in order."""
    stack: list[Node] = [node] if node is not None else []
    while stack:
        item = stack.pop()
        if isinstance(item, Leaf):
            yield item
        elif isinstance(item, Group):
            stack.extend(reversed(item.children))
        elif item.here is not None:
            stack.append(item.here)


def only_sent(node: Node | None) -> WireLeaf | None:
    """A part of a tree that can only be sent, never evaluated here; None if there is none."""
    if isinstance(node, Group):
        return next((found for child in node.children if (found := only_sent(child)) is not None), None)
    return node if isinstance(node, WireLeaf) and node.here is None else None


def refuse_unsent(node: Node | None, why: str) -> None:
    """Raise :class:`FieldError` if a tree has a part that can only be sent, where it cannot be: ``why`` says so."""
    found = only_sent(node)
    if found is not None:
        raise FieldError(f"the filter {found.text} means something to the server only, and {why}")


def fixed(node: Node | None, path: Path) -> str | None:
    """The text that the top level of a condition requires at ``path``, or None."""
    items = node.children if isinstance(node, Group) and node.connector == "AND" else (node,)
    for item in items:
        if not isinstance(item, Leaf) or item.path != path or item.lookup.name != "exact" or item.negated:
            continue
        if isinstance(item.operand, str) and item.operand:
            return item.operand
    return None


def one_of(node: Node | None, path: Path) -> tuple[str, ...]:
    """The texts of which the top level of a condition requires one at ``path``; empty if it does not fix them."""
    items = node.children if isinstance(node, Group) and node.connector == "AND" else (node,)
    for item in items:
        if not isinstance(item, Leaf) or item.path != path or item.negated:
            continue
        texts = (item.operand,) if item.lookup.name == "exact" else item.operand if item.lookup.name == "in" else ()
        if texts and all(isinstance(text, str) and text for text in texts):
            return tuple(dict.fromkeys(texts))
    return ()


def reads_of(node: Node | None) -> tuple[Wanted, ...]:
    """What a tree needs of a row, without duplicates."""
    return tuple(dict.fromkeys(wanted for leaf in leaves(node) for wanted in leaf.path.reads))


def is_never(node: Node | None) -> bool:
    """Whether a tree cannot match any row, so that no request is needed: ``in=[]`` in an AND."""
    if node is None:
        return False
    if isinstance(node, Leaf):
        return node.lookup.name == "in" and not node.operand and not node.negated
    if isinstance(node, WireLeaf):
        return False
    verdicts = (is_never(child) for child in node.children)
    return any(verdicts) if node.connector == "AND" else all(verdicts)
