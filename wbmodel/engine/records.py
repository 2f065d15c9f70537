"""What a store holds: one slotted record per thing, in plain Python values.

A record knows its parents (a run its project, a project its entity); everything that points the other way, and
every list, is asked of the store. Records are compared by their id, as two views give two records of one thing. They
are changed through the store (``update``), which gives the record as it is then; one from before is stale.

Node ids (``id``) are opaque, unique in a store and stay for the life of the object, also when it is renamed.
Datetimes are aware. ``config`` and ``summary`` hold unwrapped values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Literal

import attrs

from wbmodel.codec import loads_numbers
from wbmodel.engine.streams import ConsoleStream, RowStream, Stream, console_of, events_of, history_of
from wbmodel.engine.text import encode

__all__ = [
    "AliasRecord",
    "ArtifactRecord",
    "ArtifactTypeRecord",
    "CollectionRecord",
    "ConsoleLine",
    "EntityRecord",
    "FileRecord",
    "MembershipRecord",
    "PageLoader",
    "ProjectRecord",
    "Record",
    "RunRecord",
    "SweepRecord",
    "UserRecord",
    "ViewRecord",
    "load_config_text",
    "load_summary_text",
]


# Shared, as most runs of a big world lack some: a stream does not change, writing to one gives another.
_NO_ROWS, _NO_EVENTS, _NO_LINES = RowStream(), RowStream(steps=False), ConsoleStream()


@attrs.define(slots=True, eq=False, kw_only=True)
class Record:
    """The part that all records share."""

    id: str
    created_at: datetime
    updated_at: datetime | None = None
    _loader: PageLoader | None = attrs.field(default=None, init=False)

    def defer(self, loader: PageLoader, parts: Iterable[str]) -> None:
        """Come without these attributes: ``loader`` gives them to all rows of the page when one is asked for any."""
        self._loader = loader
        deferring: Any = _deferring
        self.__class__ = deferring(type(self))
        for name in parts:
            delattr(self, name)

    def forget_texts(self) -> None:
        """Drop texts cached for the wire. The store calls it after a change."""

    def __repr__(self) -> str:
        name = getattr(self, "path", None) or getattr(self, "name", None)
        return f"<{type(self).__name__} {name or self.id}>"


@cache
def _deferring(cls: Any) -> Any:
    """The class of records that come without a part. One of their own, as a class with ``__getattr__`` is slower to
    read (a page of 1,000 whole runs by a quarter)."""

    def load(self: Any, name: str) -> Any:
        # Only for a slot that is not filled: attributes that are there never come here.
        loader = None if name.startswith("_") else self._loader
        if loader is None or not loader.load(name):
            raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r}")
        return object.__getattribute__(self, name)

    if "__getattr__" in cls.__dict__:
        return cls
    return type(cls.__name__, (cls,), {"__slots__": (), "__getattr__": load, "__module__": cls.__module__})


class PageLoader:
    """What the rows of one page share: gives all of them a part that they came without, in one go.

    ``parts`` maps attributes (``config``, ``summary``, ``user``) to functions of all rows, which give a value for each,
    in order. Making the loader takes these attributes from the rows.
    """

    def __init__(self, rows: Sequence[Record], parts: Mapping[str, Callable[[Sequence[Any]], Iterable[Any]]]) -> None:
        self._rows = rows
        self._parts = parts
        for row in rows:
            row.defer(self, parts)

    def load(self, name: str) -> bool:
        """Give every row its part; False where this is not one."""
        read = self._parts.get(name)
        if read is None:
            return False
        for row, value in zip(self._rows, read(self._rows), strict=True):
            setattr(row, name, value)
        return True


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class UserRecord(Record):
    """A person or service account. ``name`` is the shown name, ``entity`` the name of the default entity."""

    username: str
    name: str
    email: str | None = None
    admin: bool = False
    entity: str | None = None
    photo_url: str | None = None
    flags: dict[str, Any] = attrs.field(factory=dict)


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class EntityRecord(Record):
    """The owner of projects: a team, or a user's own space (``user`` is set). ``members`` are usernames."""

    name: str
    is_team: bool = False
    user: UserRecord | None = None
    members: list[str] = attrs.field(factory=list)
    photo_url: str | None = None


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class ProjectRecord(Record):
    """A project. ``number`` is the integer inside ``Project.internalId`` and ``Run.projectId``."""

    name: str
    entity: EntityRecord
    number: int
    description: str | None = None
    access: str | None = None
    user: UserRecord | None = None
    is_benchmark: bool = False
    docker_image: str | None = None
    repo: str | None = None
    views: dict[str, Any] | None = None

    @property
    def path(self) -> str:
        """``"entity/project"``."""
        return f"{self.entity.name}/{self.name}"


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class SweepRecord(Record):
    """A sweep. ``config`` is its definition; ``config_source`` the YAML text as it came, if it came as text."""

    name: str
    project: ProjectRecord
    state: str = "RUNNING"
    display_name: str | None = None
    description: str | None = None
    config: dict[str, Any] = attrs.field(factory=dict)
    config_source: str | None = None
    user: UserRecord | None = None
    heartbeat_at: datetime | None = None
    run_count_expected: int | None = None
    controller: str | None = None
    scheduler: str | None = None

    @property
    def path(self) -> str:
        """``"entity/project/sweep"``."""
        return f"{self.project.path}/{self.name}"

    @property
    def config_text(self) -> str:
        """YAML text of the definition: the text that came, else JSON text, which is YAML too."""
        return self.config_source if self.config_source is not None else encode(self.config)

    @property
    def method(self) -> str:
        """``grid``, ``random``, ``bayes`` or what else the definition says; ``custom`` when it says nothing."""
        method = self.config.get("method")
        return method if isinstance(method, str) else "custom"


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class ViewRecord(Record):
    """A report (``type`` ``runs``) or its draft (``runs/draft``); ``spec`` is the decoded report specification."""

    name: str
    project: ProjectRecord
    type: str = "runs"
    display_name: str | None = None
    description: str | None = None
    spec: Any = None
    user: UserRecord | None = None
    _spec_text: str | None = attrs.field(default=None, init=False)

    @property
    def spec_text(self) -> str | None:
        """JSON text of ``spec``."""
        if self._spec_text is None and self.spec is not None:
            self._spec_text = encode(self.spec)
        return self._spec_text

    def forget_texts(self) -> None:
        self._spec_text = None


