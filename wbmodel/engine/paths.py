r"""Splits filter and order paths at dots and commas, with ``\.``, ``\,`` and ``\\`` as escapes.

The escapes are wbmodel's own; paths in W&B's documents never contain a backslash.
"""

from __future__ import annotations

__all__ = ["split_order", "split_path"]


def split_path(path: str, literal_keys: bool) -> list[str]:
    r"""The keys of a dotted path. With ``literal_keys``, ``\.``, ``\,`` and ``\\`` mean the character itself; a
    backslash before any other character is literal."""
    if not literal_keys or "\\" not in path:
        return path.split(".")
    keys: list[str] = []
    current: list[str] = []
    chars = iter(path)
    for char in chars:
        if char == "\\":
            following = next(chars, "")
            current.append(following if following and following in ".,\\" else char + following)
        elif char == ".":
            keys.append("".join(current))
            current = []
        else:
            current.append(char)
    keys.append("".join(current))
    return keys


def split_order(order: str) -> list[tuple[str, bool]]:
    r"""Split ``"-a,+b\,c"`` into ``[("a", True), ("b\,c", False)]``: still escaped paths, and whether they descend."""
    parts: list[str] = []
    start = at = 0
    while at < len(order):
        if order[at] == "\\":
            at += 1
        elif order[at] == ",":
            parts.append(order[start:at])
            start = at + 1
        at += 1
    parts.append(order[start:])
    keys = []
    for part in parts:
        term = part.strip() if part[:1].isspace() or part[-1:].isspace() else part
        if term:
            keys.append((term[1:], term[0] == "-") if term[0] in "+-" else (term, False))
    return keys
