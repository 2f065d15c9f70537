"""``served``: a world behind a server, for other people's tests."""

from __future__ import annotations

import asyncio

import pytest

from wbmodel import Run, connect
from wbmodel.engine import Engine, MemoryStore
from wbmodel.errors import ConfigurationError, QueryWarning
from wbmodel.testing import assert_num_requests, served

WORLD = {"entities": {"ada": {"projects": {"vision": {"runs": {"a": {"summary": {"loss": 0.5}}}}}}}}


def test_a_dict_a_url_and_an_engine():
    with served(WORLD) as server, connect(server.url, project="ada/vision", default=False):
        with assert_num_requests(1):
            assert [run.summary for run in Run.objects.all()] == [{"loss": 0.5}]
    with served("demo:", api_key="k" * 40) as server, connect(server.url, api_key="k" * 40, default=False) as session:
        assert Run.objects.filter(project="demo/gpt3-chem").count() == 79
        assert session.stats.requests == server.requests == 1
    store = MemoryStore()
    store.viewer = store.add_user("eve")
    with served(Engine(store)) as server, connect(server.url, default=False) as session:
        assert session.execute("{ viewer { username } }").data == {"viewer": {"username": "eve"}}


def test_two_at_once_know_nothing_of_each_other():
    with served(WORLD, api_key="a" * 40) as one, served("demo:", api_key="b" * 40) as two:
        with connect(one.url, api_key="a" * 40, project="ada/vision", default=False) as first:
            with connect(two.url, api_key="b" * 40, project="demo/gpt3-chem", default=False) as second:
                assert (Run.objects.using(first).count(), Run.objects.using(second).count()) == (1, 79)


def test_what_is_no_world():
    with pytest.raises(ConfigurationError, match="a world of fixtures, but 'https://x.example' is a live backend"):
        with served("https://x.example"):
            pass


def test_a_warning_points_at_the_line_of_the_user():
    with served(WORLD) as server, connect(server.url, project="ada/vision", default=False):
        runs = Run.objects.filter(summary__loss__isnan=True)
        with pytest.warns(QueryWarning, match="applied locally to every row") as plain:
            assert not list(runs.all())
        with pytest.warns(QueryWarning, match="applied locally to every row") as coloured:
            asyncio.run(_rows(runs))
    assert [item.filename for item in (*plain, *coloured)] == [__file__, __file__]


async def _rows(runs):
    assert [run async for run in runs.all()] == []
