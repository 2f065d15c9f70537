"""The limiter of a host, on one loop and across threads and loops."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time

import pytest

from wbmodel_live.limiter import HostLimiter, TooLong, limiter_for


def later(seconds: float) -> float:
    return time.monotonic() + seconds


class Work:
    """Counts how many run at once."""

    def __init__(self, limiter: HostLimiter) -> None:
        self.limiter = limiter
        self.now = self.most = self.done = 0
        self.lock = threading.Lock()

    async def one(self, seconds: float = 0.01, limit: float = 5) -> int:
        async with self.limiter.slot(later(limit)) as slot:
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            await asyncio.sleep(seconds)
            with self.lock:
                self.now -= 1
                self.done += 1
        return slot.pauses


async def test_no_more_than_the_limit_at_once():
    work = Work(HostLimiter("h", 3))
    await asyncio.gather(*(work.one() for _ in range(20)))
    assert (work.most, work.done, work.limiter.active) == (3, 20, 0)


def test_threads_and_loops_share_one_limit():
    work = Work(HostLimiter("h", 4))

    async def several():
        await asyncio.gather(*(work.one() for _ in range(10)))

    threads = [threading.Thread(target=asyncio.run, args=(several(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (work.most, work.done) == (4, 30)


async def test_a_pause_holds_everybody_and_is_one_line(caplog):
    work = Work(HostLimiter("https://h", 8))
    with caplog.at_level(logging.WARNING, "wbmodel.live"):
        for _ in range(5):
            work.limiter.pause(0.2, "answered HTTP 429")
        began = time.monotonic()
        pauses = await asyncio.gather(*(work.one() for _ in range(4)))
    assert time.monotonic() - began >= 0.2
    assert pauses == [1, 1, 1, 1]
    assert [record.getMessage() for record in caplog.records] == ["https://h: pausing for 0.2 s (answered HTTP 429)"]


async def test_a_pause_beyond_the_deadline_is_told_at_once():
    limiter = HostLimiter("h", 1)
    limiter.pause(90, "told so")
    began = time.monotonic()
    with pytest.raises(TooLong) as caught:
        await Work(limiter).one(limit=60)
    assert time.monotonic() - began < 20  # not at the deadline
    assert 60 < caught.value.seconds <= 90


async def test_who_waits_for_a_place_gives_up_at_the_deadline():
    work = Work(HostLimiter("h", 1))
    first = asyncio.ensure_future(work.one(seconds=0.5))
    await asyncio.sleep(0.05)
    with pytest.raises(asyncio.TimeoutError):
        await work.one(limit=0.1)
    await first
    assert (work.done, work.limiter.active) == (1, 0)


async def test_who_is_cancelled_while_waiting_takes_no_place_along():
    work = Work(HostLimiter("h", 1))
    tasks = [asyncio.ensure_future(work.one(seconds=0.05)) for _ in range(6)]
    await asyncio.sleep(0.01)
    for task in tasks[1:4]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (work.done, work.limiter.active) == (3, 0)


async def test_who_is_called_and_gives_up_lets_the_next_one_know():
    """Called into a pause that is longer than it can wait, or cancelled in it: the others are not forgotten."""
    work = Work(HostLimiter("h", 1))
    first = asyncio.ensure_future(work.one(seconds=0.1))
    await asyncio.sleep(0.01)
    impatient = asyncio.ensure_future(work.one(limit=0.5))
    cancelled = asyncio.ensure_future(work.one())
    patient = [asyncio.ensure_future(work.one(limit=60)) for _ in range(2)]
    await asyncio.sleep(0.01)
    work.limiter.pause(0.6, "told so")
    await first
    await asyncio.sleep(0.05)
    cancelled.cancel()
    begun = time.monotonic()
    results = await asyncio.gather(impatient, cancelled, *patient, return_exceptions=True)
    assert isinstance(results[0], (TooLong, asyncio.TimeoutError))
    assert isinstance(results[1], asyncio.CancelledError)
    assert results[2:] == [1, 0]
    assert time.monotonic() - begun < 30  # who is forgotten waits for the deadline
    assert work.limiter.active == 0


def test_a_loop_that_closed_while_waiting_is_passed_over():
    limiter = HostLimiter("h", 1)
    work = Work(limiter)

    async def hold_and_leave():
        async with limiter.slot(later(5)):
            loop = asyncio.new_event_loop()
            place = loop.create_future()
            limiter._waiting.append((loop, place))
            loop.close()
            second = asyncio.ensure_future(work.one())
            await asyncio.sleep(0.01)
        await asyncio.wait_for(second, 20)

    asyncio.run(hold_and_leave())
    assert work.done == 1


def test_one_limiter_per_host():
    one, again = limiter_for("https://one.example"), limiter_for("https://one.example", 3)
    assert one is again
    assert one.limit == 3
    assert limiter_for("https://two.example") is not one


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_limiters_of_its_own():
    limiter = limiter_for("https://forked.example", 1)
    limiter._lock.acquire()  # as if another thread were inside at the moment of the fork
    try:
        child = os.fork()
        if child == 0:
            fresh = limiter_for("https://forked.example")
            work = Work(fresh)
            asyncio.run(work.one())
            os._exit(0 if fresh is not limiter and work.done == 1 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        limiter._lock.release()
