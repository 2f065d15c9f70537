"""The table behind docs/reference/evaluation.md is true: each line is run, and its requests are counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tools.reference_code import evaluation_table
from wbmodel import F, Min, Q, QuerySet, Run, Session, connect
from wbmodel.testing import assert_num_requests


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """One for all: loading the demo world takes longer than a test."""
    made = connect("demo:", project="demo/vit-prisma", name="evaluation", default=False)
    yield made
    made.close()


@pytest.mark.parametrize("row", evaluation_table(), ids=lambda row: row[0])
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_requests_of_an_operation(row: tuple[str, str, int, int, str], warm: bool, session: Session) -> None:
    _, code, cold, evaluated, _ = row
    with session.as_current():
        count(code, evaluated if warm else cold, warm)


def count(code: str, expected: int, warm: bool) -> None:
    qs: QuerySet[Run] = Run.objects.filter(created_at__gte="2015-01-01T00:00:00Z")
    run = Run.objects.order_by("created_at")[0]
    names: dict[str, Any] = {"qs": qs, "run": run, "Run": Run, "F": F, "Q": Q, "Min": Min}
    if warm:
        assert list(qs)
    with assert_num_requests(expected):
        exec(code, names)
