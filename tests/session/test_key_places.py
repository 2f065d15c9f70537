"""A thousand places in which a key could turn up: each is really made, by a server that quotes what it was sent."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import io
import json
import logging
import os
import pickle
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from rich.console import Console
from rich.traceback import Traceback

from tests.ground.test_masked_urls import PLACES as URLS
from tests.support.places import world
from tests.support.servers import Ground, head_of, listening
from wbmodel import Project, Run, connect
from wbmodel.engine.execute import Engine
from wbmodel.engine.server import serving
from wbmodel.key_hiding import KeyHider
from wbmodel_fixtures import world_from

KEYS = {
    "short": "k3Y!p4ss",
    "40 characters": "0123456789abcdef0123456789abcdef01234567",
    "105 characters": "local-" + "Zq7" * 33,
    "quotes": "a1\"b2\\c3'd4\"e5\\\\f6'g7",
}
SLOW = [kind for kind in KEYS if kind != "quotes"]
"""Of each key the same places: by default one key is looked for, `-m slow` looks for the others."""
QUERY = "query Viewer { viewer { username } }"
SHOWN_AT_MOST = 7


class Held:
    """A key that the variables of the tests' own frames do not show."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __repr__(self) -> str:
        return "<Held>"


def forms(key: str) -> dict[str, str]:
    """The key as servers and tools write it."""
    raw = key.encode()
    return {
        "plain": key,
        "header": base64.b64encode(b"api:" + raw).decode(),
        "unpadded": base64.b64encode(b"api:" + raw).decode().rstrip("="),
        "base64": base64.b64encode(raw).decode().rstrip("="),
        "shifted": base64.b64encode(b"x" + raw).decode().rstrip("=")[2:],
        "url-safe": base64.urlsafe_b64encode(raw).decode(),
        "percent": quote(key, safe=""),
        "all percent": "".join(f"%{byte:02x}" for byte in raw),
        "json": json.dumps(key)[1:-1],
        "unicode": "".join(f"\\u{ord(char):04X}" for char in key),
        "html": "".join(f"&#{ord(char)};" for char in key),
        "hex": raw.hex(),
        "repr": repr(raw)[2:-1],
        "lines": "\n".join(key[at : at + 5] for at in range(0, len(key), 5)),
    }


def leaks(text: str, key: str) -> list[str]:
    """The forms of which ``text`` shows more than a few characters in a row."""
    pieces = windows(text)
    return [name for name, form in forms(key).items() if not pieces.isdisjoint(windows(form))]


def windows(text: str) -> set[str]:
    size = SHOWN_AT_MOST + 1
    return {text[at : at + size] for at in range(max(1, len(text) - size + 1))}


# -- a server that quotes --------------------------------------------------------------------------


def graphql(text: str) -> bytes:
    return json.dumps({"errors": [{"message": text, "path": ["viewer", text], "extensions": {text: text}}]}).encode()


