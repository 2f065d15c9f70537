"""Read the package's source without importing it: imports, uses of other files' private names, string literals."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import attrs

__all__ = [
    "ROOT",
    "Import",
    "Source",
    "circles",
    "dynamic_imports",
    "edges",
    "imports",
    "literals",
    "reaches",
    "sources",
]

ROOT = Path(__file__).resolve().parents[1]

_MODULE_TEXT = re.compile(r"(?P<module>wbmodel(\.\w+)+)(?P<thing>:\w+)?")
_NAMED_TUPLES = {"_asdict", "_fields", "_make", "_replace"}  # public, despite the underscore
_IMPORTERS = {"import_module", "__import__", "resolve_name"}


@attrs.frozen(eq=False)
class Source:
    """One file of the package or of a built-in plugin. ``name`` is that of its module: ``wbmodel.query.q``."""

    path: Path
    name: str
    text: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def package(self) -> str:
        """The module that relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


@attrs.frozen
class Import:
    """One import of a module. ``how`` is ``"import"``, ``"inside"`` (in a function), ``"annotation"`` (under
    ``TYPE_CHECKING``) or ``"text"`` (a name passed to ``importlib``, such as ``"wbmodel.cli.listing:run"``)."""

    line: int
    module: str
    how: str


@functools.lru_cache
def sources(root: Path = ROOT) -> dict[str, Source]:
    """Every file of ``wbmodel/`` and ``plugins/`` in the checkout at ``root``, by module name."""
    found = {}
    for base, folder in ((root, "wbmodel"), (root / "plugins", ".")):
        for path in sorted((base / folder).rglob("*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            found[name] = Source(path=path, name=name, text=text, tree=ast.parse(text))
    return found


# -- imports ---------------------------------------------------------------------------------------


def imports(source: Source, known: Collection[str]) -> Iterator[Import]:
    """Every module that ``source`` imports, anywhere in the file.

    ``known`` holds the names of our modules, to tell ``from wbmodel.query import paths`` (a module) from
    ``from wbmodel.query.paths import Path`` (a name in one). A string counts if it has the form ``module:thing``, or if
    the file calls an import function; otherwise it may be the name of a logger.
    """
    by_function = any(_name(node) in _IMPORTERS or _is_sys_modules(node) for node in ast.walk(source.tree))
    for node, how in _with_place(source.tree, "import"):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, how)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, source)
            for module in {_longest(f"{base}.{alias.name}", known) or base for alias in node.names}:
                yield Import(node.lineno, module, how)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = _MODULE_TEXT.fullmatch(node.value)
            if match and match["module"] in known and (by_function or match["thing"]):
                yield Import(node.lineno, match["module"], "text")


def _with_place(node: ast.AST, how: str) -> Iterator[tuple[ast.AST, str]]:
    yield node, how
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        how = "inside"
    for child in ast.iter_child_nodes(node):
        guarded = isinstance(node, ast.If) and child in node.body and "TYPE_CHECKING" in ast.unparse(node.test)
        yield from _with_place(child, "annotation" if guarded else how)


def _absolute(node: ast.ImportFrom, source: Source) -> str:
    if not node.level:
        return node.module or ""
    start = source.package.split(".")
    return ".".join([*start[: len(start) - node.level + 1], *([node.module] if node.module else [])])


def _longest(name: str, known: Collection[str]) -> str | None:
    """The longest prefix of the dotted ``name`` that is one of our modules."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def dynamic_imports(source: Source) -> Iterator[tuple[int, str]]:
    """``(line, code)`` of each use of an import function, except calls that name the module as a literal string."""
    plain = {
        id(node.func)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)
    }
    for node in ast.walk(source.tree):
        renamed = isinstance(node, ast.alias) and node.asname
        if _name(node) in _IMPORTERS and id(node) not in plain and (renamed or not isinstance(node, ast.alias)):
            yield node.lineno, ast.unparse(node)  # type: ignore[attr-defined]  # every node with a name has a line


def _is_sys_modules(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "modules" and _name(node.value) == "sys"


def _name(node: ast.AST) -> str:
    """The identifier of a name, an attribute or an imported name; empty for any other node."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.name if isinstance(node, ast.alias) else ""


# -- circles ---------------------------------------------------------------------------------------


def edges(files: Mapping[str, Source]) -> dict[str, set[str]]:
    """Which of our files each file imports. Annotations between entities are left out: entities refer to each other by
    nature, and such an import never runs."""
    found: dict[str, set[str]] = {}
    for name, source in files.items():
        found[name] = set()
        for one in imports(source, files):
            target = _longest(one.module, files)
            among_entities = all(each.startswith("wbmodel.entities.") for each in (name, target or ""))
            if target and target != name and not (one.how == "annotation" and among_entities):
                found[name].add(target)
    return found


def circles(graph: Mapping[str, Collection[str]]) -> list[list[str]]:
    """The groups of two or more files that import each other, directly or indirectly, largest first."""
    below = {name: _reachable(name, graph) for name in graph}
    groups = {frozenset(other for other in below[name] if name in below[other]) for name in graph}
    return sorted((sorted(group) for group in groups if len(group) > 1), key=lambda group: (-len(group), group))


def _reachable(start: str, graph: Mapping[str, Collection[str]]) -> set[str]:
    """Every file that ``start`` imports, directly or indirectly; ``start`` itself only if it is part of a cycle."""
    seen: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead.extend(graph[name])
    return seen


# -- underscore names ------------------------------------------------------------------------------


def reaches(source: Source) -> Iterator[tuple[int, str]]:
    """``(line, name)`` of each use of another file's underscore name: an attribute of anything but ``self``, ``cls`` or
    ``super()``, ``getattr(x, "_name")``, or ``from x import _name``. Names that the file itself defines are its own,
    whatever object they are read from."""
    own = _defined(source.tree)
    for node in ast.walk(source.tree):
        for name in _reached(node):
            if _is_private(name) and name not in own:
                yield node.lineno, name  # type: ignore[attr-defined]  # every such node has a line


def _reached(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute) and not _is_oneself(node.value):
        yield node.attr
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.Call) and _name(node.func) in ("getattr", "setattr", "hasattr", "delattr", "attrgetter"):
        own = bool(node.args) and _is_oneself(node.args[0])
        for argument in () if own else node.args:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield from argument.value.split(".")


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in _NAMED_TUPLES


def _is_oneself(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return _name(node.func) == "super" or (_name(node.func) == "type" and _is_oneself(node.args[0]))
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _defined(tree: ast.Module) -> set[str]:
    """Every name that a file defines: functions, classes, attributes, slots, module variables."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef | ast.Module):
            for statement in node.body:
                for target in _targets(statement):
                    found.update(name.id for name in ast.walk(target) if isinstance(name, ast.Name))
                    if isinstance(target, ast.Name) and target.id == "__slots__":
                        found.update(text.value for text in ast.walk(statement) if isinstance(text, ast.Constant))
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_oneself(node.value):
            found.add(node.attr)
    return found


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign) else []


# -- words -----------------------------------------------------------------------------------------


def literals(source: Source, words: Collection[str]) -> Iterator[tuple[int, str]]:
    """``(line, word)`` of each string literal that equals one of ``words``. Parts of f-strings do not count."""
    inside = {id(part) for node in ast.walk(source.tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and node.value in words and id(node) not in inside:
            yield node.lineno, node.value
