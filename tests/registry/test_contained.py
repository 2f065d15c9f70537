"""Whatever a plugin raises, sys.exit() included, is contained and named; an exit of the program itself goes through."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.registry.test_registry import installed, write_dist
from tests.support.http import KEY
from wbmodel import Project, Run, connect
from wbmodel.backend import Capabilities, SyncBackend
from wbmodel.errors import PluginError, WbmodelWarning
from wbmodel.registry import make_plugin_manager
from wbmodel.request import Request, Response

RAISING = {
    "exits-3": "import sys; sys.exit(3)",
    "exits-0": "raise SystemExit",
    "exits-told": "import argparse; argparse.ArgumentParser(prog='x').error('no')",
    "generator-exit": "raise GeneratorExit",
    "custom-base": "class Odd(BaseException): pass\nraise Odd('odd')",
    "cancelled": "import asyncio; raise asyncio.CancelledError",
    "bad-words": "class Odd(Exception):\n    def __str__(self): return 1 / 0\nraise Odd",
    "recursion": "def f(): f()\nf()",
    "registers-exit": "def wbmodel_register_backends(register): raise SystemExit(4)",
    "getattr-raises": "def __getattr__(name): raise SystemExit(5)\ndef __dir__(): return ['wbmodel_x']",
}


@pytest.fixture
def raising(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with installed(RAISING, tmp_path, monkeypatch) as folder:
        yield folder


def test_what_a_module_raises_when_it_is_imported_is_named(raising: Path) -> None:
    with pytest.warns(WbmodelWarning) as caught:
        plugins = make_plugin_manager(foreign=True)
    (warning,) = caught
    status = {report.distribution: report for report in plugins.report}
    for name in RAISING:
        assert status[name].status == "broken", name
        assert f"(distribution {name!r})" in str(warning.message)
    assert "it called sys.exit(3)" in str(status["exits-3"].error)
    assert "it called sys.exit(2)" in str(status["exits-told"].error)
    assert status["good-one"].status == "ok"


def test_ctrl_c_while_a_plugin_is_imported_goes_through(raising: Path) -> None:
    (raising / "exits_3.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        make_plugin_manager(foreign=True)


def test_a_command_beside_a_plugin_that_exits_works(raising: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wbmodel", "projects", "-u", "demo:"],
        env={"PYTHONPATH": f"{raising}:{Path(__file__).parents[2]}", "PATH": "", "HOME": str(raising)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "it called sys.exit(3)" in done.stderr


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("entry_points.txt", b"\xff\xfe[wbmodel]\nx = y", "the entry points of 'odd-one' cannot be read"),
        ("METADATA", b"\xff\xfe", "could not be loaded from odd_one"),
        ("entry_points.txt", b"[wbmodel]\nodd =\n", "could not be loaded from"),
        ("entry_points.txt", b"[wbmodel]\nodd = a b:c d\n", "could not be loaded from a b:c d"),
    ],
)
def test_metadata_that_cannot_be_read_is_named(
    file: str, text: bytes, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dist(tmp_path, "odd-one", "1 / 0")
    (tmp_path / "odd_one-1.0.dist-info" / file).write_bytes(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.warns(WbmodelWarning, match=told):
        plugins = make_plugin_manager(foreign=True)
    assert {"live", "fixtures"} <= {entry.name for entry in plugins.backends}


# -- while it works --------------------------------------------------------------------------------


class Exits(SyncBackend):
    api_version = 0
    name = "exits"
    capabilities = Capabilities()

    def __init__(self, url: str, /) -> None:
        self.origin = url
        if "init" in url:
            sys.exit(7)

    def execute(self, request: Request, /, *, timeout: float | None = None) -> Response:
        sys.exit(8)

    def close(self) -> None:
        if "close" in self.origin:
            sys.exit(12)


def exiting_wrapper(ask: Any, info: Any) -> Any:
    yield sys.exit(9)


class Plugin:
    def __init__(self, *, wraps: bool = False) -> None:
        self.wraps = wraps

    def wbmodel_register_backends(self, register: Any) -> None:
        register("exits", Exits)

    def wbmodel_register_lookups(self, register: Any) -> None:
        register("quits", lambda path, value: sys.exit(value), "quits")

    def wbmodel_register_wrappers(self, register: Any, session: Any) -> None:
        if self.wraps:
            register("leaving", exiting_wrapper)


class Hooked(Plugin):
    def wbmodel_session_closed(self, session: Any) -> None:
        sys.exit(10)


@pytest.mark.parametrize(
    ("url", "wraps", "told"),
    [
        ("exits:init", False, r"the backend 'exits' .*called sys\.exit\(7\)"),
        ("exits:x", False, r"the backend 'exits' called sys\.exit\(8\)"),
        ("exits:x", True, r"wrapper 'leaving' called sys\.exit\(9\)"),
    ],
)
async def test_an_exit_of_a_plugin_at_work_is_an_error_that_names_it(url: str, wraps: bool, told: str) -> None:
    plugins = make_plugin_manager(plugins=[Plugin(wraps=wraps)])
    session = connect(url, plugins=plugins, default=False, project="acme/v")
    with session:
        for queryset in (Run.objects.all(), Run.objects.filter(state="finished")):
            with pytest.raises(PluginError, match=told) as caught:
                len(queryset)
            assert isinstance(caught.value.__cause__, SystemExit)
            with pytest.raises(PluginError, match=told):
                await queryset.acount()


async def test_an_exit_of_a_backend_that_closes_is_an_error() -> None:
    for closing in (False, True):
        session = connect("exits:close", plugins=make_plugin_manager(plugins=[Plugin()]), default=False)
        assert session.backend
        with pytest.raises(PluginError, match=r"the backend 'exits' .*called sys\.exit\(12\)"):
            await session.aclose() if closing else session.close()
        session.close()  # it is closed


def test_an_exit_of_a_hook_is_a_warning() -> None:
    session = connect("demo:", plugins=make_plugin_manager(plugins=[Hooked()]), default=False)
    with pytest.warns(WbmodelWarning, match=r"failed in wbmodel_session_closed: it called sys\.exit\(10\)"), session:
        assert Project.objects.count()


def test_an_exit_of_a_lookup_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wbmodel.registry._default", make_plugin_manager(plugins=[Plugin()]))
    with pytest.raises(PluginError, match="the plugin lookup 'quits' failed: SystemExit: 3"):
        Run.objects.filter(state__quits=3)


SIGNALLED = """
import signal, sys
from wbmodel import Run, connect
signal.signal(signal.SIGTERM, lambda *_: sys.exit(11))
connect(sys.argv[1], api_key=sys.argv[2], project="acme/v", timeout=60)
print("asking", flush=True)
len(Run.objects.all())
"""


def test_an_exit_of_the_program_itself_goes_through() -> None:
    """Such as a signal handler that calls sys.exit() while a backend is being waited for."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen([sys.executable, "-c", SIGNALLED, url, KEY], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "asking\n"
        connection, _ = silent.accept()  # the request is under way
        time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 11
        connection.close()
        process.stdout.close()
