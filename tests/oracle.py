"""What lookups and orders mean, in plain Python; it ships as ``wbmodel.testing.oracle`` and judges backends too."""

from __future__ import annotations

from datetime import timedelta

from wbmodel.testing.oracle import ABSENT, answer, leaf, look, matches, ordered

__all__ = ["ABSENT", "DAY", "answer", "leaf", "look", "matches", "ordered"]

DAY = timedelta(days=1)
