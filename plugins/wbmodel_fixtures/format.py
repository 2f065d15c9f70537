"""The format, declared once as attrs classes: reading, the JSON Schema and the reference tables all follow from them.

An attribute has the name of its key. The members of a union have different outermost types, so the type of a value
chooses among them.
"""

import functools
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

import attrs

from wbmodel.structuring import AtLeast

__all__ = [
    "CLASSES",
    "FORMAT_VERSION",
    "PARTS",
    "ArtifactCollection",
    "ArtifactType",
    "ArtifactVersion",
    "Console",
    "ConsoleLine",
    "Declared",
    "Entity",
    "File",
    "Files",
    "Keyed",
    "Name",
    "Project",
    "Report",
    "Rows",
    "RowsFile",
    "Run",
    "Sweep",
    "TextFile",
    "User",
    "World",
]

FORMAT_VERSION = 1


Name: TypeAlias = Annotated[str, AtLeast(1)]
Names: TypeAlias = list[Name]
Count: TypeAlias = Annotated[int, AtLeast(0)]
Plain: TypeAlias = dict[str, Any]


@attrs.define(eq=False, repr=False)
class Declared:
    """A mapping with known keys. An optional key without a value counts as absent."""

    one_of: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Groups of keys; at most one key of each may be given."""

    required_group: ClassVar[bool] = False
    """Whether one key of each group must be given."""

    misplaced: ClassVar[dict[str, dict[str, str]]] = {}
    """For keys with free content: names that may not stand there, each with the way out."""

    id_key: ClassVar[str] = "id"
    """The key that a :class:`Keyed` takes for the id."""

    bare: ClassVar[bool] = False
    """Whether a :class:`Keyed` may give an id alone."""

    @classmethod
    @functools.cache
    def names(cls) -> tuple[tuple[str, str], ...]:
        """Each key, with the name that the record has for it."""
        return tuple((field.name, field.metadata["attr"] or field.name) for field in attrs.fields(cls))


T = TypeVar("T", bound=Declared)


class Keyed(list[tuple[str, "str | int", T]], Generic[T]):
    """Things with an id, written as a list of mappings that each say it, or as a mapping from ids to the rest.

    Each item is ``(id, key or index in the file, thing)``.
    """


def key(doc: str, *, attr: str | None = None, required: bool = False) -> Any:
    """A key of the format: one line for people, and ``attr`` where the record's attribute has another name."""
    return attrs.field(default=attrs.NOTHING if required else None, metadata={"doc": doc, "attr": attr})


def _when() -> Any:
    return key("when it was made; without it a fixed date, see the reference")


def _changed() -> Any:
    return key("when it was last changed")


def _who() -> Any:
    return key("username of a known user")


@attrs.define(eq=False, repr=False)
class RowsFile(Declared):
    """Rows in a file beside this one; its path is relative to this file."""

    csv: Name | None = key("CSV with a header line; an empty cell is an absent value")
    jsonl: Name | None = key("one JSON object a line")

    one_of = (("csv", "jsonl"),)
    required_group = True


Rows: TypeAlias = list[Plain] | RowsFile


@attrs.define(eq=False, repr=False)
class TextFile(Declared):
    """Text in a file beside this one."""

    path: Name = key("the file", required=True)


@attrs.define(eq=False, repr=False)
class ConsoleLine(Declared):
    """One line of the terminal."""

    line: str = key("the text", required=True)
    level: str | None = key("error or nothing")
    timestamp: str | None = key("when it was written, as text")
    label: str | None = key("which writer it came from")


Console: TypeAlias = str | list[str | ConsoleLine] | TextFile


@attrs.define(eq=False, repr=False)
class File(Declared):
    """Bytes of a run or an artifact version, or where they are."""

    text: str | None = key("the content as text, stored as UTF-8")
    base64: str | None = key("the content as base64")
    path: Name | None = key("a file beside this one that holds the content")
    ref: Name | None = key("a reference to something that is not stored, such as an s3 address")
    size: Count | None = key("bytes; needed only where the content is not here")
    digest: str | None = key("base64 of the MD5; computed where the content is here")
    mimetype: str | None = key("media type")
    created_at: datetime | None = _when()
    updated_at: datetime | None = _changed()

    one_of = (("text", "base64", "path", "ref"),)


