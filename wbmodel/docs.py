"""``python -m wbmodel.docs``: the documentation that comes with the package, by title, or one page as text."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from wbmodel.errors import nearest

__all__ = ["main", "pages"]


def pages() -> dict[str, Path]:
    """The pages by name: ``frames`` is ``how-to/frames.md``; where two folders have one of that name, the name is
    ``explanation/evaluation``."""
    here = Path(__file__).parent
    # A wheel carries the folder beside this file; in a checkout it is where people look for it.
    root = next((place for place in (here / "pages", here.parent / "docs") if place.is_dir()), here)
    found = sorted(path for path in root.rglob("*.md") if path.parent != root)
    names = [path.stem for path in found]
    return {
        path.stem if names.count(path.stem) == 1 else path.relative_to(root).with_suffix("").as_posix(): path
        for path in found
    }


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as lines:
        return next((line[2:].strip() for line in lines if line.startswith("# ")), path.stem)


def main(arguments: Sequence[str]) -> int:
    """Print the list of pages, or those that are named. Returns 2 for a name that no page has."""
    found = pages()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    for name in arguments:
        word = name.removesuffix(".md").removeprefix("docs/")
        hits = [key for key, path in found.items() if word in (key, path.stem, f"{path.parent.name}/{path.stem}")]
        if not hits:
            near = nearest(word, found)
            tail = f"; did you mean {' or '.join(near)}?" if near else "; without a name, this lists them"
            sys.stderr.write(f"there is no page {name!r}{tail}\n")
            return 2
        for key in hits:
            sys.stdout.write(found[key].read_text(encoding="utf-8"))
    if not arguments:
        size = max(map(len, found), default=0)
        for key, path in found.items():
            sys.stdout.write(f"{key.ljust(size)}  {_title(path)}\n")
        sys.stdout.write("\npython -m wbmodel.docs NAME prints a page\n")
    return 0


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):  # `| head` ends it without a word
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))
