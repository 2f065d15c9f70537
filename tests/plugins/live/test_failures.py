"""What is read from a response that is not a GraphQL result."""

from __future__ import annotations

import pytest

from wbmodel_live.failures import of_reply, retry_after
from wbmodel_live.transport import Reply


def reply(status=429, body=b"", **headers):
    return Reply(status, "", {name.replace("_", "-"): text for name, text in headers.items()}, body, len(body), 0)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "3"}, 3.0),
        ({"Retry_After": " 0.25 "}, 0.25),
        # By the server's own clock, which need not be ours.
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:05 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 5.0),
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:05 GMT"}, None),
        ({"Retry_After": "Wed, 21 Oct 2015 07:27:00 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-1"}, None),
        ({"Retry_After": "inf"}, None),
        ({"Retry_After": "nan"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_retry_after(headers, seconds):
    assert retry_after(reply(**headers)) == seconds


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"errors": [{"message": "too many"}, {"message": "x"}]}', "too many"),
        (b'{"errors": ["plain"]}', "plain"),
        (b'{"error": "nope"}', "nope"),
        (b'{"detail": {"x": 1}}', None),
        (b'{"errors": "all of it"}', "all of it"),
        (b'{"errors": {"name": ["is taken"]}}', "name: is taken"),
        (b'{"error": {"code": 7, "message": "in the middle"}}', "in the middle"),
        (b'{"errors": [{"extensions": {"message": "deep"}}]}', None),
        (b'{"message": "m", "code": 3}', "m"),
        (b'{"detail": [{"loc": ["body"], "msg": "field required"}]}', "field required"),
        (b'"a text"', "a text"),
        (b'["one", "two"]', "one"),
        (b"null", None),
        (b"17", None),
        (b'{"errors": [{"message": "cut off her', "cut off her"),
        (b"<!DOCTYPE html><title>502 &amp; <b>away</b></title><p>nginx", "502 & away"),
        (b"<head><style>p {}</style></head><body><p>Request <b>blocked</b></p><script>x()</script>", "Request blocked"),
        (b"[1]", None),
        (b"rate limit\n exceeded", "rate limit exceeded"),
        (b"<html>no</html>", "no"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", None),
        (b"x" * 1000, "x" * 1000),
    ],
    ids=str,
)
def test_the_servers_own_words(body, said):
    assert of_reply(reply(500, body), "http://h/graphql", broken=False, key_hint="").said == said
