"""What wbmodel declares, as material for cases: its entity classes, and the fields that the world has values of."""

from __future__ import annotations

from collections.abc import Iterator

from wbmodel.meta import EntityMeta, FieldMeta, all_entities
from wbmodel.testing.world import make_world

__all__ = ["OURS", "valued_fields"]

OURS: dict[str, EntityMeta] = {
    name: meta for name, meta in all_entities().items() if meta.cls.__module__.startswith("wbmodel.")
}
"""The entity classes of wbmodel itself by name. Authors of plugins test their own."""


def valued_fields() -> Iterator[tuple[EntityMeta, FieldMeta]]:
    """Every declared field that the world has values of and that does not need a key."""
    sample = make_world()
    samples = {"Project": sample.projects, "User": sample.users, "File": sample.files(sample.run("e-one"))}
    for name, meta in OURS.items():
        row = (samples.get(name) or sample.rows(name))[0]
        for field in meta.fields.values():
            if field.name in row and not field.kind.is_keyed:
                yield meta, field
