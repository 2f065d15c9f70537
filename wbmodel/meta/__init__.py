"""What there is: the vocabulary in which entities declare themselves, and the description that the other layers read.

An entity is an attrs class whose attributes are made by :func:`field` and :func:`relation`. From these
declarations come selection, hydration, filtering, ordering, the reference table and "did you mean". The query
and compiler layers see an :class:`EntityMeta` only, never an entity class, which is what keeps imports acyclic.
"""

from __future__ import annotations

from wbmodel.meta.entity import EntityMeta, all_entities, entity_meta, register
from wbmodel.meta.fields import FieldMeta, Kind, field, relation
from wbmodel.meta.wiring import Arg, Expansion, Options, Route, Step, ToManyMeta, Writes

__all__ = [
    "Arg",
    "EntityMeta",
    "Expansion",
    "FieldMeta",
    "Kind",
    "Options",
    "Route",
    "Step",
    "ToManyMeta",
    "Writes",
    "all_entities",
    "entity_meta",
    "field",
    "register",
    "relation",
]
