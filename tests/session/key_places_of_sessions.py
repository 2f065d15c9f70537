"""Places of a working session: its objects and all that hangs off them, its files, spans and commands."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import pickle
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from unittest import mock

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.session.key_places_of_errors import QUERY
from tests.support.places import world
from tests.support.shown_keys import Held, raised
from wbmodel import Project, Report, Run, Sweep, connect
from wbmodel.engine.execute import Engine
from wbmodel.engine.server import serving
from wbmodel.key_hiding import KeyHider, Secret
from wbmodel.session.otel import instrument, uninstrument
from wbmodel_fixtures import world_from
from wbmodel_live.credentials import Login

__all__ = ["of_session", "of_shell"]

OURS = ("wbmodel", "wbmodel_live", "wbmodel_fixtures", "gql", "aiohttp", "pluggy")
COMMANDS = [
    ["status"],
    ["status", "--json"],
    ["plugins"],
    ["plugins", "--json"],
    ["runs"],
    ["runs", "--json"],
    ["runs", "--csv"],
    ["run", "r1"],
    ["run", "nobody", "--traceback"],
    ["sweeps"],
    ["projects"],
    ["reports", "--jsonl"],
    ["fields"],
    ["explain", "runs"],
    ["graphql", "query Viewer { viewer { username } }"],
    ["graphql", "query Viewer { nothing }", "--traceback"],
    ["update", "r1", "notes=x"],
    ["serve", "--help"],
    ["completion", "bash"],
]


def of_session(held: Held, tmp: Path) -> Iterator[tuple[str, str]]:
    """What a session, its objects and its files show, on a real server."""
    store = world_from(world()).world
    with serving(Engine(store), api_key=held.key) as server:
        with mock.patch.dict(os.environ, {"WBMODEL_TRACE": str(tmp / "trace")}):
            session = connect(server.url, api_key=held.key, project="acme/vision", default=False, name="places")
        with session, spanning() as spans:
            runs = Run.objects.order_by("created_at")
            run = runs[0]
            run.notes = held.key
            journal = tmp / f"journal-{len(held.key)}"
            Run.objects.filter(id="r1").update(notes="x", journal=journal)
            connection = session.backend._connection  # type: ignore[attr-defined]
            client = connection._channel
            things = {
                "session": session,
                "settings": session.settings,
                "settings, table": session.settings.table(),
                "key": session.settings.api_key(),
                "known key": session.settings.known_key(),
                "backend": session.backend,
                "origin": session.origin,
                "call info": session.call_info,
                "options": session.backend.options,  # type: ignore[attr-defined]
                "credentials": session.backend.credentials,  # type: ignore[attr-defined]
                "variables of the credentials": vars(session.backend.credentials),  # type: ignore[attr-defined]
                "hint": session.backend.credentials.hint,  # type: ignore[attr-defined]
                "connection": vars(connection),
                "client": vars(client),
                "extra arguments": dict(client.extra),
                "headers of the aiohttp session": dict(client.transport.session.headers),
                "statistics": session.stats,
                "target": session.target,
                "viewer": session.execute(QUERY),
                "explain": runs.explain(),
                "queryset": runs,
                "projects": list(Project.objects.filter(entity="acme")),
            }
            for name, thing in things.items():
                yield f"{name}: repr", repr(thing)
                yield f"{name}: str", str(thing)
            yield "queryset: HTML", runs._repr_html_()
            yield "queryset: pickle", pickle.dumps(runs).decode("latin-1")
            yield "run: pickle", pickle.dumps(runs[1]).decode("latin-1")
            yield "frame: CSV", str(runs.to_csv())
            yield "journal", journal.read_text()
            for name, thing in (("session", session), ("credentials", session.backend.credentials)):  # type: ignore[attr-defined]
                yield f"{name}: pickle", str(raised(lambda thing=thing: pickle.dumps(thing)))
            yield from of_objects(session, "session")
            yield from of_entities()
            with mock.patch.dict(os.environ, {"WANDB_API_KEY": held.key}):
                for words in COMMANDS:
                    yield from of_command([*words, "-u", server.url, "-p", "acme/vision"], held)
            yield "threads", repr([thread.name for thread in threading.enumerate()])
            yield "command line", Path("/proc/self/cmdline").read_text("latin-1")
            for number, span in enumerate(spans.get_finished_spans()):
                yield f"span {number}, {span.name}", span.to_json()
    for number, line in enumerate((tmp / "trace").read_text().splitlines()):
        yield f"trace, line {number}", line


def of_shell(held: Held) -> Iterator[tuple[str, str]]:
    for words in (
        [f"--apikey={held.key}", "runs"],
        ["runs", "--apikey", held.key],
        ["runs", f"--api-key={held.key}", "-u", "demo:"],
        ["-u", f"https://api:a/{held.key}@host", "runs"],
        ["-u", f"https://api:{held.key}", "status"],
        ["-u", f"https://host.example/#{held.key}", "status"],
    ):
        yield from of_command(words, held)


def of_command(words: list[str], held: Held) -> Iterator[tuple[str, str]]:
    from wbmodel.cli.main import main

    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error), contextlib.suppress(SystemExit):
        main(words)
    shown = re.sub(r":\d+", ":PORT", " ".join(words).replace(held.key, "KEY"))
    assert out.getvalue() + error.getvalue()
    yield f"wbmodel {shown}: output", out.getvalue()
    yield f"wbmodel {shown}: errors", error.getvalue()


def of_objects(root: object, name: str) -> Iterator[tuple[str, str]]:
    """What a debugger shows of everything that hangs off an object: each attribute, by its path."""
    seen, waiting = {id(root)}, [(name, root)]
    while waiting:
        path, thing = waiting.pop()
        if thing is not root:
            yield f"{path}: repr", repr(thing)
        if isinstance(thing, Secret | KeyHider | Login):
            continue  # they are what holds it
        for part, value in attributes(thing):
            if id(value) in seen or isinstance(value, type | FunctionType | ModuleType):
                continue
            seen.add(id(value))
            if type(value).__module__.partition(".")[0] in OURS or isinstance(value, dict | list | tuple):
                waiting.append((f"{path}{part}", value))
            elif not isinstance(value, int | float | bool | None):
                yield f"{path}{part}: repr", repr(value)


def attributes(thing: object) -> Iterator[tuple[str, object]]:
    if isinstance(thing, dict):
        yield from ((f"[{key!r}]", value) for key, value in list(thing.items())[:50])
    elif isinstance(thing, list | tuple):
        yield from ((f"[{number}]", value) for number, value in enumerate(thing[:20]))
    names = {*getattr(thing, "__dict__", ()), *(name for kind in type(thing).__mro__ for name in slots(kind))}
    for name in sorted(names):
        if not name.startswith("__"):
            with contextlib.suppress(AttributeError):
                yield f".{name}", getattr(thing, name)


def slots(kind: type) -> tuple[str, ...]:
    found = kind.__dict__.get("__slots__", ())
    return (found,) if isinstance(found, str) else tuple(found)


def of_entities() -> Iterator[tuple[str, str]]:
    querysets = {
        "runs": Run.objects.all(),
        "projects": Project.objects.filter(entity="acme"),
        "sweeps": Sweep.objects.all(),
        "reports": Report.objects.all(),
        "one run": Run.objects.filter(id="r1").only("id", "config"),
        "runs by loss": Run.objects.order_by("-summary__loss"),
    }
    for name, rows in querysets.items():
        first = rows[0]
        shows = {
            "explain": lambda rows=rows: rows.explain(),
            "repr": lambda rows=rows: repr(rows),
            "HTML": lambda rows=rows: rows._repr_html_(),
            "CSV": lambda rows=rows: rows.to_csv(),
            "pickle": lambda rows=rows: pickle.dumps(rows).decode("latin-1"),
            "copy": lambda rows=rows: repr(copy.copy(rows)),
            "a row, repr": lambda row=first: repr(row),
            "a row, str": lambda row=first: str(row),
            "a row, HTML": lambda row=first: row._repr_html_(),
            "a row, pickle": lambda row=first: pickle.dumps(row).decode("latin-1"),
            "a row, copy": lambda row=first: repr(copy.copy(row)),
            "a row, deep copy": lambda row=first: repr(copy.deepcopy(row)),
            "a row, variables": lambda row=first: repr([value for _, value in attributes(row)]),
        }
        for view, show in shows.items():
            yield f"{name}, {view}", str(show())


@contextlib.contextmanager
def spanning() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrument(tracer_provider=provider)
    try:
        yield exporter
    finally:
        uninstrument()
