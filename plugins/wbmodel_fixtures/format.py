"""The format, declared once: the validator, the JSON Schema and the reference table all follow from here.

``attr`` names the record's attribute where it differs from the key; keys without a record attribute of their own are
handled by name in ``fill.py`` and ``dump.py``.
"""

from __future__ import annotations

from typing import Any

from wbmodel_fixtures.shape import (
    Choice,
    Date,
    Either,
    Field,
    Flag,
    Free,
    Keyed,
    ListOf,
    MapOf,
    Shape,
    Struct,
    Text,
    Whole,
)

__all__ = [
    "FORMAT_VERSION",
    "PARTS",
    "PROJECT",
    "RUN",
    "RUNS",
    "STRUCTS",
    "VERSION",
    "WORLD",
    "json_schema",
    "reference",
]

FORMAT_VERSION = 1

_NAME = Text(empty=False)
_TEXT = Text()
_TAGS = ListOf(_NAME)
_PLAIN = Free(mapping=True)

RUN_STATES = ("running", "pending", "finished", "failed", "crashed", "killed", "preempting", "preempted")
SWEEP_STATES = ("PENDING", "RUNNING", "PAUSED", "FINISHED", "CANCELED", "CRASHED", "FAILED")

_WHEN = Field(Date(), "when it was made; without it a fixed date, see the reference")
_CHANGED = Field(Date(), "when it was last changed")
_WHO = Field(_NAME, "username of a known user")

ROWS_FILE = Struct(
    "rows_file",
    "Rows in a file beside this one; its path is relative to this file.",
    {
        "csv": Field(_NAME, "CSV with a header line; an empty cell is an absent value"),
        "jsonl": Field(_NAME, "one JSON object a line"),
    },
    one_of=(("csv", "jsonl"),),
    need_one=True,
)
ROWS: Shape = Either((ListOf(_PLAIN), ROWS_FILE))

TEXT_FILE = Struct("text_file", "Text in a file beside this one.", {"path": Field(_NAME, "the file", required=True)})
CONSOLE_LINE = Struct(
    "console_line",
    "One line of the terminal.",
    {
        "line": Field(_TEXT, "the text", required=True),
        "level": Field(_TEXT, "error or nothing"),
        "timestamp": Field(_TEXT, "when it was written, as text"),
        "label": Field(_TEXT, "which writer it came from"),
    },
)
CONSOLE: Shape = Either((_TEXT, ListOf(Either((_TEXT, CONSOLE_LINE))), TEXT_FILE))

FILE = Struct(
    "file",
    "Bytes of a run or an artifact version, or where they are.",
    {
        "text": Field(_TEXT, "the content as text, stored as UTF-8"),
        "base64": Field(_TEXT, "the content as base64"),
        "path": Field(_NAME, "a file beside this one that holds the content"),
        "ref": Field(_NAME, "a reference to something that is not stored, such as an s3 address"),
        "size": Field(Whole(0), "bytes; needed only where the content is not here"),
        "digest": Field(_TEXT, "base64 of the MD5; computed where the content is here"),
        "mimetype": Field(_TEXT, "media type"),
        "created_at": _WHEN,
        "updated_at": _CHANGED,
    },
    one_of=(("text", "base64", "path", "ref"),),
)
FILES: Shape = MapOf(Either((_TEXT, FILE)))

USER = Struct(
    "user",
    "A person or service account.",
    {
        "username": Field(_NAME, "the key of the user"),
        "name": Field(_TEXT, "the shown name"),
        "email": Field(_TEXT, "mail address"),
        "admin": Field(Flag(), "whether the user is an administrator"),
        "entity": Field(_NAME, "the default entity; without it the user's own"),
        "photo_url": Field(_TEXT, "picture"),
        "flags": Field(_PLAIN, "anything else the server knows of the user"),
        "created_at": _WHEN,
        "updated_at": _CHANGED,
    },
)

