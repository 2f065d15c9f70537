"""What a backend cannot be asked is said once, and not at all where asking costs no round trip."""

from __future__ import annotations

import warnings

import attrs
import pytest

from tests.support import backends
from tests.support.worlds import small_world
from wbmodel import F, Run
from wbmodel.errors import QueryWarning


def test_a_local_condition_is_said() -> None:
    with (
        backends.served(small_world().store(), "weak"),
        pytest.warns(QueryWarning, match=r"applied locally to every row: summary\.loss is NaN"),
    ):
        assert list(Run.objects.filter(F.summary["loss"].isnan())) == []


def test_nothing_is_said_in_process() -> None:
    quiet = attrs.evolve(backends.WEAK, in_process=True)
    with backends.served(small_world().store(), "weak", capabilities=quiet), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(Run.objects.filter(F.summary["loss"].isnan())) == []
