"""``lint-wandb``: where scripts use ``wandb.Api``, and which queryset or entity says the same."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from wbmodel.cli.output import complain, emit, to_json
from wbmodel.errors import ConfigurationError
from wbmodel.safe_text import escape

__all__ = ["Finding", "findings", "run_lint"]

_RUNS = 'Run.objects.filter(project="entity/project", ...).order_by("-created_at")'
_VERBS: dict[str, dict[str, tuple[str | None, str]]] = {
    "Api": {
        "runs": ("Runs", _RUNS),
        "run": ("Run", 'Run.objects.get(path="entity/project/id")'),
        "sweep": ("Sweep", 'Sweep.objects.get(project="entity/project", id="...")'),
        "projects": ("Projects", 'Project.objects.filter(entity="...")'),
        "project": (None, 'Project.objects.get(entity="...", name="...")'),
        "reports": ("Reports", 'Report.objects.filter(project="entity/project")'),
        "create_run": ("Run", 'Run.objects.create(project="entity/project")'),
        "create_project": (None, 'Project.objects.create(entity="...", name="...")'),
        "artifact": ("Artifact", 'Artifact.objects.get(path="entity/project/name:alias")'),
        "artifacts": ("Artifacts", 'Artifact.objects.filter(project="entity/project", collection="...")'),
        "artifact_versions": ("Artifacts", 'Artifact.objects.filter(project="entity/project", collection="...")'),
        "artifact_exists": (None, 'Artifact.objects.filter(path="entity/project/name:alias").exists()'),
        "artifact_types": (None, 'ArtifactType.objects.filter(project="entity/project")'),
        "artifact_type": (None, 'ArtifactType.objects.get(project="entity/project", name="...")'),
        "artifact_collections": (None, 'ArtifactCollection.objects.filter(project="entity/project", type="...")'),
        "artifact_collection": (None, 'ArtifactCollection.objects.get(project="entity/project", name="...")'),
        "user": (None, 'User.objects.get(username="...")'),
        "users": (None, 'User.objects.filter(username="...")'),
        "viewer": (None, "User.objects.get(username=...), of connect().execute('{ viewer { username } }')"),
        "from_path": (None, "get(path=...) of the class that it names"),
        "flush": (None, "nothing: a queryset asks when it is evaluated, run.refresh() asks again"),
        "sync_tensorboard": (None, "nothing yet"),
    },
    "Runs": {
        "histories": (None, "Run.objects.filter(...).history.values(...).to_pandas()"),
    },
    "Run": {
        "history": (None, "run.history.values(...).to_pandas(), or .glance(500) for a sample"),
        "scan_history": (None, 'run.history.values(...), with how="inner" for rows that have all keys'),
        "beta_scan_history": (None, "run.history.values(...)"),
        "summary": ("Summary", 'run.summary, or Run.objects.values("id", "summary.loss") for a key of many runs'),
        "config": (None, 'run.config, or Run.objects.values("id", "config.lr") for a key of many runs'),
        "update": (None, "run.save(), or Run.objects.filter(...).update(...) for many runs"),
        "save": (None, "run.save()"),
        "delete": (None, "run.delete(), or Run.objects.filter(...).delete() for many runs"),
        "files": ("Files", "run.files, a queryset: run.files.filter(name__glob=...).download(folder)"),
        "file": ("File", 'run.files.get(name="...")'),
        "logged_artifacts": ("Artifacts", "run.logged_artifacts, a queryset"),
        "used_artifacts": ("Artifacts", "run.used_artifacts, a queryset"),
        "use_artifact": (None, 'run.use_artifact("name:alias")'),
        "wait_until_finished": (None, "run.wait()"),
        "lastHistoryStep": (None, 'run.history.last()["_step"]'),
        "console_logs": (None, "run.console, or run.console.text()"),
        "metadata": (None, "run.metadata()"),
        "load": (None, "run.refresh()"),
        "scan": (None, "run.history"),
    },
    "Summary": {"update": (None, 'run.summary["key"] = value, then run.save()')},
    "Sweep": {
        "runs": ("Runs", "sweep.runs, a queryset"),
        "best_run": ("Run", "sweep.best_run(), or sweep.runs.best('summary.loss', goal=\"min\")"),
    },
    "Artifact": {
        "download": (None, "artifact.download(folder)"),
        "checkout": (None, "artifact.checkout(folder, dry_run=True), then without dry_run"),
        "verify": (None, "artifact.verify(folder)"),
        "get": (None, "artifact.get(name), whose tables have records() and to_pandas()"),
        "get_path": (None, "artifact.get_path(name).read_bytes()"),
        "get_entry": (None, "artifact.get_path(name).read_bytes()"),
        "manifest": (None, "artifact.manifest()"),
        "files": ("Files", "artifact.files, a queryset"),
        "logged_by": ("Run", "artifact.logged_by, or artifact.lineage()"),
        "used_by": ("Runs", "artifact.used_by, a queryset"),
        "save": (None, "artifact.save()"),
        "delete": (None, "artifact.delete(delete_aliases=...)"),
    },
    "File": {"download": (None, "file.download(folder), which returns the path; file.read_text()")},
}
_ITEMS = {"Runs": "Run", "Artifacts": "Artifact", "Files": "File"}
_MAKERS = {
    "wandb": "Api",
    "wandb.apis.public": "Api",
    "wandb.apis": "PublicApi",
    "wbmodel": "Api",
    "wbmodel.api": "Api",
}
"""Module -> the name of the class in it."""


@attrs.frozen(order=True)
class Finding:
    """One use of ``wandb.Api``, and what says the same."""

    line: int
    column: int
    text: str
    instead: str


def findings(source: str, name: str = "<text>") -> list[Finding]:
    """The uses of ``wandb.Api`` in a program, in order. Raises ``SyntaxError``."""
    finder = _Finder()
    tree = ast.parse(source, name)
    # Twice: a function may use what is assigned below it.
    finder.visit(tree)
    finder.found.clear()
    finder.visit(tree)
    return sorted(set(finder.found))


class _Finder(ast.NodeVisitor):
    """Follows what an ``Api`` gives through assignments, loops and chains of calls, by name."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.makers: set[str] = set()
        self.kinds: dict[str, str] = {}
        self.found: list[Finding] = []

    def visit_Import(self, node: ast.Import) -> None:
        for item in node.names:
            if item.name.partition(".")[0] in ("wandb", "wbmodel"):
                self.modules.add(item.asname or item.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for item in node.names:
            if _MAKERS.get(node.module or "") == item.name:
                self.makers.add(item.asname or item.name)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self._know(target, self._kind(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        self._know(node.target, self._kind(node.value) or self._annotated(node.annotation))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.generic_visit(node)
        self._know(node.target, self._kind(node.value))

    def visit_arg(self, node: ast.arg) -> None:
        self._know(ast.Name(node.arg), self._annotated(node.annotation))

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self._know_item(node.target, node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._know_item(node.target, node.iter)
        self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        # The loop of a comprehension stands after what is made of it.
        for part in getattr(node, "generators", ()):
            self.visit(part)
        super().generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if self._makes_api(node):
            self._tell(node, node.func, "()", "connect(url, project=...), once; then Run.objects and its like")
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        verb = self._verb(node)
        if verb is not None and isinstance(node.ctx, ast.Load):
            self._tell(node, node, "", verb[1])
        self.generic_visit(node)

    def _tell(self, node: ast.expr, shown: ast.expr, end: str, instead: str) -> None:
        text = " ".join(ast.unparse(shown).split())
        self.found.append(Finding(node.lineno, node.col_offset + 1, f"{text[-60:]}{end}", instead))

    def _know(self, target: ast.expr, kind: str | None) -> None:
        if isinstance(target, (ast.Name, ast.Attribute)):
            name = ast.unparse(target)
            if kind is not None:
                self.kinds[name] = kind
            else:
                self.kinds.pop(name, None)

    def _know_item(self, target: ast.expr, source: ast.expr) -> None:
        if isinstance(source, ast.Call) and isinstance(source.func, ast.Name) and source.args:
            if source.func.id == "enumerate" and isinstance(target, ast.Tuple) and len(target.elts) == 2:
                self._know_item(target.elts[1], source.args[0])
                return
            if source.func.id in ("list", "sorted", "tqdm", "reversed", "iter"):
                source = source.args[0]
        kind = _ITEMS.get(self._kind(source) or "")
        if kind is not None:
            self._know(target, kind)

    def _kind(self, node: ast.expr | None) -> str | None:
        """What an expression gives, as far as it is known."""
        if isinstance(node, ast.Call):
            if self._makes_api(node):
                return "Api"
            if isinstance(node.func, ast.Name) and node.func.id in ("list", "sorted") and node.args:
                return self._kind(node.args[0])
            return self._kind(node.func) if isinstance(node.func, ast.Attribute) else None
        if isinstance(node, ast.Attribute):
            verb = self._verb(node)
            return verb[0] if verb is not None else self.kinds.get(ast.unparse(node))
        if isinstance(node, ast.NamedExpr):
            return self._kind(node.value)
        if isinstance(node, ast.Subscript):
            kind = self._kind(node.value)
            return kind if isinstance(node.slice, ast.Slice) else _ITEMS.get(kind or "")
        return self.kinds.get(node.id) if isinstance(node, ast.Name) else None

    def _verb(self, node: ast.Attribute) -> tuple[str | None, str] | None:
        return _VERBS.get(self._kind(node.value) or "", {}).get(node.attr)

    def _makes_api(self, node: ast.Call) -> bool:
        return self._is_api(node.func)

    def _is_api(self, node: ast.expr | None) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self.makers
        if not isinstance(node, ast.Attribute) or node.attr not in ("Api", "PublicApi"):
            return False
        return ast.unparse(node).partition(".")[0] in self.modules

    def _annotated(self, node: ast.expr | None) -> str | None:
        return "Api" if self._is_api(node) else None


def _sources(names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        place = Path(name)
        try:
            files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
            for file in files:
                yield str(file), file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{name} cannot be read: {error}") from error


def run_lint(arguments: argparse.Namespace) -> int:
    """Tell of every use in the files and folders. Returns 1 if one of them is not a program."""
    items: list[dict[str, Any]] = []
    broken = False
    for name, source in _sources(arguments.files):
        try:
            found = findings(source, name)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            complain(f"{name}:{line}: this is not Python: {getattr(error, 'msg', error)}")
            broken = True
            continue
        for item in found:
            items.append({"file": name, **attrs.asdict(item)})
            if arguments.format not in ("json", "jsonl"):
                emit(escape(f"{name}:{item.line}:{item.column}: {item.text} -> {item.instead}"))
    if arguments.format == "json":
        emit(to_json(items))
    elif arguments.format == "jsonl":
        for row in items:
            emit(to_json(row, indent=None))
    return 1 if broken else 0
