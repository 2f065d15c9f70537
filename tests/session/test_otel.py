"""OpenTelemetry spans, with the SDK's own exporter: names, attributes, parents, errors, and no secrets."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from opentelemetry import trace as api
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.session.test_stats import FAILING, in_colour, one
from tests.session.test_stats import Plugin as NotingPlugin
from tests.session.test_trace import WRONG, LoudPlugin, colours
from tests.support.paged_backends import SlowPaged, all_rows, manager, page, pages_ahead
from wbmodel.errors import LibraryNotInstalled, ServerError
from wbmodel.hookspecs import hookimpl
from wbmodel.request import CallNote, Emit, Request, Response, Start
from wbmodel.session import connect
from wbmodel.session.otel import instrument, uninstrument

ROOT = Path(__file__).resolve().parents[2]
KEY = "0123456789abcdef0123456789abcdef01234567"


class Spans:
    def __init__(self):
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("program")

    def __call__(self):
        """The spans of wbmodel that have ended."""
        return [span for span in self.exporter.get_finished_spans() if span.instrumentation_scope.name == "wbmodel"]


@pytest.fixture
def spans():
    found = Spans()
    instrument(tracer_provider=found.provider)
    yield found
    uninstrument()
    uninstrument()  # harmless


@colours
async def test_a_span_says_what_was_sent(spans, colour):
    session = connect("noting:x", plugins=manager(NotingPlugin()), name="mine")
    await in_colour(colour, session, one(page(0, 5)))
    (span,) = spans()
    assert (span.name, span.kind) == ("query Rows", SpanKind.CLIENT)
    assert dict(span.attributes) == {
        "graphql.operation.type": "query",
        "graphql.operation.name": "Rows",
        "wbmodel.session": "mine",
        "wbmodel.backend": "noting",
        "wbmodel.bytes": 100,
        "wbmodel.attempts": 3,
        "wbmodel.outcome": "ok",
        "http.response.status_code": 200,
    }
    assert span.status.status_code is StatusCode.UNSET
    assert span.end_time - span.start_time >= 5e6


class Web(SlowPaged):
    """Claims a server's address; says how long it took, and how many rows there are."""

    async def aexecute(self, request, *, timeout=None):
        await asyncio.sleep(0)
        return Response({"project": {"runs": {"edges": [{}, {}]}}}, note=CallNote(seconds=3.5))


class WebPlugin:
    @hookimpl
    def wbmodel_register_backends(self, register):
        register("web", Web, schemes=("http", "https"))


@pytest.mark.parametrize(
    ("url", "port"),
    [("https://wandb.acme.org", 443), ("http://wandb.acme.org/x", 80), ("https://api:key@wandb.acme.org:8443", 8443)],
)
def test_the_server_the_rows_and_the_backends_own_time(spans, url, port):
    connect(url, plugins=manager(WebPlugin())).run(one(page(0, 5)))
    (span,) = spans()
    assert (span.attributes["server.address"], span.attributes["server.port"]) == ("wandb.acme.org", port)
    assert span.attributes["wbmodel.rows"] == 2
    assert span.end_time - span.start_time == 3_500_000_000


@colours
async def test_errors_are_recorded(spans, colour):
    session = connect("noting:x", plugins=manager(NotingPlugin()))
    with pytest.raises(ServerError):
        await in_colour(colour, session, one(FAILING))
    await in_colour(colour, session, one(WRONG))
    failed, wrong = spans()
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "gave up")
    assert failed.attributes["error.type"] == "wbmodel.errors.ServerError"
    assert failed.attributes["wbmodel.attempts"] == 4
    assert failed.attributes["http.response.status_code"] == 502
    assert failed.attributes["wbmodel.outcome"] == "failed"
    (event,) = failed.events
    assert (event.name, event.attributes["exception.message"]) == ("exception", "gave up")
    assert (wrong.status.status_code, wrong.status.description) == (StatusCode.ERROR, "after: -3 is negative")
    assert (wrong.attributes["error.type"], wrong.attributes["wbmodel.outcome"]) == ("GraphQLError", "errors")


@colours
@pytest.mark.parametrize("kind", ["slow", "plain", "blocking"])
async def test_the_parent_is_the_callers_span(spans, kind, colour):
    session = connect(f"{kind}:x", plugins=manager())
    with spans.tracer.start_as_current_span("outer") as outer:
        await in_colour(colour, session, all_rows(10, 25))
        if colour == "sync":
            list(session.iterate(pages_ahead(10, 25)))
        else:
            [rows async for rows in session.aiterate(pages_ahead(10, 25))]
        assert api.get_current_span() is outer  # a span of a request is nobody's current span
    await in_colour(colour, session, one(page(0, 5)))
    *inside, last = spans()
    assert len(inside) == 6
    assert {span.parent.span_id for span in inside} == {outer.get_span_context().span_id}
    assert {span.context.trace_id for span in inside} == {outer.get_span_context().trace_id}
    assert last.parent is None


