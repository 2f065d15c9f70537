"""Quick runs take a slice of a product of parameters, and every value of each parameter is in it."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.sampling import thin_out

NAMES = ("kind", "verb")
KINDS, VERBS = [[n] for n in range(4)], [{n: n} for n in range(3)]  # without a hash


def items(kinds: int, verbs: int, every: int) -> list[Any]:
    """What pytest collects of a test with two parameters, as far as ``thin_out`` looks at it."""
    made = []
    for kind, verb in product(range(kinds), range(verbs)):
        marks: list[Any] = []
        mark = pytest.mark.sampled(*NAMES, every=every).mark
        made.append(
            SimpleNamespace(
                path=Path("test_it.py"),
                nodeid=f"test_it.py::test_it[{kind}-{verb}]",
                callspec=SimpleNamespace(params={"kind": KINDS[kind], "verb": VERBS[verb], "other": 0}),
                get_closest_marker=lambda name, mark=mark: mark if name == "sampled" else None,
                add_marker=marks.append,
                marks=marks,
            )
        )
    return made


def quick(made: list[Any]) -> list[tuple[int, int]]:
    left = [item.callspec.params for item in made if not item.marks]
    return [(KINDS.index(params["kind"]), VERBS.index(params["verb"])) for params in left]


def test_the_slice_goes_along_the_diagonals() -> None:
    made = items(4, 3, 3)
    thin_out(made, whole=True)
    assert quick(made) == [(0, 0), (1, 2), (2, 1), (3, 0)]
    assert {mark.name for item in made for mark in item.marks} == {"slow"}


def test_a_slice_that_lacks_a_value_is_refused() -> None:
    with pytest.raises(pytest.UsageError, match=r"test_it: the quick run has not every value of kind"):
        thin_out(items(4, 2, 3), whole=True)


def test_some_of_the_product_may_be_asked_for() -> None:
    made = items(4, 3, 3)[:2]
    thin_out(made, whole=False)
    assert quick(made) == [(0, 0)]


def test_whoever_has_no_parameters_is_told(request: pytest.FixtureRequest) -> None:
    with pytest.MonkeyPatch.context() as patch:
        mark = pytest.mark.sampled("kind", every=2).mark
        patch.setattr(request.node, "get_closest_marker", lambda name: mark)
        with pytest.raises(pytest.UsageError, match="sampled.. is for tests with parameters"):
            thin_out([request.node], whole=True)
