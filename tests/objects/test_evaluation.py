"""Evaluation rules, by counting requests; ``evaluation_lines.py`` is the table."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from tests.objects.evaluation_lines import ASKS, CHAINS, ELSEWHERE, Line
from tests.support.backends import served
from tests.support.queries import HOME, ids, on
from tests.support.worlds import small_world
from wbmodel import Run
from wbmodel.errors import ServerError
from wbmodel.objects.queryset import QuerySet
from wbmodel.request import Request, Response
from wbmodel.testing import assert_num_requests, count_requests

SMALL = small_world()


def run_code(code: str, rows: QuerySet[Run], first_run: Run) -> Any:
    return eval(code, {"rows": rows, "first_run": first_run, "pickle": pickle})


@pytest.mark.parametrize("line", [*CHAINS, *ASKS], ids=lambda line: line.name)
def test_requests(line: Line) -> None:
    with served(SMALL.store(), name="counted"):
        first_run = Run.objects.get(id="r4")
        rows = Run.objects.all()
        with assert_num_requests(line.cold):
            run_code(line.code, rows, first_run)
        if line.warm is None:
            return
        rows = Run.objects.all()
        assert len(rows) == 5
        with assert_num_requests(line.warm):
            run_code(line.code, rows, first_run)


def test_the_table_names_every_public_method() -> None:
    """A method that is added is added to the table too."""
    code = " ".join(line.code for line in (*CHAINS, *ASKS))
    shown = {name for name in dir(QuerySet) if not name.startswith("_")}
    twins = {name for name in shown if name[0] == "a" and name[1:] in shown}
    missing = {name for name in shown - twins if f".{name}" not in code}
    assert missing <= ELSEWHERE


def test_pages_are_read_as_needed() -> None:
    with on("weak"):
        rows = Run.objects.all()
        taken = iter(rows)
        with assert_num_requests(1):
            next(taken)
        with assert_num_requests(0):
            next(taken)
        with count_requests() as sent:
            assert len(list(rows)) == len(HOME)
        assert sent.count > 0
        with assert_num_requests(0):
            assert len(list(taken)) == len(HOME) - 2


def test_each_iter_starts_anew_and_shares_what_was_read() -> None:
    with on("weak"):
        rows = Run.objects.all()
        pairs = list(zip(rows, rows, strict=True))
        assert all(one is other for one, other in pairs)
        assert len(pairs) == len(HOME)
        with assert_num_requests(0):
            assert ids(rows) == ids(iter(rows))


def test_a_queryset_binds_when_it_is_evaluated() -> None:
    rows = Run.objects.all()
    for path in ("acme/vision", "acme/nlp"):
        with on(project=path):
            assert {run.project.path for run in rows.all()} == {path}


def test_an_error_on_the_way_does_not_leave_half_a_result() -> None:
    with on("weak") as session:
        backend: Any = session.backend
        engine, calls = backend.engine, []

        class Flaky:
            def execute(self, request: Request) -> Response:
                calls.append(request)
                if len(calls) == 3:
                    raise ServerError("out of order", status=503)
                result: Response = engine.execute(request)
                return result

        backend.engine = Flaky()
        rows = Run.objects.all()
        with pytest.raises(ServerError, match="out of order"):
            list(rows)
        assert ids(rows) == ids(Run.objects.all())
        assert len(rows) == len(HOME)


def test_an_iterator_that_is_left_early_asks_no_more() -> None:
    with on("weak"), assert_num_requests(1):
        for _ in Run.objects.iterator():
            break


def test_repr_reads_one_page_of_at_most_21_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    with on("full"):
        rows = Run.objects.all()
        with count_requests() as sent:
            text = repr(rows)
        assert sent.count == 1
        assert sent.requests[0].variables["first"] == 21
        assert text.count("<Run ") == 20
        assert text.endswith("...(remaining elements truncated)...]>")
        monkeypatch.setenv("WBMODEL_REPR", "off")
        with assert_num_requests(0):
            assert repr(rows) == "<QuerySet[Run] not evaluated>"


def test_repr_never_raises() -> None:
    assert "cannot be evaluated: nothing to connect to" in repr(Run.objects.all())


async def test_the_other_colour_counts_the_same() -> None:
    with served(SMALL.store()):
        rows = Run.objects.all()
        with assert_num_requests(1):
            assert len([run async for run in rows]) == 5
        with assert_num_requests(0):
            assert len([run async for run in rows]) == 5
            assert await rows.acount() == 5
        for operation, expected in (
            (Run.objects.acount, 1),
            (Run.objects.aexists, 1),
            (Run.objects.afirst, 1),
            (lambda: Run.objects.aget(id="r1"), 1),
            (lambda: Run.objects.ain_bulk(["r1", "r2"]), 1),
        ):
            with assert_num_requests(expected):
                await operation()
