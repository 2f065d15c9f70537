"""The world that the scripts in tests/api/scripts read and change: the demo world, with groups, tags, files, a table
and a use of a version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import wbmodel
from tests.support.http import KEY
from wbmodel.engine import Dialect, Engine
from wbmodel.engine.server import Server, serving

__all__ = ["SCRIPTS", "script_server"]

SCRIPTS = sorted(Path(__file__).parents[1].joinpath("api", "scripts").glob("*.py"))
DEEP = ("0lhwu6v9", "o2syfzqt", "ywompje1", "1xne4f5h")
SHALLOW = ("a8azl4nz", "vetu6v7z", "m6zk29oh")
ROWS = [[f"prompt {number}", number / 4] for number in range(4)]


@contextmanager
def script_server() -> Iterator[Server]:
    """A server with a world of its own."""
    with wbmodel.connect("demo:", name="for a script", default=False) as session:
        store = session.backend.world  # type: ignore[attr-defined]
        project = store.project("demo", "vit-prisma")
        for names, tags, group in ((DEEP, ["deep"], "cold"), (SHALLOW, ["shallow"], "warm")):
            for name in names:
                more = ["baseline"] if name in ("o2syfzqt", "vetu6v7z") else []
                store.update(store.run(project, name).id, tags=[*tags, *more], group=group)
        run = store.run(project, "0lhwu6v9")
        store.add_file(run, "config.yaml", b"lr: 1\n", mimetype="text/yaml")
        store.add_file(run, "logs/output.txt", b"epoch 0\n", mimetype="text/plain")
        store.add_file(run, "notes.txt", b"good\n", mimetype="text/plain")
        table = {"_type": "table", "columns": ["prompt", "score"], "data": ROWS, "ncols": 2, "nrows": len(ROWS)}
        found = store.add_collection(project, "run-0lhwu6v9-predictions", type="run_table")
        store.add_version(
            found,
            logged_by=run,
            aliases=["latest"],
            files={"predictions.table.json": json.dumps(table).encode()},
            state="COMMITTED",
        )
        weights = store.membership(store.collection(project, "vit-weights"), "latest")
        store.use(store.run(project, "o2syfzqt"), weights.artifact)
        with serving(Engine(store, Dialect(missing_user="nobody")), api_key=KEY) as server:
            yield server
