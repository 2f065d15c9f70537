"""``engine/projection.py`` overrides a method of graphql-core's executor, which is internal to it.

So ``pyproject.toml`` pins the minor version, and this says when pin, version and method no longer go together.
"""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version

from graphql.execution.executor import Executor
from packaging.requirements import Requirement

from tools.source_tree import ROOT
from wbmodel.engine.projection import ProjectingExecutor


def test_the_pin_of_graphql_core_holds_the_overridden_method() -> None:
    declared = re.search(r'"(graphql-core[^"]*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert declared is not None
    pin = Requirement(declared[1]).specifier
    assert version("graphql-core") in pin, f"graphql-core {version('graphql-core')} is not what pyproject.toml allows"
    assert "3.4.0" not in pin, "a new minor version may change its executor: look at engine/projection.py first"
    theirs, ours = (inspect.signature(cls.complete_list_value) for cls in (Executor, ProjectingExecutor))
    assert [(item.name, item.kind) for item in theirs.parameters.values()] == [
        (item.name, item.kind) for item in ours.parameters.values()
    ], "graphql-core's executor calls complete_list_value in another way"
