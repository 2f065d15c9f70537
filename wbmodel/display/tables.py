"""Tables of plain values, as text for a shell and as HTML for a notebook."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from wbmodel.display.cells import cell, is_numeric
from wbmodel.safe_text import counted, escape, width

if TYPE_CHECKING:
    from wbmodel.table.table import Table

__all__ = ["GAP", "ROWS", "fit", "heading", "html_of", "least", "padded", "repr_of", "text_table"]

GAP = 2
"""Spaces between columns."""
ROWS = 20
"""The most rows that are shown."""
_NARROW = 8
"""The minimum width of a column when not all columns fit."""
_READABLE = 26
"""So much of a heading is kept, if there is no room for all."""
_WIDEST = 60
"""The most width of a column while other columns need space."""


def repr_of(words: str, read: Callable[[], Table], noun: str, note: str | None = None) -> str:
    """``words`` and a table, with a ``note`` (by default: how many rows it has); only the words if representations are
    off. Never raises, as a ``repr`` must not."""
    from wbmodel.display.notebook import is_off

    if is_off():
        return words
    try:
        table = read()
        return text_table(list(table.columns), _rows(table), note or _note(words, table, noun))
    except Exception as error:
        return f"{words[:-1]} cannot be evaluated: {error}>"


def html_of(words: str, read: Callable[[], Table], noun: str, note: str | None = None) -> str | None:
    """The same as HTML; None if representations are off."""
    from wbmodel.display.notebook import is_off, paragraph, table_html

    if is_off():
        return None
    try:
        table = read()
        return table_html(list(table.columns), _rows(table), note or _note(words, table, noun))
    except Exception as error:
        return paragraph(f"{words[:-1]} cannot be evaluated: {error}>")


def _rows(table: Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column[:ROWS] for column in table.columns.values()), strict=True))


def _note(words: str, table: Table, noun: str) -> str:
    some = f", showing the first {ROWS}" if table.length > ROWS else ""
    return f"{words}: {counted(table.length, noun)}{some}"


def text_table(head: Sequence[str], rows: Sequence[Sequence[Any]], note: str) -> str:
    """A table as text that fits the terminal, with a ``note`` above it and the names of columns that do not fit below.

    Cells are cut, and headings keep their ends, which tell most.
    """
    titles = [escape(name) for name in head]
    lines = [[cell(value) for value in row] for row in rows]
    natural = [max([width(title), *(width(line[at]) for line in lines)]) for at, title in enumerate(titles)]
    room = max(shutil.get_terminal_size().columns, 20)
    kept, sizes = fit(natural, room, [least(title) for title in titles])
    right = [is_numeric(row[at] for row in rows) for at in range(kept)]
    made = [escape(note)]
    for line in [[heading(title, size) for title, size in zip(titles, sizes, strict=False)], *lines]:
        parts = [padded(_cut(line[at], size), size, right[at]) for at, size in enumerate(sizes)]
        made.append((" " * GAP).join(parts).rstrip())
    if kept < len(titles):
        hidden = titles[kept:]
        more = f" and {len(hidden) - 5} more" if len(hidden) > 5 else ""
        made.append(f"not shown for lack of space: {', '.join(hidden[:5])}{more}")
    return "\n".join(made)


def least(title: str) -> int:
    """The minimum width of a column with this heading: its last part stays readable."""
    size = width(title)
    last = width(title.rpartition(".")[2]) + 1
    return min(size, max(_NARROW, min(last, _READABLE)))


def heading(title: str, size: int, mark: str = "\u2026") -> str:
    """``title``, shortened from the left: the end of ``config.optimizer.lr`` tells more than its beginning."""
    if width(title) <= size:
        return title
    while title and width(title) + len(mark) > size:
        title = title[1:]
    return mark + title


def fit(natural: Sequence[int], room: int, readable: Sequence[int] = ()) -> tuple[int, list[int]]:
    """How many columns fit into a width of ``room``, and the width of each. The first column is always shown.

    ``natural`` are the widths at which nothing is cut, ``readable`` the least for the headings.
    """
    smallest = [min(size, max(_NARROW, title)) for size, title in zip_longest(natural, readable, fillvalue=0)]
    kept, used = 0, -GAP
    for size in smallest:
        if kept and used + GAP + size > room:
            break
        used += GAP + size
        kept += 1
    shown = smallest[:kept]
    if kept:
        shown[0] = min(shown[0], max(room, 1))
    spare = room - sum(shown) - GAP * (kept - 1)
    # First every column grows to a readable width, then the remaining space goes to the widest, from the left.
    for limit in (_WIDEST, 10**9):
        for at in range(kept):
            more = min(max(min(natural[at], limit) - shown[at], 0), max(spare, 0))
            shown[at] += more
            spare -= more
    return kept, shown


def padded(text: str, size: int, right: bool) -> str:
    """``text`` filled with spaces to a width."""
    space = " " * max(size - width(text), 0)
    return space + text if right else text + space


def _cut(text: str, size: int) -> str:
    if width(text) <= size:
        return text
    while text and width(text) + 1 > size:
        text = text[:-1]
    return text + "\u2026"
