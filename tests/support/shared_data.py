"""Where the real files are that developers have beside their checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

__all__ = ["SHARED", "needs"]

SHARED = Path(__file__).parents[3] / "shared" / "data"


def needs(name: str) -> Any:
    """A mark that skips a test where the folder ``name`` of real files is not here."""
    return pytest.mark.skipif(not (SHARED / name).is_dir(), reason=f"../shared/data/{name} is not here")
