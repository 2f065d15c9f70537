"""Import paths that README and docs name: each can be imported, wherever the inside has moved to."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FROM = re.compile(r"^[ \t>]*from (wbmodel[\w.]*) import (\([^)]*\)|[^\n#;]+)", re.MULTILINE)
WHOLE = re.compile(r"^[ \t>]*import (wbmodel[\w.]*)", re.MULTILINE)
NAMED = re.compile(r"`(wbmodel(?:_[a-z]+)?(?:\.\w+)+)")
NO_PATHS = {
    # Attributes of spans, and loggers.
    *(f"wbmodel.{name}" for name in ("attempts", "bytes", "outcome", "rows", "variables", "histories", "live")),
    # What wandb calls so, and wbmodel does not have yet.
    "wbmodel.Api",
}


def paths() -> dict[str, str]:
    """Dotted path -> a page that names it."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named = [path for pattern in (WHOLE, NAMED) for path in pattern.findall(text)]
        for module, names in FROM.findall(text):
            named += [
                f"{module}.{name.split(' as ')[0].strip()}" for name in names.strip("() \n").split(",") if name.strip()
            ]
        for path in named:
            found.setdefault(path, page.relative_to(ROOT).as_posix())
    return {path: found[path] for path in sorted(found) if path not in NO_PATHS}


def resolve(path: str) -> Any:
    """What a dotted path names: as much of it as can be is a module, the rest are attributes."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        name = ".".join(parts[:end])
        try:
            found: Any = importlib.import_module(name)
        except ModuleNotFoundError as error:
            # Only a name that is not a module sends us on: a module whose own import fails is broken.
            if error.name is None or not name.startswith(error.name):
                raise
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(path)


def test_the_docs_name_the_public_modules() -> None:
    named = {".".join(path.split(".")[:2]) for path in paths()}
    assert {f"wbmodel.{name}" for name in ("backend", "engine", "errors", "hookspecs", "registry", "request")} <= named


@pytest.mark.parametrize("path", paths())
def test_a_path_that_the_docs_name_can_be_imported(path: str) -> None:
    try:
        resolve(path)
    except (AttributeError, ModuleNotFoundError) as error:
        pytest.fail(f"{paths()[path]} names {path}: {error}")
