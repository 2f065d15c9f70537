"""Turn an entity's fields into a GraphQL selection, a plain tree of field names."""

from __future__ import annotations

from collections.abc import Mapping

from wbmodel.errors import FieldError, suggestion
from wbmodel.meta import EntityMeta, FieldMeta, Kind, entity_meta

__all__ = ["Tree", "check_related", "merge", "node_selection"]

Tree = dict[str, "Tree"]
"""GraphQL field name (or ``... on Type``) -> the selection inside it, empty for a leaf."""


def node_selection(
    meta: EntityMeta,
    fields: tuple[str, ...],
    related: tuple[str, ...] = (),
    context: str | None = None,
    keys: Mapping[str, str] | None = None,
) -> Tree:
    """The selection of a node that loads ``fields``.

    ``related`` relations are widened to their default fields; ``context`` is the relation that the route itself
    provides. ``keys`` names the variable that holds the keys of a field to load in part.
    """
    tree: Tree = {}
    for name in fields:
        field = meta.fields[name]
        if name == context or field.through:
            continue
        inner: Tree = {}
        if field.kind is Kind.REF and not field.by_key:
            assert field.target is not None
            target = entity_meta(field.target)
            inner = node_selection(target, *related_fields(name, related, target, field.identity))
            if field.on is not None:
                inner = {"__typename": {}, f"... on {field.on}": inner}
        elif field.sub:
            for part in reversed(field.sub):
                inner = {part: inner}
            if field.belongs is not None:
                merge(
                    inner,
                    {field.belongs.name: {}, field.belongs.object: _reference(meta.fields[field.belongs.relation])},
                )
        variable = (keys or {}).get(name)
        merge(tree, {field.wire if variable is None else f"{field.wire}(keys: ${variable})": inner})
    return tree


def _reference(field: FieldMeta) -> Tree:
    """The selection that identifies the object of a relation."""
    assert field.target is not None
    target = entity_meta(field.target)
    return node_selection(target, *related_fields(field.name, (), target, field.identity))


def related_fields(
    name: str, related: tuple[str, ...], target: EntityMeta, identity: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields of a relation's target to load, and the relations to widen further inside it."""
    inner = tuple(part.partition(".")[2] for part in related if part.startswith(name + "."))
    widened = name in related or bool(inner)
    wanted = {
        *(target.default_fields() if widened else identity),
        "node_id",
        target.key,
        *(part.partition(".")[0] for part in inner),
    }
    return tuple(item for item in target.fields if item in wanted), inner


def merge(tree: Tree, other: Tree) -> Tree:
    """Add ``other`` to ``tree``, merging the selections inside fields that both have."""
    for name, inner in other.items():
        merge(tree.setdefault(name, {}), inner)
    return tree


def check_related(meta: EntityMeta, dotted: str) -> str:
    """The normal form of a ``select_related`` path. Raises :class:`FieldError` if it cannot be widened."""
    parts = dotted.replace("__", ".").split(".")
    at, known = meta, []
    for part in parts:
        field = at.find(part)
        choices = [item.name for item in at.fields.values() if item.kind is Kind.REF and not item.by_key]
        if field is not None and field.kind is Kind.REF and field.by_key:
            raise FieldError(
                f"select_related({dotted!r}): {at.name}.{field.name} is only known by its key and cannot "
                f"be widened; use prefetch_related({field.name!r})"
            )
        if field is None or field.kind is not Kind.REF:
            many = "; it is a to-many relation, use prefetch_related" if part in at.to_many else ""
            raise FieldError(
                f"select_related({dotted!r}): {at.name} has no to-one relation "
                f"{part!r}{many or suggestion(part, choices)}"
            )
        known.append(field.name)
        assert field.target is not None
        at = entity_meta(field.target)
    return ".".join(known)
