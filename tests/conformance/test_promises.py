"""The kit advises a promise only where nothing can be lost by it, and an ability that it saw a part of is not told."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tests.conformance.backends import ALL, PAGED, engine, store_of
from tests.conformance.broken import BROKEN, Turned
from tests.support.backends import SlowBackend
from wbmodel.backend import Capabilities
from wbmodel.request import Post, Posted, Request, Response, RunRef
from wbmodel.testing.conformance import World, check
from wbmodel.testing.conformance.promises import PROOFS


class CrossesTypesElsewhere(Turned):
    """Compares as it should, except by an operator that no probe uses."""

    def before(self, request: Request) -> Request:
        filters = request.variables.get("filters")
        if filters and '"$lte"' in filters:
            return attrs.evolve(request, variables={**request.variables, "filters": None})
        return request


class KnowsFewPatterns(Turned):
    """Understands the patterns of the probe, and takes another one as if nothing matched it."""

    def before(self, request: Request) -> Request:
        filters = request.variables.get("filters")
        if filters and r"\\d" in filters:
            nothing = '{"state": "no such state"}'
            return attrs.evolve(request, variables={**request.variables, "filters": nothing})
        return request


class LosesItsPlace(Turned):
    """Remembers a row by its name, and begins again where that row is gone."""

    def before(self, request: Request) -> Request:
        self.wanted = request.variables.get("first") if "runs(filters" in request.document.text else None
        if self.wanted is None:
            return request
        self.after = request.variables.get("after")
        return attrs.evolve(request, variables={**request.variables, "after": None, "first": 1000})

    def turn(self, request: Request, response: Response) -> Response:
        if self.wanted is None or not response.data:
            return response
        runs = response.data["project"]["runs"]
        names = [edge["node"]["name"] for edge in runs["edges"]]
        start = names.index(self.after) + 1 if self.after in names else 0
        shown = names[start : start + self.wanted]
        runs["edges"] = runs["edges"][start : start + self.wanted]
        runs["pageInfo"] = {"endCursor": shown[-1] if shown else None, "hasNextPage": start + len(shown) < len(names)}
        return response


class KeepsNoNotes(Turned):
    """Takes every change, and keeps most of it."""

    def before(self, request: Request) -> Request:
        given = request.variables.get("input")
        if not given or "notes" not in given:
            return request
        return attrs.evolve(request, variables={"input": {**given, "notes": None}})


class TakesRowsAndDropsThem(SlowBackend):
    """Says of every append where it ends, and keeps nothing."""

    async def aappend(self, run: RunRef, post: Post, /, *, timeout: float | None = None) -> Posted:
        return Posted({stream: first + len(rows) for stream, (first, rows) in post.rows.items()})


def _without(name: str, cls: type[Any]) -> Any:
    return lambda world: engine(world, attrs.evolve(ALL, **{name: False}), None, cls)


def _dropping(world: World) -> SlowBackend:
    return TakesRowsAndDropsThem("x:", store=store_of(world), capabilities=attrs.evolve(PAGED, columns=True), delay=0.0)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("strict_values", _without("strict_values", CrossesTypesElsewhere)),
        ("regex", _without("regex", KnowsFewPatterns)),
        ("stable_cursors", _without("stable_cursors", LosesItsPlace)),
        ("writable", _without("writable", KeepsNoNotes)),
        ("append", _dropping),
    ],
)
def test_who_passes_the_probe_and_is_wrong_elsewhere_is_not_told_to_promise(name: str, make: Any) -> None:
    [outcome] = check(make, only=f"flag/{name}/unclaimed", colours=["sync"]).outcomes
    assert (outcome.result, outcome.message) == ("passed", "")


@pytest.mark.parametrize(
    ("name", "cls"),
    [("strict_values", CrossesTypesElsewhere), ("regex", KnowsFewPatterns), ("stable_cursors", LosesItsPlace)],
)
def test_these_do_pass_the_probe(name: str, cls: type[Any]) -> None:
    [outcome] = check(lambda world: engine(world, ALL, None, cls), only=f"flag/{name}/kept", colours=["sync"]).outcomes
    assert outcome.result == "passed", outcome


def test_a_promise_that_would_lose_data_is_never_advised() -> None:
    assert [name for name, proof in PROOFS.items() if proof.harmless] == ["concurrent"]
    unsaid = BROKEN["literal_keys unsaid, and they are"]
    [outcome] = check(unsaid.make, only=unsaid.case, colours=["sync"]).outcomes
    assert "the kit does not advise it" in outcome.message
    assert "\npromise it, which saves" not in outcome.message


def test_what_a_backend_promises_is_the_same_afterwards() -> None:
    """One object may serve every session."""
    made: list[Any] = []

    def shared(world: World) -> Any:
        if not made:
            made.append(engine(world, attrs.evolve(ALL, exists=False)))
        return made[0]

    [outcome] = check(shared, only="flag/exists/unclaimed", colours=["sync"]).outcomes
    assert outcome.result == "failed"
    cls = type(made[0])
    assert cls.__name__ == "EngineBackend"
    assert "capabilities" not in vars(cls)
    assert made[0].capabilities == attrs.evolve(ALL, exists=False)
    assert isinstance(made[0].capabilities, Capabilities)
