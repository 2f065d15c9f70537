"""Querysets of one's own, and classes of one's own that share an entity's fields."""

from __future__ import annotations

import pytest
from typing_extensions import Self

from tests.support.queries import HOME, ids, on
from wbmodel import Manager, QuerySet, Run
from wbmodel.testing import assert_num_requests, oracle

FINISHED = ("leaf", ("state",), "exact", "finished")


class Runs(QuerySet["MyRun"]):
    def finished(self) -> Self:
        return self.filter(state="finished")

    def names(self) -> list[str]:
        return [run.name for run in self]

    async def anames(self) -> list[str]:
        return [run.name async for run in self]


class MyRun(Run):
    objects = Runs.as_manager()
    finished = Manager.from_queryset(Runs)

    @property
    def loss(self) -> float | None:
        found = self.summary.get("loss")
        return found if isinstance(found, (int, float)) else None


def test_methods_chain_with_ours() -> None:
    with on():
        rows = MyRun.objects.exclude(group="g1").finished().order_by("name")
        assert isinstance(rows, Runs)
        assert isinstance(rows[:2], Runs)
        expected = oracle.answer(HOME, ("and", [FINISHED, ("leaf", ("group",), "ne", "g1")]), [(("name",), False)])
        assert ids(rows) == expected
        assert rows.names() == sorted(rows.names())
        assert ids(MyRun.finished.all()) == ids(Run.objects.all())


async def test_methods_in_the_other_colour() -> None:
    with on("weak"):
        assert await MyRun.objects.finished().anames() == MyRun.objects.finished().names()


def test_rows_are_of_the_class_that_was_asked() -> None:
    with on():
        mine = MyRun.objects.get(id="v01")
        plain = Run.objects.get(id="v01")
        assert type(mine) is MyRun
        assert type(plain) is Run
        assert repr(mine.loss) == repr(plain.summary.get("loss"))
        assert mine == plain
        assert hash(mine) == hash(plain)
        assert {type(run) for run in MyRun.objects.all()} == {MyRun}
        first = MyRun.objects.first()
        assert type(first) is MyRun
        assert all(type(run) is MyRun for run in MyRun.objects.in_bulk(["v01", "v02"]).values())
        with assert_num_requests(1):
            assert MyRun.objects.contains(plain)


def test_errors_are_the_entitys() -> None:
    with on(), pytest.raises(Run.DoesNotExist):
        MyRun.objects.get(id="zzz")


def test_a_queryset_of_a_plain_run() -> None:
    class Plain(QuerySet[Run]):
        def best_two(self) -> list[Run]:
            return list(self.order_by("summary.loss")[:2])

    with on():
        assert ids(Plain(Run).best_two()) == ids(Run.objects.order_by("summary.loss")[:2])


def test_shapes_keep_the_class() -> None:
    with on():
        shaped = MyRun.objects.finished().values_list("id", flat=True)
        assert list(shaped) == oracle.answer(HOME, FINISHED)
        assert type(shaped) is Runs


class Crashed(Manager["Runs"]):
    def __init__(self) -> None:
        super().__init__(Runs)

    def get_queryset(self) -> Runs:
        return super().get_queryset().filter(state="crashed")


class CrashedRun(Run):
    objects = Crashed()


class CrashedChild(CrashedRun):
    pass


def test_get_queryset_is_honoured_by_all_that_begins_with_it() -> None:
    crashed = oracle.answer(HOME, ("leaf", ("state",), "exact", "crashed"))
    with on():
        assert 0 < len(crashed) < len(HOME)
        assert ids(CrashedRun.objects.all()) == crashed
        assert CrashedRun.objects.count() == len(crashed)
        assert len(CrashedRun.objects.all().delete(dry_run=True)) == len(crashed)
        assert len(CrashedRun.objects.delete(dry_run=True)) == len(crashed)
        assert ids(CrashedRun.objects.exclude(id=crashed[0])) == crashed[1:]
        assert isinstance(CrashedRun.objects, Runs)
        assert type(CrashedRun.objects[0]) is CrashedRun
        assert type(CrashedChild.objects[0]) is CrashedChild
        with pytest.raises(Run.DoesNotExist):
            CrashedRun.objects.get(state="finished", id=ids(Run.objects.filter(state="finished"))[0])


def test_further_methods_of_a_manager_are_refused_when_the_class_is_made() -> None:
    for value in (lambda self: self, property(lambda self: 1), staticmethod(len)):
        with pytest.raises(
            TypeError, match=r"Late\.recent would be lost: .* QuerySet class, and use .* as_manager\(\)"
        ):
            type("Late", (Manager,), {"recent": value})
    type("Fine", (Manager,), {"get_queryset": Manager.get_queryset, "note": "text", "_helper": lambda self: 1})
