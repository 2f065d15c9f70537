"""The loggers ``wbmodel.*``: silent until the program configures logging, and all of them in the documentation."""

from __future__ import annotations

import ast
import subprocess
import sys

from tools.source_tree import ROOT, sources

PAUSE = """
import logging
import wbmodel
from wbmodel_live.limiter import HostLimiter
{setup}
HostLimiter("https://example.org").pause(1.0, "HTTP 429")
from wbmodel.loggers import get_logger
get_logger("wbmodel.server").error("failed")
{end}
"""


def stderr(setup: str = "", end: str = "") -> str:
    code = PAUSE.format(setup=setup, end=end)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def test_nothing_is_said_by_default():
    assert stderr() == ""


def test_a_program_that_configures_logging_is_told():
    said = stderr("logging.basicConfig()").splitlines()
    assert said == [
        "WARNING:wbmodel.live:https://example.org: pausing for 1.0 s (HTTP 429)",
        "ERROR:wbmodel.server:failed",
    ]
    assert len(stderr('logging.basicConfig(); logging.getLogger("wbmodel").setLevel("ERROR")').splitlines()) == 1


def test_the_root_logger_is_left_alone():
    assert stderr(end="assert not logging.getLogger().handlers and not logging.getLogger('wbmodel').level") == ""


def test_every_logger_is_ours_and_has_its_line_in_the_documentation():
    page = (ROOT / "docs" / "how-to" / "trace.md").read_text(encoding="utf-8")
    names, elsewhere = set(), []
    for source in sources().values():
        for node in ast.walk(ast.parse(source.path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "get_logger":
                assert isinstance(node.args[0], ast.Constant), source.path
                names.add(str(node.args[0].value))
            elsewhere += [source.path.name] * (isinstance(node, ast.Attribute) and node.attr == "getLogger")
    assert set(elsewhere) == {"loggers.py"}
    assert names == {"wbmodel.histories", "wbmodel.live", "wbmodel.server", "wbmodel.testing", "wbmodel.trace"}
    for name in names:
        assert f"| `{name}` |" in page, name
