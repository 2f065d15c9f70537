"""Content of the reference pages on entities, aliases, lookups and capabilities, made from declarations.

Each function returns the texts for the placeholders ``{{name}}`` of the template of the same name in tools/reference.
"""

from __future__ import annotations

import inspect
import re
from datetime import timedelta
from typing import Any, get_args

import attrs

from tools.docs_markdown import markdown, members, signature, table
from wbmodel.backend import (
    AsyncBackend,
    Backend,
    BlobSink,
    BlobSource,
    Capabilities,
    ColumnSink,
    ColumnSource,
    SyncBackend,
)
from wbmodel.backend.asks import DOOR_OF_ASK, Ask
from wbmodel.backend.verbs import Verb
from wbmodel.codec import dumps
from wbmodel.compiler.filters import compile_filter
from wbmodel.entities.base import Model
from wbmodel.entities.written import Written
from wbmodel.meta import EntityMeta, FieldMeta, Kind, all_entities
from wbmodel.meta.parts import Part
from wbmodel.meta.scopes import SCOPE_KINDS
from wbmodel.query.conditions import resolve
from wbmodel.query.lookups import LOOKUPS, Lookup
from wbmodel.query.q import Q

__all__ = ["aliases", "capabilities", "entities", "lookup_condition", "lookups"]

ORDER = [
    "Project",
    "Run",
    "Sweep",
    "Report",
    "Artifact",
    "ArtifactCollection",
    "ArtifactType",
    "File",
    "User",
    "Entity",
]


def _metas() -> list[EntityMeta]:
    known = all_entities()
    own = {name for name, meta in known.items() if meta.cls.__module__.startswith("wbmodel.")}
    if own != set(ORDER):
        raise LookupError(f"ORDER and the declared entities differ: {sorted(own ^ set(ORDER))}")
    return [known[name] for name in ORDER]


# -- entities --------------------------------------------------------------------------------------


_EDITS = {"clear", "copy", "items", "keys", "pop", "popitem", "setdefault", "update", "values"}
"""Methods of a dict, all of which a part refuses."""


def entities() -> dict[str, str]:
    """The members that all entities share, then one section per entity."""
    rows = [
        ("`objects`", "On the class: a fresh queryset. See [querysets](querysets.md)."),
        ("`node_id`", "The GraphQL id."),
        *members(Model),
        (
            "`DoesNotExist`",
            "On the class: raised by `get()` if no row matches. See [errors](errors.md#doesnotexist).",
        ),
        ("`MultipleObjectsReturned`", "On the class: raised by `get()` if several rows match."),
    ]
    return {
        "common": table(("member", "meaning"), rows),
        "written": table(("member", "meaning"), members(Written, types=True)),
        "part": markdown(Part.__doc__),
        "part_members": table(("member", "meaning"), members(Part, without=_EDITS, types=True)),
        "entities": "\n\n".join(map(_entity, _metas())),
    }


def _entity(meta: EntityMeta) -> str:
    cls = meta.cls
    order = ", ".join(f"`{key}`" for key in meta.options.order) or "the server's"
    head = f"GraphQL type `{meta.graphql}`. Key: `{meta.key}`. Default order: {order}."
    if meta.options.scopes:
        names = [f"`{name}` ({SCOPE_KINDS[kind]})" for name, kind in meta.options.scopes.items()]
        head += f" Scopes: {', '.join(names)}."
    annotations: dict[str, Any] = cls.__annotations__
    rows = [_field(meta, item, _type(annotations.get(item.name, ""))) for item in meta.fields.values()]
    columns = ("field", "type", "GraphQL", "loaded", "set", "filter", "order", "meaning")
    parts = [f"## {meta.name}", markdown(cls.__doc__), head, table(columns, rows)]
    if meta.to_many:
        many = []
        for item in meta.to_many.values():
            same = f"`{item.target}.objects.filter({item.scope}=...)`"
            many.append((f"`{item.name}`", f"`QuerySet[{item.target}]`", same, item.doc))
        parts.append(table(("to-many relation", "type", "the same as", "meaning"), many))
    own = members(cls, without={*meta.fields, *meta.to_many}, types=True)
    if own:
        parts.append(table(("property or method", "meaning"), own))
    return "\n\n".join(parts)


def _type(annotation: str) -> str:
    """The type that is read: the column ``set`` says whether it can be set."""
    return annotation.removeprefix("ReadOnly[").removesuffix("]") if annotation.startswith("ReadOnly[") else annotation


