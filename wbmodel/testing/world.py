"""A seeded world in plain data, to fill backends with and to compare their answers with.

It contains what real projects contain: absent, null and NaN values, infinities, lists, booleans, several types under
one key, text that looks like numbers, nested and literally dotted keys, ties in dates and in values. :func:`make_world`
returns equal worlds for equal arguments.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import math
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs

from wbmodel.testing.oracle import ABSENT
from wbmodel.testing.world_histories import HISTORIES

__all__ = ["ABSENT", "DAY", "KEYS", "PARTS", "PART_OF", "START", "World", "make_world", "parts_of"]

START = datetime(2021, 4, 1, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)

PARTS = frozenset(
    {
        "users",
        "artifacts",
        "files",
        "histories",
        "streams",
        "drafts",
        "projects",
        "sweeps",
        "reports",
        "values",
        "growth",
    }
)
"""The parts that a world may lack, because a backend cannot be filled with them. Cases that need a missing part are
skipped. ``docs/how-to/run-the-conformance-kit.md`` explains each name."""

PART_OF = {
    "Artifact": "artifacts",
    "ArtifactCollection": "artifacts",
    "ArtifactType": "artifacts",
    "File": "files",
    "Report": "reports",
    "Sweep": "sweeps",
    "User": "users",
    "Run.file_count": "files",
    "Run.history_line_count": "histories",
    "Run.sweep": "sweeps",
    "Run.user": "users",
    "Report.user": "users",
    "Project.sweeps": "sweeps",
    "Project.reports": "reports",
    "Project.artifact_types": "artifacts",
    "Project.artifact_collections": "artifacts",
    "Run.files": "files",
    "Run.logged_artifacts": "artifacts",
    "Run.used_artifacts": "artifacts",
}
"""The parts without which the world has no rows of an entity class, or no values of one of its fields."""

KEYS = {
    "Artifact": "name",
    "ArtifactCollection": "name",
    "ArtifactType": "name",
    "Entity": "name",
    "File": "name",
    "Project": "name",
    "Report": "id",
    "Run": "id",
    "Sweep": "id",
    "User": "username",
}
"""The attribute that identifies the rows of each entity within a project."""

Row = dict[str, Any]


def parts_of(entity: str, field: str = "") -> list[str]:
    """The parts that a world must have for the rows of an entity class to be there, and for a field to have values."""
    name = f"{entity}.{field}"
    return sorted({PART_OF[key] for key in (entity, name) if key in PART_OF})


@attrs.define(kw_only=True)
class World:
    """A world as plain dicts, with the names and values of the object model.

    ``project`` is the project that most cases query, ``second`` is another one of the same ``entity``, and ``own`` is
    one of the viewer's own entity (None: the world does not have one). ``viewer`` is a username. Every list holds dicts
    with the key ``project`` (``"entity/project"``); :meth:`rows` returns those of one entity class. A
    :class:`~wbmodel.testing.conformance.Seed` corrects values that a server decides itself, such as dates, and removes
    from ``parts`` what it could not fill in; :meth:`drop` removes it from the lists as well.
    """

    entity: str
    viewer: str
    project: str
    second: str
    own: str | None
    users: list[Row]
    projects: list[Row]
    runs: list[Row]
    sweeps: list[Row]
    reports: list[Row]
    types: list[Row]
    collections: list[Row]
    artifacts: list[Row]
    parts: frozenset[str] = PARTS

    def rows(self, name: str, project: str | None = None) -> list[Row]:
        """The rows of the entity class ``name`` in ``project`` (default: the main one), without drafts. Users, projects
        and entities are those of the whole world; for files, see :meth:`files`."""
        if name == "Project":
            return [{**item, "run_count": len(self.rows("Run", item["path"]))} for item in self.projects]
        if name == "User":
            return self.users
        if name == "Entity":
            return [{"name": owner} for owner in dict.fromkeys(item["entity"] for item in self.projects)]
        lists = {"Run": self.runs, "Sweep": self.sweeps, "Report": self.reports, "ArtifactType": self.types}
        lists |= {"ArtifactCollection": self.collections, "Artifact": self.artifacts}
        found = [item for item in lists[name] if item["project"] == (project or self.project)]
        if name == "Report":
            return [item for item in found if not item["draft"]]
        return [self._swept(item) for item in found] if name == "Sweep" else found

    def _swept(self, sweep: Row) -> Row:
        losses = [run["summary"].get("loss") for run in self.runs_of(sweep)]
        numbers = [value for value in losses if isinstance(value, (int, float)) and not math.isnan(value)]
        goal = max if sweep["config"].get("metric", {}).get("goal") == "maximize" else min
        best = goal(numbers) if numbers and "metric" in sweep["config"] else None
        return {**sweep, "run_count": len(losses), "best_loss": best}

    def run(self, run_id: str, project: str | None = None) -> Row:
        """One run by its id."""
        return next(run for run in self.rows("Run", project) if run["id"] == run_id)

    def runs_of(self, sweep: Row) -> list[Row]:
        """The runs of a sweep."""
        return [run for run in self.runs if (run["project"], run["sweep"]) == (sweep["project"], sweep["id"])]

    def files(self, owner: Row) -> list[Row]:
        """The files of a run or an artifact, as rows of ``File``."""
        rows = []
        for name, data in owner["files"].items():
            digest = base64.b64encode(hashlib.md5(data).digest()).decode()
            rows.append({"name": name, "size": len(data), "md5": digest, "digest": digest, "content": data})
        return rows

    def fixtures(self) -> dict[str, Any]:
        """The world in the fixtures format: ``connect("fixtures:", world=world.fixtures())``."""
        from wbmodel.testing.world_fixtures import fixtures_of

        return fixtures_of(self)

    def drop(self, *parts: str) -> None:
        """Take parts out of the world, with all that refers to them. What is not there may be taken out again.

        Raises :class:`ValueError` for a name that is not in :data:`PARTS`.
        """
        if unknown := sorted(set(parts) - PARTS):
            raise ValueError(f"{', '.join(unknown)}: the parts of a world are {', '.join(sorted(PARTS))}")
        self.parts -= set(parts)
        if "projects" in parts:
            self._keep_one_project()
        if "artifacts" in parts:
            self.types, self.collections, self.artifacts = [], [], []
        if "sweeps" in parts:
            self.sweeps = []
        if "reports" in parts:
            self.reports = []
        if "drafts" in parts:
            self.reports = [report for report in self.reports if not report["draft"]]
        if "users" in parts:
            self.users = [user for user in self.users if user["username"] == self.viewer]
        cleared: dict[str, Row] = {
            "users": {"user": None},
            "sweeps": {"sweep": None},
            "files": {"files": {}},
            "histories": {"history": []},
            "streams": {"events": [], "console": []},
            "values": {"config": {}, "summary": {}},
        }
        for run in self.runs:
            for part in parts:
                run.update(copy.deepcopy(cleared.get(part, {})))
        if "users" in parts:
            for row in (*self.sweeps, *self.reports):
                row["user"] = None

    def _keep_one_project(self) -> None:
        self.projects = [item for item in self.projects if item["path"] == self.project]
        self.own = None
        for name in ("runs", "sweeps", "reports", "types", "collections", "artifacts"):
            setattr(self, name, [row for row in getattr(self, name) if row["project"] == self.project])

    def add(self, *, id: str, project: str, **fields: Any) -> Row:
        """Add a run that a case has created, with default values for missing fields. Returns the row."""
        row = {**_plain_run(project, id), **fields}
        self.runs.append(row)
        return row


EVERY: dict[str, Any] = {
    "absent": ABSENT,
    "null": None,
    "zero": 0,
    "one": 1,
    "half": 2.5,
    "minus": -3,
    "big": 10**20,
    "true": True,
    "false": False,
    "empty": "",
    "digit": "1",
    "letter": "a",
    "adam": "adam",
    "capital": "Adam",
    "line": "adam\n",
    "list": [1, "a"],
    "names": ["adam", "x"],
    "nothing": [],
    "object": {"k": 1},
    "nan": math.nan,
    "inf": math.inf,
    "minus-inf": -math.inf,
    "token": "NaN",
}
"""The world has one run for each value, under the key ``every`` of config and summary. Its id is ``e-`` + the word."""

_TAGS = [[], ["baseline"], ["broken", "v1"], ["Baseline"], ["a.b", "baseline"]]


def make_world(
    *,
    entity: str = "acme",
    viewer: str = "ada",
    other: str | None = "bob",
    own: bool = True,
    names: tuple[str, str, str] = ("vision", "nlp", "scratch"),
) -> World:
    """Create the world. ``entity`` is a team, ``viewer`` the current user, ``other`` a second user (None: every run is
    the viewer's), ``own`` is whether the viewer's own entity has a project too."""
    project, second, third = (f"{owner}/{name}" for owner, name in zip((entity, entity, viewer), names, strict=True))
    projects = [
        _project(project, "images", START),
        _project(second, None, START + DAY),
        *([_project(third, "", START)] if own else []),
    ]
    users = [{"username": name, "name": name.capitalize()} for name in (viewer, other) if name is not None]
    runs = [
        _run(project, f"e-{word}", index, word, value, viewer, other)
        for index, (word, value) in enumerate(EVERY.items())
    ]
    runs += [_run(second, f"n{index}", index, "one", index, viewer, other) for index in range(6)]
    runs += [_plain_run(second, "log-me"), *([_plain_run(third, "s0"), _plain_run(third, "s1")] if own else [])]
    for run in runs[-3:] if own else runs[-1:]:
        run["user"] = viewer
    for run in runs:
        if run["sweep"] == "sw2" and run["project"] != project:
            run["sweep"] = None
    for word, length in (("one", 12), ("half", 3)):
        run = next(item for item in runs if item["id"] == f"e-{word}")
        run["history"] = [_history_row(step) for step in range(length)]
        run["files"] = {"config.yaml": b"lr: 1\n", f"media/{word}.txt": b"x" * 10, "empty.txt": b""}
        run["events"] = [{"_runtime": at, "system.cpu": at / 4, "gpu": {"0": at}} for at in range(length)]
        run["console"] = [f"line {at} of {word}" if at != 1 else "" for at in range(length)]
    for word, rows in HISTORIES.items():
        next(item for item in runs if item["id"] == f"e-{word}")["history"] = copy.deepcopy(rows)
    types, collections, artifacts = _artifacts(project, second)
    return World(
        entity=entity,
        viewer=viewer,
        project=project,
        second=second,
        own=third if own else None,
        users=users,
        projects=projects,
        runs=runs,
        sweeps=_sweeps(project, second, viewer),
        reports=_reports(project, viewer),
        types=types,
        collections=collections,
        artifacts=artifacts,
    )


def _project(path: str, description: str | None, created_at: datetime) -> Row:
    owner, name = path.split("/")
    row: Row = {"path": path, "name": name, "entity": owner, "description": description, "created_at": created_at}
    return row | {"is_benchmark": False}


def _plain_run(project: str, run_id: str) -> Row:
    nothing = ("group", "job_type", "notes", "description", "commit", "user", "sweep", "heartbeat_at")
    empty: Row = {"config": {}, "summary": {}, "tags": [], "history": [], "events": [], "console": [], "files": {}}
    given = {"project": project, "id": run_id, "name": run_id, "state": "finished", "created_at": START}
    return dict.fromkeys(nothing) | empty | given


def _run(project: str, run_id: str, index: int, word: str, value: Any, viewer: str, other: str | None) -> Row:
    config: Row = {}
    summary: Row = {}
    if word not in ("absent", "nan", "inf", "minus-inf"):
        config["every"] = value
    if word not in ("absent", "token"):
        summary["every"] = value
    _put(config, "rank", [3, 1, None, 2, 2, ABSENT, 0.5][index % 7])
    _put(config, "opt", ["adam", "sgd", "Adam", None, ABSENT][index % 5])
    _put(config, "holes", [[1, None], [None], None, ABSENT, "a", 1][index % 6])
    _put(config, "wrapped", [{"value": 3, "desc": None}, {"value": {"value": 4}}, 3, ABSENT][index % 4])
    if index % 3:
        config["model"] = {"depth": [2, 3, None][index % 4 % 3], "name": ["vit", "ViT"][index % 2], "a.b": index % 3}
    if index % 4 == 1:
        # A literal key that looks like the nested one above, with another value.
        config["model.depth"] = 7 + index % 2
    if index % 3 == 0:
        config |= {
            "a b": index % 2,
            "sl/ash": "x",
            'q"uote': 1,
            "under__score": 2,
            "_lead": 3,
            "ключ": "да",
            "co,mma": index,
            "back\\slash": True,
            "$dollar": 5,
        }
    _put(summary, "loss", [0.1, 0.2, 0.2, math.nan, None, ABSENT, 0.5, 1][index % 8])
    _put(summary, "best", [math.inf, 1.5, -math.inf, math.nan, ABSENT][index % 5])
    if index % 2:
        summary["eval"] = {"f1": [0.5, 0.75, math.nan][index % 3], "epoch": index}
    if index % 3 != 1:
        summary["eval/acc"] = index % 5 / 10
    moments = [None, START + 20 * DAY, START + 30 * DAY]
    return _plain_run(project, run_id) | {
        "name": ["alpha", "beta", "Beta", "gamma-1", "gamma-2"][index % 5],
        "state": ["finished", "crashed", "running", "failed"][index % 4],
        "config": config,
        "summary": summary,
        "tags": list(_TAGS[index % len(_TAGS)]),
        "group": [None, "g1", "g2", "G1"][index // 2 % 4],
        "job_type": [None, "train", "eval"][index % 3],
        "notes": [None, "a note\n", "a note"][index // 3 % 3],
        "user": [viewer, other or viewer, viewer, None][index % 4] if other else viewer,
        "sweep": [None, "sw1", "sw2", None, "sw1"][index % 5],
        # Few distinct times, so that dates tie; some differ by only a microsecond.
        "created_at": START + index % 6 * DAY + timedelta(microseconds=index % 7 == 0),
        "heartbeat_at": moments[index // 2 % 3],
    }


def _put(target: Row, key: str, value: Any) -> None:
    if value is not ABSENT:
        target[key] = value


def _history_row(step: int) -> Row:
    row: Row = {"_step": step * 2, "loss": 1 / (step + 1), "note": f"step {step}"}
    if step % 2:
        row["acc"] = step / 10
    if step == 2:
        row["loss"] = math.nan
    return row


def _sweeps(project: str, second: str, viewer: str) -> list[Row]:
    def sweep(where: str, sweep_id: str, name: str | None, goal: str | None, days: int) -> Row:
        config: Row = {"method": "random" if goal else "grid", "parameters": {"lr": {"min": 0, "max": 1}}}
        if goal:
            config["metric"] = {"name": "loss", "goal": goal}
        return {
            "project": where,
            "id": sweep_id,
            "name": name,
            "state": "RUNNING" if goal else "FINISHED",
            "method": config["method"],
            "config": config,
            "description": None,
            "created_at": START + days * DAY,
            "user": viewer,
        }

    return [
        sweep(project, "sw1", "first", "minimize", 0),
        sweep(project, "sw2", None, None, 1),
        sweep(project, "sw3", "Third", "maximize", 1),
        sweep(second, "sw1", "nlp", "maximize", 0),
    ]


def _reports(project: str, viewer: str) -> list[Row]:
    leaf = {"key": {"section": "run", "name": "state"}, "op": "=", "value": "finished", "disabled": False}
    run_set = {
        "filters": {"op": "OR", "filters": [{"op": "AND", "filters": [leaf]}]},
        "selections": {"root": 1, "bounds": [], "tree": []},
        "sort": {"key": {"section": "run", "name": "createdAt"}, "ascending": False},
        "enabled": True,
    }
    group = {"name": "finished", "openRunSet": 0, "runSets": [run_set]}
    grid = {"version": 5, "blocks": [{"type": "paragraph"}, {"type": "panel-grid", "metadata": group}]}

    def report(report_id: str, name: str, spec: Row, days: int, draft: bool = False) -> Row:
        return {
            "project": project,
            "id": report_id,
            "name": name,
            "description": f"about {name}",
            "spec": spec,
            "created_at": START + days * DAY,
            "user": viewer,
            "draft": draft,
        }

    return [
        report("rep1", "Old report", {"panelGroups": [group]}, 0),
        report("rep2", "New report", grid, 1),
        report("rep3", "Unfinished", grid, 2, draft=True),
    ]


def _artifacts(project: str, second: str) -> tuple[list[Row], list[Row], list[Row]]:
    def collection(where: str, name: str, kind: str, days: int) -> Row:
        return {
            "project": where,
            "name": name,
            "type": kind,
            "kind": "ArtifactSequence",
            "description": f"all {name}",
            "created_at": START + days * DAY,
        }

    def version(where: str, name: str, kind: str, number: int, aliases: list[str], **more: Any) -> Row:
        files = {"data.csv": b"a,b\n" * (number + 1), f"part-{number}.bin": b"\x00" * number}
        return {
            "project": where,
            "collection": name,
            "name": f"{name}:v{number}",
            "type_name": kind,
            "version_index": number,
            "version": f"v{number}",
            "aliases": aliases,
            "state": "COMMITTED",
            "description": f"version {number}",
            "metadata": {"rows": 10 + number, "split": ["train", None][number % 2]},
            "tags": ["clean"] if number else [],
            "created_at": START + number * DAY,
            "files": files,
            "size": sum(map(len, files.values())),
            "file_count": len(files),
            "logged_by": None,
            "used_by": [],
            **more,
        }

    types: list[Row] = [
        {"project": project, "name": "dataset", "description": "what is read"},
        {"project": project, "name": "model", "description": None},
        {"project": second, "name": "dataset", "description": None},
    ]
    collections = [
        collection(project, "images", "dataset", 0),
        collection(project, "weights", "model", 1),
        # One for each colour, because an artifact can be deleted only once.
        collection(second, "spare-sync", "dataset", 0),
        collection(second, "spare-async", "dataset", 0),
    ]
    artifacts = [
        version(project, "images", "dataset", 0, ["first"], logged_by="e-zero", used_by=["e-one", "e-half"]),
        version(project, "images", "dataset", 1, [], logged_by="e-one", used_by=["e-half", "e-minus"]),
        version(project, "images", "dataset", 2, ["latest"], logged_by=None),
        version(project, "weights", "model", 0, ["best", "latest"], logged_by="e-half", created_at=START + DAY / 2),
        version(second, "spare-sync", "dataset", 0, ["latest"], logged_by="n0"),
        version(second, "spare-async", "dataset", 0, ["latest"], logged_by="n0"),
    ]
    return types, collections, artifacts
