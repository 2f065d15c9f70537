"""Benchmarks print ratios against a floor that is measured in the same run; no second decides whether they pass."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.benchmarks.served_world import ServedWorld, served_world

_LINES: list[str] = []


class Ratios:
    """Collects the lines that stand at the end of a run."""

    def say(self, text: str) -> None:
        _LINES.append(text)

    def paired(
        self, label: str, ours: Callable[[], Any], floor: Callable[[], Any], bound: float, rounds: int = 9
    ) -> float:
        """Run both in turn, so that a machine whose speed drifts slows both; give the median of the pairs' ratios."""
        ratios, own, base = [], [], []
        for _ in range(rounds):
            base.append(_seconds(floor))
            own.append(_seconds(ours))
            ratios.append(own[-1] / base[-1])
        ratio = sorted(ratios)[rounds // 2]
        self.say(
            f"{label}: {ratio:.2f}x of the floor (wanted: at most {bound}x); "
            f"ours {sorted(own)[rounds // 2] * 1e3:.2f} ms, floor {sorted(base)[rounds // 2] * 1e3:.2f} ms"
        )
        return ratio

    def timed(self, label: str, run: Callable[[], Any], bound: float, rounds: int = 7) -> float:
        """The median time of a call, in milliseconds, beside what is wanted."""
        times = sorted(_seconds(run) * 1e3 for _ in range(rounds))
        self.say(f"{label}: {times[rounds // 2]:.3f} ms (wanted: at most {bound} ms)")
        return times[rounds // 2]


def _seconds(run: Callable[[], Any]) -> float:
    gc.collect()
    gc.disable()
    try:
        started = time.perf_counter()
        kept = run()
        ended = time.perf_counter()
    finally:
        gc.enable()
    del kept
    return ended - started


@pytest.fixture(scope="session")
def world() -> Iterator[ServedWorld]:
    """10,000 served runs."""
    with served_world(10_000) as made:
        yield made


@pytest.fixture(scope="session")
def far_world() -> Iterator[ServedWorld]:
    """The same, 50 ms away."""
    with served_world(10_000, latency=0.05) as made:
        yield made


@pytest.fixture(scope="session")
def large_world() -> Iterator[ServedWorld]:
    """100,000 served runs."""
    with served_world(100_000) as made:
        yield made


@pytest.fixture
def ratios() -> Ratios:
    return Ratios()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _LINES:
        terminalreporter.section("ratios")
        for line in _LINES:
            terminalreporter.write_line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What measures is for `make bench` and `make test-all`."""
    for item in items:
        if "ratios" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
