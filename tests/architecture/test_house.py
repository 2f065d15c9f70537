"""The house rules that a machine can hold: one job to a file, said in its docstring."""

from __future__ import annotations

import ast

from tools.source_tree import ROOT, sources

MOST_LINES = 500
# A queryset is one class that is never cut into mixins; its methods are a line or two each, and their docstrings long.
LONGER = {"wbmodel.objects.queryset": 780}
# Its annotations are read at the first load of a world; as texts, each would be compiled first.
NOW = {"wbmodel_fixtures.format"}

FILES = sources()


def test_files_have_one_job_and_say_it() -> None:
    wrong = []
    for name, source in FILES.items():
        lines = len(source.text.splitlines())
        place = source.path.relative_to(ROOT)
        if lines >= LONGER.get(name, MOST_LINES):
            wrong.append(f"{place} has {lines} lines, and {LONGER.get(name, MOST_LINES)} are too many for one job")
        if source.text.strip() and not ast.get_docstring(source.tree):
            wrong.append(f"{place} has no docstring that says its job")
        declares = any(isinstance(one, ast.FunctionDef | ast.ClassDef | ast.AnnAssign) for one in ast.walk(source.tree))
        if declares and name not in NOW and "from __future__ import annotations" not in source.text:
            wrong.append(f"{place} does not postpone its annotations: from __future__ import annotations")
    assert not wrong, "\n".join(wrong)
