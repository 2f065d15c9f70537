"""The page behind is on its way while the rows of one are used: when that is so, when not, and what becomes of it."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.support.backends import FULL, served
from tests.support.drifting import Server, drifting, filled
from tests.support.pace import LONG, stretch
from tests.support.worlds import make_world
from wbmodel import Run
from wbmodel.engine.dialect import Dialect
from wbmodel.errors import ConfigurationError, RequestTimeout, ServerError
from wbmodel.hookspecs import CallInfo, RegisterWrappers, hookimpl
from wbmodel.request import Request, Response, Send
from wbmodel.session.session import Session
from wbmodel.testing import count_requests


def _server(rows: int = 300, **options: Any) -> Server:
    return Server(filled({"vision": list(range(rows))}), **{"cap": 50, **options})


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def _idle(session: Session) -> bool:
    stats: Any = session.stats
    return bool(stats._in_flight == 0)


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_one_page_ahead_and_no_more(colour: str) -> None:
    server = _server()
    with drifting(server, ahead=True) as session:
        rows = Run.objects.all()
        if colour == "sync":
            source = rows.iterator()
            next(source)
            _until(lambda: len(server.requests) == 2)
            assert not threading.Event().wait(0.02)
            assert len(server.requests) == 2
            assert len(list(source)) == 299
        else:
            asource = rows.aiterator()
            await asource.__anext__()
            # Without another await: it is not a task of this loop that reads ahead.
            _until(lambda: len(server.requests) == 2)
            assert len([row async for row in asource]) == 299
        assert len(server.requests) == 6
        assert session.stats.requests == 6
        assert _idle(session)
        assert session.backend.most == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["first", "last", "exists", "count", "get_or_none"])
@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_what_ends_with_its_first_page_reads_nothing_ahead(name: str, colour: str) -> None:
    server = _server()
    with drifting(server, ahead=True):
        rows = Run.objects.all()
        if name == "get_or_none":
            rows = rows.filter(id="r007")
        if colour == "sync":
            getattr(rows, name)()
        else:
            await getattr(rows, f"a{name}")()
        assert len(server.requests) == 1
        if name == "first":
            # Also where rows have to be asked again here.
            assert Run.objects.filter(summary__loss__lt=100).first() is not None
            assert len(server.requests) == 2


@pytest.mark.parametrize(("stop", "requests"), [(10, 1), (49, 1), (50, 2), (99, 2), (120, 3), (299, 6)])
def test_a_slice_that_is_filled_reads_nothing_ahead(stop: int, requests: int) -> None:
    server = _server()
    with drifting(server, ahead=True):
        assert len(list(Run.objects.all()[:stop])) == stop
        assert len(server.requests) == requests


def test_the_last_page_reads_nothing_ahead() -> None:
    server = _server(50)
    with drifting(server, ahead=True):
        assert len(list(Run.objects.all())) == 50
        assert len(server.requests) == 1


def test_in_process_nothing_is_read_ahead() -> None:
    import attrs

    promises = attrs.evolve(FULL, in_process=True, page_size=10, max_page_size=10)
    server = _server(30)
    with drifting(server, ahead=True, promises=promises):
        next(iter(Run.objects.all()))
        time.sleep(0.02)
        assert len(server.requests) == 1


def test_where_requests_take_turns_nothing_is_read_ahead() -> None:
    server = _server(300)
    with drifting(server):
        source = Run.objects.all().iterator()
        next(source)
        assert len(server.requests) == 1


def test_the_wait_and_the_work_overlap() -> None:
    """While a page is worked on, the next one has been asked for, and none beyond it."""
    server = _server(500)
    asked = []
    with drifting(server, ahead=True, delay=0.01):
        for at, _ in enumerate(Run.objects.all().iterator()):
            if at % 50 == 0:
                time.sleep(0.03)
                wanted = min(at // 50 + 2, 10)
                _until(lambda wanted=wanted: len(server.requests) >= wanted)  # type: ignore[misc]
                asked.append(len(server.requests))
    assert asked == [2, 3, 4, 5, 6, 7, 8, 9, 10, 10]


# -- giving up -------------------------------------------------------------------------------------


def _break_off(rows: Any) -> None:
    for _ in rows.iterator():
        break


def _raise(rows: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        for _ in rows.iterator():
            raise ZeroDivisionError


def _close(rows: Any) -> None:
    source = rows.iterator()
    next(source)
    source.close()


def _drop(rows: Any) -> None:
    for _ in rows:
        break


@pytest.mark.parametrize("leave", [_break_off, _raise, _close, _drop])
@pytest.mark.parametrize("seconds", [None, 60])
def test_whoever_stops_early_leaves_nothing_under_way(leave: Callable[[Any], None], seconds: float | None) -> None:
    server = _server()
    with drifting(server, ahead=True, stall=20) as session:
        backend: Any = session.backend
        leave(Run.objects.timeout(seconds))
        gc.collect()
        _until(lambda: backend.running == 0)
        assert (backend.started - backend.cancelled, len(server.requests)) == (1, 1)
        assert _idle(session)
        assert session.stats.errors == 0


@pytest.mark.parametrize("how", ["break", "raise", "aclose", "cancel"])
@pytest.mark.parametrize("seconds", [None, 60])
async def test_whoever_stops_early_leaves_nothing_under_way_with_await(how: str, seconds: float | None) -> None:
    server = _server()
    with drifting(server, ahead=True, stall=20) as session:
        backend: Any = session.backend
        rows = Run.objects.timeout(seconds)

        async def read() -> None:
            if how == "aclose":
                source = rows.aiterator()
                await source.__anext__()
                await source.aclose()  # type: ignore[attr-defined]
                return
            async for at, _ in _numbered(rows):
                if how == "break":
                    break
                if how == "raise":
                    raise ZeroDivisionError
                if at == 10:
                    reached.set()

        reached = asyncio.Event()
        task = asyncio.ensure_future(read())
        if how == "cancel":
            await reached.wait()
            await asyncio.sleep(0.01)
            task.cancel()
        done = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(done[0], {"raise": ZeroDivisionError, "cancel": asyncio.CancelledError}.get(how, type(None)))
        del task, done
        gc.collect()
        for _ in range(200):
            await asyncio.sleep(0.005)
            if backend.running == 0:
                break
        assert (backend.started - backend.cancelled, len(server.requests)) == (1, 1)
        assert _idle(session)
        assert session.stats.errors == 0


async def _numbered(rows: Any) -> Any:
    at = 0
    async for row in rows.aiterator():
        yield at, row
        at += 1


# -- what goes wrong with it -----------------------------------------------------------------------


class _Failing(Server):
    def answer(self, request: Request) -> Response:
        if len(self.requests) == 1:
            raise ServerError("the server is on fire", status=500)
        return super().answer(request)


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_an_error_of_the_next_page_comes_after_the_rows_of_this_one(colour: str) -> None:
    server = _Failing(filled({"vision": list(range(100))}), cap=50)
    found = 0
    with drifting(server, ahead=True) as session, pytest.raises(ServerError, match="on fire"):
        if colour == "sync":
            for _ in Run.objects.all().iterator():
                found += 1
        else:
            async for _ in Run.objects.all().aiterator():
                found += 1
    # The last row of a page waits for the next page: it might tie with what follows.
    assert found == 49
    assert session.stats.errors == 1  # a server that fails refuses nothing


def test_time_that_is_over_is_said_after_the_rows_that_came_in_time() -> None:
    server = _server(200)
    # The first page comes in time, and the second does not.
    page = round(0.1 * stretch(), 2)
    given = round(1.5 * page, 2)
    with drifting(server, ahead=True, delay=page):
        found = 0
        with pytest.raises(RequestTimeout, match=rf"timeout of {given:g} s"):
            for _ in Run.objects.timeout(given).iterator():
                found += 1
        assert 0 < found < 200


def test_the_time_that_the_caller_takes_does_not_count() -> None:
    server = _server(100)
    with drifting(server, ahead=True, delay=0.01):
        for at, _ in enumerate(Run.objects.timeout(1).iterator()):
            if at == 10:
                time.sleep(1.1)
            last = at
        assert last == 99


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_a_session_that_is_closed_meanwhile_says_so(colour: str) -> None:
    server = _server()
    with drifting(server, ahead=True, stall=20) as session:
        source: Any = Run.objects.all().iterator() if colour == "sync" else Run.objects.all().aiterator()
        _ = next(source) if colour == "sync" else await source.__anext__()
        session.close()
        with pytest.raises(ConfigurationError, match="was closed while a request was under way"):
            if colour == "sync":
                list(source)
            else:
                async for _ in source:
                    pass


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_a_request_that_ends_in_an_error_once_it_is_given_up_is_silent(
    colour: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A backend may say something better than "cancelled"; there is nobody to hear it, and asyncio must not log it."""
    server = _server()
    with drifting(server, ahead=True, stall=20) as session:
        backend: Any = session.backend
        backend.last_word = ServerError("it was given up")
        if colour == "sync":
            source = Run.objects.all().iterator()
            next(source)
            _until(lambda: backend.running == 1)
            source.close()  # type: ignore[attr-defined]
        else:
            asource = Run.objects.all().aiterator()
            await asource.__anext__()
            _until(lambda: backend.running == 1)
            await asource.aclose()  # type: ignore[attr-defined]
        _until(lambda: backend.running == 0)
        backend.stall = 0
        session.backend.execute(Request("query Q { viewer { id } }"))  # the loop has had its turn
        gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


