"""How many files import each other in a circle, imports inside functions, for annotations and by ``importlib`` too."""

from __future__ import annotations

from tools import rows
from tools.source_tree import circles, edges, sources

# The largest circle of the rows, and of what stands beside them (engine, server, testing, plugins). Annotations among
# entities do not count. The numbers are held from both sides: if you make a circle smaller, write the new number here.
LARGEST = 4  # a session and what looks at its requests: current, otel, session, trace
LARGEST_BESIDE = 2


def test_the_largest_circles_are_as_small_as_they_were() -> None:
    found = circles(edges(sources()))
    beside = [circle for circle in found if rows.row_of(circle[0]) not in rows.ROWS]
    among_rows = [circle for circle in found if circle not in beside]
    for most, group in ((LARGEST, among_rows), (LARGEST_BESIDE, beside)):
        largest = max(group, key=len, default=[])
        assert len(largest) == most, f"{len(largest)} files import each other, {most} were said: {', '.join(largest)}"
