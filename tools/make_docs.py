"""Make the reference pages from the code, and check links: `python -m tools.make_docs [--check]`.

Without `--check`, pages that are not current are written. With it, nothing is written and the exit status says
whether something would be. Broken relative links fail both.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable

from tools import reference_code, reference_conformance, reference_declared
from tools.docs_markdown import ROOT, broken_links, pages

__all__ = ["FOLDER", "PAGES", "main", "render", "stale"]

FOLDER = ROOT / "docs" / "reference"
TEMPLATES = ROOT / "tools" / "reference"
MARK = "<!-- Made by `make docs` from the code and tools/reference; change it there. -->\n\n"

PAGES: dict[str, Callable[[], dict[str, str]]] = {
    "aliases.md": reference_declared.aliases,
    "api.md": reference_code.api,
    "capabilities.md": reference_declared.capabilities,
    "conformance.md": reference_conformance.page,
    "entities.md": reference_declared.entities,
    "errors.md": reference_code.errors_page,
    "evaluation.md": reference_code.evaluation,
    "hooks.md": reference_code.hooks,
    "lookups.md": reference_declared.lookups,
    "querysets.md": reference_code.querysets,
    "settings.md": reference_code.settings,
}


def render(name: str) -> str:
    """The whole text of a generated page: its template with the places ``{{name}}`` filled.

    Raises ``LookupError`` when the template and what fills it do not fit.
    """
    template = (TEMPLATES / name).read_text(encoding="utf-8")
    texts = PAGES[name]()
    places = set(re.findall(r"\{\{(\w+)\}\}", template))
    if places != set(texts):
        raise LookupError(f"tools/reference/{name}: places and texts differ: {sorted(places ^ set(texts))}")
    filled = re.sub(r"\{\{(\w+)\}\}", lambda found: texts[found[1]], template)
    return f"{MARK}{filled.strip()}\n"


def stale() -> list[str]:
    """The names of the pages whose files are not what the code says."""
    found = []
    for name in PAGES:
        file = FOLDER / name
        if not file.exists() or file.read_text(encoding="utf-8") != render(name):
            found.append(name)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Write or check the pages, then check the links. Gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.make_docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is not current")
    options = parser.parse_args(arguments)
    old = stale()
    for name in old:
        if options.check:
            print(f"docs/reference/{name} is not current: run `make docs`", file=sys.stderr)
        else:
            FOLDER.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_text(render(name), encoding="utf-8")
            print(f"wrote docs/reference/{name}")
    wrong = [line for page in pages() for line in broken_links(page)]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong or (options.check and old) else 0


if __name__ == "__main__":
    sys.exit(main())