class _Noting:
    """Notes what goes through it, and asks every second request twice."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.number = 0

    @hookimpl
    def wbmodel_register_wrappers(self, register: RegisterWrappers) -> None:
        def noted(request: Request, info: CallInfo) -> Generator[Any, Any, Response]:
            self.number += 1
            number = self.number
            self.seen.append("asked")
            response = yield Send(request)
            if number % 2 == 0:
                response = yield Send(request)
            self.seen.append("told")
            return response  # type: ignore[no-any-return]

        register("noting", noted)


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_wrappers_see_each_page_once(colour: str) -> None:
    from tests.support.drifting import _Plugin
    from wbmodel.registry import make_plugin_manager

    noting = _Noting()
    plugins = make_plugin_manager(load_entry_points=False, plugins=[_Plugin(), noting])
    server = _server(100)
    with drifting(server, ahead=True, plugins=plugins) as session:
        if colour == "sync":
            assert len(list(Run.objects.all())) == 100
        else:
            assert len([row async for row in Run.objects.all()]) == 100
        assert noting.seen == ["asked", "told", "asked", "told"]
        # The second was asked twice.
        assert session.stats.requests == len(server.requests) == 3
        assert _idle(session)


def test_requests_are_the_same_with_and_without_reading_ahead() -> None:
    world = make_world()
    told = []
    for kind in ("hostile1", "hostile2"):
        # One and the same server: where types stand in its orders decides how much is read.
        with served(world.store(), kind, dialect=Dialect.hostile(1)), count_requests() as sent:
            rows = Run.objects.order_by("-summary.loss")
            list(rows)
            list(Run.objects.all().prefetch_related("files"))
            list(Run.objects.filter(project__in=["acme/vision", "acme/nlp"]))
        told.append(len(sent.requests))
    assert told[0] == told[1]


def test_two_threads_share_a_queryset_that_reads_ahead() -> None:
    server = _server(300)
    with drifting(server, ahead=True, delay=0.002) as session:
        rows = Run.objects.using(session)
        found: list[int] = []
        threads = [threading.Thread(target=lambda: found.append(len(list(rows)))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [300, 300]
        assert len(server.requests) == 6
