"""What wbmodel ships for tests, its own and other people's.

:func:`served` puts a world behind a real server, a :class:`Fault` says what goes wrong there,
:func:`assert_num_requests` counts what is sent,
:mod:`wbmodel.testing.conformance` is the suite for backends, :mod:`wbmodel.testing.world` the world it asks about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wbmodel.testing.faults import Fault, Faults
    from wbmodel.testing.requests import SentRequests, assert_num_requests, count_requests
    from wbmodel.testing.serving import served

__all__ = ["Fault", "Faults", "SentRequests", "assert_num_requests", "count_requests", "served"]


def __getattr__(name: str) -> Any:
    # The pytest plugin lives in this package and is loaded by every pytest, which need not load sessions for it.
    if name == "served":
        from wbmodel.testing.serving import served

        return served
    if name in ("Fault", "Faults"):
        from wbmodel.testing import faults

        return getattr(faults, name)
    if name in __all__:
        from wbmodel.testing import requests

        return getattr(requests, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
