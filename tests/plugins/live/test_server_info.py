"""What a server reports about itself, read by cattrs."""

from __future__ import annotations

from typing import Any

import pytest

from wbmodel.errors import ServerError
from wbmodel_live.server_info import ServerInfo, read_answer


def info_of(data: Any) -> ServerInfo:
    return read_answer(data, "https://wandb.example.org").info(frozenset())


def test_what_is_told() -> None:
    features = [{"name": "A", "isEnabled": True}, {"name": "B", "isEnabled": False}, None, {"name": "C"}]
    about = {"cliVersionInfo": {"max_cli_version": "0.31.0", "more": 1}, "features": features, "more": 1}
    assert info_of({"viewer": {"username": "ada"}, "serverInfo": about}) == ServerInfo(
        version="0.31.0", features=frozenset({"A"}), lacking=frozenset(), viewer="ada"
    )


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"viewer": None, "serverInfo": None},
        {"viewer": {"username": None}, "serverInfo": {"cliVersionInfo": {}, "features": None}},
    ],
)
def test_everything_may_be_null(data: Any) -> None:
    assert info_of(data) == ServerInfo(version=None, features=frozenset(), lacking=frozenset(), viewer=None)


def test_another_shape_names_server_and_path() -> None:
    about = {"features": [{"name": 3}, "x"], "cliVersionInfo": "0.31"}
    with pytest.raises(ServerError) as caught:
        info_of({"serverInfo": about})
    told = str(caught.value)
    assert told.startswith("https://wandb.example.org answered ServerInfo with an unexpected shape: ")
    assert "serverInfo.cliVersionInfo: a mapping is needed, and this is text '0.31'" in told
    assert "serverInfo.features[0].name: text is needed" in told
    assert "serverInfo.features[1]: a mapping is needed" in told
