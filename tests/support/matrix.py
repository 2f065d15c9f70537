"""The fault matrix of a run: filled by ``tests/faults``, printed after the tests; rows are cases, columns operations.

A pytest plugin, as the tests may run in several processes, of which another one prints. ``tests/conftest.py`` registers
it.
"""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ["TABLE"]

TABLE: dict[str, dict[str, str]] = {}
"""Case -> operation -> what came of it, as far as the cells of this run say."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    told = getattr(session.config, "workeroutput", None)
    if told is not None:  # this is one of several processes, and its table goes to the one that prints
        told["fault matrix"] = TABLE


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    # A process that broke down tells nothing.
    TABLE.update(getattr(node, "workeroutput", {}).get("fault matrix", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TABLE:
        return
    columns = list(dict.fromkeys(column for row in TABLE.values() for column in row))
    lines = [["", *columns], *([name, *(row.get(column, "") for column in columns)] for name, row in TABLE.items())]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns) + 1)]
    terminalreporter.section("fault matrix")
    for line in lines:
        terminalreporter.write_line(
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        )
