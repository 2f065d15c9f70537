"""A served world, and the answers that each official client gives about it. One process per client asks everything."""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import wbmodel
from tests.clients.installing import CLIENTS, CannotInstall, client_python
from wbmodel.engine import ConsoleLine, Dialect, Engine, MemoryStore
from wbmodel.engine.server import Server, serving

KEY = "0123456789abcdef0123456789abcdef01234567"  # 0.31.0 takes 40 characters and more
PROJECT = "demo/vit-prisma"
RUN = f"{PROJECT}/0lhwu6v9"
FILTERS = {"summary_metrics.test_loss": {"$lt": 3.0}}
CONFIG_FILTERS = {"config.transformer.value.num_layers": {"$gte": 4}}
OR_FILTERS = {"$or": [{"state": "crashed"}, {"config.dropout.patch": {"$gt": 0}}]}
ASK = Path(__file__).with_name("ask.py")


class World(NamedTuple):
    """The world as wbmodel sees it without a network, and the server that the clients ask."""

    session: wbmodel.Session
    store: MemoryStore
    server: Server


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The demo world, and in one of its runs what that world lacks: files, system metrics, console lines, NaN."""
    # Not in a block: that would be the current session of every test until the last one.
    session = wbmodel.connect("demo:", name="as it is", default=False)
    store = session.backend.world  # type: ignore[attr-defined]
    fill(store)
    engine = Engine(store, Dialect(missing_user="nobody"))
    try:
        with serving(engine, api_key=KEY) as server:
            yield World(session, store, server)
    finally:
        session.close()


def fill(store: MemoryStore) -> None:
    project = store.project("demo", "vit-prisma")
    assert project is not None
    run = store.run(project, "0lhwu6v9")
    other = store.run(project, "o2syfzqt")
    assert run is not None
    assert other is not None
    store.add_file(run, "config.yaml", b"lr: 1\n", mimetype="text/yaml")
    store.add_file(run, "media/a plot.txt", "größer\n".encode(), mimetype="text/plain")
    store.add_file(run, "empty.txt", b"", mimetype="text/plain")
    store.update(
        run.id,
        events=[{"system.cpu": 1.5, "_runtime": 1.0}, {"system.cpu": 2.5, "_runtime": 2.0}],
        console=[ConsoleLine(line=f"epoch {number}") for number in range(5)],
        summary={**run.summary, "nan": math.nan, "inf": math.inf, "nested": {"deep": [1, None, "x"]}},
        display_name="eine größere Übung",
        user=store.viewer,
    )
    collection = store.collection(project, "vit-weights")
    assert collection is not None
    version = store.membership(collection, "latest")
    assert version is not None
    store.use(other, version.artifact)
    apart = [{"_step": step, "train" if step % 2 else "val": step / 2} for step in range(10)]
    store.update(other.id, history=[*apart, {"_step": 10, "train": 5.0, "val": 5.0}])
    store.add_file(run, "wandb-metadata.json", b'{"program": "train.py", "host": "box"}', mimetype="application/json")


class Client(NamedTuple):
    """One official client and what it answered."""

    version: str
    answers: dict[str, Any]

    @property
    def old(self) -> bool:
        return self.version == "0.10.28"

    def __getitem__(self, question: str) -> Any:
        found = self.answers[question]
        if isinstance(found, dict) and "raised" in found:
            raise AssertionError(f"{question} raised {found['raised']}")
        return found

    def raised(self, question: str) -> tuple[str, str]:
        """The type and the message of what a question raised."""
        kind, message = self.answers[question]["raised"]
        return kind, message


def ask(version: str, world: World, folder: Path) -> Client:
    """Ask everything in a process of the client's own Python. Its writes go to a world of its own."""
    with writable() as own:
        questions = {
            "entity": "demo",
            "project": PROJECT,
            "run": RUN,
            "sweep": f"{PROJECT}/synvit01",
            "reports": "demo/wandb-sdk-tests",
            "artifact": f"{PROJECT}/vit-weights:latest",
            "collection": ["model", f"{PROJECT}/vit-weights"],
            "filters": FILTERS,
            "order": "-summary_metrics.test_loss",
            "config_filters": CONFIG_FILTERS,
            "or_filters": OR_FILTERS,
            "key": "train_loss",
            "file": "media/a plot.txt",
            "folder": str(folder),
            "user": "view",
            "writable": own,
        }
        return Client(version, answers_of(version, world.server, folder, ASK, questions))


@contextmanager
def writable() -> Iterator[str]:
    """The address of a server with a world to write to: the demo world as ``fill`` left it."""
    with wbmodel.connect("demo:", name="to write to", default=False) as session:
        store = session.backend.world  # type: ignore[attr-defined]
        fill(store)
        project = store.project("demo", "vit-prisma")
        run = project and store.run(project, "0lhwu6v9")
        assert run
        store.update(run.id, config={**run.config, "_wandb": {"t": {"1": [1]}}})
        with serving(Engine(store, Dialect(missing_user="nobody")), api_key=KEY) as server:
            yield server.url


def answers_of(version: str, server: Server, folder: Path, script: Path, questions: dict[str, Any]) -> dict[str, Any]:
    """What a script says that the client's own Python runs: it is given two files, for questions and for answers."""
    asked, answers = folder / "questions.json", folder / "answers.json"
    asked.write_text(json.dumps(questions))
    run_client(version, server, folder, script, str(asked), str(answers))
    found: dict[str, Any] = json.loads(answers.read_text())
    return found


def run_client(version: str, server: Server, folder: Path, *command: Path | str) -> str:
    """What a script prints that the client's own Python runs."""
    python = client_python(version)
    # Nothing of the machine's own settings, caches and credentials; and proxies are not for this machine.
    kept = {
        name: value for name, value in os.environ.items() if not name.upper().startswith(("WANDB", "PYTHON", "NETRC"))
    }
    environment = {
        **kept,
        "HOME": str(folder),
        "WANDB_BASE_URL": server.url,
        "WANDB_API_KEY": KEY,
        "WANDB_DIR": str(folder),
        "WANDB_CACHE_DIR": str(folder / "cache"),
        "WANDB_CONFIG_DIR": str(folder / "config"),
        "WANDB_DATA_DIR": str(folder / "data"),
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_SILENT": "true",
        "NO_PROXY": "127.0.0.1",
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [str(python), *map(str, command)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"wandb {version} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def clients(world: World) -> Iterator[dict[str, Future[Client]]]:
    """Both clients, installed and asked at the same time."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place, ThreadPoolExecutor(2) as pool:
        asked = {}
        for version in CLIENTS:
            folder = Path(place) / version
            folder.mkdir()
            asked[version] = pool.submit(ask, version, world, folder)
        yield asked


@pytest.fixture(scope="session", params=list(CLIENTS))
def client(request: pytest.FixtureRequest, clients: dict[str, Future[Client]]) -> Client:
    """Each official client. Where one cannot be had, its tests are skipped; WBMODEL_REQUIRE_CLIENTS=1 has them fail."""
    try:
        return clients[request.param].result()
    except CannotInstall as error:
        if os.environ.get("WBMODEL_REQUIRE_CLIENTS") == "1":
            pytest.fail(f"wandb {request.param} is required here: {error}")
        pytest.skip(str(error))
