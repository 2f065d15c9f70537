"""``wandb.Api`` over wbmodel: the classes and errors that scripts for it name.

``from wbmodel import Api`` in place of ``from wandb import Api`` is all that most scripts need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wbmodel.api.errors import CommError, Error, NotHere, UsageError
from wbmodel.api.public import Api

if TYPE_CHECKING:
    from wbmodel.api.artifacts import (
        Artifact,
        ArtifactCollection,
        ArtifactType,
        ArtifactVersions,
        ProjectArtifactCollections,
        ProjectArtifactTypes,
        RunArtifacts,
    )
    from wbmodel.api.files import ArtifactFiles, File, Files
    from wbmodel.api.projects import Project, Projects
    from wbmodel.api.query_generator import QueryGenerator
    from wbmodel.api.reports import BetaReport, Reports
    from wbmodel.api.runs import Run, Runs
    from wbmodel.api.summary import HTTPSummary
    from wbmodel.api.sweeps import Sweep, Sweeps
    from wbmodel.api.users import User

__all__ = [
    "Api",
    "Artifact",
    "ArtifactCollection",
    "ArtifactFiles",
    "ArtifactType",
    "ArtifactVersions",
    "BetaReport",
    "CommError",
    "Error",
    "File",
    "Files",
    "HTTPSummary",
    "NotHere",
    "Project",
    "ProjectArtifactCollections",
    "ProjectArtifactTypes",
    "Projects",
    "QueryGenerator",
    "Reports",
    "Run",
    "RunArtifacts",
    "Runs",
    "Sweep",
    "Sweeps",
    "UsageError",
    "User",
]

_LATER = {
    "Artifact": "wbmodel.api.artifacts",
    "ArtifactCollection": "wbmodel.api.artifacts",
    "ArtifactFiles": "wbmodel.api.files",
    "ArtifactType": "wbmodel.api.artifacts",
    "ArtifactVersions": "wbmodel.api.artifacts",
    "BetaReport": "wbmodel.api.reports",
    "File": "wbmodel.api.files",
    "Files": "wbmodel.api.files",
    "HTTPSummary": "wbmodel.api.summary",
    "Project": "wbmodel.api.projects",
    "ProjectArtifactCollections": "wbmodel.api.artifacts",
    "ProjectArtifactTypes": "wbmodel.api.artifacts",
    "Projects": "wbmodel.api.projects",
    "QueryGenerator": "wbmodel.api.query_generator",
    "Reports": "wbmodel.api.reports",
    "Run": "wbmodel.api.runs",
    "RunArtifacts": "wbmodel.api.artifacts",
    "Runs": "wbmodel.api.runs",
    "Sweep": "wbmodel.api.sweeps",
    "Sweeps": "wbmodel.api.sweeps",
    "User": "wbmodel.api.users",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        import importlib

        globals()[name] = found = getattr(importlib.import_module(_LATER[name]), name)
        return found
    raise AttributeError(f"module 'wbmodel.api' has no attribute {name!r}")
