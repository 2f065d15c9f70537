"""The kit as an author runs it: by pytest, from the command line and as a class of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from wbmodel.testing.conformance import Conformance
from wbmodel.testing.conformance.backend_tests import wrong_class
from wbmodel.testing.plugin import configure

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, *arguments: str, paths: tuple[Path, ...] = (ROOT, ROOT / "plugins")) -> tuple[int, str]:
    """Run pytest in ``folder``, in a process of its own: exit status and output."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "WBMODEL_", "PYTEST_"))
    }
    environ["PYTHONPATH"] = os.pathsep.join(map(str, (folder, *paths)))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(folder), "-q", *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, done.stdout + done.stderr


KIT = ("--pyargs", "wbmodel.testing.conformance")


def test_from_the_command_line(tmp_path: Path) -> None:
    status, told = run(
        tmp_path, *KIT, "--wbmodel-backend=fixtures:", "-k", "row/Run or test_world or test_declarations"
    )
    assert status == 0, told
    assert " passed" in told
    assert " failed" not in told


def test_without_a_backend_it_says_what_to_give(tmp_path: Path) -> None:
    status, told = run(tmp_path, *KIT)
    assert status != 0
    assert "no backend to test: pass --wbmodel-backend=URL, as in --wbmodel-backend=fixtures:" in told
    assert len(told.splitlines()) < 20, told


def test_a_seed_that_cannot_be_loaded(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(spec: str) -> str:
        monkeypatch.setattr(pytestconfig.option, "wbmodel_backend", "fixtures:", raising=False)
        monkeypatch.setattr(pytestconfig.option, "wbmodel_world", spec, raising=False)
        with pytest.raises(pytest.fail.Exception) as caught:
            configure(type("TestIt", (Conformance,), {}), pytestconfig)
        return str(caught.value)

    assert told("no_such_module:Seed") == "--wbmodel-world=no_such_module:Seed: No module named 'no_such_module'"
    assert told("just_a_name").endswith("'just_a_name' does not name a seed; write package.module:Name")
    assert "has no attribute 'Sed'" in told("wbmodel.testing.conformance:Sed")
    assert "which is not a Seed of wbmodel.testing.conformance" in told("wbmodel.testing.world:make_world")


@pytest.mark.slow
def test_a_seed_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "my_seed.py").write_text(
        textwrap.dedent("""
            from wbmodel.testing.conformance import FixturesSeed, make_world

            class MySeed(FixturesSeed):
                def make(self):
                    return make_world(entity="rockets", viewer="grace", other=None)
        """),
        encoding="utf-8",
    )
    chosen = ("-k", "document/viewer or relation/one or test_world")
    status, told = run(tmp_path, *KIT, "--wbmodel-backend=fixtures:", "--wbmodel-world=my_seed:MySeed", *chosen)
    assert status == 0, told


@pytest.mark.slow
def test_a_backend_that_cannot_be_reached_is_told_once(tmp_path: Path) -> None:
    status, told = run(tmp_path, *KIT, "--wbmodel-backend=demos:", "-k", "row/ or test_world")
    assert status == 1
    assert "1 failed" in told
    assert "did you mean 'demo'" in told


AUTHOR = """
    from tests.conformance.backends import engine
    from tests.conformance.broken import BROKEN
    from wbmodel.testing.conformance import Conformance, notimpl, notyet

    class TestMine(Conformance):
        backend = staticmethod(BROKEN["a wrong count"].make)
        expected = {
            "count/filtered/text": notyet("the index counts all rows"),
            "count/filtered/null:sync": notimpl("only in one colour"),
            "count/raw": notimpl("this one works by now"),
            "count/evrything": notyet("a slip of the pen"),
        }
"""


def test_a_class_of_the_author_s(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(textwrap.dedent(AUTHOR), encoding="utf-8")
    status, told = run(
        tmp_path, "test_mine.py", "-rA", "-k", "count/filtered/text or count/filtered/null or count/raw or declarations"
    )
    assert status == 1
    case = "test_mine.py::TestMine::test_count_filtered"
    assert f"XFAIL {case}[count/filtered/text:sync] - notyet: the index counts all rows" in told
    assert f"XFAIL {case}[count/filtered/text:async]" in told
    assert f"XFAIL {case}[count/filtered/null:sync] - notimpl: only in one colour" in told
    assert f"FAILED {case}[count/filtered/null:async]" in told
    assert "FAILED test_mine.py::TestMine::test_count_raw[count/raw:sync]" in told
    assert "this is declared notimpl: this one works by now; it passes now, so take the declaration out" in told
    assert "FAILED test_mine.py::TestMine::test_declarations" in told
    assert "'count/evrything' names no case; did you mean 'count/everything'" in told
    assert "count() is 23, and must be" in told
    assert "wbmodel/testing/conformance/" not in told, "no traceback through the kit's own code"


TOO_LITTLE = """
    from wbmodel.testing.conformance import Conformance

    class TestNothing(Conformance):
        pass

    class TestSeven(Conformance):
        backend = 7

    class TestRed(Conformance):
        backend = "fixtures:"
        colours = ("red",)
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("TestNothing", "TestNothing does not say what to test: set `backend`"),
        ("TestSeven", "TestSeven.backend is 7; it is a URL, or a function of a World"),
        ("TestRed", "TestRed.colours is ['red']; it names sync or async"),
    ],
)
def test_a_class_that_says_too_little(name: str, words: str) -> None:
    space: dict[str, type] = {}
    exec(textwrap.dedent(TOO_LITTLE), space)
    problem = wrong_class(space[name])
    assert problem is not None
    assert words in problem


@pytest.mark.slow
def test_what_breaks_is_shown_where_it_breaks(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        textwrap.dedent("""
            from tests.support.backends import EngineBackend
            from tests.conformance.backends import engine
            from wbmodel.testing.conformance import Conformance

            class Falls(EngineBackend):
                def execute(self, request, *, timeout=None):
                    return {}["no such key"]

            class TestMine(Conformance):
                backend = staticmethod(lambda world: engine(world, cls=Falls))
        """),
        encoding="utf-8",
    )
    status, told = run(tmp_path, "test_mine.py", "-k", "page/first:sync")
    assert status == 1
    assert 'return {}["no such key"]' in told
    assert "KeyError: 'no such key'" in told


def test_the_pytest_plugin_loads_next_to_nothing() -> None:
    code = (
        "import sys, wbmodel.testing.plugin; "
        "print(sorted({'pytest', 'graphql', 'pluggy', 'asyncio', 'wbmodel.session', 'wbmodel.testing.conformance'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_from_the_installed_wheel(tmp_path: Path) -> None:
    import venv

    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    install = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", f"{wheel}[testing]"]
    subprocess.run(install, check=True, cwd=tmp_path, env=environ, capture_output=True)
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *KIT, "--wbmodel-backend=fixtures:"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
