"""The layer table of CONTRIBUTING.md, held by reading every import, those inside functions too."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = {
    "errors": 0,
    "_version": 0,
    "meta": 1,
    "request": 1,
    "codec": 1,
    "urls": 1,
    "query": 2,
    "compiler": 3,
    "convert": 3,
    "owner_loop": 4,
    "backend": 4,
    "hookspecs": 4,
    "registry": 4,
    "session": 5,
    "objects": 6,
    "entities": 7,
    "api": 8,
    "cli": 9,
}
FREE = {"wbmodel", "demo", "__main__"}  # they only call what a user could call
SIDE = {"engine": {0, 1}, "backend": {0, 1, 4}, "hookspecs": {0, 1, 4}, "registry": {0, 1, 4}, "owner_loop": {0, 1, 4}}
MAY_ALSO = {"cli": {"engine"}}  # `wbmodel serve` starts the engine's server, as a user's own program would
PLUGINS_MAY = {"errors", "codec", "meta", "request", "urls", "backend", "hookspecs", "engine", "testing"}
HEAVY = {
    "gql",
    "aiohttp",
    "graphql",
    "pandas",
    "asyncio",
    "msgspec",
    "yaml",
    "cattrs",
    "polars",
    "pyarrow",
    "sqlalchemy",
}


def sources():
    for folder in ("wbmodel", "plugins"):
        yield from sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def parts(path):
    """``("wbmodel", "query", "q")`` for ``wbmodel/query/q.py``, whichever folder it is found from."""
    relative = path.relative_to(ROOT / "plugins" if path.is_relative_to(ROOT / "plugins") else ROOT).with_suffix("")
    return relative.parts[:-1] if relative.name == "__init__" else relative.parts


def imports(path):
    """``(line, module)`` of every import in a file, those under TYPE_CHECKING and inside functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = parts(path) if path.name == "__init__.py" else parts(path)[:-1]

    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
            for alias in node.names:
                # `from wbmodel import errors` names a module, `from wbmodel.errors import X` does not.
                yield node.lineno, f"{base}.{alias.name}" if base == "wbmodel" else base


def of_wbmodel(module):
    """``"query"`` for ``wbmodel.query.q``; None for what is not ours."""
    names = module.split(".")
    return names[1] if names[0] == "wbmodel" and len(names) > 1 else None


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: "/".join(parts(path)))
def test_a_module_imports_only_from_above(path):
    names = parts(path)
    wrong = []
    for line, module in imports(path):
        target = of_wbmodel(module)
        if target is None:
            continue
        if names[0] != "wbmodel":
            if target not in PLUGINS_MAY:
                wrong.append(f"line {line}: a plugin imports wbmodel.{target}")
            continue
        own = names[1] if len(names) > 1 else "wbmodel"
        if own in FREE or own == target or own == "testing" or target in MAY_ALSO.get(own, ()):
            continue
        allowed = SIDE.get(own)
        level = LAYERS.get(target)
        if allowed is not None:
            if level not in allowed:
                wrong.append(f"line {line}: {own} imports {target}, and may import rows {sorted(allowed)} only")
        elif level is None:
            wrong.append(f"line {line}: {own} imports {target}, which is beside the table")
        elif level > LAYERS[own]:
            wrong.append(f"line {line}: {own} (row {LAYERS[own]}) imports {target} (row {level})")
    assert not wrong, f"{path.relative_to(ROOT)}: " + "; ".join(wrong)


def test_every_module_has_a_row():
    found = {parts(path)[1] for path in sources() if parts(path)[0] == "wbmodel" and len(parts(path)) > 1}
    assert found - FREE - {"engine", "testing"} <= set(LAYERS)


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: "/".join(parts(path)))
def test_house_rules(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    if not text.strip():
        return
    assert len(text.splitlines()) < 500, "a file has one job and fewer than 500 lines"
    assert ast.get_docstring(tree), "the module's docstring says its job"
    if any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AnnAssign) for node in ast.walk(tree)):
        assert "from __future__ import annotations" in text


def test_plugins_keep_to_themselves():
    for path in sources():
        own = parts(path)[0]
        for line, module in imports(path):
            other = module.split(".")[0]
            assert not (other.startswith("wbmodel_") and other != own), f"{path}, line {line}: imports {other}"


def test_importing_wbmodel_loads_nothing_heavy():
    code = f"import sys, wbmodel; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_connecting_loads_nothing_heavy_either():
    code = (
        "import sys, wbmodel; wbmodel.connect('fixtures:nowhere', project='a/b'); "
        "wbmodel.Run.objects.filter(state='x'); "
        f"print(sorted({HEAVY - {'asyncio'}!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_table_is_the_one_in_contributing():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name, row in LAYERS.items():
        if name.startswith("_") or row > 7:
            continue
        line = next(line for line in text.splitlines() if line.startswith(f"| {row} |"))
        assert f"`{name}`" in line or f"`{name}/`" in line, f"CONTRIBUTING.md does not have {name} in row {row}"
