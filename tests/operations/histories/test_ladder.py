"""The ladder of ranges against servers of every kind: complete, or said to be incomplete, and never doubled."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.history_servers import GUESSES, SHAPES, Climbed, Guess, HistoryServer, climb
from tests.support.strategies import examples
from wbmodel.operations.histories.ladder import Ladder
from wbmodel.operations.histories.trust import Trust


def read(
    steps: list[int], guess: Guess, *, listed: int | None = -1, grows: int = 0, seed: int = 0
) -> tuple[Climbed, HistoryServer]:
    server = HistoryServer(steps, guess, seed, grows)
    ladder = Ladder(None, None, server.count if listed == -1 else listed, growing=bool(grows))
    return climb(ladder, server), server


def hold(found: Climbed, server: HistoryServer) -> None:
    assert len(found.lines) == len(set(found.lines)), "a row came twice"
    assert set(found.lines) <= set(server.there)
    if found.missing == 0:
        assert set(found.lines) == set(server.there), "it is said to be complete"
    elif found.missing is not None and server.guess.count == "right":
        assert found.missing == len(server.rows) - len(found.lines)
    by_step = {line: step for step, line in server.rows if step is not None}
    steps = [by_step[line] for line in found.lines]
    assert steps == sorted(steps)


@pytest.mark.sampled("shape", "guess", every=4)
@pytest.mark.parametrize("guess", GUESSES)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_on_every_server(shape: str, guess: str) -> None:
    found, server = read(SHAPES[shape], GUESSES[guess])
    hold(found, server)
    can = not (shape == "one step" and GUESSES[guess].cap) and GUESSES[guess].count != "lines"
    if can and not GUESSES[guess].merges:
        assert set(found.lines) == set(server.there)


@pytest.mark.parametrize("listed", [None, 0, 100_000])
@pytest.mark.parametrize("guess", ["plain", "late, capped", "null"])
@pytest.mark.parametrize("shape", ["200", "dense", "negative", "empty"])
def test_a_listed_count_that_is_wrong(shape: str, guess: str, listed: int | None) -> None:
    found, server = read(SHAPES[shape], GUESSES[guess], listed=listed)
    hold(found, server)
    assert set(found.lines) == set(server.there)


@pytest.mark.parametrize("guess", GUESSES)
@pytest.mark.parametrize("shape", ["200", "dense"])
def test_a_run_that_grows_while_it_is_read(shape: str, guess: str) -> None:
    server = HistoryServer(SHAPES[shape], GUESSES[guess], grows=150)
    before = len(server.rows)
    found = climb(Ladder(None, None, server.count, growing=True), server)
    assert len(found.lines) == len(set(found.lines))
    if found.missing == 0 and GUESSES[guess].count == "right":
        assert set(found.lines) >= set(range(before))


class GrowsWithin(HistoryServer):
    """Rows come within an answer, after its count."""

    counted = 0

    @property
    def count(self) -> int | None:
        return self.counted or len(self.rows)

    def answer(self, low: int | None, high: int, samples: int) -> list[tuple[int, int]]:
        self.counted, more = len(self.rows), self.random.choice((0, 0, 1, 3, 6))
        self.rows += self.later[:more]
        later, self.later = self.later[more:], []
        rows = super().answer(low, high, samples)
        self.later = later
        return rows


@pytest.mark.parametrize("thin", ["even", "random"])
@pytest.mark.parametrize("cap", [40, 100, 250, 299])
def test_rows_that_come_within_an_answer_make_up_for_nothing(cap: int, thin: Any) -> None:
    proven = 0
    for seed in range(40):
        server = GrowsWithin(list(range(900)), Guess(cap=cap, thin=thin), seed, grows=600)
        found = climb(Ladder(None, None, server.count, growing=True), server)
        assert len(found.lines) == len(set(found.lines))
        if found.missing == 0:
            proven += 1
            assert set(found.lines) >= set(range(300)), f"said to be complete, with seed {seed}"
    assert proven > 10


@pytest.mark.parametrize(("low", "high"), [(None, 150), (150, None), (3, 4), (2_000, 9_000)])
@pytest.mark.parametrize(
    "guess", ["plain", "capped, random", "capped, buckets", "null", "null, no keys, capped", "from zero"]
)
@pytest.mark.parametrize("shape", ["200", "dense", "negative", "repeated"])
def test_a_range_of_steps(shape: str, guess: str, low: int | None, high: int | None) -> None:
    server = HistoryServer(SHAPES[shape], GUESSES[guess])
    ladder = Ladder(low, high, server.count)
    found = climb(ladder, server)
    steps = {line: step for step, line in server.rows if step is not None}

    def inside(line: int) -> bool:
        return (low is None or steps[line] >= low) and (high is None or steps[line] < high)

    lines = list(filter(inside, found.lines))
    assert len(lines) == len(set(lines))
    wanted = set(filter(inside, server.there))
    assert set(lines) <= wanted
    if found.missing == 0:
        assert set(lines) == wanted, "it is said to be complete"
    if shape != "one step" and GUESSES[guess].count != "lines" and GUESSES[guess].cap is None:
        assert set(lines) == wanted


@pytest.mark.parametrize("most", [40, 700])
@pytest.mark.parametrize("guess", ["plain", "capped, random", "null"])
@pytest.mark.parametrize("shape", ["200", "wide steps", "negative"])
def test_a_server_that_fails_on_many_rows(shape: str, guess: str, most: int) -> None:
    server = HistoryServer(SHAPES[shape], GUESSES[guess])
    found = climb(Ladder(None, None, server.count), server, too_much=most)
    hold(found, server)


@pytest.mark.parametrize(
    ("shape", "guess", "most"),
    [
        ("200", "plain", 1),
        ("wide steps", "plain", 1),
        ("sparse far", "plain", 2),
        ("sparse far", "capped, buckets", 12),
        ("late start", "plain", 2),
        ("dense", "plain", 2),
        ("dense", "capped, random", 7),
        ("negative", "plain", 2),
        ("wide steps", "null", 2),
        ("200", "null", 2),
    ],
)
def test_the_number_of_documents(shape: str, guess: str, most: int) -> None:
    found, server = read(SHAPES[shape], GUESSES[guess])
    assert set(found.lines) == set(server.there)
    assert found.documents <= most


@pytest.mark.parametrize(("guess", "most"), [("plain", 2), ("capped, random", 28)])
def test_the_documents_of_a_hundred_thousand_rows(guess: str, most: int) -> None:
    found, _ = read(list(range(100_000)), GUESSES[guess])
    assert len(found.lines) == 100_000
    assert found.missing == 0
    assert found.documents <= most


def test_a_count_of_lines_is_found_out_by_two_runs() -> None:
    """Then runs with fewer rows than lines are no longer searched."""
    trust, taken = Trust(), []
    for _ in range(4):
        server = HistoryServer(SHAPES["dense"], GUESSES["lines"])
        found = climb(Ladder(None, None, server.count, trust=trust), server)
        hold(found, server)
        assert found.missing == 3
        taken.append(found.documents)
    assert trust.lines
    assert taken[2] == taken[3] <= taken[0] / 2


STEPS = st.lists(
    st.tuples(st.integers(-50, 3_000), st.sampled_from([1, 1, 1, 7, 1000, 10**6]), st.integers(1, 900)), max_size=6
).map(lambda runs: [start + at // (step if step < 8 else 1) * step for start, step, rows in runs for at in range(rows)])
SERVERS = st.builds(
    Guess,
    cap=st.sampled_from([None, 100, 1000, 3000]),
    thin=st.sampled_from(["even", "random", "bucket"]),
    loose=st.booleans(),
    merges=st.booleans(),
    count=st.sampled_from(["right", "right", "late", "null", "lines"]),
    keys=st.booleans(),
    shuffled=st.booleans(),
    zero=st.booleans(),
    narrow=st.booleans(),
    inclusive=st.booleans(),
)


@examples(60)
@given(steps=STEPS, guess=SERVERS, seed=st.integers(0, 3), listed=st.sampled_from([-1, None, 0, 50, 20_000]))
def test_any_shape_on_any_server(steps: list[int], guess: Guess, seed: int, listed: int | None) -> None:
    found, server = read(steps, guess, seed=seed, listed=listed)
    assert len(found.lines) == len(set(found.lines)), "a row came twice"
    assert set(found.lines) <= set(server.there)
    if guess.count in ("right", "lines") and not guess.merges and found.missing is not None:
        lost = len(server.rows) - len(found.lines)
        assert found.missing == lost + (3 if guess.count == "lines" else 0)
    if guess.cap is None and guess.count in ("right", "null") and not guess.merges and not guess.zero:
        assert set(found.lines) == set(server.there)
