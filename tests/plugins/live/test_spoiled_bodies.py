"""Whole HTTP answers spoiled, over a real socket and all verbs: right, or an error of wbmodel's own, in bounded time
and memory, and without the key."""

from __future__ import annotations

import random
import re
import resource
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.pace import LONG
from tests.support.servers import Ground, listening
from tests.support.shown_keys import KEYS, Held, leaks, of_error
from tests.support.spoiled_bodies import SPOILS, Answer, SpoilingServer
from tests.support.verbs import VERBS
from tests.support.worlds import make_world
from wbmodel import connect
from wbmodel.engine import Engine
from wbmodel.errors import WbmodelError

WORLD = make_world()
KEY = Held(KEYS["40 characters"])
FEW = ["get", "count", "save", "create", "watch", "files", "projects"]
QUICK, MANY = 2, 60
"""Spoiled answers per kind of spoiling."""
MEGABYTES = 150
"""What the process may grow by."""


@pytest.fixture(scope="module")
def server(ground: Ground) -> Iterator[Any]:
    server: Any = SpoilingServer()
    with ground.holding(listening(server.handle)) as port:
        server.url = f"http://127.0.0.1:{port}"
        yield server


def ask(server: Any, name: str, colour: str, turn: int) -> Any:
    """What a verb gives while the answer number ``turn`` is spoiled."""
    server.turn, server.asked, server.spoiled = turn, 0, None
    if server.engine is None or VERBS[name].writes or server.written:
        server.engine = Engine(WORLD.store())
    server.written = VERBS[name].writes
    options = {"max_response": 3_000_000, "max_attempts": 1, "timeout": LONG, "project": "acme/vision"}
    with connect(server.url, api_key=KEY.key, default=False, name="spoiled", **options), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return VERBS[name].run(colour)


_truths: dict[tuple[str, str], tuple[Any, int]] = {}


def outcome(server: Any, rng: random.Random, kind: str, verbs: list[str]) -> str:
    """What came of one spoiled answer."""
    name = rng.choice(verbs)
    colour = ["sync", "async"][verbs.index(name) % 2 if verbs is FEW else rng.randrange(2)]
    if (name, colour) not in _truths:
        _truths[name, colour] = ask(server, name, colour, -1), server.asked
    truth, asked = _truths[name, colour]

    def spoil(answer: Answer, key: bytes) -> None:
        SPOILS[kind](rng, answer, key)

    server.spoil, began = spoil, time.monotonic()
    raised: WbmodelError | None = None
    try:
        found = ask(server, name, colour, rng.randrange(asked))
    except WbmodelError as error:
        raised = error
    assert time.monotonic() - began < LONG / 2, f"{name}: slow"
    if server.spoiled is None:
        return "not asked"
    if raised is not None:
        leaked = {place: found for place, shown in of_error(raised, False).items() if (found := leaks(shown, KEY.key))}
        assert not leaked, f"{name}: {leaked}"
        assert re.search("127.0.0.1|of <", str(raised)), f"{name}: names no server and no row: {raised}"
        assert len(str(raised)) < 3_000
        return type(raised).__name__
    if found == truth:
        return "right"
    assert server.spoiled.altered, f"{name}, {server.name}: taken without a word: {server.spoiled!r:.500}"
    return "another value"


def fuzz(server: Any, kind: str, times: int, verbs: list[str]) -> Counter[str]:
    rng = random.Random(kind)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = Counter(outcome(server, rng, kind, verbs) for _ in range(times))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown
    assert grown < MEGABYTES * 1024, f"{kind}: {grown // 1024} MB"
    return counts


@pytest.mark.parametrize("kind", SPOILS)
def test_right_or_an_own_error(kind: str, server: Any) -> None:
    counts = fuzz(server, kind, QUICK, FEW)
    assert counts.total() == QUICK


@pytest.mark.slow
@pytest.mark.parametrize("kind", SPOILS)
def test_thousands_of_spoiled_bodies(kind: str, server: Any) -> None:
    counts = fuzz(server, kind, MANY, list(VERBS))
    print(kind, dict(counts))
    assert counts.total() == MANY
