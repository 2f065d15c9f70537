"""What wbmodel ships for tests, its own and other people's."""

from __future__ import annotations

from wbmodel.testing.requests import SentRequests, assert_num_requests, count_requests

__all__ = ["SentRequests", "assert_num_requests", "count_requests"]
