"""Scopes, which say where a query looks: their kinds, the values that each takes, and its parts."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "ARTIFACT",
    "ENTITY",
    "INSIDE",
    "MEMBER",
    "PARTS",
    "PROJECT",
    "RUN",
    "SCOPE_KINDS",
    "SWEEP",
    "TEXT",
    "VERSION",
]

ENTITY, PROJECT, RUN, SWEEP, VERSION = "entity", "project", "run", "sweep", "version"
ARTIFACT, MEMBER, TEXT = "artifact", "member", "text"
"""The kinds of scope. Entities that live in projects also name their scopes ``entity`` and ``project``. A version is
named by its path, a member by its name in a project that is already known."""

SCOPE_KINDS: Mapping[str, str] = {
    PROJECT: '"entity/project", "project", the URL of its page, or a Project',
    ENTITY: '"entity", an Entity or a User',
    RUN: '"entity/project/run_id", the URL of its page, or a Run',
    SWEEP: '"entity/project/sweep_id", the URL of its page, or a Sweep',
    VERSION: '"entity/project/collection:v3", with an alias or digest for v3, its id, the URL of its page, or an '
    "Artifact",
    MEMBER: '"collection:v3", with an alias or digest for v3',
    ARTIFACT: "an Artifact, or its node id",
    TEXT: "text",
}
"""A description of the values that each kind takes, for messages."""

INSIDE: Mapping[str, tuple[str, str, str]] = {
    RUN: (RUN, "runs", "entity/project/run_id"),
    SWEEP: (SWEEP, "sweeps", "entity/project/sweep_id"),
    VERSION: ("name", "artifacts", "entity/project/collection:v3"),
}
"""What lives in a project and is named by a path: its variable, the word before it in URLs and how to write it."""

PARTS: Mapping[str, tuple[str, ...]] = {
    ENTITY: (ENTITY,),
    PROJECT: (ENTITY, PROJECT),
    **{kind: (ENTITY, PROJECT, variable) for kind, (variable, _, _) in INSIDE.items()},
}
"""The variables of scopes that are named by a path, outermost first. Other scopes are one variable each."""
