"""Which session is meant, across threads, tasks, blocks and names."""

from __future__ import annotations

import asyncio
import contextvars
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.paged_backends import all_rows, manager
from wbmodel import Run, registry
from wbmodel.errors import ConfigurationError, SessionWarning
from wbmodel.session import connect, connections, current_session, get_session, session_for_origin


def plain(**options):
    return connect("plain:x", plugins=manager(), **options)


def in_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_connect_sets_the_default_everywhere():
    session = plain()
    assert current_session() is session
    assert in_thread(current_session) is session


def test_connect_without_default():
    first, second = plain(), plain(name="second", default=False)
    assert current_session() is first
    assert get_session("second") is second
    assert get_session(second) is second
    assert dict(connections) == {"default": first, "second": second}


def test_no_session_says_what_to_do():
    with pytest.raises(ConfigurationError, match=r"connect\('fixtures:PATH'\)"):
        current_session()


def test_the_first_use_connects_by_the_environment(monkeypatch):
    monkeypatch.setenv("WBMODEL_URL", "plain:from-environment")
    monkeypatch.setattr(registry, "_default", manager())
    session = current_session()
    assert session.url == "plain:from-environment"
    assert current_session() is session


def test_a_block_overrides_here_and_not_elsewhere():
    outer, inner = plain(), plain(name="inner", default=False)
    with inner:
        assert current_session() is inner
        with pytest.warns(SessionWarning, match="'inner' is open in another thread or task"):
            assert in_thread(current_session) is outer
        with outer:
            assert current_session() is outer
        assert current_session() is inner
    assert current_session() is outer


async def test_tasks_inherit_the_override_of_where_they_start():
    outer, inner = plain(), plain(name="inner", default=False)

    async def ask():
        await asyncio.sleep(0)
        return current_session()

    before = asyncio.ensure_future(ask())
    async with inner:
        during = asyncio.ensure_future(ask())
        with pytest.warns(SessionWarning):
            assert await before is outer
        assert await asyncio.gather(during, asyncio.to_thread(current_session)) == [inner, inner]
    assert current_session() is outer


def test_a_block_closes_what_was_made_for_it():
    with plain(default=False) as session:
        session.run(all_rows(10, 10))
    assert session.closed
    assert "default" not in connections


async def test_an_async_block_closes_what_was_made_for_it():
    async with plain(default=False) as session:
        backend = session.backend
    assert session.closed
    assert backend.closed == 1


def test_a_block_leaves_the_default_open():
    session = plain()
    with session:
        pass
    assert not session.closed
    assert current_session() is session


def test_nested_blocks_of_one_session_close_it_once_at_the_end():
    session = plain(default=False)
    with session:
        with session:
            pass
        assert not session.closed
        assert current_session() is session
    assert session.closed


def test_as_current_does_not_close():
    session = plain(default=False)
    for _ in range(2):
        with session.as_current():
            assert current_session() is session
    assert not session.closed


def test_a_closed_session_cannot_be_entered():
    session = plain(default=False)
    session.close()
    with pytest.raises(ConfigurationError, match="is closed"), session:
        pass


def test_closing_the_default_leaves_none():
    plain().close()
    assert not connections
    with pytest.raises(ConfigurationError):
        current_session()


def test_connecting_again_replaces_and_does_not_close():
    first = plain()
    second = plain()
    assert current_session() is second
    assert first.run(all_rows(10, 10)) == list(range(10))
    first.close()
    assert current_session() is second


def test_an_unknown_name_suggests():
    plain(name="production")
    with pytest.raises(ConfigurationError, match="did you mean 'production'"):
        get_session("prodction")
    with pytest.raises(ConfigurationError, match="must not be empty"):
        plain(name="")


def test_sessions_are_found_by_origin_and_never_elsewhere():
    here = connect("plain:here", plugins=manager())
    there = connect("plain:there", plugins=manager(), name="there", default=False)
    assert session_for_origin("plain:there") is there
    assert session_for_origin("plain:here") is here
    assert session_for_origin("plain:nowhere") is None
    there.close()
    assert session_for_origin("plain:there") is None


