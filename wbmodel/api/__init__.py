"""``wandb.Api`` over wbmodel: the classes and errors that scripts for it name.

``from wbmodel import Api`` in place of ``from wandb import Api`` is all that most scripts need.
"""

from __future__ import annotations

from wbmodel.api.artifact_collections import (
    ArtifactCollection,
    ArtifactType,
    ProjectArtifactCollections,
    ProjectArtifactTypes,
)
from wbmodel.api.artifacts import Artifact, ArtifactVersions, RunArtifacts
from wbmodel.api.console_logs import ConsoleLogLine, ConsoleLogs
from wbmodel.api.errors import CommError, Error, NotHere, UsageError
from wbmodel.api.files import ArtifactFiles, File, Files
from wbmodel.api.histories import HistoryScan, SampledHistoryScan
from wbmodel.api.manifests import ArtifactManifest, ArtifactManifestEntry
from wbmodel.api.projects import Project, Projects
from wbmodel.api.public import Api
from wbmodel.api.query_generator import QueryGenerator
from wbmodel.api.reports import BetaReport, Reports
from wbmodel.api.runs import Run, Runs
from wbmodel.api.summary import HTTPSummary
from wbmodel.api.sweeps import Sweep, Sweeps
from wbmodel.api.tables import Table
from wbmodel.api.users import User

__all__ = [
    "Api",
    "Artifact",
    "ArtifactCollection",
    "ArtifactFiles",
    "ArtifactManifest",
    "ArtifactManifestEntry",
    "ArtifactType",
    "ArtifactVersions",
    "BetaReport",
    "CommError",
    "ConsoleLogLine",
    "ConsoleLogs",
    "Error",
    "File",
    "Files",
    "HTTPSummary",
    "HistoryScan",
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
    "SampledHistoryScan",
    "Sweep",
    "Sweeps",
    "Table",
    "UsageError",
    "User",
]
