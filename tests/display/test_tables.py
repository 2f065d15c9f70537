"""Groups and bulk results as tables: text in a shell, HTML in a notebook; headings at 80 columns can be read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.plain_world import runs_of
from tests.support.queries import on
from wbmodel import Count, Max, Run
from wbmodel.display.tables import fit, heading, least
from wbmodel.safe_text import width
from wbmodel.testing import assert_num_requests


@pytest.fixture(autouse=True)
def eighty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("WBMODEL_REPR", raising=False)


def test_groups_are_a_table() -> None:
    with runs_of(
        [{"config": {"m": m}, "summary": {"x": x}} for m, x in [("a", 1), ("a", 2.5), ("\x1b[1m<b>", 3)]]
    ) as runs:
        grouped = runs.group_by("config.m").annotate(n=Count(), high=Max("summary.x"))
        assert repr(grouped).splitlines() == [
            "<Grouped Runs by config.m, n=Count(), high=Max('summary.x')>: 2 groups",
            "config.m    n  high",
            "\\x1b[1m<b>  1     3",
            "a           2   2.5",
        ]
        page = grouped._repr_html_()
        assert page is not None
        assert page.count("<tr>") == 3
        assert "<b>" not in page
        assert "\x1b" not in page
        with assert_num_requests(0):
            assert repr(grouped)
        assert str(grouped) == "<Grouped Runs by config.m, n=Count(), high=Max('summary.x')>"


def test_a_repr_of_groups_asks_nothing_when_it_is_off_and_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    with on("full"):
        wrong = Run.objects.filter(project="acme/nowhere").group_by("state")
        assert "cannot be evaluated: Project" in repr(wrong)
        assert "cannot be evaluated: Project" in str(wrong._repr_html_())
        monkeypatch.setenv("WBMODEL_REPR", "off")
        with assert_num_requests(0):
            assert repr(wrong) == "<Grouped Runs by state>"
            assert wrong._repr_html_() is None


def test_a_bulk_result_is_a_table() -> None:
    with runs_of([{"id": f"r{at:02}"} for at in range(25)]) as runs:
        found = runs.update(notes="x", dry_run=True)
        lines = repr(found).splitlines()
        assert lines[0] == "<BulkResult dry run of update Runs: 25 planned>: 25 rows, showing the first 20"
        assert lines[1].split() == ["path", "outcome"]
        assert lines[2].split() == [found[0].path, "planned"]
        assert len(lines) == 22
        assert str(found) == "<BulkResult dry run of update Runs: 25 planned>"
        assert str(found._repr_html_()).count("<tr>") == 21


@pytest.mark.parametrize("name", ["config.optimizer.lr", "summary.validation_loss", "id", "config.学習率.値", ""])
@pytest.mark.parametrize("room", range(20, 120, 20))
def test_the_end_of_a_heading_is_kept(name: str, room: int) -> None:
    titles = [name, "config.model", *(f"config.hyperparams.n_{at}" for at in range(6))]
    kept, sizes = fit([max(width(title), 3) for title in titles], room, [least(title) for title in titles])
    assert sum(sizes) + 2 * (kept - 1) <= room
    shown: list[Any] = [heading(title, size) for title, size in zip(titles, sizes, strict=False)]
    for title, text, size in zip(titles, shown, sizes, strict=False):
        assert width(text) <= size
        assert title.endswith(text.lstrip("…"))
        # The last part of the path can be read.
        assert text.lstrip("…").endswith(title.rpartition(".")[2]) or width(title.rpartition(".")[2]) > room


def test_the_insides_of_media_are_no_columns() -> None:
    """Files that were logged: typed ones, and those that only have a place and a hash."""
    image = {"_type": "image-file", "path": "media/x.png", "sha256": "a", "size": 1}
    video = {"path": "media/x.mp4", "sha256": "b", "size": 2}
    runs = [
        {
            "summary": {
                "loss": at,
                "image": {**image, "size": at},
                "videos": {**video, "size": at},
                "in": {"deep": image},
            }
        }
        for at in range(3)
    ]
    with runs_of(runs) as rows:
        page = str(rows._repr_html_()).replace("<wbr>", "")
        assert "summary.loss" in page
        for word in ("image", "videos", "sha256", "_type", "deep", "media/"):
            assert word not in page
        # One object names them, each as one value.
        page = rows[0]._repr_html_().replace("<wbr>", "")
        assert "image-file" in page
        assert "sha256" not in page
