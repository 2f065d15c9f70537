"""Two worlds at once: each answers only its own rows, whoever asks, in blocks, by name, in threads and in tasks; and
nothing outside is changed by it."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
import time

import pytest

from tests.support.paged_backends import Plain, manager, page, pages, pages_ahead
from wbmodel import Project, Run, connect, connections, current_session, get_session
from wbmodel.errors import ConfigurationError
from wbmodel.hookspecs import hookimpl
from wbmodel.request import Send
from wbmodel.session import session_for_origin
from wbmodel.testing import assert_num_requests

NORTH = [f"n{at}" for at in range(7)]
SOUTH = [f"s{at}" for at in range(5)]


def world(ids):
    runs = [{"id": name, "config": {"home": ids[0][0]}, "tags": [name]} for name in ids]
    return {"entities": {"acme": {"projects": {"vision": {"runs": runs}}}}}


@pytest.fixture
def north():
    return connect("fixtures:", world=world(NORTH), project="acme/vision", name="north")


@pytest.fixture
def south():
    return connect("fixtures:", world=world(SOUTH), project="acme/vision", name="south", default=False)


def ids(rows=None):
    return sorted(run.id for run in (Run.objects.all() if rows is None else rows))


async def aids(rows=None):
    return sorted([run.id async for run in (Run.objects.all() if rows is None else rows)])


def one(request):
    return (yield Send(request))


# -- saying which ----------------------------------------------------------------------------------


async def test_by_name_by_session_and_by_default(north, south):
    assert dict(connections) == {"north": north, "south": south}
    assert ids() == NORTH
    assert ids(Run.objects.using("south")) == ids(Run.objects.using(south)) == SOUTH
    assert await aids(Run.objects.using("south").filter(config__home="s")) == SOUTH
    assert await aids() == NORTH
    assert Run.objects.using("south").using("north").count() == len(NORTH)
    with pytest.raises(ConfigurationError, match="did you mean 'south'"):
        ids(Run.objects.using("soth"))


def test_a_name_means_the_session_that_has_it_when_the_question_is_asked(north):
    rows = Run.objects.using("later")
    with pytest.raises(ConfigurationError, match="no open session is called 'later'"):
        ids(rows)
    connect("fixtures:", world=world(SOUTH), project="acme/vision", name="later", default=False)
    assert ids(rows.all()) == SOUTH


def test_connections_is_read_only_and_live(north, south):
    with pytest.raises(TypeError):
        connections["north"] = south
    south.close()
    assert list(connections) == ["north"]
    with pytest.raises(ConfigurationError, match="no open session is called 'south'"):
        get_session("south")


def test_a_queryset_binds_when_it_is_evaluated_and_keeps_its_rows(north, south):
    rows = Run.objects.filter(config__home__in=["n", "s"])
    with south.as_current():
        assert ids(rows) == SOUTH
    assert ids(rows) == SOUTH  # what was read is kept
    assert ids(rows.all()) == NORTH


# -- entities --------------------------------------------------------------------------------------


async def test_an_entity_keeps_its_session(north, south):
    run = Run.objects.using("south").get(id="s1")
    assert run.session is south
    with assert_num_requests(0, using=north), assert_num_requests(3, using=south):
        assert ids(run.project.runs) == SOUTH
        run.refresh()
        await run.arefresh()
    assert Project.objects.using(south).get(name="vision").runs.count() == len(SOUTH)


def test_equal_rows_of_two_servers_are_two_things(north):
    twin = connect("fixtures:", world=world(NORTH), project="acme/vision", name="twin", default=False)
    here, there = Run.objects.get(id="n1"), Run.objects.using(twin).get(id="n1")
    assert here.node_id == there.node_id
    assert here != there
    assert len({here, there}) == 2


def test_what_was_pickled_finds_its_own_server_and_never_another(north, south):
    kept = pickle.dumps((Run.objects.using(south).get(id="s1"), Run.objects.using(south).filter(tags__contains="s2")))
    run, rows = pickle.loads(kept)
    with north.as_current():
        assert run.session is south
        assert ids(run.project.runs) == SOUTH
        assert ids(rows) == ["s2"]
    south.close()
    run, rows = pickle.loads(kept)
    with pytest.raises(ConfigurationError, match=r"came from fixtures:world-\d+, but no session to it is open"):
        _ = run.session
    with pytest.raises(ConfigurationError, match=r"came from fixtures:world-\d+"):
        ids(rows.all())
    assert (run.id, ids(rows)) == ("s1", ["s2"])  # what they hold needs no session


def test_a_session_that_cannot_say_where_it_goes_is_in_nobodys_way():
    class Broken(Plain):
        def __init__(self, url, /):
            raise ConfigurationError("~/.netrc, line 3 cannot be read")

    class Plugin:
        @hookimpl
        def wbmodel_register_backends(self, register):
            register("broken", Broken)

    connect("broken:x", plugins=manager(Plugin()))
    there = connect("plain:there", plugins=manager(), name="there", default=False)
    assert session_for_origin("plain:there") is there
    assert session_for_origin("plain:nowhere") is None


# -- at once ---------------------------------------------------------------------------------------


def everything():
    """What a program could have changed without meaning to."""
    return dict(os.environ), current_session(), dict(connections), os.getcwd()


async def test_interleaved_in_one_loop(north, south):
    before = everything()

    async def work(session, expected, turns):
        found = []
        for _ in range(turns):
            async with session:
                await asyncio.sleep(0)
                found.append(await aids())
                await asyncio.sleep(0)
                assert current_session() is session
            await asyncio.sleep(0)
            assert current_session() is north
        return found == [expected] * turns

    async with south:  # held open: the tasks' own blocks must not close it
        with north.as_current():
            tasks = [asyncio.ensure_future(work(*pair, 8)) for pair in [(north, NORTH), (south, SOUTH)] * 4]
        assert all(await asyncio.gather(*tasks))
        assert not south.closed
        assert current_session() is south
    assert south.closed
    assert everything() == (before[0], north, {"north": north}, before[3])


@pytest.mark.filterwarnings("ignore::wbmodel.errors.SessionWarning")  # the default is meant where it is asked
def test_interleaved_in_threads(north, south):
    before = everything()
    barrier = threading.Barrier(8)
    wrong = []

    def work(session, expected):
        barrier.wait(10)
        for _ in range(10):
            if ids() != NORTH:
                wrong.append("the default")
            with session.as_current():
                if ids() != expected or current_session() is not session:
                    wrong.append(session.name)
                with north.as_current():
                    if ids() != NORTH:
                        wrong.append("nested")
                if ids(Run.objects.using("south")) != SOUTH:
                    wrong.append("by name")

    threads = [threading.Thread(target=work, args=pair) for pair in [(north, NORTH), (south, SOUTH)] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert everything() == before


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_one_session_in_the_blocks_of_two_tasks_or_threads(north, colour):
    """The blocks overlap without being nested: each restores what was current where it was entered."""
    shared = connect("fixtures:", world=world(SOUTH), project="acme/vision", name="shared", default=False)
    outer = connect("fixtures:", world=world(["o1"]), project="acme/vision", name="outer", default=False)
    entered, left = [asyncio.Event(), asyncio.Event()], asyncio.Event()

    async def first():
        with outer.as_current():
            async with shared:
                entered[0].set()
                await entered[1].wait()
            assert current_session() is outer
            left.set()

    async def second():
        await entered[0].wait()
        async with shared:
            entered[1].set()
            await left.wait()
            assert not shared.closed  # the other block was not the last one
            assert ids() == SOUTH if colour == "sync" else await aids() == SOUTH
        assert current_session() is north

    await asyncio.gather(first(), second())
    assert shared.closed
    assert current_session() is north


def test_threads_that_leave_one_by_one_close_with_the_last(north):
    shared = connect("fixtures:", world=world(SOUTH), project="acme/vision", name="shared", default=False)
    closed, barrier = [], threading.Barrier(6)

    def work(at):
        with shared:
            barrier.wait(10)
            time.sleep(0.01 * at)
            closed.append(shared.closed)
            assert ids() == SOUTH

    threads = [threading.Thread(target=work, args=(at,)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert closed == [False] * 6
    assert shared.closed


# -- blocks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_a_block_of_its_own_ends_with_an_error_too(north, colour):
    def make():
        return connect("fixtures:", world=world(SOUTH), project="acme/vision", name="inner", default=False)

    with pytest.raises(KeyError):
        if colour == "sync":
            with make() as inner:
                assert ids() == SOUTH
                raise KeyError("mine")
        else:
            async with make() as inner:
                assert await aids() == SOUTH
                raise KeyError("mine")
    assert inner.closed
    assert "inner" not in connections
    assert current_session() is north
    assert ids() == NORTH


async def test_blocks_nest_in_both_colours(north, south):
    with south as first:
        async with connect("fixtures:", world=world(["d1"]), project="acme/vision", name="d", default=False) as deeper:
            with north.as_current():
                assert ids() == NORTH
            assert await aids() == ["d1"]
            with south:
                assert ids() == SOUTH
            assert not south.closed
            assert current_session() is deeper
        assert deeper.closed
        assert current_session() is first
    assert south.closed


def test_connect_in_a_with_statement_without_default_false_stays(north):
    with connect("fixtures:", world=world(SOUTH), project="acme/vision", name="new") as new:
        assert ids() == SOUTH
    assert not new.closed
    assert current_session() is new  # it has become the default
    new.close()


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_a_closed_session_is_named(north, south, colour):
    rows = Run.objects.using(south)
    south.close()
    with pytest.raises(ConfigurationError, match="'south' .*is closed; connect.. again"):
        ids(rows) if colour == "sync" else await aids(rows)


async def test_a_block_left_in_another_context_leaves_no_trace_where_it_is_left(north, south):
    """As an asynchronous fixture does, whose two halves run in two contexts."""
    import contextvars

    here, there = contextvars.copy_context(), contextvars.copy_context()
    here.run(south.__enter__)
    there.run(south.__exit__, None, None, None)
    assert there.run(current_session) is north
    assert south.closed


# -- closing while requests are under way ----------------------------------------------------------

WAYS = pytest.mark.parametrize("way", ["send", "pages", "read ahead"])


def asking(session, way):
    if way == "send":
        session.run(one(page(0, 5)))
    else:
        list(session.iterate(pages(10) if way == "pages" else pages_ahead(10, 25)))


async def aasking(session, way):
    if way == "send":
        await session.arun(one(page(0, 5)))
    else:
        [rows async for rows in session.aiterate(pages(10) if way == "pages" else pages_ahead(10, 25))]


@WAYS
def test_closing_from_another_thread_ends_what_is_under_way(way):
    session = connect("slow:x", plugins=manager(), delay=60)
    caught = []

    def work():
        try:
            asking(session, way)
        except ConfigurationError as error:
            caught.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    while not session.stats.requests:
        time.sleep(0.005)
    time.sleep(0.05)
    session.close()
    thread.join(30)
    assert not thread.is_alive(), "it waited for the answer, which takes 60 s"
    assert caught == ["slow was closed while a request was under way"]
    assert session.backend.cancelled if not session.closed else True
    assert session.stats._in_flight == 0


@WAYS
async def test_closing_in_another_task_is_an_error_and_no_cancellation(way):
    session = connect("slow:x", plugins=manager(), delay=5)
    tasks = [asyncio.ensure_future(aasking(session, way)) for _ in range(3)]
    await asyncio.sleep(0.1)
    await session.aclose()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(error) for error in found] == ["slow was closed while a request was under way"] * 3
    assert {type(error) for error in found} == {ConfigurationError}


async def test_cancelling_and_closing_at_once_is_a_cancellation_for_who_was_cancelled():
    session = connect("slow:x", plugins=manager(), delay=5)
    task = asyncio.ensure_future(aasking(session, "send"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await session.aclose()


def test_a_pool_that_closes_with_work_waiting_says_so():
    session = connect("blocking:x", plugins=manager(), delay=0.2)
    caught = []

    def work():
        try:
            asking_many(session)
        except ConfigurationError as error:
            caught.append(str(error))

    def asking_many(session):
        list(session.iterate(pages_ahead(1, 25)))  # more than the pool has threads

    thread = threading.Thread(target=work)
    thread.start()
    while session.stats.requests < 25:
        time.sleep(0.005)
    session.close()
    thread.join(5)
    assert caught == ["blocking was closed while a request was under way"]


def test_closing_twice_and_from_many_threads_closes_once():
    session = connect("plain:x", plugins=manager())
    backend = session.backend
    threads = [threading.Thread(target=session.close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backend.closed == 1
