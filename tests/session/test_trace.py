"""Tracing: what a record says, in both colours; where it stands; the log and the file; and its cost when off."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.session.test_stats import Plugin as NotingPlugin
from tests.support.paged_backends import SlowPaged, all_rows, manager, page, pages, pages_ahead
from wbmodel import trace
from wbmodel.errors import ServerError, WbmodelWarning
from wbmodel.hookspecs import hookimpl
from wbmodel.request import Batch, CallNote, Emit, Request, Response, Send, Start
from wbmodel.session import connect
from wbmodel.session.trace import operation_of, rows_of

ROOT = Path(__file__).resolve().parents[2]
KEY = "0123456789abcdef0123456789abcdef01234567"
FAILING = Request(page(0, 5).document, {"first": 5, "after": 0, "fail": True}, "Rows")
WRONG = Request(page(0, 5).document, {"first": 5, "after": -3}, "Rows")


def one(request):
    return (yield Send(request))


async def in_colour(colour, session, operation):
    return session.run(operation) if colour == "sync" else await session.arun(operation)


colours = pytest.mark.parametrize("colour", ["sync", "async"])


# -- records ---------------------------------------------------------------------------------------


@colours
@pytest.mark.parametrize("kind", ["slow", "plain", "blocking"])
async def test_a_record_says_what_was_sent_and_how_long_it_took(kind, colour):
    session = connect(f"{kind}:x", plugins=manager(), delay=0.03)
    before = datetime.now(timezone.utc)
    with trace() as records:
        await in_colour(colour, session, one(page(10, 5)))
    (record,) = records
    assert (record.session, record.backend, record.origin) == ("default", kind, f"{kind}:x")
    assert (record.kind, record.operation) == ("query", "Rows")
    assert record.document == page(0, 1).document.text
    assert record.variables == {"first": 5, "after": 10}
    assert before <= record.started <= datetime.now(timezone.utc)
    assert 0.02 < record.seconds < 5
    assert (record.outcome, record.error, record.attempts, record.bytes) == ("ok", None, None, None)


@colours
async def test_what_the_backend_notes_is_in_the_record(colour):
    session = connect("noting:x", plugins=manager(NotingPlugin()))
    async with trace() as records:
        await in_colour(colour, session, one(page(0, 5)))
        with pytest.raises(ServerError):
            await in_colour(colour, session, one(FAILING))
    first, second = records
    assert (first.attempts, first.pauses, first.bytes, first.sent, first.status) == (3, 2, 100, 10, 200)
    assert (second.outcome, second.attempts, second.status) == ("failed", 4, 502)
    assert second.error == "ServerError: gave up"


def test_the_time_is_the_backends_own_where_it_says_so():
    class Timed(SlowPaged):
        async def aexecute(self, request, *, timeout=None):
            await asyncio.sleep(0)
            return Response({}, note=CallNote(seconds=12.5))

    class Plugin:
        @hookimpl
        def wbmodel_register_backends(self, register):
            register("timed", Timed)

    session = connect("timed:x", plugins=manager(Plugin()))
    with trace() as records:
        session.run(one(page(0, 5)))
    assert records[0].seconds == 12.5


@colours
async def test_answers_with_errors_and_errors(colour):
    session = connect("slow:x", plugins=manager())
    with trace() as records:
        await in_colour(colour, session, one(WRONG))
        with pytest.raises(ServerError):
            await in_colour(colour, session, one(FAILING))
    assert [(record.outcome, record.error) for record in records] == [
        ("errors", "after: -3 is negative"),
        ("failed", "ServerError: the server is on fire"),
    ]


@colours
async def test_batches_and_read_ahead(colour):
    session = connect("slow:x", plugins=manager())
    with trace() as records:
        await in_colour(colour, session, all_rows(10, 25))
        assert [record.variables["after"] for record in records] == [0, 10, 20]
        if colour == "sync":
            rows = list(session.iterate(pages_ahead(10, 25)))
        else:
            rows = [rows async for rows in session.aiterate(pages_ahead(10, 25))]
    assert len(rows) == 3
    assert len(records) == 6
    assert {record.outcome for record in records} == {"ok"}


@colours
async def test_an_early_close_abandons_what_was_read_ahead(colour):
    session = connect("slow:x", plugins=manager(), delay=0.2)

    def operation():
        yield Start(page(0, 5))
        yield Emit([1])

    with trace() as records:
        if colour == "sync":
            rows = session.iterate(operation())
            next(rows)
            rows.close()
        else:
            rows = session.aiterate(operation())
            await rows.__anext__()
            await asyncio.sleep(0.01)  # the task starts
            await rows.aclose()
            await asyncio.sleep(0.01)
    assert [(record.outcome, record.error) for record in records] == [("abandoned", None)]
    assert records[0].seconds < 0.2


async def test_a_cancelled_task_is_abandoned():
    session = connect("slow:x", plugins=manager(), delay=5)
    with trace() as records:
        task = asyncio.ensure_future(session.arun(one(page(0, 5))))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [record.outcome for record in records] == ["abandoned"]


async def test_threads_tasks_and_sessions_of_the_block():
    first = connect("slow:x", plugins=manager())
    second = connect("plain:y", plugins=manager(), name="second", default=False)
    with trace() as both, trace(using="second") as only, trace(first) as other:
        threads = [threading.Thread(target=first.run, args=(all_rows(5, 25),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        await asyncio.gather(*(second.arun(one(page(0, 5))) for _ in range(3)))
        for thread in threads:
            await asyncio.to_thread(thread.join)
    first.run(one(page(0, 5)))
    assert len(both) == 23
    assert [record.session for record in only] == ["second"] * 3
    assert [record.session for record in other] == ["default"] * 20


def test_an_error_in_the_block_ends_it():
    session = connect("plain:x", plugins=manager())
    with pytest.raises(KeyError), trace() as records:
        raise KeyError("mine")
    session.run(one(page(0, 5)))
    assert len(records) == 0
    assert [wrapper.name for wrapper in session.wrappers] == []


def test_records_are_a_sequence_and_text():
    session = connect("plain:x", plugins=manager())
    with trace() as records:
        session.run(one(page(0, 5)))
        session.run(one(WRONG))
    assert len(records) == 2
    assert records[-1].outcome == "errors"
    assert [record.outcome for record in records[:1]] == ["ok"]
    lines = str(records).splitlines()
    assert lines[0].startswith("default: query Rows, ")
    assert lines[0].endswith(' ms, ok {"first":5,"after":0}')
    assert "errors (after: -3 is negative)" in lines[1]
    assert repr(records) == "<Trace of 2 requests>"


@given(
    name=st.text(max_size=10),
    variables=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    message=st.text(max_size=300),
)
def test_a_record_is_one_line_of_text_and_one_of_json(name, variables, message):
    from wbmodel.session.trace import TraceRecord

    record = TraceRecord(
        session="s",
        backend="b",
        origin="o",
        kind="query",
        operation=name,
        document="{ a }",
        variables=variables,
        started=datetime(2021, 4, 1, tzinfo=timezone.utc),
        seconds=0.25,
        outcome="failed",
        error=message,
    )
    assert len(str(record).splitlines()) == 1
    assert str(record).isprintable()
    text = json.dumps(record.as_dict())
    assert json.loads(text)["started"] == "2021-04-01T00:00:00Z"
    assert json.loads(text)["variables"] == variables


# -- where it stands -------------------------------------------------------------------------------


class Wrappers:
    def __init__(self, *wrappers):
        self.wrappers = wrappers

    @hookimpl
    def wbmodel_register_wrappers(self, register):
        for name, wrapper, order in self.wrappers:
            register(name, wrapper, order=order)


@colours
async def test_what_a_cache_answers_makes_no_record_and_what_is_sent_again_makes_two(colour):
    kept = {}

    def cache(request, info):
        key = request.variables["after"]
        if key not in kept:
            kept[key] = yield Send(request)
        return kept[key]

    def retry(request, info):
        try:
            return (yield Send(request))
        except ServerError:
            return (yield Send(page(request.variables["after"], 5)))

    plugins = manager(Wrappers(("cache", cache, 0), ("retry", retry, 10**9)))
    session = connect("slow:x", plugins=plugins)
    with trace() as records:
        await in_colour(colour, session, one(page(0, 5)))
        await in_colour(colour, session, one(page(0, 5)))
        await in_colour(colour, session, one(Request(FAILING.document, {**FAILING.variables, "after": 5}, "Rows")))
    assert [(record.variables["after"], record.outcome) for record in records] == [(0, "ok"), (5, "failed"), (5, "ok")]
    assert session.stats.requests == 3


@colours
async def test_a_split_request_is_recorded_as_it_was_sent(colour):
    def split(request, info):
        first, after = request.variables["first"], request.variables["after"]
        yield Batch([page(after, first // 2), page(after + first // 2, first // 2)])
        return Response({"rows": {"items": [], "next": None}})

    session = connect("plain:x", plugins=manager(Wrappers(("split", split, 0))))
    with trace() as records:
        await in_colour(colour, session, one(page(0, 10)))
    assert [record.variables for record in records] == [{"first": 5, "after": 0}, {"first": 5, "after": 5}]


# -- nothing secret --------------------------------------------------------------------------------


class Loud(SlowPaged):
    """Fails with the key it was given in the message, as a careless backend might."""

    def __init__(self, url, /, *, api_key=None):
        super().__init__(url)
        self.api_key = api_key

    async def aexecute(self, request, *, timeout=None):
        await asyncio.sleep(0)
        if request.variables.get("fail"):
            raise ServerError(f"refused Basic api:{self.api_key.reveal()}", server_message=self.api_key.reveal())
        return Response({}, errors=[{"message": f"no such key {self.api_key.reveal()}"}])


class LoudPlugin:
    @hookimpl
    def wbmodel_register_backends(self, register):
        register("loud", Loud, wants=("api_key",))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    key=st.text("abcdefghijkLMNOP0123456789-_", min_size=10, max_size=50),
    other=st.text("qrstuvwxyz", min_size=10, max_size=20),
    fail=st.booleans(),
)
def test_a_planted_key_is_in_no_record(tmp_path, key, other, fail):
    path = tmp_path / "trace.jsonl"
    path.unlink(missing_ok=True)
    os.environ["WBMODEL_TRACE"] = str(path)
    try:
        session = connect("loud:x", api_key=key, plugins=manager(LoudPlugin()))
        beside = connect("loud:y", api_key=other, plugins=manager(LoudPlugin()), name="beside", default=False)
    finally:
        del os.environ["WBMODEL_TRACE"]
    document = f'mutation M($v: JSONString) {{ a(key: "{key}", v: $v) {{ id }} }}'
    variables = {"v": json.dumps({"x": [key, {"db_password": f"hidden{other}"}]}), "y": f"of {other}", "fail": fail}
    with trace() as records:
        try:
            session.run(one(Request(document, variables, "M")))
        except ServerError:
            assert fail
    session.close()
    beside.close()
    shown = [path.read_text(), str(records), repr(records[0]), json.dumps(records[0].as_dict())]
    for text in shown:
        assert key not in text
        assert other not in text
    assert records[0].kind == "mutation"
    assert "***" in records[0].error


def test_a_short_key_as_a_whole_value_is_hidden():
    session = connect("loud:x", api_key="abc", plugins=manager(LoudPlugin()))
    with trace() as records:
        session.run(one(Request("query A { a }", {"x": "abc", "y": "abcd"}, "A")))
    assert records[0].variables == {"x": "***", "y": "abcd"}


# -- WBMODEL_TRACE ---------------------------------------------------------------------------------

SCRIPT = """
import logging, sys
from wbmodel import connect
{setup}
session = connect("demo:")
for _ in range(2):
    session.execute("query Viewer {{ viewer {{ username }} }}")
