"""As little as the server can give: requests, bytes and times of projected, counted and listed runs, against a bare
client that sends the same documents and against the official client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.contest import Taken, bare, bodies_of, official, own
from tests.benchmarks.served_world import ServedWorld, served_world
from wbmodel import Run

ROWS = 10_000
LATENCY = 0.05


def values() -> list[Any]:
    return list(Run.objects.values("name", "summary.loss"))


def paired(world: ServedWorld, home: Path, *, at_once: bool, rounds: int = 3) -> tuple[Taken, Taken]:
    """values() by wbmodel and by the bare client, turn about, so that a machine whose speed drifts slows both."""
    bodies = bodies_of(world, values)
    ours, floor = [], []
    for _ in range(rounds):
        ours.append(own(world, "values", home))
        floor.append(bare(world, bodies, home, at_once=at_once))
    return sorted(ours, key=lambda taken: taken.cpu)[rounds // 2], sorted(floor, key=lambda taken: taken.cpu)[
        rounds // 2
    ]


def test_two_values_of_each_run(world: ServedWorld, ratios: Any, tmp_path: Path) -> None:
    ours, floor = paired(world, tmp_path, at_once=False)
    assert ours.rows == ROWS
    ratios.say(
        f"values('name', 'summary.loss') of 10,000 runs: {ours.load}, {ours.seconds:.3f} s; bare client "
        f"{floor.seconds:.3f} s: {ours.seconds / floor.seconds:.2f}x, in CPU {ours.cpu / floor.cpu:.2f}x "
        f"({ours.cpu:.3f} s to {floor.cpu:.3f} s; wanted: at most 2.5x)"
    )
    whole = own(world, "list", tmp_path, 1)
    ratios.say(
        f"its bytes: 1/{whole.bytes / ours.bytes:.1f} of the full listing's {whole.bytes / 1e6:.3g} MB "
        "(wanted: at most 1/8)"
    )
    theirs = official(world, "values", tmp_path)
    assert theirs.rows == ROWS
    ratios.say(
        f"the same by wandb 0.31.0 with lazy=False: {theirs.load}, {theirs.seconds:.2f} s: "
        f"{theirs.seconds / ours.seconds:.0f}x (wanted: at least 40x)"
    )


def test_two_values_of_each_run_far_away(far_world: ServedWorld, ratios: Any, tmp_path: Path) -> None:
    """The bare client knows all documents and sends them at once, which no client can that has to find them out."""
    ours, floor = paired(far_world, tmp_path, at_once=True)
    more = (ours.seconds - floor.seconds) / LATENCY
    ratios.say(
        f"values('name', 'summary.loss') of 10,000 runs with 50 ms of latency: {ours.load}, {ours.seconds:.3f} s; bare "
        f"client, all pages at once {floor.seconds:.3f} s: {more:.1f} round trips more (wanted: at most 3)"
    )
    theirs = official(far_world, "values", tmp_path)
    ratios.say(
        f"the same by wandb 0.31.0 with lazy=False: {theirs.load}, {theirs.seconds:.2f} s: "
        f"{theirs.seconds / ours.seconds:.0f}x (wanted: at least 60x)"
    )


def test_listing(world: ServedWorld, far_world: ServedWorld, ratios: Any, tmp_path: Path) -> None:
    """wandb decodes config and summary as it lists; here that is done when they are read, so both are told. On a near
    server wbmodel asks for plain bytes, and wandb for packed ones."""
    for place, where, wanted in ((world, "", 8), (far_world, " with 50 ms of latency", 25)):
        ours, read = own(place, "list", tmp_path, 3), own(place, "list, read", tmp_path, 3)
        theirs = official(place, "list", tmp_path)
        assert ours.rows == read.rows == theirs.rows == ROWS
        ratios.say(
            f"list() of 10,000 runs{where}: {ours.load}, {ours.seconds:.2f} s, with config and summary read "
            f"{read.seconds:.2f} s; wandb 0.31.0 with lazy=False: {theirs.load}, {theirs.seconds:.2f} s: "
            f"{theirs.seconds / ours.seconds:.1f}x, read {theirs.seconds / read.seconds:.1f}x "
            f"(wanted: at least {wanted}x)"
        )
    theirs = official(world, "list", tmp_path, size=1000)
    ratios.say(f"wandb 0.31.0 at per_page=1000: {theirs.load}, {theirs.seconds:.2f} s")


def test_the_official_default(ratios: Any, tmp_path: Path) -> None:
    """Lazily, as by default, it sends a request for each run whose summary is read."""
    with served_world(500) as place:
        ours, theirs = own(place, "values", tmp_path), official(place, "values, lazy", tmp_path)
    assert theirs.requests > 500
    ratios.say(
        f"values of 500 runs: {ours.load}, {ours.seconds:.3f} s; wandb 0.31.0 as by default: {theirs.load}, "
        f"{theirs.seconds:.2f} s: {theirs.seconds / ours.seconds:.0f}x"
    )


@pytest.fixture(scope="module")
def wide_world() -> Iterator[ServedWorld]:
    with served_world(400, metrics=5000) as made:
        yield made


def test_two_values_of_wide_runs(wide_world: ServedWorld, ratios: Any, tmp_path: Path) -> None:
    ours, whole = own(wide_world, "values", tmp_path, 1), own(wide_world, "list", tmp_path, 1)
    ratios.say(
        f"values('name', 'summary.loss') of 400 runs with 5,000 summary keys each: {ours.load} to {whole.load}: "
        f"1/{whole.bytes / ours.bytes:.0f} of the bytes (wanted: at most 1/100)"
    )


def test_counts_of_states(large_world: ServedWorld, ratios: Any, tmp_path: Path) -> None:
    ours = own(large_world, "states", tmp_path, 9)
    ratios.say(
        f"group_by('state').annotate(n=Count()) over 100,000 runs: {ours.load} (wanted: 1 request), "
        f"{ours.cpu * 1e3:.1f} ms of CPU (wanted: under 50 ms), {ours.seconds * 1e3:.1f} ms"
    )


def test_fields_of_configs(world: ServedWorld, ratios: Any, tmp_path: Path) -> None:
    ours = own(world, "fields", tmp_path, 2)
    ratios.say(
        f"fields('config') of 10,000 runs: {ours.load} (wanted: at most 2 requests), {ours.seconds * 1e3:.0f} ms"
    )
