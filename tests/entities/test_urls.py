"""Where the web page of an object is."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from tests.support.backends import served
from tests.support.changing import web
from tests.support.worlds import make_world
from wbmodel import Project, Report, Run, Sweep
from wbmodel.errors import ConfigurationError
from wbmodel.testing import assert_num_requests
from wbmodel.urls import app_url


@pytest.mark.parametrize(
    ("api", "app"),
    [
        ("https://api.wandb.ai", "https://wandb.ai"),
        ("https://api.wandb.ai/", "https://wandb.ai"),
        ("https://api.example.com", "https://app.example.com"),
        ("https://wandb.example.com", "https://wandb.example.com"),
        ("https://example.com/base/path/", "https://example.com/base/path"),
        ("https://api.example.com:8443/base", "https://app.example.com:8443/base"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://api:KEY@api.wandb.ai", "https://wandb.ai"),
        ("https://example.com/?token=secret#part", "https://example.com"),
        ("https://rapi.example.com", "https://rapi.example.com"),
        ("fixtures:dir", None),
        ("demo:", None),
        ("local:/tmp/api.wandb.ai", None),
        ("replay:https://api.wandb.ai", None),
        ("https://[broken", None),
        ("", None),
    ],
)
def test_pages_of_a_server(api: str, app: str | None) -> None:
    assert app_url(api) == app


def _four() -> list[Any]:
    return [
        Project.objects.get(path="acme/vision"),
        Run.objects.get(id="v01"),
        Sweep.objects.get(id="sw1"),
        Report.objects.get(id="rep1"),
    ]


def test_pages_of_objects() -> None:
    store = make_world().store()
    with served(store):
        assert [row.url for row in _four()] == [None] * 4  # no server, no pages
    with web(store, "https://api.wandb.ai/sub/"):
        rows = _four()
        object.__setattr__(rows[1], "id", "a b/c?#ü")  # an id that only another server would give
        rows[3].name = " What -- we saw: 100% ü?  "
        node_id = rows[3].node_id.replace("=", "")
        with assert_num_requests(0):
            assert [row.url for row in rows] == [
                "https://wandb.ai/sub/acme/vision/workspace",
                "https://wandb.ai/sub/acme/vision/runs/a%20b%2Fc%3F%23%C3%BC",
                "https://wandb.ai/sub/acme/vision/sweeps/sw1",
                f"https://wandb.ai/sub/acme/vision/reports/What-we-saw-100-%C3%BC--{node_id}",
            ]


def test_an_object_without_its_session() -> None:
    with served(make_world().store()):
        text = pickle.dumps(Run.objects.get(id="v01"))
    with pytest.raises(ConfigurationError, match="no session to it is open"):
        _ = pickle.loads(text).url