RUN = Struct(
    "run",
    "A run. config and summary are plain values, as a script would log them.",
    {
        "id": Field(_NAME, "the short id of the URL, unique in the project", attr="name"),
        "name": Field(_TEXT, "the shown name; without it the id", attr="display_name"),
        "state": Field(Choice(RUN_STATES), "without it finished"),
        "config": Field(_PLAIN, "hyperparameters; keys may hold any text, values may be nested"),
        "summary": Field(_PLAIN, "last or best values of metrics"),
        "tags": Field(_TAGS, "labels"),
        "notes": Field(_TEXT, "free text"),
        "description": Field(_TEXT, "free text"),
        "group": Field(_TEXT, "group name"),
        "job_type": Field(_TEXT, "such as train or eval"),
        "created_at": _WHEN,
        "updated_at": _CHANGED,
        "heartbeat_at": Field(Date(), "last sign of life"),
        "commit": Field(_TEXT, "git commit"),
        "user": _WHO,
        "sweep": Field(_NAME, "id of a sweep in the same project"),
        "history": Field(ROWS, "metrics per step; a row without _step gets its line number, from 0"),
        "events": Field(ROWS, "system metrics, in rows"),
        "system_metrics": Field(ROWS, "another word for events"),
        "console": Field(CONSOLE, "what the terminal showed"),
        "files": Field(FILES, "run files by name"),
        "used_artifacts": Field(ListOf(_NAME), "inputs: collection:v0, project/collection:alias, ..."),
        "logged_artifacts": Field(ListOf(_NAME), "outputs: collection:v0 of the same project"),
        "exit_code": Field(Whole(), "of the process", attr="exitcode"),
        "stop_requested": Field(Flag(), "whether someone asked it to stop", attr="stopped"),
        "host": Field(_TEXT, "machine"),
        "program": Field(_TEXT, "script"),
        "repo": Field(_TEXT, "git remote"),
        "config_descriptions": Field(_PLAIN, "descriptions of config keys, an old W&B feature", attr="config_desc"),
        "config_wandb": Field(Free(), "W&B's own _wandb part of the config", attr="config_wandb"),
    },
    one_of=(("events", "system_metrics"),),
)

SWEEP = Struct(
    "sweep",
    "A sweep; its runs name it.",
    {
        "id": Field(_NAME, "the short id, unique in the project", attr="name"),
        "name": Field(_TEXT, "the shown name", attr="display_name"),
        "state": Field(Choice(SWEEP_STATES), "without it RUNNING"),
        "description": Field(_TEXT, "free text"),
        "config": Field(_PLAIN, "the sweep definition: method, metric, parameters ..."),
        "user": _WHO,
        "created_at": _WHEN,
        "updated_at": _CHANGED,
        "heartbeat_at": Field(Date(), "last sign of life"),
        "expected_run_count": Field(Whole(0), "how many runs there will be", attr="run_count_expected"),
        "controller": Field(_TEXT, "state of a local controller"),
        "scheduler": Field(_TEXT, "state of a scheduler"),
    },
)

VERSION = Struct(
    "artifact_version",
    "One version of an artifact; in a portfolio, a link to one.",
    {
        "version": Field(Either((Whole(0), _NAME)), "0 or v0; without it the next number"),
        "aliases": Field(_TAGS, "names of this version; the highest version is also latest unless another says so"),
        "link": Field(_NAME, "in a portfolio: collection:v0 of the same project"),
        "description": Field(_TEXT, "free text"),
        "metadata": Field(_PLAIN, "plain values"),
        "tags": Field(_TAGS, "labels"),
        "state": Field(Choice(("COMMITTED", "PENDING", "DELETED")), "without it COMMITTED"),
        "digest": Field(_TEXT, "of the manifest; computed without it"),
        "files": Field(FILES, "files by path"),
        "logged_by": Field(_NAME, "id of the run that made it"),
        "user": Field(_NAME, "username of who made it, where no run did"),
        "commit": Field(_TEXT, "git commit"),
        "history_step": Field(Whole(), "step of the run at which it was logged"),
        "created_at": _WHEN,
        "updated_at": _CHANGED,
    },
    one_of=(("logged_by", "user"),),
)

COLLECTION = Struct(
    "artifact_collection",
    "All versions of one artifact (a sequence), or a list of links to versions (a portfolio).",
    {
        "type": Field(_NAME, "such as dataset or model", required=True),
        "kind": Field(Choice(("sequence", "portfolio")), "without it sequence"),
        "description": Field(_TEXT, "free text"),
        "tags": Field(_TAGS, "labels"),
        "versions": Field(ListOf(VERSION), "oldest first"),
        "created_at": _WHEN,
        "updated_at": _CHANGED,
    },
)

ARTIFACT_TYPE = Struct(
    "artifact_type",
    "A type of artifact; needed only for a description or for a type without artifacts.",
    {"description": Field(_TEXT, "free text"), "created_at": _WHEN, "updated_at": _CHANGED},
)