def _field(meta: EntityMeta, item: FieldMeta, annotation: object) -> tuple[str, ...]:
    wire = item.wire + "".join(f" {{ {part} }}" for part in item.sub)
    filtered = f"`{item.filter_path}`" if item.filter_path else ""
    doc = item.doc
    if item.kind is Kind.REF:
        filtered = ", ".join(f"`{path}`" for path in item.filters.values())
        inner = [name for name in item.identity if name != "node_id"]
        if item.name in meta.options.scopes:
            doc += f' In `filter()`: `{item.name}="..."`, which says where to look.'
        else:
            doc += " In queries: " + ", ".join(f"`{item.name}__{name}`" for name in inner) + "."
    elif item.kind.is_keyed:
        doc += f' In queries: `{item.name}__key`, `"{item.name}.key"`, `F.{item.name}["key"]`.'
    order = f"`{item.order_key}`" if item.order_key else ""
    loaded, settable = "yes" if item.selected else "", "yes" if item.editable and meta.options.writes else ""
    return f"`{item.name}`", f"`{annotation}`", f"`{wire}`", loaded, settable, filtered, order, doc


# -- aliases ---------------------------------------------------------------------------------------


def aliases() -> dict[str, str]:
    """One row per field that has aliases."""
    rows = [
        (meta.name, f"`{item.name}`", ", ".join(f"`{alias}`" for alias in item.aliases), f"`{item.wire}`")
        for meta in _metas()
        for item in meta.fields.values()
        if item.aliases
    ]
    return {"aliases": table(("entity", "field", "also", "GraphQL"), rows)}


# -- lookups ---------------------------------------------------------------------------------------

WEAK = Capabilities()
STRICT = Capabilities(strict_values=True, literal_keys=True, regex=True, exists=True)
OPERATORS = {"exact": "==", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def lookup_condition(entry: Lookup) -> Q:
    """The example of a lookup, as a condition."""
    made = eval(f"Q({entry.example})", {"Q": Q, "timedelta": timedelta})  # the text comes from our own declarations
    assert isinstance(made, Q)
    return made


def lookups() -> dict[str, str]:
    """What each built-in lookup takes, and where its example is evaluated."""
    run = all_entities()["Run"]
    rows, wires = [], []
    for entry in LOOKUPS.values():
        if entry.rewrite is not None:
            continue
        on_path = OPERATORS.get(entry.name) or f".{'in_' if entry.name == 'in' else entry.name}(...)"
        phrase, texts = entry.phrase.rstrip(":,"), "yes" if entry.on_texts else ""
        rows.append((f"`{entry.name}`", phrase, entry.takes, f"`{entry.example}`", f"`{on_path}`", texts))
        node, _ = resolve(run, lookup_condition(entry))
        weak, strict = compile_filter(node, WEAK), compile_filter(node, STRICT)
        wires.append((f"`{entry.name}`", weak.grade, _wire(entry, weak.wire), strict.grade, _wire(entry, strict.wire)))
    columns = ("lookup", "meaning", "takes", "example", "on an `F` path", "on a list of text")
    return {
        "lookups": table(columns, rows),
        "wires": table(("lookup", "promises nothing", "sent", "promises all", "sent"), wires),
    }


def _wire(entry: Lookup, wire: dict[str, Any] | None) -> str:
    if wire is None:
        return "nothing"
    text = dumps(wire)
    if entry.name == "within":  # relative to now
        text = re.sub(r"[0-9]{4}-[0-9-]+T[0-9:.]+Z", "...", text)
    return f"`{text}`"


# -- capabilities ----------------------------------------------------------------------------------


def capabilities() -> dict[str, str]:
    """The flags, the members of the backend protocol, the doors, asks and verbs."""
    flags = [
        (f"`{item.name}`", f"`{_shown(item.default)}`", Capabilities.doc(item.name))
        for item in attrs.fields(Capabilities)
    ]
    facts = members(
        Backend, without={name for name in vars(Backend) if inspect.isfunction(vars(Backend)[name])}, types=True
    )
    return {
        "flags": table(("flag", "default", "meaning"), flags),
        "backend": markdown(Backend.__doc__),
        "members": table(("member", "meaning"), [*facts, *_methods(Backend)]),
        "doors": "\n\n".join(
            f"**`{door.__name__}`**. {markdown(door.__doc__)}\n\n{table(('method', 'meaning'), _methods(door))}"
            for door in (ColumnSource, ColumnSink, BlobSource, BlobSink)
        ),
        "asks": table(("ask", "door", "meaning"), [_ask_row(kind) for kind in get_args(Ask)]),
        "verbs": table(
            ("verb", "meaning"), [(f"`{kind.__name__}`", markdown(kind.__doc__)) for kind in get_args(Verb)]
        ),
        "sync": markdown(SyncBackend.__doc__),
        "async": markdown(AsyncBackend.__doc__),
    }


def _methods(protocol: type) -> list[tuple[str, str]]:
    rows = []
    for name, item in vars(protocol).items():
        if inspect.isfunction(item) and not name.startswith("_"):
            colour = "async " if inspect.iscoroutinefunction(item) else ""
            rows.append((f"`{colour}{signature(item, name)}`", markdown(item.__doc__)))
    return rows


def _ask_row(kind: type) -> tuple[str, str, str]:
    return f"`{kind.__name__}`", DOOR_OF_ASK.get(kind) or "", markdown(kind.__doc__)


def _shown(value: object) -> str:
    return "{" + ", ".join(sorted(map(repr, value))) + "}" if isinstance(value, frozenset) else repr(value)
