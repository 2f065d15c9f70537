"""Equal plans give equal text, cached; and compiling is pure."""

from __future__ import annotations

import ast
import builtins
import socket
import subprocess
import sys
from typing import Any

import pytest

from tests.support.backends import FULL, WEAK
from wbmodel import F, Run
from wbmodel.compiler import document
from wbmodel.compiler.compile import compile_plan
from wbmodel.compiler.physical import scans
from wbmodel.compiler.requests import page_request
from wbmodel.compiler.target import Target
from wbmodel.query.conditions import resolve
from wbmodel.query.plan import Plan
from wbmodel.request import Request

META = Run.__wbmodel_meta__
TARGET = Target(capabilities=FULL, project="acme/vision")


def request(limit: float, target: Target = TARGET) -> Request:
    where, scopes = resolve(META, F.summary["loss"] < limit)
    (scan,) = scans(compile_plan(Plan(meta=META, where=where, scopes=scopes), target))
    return page_request([scan], [scan.filter], 10, [None])


def test_plans_that_differ_in_values_share_one_document() -> None:
    one, other = request(0.3), request(0.4)
    assert one.document is other.document
    assert one.variables != other.variables


def test_equal_plans_give_equal_requests() -> None:
    assert request(0.3) == request(0.3)
    assert str(request(0.3)) == str(request(0.3))


def test_text_is_the_same_in_every_process() -> None:
    script = (
        "from tests.compiler.test_stability import request\nimport sys; sys.stdout.write(request(0.3).document.text)"
    )
    texts = set()
    for seed in ("0", "1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
        )
        texts.add(done.stdout)
    assert texts == {request(0.3).document.text}


def test_what_a_server_promises_does_not_change_the_document() -> None:
    weak = Target(capabilities=WEAK, project="acme/vision")
    assert request(0.3, weak).document is request(0.3).document


def test_the_cache_is_bounded() -> None:
    limit = document.build.cache_info().maxsize
    assert limit
    (scan,) = scans(compile_plan(Plan(meta=META), TARGET))
    for index in range(limit + 20):
        document.build(document.Shape(name=f"Runs{index}", mode="count", route=scan.route, graphql="Run", node=()))
    assert document.build.cache_info().currsize <= limit


def test_compiling_does_no_io(monkeypatch: pytest.MonkeyPatch) -> None:
    request(0.1)  # what is imported lazily is imported now

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"compiling opened something: {args}")

    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.setattr(socket, "socket", refuse)
    assert request(0.2).variables["filters"] == '{"summary_metrics.loss":{"$lt":0.2}}'


def test_the_pure_layers_load_no_backend_no_session_and_no_network() -> None:
    script = (
        "import sys, wbmodel.compiler.explain, wbmodel.query.plan\n"
        "heavy = {'asyncio', 'gql', 'aiohttp', 'graphql', 'msgspec', 'yaml', 'wbmodel.backend'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    # ``wbmodel/__init__`` itself imports the layers above; what is heavy stays out all the same.
    assert set(ast.literal_eval(done.stdout)) <= {"wbmodel.backend"}
