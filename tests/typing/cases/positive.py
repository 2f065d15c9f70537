"""What type checkers must understand: each line is checked by mypy --strict and by pyright, and never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

from gql import gql
from typing_extensions import Self, assert_type

from wbmodel import (  # noqa: F401 - User stands in a text below
    Add,
    Artifact,
    BulkResult,
    Count,
    Entity,
    F,
    File,
    HistorySet,
    Project,
    Q,
    QuerySet,
    Remove,
    Report,
    RowResult,
    Run,
    Set,
    Sweep,
    Unset,
    User,
    connect,
)
from wbmodel.compiler.explain import Explanation
from wbmodel.entities.contents.file_set import FileSet
from wbmodel.request import Document, Response
from wbmodel.session.session import Session

assert_type(connect("fixtures:x"), Session)
assert_type(connect("fixtures:x").execute("{ viewer { id } }"), Response)
connect("fixtures:x").execute(gql("{ viewer { id } }"), {"a": 1}, "Name")
connect("fixtures:x").execute(Document("{ viewer { id } }"))

# Querysets of entities.
assert_type(Run.objects, QuerySet[Run])
assert_type(Run.objects.all(), QuerySet[Run])
assert_type(Run.objects.filter(state="finished"), QuerySet[Run])
assert_type(Run.objects.filter(Q(state="a") | Q(group="b"), F.summary["acc"] > 0.9), QuerySet[Run])
assert_type(Run.objects.exclude(F.tags.contains("a")), QuerySet[Run])
assert_type(Run.objects.order_by("-summary.loss", F.created_at, -F.config["lr"]), QuerySet[Run])
assert_type(Run.objects.all()[:10], QuerySet[Run])
assert_type(Run.objects.all()[0], Run)
assert_type(Run.objects.filter() | Run.objects.filter(), QuerySet[Run])
assert_type(Run.objects.filter() & Run.objects.filter(), QuerySet[Run])
assert_type(list(Run.objects.all()), list[Run])
assert_type(iter(Run.objects.all()), Iterator[Run])
assert_type(Run.objects.aiterator(), AsyncIterator[Run])
assert_type(Run.objects.iterator(), Iterator[Run])

# Terminal methods.
assert_type(Run.objects.get(id="a"), Run)
assert_type(Run.objects.get_or_none(id="a"), "Run | None")
assert_type(Run.objects.first(), "Run | None")
assert_type(Run.objects.last(), "Run | None")
assert_type(Run.objects.latest(), Run)
assert_type(Run.objects.best("summary.loss", goal="min"), "Run | None")
assert_type(Run.objects.count(), int)
assert_type(Run.objects.exists(), bool)
assert_type(Run.objects.in_bulk(["a"]), dict[str, Run])
assert_type(Run.objects.explain(), Explanation)
assert_type(len(Run.objects.all()), int)

# Shapes.
assert_type(Run.objects.values("name"), QuerySet[Run, dict[str, Any]])
assert_type(Run.objects.values("name").filter(state="a")[0], dict[str, Any])
assert_type(Run.objects.values_list("name", "state"), QuerySet[Run, tuple[Any, ...]])
assert_type(Run.objects.values_list("name", flat=True), QuerySet[Run, Any])
assert_type(list(Run.objects.values_list("name", "state")), list[tuple[Any, ...]])

# Fields and relations.
run = Run.objects.get(id="a")
assert_type(run.name, str)
assert_type(run.config, dict[str, Any])
assert_type(run.tags, list[str])
assert_type(run.created_at, datetime)
assert_type(run.heartbeat_at, "datetime | None")
assert_type(run.project, Project)
assert_type(run.sweep, "Sweep | None")
assert_type(run.user, "User | None")
assert_type(run.files, FileSet[File])
assert_type(run.logged_artifacts, QuerySet[Artifact])
assert_type(run.project.runs.filter(state="a").first(), "Run | None")
assert_type(run.path, str)

project = Project.objects.get(path="a/b")
assert_type(project.runs, QuerySet[Run])
assert_type(project.sweeps, QuerySet[Sweep])
assert_type(project.reports, QuerySet[Report])
assert_type(Entity.objects.get(name="a").projects, QuerySet[Project])
assert_type(Sweep.objects.get(id="a").runs, QuerySet[Run])
assert_type(Sweep.objects.get(id="a").best_run(), "Run | None")
assert_type(Report.objects.get(id="a").runs(0), QuerySet[Run])


async def twins() -> None:
    assert_type(await Run.objects.aget(id="a"), Run)
    assert_type(await Run.objects.afirst(), "Run | None")
    assert_type(await Run.objects.acount(), int)
    assert_type(await Run.objects.aexists(), bool)
    assert_type(await Run.objects.ain_bulk(), dict[str, Run])
    assert_type([item async for item in Run.objects.all()], list[Run])
    assert_type([row async for row in Run.objects.values("name")], list[dict[str, Any]])


# Writing.
assert_type(Run.objects.create(project="a/b", name="x", config={"lr": 1}), Run)
assert_type(Run.objects.get_or_create({"notes": "n"}, id="x"), tuple[Run, bool])
assert_type(Run.objects.update_or_create(id="x", defaults={}), tuple[Run, bool])
assert_type(Project.objects.get(path="a/b").runs.create(), Run)
written = Run.objects.get(id="a")
written.name = "x"
written.group = None
written.tags = ["a"]
written.tags.append("b")
written.config["lr"] = 1
assert_type(written.dirty_fields, tuple[str, ...])
assert_type(written.save(update_fields=["name"], check=True), tuple[str, ...])
assert_type(written.save(["name"]), tuple[str, ...])
written.delete(delete_artifacts=True)
done = Run.objects.filter(state="a").update({F.config["a.b"]: 1}, tags=Add("x"), config__lr=Unset(), summary=Set({}))
assert_type(done, BulkResult)
assert_type(done[0], RowResult)
assert_type(done.failures, list[RowResult])
assert_type(done.counts, dict[str, int])
assert_type(Run.objects.all().delete(dry_run=True, journal="x"), BulkResult)
assert_type(Run.objects.update(tags=Remove("x"), errors="return", at_once=2), BulkResult)


async def write() -> None:
    assert_type(await Run.objects.acreate(name="x"), Run)
    assert_type(await Run.objects.aupdate(name="x"), BulkResult)
    assert_type(await Run.objects.all().adelete(), BulkResult)
    assert_type(await written.asave(), tuple[str, ...])
    await Sweep.objects.get(id="a").apause()


# Querysets of one's own.
class Runs(QuerySet["MyRun"]):
    def finished(self) -> Self:
        return self.filter(state="finished")


class MyRun(Run):
    objects = Runs.as_manager()


assert_type(MyRun.objects, Runs)
assert_type(MyRun.objects.finished().filter(state="a"), Runs)
assert_type(MyRun.objects.finished()[0], MyRun)
assert_type(MyRun.objects.get(id="a"), MyRun)


def any_run(runs: QuerySet[Run]) -> Run:
    return runs[0]


# A queryset of a subclass is one of its base.
any_run(MyRun.objects.finished())


def groups() -> None:
    grouped = Run.objects.group_by("config.lr").annotate(n=Count())
    assert_type(list(grouped.filter(n__gt=1)), list[dict[str, Any]])
    assert_type(grouped.values_list("n")[0], tuple[Any, ...])
    assert_type(grouped.best("summary.loss", goal="min"), list[Run])


def histories() -> None:
    history = Run.objects.filter(state="a").history
    assert_type(history, HistorySet)
    assert_type(history.values("loss", F.config["lr"], how="inner").filter(loss__lt=1)[:5].tail(2), HistorySet)
    assert_type(history[0], dict[str, Any])
    assert_type(list(run.history), list[dict[str, Any]])
    assert_type(run.history.min("loss"), float | None)
    assert_type(run.history.best("loss", "max"), dict[str, Any] | None)
    assert_type(run.history.to_csv(), str)
    assert_type(run.history.to_csv("x"), None)
    assert_type(run.system_history.complete, bool)
    assert_type(run.console.filter(level="error").text(), str)


async def read_histories() -> None:
    assert_type([row async for row in run.history.afollow()], list[dict[str, Any]])
    assert_type(await run.history.acount(), int)
