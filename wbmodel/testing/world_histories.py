"""The histories of a :class:`~wbmodel.testing.world.World` that are odd: in their steps, and in their values."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["HISTORIES"]

HISTORIES: dict[str, list[dict[str, Any]]] = {
    # Steps repeat, fall, are negative and jump; rows of one step have the same keys and others.
    "minus": [
        {"_step": 3, "loss": 0.5, "x": 1},
        {"_step": 3, "x": 2},
        {"_step": -2, "loss": 4, "x": 3},
        {"_step": 10**9, "x": 4},
        {"_step": 3, "loss": 0.25, "x": 5},
        {"_step": 0, "x": 6, "y": 1},
        {"_step": 0, "loss": 1.5},
    ],
    # Values of every kind, and of several under one key.
    "list": [
        {"_step": 0, "nested": {"a": 1, "b": {"c": "x"}}, "image": {"_type": "image-file", "path": "a.png"}},
        {"_step": 1, "nan": math.nan, "up": math.inf, "down": -math.inf, "nothing": None, "flag": True},
        {"_step": 2, "list": [1, [2.5, "a"], None], "big": 10**20, "text": "1", "mixed": 1},
        {"_step": 3, "mixed": "one", "flag": False, "nested": {"a": 2.5}},
        {"_step": 4, "mixed": [1], "nothing": None, "empty": {}, "sl/ash": 1, "a b": 2},
        {"_step": 5, "nothing": None},
        {"_step": 6, "mixed": 2.5, "nan": 1, "up": 0, "big": 2**53 + 1},
    ],
    # Some rows have no step.
    "true": [{"x": 1}, {"x": 2}, {"_step": 9, "x": 3}],
}
"""Rows of histories in the order in which they were logged. The run's id is ``e-`` + the word."""
