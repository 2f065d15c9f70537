"""YAML 1.2 text to plain values, with the line of every key: the core schema, one document, no foreign tags.

PyYAML's parser gives events. The tree is built from them here with an explicit stack, which checks depth, duplicate
keys, aliases and merge keys; no input ends in a ``RecursionError``. Differences from PyYAML's ``safe_load``: ``1e-3``
is a number, ``yes``/``no``/``on``/``off``, dates and ``1:30`` are text, octal is ``0o17``, and mapping keys are always
text, exactly as written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import attrs

__all__ = ["Marks", "NotYaml", "TextProblem", "core_type", "find_marks", "fitting", "read_yaml"]

Marks = dict[int, dict[Any, int]]
"""``id`` of a container -> its keys or indexes -> the line (from 1) that each stands on."""

_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TAG = "tag:yaml.org,2002:"
_MAX_EXPANDED = 2_000_000
"""What all aliases together may stand for: values, and 32 characters of text count as one more. More is a bomb or a
mistake: such a file is small, and what is read from it takes minutes and gigabytes."""


class TextProblem(ValueError):
    """Text that cannot be read as YAML or JSON; ``line`` counts from 1 (None: unknown)."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class NotYaml(TextProblem):
    """The parser cannot read the text at all."""


def core_type(text: str) -> str:
    """What a plain scalar is in the core schema: ``null``, ``bool``, ``int``, ``float`` or ``str``."""
    if text in _NULLS:
        return "null"
    if text in _BOOLS:
        return "bool"
    if _INT.fullmatch(text):
        return "int"
    if _FLOAT.fullmatch(text) or _SPECIAL.fullmatch(text):
        return "float"
    return "str"


def _scalar(text: str, kind: str) -> Any:
    if kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return _BOOLS[text]
    if kind == "int":
        # Base 0 would also take 0b and underscores, which the pattern excludes; 007 needs base 10.
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text.replace(".", "")) if _SPECIAL.fullmatch(text) else fitting(text)


def fitting(text: str) -> float:
    """The float that ``text`` writes. Raises ``ValueError`` where it would become infinity or, not being 0, become 0:
    such text is more often a commit's hash (``695e0514``) than a number."""
    value = float(text)
    if math.isinf(value) or (value == 0 and re.search("[1-9]", re.split("[eE]", text)[0])):
        raise ValueError(f"{text} does not fit a float; quote it if it is text")
    return value


@attrs.define(slots=True, eq=False)
class _Frame:
    """A collection that is being read. ``size`` is the weight of the values below it, with aliases expanded."""

    container: dict[str, Any] | list[Any]
    line: int
    anchor: str | None
    lines: dict[Any, int] = attrs.field(factory=dict)
    key: str | None = None
    key_line: int = 0
    merge: list[Any] = attrs.field(factory=list)
    merging: bool = False
    size: int = 1


def _weight(text: str) -> int:
    return 1 + len(text) // 32


def find_marks(value: Any, marks: Marks, paths: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], int | None]:
    """The line (from 1) of each path below ``value``, or of as much of the path as there is."""

    def line_of(path: tuple[Any, ...]) -> int:
        line, at = 1, value
        for part in path:
            found = marks.get(id(at), {}).get(part)
            if found is None:
                break
            line, at = found, at[part]
        return line

    return {path: line_of(path) for path in paths}