@attrs.define(slots=True, eq=False, kw_only=True)
class ConsoleLine:
    """One line of the terminal. ``timestamp`` is kept as text: it is a plain ``String`` on the wire."""

    line: str
    level: str | None = None
    timestamp: str | None = None
    label: str | None = None


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class FileRecord(Record):
    """A run file or an entry of an artifact's manifest.

    ``owner`` is the run or artifact. ``content`` is bytes, a callable that gives them, or None for a reference
    (``ref``) and for files whose bytes are elsewhere. ``size`` is in bytes; ``digest`` is base64 of the MD5.
    """

    name: str
    owner: RunRecord | ArtifactRecord
    size: int = 0
    digest: str | None = None
    mimetype: str | None = None
    ref: str | None = None
    content: bytes | Callable[[], bytes] | None = None

    def read(self) -> bytes | None:
        """The bytes, or None when this store does not hold them."""
        return self.content() if callable(self.content) else self.content


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class RunRecord(Record):
    """A run. ``name`` is the short id of the URL, ``display_name`` what people see.

    ``config_wandb`` is the value of config's ``_wandb`` key exactly as it was on the wire and ``config_desc`` the
    descriptions that are not null, so that the wire text can be rebuilt. Streams may be given as rows, or as callables
    that read them at the first use; rows of the console are :class:`ConsoleLine`.
    """

    name: str
    project: ProjectRecord
    display_name: str | None = None
    state: str = "finished"
    config: dict[str, Any] = attrs.field(factory=dict)
    config_wandb: Any = None
    config_desc: dict[str, Any] | None = None
    summary: dict[str, Any] = attrs.field(factory=dict)
    tags: list[str] = attrs.field(factory=list)
    notes: str | None = None
    description: str | None = None
    group: str | None = None
    job_type: str | None = None
    commit: str | None = None
    heartbeat_at: datetime | None = None
    user: UserRecord | None = None
    sweep: SweepRecord | None = None
    exitcode: int | None = None
    stopped: bool = False
    host: str | None = None
    program: str | None = None
    repo: str | None = None
    history: Stream = attrs.field(default=_NO_ROWS, converter=history_of)
    events: Stream = attrs.field(default=_NO_EVENTS, converter=events_of)
    console: Stream = attrs.field(default=_NO_LINES, converter=console_of)
    _config_text: str | None = attrs.field(default=None, init=False)
    _summary_text: str | None = attrs.field(default=None, init=False)

    @property
    def path(self) -> str:
        """``"entity/project/run"``."""
        return f"{self.project.path}/{self.name}"

    @property
    def config_text(self) -> str:
        """Config as the wire has it: ``{"key": {"desc": null, "value": v}, ..., "_wandb": {...}}``."""
        if self._config_text is None:
            desc = self.config_desc or {}
            wire: dict[str, Any] = {k: {"desc": desc.get(k), "value": v} for k, v in self.config.items()}
            if self.config_wandb is not None:
                wire["_wandb"] = self.config_wandb
            self._config_text = encode(wire)
        return self._config_text

    @property
    def summary_text(self) -> str:
        """Summary as JSON text, with bare NaN and Infinity tokens."""
        if self._summary_text is None:
            self._summary_text = encode(self.summary)
        return self._summary_text

    def forget_texts(self) -> None:
        self._config_text = self._summary_text = None


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class ArtifactTypeRecord(Record):
    """A type of artifact in a project (``dataset``, ``model``)."""

    name: str
    project: ProjectRecord
    description: str | None = None


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class CollectionRecord(Record):
    """A named list of artifact versions: a *sequence* that owns them, or a *portfolio* of links to them."""

    name: str
    project: ProjectRecord
    type: ArtifactTypeRecord
    kind: Literal["sequence", "portfolio"] = "sequence"
    description: str | None = None
    tags: list[str] = attrs.field(factory=list)

    @property
    def path(self) -> str:
        """``"entity/project/collection"``."""
        return f"{self.project.path}/{self.name}"


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class ArtifactRecord(Record):
    """One version of an artifact. ``sequence`` owns it; ``version_index`` is the n of ``vn`` there.

    ``digest`` is the hex MD5 of the manifest (version 1 rule), ``size`` bytes of all files together, ``metadata`` plain
    values. ``logged_by`` is the run or user that made it; ``memberships`` its places, that in ``sequence`` first.
    """

    sequence: CollectionRecord
    version_index: int
    digest: str
    state: Literal["COMMITTED", "PENDING", "DELETED"] = "COMMITTED"
    description: str | None = None
    metadata: dict[str, Any] = attrs.field(factory=dict)
    size: int = 0
    tags: list[str] = attrs.field(factory=list)
    memberships: list[MembershipRecord] = attrs.field(factory=list)
    logged_by: RunRecord | UserRecord | None = None
    commit: str | None = None
    history_step: int | None = None
    _metadata_text: str | None = attrs.field(default=None, init=False)

    @property
    def path(self) -> str:
        """``"entity/project/collection:vN"``."""
        return f"{self.sequence.path}:v{self.version_index}"

    @property
    def metadata_text(self) -> str:
        """JSON text of ``metadata``."""
        if self._metadata_text is None:
            self._metadata_text = encode(self.metadata)
        return self._metadata_text

    def forget_texts(self) -> None:
        self._metadata_text = None


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class MembershipRecord(Record):
    """That an artifact is version ``version_index`` of a collection, with its aliases there (``v3`` is not listed)."""

    collection: CollectionRecord
    artifact: ArtifactRecord
    version_index: int
    aliases: list[str] = attrs.field(factory=list)


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class AliasRecord(Record):
    """An alias of a version in a collection, as a thing of its own."""

    alias: str
    membership: MembershipRecord

    @classmethod
    def of(cls, membership: MembershipRecord) -> list[AliasRecord]:
        """The aliases of a version in a collection."""
        created = membership.created_at
        return [
            cls(id=f"{membership.id}:{alias}", created_at=created, alias=alias, membership=membership)
            for alias in membership.aliases
        ]


