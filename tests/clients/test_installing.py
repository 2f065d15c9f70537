"""Where a client cannot be had, the reason is exact."""

from __future__ import annotations

import sys

import pytest

from tests.clients import installing
from tests.clients.installing import CannotInstall, client_python, find_python

pytestmark = pytest.mark.clients


def test_the_python_of_a_version_is_found_outside_of_this_environment() -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert find_python(("9.9", version)) != sys.executable or sys.prefix == sys.base_prefix


def test_no_such_python_is_said() -> None:
    with pytest.raises(CannotInstall, match=r"no Python 9.9 or 9.8 here, neither on PATH nor in pyenv"):
        find_python(("9.9", "9.8"))


@pytest.mark.slow  # a virtual environment is made for it
def test_what_pip_says_is_passed_on_and_nothing_is_left_behind(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(installing, "HERE", tmp_path)
    monkeypatch.setattr(installing, "HOME", tmp_path / "clients")
    monkeypatch.setitem(installing.CLIENTS, "0.0", (f"{sys.version_info[0]}.{sys.version_info[1]}",))
    # A file that is not there: pip says so without asking any index.
    (tmp_path / "requirements-0.0.txt").write_text("./nothere.whl\n")
    with pytest.raises(CannotInstall, match=r"wandb 0.0 cannot be installed: .*nothere.whl"):
        client_python("0.0")
    assert [path.name for path in (tmp_path / "clients").iterdir() if path.suffix != ".lock"] == []