def read_yaml(text: str, max_depth: int) -> tuple[Any, Marks]:
    """The one document in ``text`` and its marks. Raises :class:`TextProblem`."""
    import yaml

    loader: Any = getattr(yaml, "CLoader", yaml.Loader)
    builder = _Builder(max_depth)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(type(event).__name__, event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise NotYaml(f"this is not YAML: {problem}", mark.line + 1 if mark else None) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        raise NotYaml(f"this is not YAML: {error.reason}", line) from None
    return builder.root, builder.marks


class _Builder:
    """Takes the parser's events one by one; :attr:`root` is the value when the stream has ended."""

    def __init__(self, max_depth: int) -> None:
        self.root: Any = None
        self.marks: Marks = {}
        self._max_depth = max_depth
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._documents = 0
        self._expanded = 0

    def take(self, kind: str, event: Any) -> None:
        if kind == "ScalarEvent":
            self._take_scalar(event)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._open({} if kind == "MappingStartEvent" else [], event)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._close()
        elif kind == "AliasEvent":
            self._take_alias(event)
        elif kind == "DocumentStartEvent":
            self._documents += 1
            if self._documents > 1:
                raise TextProblem("a second YAML document begins here; a file has one", event.start_mark.line + 1)

    def _take_scalar(self, event: Any) -> None:
        line, text, tag = event.start_mark.line + 1, event.value, event.tag
        plain = event.implicit[0]
        if tag is None or tag == "!":
            kind = core_type(text) if plain and tag is None else "str"
        elif tag.startswith(_TAG) and tag[len(_TAG) :] in ("str", "int", "float", "bool", "null"):
            kind = tag[len(_TAG) :]
            found = core_type(text)
            if kind != "str" and kind != found and (kind, found) != ("float", "int"):
                raise TextProblem(f"{text!r} is not a value of the tag !!{kind}", line)
        else:
            raise _foreign_tag(tag, line)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None and not frame.merging:
            if text == "<<" and plain and tag is None:
                frame.merging, frame.key_line = True, line
            else:
                self._begin_pair(frame, text, line)
            if event.anchor:
                self._anchors[event.anchor] = (text, _weight(text))
            return
        try:
            value = _scalar(text, kind)
        except ValueError as error:
            raise TextProblem(f"this number cannot be read: {error}", line) from None
        if event.anchor:
            self._anchors[event.anchor] = (value, _weight(text))
        self._add(value, line, _weight(text))

    def _begin_pair(self, frame: _Frame, key: str, line: int) -> None:
        if key in frame.lines:
            raise TextProblem(f"key {key!r} appears twice; first on line {frame.lines[key]}", line)
        frame.key, frame.key_line = key, line
        frame.lines[key] = line

    def _open(self, container: dict[str, Any] | list[Any], event: Any) -> None:
        line = event.start_mark.line + 1
        if event.tag not in (None, "!", _TAG + ("map" if isinstance(container, dict) else "seq")):
            raise _foreign_tag(event.tag, line)
        if len(self._stack) >= self._max_depth:
            raise TextProblem(f"values are nested more than {self._max_depth} deep", line)
        above = self._stack[-1] if self._stack else None
        if above is not None and isinstance(above.container, dict) and above.key is None and not above.merging:
            raise TextProblem("a key is text here, not a list or a mapping", line)
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        self._stack.append(_Frame(container, line, event.anchor))

    def _close(self) -> None:
        frame = self._stack.pop()
        container = frame.container
        if isinstance(container, dict):
            for source in frame.merge:
                for key, value in source.items():
                    if key not in container:
                        container[key] = value
                        frame.lines[key] = self.marks.get(id(source), {}).get(key, frame.line)
        self.marks[id(container)] = frame.lines
        if frame.anchor:
            self._anchors[frame.anchor] = (container, frame.size)
        self._add(container, frame.line, frame.size)

    def _take_alias(self, event: Any) -> None:
        line, name = event.start_mark.line + 1, event.anchor
        if any(frame.anchor == name for frame in self._stack) and name not in self._anchors:
            raise TextProblem(f"alias *{name} is inside the value it refers to: a cycle", line)
        if name not in self._anchors:
            raise TextProblem(f"alias *{name} refers to nothing before it", line)
        value, size = self._anchors[name]
        self._expanded += size
        if self._expanded > _MAX_EXPANDED:
            raise TextProblem(
                f"the aliases up to *{name} stand for more than {_MAX_EXPANDED:,} values; write the file without "
                "aliases, or as JSON, if it is meant to be that large",
                line,
            )
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None and not frame.merging:
            if not isinstance(value, str):
                raise TextProblem(f"a key is text here, and alias *{name} is not", line)
            self._begin_pair(frame, value, line)
            return
        self._add(value, line, size)

    def _add(self, value: Any, line: int, size: int) -> None:
        if not self._stack:
            self.root = value
            return
        frame = self._stack[-1]
        frame.size += size
        if isinstance(frame.container, list):
            frame.lines[len(frame.container)] = line
            frame.container.append(value)
        elif frame.merging:
            sources = value if isinstance(value, list) else [value]
            if not all(isinstance(source, dict) for source in sources):
                raise TextProblem("the merge key << takes a mapping or a list of mappings", frame.key_line)
            frame.merge.extend(sources)
            frame.merging = False
        else:
            assert frame.key is not None
            frame.container[frame.key] = value
            frame.key = None


def _foreign_tag(tag: str, line: int) -> TextProblem:
    shown = "!!" + tag[len(_TAG) :] if tag.startswith(_TAG) else tag
    return TextProblem(f"the tag {shown} is not supported; only plain values are", line)
