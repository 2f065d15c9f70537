"""A world of artifacts with files, tables, references and a lineage, and the places where it is served."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from tests.support.backends import WEAK, over_loopback, served
from wbmodel.engine import MemoryStore
from wbmodel.engine.backend import EngineBackend
from wbmodel.hookspecs import RegisterBackends, hookimpl
from wbmodel.query.artifact_names import reference
from wbmodel.registry import make_plugin_manager
from wbmodel.session.current import connect
from wbmodel.session.session import Session

__all__ = ["at", "md5", "store", "table"]


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def table(columns: list[Any], data: list[Any], **more: Any) -> bytes:
    return json.dumps({"_type": "table", "columns": columns, "data": data, "ncols": len(columns), **more}).encode()


def store() -> MemoryStore:
    """``acme/v``: runs r1 -> data:v0 -> r2 -> model:v0 -> r3 -> data:v1 -> r1 (a circle)."""
    made = MemoryStore(viewer="me")
    made.add_entity("acme")
    project = made.add_project("acme", "v")
    runs = [made.add_run(project, f"r{number}", display_name=f"run {number}") for number in (1, 2, 3)]
    made.add_file(runs[0], "wandb-metadata.json", b'{"program": "train.py", "gpu": "A100"}')
    made.add_file(runs[0], "media/a.txt", b"one")
    made.add_file(runs[0], "media/b.txt", b"two!")
    data = made.add_collection(project, "data", type="dataset")
    model = made.add_collection(project, "model", type="model")
    rows = table(["a", "b"], [[1, "x"], [2, None]])
    first = made.add_version(
        data,
        logged_by=runs[0],
        files={
            "t.table.json": rows,
            "dir/f.txt": b"content\n",
            "dir/deep/g.bin": bytes(range(256)),
            "joined.joined-table.json": json.dumps(
                {"_type": "joined-table", "table1": "t.table.json", "table2": "p/2.table.json", "join_key": "a"}
            ).encode(),
            "parts.partitioned-table.json": b'{"_type": "partitioned-table", "parts_path": "p"}',
            "p/1.table.json": table(["a"], [[1]]),
            "p/2.table.json": table(["a", "c"], [[2, True]]),
            "pic.image-file.json": b'{"_type": "image-file", "path": "media/pic.png"}',
        },
    )
    weights = made.add_version(
        model,
        logged_by=runs[1],
        aliases=["latest"],
        files={
            "w.bin": b"weights",
            "rows.table.json": {"ref": reference(first.id, "t.table.json"), "size": len(rows), "digest": md5(rows)},
        },
    )
    second = made.add_version(data, logged_by=runs[2], aliases=["latest"], files={"only.txt": b"only"})
    for run, artifact in zip(runs, (second, first, weights), strict=True):
        made.use(run, artifact)
    return made


class _Plugin:
    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    @hookimpl
    def wbmodel_register_backends(self, register: RegisterBackends) -> None:
        register("local", self._made, schemes=("local",), api_version=0)

    def _made(self, url: str) -> EngineBackend:
        store = self.store

        class Local(EngineBackend):
            api_version = 0

            def open_store(self) -> MemoryStore:
                return store

        made = Local(url)
        made.origin = f"{url}{id(store)}"
        return made


@contextmanager
def at(place: str, world: MemoryStore | None = None) -> Iterator[Session]:
    """A session to ``world`` at a place, current inside the block."""
    made = store() if world is None else world
    if place == "loopback":
        with over_loopback(made, "live", project="acme/v") as (_, session):
            yield session
    elif place == "slow":
        with served(made, "weak", project="acme/v", capabilities=attrs.evolve(WEAK, blobs=True)) as session:
            yield session
    else:
        plugins = make_plugin_manager(load_entry_points=False, plugins=[_Plugin(made)])
        with connect("local:", plugins=plugins, project="acme/v", name=f"local-{id(made)}", default=False) as session:
            yield session
