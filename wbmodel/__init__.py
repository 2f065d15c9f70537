"""wbmodel: the object model for machine-learning experiment data.

Declared entities, lazy querysets in Django's manner that compile to GraphQL, and backends that are plugins::

    from wbmodel import F, Run, connect

    connect("https://api.wandb.ai", project="acme/vision")
    for run in Run.objects.filter(F.summary["eval/acc"] > 0.9).order_by("-summary.loss")[:10]:
        print(run.name, run.config["lr"])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from wbmodel.entities.run import TERMINAL
from wbmodel.errors import WbmodelError
from wbmodel.meta.parts import Part
from wbmodel.objects.manager import Manager
from wbmodel.objects.queryset import QuerySet
from wbmodel.query.changes import Add, Remove, Set, Unset
from wbmodel.query.f import F
from wbmodel.query.q import Q

if TYPE_CHECKING:
    from wbmodel.api.public import Api
    from wbmodel.objects.history import HistorySet
    from wbmodel.objects.watch import Change
    from wbmodel.operations.bulk_result import BulkResult, RowResult
    from wbmodel.query.aggregates import (
        Count,
        First,
        Last,
        Max,
        Mean,
        Median,
        Min,
        Quantile,
        Std,
        Sum,
        everything_but,
    )
    from wbmodel.session.current import connect, connections, current_session, get_session
    from wbmodel.session.session import Session
    from wbmodel.session.trace import trace
    from wbmodel.table.scan import scan

__all__ = [
    "TERMINAL",
    "Add",
    "Api",
    "Artifact",
    "ArtifactCollection",
    "ArtifactType",
    "BulkResult",
    "Change",
    "Count",
    "Entity",
    "F",
    "File",
    "First",
    "HistorySet",
    "Last",
    "Manager",
    "Max",
    "Mean",
    "Median",
    "Min",
    "Part",
    "Project",
    "Q",
    "Quantile",
    "QuerySet",
    "Remove",
    "Report",
    "RowResult",
    "Run",
    "Session",
    "Set",
    "Std",
    "Sum",
    "Sweep",
    "Unset",
    "User",
    "WbmodelError",
    "__version__",
    "connect",
    "connections",
    "current_session",
    "errors",
    "everything_but",
    "get_session",
    "scan",
    "trace",
]

# Sessions import pluggy and the drivers, which a script needs only once it connects.
_LATER = {
    "Api": "wbmodel.api.public",
    "BulkResult": "wbmodel.operations.bulk_result",
    "Change": "wbmodel.objects.watch",
    "Count": "wbmodel.query.aggregates",
    "First": "wbmodel.query.aggregates",
    "HistorySet": "wbmodel.objects.history",
    "Last": "wbmodel.query.aggregates",
    "Max": "wbmodel.query.aggregates",
    "Mean": "wbmodel.query.aggregates",
    "Median": "wbmodel.query.aggregates",
    "Min": "wbmodel.query.aggregates",
    "Quantile": "wbmodel.query.aggregates",
    "RowResult": "wbmodel.operations.bulk_result",
    "Std": "wbmodel.query.aggregates",
    "Sum": "wbmodel.query.aggregates",
    "Session": "wbmodel.session.session",
    "connect": "wbmodel.session.current",
    "connections": "wbmodel.session.current",
    "current_session": "wbmodel.session.current",
    "everything_but": "wbmodel.query.aggregates",
    "get_session": "wbmodel.session.current",
    "scan": "wbmodel.table.scan",
    "trace": "wbmodel.session.trace",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        import importlib

        globals()[name] = found = getattr(importlib.import_module(_LATER[name]), name)
        return found
    raise AttributeError(f"module 'wbmodel' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
