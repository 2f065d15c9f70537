"""Read Markdown pages (code blocks, headings, links), and write docstrings as Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

__all__ = [
    "ROOT",
    "Block",
    "broken_links",
    "code_blocks",
    "function_of",
    "headings",
    "links",
    "markdown",
    "members",
    "pages",
    "public_methods",
    "signature",
    "slugs",
    "table",
    "twin",
]

ROOT = Path(__file__).resolve().parents[1]

_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<marks>`{3,}|~{3,})(?P<label>[^`\n]*)$")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_LINK = re.compile(r"(?<!\\)!?\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+(?:\([^()]*\))?)(?:\s+\"[^\"]*\")?\)")
_CODE = re.compile(r"(`+).+?\1")


def pages() -> list[Path]:
    """README.md, CONTRIBUTING.md, CHANGELOG.md and every page below docs/, sorted."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


# -- reading ---------------------------------------------------------------------------------------


@attrs.frozen(slots=True)
class Block:
    """One fenced code block.

    ``label`` is the language (``python``), ``line`` the line number of the text (from 1), and ``note`` the comment
    ``<!-- ... -->`` on the line before it, without its marks. ``follows`` is the index of the block directly above,
    with only blank lines between, or None.
    """

    label: str
    text: str
    line: int
    note: str | None = None
    follows: int | None = None


def code_blocks(text: str) -> list[Block]:
    """The fenced code blocks of a page, in order."""
    found: list[Block] = []
    lines = text.splitlines()
    at, previous_end = 0, -1
    while at < len(lines):
        opened = _FENCE.match(lines[at])
        if opened is None:
            at += 1
            continue
        start = at + 1
        end = next((i for i in range(start, len(lines)) if lines[i].strip() == opened["marks"]), len(lines))
        above = next((i for i in range(at - 1, -1, -1) if lines[i].strip()), -1)
        comment = re.fullmatch(r"<!--\s*(.*?)\s*-->", lines[above].strip()) if above == at - 1 and above >= 0 else None
        adjacent = bool(found) and above == previous_end
        body = "\n".join(line.removeprefix(opened["indent"]) for line in lines[start:end]) + "\n"
        found.append(
            Block(
                label=opened["label"].strip(),
                text=body,
                line=start + 1,
                note=comment[1] if comment else None,
                follows=len(found) - 1 if adjacent else None,
            )
        )
        previous_end, at = end, end + 1
    return found


def _prose(text: str) -> Iterator[str]:
    """The lines outside fenced code blocks."""
    marks: str | None = None
    for line in text.splitlines():
        opened = _FENCE.match(line)
        if marks is not None:
            marks = None if line.strip() == marks else marks
        elif opened is not None:
            marks = opened["marks"]
        else:
            yield line


def headings(text: str) -> list[tuple[int, str]]:
    """(level, text) of every heading."""
    return [(len(found[1]), found[2]) for line in _prose(text) if (found := _HEADING.match(line))]