def load_config_text(text: str) -> tuple[dict[str, Any], Any, dict[str, Any] | None]:
    """``(config, _wandb part, descriptions)`` of config text as clients send it. Raises ``ValueError``.

    0.31.0 sends ``{"k": {"value": v}}`` and 0.10.28 ``{"k": {"desc": null, "value": v}}`` (seen); a value without
    that wrapping is taken as it is. Keys inside ``_wandb`` are not touched.
    """
    from wbmodel.codec import loads

    wire = loads(text)
    if not isinstance(wire, dict):
        raise ValueError("config must be a JSON object")
    config: dict[str, Any] = {}
    desc: dict[str, Any] = {}
    for key, value in wire.items():
        if key == "_wandb":
            continue
        if isinstance(value, Mapping) and "value" in value and value.keys() <= {"desc", "value"}:
            config[key] = value["value"]
            if value.get("desc") is not None:
                desc[key] = value["desc"]
        else:
            config[key] = value
    return config, wire.get("_wandb"), desc or None


def load_summary_text(text: str) -> dict[str, Any]:
    """The summary dict of its text; the texts ``"NaN"``, ``"Infinity"``, ``"-Infinity"`` become floats."""
    summary = loads_numbers(text)
    if not isinstance(summary, dict):
        raise ValueError("summaryMetrics must be a JSON object")
    return summary
