"""The entities: one class per kind of W&B object."""

from __future__ import annotations

from wbmodel.entities.artifact import Artifact, ArtifactCollection, ArtifactType
from wbmodel.entities.file import File
from wbmodel.entities.project import Project
from wbmodel.entities.report import Report
from wbmodel.entities.run import Run
from wbmodel.entities.sweep import Sweep
from wbmodel.entities.user import Entity, User

__all__ = [
    "Artifact",
    "ArtifactCollection",
    "ArtifactType",
    "Entity",
    "File",
    "Project",
    "Report",
    "Run",
    "Sweep",
    "User",
]
