"""Every test of sessions starts with no session, no variables and no netrc, and leaves none."""

from __future__ import annotations

import os

import pytest

from wbmodel.session import connections


@pytest.fixture(autouse=True)
def nothing_connected(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith(("WANDB_", "WBMODEL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    yield
    for session in list(connections.values()):
        session.close()
    assert not connections
