"""Generate the reference pages and the table of layers, and check links: `python -m tools.make_docs [--check]`.

Without `--check`, it writes the pages that are out of date. With `--check`, it writes nothing and fails if a page is
out of date. Broken relative links fail both.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from tools import reference_api, reference_code, reference_conformance, reference_declared, reference_engine, rows
from tools.docs_markdown import ROOT, broken_links, pages

__all__ = ["FOLDER", "PAGES", "WITH_ROWS", "main", "render", "stale", "with_rows"]

FOLDER = ROOT / "docs" / "reference"
TEMPLATES = ROOT / "tools" / "reference"
MARK = "<!-- Made by `make docs` from the code and tools/reference; change it there. -->\n\n"

PAGES: dict[str, Callable[[], dict[str, str]]] = {
    "aliases.md": reference_declared.aliases,
    "api-differences.md": reference_api.differences,
    "api.md": reference_code.api,
    "capabilities.md": reference_declared.capabilities,
    "conformance.md": reference_conformance.page,
    "engine.md": reference_engine.page,
    "entities.md": reference_declared.entities,
    "errors.md": reference_code.errors_page,
    "evaluation.md": reference_code.evaluation,
    "histories.md": reference_code.histories,
    "hooks.md": reference_code.hooks,
    "lookups.md": reference_declared.lookups,
    "mongo-filters.md": reference_api.mongo,
    "querysets.md": reference_code.querysets,
    "settings.md": reference_code.settings,
    "wandb-api.md": reference_api.classes,
}

WITH_ROWS = (ROOT / "CONTRIBUTING.md", ROOT / "docs" / "explanation" / "architecture.md")
_ROWS = re.compile(r"(?P<start><!-- rows: [^>]*-->\n\n).*?(?P<end>\n\n<!-- end of rows -->)", re.DOTALL)


def render(name: str) -> str:
    """The whole text of a generated page: its template with the placeholders ``{{name}}`` filled.

    Raises ``LookupError`` if the placeholders and the texts do not match.
    """
    template = (TEMPLATES / name).read_text(encoding="utf-8")
    texts = PAGES[name]()
    places = set(re.findall(r"\{\{(\w+)\}\}", template))
    if places != set(texts):
        raise LookupError(f"tools/reference/{name}: placeholders and texts differ: {sorted(places ^ set(texts))}")
    filled = re.sub(r"\{\{(\w+)\}\}", lambda found: texts[found[1]], template)
    return f"{MARK}{filled.strip()}\n"


def with_rows(text: str) -> str:
    """A hand-written page, with the table of ``tools/rows.py`` between its marks.

    Raises ``LookupError`` unless the marks occur exactly once.
    """
    filled, times = _ROWS.subn(lambda found: f"{found['start']}{rows.rows_table()}{found['end']}", text)
    if times != 1:
        raise LookupError(f"the marks around the table of rows occur {times} times, not once")
    return filled


def stale() -> dict[Path, str]:
    """The files that are out of date, with their current text."""
    wanted = {FOLDER / name: render(name) for name in PAGES}
    wanted |= {file: with_rows(file.read_text(encoding="utf-8")) for file in WITH_ROWS}
    return {
        file: text for file, text in wanted.items() if not file.exists() or file.read_text(encoding="utf-8") != text
    }


def main(arguments: list[str] | None = None) -> int:
    """Write or check the pages, then check the links. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.make_docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is out of date")
    options = parser.parse_args(arguments)
    old = stale()
    for file, text in old.items():
        shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
        if options.check:
            print(f"{shown} is not current: run `make docs`", file=sys.stderr)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            print(f"wrote {shown}")
    wrong = [line for page in pages() for line in broken_links(page)]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong or (options.check and old) else 0


if __name__ == "__main__":
    sys.exit(main())
