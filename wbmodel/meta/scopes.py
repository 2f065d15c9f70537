"""Scopes, which say where a query looks: their kinds, the values that each takes, and its parts."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ARTIFACT", "ENTITY", "PARTS", "PROJECT", "RUN", "SCOPE_KINDS", "TEXT"]

ENTITY, PROJECT, RUN, ARTIFACT, TEXT = "entity", "project", "run", "artifact", "text"
"""The kinds of scope. Entities that live in projects also name their scopes ``entity`` and ``project``."""

SCOPE_KINDS: Mapping[str, str] = {
    PROJECT: '"entity/project", "project", or a Project',
    ENTITY: '"entity", an Entity or a User',
    RUN: '"entity/project/run_id", or a Run',
    ARTIFACT: "an Artifact, or its node id",
    TEXT: "text",
}
"""A description of the values that each kind takes, for messages."""

PARTS: Mapping[str, tuple[str, ...]] = {ENTITY: (ENTITY,), PROJECT: (ENTITY, PROJECT), RUN: (ENTITY, PROJECT, RUN)}
"""The variables of scopes that are named by a path, outermost first. Other scopes are one variable each."""
