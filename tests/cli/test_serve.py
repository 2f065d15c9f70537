"""``wbmodel serve`` as a process: its address, its key, what it serves, and its end."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cli.test_process import ROOT, WBMODEL, environment
from tests.support.http import KEY, VIEWER, call, post
from wbmodel.cli.options import SERVING
from wbmodel.server import Limits

PROJECTS = """{ viewer { username entity }
  models(first: 100) { edges { node { name runCount } } } }"""


class Serving:
    """A running ``wbmodel serve``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.url = process.stdout.readline().strip()

    def end(self, how: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """End it; gives its status and standard error."""
        self.process.send_signal(how)
        out, error = self.process.communicate(timeout=30)
        assert out == "", "the address is all that goes to standard output"
        return self.process.returncode, error


@contextmanager
def serve(*arguments: str, stdin: str | None = None, **more: str) -> Iterator[Serving]:
    process = subprocess.Popen(
        [*WBMODEL, "serve", "--port", "0", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**more),
        cwd=ROOT,
    )
    if stdin is not None:
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.flush()
    try:
        running = Serving(process)
        assert re.fullmatch(r"https?://[^/]+:\d+", running.url), process.communicate(timeout=30)
        yield running
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def refused(cli: Callable[..., Any]) -> Callable[..., tuple[int, str]]:
    """The status and the message of a command that does not start; in this process, as nothing is served."""

    def run(*arguments: str) -> tuple[int, str]:
        done = cli("serve", "--port", "0", *arguments)
        assert done.out == ""
        return done.status, done.err

    return run


def test_an_empty_world_by_default():
    with serve("--entity", "acme") as server:
        assert server.url.startswith("http://127.0.0.1:")
        got = post(server, PROJECTS, key=None)
        assert got.data["data"] == {"viewer": {"username": "acme", "entity": "acme"}, "models": {"edges": []}}
        made = post(server, 'mutation { upsertModel(input: {name: "p"}) { inserted } }', key=None)
        assert made.data["data"]["upsertModel"]["inserted"] is True
        assert len(post(server, PROJECTS, key=None).data["data"]["models"]["edges"]) == 1
        status, told = server.end()
    assert status == 0
    assert "an empty world for the entity acme" in told
    assert f"WANDB_BASE_URL={server.url}" in told
    assert "stopped after 3 requests" in told


@pytest.mark.parametrize(
    "how", ["demo:", "file", *(pytest.param(how, marks=pytest.mark.slow) for how in ("--url demo:", "fixtures:file"))]
)
def test_a_fixtures_world(tmp_path, how):
    world = tmp_path / "world.yaml"
    world.write_text("entities: {acme: {projects: {vision: {runs: [{id: a}, {id: b}]}}}}", encoding="utf-8")
    with serve(*how.replace("file", str(world)).split()) as server:
        edges = post(server, PROJECTS, key=None).data["data"]["models"]["edges"]
        names = {edge["node"]["name"]: edge["node"]["runCount"] for edge in edges}
        if "demo" in how:
            assert names["vit-prisma"] == 31
        else:
            run = '{ project(name: "vision", entityName: "acme") { runCount run(name: "a") { user { username } } } }'
            project = post(server, run, key=None).data["data"]["project"]
            # wandb 0.31.0 cannot read a run without a user.
            assert project == {"runCount": 2, "run": {"user": {"username": "nobody"}}}
        status, told = server.end(signal.SIGTERM)
    assert status == 0
    assert "memory only" in told


def test_the_environment_says_nothing_of_what_is_served():
    with serve(WBMODEL_URL="demo:") as server:
        assert post(server, PROJECTS, key=None).data["data"]["models"]["edges"] == []


def test_wbmodel_itself_reads_it():
    with serve("demo:") as server:
        done = subprocess.run(
            [*WBMODEL, "runs", "demo/vit-prisma", "-n", "2", "--json", "-u", server.url],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
            check=False,
            env=environment(WANDB_API_KEY=KEY),
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["total"] == 31


# -- the key ---------------------------------------------------------------------------------------


def arguments_of(process: subprocess.Popen[str]) -> str:
    """What every user of the machine can see of the process."""
    done = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(process.pid)], capture_output=True, text=True, check=False
    )
    return done.stdout


@pytest.mark.parametrize("how", ["file", "stdin", "variable", "argument", "joined"])
def test_the_key_and_that_nobody_sees_it(tmp_path, how):
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    given: dict[str, Any] = {
        "file": {"arguments": ["--api-key-file", str(file)]},
        "stdin": {"arguments": ["--api-key-file", "-"], "stdin": KEY + "\n"},
        "variable": {"WBMODEL_SERVE_API_KEY": KEY},
        "argument": {"arguments": ["--api-key", KEY]},
        "joined": {"arguments": [f"--api-key={KEY}"]},
    }[how]
    with serve(*given.pop("arguments", []), "--entity", "acme", **given) as server:
        assert post(server, VIEWER).data["data"]["viewer"]["username"] == "acme"
        assert post(server, VIEWER, key="x" * 40).status == 401
        assert post(server, VIEWER, key=None).status == 401
        try:
            shown = arguments_of(server.process)
        except FileNotFoundError:
            pytest.skip("there is no ps")
        assert "--entity acme" in shown
        assert KEY not in shown
        status, told = server.end()
    assert status == 0
    assert KEY not in told


