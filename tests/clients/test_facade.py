"""``wbmodel.Api`` gives what the official clients give, call by call; each difference is listed with its reason."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

from tests.clients import calls
from tests.clients.conftest import KEY, Client, World, writable
from tools.reference_api import DIFFERENCES
from wbmodel import Api

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def ours(world: World) -> dict[str, Any]:
    """What ``wbmodel.Api`` gives for every call, from the same server; the writes in a world of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = calls.answer(calls.CALLS, Api({"base_url": world.server.url}, api_key=KEY), None)
        with writable() as own:
            found.update(calls.answer(calls.WRITES, Api({"base_url": own}, api_key=KEY), None))
    return found


def listed(version: str) -> set[str]:
    rows = json.loads(DIFFERENCES.read_text(encoding="utf-8"))
    return {name for row in rows if version in row["clients"] for name in row["calls"]}


def text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def test_every_result_is_the_same_or_its_difference_is_listed(client: Client, ours: dict[str, Any]) -> None:
    theirs = client.answers["calls"]
    assert theirs.keys() == ours.keys()
    different = {name for name in ours if text(theirs[name]) != text(ours[name])}
    told = {name: (theirs[name], ours[name]) for name in different ^ listed(client.version)}
    assert not told, f"not as listed for {client.version}: {json.dumps(told)[:3000]}"


def test_what_raises_here_raises_on_purpose(ours: dict[str, Any]) -> None:
    raised = {name: found["raised"] for name, found in ours.items() if isinstance(found, dict) and "raised" in found}
    assert set(raised.values()) <= {
        "AttributeError",
        "CommError",
        "FieldError",
        "IndexError",
        "KeyError",
        "QueryError",
        "ServerError",
        "ValueError",
    }, raised
    assert len(ours) - len(raised) > 90
