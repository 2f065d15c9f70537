"""Exported histories over loopback: signed URLs that need no key and may expire, and answers that are too heavy."""

from __future__ import annotations

import http.client
import io
from urllib.parse import urlsplit

import pytest

from tests.support.http import KEY, post
from wbmodel.engine import Dialect, Engine, Exports, Histories, MemoryStore
from wbmodel.testing import served

DOCUMENT = """{ project(name: "v", entityName: "acme") { run(name: "r") { historyLineCount history
  parquetHistory(liveKeys: ["_step"]) { parquetUrls liveData } } } }"""


def engine(**dialect):
    store = MemoryStore()
    store.viewer = store.add_user("ada")
    rows = [{"_step": step, "x": step / 2} for step in range(100)]
    store.add_run(store.add_project(store.add_entity("acme"), "v"), "r", history=rows)
    return Engine(store, Dialect(**dialect))


def run_of(server):
    return post(server, DOCUMENT).data["data"]["project"]["run"]


def get(url, **headers):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        response = connection.getresponse()
        return response.status, dict(response.headers), response.read()
    finally:
        connection.close()


def test_the_files_and_the_live_rows_are_the_history():
    parquet = pytest.importorskip("pyarrow.parquet")
    with served(engine(exports=Exports(until=60, files=3, overlap=2)), api_key=KEY) as server:
        found = run_of(server)["parquetHistory"]
        steps = []
        for url in found["parquetUrls"]:
            status, headers, body = get(url)
            assert (status, int(headers["Content-Length"])) == (200, len(body))
            assert "Authorization" not in headers
            steps += parquet.read_table(io.BytesIO(body))["_step"].to_pylist()
        live = [row["_step"] for row in found["liveData"]]
        assert (len(steps), len(live)) == (64, 42)
        assert {*steps, *live} == set(range(100))
        assert run_of(server)["parquetHistory"] == found, "equal content has equal URLs"


def test_a_part_of_a_file_by_range():
    pytest.importorskip("pyarrow")
    with served(engine(exports=Exports(until=60)), api_key=KEY) as server:
        (url,) = run_of(server)["parquetHistory"]["parquetUrls"]
        _, whole, body = get(url)
        for span, part in (("bytes=0-3", body[:4]), ("bytes=10-", body[10:]), ("bytes=-4", body[-4:])):
            status, headers, found = get(url, Range=span)
            assert (status, found, headers["ETag"]) == (206, part, whole["ETag"])
            assert headers["Content-Range"].endswith(f"/{len(body)}")
        assert get(url, Range=f"bytes={len(body)}-")[0] == 416
        for span in ("bytes=-", "lines=0-1", "bytes=0-1,3-4"):
            assert get(url, Range=span)[::2] == (200, body)


def test_a_url_is_signed_and_expires():
    pytest.importorskip("pyarrow")
    with served(engine(exports=Exports(until=60, expires=0)), api_key=KEY) as server:
        (url,) = run_of(server)["parquetHistory"]["parquetUrls"]
        assert get(url)[0] == 403
        assert run_of(server)["parquetHistory"]["parquetUrls"] != [url], "answers with URLs that expire are not kept"
    with served(engine(exports=Exports(until=60, expires=3600)), api_key=KEY) as server:
        (url,) = run_of(server)["parquetHistory"]["parquetUrls"]
        assert get(url)[0] == 200
        later, other = url.replace("expires=", "expires=9"), url.replace(".parq", "x.")
        for wrong in (later, other, url[:-1], url.partition("?")[0]):
            status, _, body = get(wrong)
            assert status == 403
            assert b"PAR1" not in body


def test_answers_that_differ_from_call_to_call_are_not_kept():
    with served(engine(histories=Histories(count="late", late_rows=5, late_times=1)), api_key=KEY) as server:
        assert [run_of(server)["historyLineCount"] for _ in range(3)] == [95, 100, 100]
    with served(engine(), api_key=KEY) as server:
        assert run_of(server) == run_of(server)
        assert server.stats.cached == 1


def test_an_answer_that_is_too_heavy_is_502():
    with served(engine(max_answer=2000), api_key=KEY) as server:
        assert post(server, DOCUMENT).status == 502
        small = post(server, '{ project(name: "v", entityName: "acme") { run(name: "r") { history(samples: 9) } } }')
        assert len(small.data["data"]["project"]["run"]["history"]) == 9
