"""What differs from the starting revision on purpose, each with its reason. Nothing is taken out to get through."""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs

from tests.differential.comparing import Difference

__all__ = ["DEVIATIONS", "Deviation", "uncovered"]


@attrs.frozen(kw_only=True)
class Deviation:
    """A difference that is meant. All patterns must be found (``re.search``) and ``holds(before, after)`` be true."""

    reason: str
    part: str = ""
    home: str = ""
    field: str = ""
    before: str = ""
    after: str = ""
    holds: Callable[[str, str], bool] = lambda before, after: True

    def covers(self, found: Difference) -> bool:
        """Whether ``found`` is this one."""
        named = ("part", "home", "field", "before", "after")
        return all(re.search(getattr(self, name), getattr(found, name), re.DOTALL) for name in named) and self.holds(
            found.before, found.after
        )


DEVIATIONS: tuple[Deviation, ...] = ()


def uncovered(found: list[Difference]) -> tuple[list[Difference], set[Deviation]]:
    """The differences that no deviation covers, and the deviations that cover some."""
    left, used = [], set()
    for item in found:
        covering = [deviation for deviation in DEVIATIONS if deviation.covers(item)]
        used.update(covering)
        if not covering:
            left.append(item)
    return left, used
