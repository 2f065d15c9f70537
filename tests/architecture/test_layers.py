"""A module imports only from the rows above its own: `tools/rows.py` says which those are, every import is read."""

from __future__ import annotations

import ast
import subprocess
import sys

from tools import rows
from tools.source_tree import ROOT, dynamic_imports, imports, sources

FILES = sources()

# Who imports against the rows, and why. (file, module) -> reason; below `wbmodel`.
ALLOWED = {
    ("operations.bulk_result", "display.tables"): "its own repr, which is made where all tables are",
    ("engine.server", "server"): "where the server was at first: the names that docs and tests of plugins use stay",
    ("engine.server", "testing.faults"): "the same",
    ("engine.server", "testing.serving"): "the same",
}

# Imports by a function whose module is not written in the call. file -> where the names come from.
BY_FUNCTION = {
    "wbmodel": "the table `_LATER`, whose texts count as imports",
    "wbmodel.operations": "its own modules, which it imports for annotations too",
    "wbmodel.cli.main": "the table of `cli/options.py`, whose texts count as imports",
    "wbmodel.table.exports": "a frame library's name",
    "wbmodel.testing.conformance.seeds": "what the user of the kit names",
}

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


def ours(module: str) -> bool:
    return module.partition(".")[0] in {name.partition(".")[0] for name in FILES}


def test_a_module_imports_only_from_rows_above() -> None:
    wrong, used = [], set()
    for name, source in FILES.items():
        for one in imports(source, FILES):
            if not ours(one.module) or (refused := rows.refusal(name, one.module)) is None:
                continue
            pair = (name.removeprefix("wbmodel."), one.module.removeprefix("wbmodel."))
            if pair in ALLOWED:
                used.add(pair)
            else:
                wrong.append(f"{source.path.relative_to(ROOT)}:{one.line} imports {one.module} ({one.how}): {refused}")
    assert not wrong, "\n".join(wrong)
    assert not ALLOWED.keys() - used, f"no longer so, take it out of ALLOWED: {sorted(ALLOWED.keys() - used)}"


def test_no_way_leads_around_by_importlib() -> None:
    found = {name: list(dynamic_imports(source)) for name, source in FILES.items()}
    assert {name for name, calls in found.items() if calls} == set(BY_FUNCTION), found


def test_every_module_has_a_row_and_every_row_its_modules() -> None:
    tops = {name.split(".")[1] for name in FILES if name.startswith("wbmodel.")} | {"__init__"}
    assert tops == {name for row in (*rows.ROWS, *rows.BESIDE) for name in row.names}


def test_importing_wbmodel_loads_nothing_heavy() -> None:
    code = f"import sys, wbmodel; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_importing_wbmodel_leaves_for_later_what_only_a_question_needs() -> None:
    code = "import sys, wbmodel; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = ast.literal_eval(done.stdout)
    later = ("wbmodel.backend", "wbmodel.table", "wbmodel.session", "wbmodel.display", "wbmodel.operations.")
    assert [name for name in loaded if name.startswith(later)] == []
    assert [name for name in loaded if name.startswith("wbmodel.compiler.")] == ["wbmodel.compiler.selection"]


def test_connecting_loads_nothing_heavy_either() -> None:
    code = (
        "import sys, wbmodel; wbmodel.connect('fixtures:nowhere', project='a/b'); "
        "wbmodel.Run.objects.filter(state='x'); "
        f"print(sorted({HEAVY - {'asyncio'}!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
