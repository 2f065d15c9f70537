"""wbmodel: the object model for machine-learning experiment data.

Declared entities, lazy querysets in Django's manner that compile to GraphQL, and backends that are plugins::

    from wbmodel import F, Run, connect

    connect("https://api.wandb.ai", project="acme/vision")
    for run in Run.objects.filter(F.summary["eval/acc"] > 0.9).order_by("-summary.loss")[:10]:
        print(run.name, run.config["lr"])
"""

from __future__ import annotations

from wbmodel import errors
from wbmodel._version import __version__
from wbmodel.entities import (
    Artifact,
    ArtifactCollection,
    ArtifactType,
    Entity,
    File,
    Project,
    Report,
    Run,
    Sweep,
    User,
)
from wbmodel.errors import WbmodelError
from wbmodel.objects.manager import Manager
from wbmodel.objects.queryset import QuerySet
from wbmodel.query.f import F
from wbmodel.query.q import Q
from wbmodel.session.current import connect, connections, current_session, get_session
from wbmodel.session.session import Session

__all__ = [
    "Artifact",
    "ArtifactCollection",
    "ArtifactType",
    "Entity",
    "F",
    "File",
    "Manager",
    "Project",
    "Q",
    "QuerySet",
    "Report",
    "Run",
    "Session",
    "Sweep",
    "User",
    "WbmodelError",
    "__version__",
    "connect",
    "connections",
    "current_session",
    "errors",
    "get_session",
]