Files: TypeAlias = dict[Name, str | File]


@attrs.define(eq=False, repr=False)
class User(Declared):
    """A person or service account."""

    username: Name | None = key("the key of the user")
    name: str | None = key("the shown name")
    email: str | None = key("mail address")
    admin: bool | None = key("whether the user is an administrator")
    entity: Name | None = key("the default entity; without it the user's own")
    photo_url: str | None = key("picture")
    flags: Plain | None = key("anything else the server knows of the user")
    created_at: datetime | None = _when()
    updated_at: datetime | None = _changed()

    id_key = "username"
    bare = True


RunState: TypeAlias = Literal[
    "running", "pending", "finished", "failed", "crashed", "killed", "preempting", "preempted"
]


@attrs.define(eq=False, repr=False)
class Run(Declared):
    """A run. config and summary are plain values, as a script would log them."""

    id: Name | None = key("the short id of the URL, unique in the project", attr="name")
    name: str | None = key("the shown name; without it the id", attr="display_name")
    state: RunState | None = key("without it finished")
    config: Plain | None = key("hyperparameters; keys may hold any text, values may be nested")
    summary: Plain | None = key("last or best values of metrics")
    tags: Names | None = key("labels")
    notes: str | None = key("free text")
    description: str | None = key("free text")
    group: str | None = key("group name")
    job_type: str | None = key("such as train or eval")
    created_at: datetime | None = _when()
    updated_at: datetime | None = _changed()
    heartbeat_at: datetime | None = key("last sign of life")
    commit: str | None = key("git commit")
    user: Name | None = _who()
    sweep: Name | None = key("id of a sweep in the same project")
    history: Rows | None = key("metrics per step; a row without _step gets its line number, from 0")
    events: Rows | None = key("system metrics, in rows")
    system_metrics: Rows | None = key("another word for events")
    console: Console | None = key("what the terminal showed")
    files: Files | None = key("run files by name")
    used_artifacts: Names | None = key("inputs: collection:v0, project/collection:alias, ...")
    logged_artifacts: Names | None = key("outputs: collection:v0 of the same project")
    exit_code: int | None = key("of the process", attr="exitcode")
    stop_requested: bool | None = key("whether someone asked it to stop", attr="stopped")
    host: str | None = key("machine")
    program: str | None = key("script")
    repo: str | None = key("git remote")
    config_descriptions: Plain | None = key("descriptions of config keys, an old W&B feature", attr="config_desc")
    config_wandb: Any = key("W&B's own _wandb part of the config")

    one_of = (("events", "system_metrics"),)
    misplaced = {"config": {"_wandb": "W&B's own part of the config belongs under config_wandb, beside config"}}


SweepState: TypeAlias = Literal["PENDING", "RUNNING", "PAUSED", "FINISHED", "CANCELED", "CRASHED", "FAILED"]


@attrs.define(eq=False, repr=False)
class Sweep(Declared):
    """A sweep; its runs name it."""

    id: Name | None = key("the short id, unique in the project", attr="name")
    name: str | None = key("the shown name", attr="display_name")
    state: SweepState | None = key("without it RUNNING")
    description: str | None = key("free text")
    config: Plain | None = key("the sweep definition: method, metric, parameters ...")
    user: Name | None = _who()
    created_at: datetime | None = _when()
    updated_at: datetime | None = _changed()
    heartbeat_at: datetime | None = key("last sign of life")
    expected_run_count: Count | None = key("how many runs there will be", attr="run_count_expected")
    controller: str | None = key("state of a local controller")
    scheduler: str | None = key("state of a scheduler")


@attrs.define(eq=False, repr=False)
class ArtifactVersion(Declared):
    """One version of an artifact; in a portfolio, a link to one."""

    version: Count | Name | None = key("0 or v0; without it the next number")
    aliases: Names | None = key("names of this version; the highest version is also latest unless another says so")
    link: Name | None = key("in a portfolio: collection:v0 of the same project")
    description: str | None = key("free text")
    metadata: Plain | None = key("plain values")
    tags: Names | None = key("labels")
    state: Literal["COMMITTED", "PENDING", "DELETED"] | None = key("without it COMMITTED")
    digest: str | None = key("of the manifest; computed without it")
    files: Files | None = key("files by path")
    logged_by: Name | None = key("id of the run that made it")
    user: Name | None = key("username of who made it, where no run did")
    commit: str | None = key("git commit")
    history_step: int | None = key("step of the run at which it was logged")
    created_at: datetime | None = _when()
    updated_at: datetime | None = _changed()

    one_of = (("logged_by", "user"),)


