"""Test utilities, for wbmodel's own tests and for other projects.

:func:`served` serves a world over HTTP, a :class:`Fault` makes that server misbehave, :func:`assert_num_requests`
counts requests, :mod:`wbmodel.testing.conformance` is the test suite for backends, and :mod:`wbmodel.testing.world` has
the world that it queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wbmodel.testing.faults import Fault, Faults
    from wbmodel.testing.requests import SentRequests, assert_num_requests, count_requests
    from wbmodel.testing.serving import served

__all__ = ["Fault", "Faults", "SentRequests", "assert_num_requests", "count_requests", "served"]


def __getattr__(name: str) -> Any:
    # Every pytest run imports this package for its pytest plugin, and must not import sessions for that.
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
