"""Every Python block of the README and the documentation runs and prints what the page says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.runner import NO_RUN, run_page
from tools.docs_markdown import ROOT, code_blocks, pages
from wbmodel import connections

PAGES = [page for page in pages() if "```python" in page.read_text(encoding="utf-8")]


@pytest.fixture(autouse=True)
def close_sessions() -> Iterator[None]:
    """Close what a page connected to."""
    yield
    for session in list(connections.values()):
        session.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = [block for block in code_blocks(text) if block.label == "python"]
    ran = run_page(text, str(page.relative_to(ROOT)), tmp_path)
    left_out = [block.note for block in blocks if (block.note or "").startswith(NO_RUN)]
    assert ran + len(left_out) == len(blocks)
    assert all(len((note or "").removeprefix(NO_RUN).strip()) > 5 for note in left_out), (
        "a block that is left out says why"
    )


def test_most_examples_run() -> None:
    """Leaving out is for what needs a server or is a part of a module, not a way to keep a page green."""
    blocks = [
        block
        for page in PAGES
        if page.parent.name != "reference"
        for block in code_blocks(page.read_text(encoding="utf-8"))
    ]
    code = [block for block in blocks if block.label == "python"]
    left_out = [block for block in code if (block.note or "").startswith(NO_RUN)]
    assert len(left_out) <= len(code) // 5


def test_the_runner_notices_a_wrong_output(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="line 2"):
        run_page("```python\nprint(1)\n```\n\n```text\n2\n```\n", "page", tmp_path)


def test_the_runner_notices_an_output_that_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no text block"):
        run_page("```python\nprint(1)\n```\n", "page", tmp_path)


def test_the_runner_notices_a_failing_test(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="its tests fail"):
        run_page("```python\ndef test_it():\n    assert 1 == 2\n```\n", "page", tmp_path)


def test_blocks_share_a_namespace_and_may_await(tmp_path: Path) -> None:
    first = "```python\nfrom wbmodel import Run\nn = 1\n```\n\n"
    second = "```python\nprint(n, await Run.objects.filter(project='demo/morl').acount())\n```\n\n```text\n1 27\n```\n"
    assert run_page(first + second, "page", tmp_path) == 2
