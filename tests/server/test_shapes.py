"""Both shapes of a server: that of our own schema, and the live one. The same questions have the same answers."""

from __future__ import annotations

import pytest

from tests.support.engine_world import make_world
from tests.support.http import KEY, post
from wbmodel import Run, connect
from wbmodel.engine import Dialect, Engine
from wbmodel.testing import served

PAGE = """query Q($after: String) { project(name: "vision", entityName: "acme") {
  runCount runs(first: 2, after: $after, order: "+name") { totalCount edges { cursor }
    pageInfo { startCursor endCursor hasPreviousPage hasNextPage } } } }"""
BAD = """{ project(name: "vision", entityName: "acme") { name
  runs(filters: "{\\"nonsense\\": 1}") { edges { cursor } } } }"""


@pytest.fixture(params=[False, True], ids=["own", "live"])
def server(request):
    with served(Engine(make_world(), Dialect(live=request.param)), api_key=KEY) as running:
        running.live = request.param
        yield running


def test_a_failed_resolver_is_500_in_the_live_shape_and_200_in_ours(server):
    got = post(server, BAD)
    assert got.status == (500 if server.live else 200)
    assert got.data["data"] == {"project": {"name": "vision", "runs": None}}
    assert "nonsense" in got.message
    assert server.stats.cached == 0
    assert post(server, "{ nonsense }").status == 400


def test_pages_of_both_shapes(server):
    got = post(server, PAGE)
    project = got.data["data"]["project"]
    runs = project["runs"]
    cursors = [edge["cursor"] for edge in runs["edges"]]
    assert project["runCount"] == runs["totalCount"] == 4
    info = {"startCursor": cursors[0], "endCursor": cursors[1], "hasPreviousPage": False, "hasNextPage": True}
    assert runs["pageInfo"] == info
    rest = post(server, PAGE, {"after": cursors[1]}).data["data"]["project"]["runs"]["pageInfo"]
    assert (rest["hasPreviousPage"], rest["hasNextPage"]) == (True, False)


@pytest.mark.parametrize(
    ("selection", "missing"),
    [
        ("run { name }", "name"),
        ("sweep { name }", "sweepName"),
        ('run(name: "r1") { sampledHistory }', "specs"),
        ('run(name: "r1") { parquetHistory { parquetUrls } }', "liveKeys"),
    ],
)
def test_arguments_that_are_required(server, selection, missing):
    got = post(server, f'{{ project(name: "vision", entityName: "acme") {{ {selection} }} }}')
    assert got.status == 400
    assert missing in str(got.data["errors"])


def test_wbmodel_reads_both_shapes_alike(server):
    with connect(server.url, api_key=KEY, project="acme/vision") as session:
        runs = Run.objects.using(session).order_by("id")
        ids = [run.id for run in runs]
        assert len(ids) == runs.count() == 4
        assert [run.id for run in runs[1:3]] == ids[1:3]
        store = server._routes.engine.store
        for run in runs:
            record = store.run(store.project("acme", "vision"), run.id)
            assert run.files.count() == len({file.name for file in run.files.all()}) == len(store.files(record))


def test_served_gives_a_run_without_a_user_one():
    runs = {"r": {"config": {"lr": 1}}}
    with served({"entities": {"acme": {"projects": {"v": {"runs": runs}}}}}, api_key=KEY) as server:
        document = '{ project(name: "v", entityName: "acme") { run(name: "r") { user { username } } } }'
        assert post(server, document).data["data"]["project"]["run"] == {"user": {"username": "nobody"}}
