"""Fixtures for every test: no session or setting leaks in or out, and ``snapshot`` compares text with a kept file."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support import depth, matrix
from tests.support.sampling import thin_out
from wbmodel.session import current

SNAPSHOTS = Path(__file__).parent / "snapshots"
SETTINGS = (
    "WBMODEL_URL",
    "WBMODEL_REPR",
    "WBMODEL_TRACE",
    "WBMODEL_OTEL",
    "WANDB_BASE_URL",
    "WANDB_API_KEY",
    "WANDB_IDENTITY_TOKEN_FILE",
    "WANDB_ENTITY",
    "WANDB_PROJECT",
    "REQUESTS_CA_BUNDLE",
)


# A property test holds what is so of every example, and no time: a busy machine takes ten times as long for some.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-snapshots", action="store_true", help="write tests/snapshots anew instead of comparing")


def pytest_configure(config: pytest.Config) -> None:
    # Nothing is kept in the caches of the user who runs the tests. Processes of xdist get the same folder.
    if "WBMODEL_CACHE_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="wbmodel-tests-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ.update(WBMODEL_CACHE_DIR=f"{folder}/files", WBMODEL_INDEX=f"{folder}/index")
    depth.quick = "not slow" in config.option.markexpr
    config.pluginmanager.register(matrix)
    gc.disable()  # until all is collected: what is collected stays, and is a lot to look through


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    thin_out(items, whole=not any("::" in argument for argument in config.args))
    # What takes longest begins first, so that of several processes none is left with it in the end.
    items.sort(key=lambda item: "typing" not in item.path.parts)


def pytest_collection_finish() -> None:
    # Thousands of collected tests stay to the end. A collector that looks through them again and again stops every
    # thread for tenths of a second, in the middle of tests that hold deadlines.
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test finds no session and no setting of the machine, and leaves none behind."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(SNAPSHOTS / "no-netrc"))
    before = set(current.connections.values())
    yield
    for session in set(current.connections.values()) - before:
        session.close()


@pytest.fixture
def snapshot(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``snapshot("name.graphql", text)``: equal to the kept file; ``--update-snapshots`` writes it."""
    update = request.config.getoption("--update-snapshots")

    def check(name: str, text: str) -> None:
        file = SNAPSHOTS / name
        if update:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
            return
        if not file.exists():
            pytest.fail(f"there is no snapshot {name}; run pytest --update-snapshots, then read what it wrote")
        assert text.rstrip("\n") == file.read_text(encoding="utf-8").rstrip("\n"), f"snapshot {name} differs"

    return check