REPORT = Struct(
    "report",
    "A report.",
    {
        "id": Field(_NAME, "its key, unique in the project", attr="name"),
        "name": Field(_TEXT, "the title", attr="display_name"),
        "title": Field(_TEXT, "another word for name"),
        "description": Field(_TEXT, "the line below the title"),
        "draft": Field(Flag(), "whether it is a draft"),
        "type": Field(_NAME, "W&B's word for the kind of view; without it runs, or runs/draft for a draft"),
        "spec": Field(_PLAIN, "the decoded report specification"),
        "blocks": Field(ListOf(_PLAIN), "the blocks of a version 5 specification, in place of spec"),
        "user": _WHO,
        "created_at": _WHEN,
        "updated_at": _CHANGED,
    },
    one_of=(("name", "title"), ("spec", "blocks"), ("draft", "type")),
)

RUNS = Keyed(RUN)
PROJECT = Struct(
    "project",
    "A project.",
    {
        "description": Field(_TEXT, "free text"),
        "access": Field(_TEXT, "the server's word for who may see it"),
        "user": _WHO,
        "benchmark": Field(Flag(), "whether it is a benchmark", attr="is_benchmark"),
        "docker_image": Field(_TEXT, "image"),
        "repo": Field(_TEXT, "git remote"),
        "workspace": Field(_PLAIN, "saved views of the workspace", attr="views"),
        "created_at": _WHEN,
        "updated_at": _CHANGED,
        "runs": Field(RUNS, "a list, oldest first, or a mapping from ids"),
        "sweeps": Field(Keyed(SWEEP), "a list, or a mapping from ids"),
        "artifact_types": Field(MapOf(ARTIFACT_TYPE, null=True), "by name"),
        "artifacts": Field(MapOf(COLLECTION), "collections by name"),
        "reports": Field(Keyed(REPORT), "a list, or a mapping from ids"),
    },
)

ENTITY = Struct(
    "entity",
    "A team, or the own space of a user.",
    {
        "type": Field(Choice(("team", "user")), "without it: user where a user has this name, else team"),
        "members": Field(_TAGS, "usernames"),
        "photo_url": Field(_TEXT, "picture"),
        "created_at": _WHEN,
        "updated_at": _CHANGED,
        "projects": Field(MapOf(PROJECT, null=True), "by name"),
    },
)

WORLD = Struct(
    "world",
    "A wbmodel fixtures world.",
    {
        "wbmodel": Field(Whole(1), f"version of the format; {FORMAT_VERSION} is the one there is"),
        "viewer": Field(Either((_NAME, USER)), "who asks: a username, or a user"),
        "users": Field(Keyed(USER, key="username", bare=True), "who exists"),
        "entities": Field(MapOf(ENTITY, null=True), "teams and users, by name"),
    },
)

STRUCTS = (
    WORLD,
    ENTITY,
    PROJECT,
    RUN,
    SWEEP,
    REPORT,
    COLLECTION,
    VERSION,
    ARTIFACT_TYPE,
    USER,
    FILE,
    ROWS_FILE,
    TEXT_FILE,
    CONSOLE_LINE,
)

PARTS: dict[str, Shape] = {"world": WORLD, "project": PROJECT, "runs": RUNS}
"""What a file of a folder world may hold: ``world.yaml``, ``<project>.yaml``, ``runs/*.yaml``."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the format; ``#/$defs/project`` and ``#/$defs/runs`` are for parts of a folder."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "wbmodel fixtures world",
        "$ref": "#/$defs/world",
        "$defs": {**{struct.name: struct.definition() for struct in STRUCTS}, "runs": RUNS.schema()},
    }


def reference() -> str:
    """The reference tables of all keys, as Markdown."""
    lines: list[str] = []
    for struct in STRUCTS:
        lines += [f"### {struct.name}", "", struct.doc, "", "| key | value | meaning |", "|---|---|---|"]
        for key, field in struct.fields.items():
            word = field.shape.phrase() + (", required" if field.required else "")
            lines.append(f"| `{key}` | {word} | {field.doc} |")
        lines.append("")
        for keys in struct.one_of:
            names = ", ".join(f"`{key}`" for key in keys)
            lines += [f"{'Exactly' if struct.need_one else 'At most'} one of {names}.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    import json
    import sys

    if sys.argv[1:] == ["reference"]:
        sys.stdout.write(reference())
    else:
        json.dump(json_schema(), sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