def test_the_project_of_a_session():
    assert plain().project is None
    assert plain(project="p").project == "p"
    assert plain(project="e/p").project == "e/p"
    session = plain(project="p", entity="e")
    assert (session.project, session.entity) == ("e/p", "e")
    assert repr(session) == "<Session 'default' plain:x project='e/p'>"


def test_connecting_does_no_io_and_makes_no_backend(tmp_path):
    made = []

    class Lazy:
        def wbmodel_register_backends(self, register):
            register("lazy", made.append, api_version=0)

    connect("lazy:x", plugins=manager(Lazy()))
    assert made == []


def test_wrong_options_are_refused_at_connect():
    with pytest.raises(ConfigurationError, match="'plain' does not take the option 'totl'; did you mean 'total'"):
        plain(totl=3)
    assert plain(total=3).run(all_rows(10, 10)) == [0, 1, 2]


def test_many_threads_making_the_first_session_make_one(monkeypatch):
    monkeypatch.setenv("WBMODEL_URL", "plain:x")
    monkeypatch.setattr(registry, "_default", manager())
    found = []
    barrier = threading.Barrier(8)

    def ask():
        barrier.wait()
        found.append(current_session())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


# -- who is asked ----------------------------------------------------------------------------------


@pytest.fixture
def two_servers():
    """The default session and a staging one, over worlds that hold one and two runs."""

    def world(count):
        return {"entities": {"acme": {"projects": {"p": {"runs": [{"id": f"r{at}"} for at in range(count)]}}}}}

    default = connect("fixtures:", world=world(1), project="acme/p")
    staging = connect("fixtures:", world=world(2), project="acme/p", name="staging", default=False)
    return default, staging


def test_a_queryset_stays_with_the_block_it_was_made_in(two_servers):
    default, staging = two_servers
    before = Run.objects.all()
    with staging.as_current():
        made = Run.objects.filter(id__in=["r0", "r1"])
        project = made[0].project
    later = made.exclude(id="r1").order_by("id")
    assert before.count() == 1
    assert (made.count(), later.count()) == (2, 1)
    assert project.runs.count() == 2
    assert sorted(pickle.loads(pickle.dumps(made.values_list("id", flat=True)))) == ["r0", "r1"]
    assert len(made.delete(dry_run=True)) == 2
    made.update(notes="seen")
    assert {run.notes for run in Run.objects.using(staging)} == {"seen"}
    assert {run.notes for run in Run.objects.using(default)} != {"seen"}


def test_using_none_asks_the_current_session(two_servers):
    _, staging = two_servers
    with staging.as_current():
        made = Run.objects.using(None)
    assert made.count() == 1


def test_a_pool_inside_a_block_asks_the_default_with_a_warning(two_servers):
    _, staging = two_servers
    rows = Run.objects.all()
    with staging.as_current(), ThreadPoolExecutor(1) as pool:
        with pytest.warns(
            SessionWarning, match="the default session 'default' is used here.*'staging' is open in another thread"
        ):
            assert pool.submit(rows.count).result() == 1
        assert pool.submit(Run.objects.using(staging).count).result() == 2
        assert pool.submit(Run.objects.all().count).result() == 2, "made in the block, asked elsewhere"


async def test_a_thread_that_takes_the_context_along_asks_the_block(two_servers):
    _, staging = two_servers
    rows = Run.objects.all()
    with staging.as_current():
        assert await asyncio.to_thread(rows.count) == 2


def test_no_warning_once_the_block_is_left_or_its_session_closed(two_servers):
    _, staging = two_servers
    with staging.as_current():
        pass
    assert Run.objects.count() == 1
    entered, over = threading.Event(), threading.Event()

    def hold():
        with staging.as_current():
            entered.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait()
    staging.close()
    assert Run.objects.count() == 1
    over.set()
    thread.join()


def test_no_warning_once_a_block_was_left_in_another_context(two_servers):
    """As the fixtures of asynchronous tests do."""
    _, staging = two_servers
    block = staging.as_current()
    contextvars.copy_context().run(block.__enter__)
    with pytest.warns(SessionWarning, match="'staging' is open"):
        assert Run.objects.count() == 1
    block.__exit__(None, None, None)
    assert Run.objects.count() == 1