def slugs(text: str) -> set[str]:
    """The anchors of a page, made from its headings as GitHub does."""
    made: set[str] = set()
    for _, heading in headings(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        base = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        slug, number = base, 1
        while slug in made:
            slug, number = f"{base}-{number}", number + 1
        made.add(slug)
    return made


def links(text: str) -> list[str]:
    """The targets of the links on a page, except inside code."""
    return [found["target"] for line in _prose(text) for found in _LINK.finditer(_CODE.sub("``", line))]


def broken_links(page: Path) -> list[str]:
    """The broken relative links of a page, one line each. Web addresses are not checked."""
    wrong = []
    for target in links(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists():
            wrong.append(f"{page.relative_to(ROOT)}: {target} does not lead to a file")
        elif anchor and (file.suffix != ".md" or anchor not in slugs(file.read_text(encoding="utf-8"))):
            wrong.append(f"{page.relative_to(ROOT)}: {target} does not lead to a heading of {file.relative_to(ROOT)}")
    return wrong


# -- writing ---------------------------------------------------------------------------------------


def markdown(docstring: str | None) -> str:
    """Turn a docstring into Markdown: roles and double backquotes become code, ``::`` blocks become fences."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    out: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if not line.rstrip().endswith("::"):
            out.append(_inline(line))
            continue
        lead = line.rstrip()[:-2].rstrip()
        if lead:
            out.append(_inline(lead) + ":")
        code: list[str] = []
        while at < len(lines) and (not lines[at].strip() or lines[at].startswith("    ")):
            code.append(lines[at][4:])
            at += 1
        while code and not code[0].strip():
            code.pop(0)
        while code and not code[-1].strip():
            code.pop()
        label = "toml" if code and code[0].startswith("[") else "python"
        if out and out[-1]:
            out.append("")
        if label == "python":
            out.append("<!-- no-run: a part of a module -->")
        out += [f"```{label}", *code, "```", ""]
    return "\n".join(out).strip()


def _inline(line: str) -> str:
    line = re.sub(
        r":(?:class|meth|func|attr|data|mod|exc):`~([^`]+)`", lambda found: f"`{found[1].rpartition('.')[2]}`", line
    )
    line = re.sub(r":(?:class|meth|func|attr|data|mod|exc):`([^`]+)`", r"`\1`", line)
    return re.sub(r"``(.+?)``", r"`\1`", line)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table. Each row is one line, and bars inside cells are escaped."""

    def cells(row: Sequence[str]) -> str:
        return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in row) + " |"

    return "\n".join([cells(head), "|" + "---|" * len(head), *map(cells, rows)])


def public_methods(cls: type[Any], *, inherited: bool = False) -> dict[str, Any]:
    """The public functions and properties that a class defines, in source order. With ``inherited``, they come after
    those of its bases in this project."""
    bases = [base for base in reversed(cls.__mro__) if base.__module__.startswith("wbmodel")] if inherited else [cls]
    return {
        name: item
        for base in bases
        for name, item in vars(base).items()
        if not name.startswith("_") and (inspect.isfunction(item) or isinstance(item, (property, classmethod)))
    }


def function_of(item: Any) -> Callable[..., Any]:
    """The function inside a property or class method; a plain function is returned unchanged."""
    if isinstance(item, property):
        assert item.fget is not None
        return item.fget
    found: Callable[..., Any] = item.__func__ if isinstance(item, classmethod) else item
    return found


def twin(name: str, methods: Collection[str]) -> str:
    """A sentence that names the async twin of a method, or nothing if it has none."""
    return f" Twin: `a{name}`." if f"a{name}" in methods else ""


def members(
    cls: type[Any], *, bases: Sequence[type[Any]] = (), without: Collection[str] = (), types: bool = False
) -> list[tuple[str, str]]:
    """(name or signature, meaning) of the public members of a class, after those of some of its ``bases``. Async twins
    are named in the entry of the sync method. ``types`` adds the types of properties."""
    methods = {name: item for each in (*bases, cls) for name, item in public_methods(each).items()}
    rows = []
    for name, item in methods.items():
        if name in without or (name.startswith("a") and name[1:] in methods):
            continue
        function = function_of(item)
        if isinstance(item, property):
            text = f"{name}: {_type(inspect.signature(function).return_annotation)}" if types else name
        else:
            text = signature(function, name)
        rows.append((f"`{text}`", markdown(function.__doc__) + twin(name, methods)))
    return rows


def signature(function: Callable[..., Any], name: str, *, bound: bool = True) -> str:
    """``name(parameters) -> result``, with annotations as written in the source, so that it is the same on every
    Python version. ``bound`` leaves out the first parameter."""
    made = inspect.signature(function)
    parts: list[str] = []
    kinds = inspect.Parameter
    starred = slashed = False
    parameters = list(made.parameters.values())[1 if bound else 0 :]
    for index, item in enumerate(parameters):
        if item.kind is kinds.VAR_POSITIONAL:
            starred = True
        elif item.kind is kinds.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        mark = "*" if item.kind is kinds.VAR_POSITIONAL else "**" if item.kind is kinds.VAR_KEYWORD else ""
        shown = mark + item.name
        if item.annotation is not kinds.empty:
            shown += f": {_type(item.annotation)}"
        if item.default is not kinds.empty:
            shown += f" = {item.default!r}" if item.annotation is not kinds.empty else f"={item.default!r}"
        parts.append(shown)
        last_positional = index + 1 == len(parameters) or parameters[index + 1].kind is not kinds.POSITIONAL_ONLY
        if item.kind is kinds.POSITIONAL_ONLY and last_positional and not slashed:
            parts.append("/")
            slashed = True
    result = "" if made.return_annotation is made.empty else f" -> {_type(made.return_annotation)}"
    return f"{name}({', '.join(parts)}){result}"


def _type(annotation: object) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return text.replace("R_co", "Row").replace("E_co", "E").strip("'\"")
