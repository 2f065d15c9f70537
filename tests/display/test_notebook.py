"""A real notebook on the demo world, executed by a real kernel, and what it shows looked at by a real browser."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.support.odd_worlds import HOSTILE, hostile, parsed
from wbmodel import Run

ROOT = Path(__file__).resolve().parents[2]

CELLS = {
    "connect": "from wbmodel import F, Project, Run, Sweep, connect\nsession = connect('demo:')",
    "runs": "runs = Run.objects.filter(project='demo/vit-prisma').order_by('summary.test_loss')\nruns",
    "asked": "session.stats.requests",
    "run": "runs[0]",
    "projects": "Project.objects.order_by('name')",
    "values": "runs.values('id', 'state', 'config.training.lr')[:5]",
    "sweeps": "Sweep.objects.all()",
    "a list": "list(runs[:2])",
    "mistake": "Run.objects.filter(project='demo/nothing')",
    # A cell runs inside the kernel's event loop: both colours work in it, on both kinds of backend.
    "loop": "import asyncio\nasyncio.get_running_loop().is_running(), runs.count(), await runs.acount()",
    "slow backend": (
        "from tests.support.backends import served\nfrom tests.support.worlds import make_world\n"
        "with served(make_world().store(), 'weak'):\n"
        "    plain = len(Run.objects.all()), Run.objects.count()\n"
        "    both = plain, [run.id async for run in Run.objects.all()] == [run.id for run in Run.objects.all()]\n"
        "both"
    ),
    "wait": "(await runs[0].await_(timeout=1)).state, runs[0].wait(timeout=1).state",
    "watch": "[change async for change in runs[:2].awatch(interval=0.01, timeout=0, existing=True)]",
    "off": "import os\nos.environ['WBMODEL_REPR'] = 'off'\nruns.all()",
    "off, a run": "runs[0]",
}


def _execute(cells: dict[str, str]) -> dict[str, dict[str, str]]:
    """The MIME bundle of each cell's result. Raises for a cell that fails."""
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells.values()])
    nbclient.NotebookClient(
        book, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    ).execute()
    nbformat.validate(book)
    found: dict[str, dict[str, str]] = {}
    for name, cell in zip(cells, book.cells, strict=True):
        results: list[Any] = [item for item in cell.outputs if item.output_type == "execute_result"]
        assert [item for item in cell.outputs if item.output_type == "error"] == []
        found[name] = dict(results[0].data) if results else {}
    return found


@pytest.fixture(scope="module")
def shown() -> dict[str, dict[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(ROOT / "plugins"))))
        patch.delenv("WBMODEL_REPR", raising=False)
        return _execute(CELLS)


# jupyter_client and pyzmq warn of things that are theirs.
notebook = pytest.mark.filterwarnings("ignore")


@notebook
def test_querysets_and_objects_are_tables(shown: dict[str, dict[str, str]]) -> None:
    page = parsed(shown["runs"]["text/html"])
    assert len(page.rows) == 21
    assert page.rows[0][:4] == ["id", "name", "state", "created_at"]
    assert "summary.test_loss" in page.rows[0]
    at = page.rows[0].index("summary.test_loss")
    losses = [float(row[at]) for row in page.rows[1:] if row[at]]
    assert losses == sorted(losses)
    assert shown["runs"]["text/plain"].startswith("<QuerySet[Run] [<Run demo/vit-prisma/")
    assert shown["asked"]["text/plain"] == "1"
    assert dict(parsed(shown["run"]["text/html"]).rows)["id"] == page.rows[1][0]
    assert {row[0] for row in parsed(shown["projects"]["text/html"]).rows} >= {"vit-prisma", "morl"}
    assert parsed(shown["values"]["text/html"]).rows[0] == ["id", "state", "config.training.lr"]
    assert len(parsed(shown["values"]["text/html"]).rows) == 6
    assert len(parsed(shown["sweeps"]["text/html"]).rows) > 2
    assert shown["a list"].keys() == {"text/plain"}


@notebook
def test_a_mistake_is_a_line_and_no_traceback(shown: dict[str, dict[str, str]]) -> None:
    (line,) = parsed(shown["mistake"]["text/html"]).notes
    assert "cannot be evaluated: Project 'demo/nothing' does not exist" in line


@notebook
def test_both_colours_work_inside_the_running_loop(shown: dict[str, dict[str, str]]) -> None:
    running, plain, twin = eval(shown["loop"]["text/plain"])
    assert running is True
    assert plain == twin > 20
    assert eval(shown["slow backend"]["text/plain"]) == ((34, 34), True)
    first, second = eval(shown["wait"]["text/plain"])
    assert first == second
    assert shown["watch"]["text/plain"].count("<Change added <Run demo/vit-prisma/") == 2


@notebook
def test_it_can_be_turned_off(shown: dict[str, dict[str, str]]) -> None:
    assert shown["off"] == {"text/plain": "<QuerySet[Run] not evaluated>"}
    assert shown["off, a run"].keys() == {"text/plain"}


# -- in a browser ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> str:
    names = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium or Chrome is installed")
    return found


def _chromium(browser: str, folder: Path, page: Path, *options: str) -> str:
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [
        browser,
        "--headless",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}",
        *sandbox,
        *options,
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _page(folder: Path, parts: list[str]) -> Path:
    body = "\n<hr>\n".join(parts)
    file = folder / "page.html"
    file.write_text(
        "<!doctype html><html><head><meta charset='utf-8'><title>untouched</title></head>\n"
        f"<body>\n{body}\n</body></html>",
        encoding="utf-8",
    )
    return file


def _pixels(png: bytes) -> tuple[int, int, set[bytes]]:
    """Width, height and the distinct lines of a PNG, as far as its filters leave them apart."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, data, width, height = 8, b"", 0, 0
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        if kind == b"IHDR":
            width, height = struct.unpack(">II", png[at + 8 : at + 16])
        if kind == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += length + 12
    raw = zlib.decompress(data)
    line = len(raw) // height
    return width, height, {raw[start : start + line] for start in range(0, len(raw), line)}


@notebook
@pytest.mark.browser
def test_a_browser_draws_the_tables(shown: dict[str, dict[str, str]], browser: str, tmp_path: Path) -> None:
    page = _page(tmp_path, [shown[name]["text/html"] for name in ("runs", "run", "projects", "values", "mistake")])
    picture = tmp_path / "notebook.png"
    _chromium(browser, tmp_path, page, f"--screenshot={picture}", "--window-size=1500,1700")
    width, height, lines = _pixels(picture.read_bytes())
    assert (width, height) == (1500, 1700)
    assert len(lines) > 200  # lines of text; a blank page has one


@pytest.mark.browser
def test_nothing_in_the_data_does_anything_in_a_browser(browser: str, tmp_path: Path) -> None:
    with hostile():
        rows = Run.objects.order_by("id")
        parts = [str(rows._repr_html_()), *(str(run._repr_html_()) for run in rows)]
    page = _page(tmp_path, [part.replace("<table>", "<table border='1'>", 1) for part in parts])
    dom = _chromium(browser, tmp_path, page, "--dump-dom", "--virtual-time-budget=2000")
    assert "<title>untouched</title>" in dom
    for tag in ("<script", "<img", "<iframe"):
        assert tag not in dom
    assert HOSTILE[0].replace("<", "&lt;").replace(">", "&gt;") in dom  # it is there, as text
    picture = tmp_path / "hostile.png"
    _chromium(browser, tmp_path, page, f"--screenshot={picture}", "--window-size=1500,1200")
    assert len(_pixels(picture.read_bytes())[2]) > 200
