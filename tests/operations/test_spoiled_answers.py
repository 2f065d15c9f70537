"""True answers with one place spoiled, over all verbs and both colours: what comes out is right, said, or an error of
wbmodel's own that names the place."""

from __future__ import annotations

import json
import random
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from tests.support.backends import WEAK, EngineBackend, served
from tests.support.verbs import VERBS, Verb
from tests.support.worlds import make_world
from wbmodel.errors import ServerError, WbmodelError
from wbmodel.request import Request, Response

WORLD = make_world()
CAN = attrs.evolve(WEAK, writable=True)
QUICK, MANY = 4, 150
"""Spoiled answers per verb: few in one colour, many in both."""

# -- spoiling --------------------------------------------------------------------------------------

DELETED, TWICE = object(), object()
SPOILS: list[Any] = [None, "", "text", "{bad", 0, -1, 10**40, 1e300, True, [], [None], ["a"], {}, {"a": 1}]
SPOILS += [DELETED, TWICE, [[]], "2021-99-99"]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield (*path, key)
        yield from places(item, (*path, key))


class Spoiling(EngineBackend):
    """The engine, which spoils one place of the ``turn``-th answer."""

    rng = random.Random(0)
    turn = -1
    done: tuple[Any, ...] = ()

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        response = super().execute(request)
        cls = Spoiling
        cls.turn -= 1
        if cls.turn == -1 and response.data is not None:
            data = json.loads(json.dumps(response.data))
            # Places near the root are few; they are met as often as leaves.
            found: dict[int, list[tuple[Any, ...]]] = {}
            for path in places(data):
                found.setdefault(len(path), []).append(path)
            path = cls.rng.choice(found[cls.rng.choice(list(found))])
            at: Any = data
            for key in path[:-1]:
                at = at[key]
            was, new = at[path[-1]], cls.rng.choice(SPOILS)
            if new is DELETED:
                del at[path[-1]]
            elif new is TWICE and isinstance(at, list):
                at.append(was)
            else:
                at[path[-1]] = [was, was] if new is TWICE else new
            # A list that lacks an item is a shorter list.
            cls.done = (request.operation_name, path, was, was if new is DELETED and isinstance(at, list) else new)
            return attrs.evolve(response, data=data)
        return response


# -- judging ---------------------------------------------------------------------------------------


def like(was: Any, new: Any) -> bool:
    """Whether ``new`` is another value that the server might have had there."""
    return new is was or new is None or was is None or new is TWICE or type(new) is type(was) is not dict


def outcome(verb: Verb, colour: str, truth: Any, turn: int) -> str:
    """What came of one spoiled answer."""
    Spoiling.turn, Spoiling.done = turn, ()
    raised: WbmodelError | None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = verb.run(colour)
        except WbmodelError as error:
            raised = error
        else:
            raised = None
        finally:
            Spoiling.turn = -1
    if raised is not None:
        if type(raised) is ServerError:
            assert Spoiling.done[0].removesuffix("Count") in str(raised), f"names no operation: {raised}"
        return type(raised).__name__
    if not Spoiling.done:
        return "not asked"
    if found == truth:
        return "right"
    if said:
        return "said"
    _, _, was, new = Spoiling.done
    assert like(was, new), f"taken without a word: {Spoiling.done[:2]} was {was!r}, came as {new!r}: {found!r:.300}"
    return "another value"


def fuzz(name: str, colour: str, times: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The outcomes of ``times`` spoiled answers."""
    verb, counts = VERBS[name], Counter[str]()
    monkeypatch.setattr("tests.support.backends.EngineBackend", Spoiling)
    Spoiling.rng, Spoiling.turn = random.Random(f"{name} {colour}"), -1
    store = WORLD.store()
    with served(store, "drops", capabilities=CAN) as session, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        truth = verb.run(colour)
        asked = session.stats.requests
    for _ in range(times):
        with served(WORLD.store() if verb.writes else store, "drops", capabilities=CAN):
            counts[outcome(verb, colour, truth, Spoiling.rng.randrange(asked))] += 1
    return counts


@pytest.mark.slow
@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("name", VERBS)
def test_thousands_of_spoiled_answers(name: str, colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fuzz(name, colour, MANY, monkeypatch)["ServerError"]


@pytest.mark.sampled("name", "colour", every=2)
@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("name", VERBS)
def test_only_right_or_said_or_an_own_error(name: str, colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = fuzz(name, colour, QUICK, monkeypatch)
    assert counts.total() - counts["not asked"] > 0
