"""Counting requests: in both colours, from other threads, by session; and what a failure prints."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.support.paged_backends import all_rows, manager, pages
from wbmodel.session import connect
from wbmodel.testing import assert_num_requests, count_requests


@pytest.fixture
def session():
    return connect("slow:x", plugins=manager(), delay=0)


def test_the_right_number_passes(session):
    with assert_num_requests(3):
        list(session.iterate(pages(10)))
    with assert_num_requests(0):
        session.iterate(pages(10))


def test_the_wrong_number_prints_what_was_sent(session):
    with pytest.raises(AssertionError) as caught, assert_num_requests(1):
        session.run(all_rows(10, 15))
    text = str(caught.value)
    assert text.startswith("expected 1 requests, but 2 were sent:\n-- 1. Rows\n")
    assert "rows(first: $first, after: $after)" in text
    assert 'variables: {"first":10,"after":10}' in text


async def test_threads_and_tasks_of_the_block_are_counted(session):
    async with assert_num_requests(6):
        thread = threading.Thread(target=session.run, args=(all_rows(10, 20),))
        thread.start()
        await asyncio.gather(session.arun(all_rows(10, 20)), asyncio.to_thread(session.run, all_rows(10, 20)))
        thread.join()


def test_one_session_only(session):
    other = connect("plain:x", plugins=manager(), name="other", default=False)
    with count_requests() as both, assert_num_requests(1, using="other"), assert_num_requests(2, using=session):
        session.run(all_rows(10, 20))
        other.run(all_rows(10, 10))
    assert both.count == len(both) == 3
    assert [request.variables["after"] for request in both.requests] == [0, 10, 0]


def test_an_error_in_the_block_is_not_hidden(session):
    with pytest.raises(KeyError), assert_num_requests(5):
        raise KeyError("mine")


def test_a_block_that_ended_counts_no_more(session):
    with count_requests() as sent:
        pass
    session.run(all_rows(10, 10))
    assert sent.count == 0
