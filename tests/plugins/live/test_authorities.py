"""Certificate authorities are read once, and again when their file has changed."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from wbmodel.errors import ConfigurationError
from wbmodel_live.client import _trust
from wbmodel_live.options import Options


def context(path: Path) -> ssl.SSLContext:
    made = _trust(Options(ca_file=path))
    assert isinstance(made, ssl.SSLContext)
    return made


def test_a_file_is_read_once_and_again_when_it_has_changed(authority: Path) -> None:
    first = context(authority)
    assert first.get_ca_certs()
    assert context(authority) is first
    os.utime(authority, ns=(1, 1))
    assert context(authority) is not first
    authority.write_text("nothing")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        context(authority)
    authority.unlink()
    with pytest.raises(ConfigurationError, match=r"authority\.pem.* cannot be read: .*No such file"):
        context(authority)


def test_the_variable_is_asked_only_where_the_environment_is(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    assert _trust(Options()) is context(authority)
    assert _trust(Options(trust_env=False)) is True


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A file with one certificate authority."""
    trustme = pytest.importorskip("trustme")
    file = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    return file
