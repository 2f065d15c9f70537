"""The records in a store: one slotted record per object, in plain Python values.

A record knows its parents (a run its project, a project its entity); children and lists come from the store. Compare
records by id, because two views may return two records of the same object. Records are changed through the store
(``update``), which returns the current record; older ones are stale.

Node ids (``id``) are opaque, unique in a store, and stay the same for the life of the object, even if it is renamed.
Datetimes are aware. ``config`` and ``summary`` hold unwrapped values.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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


# Shared, because most runs of a big world lack some of them. Streams are immutable: writing returns a new one.
_NO_ROWS, _NO_EVENTS, _NO_LINES = RowStream(), RowStream(steps=False), ConsoleStream()


@attrs.define(slots=True, eq=False, kw_only=True)
class Record:
    """Base class of all records."""

    id: str
    created_at: datetime
    updated_at: datetime | None = None
    _loader: PageLoader | None = attrs.field(default=None, init=False)

    def defer(self, loader: PageLoader, parts: Iterable[str]) -> None:
        """Remove the attributes ``parts``. ``loader`` sets them on all rows of the page when one is first read."""
        self._loader = loader
        deferring: Any = _deferring
        self.__class__ = deferring(type(self))
        for name in parts:
            delattr(self, name)

    def forget_texts(self) -> None:
        """Drop cached wire texts. The store calls this after a change."""

    def __repr__(self) -> str:
        name = getattr(self, "path", None) or getattr(self, "name", None)
        return f"<{type(self).__name__} {name or self.id}>"


@cache
def _deferring(cls: Any) -> Any:
    """The class of records with deferred attributes. It is separate because ``__getattr__`` makes reading slower (a
    page of 1,000 complete runs by a quarter)."""

    def load(self: Any, name: str) -> Any:
        # Called only for unset slots.
        loader = None if name.startswith("_") else self._loader
        if loader is None or not loader.load(name):
            raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r}")
        return object.__getattribute__(self, name)

    if "__getattr__" in cls.__dict__:
        return cls
    return type(cls.__name__, (cls,), {"__slots__": (), "__getattr__": load, "__module__": cls.__module__})


class PageLoader:
    """Loads a deferred attribute for all rows of a page at once.

    ``parts`` maps attributes (``config``, ``summary``, ``user``) to functions that take all rows and return a value for
    each, in order. Creating the loader removes these attributes from the rows.
    """

    def __init__(self, rows: Sequence[Record], parts: Mapping[str, Callable[[Sequence[Any]], Iterable[Any]]]) -> None:
        self._rows = rows
        self._parts = parts
        for row in rows:
            row.defer(self, parts)

    def load(self, name: str) -> bool:
        """Set the attribute on every row. Returns False if it is not a deferred one."""
        read = self._parts.get(name)
        if read is None:
            return False
        for row, value in zip(self._rows, read(self._rows), strict=True):
            setattr(row, name, value)
        return True


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class UserRecord(Record):
    """A person or service account. ``name`` is the display name, ``entity`` the name of the default entity."""

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
    """A sweep. ``config`` is its definition; ``config_source`` is the original YAML text, if it was given as text."""

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
        """YAML text of the definition: the original text, else JSON text, which is also YAML."""
        return self.config_source if self.config_source is not None else encode(self.config)

    @property
    def method(self) -> str:
        """``grid``, ``random``, ``bayes`` or any other text in the definition; ``custom`` if it does not say."""
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
    """One line of console output. ``timestamp`` stays text, because it is a plain ``String`` on the wire."""

    line: str
    level: str | None = None
    timestamp: str | None = None
    label: str | None = None


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class FileRecord(Record):
    """A run file or an entry of an artifact's manifest.

    ``owner`` is the run or artifact. ``content`` is bytes, a callable that returns them, or None for a reference
    (``ref``) and for files stored elsewhere. ``size`` is in bytes; ``digest`` is base64 of the MD5.
    """

    name: str
    owner: RunRecord | ArtifactRecord
    size: int = 0
    digest: str | None = None
    mimetype: str | None = None
    ref: str | None = None
    content: bytes | Callable[[], bytes] | None = None

    def read(self) -> bytes | None:
        """The bytes, or None if this store does not have them."""
        return self.content() if callable(self.content) else self.content


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class RunRecord(Record):
    """A run. ``name`` is the short id in the URL, ``display_name`` is what people see.

    ``config_wandb`` is the value of config's ``_wandb`` key exactly as on the wire, and ``config_desc`` holds the
    non-null descriptions, so that the wire text can be rebuilt. Streams may be given as rows, or as callables that read
    them on first use; console rows are :class:`ConsoleLine`.
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
        """Config as on the wire: ``{"key": {"desc": null, "value": v}, ..., "_wandb": {...}}``."""
        if self._config_text is None:
            self._config_text = encode(self._wired((*self.config, "_wandb")))
        return self._config_text

    @property
    def summary_text(self) -> str:
        """Summary as JSON text, with bare NaN and Infinity tokens."""
        if self._summary_text is None:
            self._summary_text = encode(self.summary)
        return self._summary_text

    def config_part(self, keys: Collection[str]) -> str:
        """Like :attr:`config_text`, but only these of its keys. Does not make the whole text."""
        return encode(self._wired(keys))

    def summary_part(self, keys: Collection[str]) -> str:
        """Like :attr:`summary_text`, but only these of its keys. Does not make the whole text."""
        summary = self.summary
        return encode({key: summary[key] for key in keys if key in summary})

    def _wired(self, keys: Collection[str]) -> dict[str, Any]:
        """These keys of config as on the wire."""
        config, desc = self.config, self.config_desc or {}
        wire: dict[str, Any] = {k: {"desc": desc.get(k), "value": config[k]} for k in keys if k in config}
        if self.config_wandb is not None and "_wandb" in keys:
            wire["_wandb"] = self.config_wandb
        return wire

    def forget_texts(self) -> None:
        self._config_text = self._summary_text = None


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class ArtifactTypeRecord(Record):
    """An artifact type in a project (``dataset``, ``model``)."""

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
    """One version of an artifact. ``sequence`` owns it; ``version_index`` is the n of ``vn`` in it.

    ``digest`` is the hex MD5 of the manifest (version 1 rule), ``size`` is the bytes of all files together,
    ``metadata`` holds plain values. ``logged_by`` is the run or user that created it; ``memberships`` lists its
    collections, ``sequence`` first.
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
    """An artifact as version ``version_index`` of a collection, with its aliases there (``v3`` is not listed)."""

    collection: CollectionRecord
    artifact: ArtifactRecord
    version_index: int
    aliases: list[str] = attrs.field(factory=list)


@attrs.define(slots=True, eq=False, kw_only=True, repr=False)
class AliasRecord(Record):
    """An alias of a version in a collection, as a separate record."""

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
    """Parse config text from a client into ``(config, _wandb part, descriptions)``. Raises ``ValueError``.

    0.31.0 sends ``{"k": {"value": v}}`` and 0.10.28 ``{"k": {"desc": null, "value": v}}`` (seen); a value without that
    wrapping is used unchanged. Keys inside ``_wandb`` are not changed.
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
    """Parse summary text into a dict; the texts ``"NaN"``, ``"Infinity"``, ``"-Infinity"`` become floats."""
    summary = loads_numbers(text)
    if not isinstance(summary, dict):
        raise ValueError("summaryMetrics must be a JSON object")
    return summary