other = connect("demo:", name="other", default=False)
other.execute("{{ viewer {{ username }} }}", {{"api_key": "planted"}})
assert logging.getLogger().level == logging.{level}, logging.getLogger().level
print(len(logging.getLogger().handlers), len(logging.getLogger("wbmodel.trace").handlers))
"""


def script(value, setup="", level="WARNING", **more):
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}", **more}
    if value is not None:
        env["WBMODEL_TRACE"] = value
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", SCRIPT.format(setup=setup, level=level)],
        capture_output=True,
        text=True,
        check=True,
        cwd=more.get("HOME"),
        env=env,
    )


# Each of these starts a process.
@pytest.mark.parametrize("value", ["1", pytest.param("true", marks=pytest.mark.slow)])
def test_a_line_for_each_request_on_stderr(value):
    done = script(value)
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("wbmodel.trace: default: query Viewer, ") for line in lines[:2])
    assert lines[2].startswith("wbmodel.trace: other: query (no name), ")
    assert lines[2].endswith('ok {"api_key":"***"}')
    assert done.stdout.split() == ["0", "1"]


@pytest.mark.parametrize("value", [None, "0", *(pytest.param(off, marks=pytest.mark.slow) for off in ("", "false"))])
def test_off_is_silent(value):
    done = script(value)
    assert done.stderr == ""
    assert done.stdout.split() == ["0", "0"]


def test_with_logging_configured_the_lines_go_there_once():
    done = script("1", "logging.basicConfig(level=logging.ERROR, format='MINE %(levelname)s %(message)s')", "ERROR")
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("MINE INFO ") for line in lines)
    assert done.stdout.split() == ["1", "1"]


def test_a_level_that_somebody_set_is_left():
    assert script("1", "logging.getLogger('wbmodel.trace').setLevel(logging.WARNING)").stderr == ""


def test_json_lines_are_appended_to_a_file_of_the_owner(tmp_path):
    path = tmp_path / "calls.jsonl"
    path.write_text('{"kept": true}\n')
    other = tmp_path / "fresh.jsonl"
    script(str(path))
    script("fresh.jsonl", HOME=str(tmp_path))  # relative to where connect() was called
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows[0] == {"kept": True}
    assert [row["operation"] for row in rows[1:]] == ["Viewer", "Viewer", None]
    assert rows[-1]["variables"] == {"api_key": "***"}
    assert rows[1]["outcome"] == "ok"
    assert len(other.read_text().splitlines()) == 3
    assert stat.S_IMODE(other.stat().st_mode) == 0o600


def test_lines_of_threads_do_not_mix(tmp_path, monkeypatch):
    path = tmp_path / "calls.jsonl"
    monkeypatch.setenv("WBMODEL_TRACE", str(path))
    sessions = [connect("plain:x", plugins=manager(), name=f"s{at}", default=False) for at in range(4)]
    threads = [threading.Thread(target=lambda s=s: [s.run(all_rows(1, 25)) for _ in range(4)]) for s in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 400


def test_a_file_that_cannot_be_written_is_said_once_and_stops_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("WBMODEL_TRACE", str(tmp_path / "no-such-folder" / "calls.jsonl"))
    session = connect("plain:x", plugins=manager())
    with pytest.warns(WbmodelWarning, match="cannot be written .No such file or directory.; tracing is now off"):
        assert session.run(all_rows(10, 25)) == list(range(25))
    assert session.run(all_rows(10, 25)) == list(range(25))  # warnings are errors here


def test_records_reach_handlers_of_the_program(caplog, monkeypatch):
    monkeypatch.setenv("WBMODEL_TRACE", "1")
    session = connect("plain:x", plugins=manager())
    with caplog.at_level(logging.INFO, "wbmodel.trace"):
        list(session.iterate(pages(10)))
    assert [record.name for record in caplog.records] == ["wbmodel.trace"] * 3
    assert caplog.records[0].getMessage().startswith("default: query Rows, ")


# -- when it is off --------------------------------------------------------------------------------


def test_nothing_is_loaded_when_it_is_off():
    code = (
        "import sys, wbmodel; s = wbmodel.connect('demo:'); s.execute('{ viewer { username } }'); "
        "print(sorted({'wbmodel.session.trace', 'wbmodel.session.otel', 'wbmodel.session.redact', 'opentelemetry'} "
        "& set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "[]"


def test_asking_for_the_wrappers_costs_nothing_to_speak_of():
    session = connect("plain:x", plugins=manager())
    assert session.wrappers == ()
    rounds = 20_000
    begin = time.thread_time()
    for _ in range(rounds):
        _ = session.wrappers
    per_request = (time.thread_time() - begin) / rounds
    assert per_request < 20e-6  # about 100 ns; a lookup of plugins would be far more


# -- small parts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("{ a }", None, ("query", None)),
        ("query A { a }", "A", ("query", "A")),
        ("query A($n: Int) { a }", None, ("query", "A")),
        ("query ($n: Int) { a }", None, ("query", None)),
        ("# mutation\nfragment F on T { a }\nmutation A { a }\n", None, ("mutation", "A")),
        ("query A { a }\nmutation B { b }", "B", ("mutation", "B")),
        ("query A { mutation }", "A", ("query", "A")),
        ("subscription S { a }", "S", ("subscription", "S")),
        ("query A { a }", "Other", ("query", "Other")),
    ],
)
def test_the_operation_of_a_request(text, name, expected):
    assert operation_of(Request(text, {}, name)) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, None),
        ({"viewer": {"username": "a"}}, None),
        ({"project": {"runs": {"edges": [{"node": {"files": {"edges": [1, 2]}}}, {}]}}}, 2),
        ({"a": {"runs": {"edges": [1]}}, "b": {"runs": {"edges": [1, 2]}}, "c": None}, 3),
        ({"project": {"runs": {"edges": []}}}, 0),
    ],
)
def test_rows(data, expected):
    assert rows_of(data) == expected