def test_a_short_key_is_said_to_be_short():
    with serve(WBMODEL_SERVE_API_KEY="secret-word") as server:
        assert post(server, VIEWER, key="secret-word").status == 200
        _, told = server.end()
    assert "11 characters" in told
    assert "secret-word" not in told


def test_bad_keys(tmp_path, refused):
    empty = tmp_path / "empty"
    empty.write_text("\n")
    two = tmp_path / "two"
    two.write_text("secret words")
    for arguments, words in [
        (["--api-key-file", str(tmp_path / "none")], "cannot be read"),
        (["--api-key-file", str(empty)], "does not contain a valid API key"),
        (["--api-key-file", str(two)], "does not contain a valid API key"),
        (["--api-key", "k" * 40, "--api-key-file", str(empty)], "both --api-key and --api-key-file are given"),
    ]:
        status, told = refused(*arguments)
        assert (status, words in told) == (2, True), told
        assert "secret" not in told.replace("secrets", "")


def test_another_address_needs_a_key(refused):
    status, told = refused("--host", "0.0.0.0")
    assert status == 2
    assert "--api-key-file" in told
    with serve("--host", "0.0.0.0", WBMODEL_SERVE_API_KEY=KEY) as server:
        assert server.url.startswith("http://0.0.0.0:")
        assert post(server, VIEWER).status == 200


# -- the rest --------------------------------------------------------------------------------------


def test_https(tmp_path, refused):
    certificate = tmp_path / "both.pem"
    made = subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            str(tmp_path / "key.pem"),
            "-out",
            str(certificate),
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("there is no openssl that makes certificates")
    import ssl
    import urllib.request

    with serve("--tls-certificate", str(certificate), "--tls-key", str(tmp_path / "key.pem")) as server:
        assert server.url.startswith("https://127.0.0.1:")
        asked = urllib.request.Request(
            f"{server.url}/graphql", json.dumps({"query": VIEWER}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, context=ssl.create_default_context(cafile=str(certificate))) as got:
            assert json.load(got)["data"]["viewer"]["username"] == "local"
    assert refused("--tls-certificate", str(tmp_path / "none.pem"))[0] == 2
    assert refused("--tls-key", str(certificate))[0] == 2


def test_limits_and_latency():
    with serve("--set-limit", "depth=3", "--timeout", "5", "--latency", "0.2") as server:
        begin = time.monotonic()
        assert [post(server, VIEWER, key=None).status for _ in range(3)] == [200, 200, 200]
        assert time.monotonic() - begin > 0.6
        refused = post(server, "{ a: project { b: entity { c: user { id } } } }", key=None)
        assert "the limit of this server is 3" in refused.message


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["https://example.org"], 4, "cannot be served"),
        (["fixtures:nowhere.yaml"], 4, "nowhere.yaml"),
        (["nosuch:thing"], 4, "nosuch"),
        (["demo:", "--url", "demo:"], 2, "two worlds"),
        (["demo:", "--entity", "acme"], 2, "--entity"),
        (["--set-limit", "dept=3"], 2, "depth"),
        (["--set-limit", "depth=x"], 2, "must be a number"),
        (["--set-limit", "depth=-1"], 2, "must be 0 or more"),
        (["--fault", "status=502"], 2, "--fault"),
        (["--latency", "x"], 2, "latency"),
        (["--port", "70000"], 2, "port"),
    ],
)
def test_what_is_refused(arguments, status, words, refused, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    got, told = refused(*arguments)
    assert (got, words in told) == (status, True), told


def test_a_port_that_is_taken(refused):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, told = refused("--port", str(taken.getsockname()[1]))
    assert status == 2
    assert "cannot listen" in told


def test_ctrl_c_finishes_what_is_under_way():
    with serve("--latency", "30") as server:
        # The wait of a request is ended, and the command with it.
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            time.sleep(0.3)
            begin = time.monotonic()
            status, _ = server.end()
    assert status == 0
    assert time.monotonic() - begin < 20  # the answer takes 30 s
    assert call_fails(server.url)


def call_fails(url: str) -> bool:
    try:
        call(url, timeout=2)
    except OSError:
        return True
    return False


def test_every_limit_can_be_set_and_the_help_says_how_it_ends(cli):
    import attrs

    from wbmodel.cli.serve import _limits

    for item in attrs.fields(Limits):
        given = SimpleNamespace(timeout=None, set_limit=[f"{item.name}=7"])
        assert getattr(_limits(given), item.name) == 7  # type: ignore[arg-type]
    shown = cli("serve", "--help").out
    assert SERVING.split()[0] in shown
    assert "WBMODEL_SERVE_API_KEY" in shown


def test_every_limit_has_its_line_in_the_documentation():
    text = (ROOT / "docs" / "how-to" / "serve.md").read_text(encoding="utf-8")
    for name in (item for item in dir(Limits) if not item.startswith("_")):
        assert f"| `{name}` |" in text, name
