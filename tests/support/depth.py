"""How many random examples a property test tries: as many as it says, and a quarter of them in the quick run."""

from __future__ import annotations

__all__ = ["deep"]

quick = False
"""Whether this is a run without the slow tests; ``tests/conftest.py`` says so before anything is collected."""


def deep(many: int) -> int:
    """``many`` examples, or a quarter of them in the quick run. For properties whose examples are dear."""
    return max(many // 4, 1) if quick else many
