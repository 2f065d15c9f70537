"""The shape of an answer: a value that does not belong where it is is the server's fault, and named with its place."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest

from wbmodel import Run, connect
from wbmodel.errors import DamagedRow, ServerError, UnreadableValue
from wbmodel.testing import Fault, served

WORLD = {"entities": {"ada": {"projects": {"vision": {"runs": {"a": {"summary": {"loss": 0.5}}, "b": {}}}}}}}


def spoiling(server, field, value):
    """The run "a" comes first, as the newer one, with ``value`` in one field of its first answer."""

    def spoil(answer):
        edges = answer["data"]["project"]["runs"]["edges"]
        edges.sort(key=lambda edge: edge["node"]["name"])
        edges[0]["node"][field] = value

    server.faults.add(Fault(edit=spoil))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("createdAt", 7, "createdAt is an integer and not text"),
        ("name", None, "name is null and not text"),
        ("tags", "abc", "tags is text and not a list or null"),
        ("tags", ["a", 3], r"tags\[1\] is an integer and not text"),
        ("user", "ada", "user is text and not an object or null"),
        ("id", [1], "id is a list and not text"),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_named_with_its_place(field, value, said):
    with served(WORLD) as server, connect(server.url, project="ada/vision", default=False):
        spoiling(server, field, value)
        with pytest.raises(ServerError, match=rf"answered Runs with data of .*: project.runs.edges\[0\].node.{said}"):
            list(Run.objects.all())


@pytest.mark.parametrize(
    ("name", "field", "value", "said"),
    [
        ("system_metrics", "systemMetrics", "{bad", "'{bad' there, which is not a JSON object"),
        ("system_metrics", "systemMetrics", "[1]", "it is a list"),
        ("heartbeat_at", "heartbeatAt", "", "'' there, which is not a time"),
        ("created_at", "createdAt", "yesterday", "'yesterday' there, which is not a time"),
        ("config", "config", '"text"', "it is text"),
        ("config", "config", "[1]", "it is a list"),
        ("summary", "summaryMetrics", "7", "it is a number"),
    ],
)
def test_a_text_that_cannot_be_read_costs_itself_only(name, field, value, said):
    with served(WORLD) as server, connect(server.url, project="ada/vision", default=False):
        spoiling(server, field, value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DamagedRow)  # the order breaks ties by created_at
            rows = list(Run.objects.order_by("id").only("id", name))
        assert [run.id for run in rows] == ["a", "b"]
        with pytest.raises(UnreadableValue, match=rf"{name} of <Run .*a> cannot be read: .*{said}"):
            getattr(rows[0], name)
        getattr(rows[1], name)
        rows[0].refresh()
        getattr(rows[0], name)


FIRST_AT_ONCE = """
import sys, threading
from wbmodel.compiler.answer_types import AnswerType, _Object
sys.setswitchinterval(1e-6)
for turn in range(30):
    inner = {f"y{n}": _Object({f"z{m}": str | None for m in range(8)}) for n in range(8)}
    wanted = AnswerType({f"x{n}": _Object(inner) for n in range(3)})
    ready = threading.Barrier(8)
    def check():
        ready.wait()
        wanted.check({"x0": None, "x1": None, "x2": None})
    threads = [threading.Thread(target=check) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_may_check_the_first_answers_at_once():
    """msgspec completes a type when it first converts to it, and crashed where two threads did that."""
    done = subprocess.run([sys.executable, "-c", FIRST_AT_ONCE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
