"""The working tree answers as the starting revision did: rows, requests, grades, words, names."""

from __future__ import annotations

import os

import pytest

from tests.differential.baseline import ROOT, CannotBuild, baseline
from tests.differential.comparing import Difference, compared, differences, report
from tests.differential.deviations import DEVIATIONS, Deviation, uncovered
from tests.differential.running import SEEDS, Piece, pieces

CHOICE = os.environ.get("WBMODEL_DIFFERENTIAL", str(SEEDS))
"""How many of the seeded questions are asked; ``whole``: all of them at every live home, too."""

PIECES = pieces(live_every=1) if CHOICE == "whole" else pieces(int(CHOICE))
_used: dict[Piece, set[Deviation]] = {}


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("the starting revision is built from the history, and this is not a clone")
    try:
        baseline()
    except CannotBuild as error:
        pytest.fail(str(error))


@pytest.mark.slow
@pytest.mark.parametrize("piece", PIECES, ids=str)
def test_the_same_answers(piece: Piece) -> None:
    left, _used[piece] = uncovered(differences(piece))
    assert not left, report(left)


@pytest.mark.slow
def test_each_deviation_covers_something() -> None:
    if len(_used) < len(PIECES) or CHOICE not in ("whole", str(SEEDS)):
        pytest.skip("only a whole run can tell")
    unused = set(DEVIATIONS).difference(*_used.values())
    assert not unused, "nothing differs so any more; take out: " + "; ".join(item.reason for item in unused)


def test_a_difference_says_where_it_is_and_how_to_ask_again() -> None:
    line = '{"part": "querysets", "seed": 7, "home": "weak", "fields": {"rows": {"result": ["list", "%s"]}}}'
    (found,) = compared(line % "a", line % "b")
    assert found == Difference("querysets", "7", "weak", "rows.result[1]", "a", "b")
    assert "--seed 7 --home weak" in str(found)
    covered = Deviation(reason="a is b now", field=r"^rows", before="a", after="b")
    assert covered.covers(found)
    assert not Deviation(reason="elsewhere", part="writes").covers(found)