ANSWERS: dict[str, tuple[int, Callable[[str], bytes]]] = {
    "200 with errors": (200, graphql),
    "200 with texts": (200, lambda text: json.dumps({"errors": [text, text]}).encode()),
    "200 with one text": (200, lambda text: json.dumps({"errors": text}).encode()),
    "200, a page": (200, lambda text: f"<title>{text}</title><p>{text}".encode()),
    "200, cut": (200, lambda text: graphql(text)[:-9]),
    "302": (302, lambda text: text.encode()),
    "400": (400, lambda text: json.dumps({"error": {"message": text}}).encode()),
    "401": (401, lambda text: text.encode()),
    "403": (403, lambda text: json.dumps({"detail": text}).encode()),
    "403, a page": (403, lambda text: f"<html><body>{text}</body></html>".encode()),
    "404": (404, lambda text: json.dumps({"message": text}).encode()),
    "409 with errors": (409, graphql),
    "429": (429, lambda text: text.encode()),
    "500": (500, lambda text: ("x" * (300 - len(text) // 2) + text).encode()),
    "500 with errors": (500, graphql),
    "502": (502, lambda text: json.dumps([text]).encode()),
}


class Quoting:
    """Answers with what ``body`` makes of the key, in every form."""

    def __init__(self) -> None:
        self.status, self.body, self.asked = 200, graphql, 0
        self.text = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, headers, _ = await head_of(reader)
        await reader.readexactly(int(headers.get("content-length", "0")))
        self.asked += 1
        body = self.body(f"{self.text} {headers['authorization']}")
        lines = [f"HTTP/1.1 {self.status} Said", f"Content-Length: {len(body)}", "Connection: close"]
        if self.status == 302:
            lines.append(f"Location: https://api:{quote(self.text[:200], safe='')}@elsewhere/#x")
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()


# -- places ----------------------------------------------------------------------------------------


def of_error(error: BaseException, rich: bool) -> dict[str, str]:
    """Everything that shows an error."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    record = logging.LogRecord(
        "x", logging.ERROR, __file__, 1, "failed: %s", (error,), (type(error), error, error.__traceback__)
    )
    found = {
        "str": str(error),
        "repr": repr(error),
        "args": repr(error.args),
        "attributes": repr(vars(error)),
        "traceback": "".join(traceback.format_exception(error)),
        "traceback with variables": "".join(shown.format()),
        "log record": logging.Formatter().format(record),
        "cause": repr(error.__cause__),
        "context": repr(error.__context__),
        "pickle": pickle.dumps(error).decode("latin-1"),
        "pickle, loaded": repr(vars(pickle.loads(pickle.dumps(error)))),
        "copy": str(copy.copy(error)),
    }
    if rich:
        file = io.StringIO()
        made = Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True, locals_max_string=1000, locals_max_length=100
        )
        Console(file=file, width=400, color_system=None).print(made)
        found["rich traceback"] = file.getvalue()
    return found


def raised(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("there was no error")


def of_refusals(held: Held, server: Quoting, url: str, log: io.StringIO) -> Iterator[tuple[str, str]]:
    server.text = " ".join(forms(held.key).values())
    for name, (server.status, server.body) in ANSWERS.items():
        with connect(url, api_key=held.key, default=False, name=name, max_attempts=1, timeout=20) as session:
            error = raised(lambda: session.execute(QUERY))
            for view, text in of_error(error, rich=name == "500").items():
                yield f"{name}: {view}", text
            yield f"{name}: statistics", repr(session.stats)
            yield f"{name}: backend", repr(vars(session.backend))
    yield "the log of all refusals, DEBUG", log.getvalue()


def of_slips(held: Held) -> Iterator[tuple[str, str]]:
    calls: dict[str, Callable[[], object]] = {
        f"URL {place.format('KEY')}": lambda place=place: connect(
            place.format(held.key), default=False
        ).backend.execute(1)
        for place in URLS
    }
    for option in ("apikey", "key", "token", "WANDB_API_KEY"):
        calls[f"option {option}"] = lambda option=option: connect(
            "https://h.example", default=False, **{option: held.key}
        )
    calls["with a wrong project"] = lambda: connect("https://h", project="a/b/c", api_key=held.key)
    calls["with a wrong timeout"] = lambda: connect("https://h", timeout=-1, api_key=held.key)
    calls["as the address"] = lambda: connect(f"api:{held.key}@host.example", default=False)
    calls["no address"] = lambda: connect("", api_key=held.key, default=False, max_response=0).backend
    for name, call in calls.items():
        for view, text in of_error(raised(call), rich=name.startswith("option apikey")).items():
            yield f"{name}: {view}", text


def of_session(held: Held, tmp: Path) -> Iterator[tuple[str, str]]:
    """What a session, its objects and its files show, on a real server."""
    store = world_from(world()).world
    with serving(Engine(store), api_key=held.key) as server:
        os.environ["WBMODEL_TRACE"] = str(tmp / "trace")
        try:
            session = connect(server.url, api_key=held.key, project="acme/vision", default=False, name="places")
        finally:
            del os.environ["WBMODEL_TRACE"]
        with session:
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
            child = [sys.executable, "-c", "import os, sys; print(sys.argv, sorted(os.environ.items()))"]
            yield "environment of a child", subprocess.run(child, capture_output=True, text=True, check=True).stdout
            yield "threads", repr([thread.name for thread in threading.enumerate()])
    yield "trace", (tmp / "trace").read_text()


def of_shell(held: Held) -> Iterator[tuple[str, str]]:
    from wbmodel.cli.main import main

    for words in (
        [f"--apikey={held.key}", "runs"],
        ["runs", "--apikey", held.key],
        ["runs", f"--api-key={held.key}", "-u", "demo:"],
        ["-u", f"https://api:a/{held.key}@host", "runs"],
        ["-u", f"https://api:{held.key}", "status"],
        ["-u", f"https://host.example/#{held.key}", "status"],
    ):
        out, error = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error), contextlib.suppress(SystemExit):
            main(words)
        shown = " ".join(words).replace(held.key, "KEY")
        assert out.getvalue() + error.getvalue()
        yield f"{shown}: output", out.getvalue()
        yield f"{shown}: errors", error.getvalue()


@pytest.fixture(scope="module")
def quoting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Quoting, str]]:
    ground, server = Ground(Path(tmp_path_factory.mktemp("ground"))), Quoting()
    with ground.holding(listening(server.handle)) as port:
        yield server, f"http://127.0.0.1:{port}"
    ground.close()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    kept = io.StringIO()
    handler, root = logging.StreamHandler(kept), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield kept
    root.removeHandler(handler)
    root.setLevel(level)


LISTED: dict[str, list[str]] = {}


@pytest.mark.parametrize("kind", ["quotes", *(pytest.param(kind, marks=pytest.mark.slow) for kind in SLOW)])
def test_no_place_shows_the_key(
    kind: str, quoting: tuple[Quoting, str], log: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WBMODEL_URL", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    held, listed, shown = Held(KEYS[kind]), [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places = (of_refusals(held, *quoting, log), of_slips(held), of_session(held, tmp_path), of_shell(held))
        for place, text in (each for several in places for each in several):
            listed.append(place)
            found = leaks(text, held.key)
            if found:
                shown.append((place, found))
    assert len(set(listed)) == len(listed)
    LISTED[kind] = listed
    assert not shown, "\n".join(f"{place}: {found}" for place, found in shown[:40])


def test_there_are_a_thousand_places() -> None:
    counts = {kind: len(places) for kind, places in LISTED.items()}
    if not counts:
        pytest.skip("counts what the test before it listed")
    assert min(counts.values()) * len(KEYS) >= 1000, counts


def test_a_key_that_is_shown_is_found(
    quoting: tuple[Quoting, str], log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the hiding, the same places show it in every form."""
    hide = KeyHider.__call__
    monkeypatch.setattr(KeyHider, "__call__", lambda self, text: text)
    held = Held(KEYS["40 characters"])
    found = {place: leaks(text, held.key) for place, text in of_refusals(held, *quoting, log)}
    assert sum(map(bool, found.values())) > 50
    for name, form in forms(held.key).items():
        assert name in leaks(f"it says: {form}.", held.key)
        assert len(hide(KeyHider([held.key]), form)) < 8
