"""Scopes: what says where a query looks. Which kinds there are, what each takes, and what it is made of."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ARTIFACT", "ENTITY", "PARTS", "PROJECT", "RUN", "SCOPE_KINDS", "TEXT"]

ENTITY, PROJECT, RUN, ARTIFACT, TEXT = "entity", "project", "run", "artifact", "text"
"""The kinds. What lives in projects has scopes of the first two names, too."""

SCOPE_KINDS: Mapping[str, str] = {
    PROJECT: '"entity/project", "project", or a Project',
    ENTITY: '"entity", an Entity or a User',
    RUN: '"entity/project/run_id", or a Run',
    ARTIFACT: "an Artifact, or its node id",
    TEXT: "text",
}
"""What a scope of each kind takes, in words."""

PARTS: Mapping[str, tuple[str, ...]] = {ENTITY: (ENTITY,), PROJECT: (ENTITY, PROJECT), RUN: (ENTITY, PROJECT, RUN)}
"""The variables of the places that are named by a path, the outermost first. A scope of another kind is one variable of
its own name."""
