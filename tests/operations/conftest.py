"""``place``: every kind of backend that can be written."""

from __future__ import annotations

import pytest

from tests.support.places import PLACES


@pytest.fixture(params=sorted(PLACES))
def place(request: pytest.FixtureRequest) -> str:
    """The name of a kind of backend, for ``with on(place): ...``."""
    return str(request.param)
