"""The engine: executes W&B's GraphQL over a store of plain records.

``MemoryStore`` holds a world; ``Engine(store).execute(request)`` answers documents about it; ``Dialect`` sets behaviour
that is not known of the real server. Importing this package does not import graphql-core, msgspec or yaml.
"""

from __future__ import annotations

from wbmodel.engine.backend import EngineBackend
from wbmodel.engine.conditions import All, Compare, Condition, Json, Not, Path, Some
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.evaluate import predicate
from wbmodel.engine.execute import Engine
from wbmodel.engine.fields import LanguageError
from wbmodel.engine.histories import Exports, Histories
from wbmodel.engine.lists import ListStore
from wbmodel.engine.memory import MemoryStore
from wbmodel.engine.records import (
    AliasRecord,
    ArtifactRecord,
    ArtifactTypeRecord,
    CollectionRecord,
    ConsoleLine,
    EntityRecord,
    FileRecord,
    MembershipRecord,
    PageLoader,
    ProjectRecord,
    Record,
    RunRecord,
    SweepRecord,
    UserRecord,
    ViewRecord,
)
from wbmodel.engine.select import Group, KeyFacts, Page, Select, Term
from wbmodel.engine.store import Catalog, Changes, Selection, Store, StoreError, View, WritableStore, Writer
from wbmodel.engine.streams import ConsoleStream, RowStream, Stream

__all__ = [
    "EngineBackend",
    "ConsoleStream",
    "RowStream",
    "Stream",
    "Catalog",
    "Changes",
    "Group",
    "KeyFacts",
    "ListStore",
    "Page",
    "PageLoader",
    "Select",
    "Selection",
    "Term",
    "View",
    "WritableStore",
    "Writer",
    "All",
    "Compare",
    "Condition",
    "Json",
    "LanguageError",
    "Not",
    "Path",
    "Some",
    "predicate",
    "AliasRecord",
    "ArtifactRecord",
    "ArtifactTypeRecord",
    "CollectionRecord",
    "ConsoleLine",
    "Dialect",
    "Exports",
    "Histories",
    "Engine",
    "EntityRecord",
    "FileRecord",
    "MembershipRecord",
    "MemoryStore",
    "ProjectRecord",
    "Record",
    "RunRecord",
    "Store",
    "StoreError",
    "SweepRecord",
    "UserRecord",
    "ViewRecord",
]
