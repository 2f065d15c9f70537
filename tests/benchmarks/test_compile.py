"""A queryset to a request: what a cached and a new shape cost, against printing a document of that size."""

from __future__ import annotations

from typing import Any

import graphql

from wbmodel import Run
from wbmodel.backend import Capabilities
from wbmodel.compiler import document
from wbmodel.compiler.compile import compile_plan
from wbmodel.compiler.physical import scans
from wbmodel.compiler.requests import first_size, page_request
from wbmodel.compiler.target import Target
from wbmodel.request import Request

TARGET = Target(capabilities=Capabilities(), project="acme/vision")


def first_request(plan: Any) -> Request:
    scan = next(scans(compile_plan(plan, TARGET)))
    return page_request([scan], [scan.filter], first_size(scan, TARGET.capabilities), [None], far=scan.far is not None)


def question() -> Any:
    return (
        Run.objects.filter(state="finished", config__optimizer__in=["adam", "sgd"], summary__loss__lt=0.3)
        .order_by("summary.loss", "-created_at")[:10]
        ._plan
    )


def test_compile(ratios: Any) -> None:
    plan = question()

    def cached() -> Any:
        for _ in range(100):
            request = first_request(plan)
        return request

    def new() -> Any:
        for _ in range(10):
            document.build.cache_clear()
            request = first_request(plan)
            assert request is not None
            request.document.text  # noqa: B018
        return request

    text = cached().document.text
    per_cached = ratios.timed("100 compiles of a cached shape", cached, 10.0)
    per_new = ratios.timed("10 compiles of a new shape, printed", new, 20.0)
    parse = ratios.timed(
        "10 parses of that text by graphql-core, for scale", lambda: [graphql.parse(text) for _ in range(10)], 1e9
    )
    ratios.say(
        f"one compile: cached {per_cached * 10:.0f} us, new {per_new * 100:.0f} us = {per_new / parse:.1f}x of "
        "parsing it"
    )
    assert "runs(" in text