async def test_tasks_and_threads_keep_their_own_parents(spans):
    session = connect("slow:x", plugins=manager())

    async def task(name):
        with spans.tracer.start_as_current_span(name) as span:
            await session.arun(one(page(0, 5)))
            return span.get_span_context().span_id

    def thread(name, found):
        with spans.tracer.start_as_current_span(name) as span:
            session.run(one(page(0, 5)))
            found.append(span.get_span_context().span_id)

    expected = list(await asyncio.gather(*(task(f"task {at}") for at in range(5))))
    threads = [threading.Thread(target=thread, args=(f"thread {at}", expected)) for at in range(5)]
    for item in threads:
        item.start()
    for item in threads:
        await asyncio.to_thread(item.join)
    assert sorted(span.parent.span_id for span in spans()) == sorted(expected)


@colours
async def test_what_is_given_up_ends_its_span(spans, colour):
    session = connect("slow:x", plugins=manager(), delay=0.2)

    def operation():
        yield Start(page(0, 5))
        yield Emit([1])

    if colour == "sync":
        rows = session.iterate(operation())
        next(rows)
        rows.close()
    else:
        rows = session.aiterate(operation())
        await rows.__anext__()
        await asyncio.sleep(0.01)
        await rows.aclose()
        await asyncio.sleep(0.01)
    (span,) = spans()
    assert span.attributes["wbmodel.outcome"] == "abandoned"
    assert span.status.status_code is StatusCode.UNSET


def test_no_variables_unless_asked_for_and_never_a_secret(spans):
    session = connect("loud:x", api_key=KEY, plugins=manager(LoudPlugin()))
    asked = Request(f'mutation M {{ a(b: "{KEY}") }}', {"password": "planted", "fail": True, "x": "seen"}, "M")
    with pytest.raises(ServerError):
        session.run(one(asked))
    instrument(tracer_provider=spans.provider, documents=True, variables=True)
    with pytest.raises(ServerError):
        session.run(one(asked))
    shy, open_ = spans()
    assert not {"graphql.document", "wbmodel.variables"} & set(shy.attributes)
    assert "seen" not in shy.to_json()
    assert open_.attributes["graphql.document"] == 'mutation M { a(b: "***") }'
    assert json.loads(open_.attributes["wbmodel.variables"]) == {"password": "***", "fail": True, "x": "seen"}
    for span in (shy, open_):
        assert KEY not in span.to_json()
        assert "planted" not in span.to_json()


def test_a_second_call_replaces_and_uninstrument_ends(spans):
    session = connect("plain:x", plugins=manager())
    instrument(tracer_provider=spans.provider)
    session.run(one(page(0, 5)))
    assert len(spans()) == 1
    uninstrument()
    session.run(one(page(0, 5)))
    assert len(spans()) == 1


def test_the_variable_and_the_call_together_make_one_span(spans, monkeypatch):
    monkeypatch.setenv("WBMODEL_OTEL", "1")
    session = connect("plain:x", plugins=manager())
    session.run(one(page(0, 5)))
    assert len(spans()) == 1
    uninstrument()
    session.run(one(page(0, 5)))  # to the global provider now
    assert len(spans()) == 1


def test_an_sdk_that_comes_after_the_variable_is_used():
    code = (
        "from wbmodel import connect\n"
        "session = connect('demo:')\n"
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import SimpleSpanProcessor, ConsoleSpanExporter\n"
        "provider = TracerProvider()\n"
        "provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda s: s.name + '\\n')))\n"
        "trace.set_tracer_provider(provider)\n"
        "session.execute('query Viewer { viewer { username } }')\n"
    )
    env = {**os.environ, "WBMODEL_OTEL": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout == "query Viewer\n"


def test_without_the_library_the_install_command_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(LibraryNotInstalled, match=r'pip install "wbmodel\[otel\]"'):
        instrument()
    monkeypatch.setenv("WBMODEL_OTEL", "1")
    with pytest.raises(LibraryNotInstalled, match=r'pip install "wbmodel\[otel\]"'):
        connect("plain:x", plugins=manager())
    monkeypatch.setenv("WBMODEL_OTEL", "0")
    connect("plain:x", plugins=manager())
