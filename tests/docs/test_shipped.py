"""The documentation comes with the package, and every page that a message names is there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.docs_markdown import ROOT
from wbmodel import docs

NAMED = re.compile(r"python -m wbmodel\.docs ([a-z-]+)")
PLACE = re.compile(r"\bdocs/[\w/-]+|\b[\w-]+\.md\b|README")


def messages() -> list[tuple[str, str]]:
    """Every text of the source that is not a docstring, with its file."""
    made = []
    for base in ("wbmodel", "plugins"):
        for path in sorted((ROOT / base).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
                    made.append((path.relative_to(ROOT).as_posix(), node.value))
    return made


def test_a_message_names_only_pages_that_a_wheel_has() -> None:
    named = {name for _, text in messages() for name in NAMED.findall(text)}
    assert named >= {"write-a-backend", "run-the-conformance-kit"}
    assert named <= set(docs.pages())
    elsewhere = [
        (file, text)
        for file, text in messages()
        if PLACE.search(text) and "\n" not in text and file != "wbmodel/docs.py"
    ]
    assert elsewhere == []


def test_every_page_is_listed_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main([]) == 0
    listed = capsys.readouterr().out
    found = docs.pages()
    assert len(found) == len(list((ROOT / "docs").glob("*/*.md")))
    for name, path in found.items():
        assert re.search(rf"^{name} +\S", listed, re.MULTILINE)
        assert docs.main([name]) == 0
        assert capsys.readouterr().out == path.read_text(encoding="utf-8")
    assert docs.main(["docs/how-to/frames.md"]) == docs.main(["how-to/frames"]) == 0
    capsys.readouterr()
    assert docs.main(["fraems"]) == 2
    assert "there is no page 'fraems'; did you mean frames?" in capsys.readouterr().err


def test_from_a_folder_without_a_checkout(tmp_path: Path) -> None:
    """As a wheel lays it out; the slow test of packaging builds one."""
    package = tmp_path / "wbmodel"
    package.mkdir()
    for name in ("docs.py", "errors.py", "safe_text.py", "forks.py"):
        (package / name).write_text((ROOT / "wbmodel" / name).read_text(encoding="utf-8"), encoding="utf-8")
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "pages" / "how-to").mkdir(parents=True)
    (package / "pages" / "how-to" / "frames.md").write_text("# Frames 実\n", encoding="utf-8")
    call = [sys.executable, "-m", "wbmodel.docs"]
    done = subprocess.run([*call, "frames"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode("utf-8", "replace").startswith("# Frames")


def test_the_first_page_says_how_to_install() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert 0 < text.index("pip install wbmodel") < text.index("make demo")
    assert "python -m wbmodel.demo" in text
    assert "Windows" in text