@attrs.define(eq=False, repr=False)
class ArtifactCollection(Declared):
    """All versions of one artifact (a sequence), or a list of links to versions (a portfolio)."""

    type: Name = key("such as dataset or model", required=True)
    kind: Literal["sequence", "portfolio"] | None = key("without it sequence")
    description: str | None = key("free text")
    tags: Names | None = key("labels")
    versions: list[ArtifactVersion] | None = key("oldest first")
    created_at: datetime | None = _when()
    updated_at: datetime | None = _changed()


@attrs.define(eq=False, repr=False)
class ArtifactType(Declared):
    """A type of artifact; needed only for a description or for a type without artifacts."""

    description: str | None = key("free text")
    created_at: datetime | None = _when()
    updated_at: datetime | None = _changed()


@attrs.define(eq=False, repr=False)
class Report(Declared):
    """A report."""

    id: Name | None = key("its key, unique in the project", attr="name")
    name: str | None = key("the title", attr="display_name")
    title: str | None = key("another word for name")
    description: str | None = key("the line below the title")
    draft: bool | None = key("whether it is a draft")
    type: Name | None = key("W&B's word for the kind of view; without it runs, or runs/draft for a draft")
    spec: Plain | None = key("the decoded report specification")
    blocks: list[Plain] | None = key("the blocks of a version 5 specification, in place of spec")
    user: Name | None = _who()
    created_at: datetime | None = _when()
    updated_at: datetime | None = _changed()

    one_of = (("name", "title"), ("spec", "blocks"), ("draft", "type"))


@attrs.define(eq=False, repr=False)
class Project(Declared):
    """A project."""

    description: str | None = key("free text")
    access: str | None = key("the server's word for who may see it")
    user: Name | None = _who()
    benchmark: bool | None = key("whether it is a benchmark", attr="is_benchmark")
    docker_image: str | None = key("image")
    repo: str | None = key("git remote")
    workspace: Plain | None = key("saved views of the workspace", attr="views")
    created_at: datetime | None = _when()
    updated_at: datetime | None = _changed()
    runs: Keyed[Run] | None = key("a list, oldest first, or a mapping from ids")
    sweeps: Keyed[Sweep] | None = key("a list, or a mapping from ids")
    artifact_types: dict[Name, ArtifactType | None] | None = key("by name")
    artifacts: dict[Name, ArtifactCollection] | None = key("collections by name")
    reports: Keyed[Report] | None = key("a list, or a mapping from ids")


@attrs.define(eq=False, repr=False)
class Entity(Declared):
    """A team, or the own space of a user."""

    type: Literal["team", "user"] | None = key("without it: user where a user has this name, else team")
    members: Names | None = key("usernames")
    photo_url: str | None = key("picture")
    created_at: datetime | None = _when()
    updated_at: datetime | None = _changed()
    projects: dict[Name, Project | None] | None = key("by name")


@attrs.define(eq=False, repr=False)
class World(Declared):
    """A wbmodel fixtures world."""

    wbmodel: Annotated[int, AtLeast(1)] | None = key(f"version of the format; {FORMAT_VERSION} is the one there is")
    viewer: Name | User | None = key("who asks: a username, or a user")
    users: Keyed[User] | None = key("who exists")
    entities: dict[Name, Entity | None] | None = key("teams and users, by name")


CLASSES: tuple[type[Declared], ...] = (
    World,
    Entity,
    Project,
    Run,
    Sweep,
    Report,
    ArtifactCollection,
    ArtifactVersion,
    ArtifactType,
    User,
    File,
    RowsFile,
    TextFile,
    ConsoleLine,
)

PARTS: dict[str, Any] = {"world": World, "project": Project, "runs": Keyed[Run]}
"""What a file of a folder world may hold: ``world.yaml``, ``<project>.yaml``, ``runs/*.yaml``."""
