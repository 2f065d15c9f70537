"""The reference page agrees with the table of faults; ``--update-snapshots`` writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

import tests.faults.answer_cases
import tests.faults.network_cases  # noqa: F401 - both fill the table
from tests.faults.cases import CASES, Expect
from tests.faults.runner import OPERATIONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "faults.md"

HEAD = """\
# How each operation ends under each fault

Each row is a fault between the client and a [W&B server](live.md), each column an operation on a list of four pages,
on one run or on a sweep. A cell says how the operation ends, and how often the request was sent if not once.

wbmodel generates the id of a new run, so *create run* and *update* are idempotent and may be sent twice; *delete* and
*create sweep* may not. A change whose outcome cannot be known ends in `OutcomeUnknown`.

Before a listing or a count ends in an error it may be asked for in other ways: without what wbmodel added to the
request if the server refuses it, and in smaller pages if the server fails on it (502, 504) or is late. A cell counts
one of these ways.

The tests play every cell over real sockets, sync and async. They also check that every answer or error comes within its
deadline (two deadlines for a listing that asks for smaller pages); that no row is duplicated or missing; that nothing
is created, changed or deleted twice; and that the message names the server, the operation, the attempts, the server's
own words and what to do next, but never an API key.

"""


def _cell(expect: Expect | None) -> str:
    if expect is None:
        return ""
    name = "ok" if expect.error is None else f"`{expect.error.__qualname__}`"
    least, most = expect.tries
    if most == 1:
        return name
    return (
        f"{name} ({least} to {most} times)"
        if least != most
        else f"{name} ({'twice' if most == 2 else f'{most} times'})"
    )


def _page() -> str:
    lines = [["fault", *OPERATIONS], ["---"] * (1 + len(OPERATIONS))]
    for case in CASES.values():
        cells = [
            _cell(case.of(operation)) if case.pages or not operation.after else "" for operation in OPERATIONS.values()
        ]
        lines.append([case.name, *cells])
    return HEAD + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def test_the_page_is_what_the_tests_hold(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-snapshots"):
        PAGE.write_text(_page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == _page(), "run pytest tests/faults/test_page.py --update-snapshots"
