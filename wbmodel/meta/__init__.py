"""The vocabulary for declaring entities, and the description of an entity that the other layers read.

An entity is an attrs class whose attributes are made by :func:`field` and :func:`relation`. Selection, hydration,
filtering, ordering, the reference tables and "did you mean" all derive from these declarations. The query and compiler
layers see only an :class:`EntityMeta`, never an entity class, which keeps imports acyclic.
"""

from __future__ import annotations

from wbmodel.meta.entity import EntityMeta, all_entities, entity_meta, register
from wbmodel.meta.fields import Belongs, FieldMeta, Kind, ReadOnly, Tally, field, relation
from wbmodel.meta.wiring import Arg, Beside, Difference, Expansion, Options, Route, Step, Streams, ToManyMeta, Writes

__all__ = [
    "Arg",
    "Belongs",
    "Beside",
    "Difference",
    "EntityMeta",
    "Expansion",
    "FieldMeta",
    "Kind",
    "Options",
    "ReadOnly",
    "Route",
    "Step",
    "Streams",
    "Tally",
    "ToManyMeta",
    "Writes",
    "all_entities",
    "entity_meta",
    "field",
    "register",
    "relation",
]
