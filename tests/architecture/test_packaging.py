"""What is installed is what the project file says, and what the wheel holds is enough."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
AGAIN = 'run the install command again: pip install -e ".[dev]" (or make install, or uv sync)'


def test_the_installed_entry_points_are_those_of_the_project_file():
    try:
        installed = metadata.distribution("wbmodel")
    except metadata.PackageNotFoundError:
        pytest.fail(f"wbmodel is not installed here; {AGAIN}")
    found = {point.name: point.value for point in installed.entry_points if point.group == "wbmodel"}
    assert found == PROJECT["entry-points"]["wbmodel"], AGAIN


def test_the_installed_requirements_are_those_of_the_project_file():
    installed = metadata.distribution("wbmodel")
    assert installed.version == PROJECT["version"], AGAIN
    assert set(installed.metadata.get_all("Provides-Extra") or ()) == set(PROJECT["optional-dependencies"]), AGAIN
    assert len(installed.requires or ()) == len(PROJECT["dependencies"]) + sum(
        len(extra) for extra in PROJECT["optional-dependencies"].values()
    ), AGAIN


def test_the_version_is_said_once():
    import wbmodel

    assert wbmodel.__version__ == PROJECT["version"]


def test_every_requirement_has_a_known_good_version():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    assert "://" not in text
    pinned = {line.split("==")[0] for line in text.splitlines() if "==" in line}
    for requirement in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]:
        name = requirement.lower().replace("_", "-")
        for stop in " [<>=;":
            name = name.split(stop)[0]
        assert name in pinned, f"{name} is missing in constraints.txt"


def test_the_licence_is_there():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.slow
def test_the_wheel_works_where_there_is_no_checkout(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "wbmodel/engine/wandb.graphql" in names
    assert "wbmodel/py.typed" in names
    assert "wbmodel/pages/reference/lookups.md" in names
    assert not [name for name in names if name.startswith(("tests/", "plugins/", "schema/", "tools/", "docs/"))]
    checkout = {
        path.relative_to(base).as_posix()
        for base, folder in [(ROOT, "wbmodel"), (ROOT / "plugins", "wbmodel_fixtures")]
        for path in (base / folder).rglob("*")
        if path.is_file() and not {"__pycache__", ".ruff_cache", ".mypy_cache"} & set(path.parts)
    }
    assert checkout <= names

    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    install = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel]
    subprocess.run(install, check=True, cwd=tmp_path, env=environ, capture_output=True)
    code = (
        "import wbmodel, wbmodel.registry as r; print(wbmodel.__file__); "
        "print([(p.name, p.status) for p in r.default_plugin_manager().report]); "
        "wbmodel.connect('demo:'); print(wbmodel.Run.objects.count() >= 150)"
    )
    listed = subprocess.run(
        [python, "-m", "wbmodel.docs", "write-a-backend"], check=True, cwd=tmp_path, env=environ, capture_output=True
    )
    assert listed.stdout.decode() == (ROOT / "docs" / "how-to" / "write-a-backend.md").read_text(encoding="utf-8")
    done = subprocess.run([python, "-c", code], check=False, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    place, plugins, enough = done.stdout.splitlines()
    assert str(home) in place
    assert plugins == str([(name, "ok") for name in sorted(PROJECT["entry-points"]["wbmodel"])])
    assert enough == "True"
