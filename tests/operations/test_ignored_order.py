"""A server that ignores an order by a key: the best row, a slice and the list are right all the same."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tests.support.plain_world import runs_of
from wbmodel.engine import Dialect, Engine
from wbmodel.request import Request, Response

LOSSES = [5, 6, 1, 9, 2, 8, 7, 3, 4, 0]


@pytest.fixture
def ignoring(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The engine orders by its own mind. The sizes of the pages that were asked for."""
    real, sizes = Engine.execute, list[int]()

    def execute(self: Engine, request: Request, **given: Any) -> Response:
        own = {name: "+name" for name in ("order", "far") if name in request.variables}
        sizes.append(request.variables.get("first") or 0)
        return real(self, attrs.evolve(request, variables={**request.variables, **own}), **given)

    monkeypatch.setattr(Engine, "execute", execute)
    return sizes


@pytest.mark.parametrize("descending", [False, True])
def test_what_comes_first_is_right(descending: bool, ignoring: list[int]) -> None:
    right = sorted(LOSSES, reverse=descending)
    worlds = [{"summary": {"loss": loss}} for loss in LOSSES]
    with runs_of(worlds, dialect=Dialect(multi_order=False, nulls="first")) as runs:
        rows = runs.order_by("-summary.loss" if descending else "summary.loss")
        first = rows.first()
        assert first is not None
        assert first.summary["loss"] == right[0]
        assert 2 in ignoring, "asked for few rows first"
        assert [run.summary["loss"] for run in rows[:3]] == right[:3]
        assert [run.summary["loss"] for run in rows] == right
        last = rows.last()
        assert last is not None
        assert last.summary["loss"] == right[-1]
        best = runs.best("summary.loss", goal="max" if descending else "min")
        assert best is not None
        assert best.summary["loss"] == right[0]
