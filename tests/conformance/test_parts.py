"""A seed may take any part out of the world: what needs it is skipped, and everything else passes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conformance.backends import engine
from wbmodel.testing.conformance import GivenSeed, World, check, make_world
from wbmodel.testing.world import PARTS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "run-the-conformance-kit.md"


class Without(GivenSeed):
    """A world that lacks a part from the start."""

    def __init__(self, part: str) -> None:
        self.part = part

    def make(self) -> World:
        world = make_world()
        world.drop(self.part)
        return world


def passes_without(part: str, only: list[str], colour: str) -> None:
    report = check(engine, seed=Without(part), colours=[colour], only=only)
    assert report.ok, str(report)
    assert sum(item.result == "passed" for item in report.outcomes) > 60
    reasons = {item.message for item in report.outcomes if item.result == "skipped"}
    assert [reason for reason in reasons if re.search(rf"the world was loaded without .*\b{part}\b", reason)]


@pytest.mark.parametrize(
    "part",
    # Three of them differ most in what goes with them.
    [
        part if part in ("sweeps", "values", "artifacts") else pytest.param(part, marks=pytest.mark.slow)
        for part in sorted(PARTS)
    ],
)
def test_cases_skip_what_a_seed_takes_away(part: str) -> None:
    colour = ("sync", "async")[sorted(PARTS).index(part) % 2]
    passes_without(part, ["relation/*", "count/*", "page/*", "flag/*", "order/best"], colour)


@pytest.mark.slow
@pytest.mark.parametrize("part", sorted(PARTS))
def test_the_same_for_every_core_case(part: str) -> None:
    passes_without(part, ["*"], "sync")


def test_nothing_but_the_main_project_may_be_left() -> None:
    class Bare(GivenSeed):
        def make(self) -> World:
            world = make_world()
            world.drop(*PARTS)
            return world

    report = check(engine, seed=Bare(), colours=["async"], only=["row/*", "order/*", "page/*", "door/*", "flag/*"])
    assert report.ok, str(report)


def test_what_a_seed_takes_from_the_parts_leaves_the_world_too() -> None:
    seen: list[World] = []

    class Late(GivenSeed):
        def load(self, world: World) -> None:
            world.parts -= {"sweeps"}
            seen.append(world)

    report = check(engine, seed=Late(), only=["row/Sweep.id", "row/Run.id"], colours=["sync"])
    assert [item.result for item in report.outcomes] == ["passed", "skipped"]
    assert seen[0].sweeps == []
    assert {run["sweep"] for run in seen[0].runs} == {None}


def test_a_part_that_a_world_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="sweep: the parts of a world are artifacts, drafts, "):
        make_world().drop("sweep")


def test_the_docs_say_what_each_part_is() -> None:
    section = DOCS.read_text(encoding="utf-8").partition("### What a world may lack")[2].partition("\n#")[0]
    assert re.findall(r"^\| `(\w+)` \| \w.{10,} \|$", section, re.MULTILINE) == sorted(PARTS)
