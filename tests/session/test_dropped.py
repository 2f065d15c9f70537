"""Sessions that nobody closes: whoever drops the last reference gives back what they hold."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.pace import LONG
from wbmodel import Run, connect
from wbmodel.backend import AsyncBackend, SyncBackend
from wbmodel.request import Request, Response
from wbmodel.session import Session, connections
from wbmodel.testing import served
from wbmodel_live.backend import LiveBackend
from wbmodel_live.credentials import IdentityToken

KEY = "k" * 40
PLACE = "demo/vit-prisma"


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Without the collector of garbage: what goes away does so when the last reference does."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def until(met: Callable[[], object], seconds: float = LONG) -> bool:
    end = time.monotonic() + seconds
    while not met() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(met())


def asked(url: str, **options: Any) -> tuple[weakref.ref[Session], weakref.ref[Any]]:
    """References to a session and its backend that were asked once and are held by nobody but their name."""
    session = connect(url, project=PLACE, name="dropped", default=False, **options)
    assert len(Run.objects.using(session).filter(state="finished")[:2]) == 2
    with pytest.raises(Run.DoesNotExist):
        Run.objects.using(session).get(id="none")
    return weakref.ref(session), weakref.ref(session.backend)


@pytest.mark.usefixtures("uncollected")
def test_a_session_goes_with_its_last_reference():
    session, backend = asked("demo:")
    assert session() is connections["dropped"], "what can be looked up by its name is held by it"
    connect("demo:", name="dropped", default=False)
    assert session() is None
    assert backend() is None


@pytest.mark.usefixtures("uncollected")
def test_so_do_the_thread_and_the_sockets_of_a_live_one():
    with served("demo:", api_key=KEY) as server:
        before = set(threading.enumerate())
        for _ in range(20):
            session, backend = asked(server.url, api_key=KEY)
        loops = [thread for thread in threading.enumerate() if thread not in before and "loop" in thread.name]
        assert len(loops) < 5, "those that were replaced have ended, or are about to"
        connect("demo:", name="dropped", default=False)
        assert session() is None
        assert backend() is None
        assert until(lambda: not any(thread.is_alive() for thread in loops))


@pytest.mark.usefixtures("uncollected")
def test_who_holds_an_entity_or_a_queryset_holds_its_session():
    session, _ = asked("demo:")
    first = Run.objects.using("dropped").first()
    rest = Run.objects.using("dropped")
    connect("demo:", name="dropped", default=False)
    assert first is not None
    assert session() is first.session
    del first
    assert len(rest) > 0


class Refusing(SyncBackend):
    api_version = 1

    def __init__(self) -> None:
        raise ValueError("no")

    @property
    def origin(self) -> str:  # type: ignore[override]
        return str(self.url)  # type: ignore[attr-defined]

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        return Response()


class RefusingToo(AsyncBackend):
    api_version = 1
    name = "too"


@pytest.mark.parametrize("kind", [Refusing, RefusingToo, LiveBackend])
def test_a_backend_whose_init_failed_can_be_shown(kind):
    """As debuggers and tracebacks with variables do."""
    assert repr(kind.__new__(kind)).startswith(f"<{kind.__name__} ")


def test_a_forked_child_exchanges_its_identity_token_itself():
    """The lock belongs to the parent's loop, and may be held by a task of it."""
    backend = LiveBackend("http://localhost:1", identity_token_file="token")
    assert isinstance(backend.credentials, IdentityToken)
    backend.credentials._lock = object()  # type: ignore[assignment]
    backend.forked()
    assert backend.credentials._lock is None
