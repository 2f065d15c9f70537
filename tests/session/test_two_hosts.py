"""Two servers on two ports with keys of their own, asked in turn and at once over real sockets.

Between a session and its server stands a tap that keeps what goes over the wire, so that it is the bytes themselves
that say which key went where.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import pickle
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

from wbmodel import Run, connect, connections, current_session, trace
from wbmodel.errors import ConfigurationError, NotAuthenticated
from wbmodel.testing import served

KEYS = {"north": "a1" * 20, "south": "b2" * 20}
COUNTS = {"north": 130, "south": 90}


def names(home, count=None):
    return [f"{home[0]}{at:03}" for at in range(COUNTS[home] if count is None else count)]


def world(home):
    runs = [{"id": name, "config": {"home": home, "at": at}} for at, name in enumerate(names(home))]
    return {"entities": {"acme": {"projects": {"vision": {"runs": runs}}}}}


class Tap:
    """Passes bytes on to a server, and keeps those of the client."""

    def __init__(self, target):
        self._target = target
        self._heard = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def heard(self):
        return b"".join(self._heard)

    def keys(self):
        """Whose keys went by, in either of the forms in which one could."""
        forms = {home: (key.encode(), base64.b64encode(f"api:{key}".encode())) for home, key in KEYS.items()}
        heard = self.heard
        return {home for home, either in forms.items() if any(form in heard for form in either)}

    def close(self):
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                threading.Thread(target=self._pass, args=(client, server, self._heard), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, None), daemon=True).start()

    def _pass(self, source, target, kept):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if kept is not None:
                    kept.append(data)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Host:
    """A served world behind a tap."""

    def __init__(self, home, server):
        parts = urlsplit(server.url)
        self.home, self.key, self.server = home, KEYS[home], server
        self.tap = Tap((parts.hostname, parts.port))
        self.url = f"http://127.0.0.1:{self.tap.port}"

    def connect(self, **options):
        given = {"project": "acme/vision", "name": self.home, "api_key": self.key, "default": False, **options}
        return connect(given.pop("url", self.url), **given)


@pytest.fixture
def hosts():
    with contextlib.ExitStack() as stack:
        found = {}
        for home, key in KEYS.items():
            server = stack.enter_context(served(world(home), api_key=key))
            found[home] = Host(home, server)
            stack.callback(found[home].tap.close)
        yield found
        for session in list(connections.values()):
            session.close()


def only_their_own(hosts):
    """No server saw a key that was not its own, and none had to refuse one."""
    for home, host in hosts.items():
        assert host.tap.keys() == {home}
        assert set(host.server.stats.statuses) == {200}
        assert all(seen.authorization for seen in host.server.seen)


def ids(rows):
    return sorted(run.id for run in rows)


async def aids(rows):
    return sorted([run.id async for run in rows])


@pytest.mark.filterwarnings("ignore::wbmodel.errors.SessionWarning")  # the default is meant, beside blocks of others
async def test_interleaved_in_one_loop(hosts):
    before = dict(os.environ)
    north, south = (hosts[home].connect(default=home == "north") for home in ("north", "south"))

    async def work(session):
        home = session.name
        rows = Run.objects.filter(config__home__in=list(KEYS)).using(session)
        assert await aids(rows) == names(home)
        assert await rows.filter(config__at__lt=7).acount() == 7
        with session.as_current():
            await asyncio.sleep(0)
            assert await Run.objects.acount() == COUNTS[home]
            assert current_session() is session
        run = await Run.objects.using(session).aget(id=names(home)[3])
        assert run.config["home"] == home
        assert run.session is session
        assert await run.project.runs.acount() == COUNTS[home]
        assert await Run.objects.acount() == COUNTS["north"]  # the default, as before

    await asyncio.gather(*(work(session) for session in [north, south] * 5))
    only_their_own(hosts)
    assert dict(os.environ) == before
    assert current_session() is north


def test_interleaved_in_threads(hosts):
    sessions = [hosts[home].connect() for home in KEYS]
    barrier, wrong = threading.Barrier(8), []

    def work(session):
        barrier.wait(10)
        for at in range(3):
            with session.as_current():
                if ids(Run.objects.all()) != names(session.name):
                    wrong.append(session.name)
            other = sessions[session is sessions[0]]
            if Run.objects.using(other.name).get(id=names(other.name)[at]).session is not other:
                wrong.append(other.name)

    threads = [threading.Thread(target=work, args=(session,)) for session in sessions * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    only_their_own(hosts)


async def test_both_colours_and_two_loops_at_once(hosts):
    sessions = [hosts[home].connect() for home in KEYS]

    def other_loop():
        async def both():
            return await asyncio.gather(*(aids(Run.objects.using(session)) for session in sessions))

        return asyncio.run(both())

    elsewhere = asyncio.ensure_future(asyncio.to_thread(other_loop))
    here = [await aids(Run.objects.using(session)) for session in sessions]
    blocking = [ids(Run.objects.using(session)) for session in sessions]  # inside a running loop
    assert here == blocking == await elsewhere == [names("north"), names("south")]
    only_their_own(hosts)


def test_the_key_of_each_host_is_taken_from_netrc(hosts, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    lines = [
        f"machine {name} login user password {KEYS[home]}\n"
        for name, home in (("127.0.0.1", "north"), ("localhost", "south"))
    ]
    netrc.write_text("".join(lines))
    monkeypatch.setenv("NETRC", str(netrc))
    north = hosts["north"].connect(api_key=None)
    south = hosts["south"].connect(api_key=None, url=f"http://localhost:{hosts['south'].tap.port}")
    assert [Run.objects.using(session).count() for session in (north, south)] == [130, 90]
    only_their_own(hosts)


def test_the_wrong_key_is_refused_and_shown_nowhere(hosts, caplog):
    session = hosts["south"].connect(api_key=KEYS["north"])
    with trace() as records, pytest.raises(NotAuthenticated, match=f"127.0.0.1:{hosts['south'].tap.port}") as caught:
        Run.objects.using(session).count()
    shown = [
        str(caught.value),
        repr(caught.value),
        repr(caught.value.__cause__),
        caplog.text,
        str(records),
        repr(session),
    ]
    shown += [json.dumps(record.as_dict()) for record in records]
    assert not any(key in text for key in KEYS.values() for text in shown)
    assert [record.outcome for record in records] == ["failed"]
    assert hosts["north"].tap.heard == b""


def test_no_key_is_borrowed_from_the_other_session(hosts):
    north = hosts["north"].connect(default=True)
    bare = hosts["south"].connect(api_key=None, name="bare")
    assert Run.objects.count() == 130
    with north.as_current(), pytest.raises(NotAuthenticated):
        Run.objects.using(bare).count()
    assert hosts["south"].tap.keys() == set()
    assert not any(seen.authorization for seen in hosts["south"].server.seen)


async def test_what_was_pickled_goes_to_its_own_host_or_nowhere(hosts):
    north, south = (hosts[home].connect() for home in KEYS)
    run = await Run.objects.using(south).aget(id="s004")
    kept = pickle.dumps(run)
    assert not any(key.encode() in kept for key in KEYS.values())
    with north.as_current():
        copy = pickle.loads(kept)
        assert copy == run
        await copy.arefresh()
        assert copy.session is south
    south.close()
    with north.as_current(), pytest.raises(ConfigurationError, match=r"no session to it is open"):
        await pickle.loads(kept).arefresh()
    again = hosts["south"].connect(name="again")
    copy = pickle.loads(kept)
    await copy.arefresh()
    assert copy.session is again
    only_their_own({"south": hosts["south"]})
    assert hosts["north"].tap.heard == b""


def test_another_account_of_the_same_host_is_another_origin(hosts):
    mine, theirs = hosts["south"].connect(), hosts["south"].connect(name="theirs", api_key="c3" * 20)
    kept = pickle.dumps(Run.objects.using(mine).get(id="s004"))
    assert mine.origin != theirs.origin
    assert not any(key in mine.origin + theirs.origin for key in ("b2b2", "c3c3"))
    mine.close()
    with pytest.raises(ConfigurationError, match="no session to it is open"):
        pickle.loads(kept).refresh()


async def test_closing_one_leaves_the_other_alone(hosts):
    north, south = (hosts[home].connect() for home in KEYS)
    for host in hosts.values():
        host.server.faults.latency = 0.5
    tasks = [asyncio.ensure_future(Run.objects.using(session).acount()) for session in (north, south)]
    await asyncio.sleep(0.2)
    await north.aclose()
    first, second = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(first, ConfigurationError)
    assert "closed while a request was under way" in str(first)
    assert second == 90
    assert north.stats._in_flight == south.stats._in_flight == 0


def test_the_time_of_a_page_that_was_read_ahead_is_the_servers_and_not_the_readers(hosts):
    session = hosts["north"].connect()
    with trace() as records:
        for run in Run.objects.using(session).iterator():
            if run.id in ("n125", "n120"):
                time.sleep(0.4)
    assert len(records) > 1
    assert sum(record.rows for record in records) == COUNTS["north"]
    assert max(record.seconds for record in records) < 0.4


async def test_statistics_and_traces_are_told_apart(hosts, tmp_path, monkeypatch):
    path = tmp_path / "calls.jsonl"
    monkeypatch.setenv("WBMODEL_TRACE", str(path))
    north, south = (hosts[home].connect() for home in KEYS)
    with trace(using="south") as records, north.stats.measuring() as used:
        await asyncio.gather(*(Run.objects.using(session).acount() for session in [north, south, south] * 3))
    assert (used.requests, north.stats.requests, south.stats.requests) == (3, 3, 6)
    assert {record.session for record in records} == {"south"}
    assert len(records) == 6
    assert all(record.status == 200 and record.attempts == 1 and record.bytes > 0 for record in records)
    assert all(record.origin.startswith(hosts["south"].url) for record in records)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(row["session"] for row in rows) == ["north"] * 3 + ["south"] * 6
    assert 1 <= used.peak_in_flight <= 3
    assert south.stats.bytes > 0 < south.stats.sent
    assert not any(key in path.read_text() for key in KEYS.values())
