"""Products of parameters, of which the quick run takes a slice: ``@pytest.mark.sampled("kind", "verb", every=3)``.

Of the product of these parameters every third combination runs in each run, the others with the slow tests. The slice
is fixed and goes along the diagonals (the sum of the places in the lists is a multiple of ``every``), so that each
value of each parameter stays in the quick run; a slice that loses a value is an error when the tests are collected.
"""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ["thin_out"]


def thin_out(items: list[pytest.Item], whole: bool) -> None:
    """Mark as slow what the quick run leaves out. ``whole``: whether the tests are there with all their parameters, and
    not as some ids that were asked for."""
    of: dict[tuple[Any, ...], list[tuple[bool, dict[str, int]]]] = {}
    values: dict[Any, dict[int, int]] = {}
    for item in items:
        mark = item.get_closest_marker("sampled")
        if mark is None:
            continue
        callspec: Any = getattr(item, "callspec", None)
        if callspec is None:
            raise pytest.UsageError(f"{item.nodeid}: sampled() is for tests with parameters")
        test = item.path, item.nodeid.partition("[")[0], mark.args
        places = {}
        for name in mark.args:
            # By identity: values need no hash. callspec.indices counts the tests, and not the values.
            numbers = values.setdefault((test, name), {})
            places[name] = numbers.setdefault(id(callspec.params[name]), len(numbers))
        quick = sum(places.values()) % mark.kwargs["every"] == 0
        if not quick:
            item.add_marker(pytest.mark.slow)
        of.setdefault(test, []).append((quick, places))
    for (_, test, names), tried in of.items() if whole else ():
        for name in names:
            if {places[name] for quick, places in tried if quick} != {places[name] for _, places in tried}:
                raise pytest.UsageError(f"{test}: the quick run has not every value of {name}: sample less")
