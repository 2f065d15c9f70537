"""The reader of sources sees every kind of import, reach and word: what it misses, no rule holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import rows
from tools.source_tree import circles, dynamic_imports, edges, imports, literals, reaches, sources


@pytest.fixture
def tree(tmp_path: Path):
    """A function that writes files below ``wbmodel/`` and reads them: ``tree({"query/q.py": "..."})``."""

    def write(files: dict[str, str]):
        (tmp_path / "plugins").mkdir(exist_ok=True)
        for name, text in files.items():
            path = tmp_path / "wbmodel" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return sources(tmp_path)

    return write


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("import wbmodel.query.q", "import"),
        ("from wbmodel.query.q import Q", "import"),
        ("from wbmodel.query import q", "import"),
        ("from ..query.q import Q", "import"),
        ("from ..query import q", "import"),
        ("try:\n    import wbmodel.query.q\nexcept ImportError: pass", "import"),
        ("def f():\n    from wbmodel.query import q", "inside"),
        ("class A:\n    async def f(self):\n        import wbmodel.query.q", "inside"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from wbmodel.query.q import Q", "annotation"),
        ("import typing\nif typing.TYPE_CHECKING:\n    from wbmodel.query.q import Q", "annotation"),
        ("import importlib\nimportlib.import_module('wbmodel.query.q')", "text"),
        ("from importlib import import_module as load\nload('wbmodel.query.q')", "text"),
        ("__import__('wbmodel.query.q')", "text"),
        ("import importlib\nLATER = {'Q': 'wbmodel.query.q'}\nimportlib.import_module(LATER['Q'])", "text"),
        ("COMMANDS = {'q': 'wbmodel.query.q:run'}", "text"),
        ("import sys\nsys.modules['wbmodel.query.q']", "text"),
    ],
)
def test_every_kind_of_import_is_seen(tree, text: str, how: str) -> None:
    files = tree({"meta/a.py": text, "query/q.py": "", "query/__init__.py": ""})
    found = [one for one in imports(files["wbmodel.meta.a"], files) if one.module.startswith("wbmodel")]
    assert [(one.module, one.how) for one in found] == [("wbmodel.query.q", how)]
    assert "wbmodel.query.q" in edges(files)["wbmodel.meta.a"]
    assert rows.refusal("wbmodel.meta.a", "wbmodel.query.q") == "query/ (say it) is below meta/ (metadata)"


def test_a_name_that_only_looks_like_a_module_is_no_import(tree) -> None:
    files = tree({"meta/a.py": "import logging\nlog = logging.getLogger('wbmodel.query')", "query/__init__.py": ""})
    assert edges(files)["wbmodel.meta.a"] == set()


@pytest.mark.parametrize(
    "text",
    [
        "import importlib\nimportlib.import_module(name)",
        "from importlib import import_module as load\nload(name)",
        "import importlib as i\ni.import_module('wbmodel.' + name)",
        "__import__(f'wbmodel.{name}')",
    ],
)
def test_imports_by_a_function_are_seen(tree, text: str) -> None:
    files = tree({"meta/a.py": text})
    assert len(list(dynamic_imports(files["wbmodel.meta.a"]))) == 1


def test_circles_are_found_over_others_and_among_entities_only_where_something_runs(tree) -> None:
    later = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "
    files = tree(
        {
            "query/a.py": "import wbmodel.query.b",
            "query/b.py": "def f():\n    import wbmodel.query.c",
            "query/c.py": later + "import wbmodel.query.a",
            "query/d.py": "import wbmodel.query.a",
            "entities/x.py": later + "import wbmodel.entities.y",
            "entities/y.py": "import wbmodel.entities.x",
        }
    )
    assert circles(edges(files)) == [["wbmodel.query.a", "wbmodel.query.b", "wbmodel.query.c"]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x._plan", ["_plan"]),
        ("x.y._plan = 1", ["_plan"]),
        ("self._plan\ncls._plan\nsuper()._plan\ntype(self)._plan", []),
        ("self.rows._plan", ["_plan"]),
        ("getattr(x, '_plan')", ["_plan"]),
        ("from wbmodel.query.plan import _plan", ["_plan"]),
        ("x.__dict__\nx._replace(a=1)", []),
        ("class A:\n    _plan: int\nx._plan", []),
        ("class A:\n    __slots__ = ('_plan',)\nx._plan", []),
        ("class A:\n    def _plan(self): ...\nx._plan", []),
        ("class A:\n    def f(self): self._plan = 1\nx._plan", []),
        ("def f(x):\n    _plan = 1\n    return x._plan", ["_plan"]),
    ],
)
def test_reaches_are_seen(tree, text: str, found: list[str]) -> None:
    assert [name for _, name in reaches(tree({"a.py": text})["wbmodel.a"])] == found


def test_words_are_seen_where_a_text_is_nothing_else(tree) -> None:
    text = 'a = "run"\nb = {"run": 1}\nc = "a run of it"\nd = f"{a}run"\ne = a.run\nf(run=1)'
    assert list(literals(tree({"a.py": text})["wbmodel.a"], {"run"})) == [(1, "run"), (2, "run")]


@pytest.mark.parametrize(
    ("importer", "imported", "fine"),
    [
        ("wbmodel.query.q", "wbmodel.query.f", True),
        ("wbmodel.query.q", "wbmodel.errors", True),
        ("wbmodel.codec", "wbmodel.errors", True),
        ("wbmodel.query.q", "wbmodel", False),
        ("wbmodel.registry", "wbmodel.backend.base", True),
        ("wbmodel.backend.base", "wbmodel.query.q", False),
        ("wbmodel.operations.save", "wbmodel.session.session", False),
        ("wbmodel.entities.run", "wbmodel.engine", False),
        ("wbmodel.entities.run", "wbmodel.testing", False),
        ("wbmodel.cli.serve", "wbmodel.server", True),
        ("wbmodel.engine.execute", "wbmodel.backend.asks", True),
        ("wbmodel.engine.execute", "wbmodel.compiler.target", False),
        ("wbmodel.engine.execute", "wbmodel.server", False),
        ("wbmodel.server.server", "wbmodel.engine", True),
        ("wbmodel.server.server", "wbmodel.session.session", False),
        ("wbmodel.testing.world", "wbmodel.entities", True),
        ("wbmodel_live.backend", "wbmodel.hookspecs", True),
        ("wbmodel_live.backend", "wbmodel.query.q", False),
        ("wbmodel_live.backend", "wbmodel_live.options", True),
        ("wbmodel_live.backend", "wbmodel_fixtures.rows", False),
        ("wbmodel_tensorboard.backend", "wbmodel_files.scan", True),
        ("wbmodel_files.scan", "wbmodel_tensorboard.backend", False),
        ("wbmodel.registry", "wbmodel_files.scan", False),
        ("wbmodel.registry", "wbmodel_live.plugin", False),
        ("wbmodel.query.q", "wbmodel.nowhere", False),
    ],
)
def test_what_the_rows_say(importer: str, imported: str, fine: bool) -> None:
    assert (rows.refusal(importer, imported) is None) is fine
