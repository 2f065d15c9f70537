"""Measure the size and shape of the package in one or more checkouts: `python -m tools.measure [checkout ...]`.

It counts lines and files by package, classes, import cycles, imports inside functions and for annotations, casts, uses
of other files' underscore names, and what one query costs: calls, functions, files and stack depth for a listing of the
demo world that has run once before. The numbers of several checkouts are printed side by side.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import os
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tools import rows
from tools.docs_markdown import table
from tools.source_tree import ROOT, Source, circles, edges, imports, reaches, sources

__all__ = ["code_lines", "main", "measure"]

# Counts calls of the package's own functions, without the backend's, during a query that has run once before. It uses
# only public names, so that it runs in every checkout.
QUERY = """
import json, sys, wbmodel
wbmodel.connect("demo:")
home = wbmodel.__path__[0].rsplit("/", 1)[0]
def ask():
    runs = wbmodel.Run.objects.filter(project="demo/vit-prisma", state="finished", summary__test_loss__gt=0)
    return [(run.name, run.summary["test_loss"]) for run in runs.order_by("summary.test_loss", "-created_at")[:5]]
first = ask()
calls, depth, functions = 0, 0, set()
def ours(file):
    return file.startswith(home) and "site-packages" not in file
def seen(frame, event, argument):
    global calls, depth
    file = frame.f_code.co_filename
    if event != "call" or not ours(file) or "/engine/" in file or "wbmodel_fixtures" in file:
        return
    calls += 1
    functions.add((file, frame.f_code.co_qualname if hasattr(frame.f_code, "co_qualname") else frame.f_code.co_name))
    deep = 0
    while frame is not None:
        deep += ours(frame.f_code.co_filename)
        frame = frame.f_back
    depth = max(depth, deep)
sys.setprofile(seen)
again = ask()
sys.setprofile(None)
assert again == first and len(first) == 5
files = {file for file, _ in functions}
print(json.dumps({"calls": calls, "functions": len(functions), "files": len(files), "depth": depth}))
"""


def measure(checkout: Path) -> dict[str, int]:
    """The numbers of one checkout, by label, in the order in which they are printed."""
    files = sources(checkout)
    graph = edges(files)
    found = circles(graph)
    beside = {row.names[0] for row in rows.BESIDE}
    core = [circle for circle in found if circle[0].startswith("wbmodel") and _package(circle[0]) not in beside]
    hows = Counter(one.how for name, file in files.items() for one in imports(file, files) if _is_ours(one.module))
    numbers = {
        "lines": sum(len(file.text.splitlines()) for file in files.values()),
        "lines of code": sum(code_lines(file) for file in files.values()),
        "files": len(files),
        "classes at top level": sum(isinstance(one, ast.ClassDef) for file in files.values() for one in file.tree.body),
        "functions at top level": sum(
            isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) for file in files.values() for one in file.tree.body
        ),
        "largest circle of imports": max(map(len, core), default=0),
        "files in circles": sum(map(len, core)),
        "largest circle beside (engine, server, testing, plugins)": max(
            (len(circle) for circle in found if circle not in core), default=0
        ),
        "which file imports which": sum(map(len, graph.values())),
        "imports inside functions": hows["inside"],
        "imports for annotations": hows["annotation"],
        "casts": sum(
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "cast"
            for file in files.values()
            for node in ast.walk(file.tree)
        ),
        "uses of other files' underscore names": sum(len(list(reaches(file))) for file in files.values()),
    }
    numbers |= {f"one listing: {what}": number for what, number in _query(checkout).items()}
    return numbers | {f"lines of {name}": lines for name, lines in sorted(_lines_by_package(files).items())}


def code_lines(source: Source) -> int:
    """How many lines hold code: they are not blank, not a comment, and not part of a docstring."""
    nothing = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type not in nothing:
            held.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(source.tree):
        for statement in getattr(node, "body", ()) if not isinstance(node, ast.Lambda | ast.IfExp) else ():
            if (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and statement.value.value is not ...
            ):
                held.difference_update(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
    return len(held)


def _package(module: str) -> str:
    """The package that a module is in: ``query`` for ``wbmodel.query.q``, or a plugin's name."""
    parts = module.split(".")
    return parts[0] if parts[0] != "wbmodel" else parts[1] if len(parts) > 1 else "__init__"


def _is_ours(module: str) -> bool:
    return module.partition(".")[0].startswith("wbmodel")


def _lines_by_package(files: Mapping[str, Source]) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, file in files.items():
        found[_package(name)] += len(file.text.splitlines())
    return found


def _query(checkout: Path) -> dict[str, int]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(checkout), str(checkout / "plugins")])}
    done = subprocess.run(
        [sys.executable, "-c", QUERY], check=False, cwd=checkout, env=environ, capture_output=True, text=True
    )
    if done.returncode:
        print(done.stderr.strip().rpartition("\n")[2], file=sys.stderr)
        return {}
    return dict(json.loads(done.stdout))


def main(arguments: list[str] | None = None) -> int:
    """Print the numbers as a Markdown table. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.measure", description=__doc__)
    parser.add_argument("checkouts", nargs="*", type=Path, default=[ROOT], help="default: this checkout")
    checkouts = parser.parse_args(arguments).checkouts
    measured = [measure(checkout.resolve()) for checkout in checkouts]
    names = list(dict.fromkeys(name for numbers in measured for name in numbers))
    print(
        table(
            ("", *(checkout.resolve().name for checkout in checkouts)),
            [(name, *(str(numbers.get(name, "")) for numbers in measured)) for name in names],
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
