"""What a stream costs per item on its way through a session, beside a loop over the backend's own iterator."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.benchmarks.conftest import Ratios
from wbmodel.backend import Capabilities, SyncBackend
from wbmodel.hookspecs import hookimpl
from wbmodel.registry import make_plugin_manager
from wbmodel.request import END, BlobRef, Next, Open, Request, Response, Send
from wbmodel.session import connect
from wbmodel.session.session import Session

ITEMS = 100_000
ASK = Open(BlobRef("run_file", "owner", "name"))


class Streaming(SyncBackend):
    api_version = 0
    name = "streaming"
    capabilities = Capabilities(blobs=True)

    def __init__(self, url: str, /) -> None:
        self.url = url

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        return Response({})

    def open(self, ref: BlobRef, /, *, start: int = 0) -> Iterator[bytes]:
        for _ in range(ITEMS):
            yield b"x"


class Plugin:
    @hookimpl
    def wbmodel_register_backends(self, register: Any) -> None:
        register("streaming", Streaming)


@pytest.fixture
def session() -> Session:
    return connect("streaming:x", plugins=make_plugin_manager(False, [Plugin()]), default=False)


def counting() -> Generator[Any, Any, int]:
    stream = yield Send(ASK)
    count = 0
    while (yield Next(stream)) is not END:
        count += 1
    return count


@pytest.mark.parametrize(("colour", "wanted"), [("sync", 3), ("async", 15)])
def test_an_item_of_a_stream_in_this_process(session: Session, ratios: Ratios, colour: str, wanted: int) -> None:
    def ours() -> int:
        return session.run(counting()) if colour == "sync" else asyncio.run(session.arun(counting()))

    def floor() -> int:
        return sum(1 for _ in session.backend.open(ASK.ref))  # type: ignore[attr-defined]

    assert ours() == floor() == ITEMS
    # Milliseconds for 100,000 items: 100 of them are a microsecond for each.
    ratios.timed(f"{ITEMS:,} items of a stream, {colour}", ours, wanted * ITEMS / 1e3)
    ratios.paired(f"an item of a stream, {colour}, beside the backend's own iterator", ours, floor, 60)
