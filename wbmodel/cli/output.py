"""Output: tables for people; JSON, JSON lines and CSV for programs; messages on standard error."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from wbmodel.display.cells import cell, flat, is_numeric, strict_value
from wbmodel.display.tables import GAP, fit, heading, least, padded
from wbmodel.json_values import ABSENT
from wbmodel.safe_text import escape, escape_json, width

__all__ = [
    "MAX_TABLE_COLUMNS",
    "cell",
    "complain",
    "emit",
    "fit",
    "prepare",
    "to_json",
    "wants_color",
    "write_csv",
    "write_table",
]

MAX_TABLE_COLUMNS = 200
"""Maximum number of columns in a table; CSV and JSON have no such limit."""
_STATE_STYLES = {
    "finished": "green",
    "running": "cyan",
    "pending": "cyan",
    "failed": "red",
    "crashed": "red",
    "killed": "red",
    "preempted": "yellow",
    "preempting": "yellow",
    "ok": "green",
    "broken": "red",
    "skipped": "yellow",
}


def prepare() -> None:
    """Let standard output and error take any text, and stand in for streams that the process began without.

    A file or pipe gets UTF-8, whatever the locale, unless ``PYTHONIOENCODING`` is set. A terminal gets its own encoding
    with other characters escaped.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            free = stream is sys.stdout and not stream.isatty() and "PYTHONIOENCODING" not in os.environ
            stream.reconfigure(encoding="utf-8" if free else None, errors="backslashreplace")


class _Closed(io.StringIO):
    """Standard output of a process that began without one: what is written there cannot be read by anyone."""

    def flush(self) -> None:
        if self.tell() and not self.closed:
            self.seek(0)
            self.truncate()
            raise OSError(errno.EBADF, "standard output is closed")


def emit(text: str) -> None:
    """Write a line to standard output, unescaped."""
    sys.stdout.write(text + "\n")


def complain(text: str, kind: str = "") -> None:
    """Write a message to standard error, with every line escaped."""
    lines = text.splitlines() or [""]
    head = f"wbmodel: {kind}: " if kind else ""
    try:
        sys.stdout.flush()
    finally:
        with contextlib.suppress(OSError):  # nobody can be told
            sys.stderr.write("\n".join([head + escape(lines[0]), *map(escape, lines[1:])]) + "\n")
            sys.stderr.flush()


# -- data ------------------------------------------------------------------------------------------


def to_json(value: Any, indent: int | None = 2) -> str:
    """Strict JSON text. Terminal control characters are written as JSON escapes."""
    # A stream that cannot take every character gets JSON's own escapes, which are the same text to every reader.
    escaped = not _can_write("\U0001f600")
    return escape_json(json.dumps(strict_value(value), ensure_ascii=escaped, allow_nan=False, indent=indent))


def write_csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """CSV with a header. Lists and objects are JSON text, null and absent are empty, NaN stays NaN."""
    import csv

    # Files and programs get the data unchanged; a terminal must not interpret it.
    guard = escape if sys.stdout.isatty() else str
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([guard(name) for name in names])
    for row in rows:
        writer.writerow([guard(_csv_cell(value)) for value in row])


def _csv_cell(value: Any) -> str:
    if value is None or value is ABSENT:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return cell(value) if not math.isfinite(value) else repr(value)
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else flat(value)


# -- tables ----------------------------------------------------------------------------------------


def write_table(
    names: Sequence[str], rows: Sequence[Sequence[Any]], *, footer: str = "", no_color: bool = False, head: bool = True
) -> None:
    """Print a table for people. On a terminal it fits the width: cells are cut, and columns that do not fit are named
    below the table. Elsewhere nothing is cut or coloured, and the footer goes to standard error. Without a ``head``, as
    for one object, nothing is cut either: a path is there to be copied."""
    live = sys.stdout.isatty()
    wide = live and head
    cells = [[cell(value) for value in row] for row in rows]
    titles = [escape(name) for name in names]
    natural = [
        max([width(title) if head else 0, *(width(row[at]) for row in cells)]) for at, title in enumerate(titles)
    ]
    right = [is_numeric(row[at] for row in rows) for at in range(len(titles))]
    notes = []
    if wide:
        room = _columns()
        kept, shown = fit(natural, room, [least(title) for title in titles])
        if kept < len(titles):
            hidden = titles[kept:]
            some = ", ".join(hidden[:5]) + (f" and {len(hidden) - 5} more" if len(hidden) > 5 else "")
            notes.append(f"not shown for lack of space: {some} (choose with -c, or use --json for all)")
    else:
        kept, shown = len(titles), natural
    if titles and wide:
        mark = "…" if _can_write("…") else ""
        shortened = [heading(title, size, mark) for title, size in zip(titles, shown, strict=False)]
        _draw_rich(shortened, cells, shown, right, wants_color(no_color))
    elif titles:
        _draw_plain(titles, cells, shown, right, head)
    notes += [footer] if footer else []
    for note in notes:
        if not live:
            complain(note)
            continue
        # A note is wrapped and never cut, because it says what is missing.
        emit("\n".join(_wrapped(note, _columns())))


def _draw_plain(
    titles: Sequence[str], cells: Sequence[Sequence[str]], shown: Sequence[int], right: Sequence[bool], head: bool
) -> None:
    for line in [titles, *cells] if head else cells:
        parts = [padded(line[at], size, right[at]) for at, size in enumerate(shown)]
        emit((" " * GAP).join(parts).rstrip())


def _draw_rich(
    titles: Sequence[str],
    cells: Sequence[Sequence[str]],
    shown: Sequence[int],
    right: Sequence[bool],
    color: bool,
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # rich's own no_color keeps bold, which is an escape sequence as well.
    system: Any = "auto" if color else None
    console = Console(width=_columns(), highlight=False, markup=False, emoji=False, color_system=system)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for at, size in enumerate(shown):
        # rich would count a gap after the last column.
        table.add_column(
            Text(titles[at], style="bold" if color else ""),
            width=size,
            no_wrap=True,
            overflow="ellipsis" if _can_write("…") else "crop",
            justify="right" if right[at] else "left",
        )
    for line in cells:
        table.add_row(*(Text(line[at], style=_STATE_STYLES.get(line[at], "")) for at in range(len(shown))))
    console.print(table)


def _columns() -> int:
    """The width of the terminal; ``COLUMNS`` overrides it."""
    import shutil

    return max(shutil.get_terminal_size().columns, 10)


def _wrapped(text: str, room: int) -> list[str]:
    import textwrap

    return textwrap.wrap(escape(text), max(room, 20)) or [""]


def _can_write(text: str) -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def wants_color(no_color: bool) -> bool:
    """Whether colours are wanted: not with ``--no-color`` or ``NO_COLOR``. rich detects what the terminal supports."""
    return not (no_color or os.environ.get("NO_COLOR"))
