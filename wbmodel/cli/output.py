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
from datetime import datetime
from typing import Any

from wbmodel.codec import format_datetime, strict
from wbmodel.display.cells import is_numeric
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
_GAP = 2
_NARROW = 8
"""Minimum width of a column, if the terminal is too narrow for all."""
_WIDEST = 60
"""Maximum width of a column on a terminal while other columns need space."""
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


def _strict(value: Any) -> Any:
    """``value`` as strict JSON data: non-finite numbers and absent values are null, times are RFC 3339 text."""
    return strict(value, lambda _: None, _other)


def _other(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_datetime(value)
    if isinstance(value, (set, frozenset)):
        return _strict(list(value))
    return None if value is ABSENT else str(value)


def to_json(value: Any, indent: int | None = 2) -> str:
    """Strict JSON text. Terminal control characters are written as JSON escapes."""
    # A stream that cannot take every character gets JSON's own escapes, which are the same text to every reader.
    escaped = not _can_write("\U0001f600")
    return escape_json(json.dumps(_strict(value), ensure_ascii=escaped, allow_nan=False, indent=indent))


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
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else _flat(value)


def _flat(value: Any) -> str:
    found = _strict(value)
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def cell(value: Any) -> str:
    """A value for people: one escaped line. Numbers have six digits, times are in UTC to the second."""
    if value is None or value is ABSENT:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isfinite(value):
            return f"{value:.6g}"
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, datetime):
        return format_datetime(value.replace(microsecond=0))
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return escape(", ".join(value))
    if isinstance(value, str):
        # Escaping a whole megabyte of notes is not needed to show its first line.
        return escape(value if len(value) <= 2000 else value[:2000] + "…")
    return escape(_flat(value)[:2000])


# -- tables ----------------------------------------------------------------------------------------


def write_table(
    names: Sequence[str], rows: Sequence[Sequence[Any]], *, footer: str = "", no_color: bool = False, head: bool = True
) -> None:
    """Print a table for people. On a terminal it fits the width: cells are cut, and columns that do not fit are named
    below the table. Elsewhere nothing is cut or coloured, and the footer goes to standard error."""
    live = sys.stdout.isatty()
    cells = [[cell(value) for value in row] for row in rows]
    titles = [escape(name) for name in names]
    natural = [
        max([width(title) if head else 0, *(width(row[at]) for row in cells)]) for at, title in enumerate(titles)
    ]
    right = [is_numeric(row[at] for row in rows) for at in range(len(titles))]
    notes = []
    if live:
        room = _columns()
        kept, shown = fit(natural, room)
        if kept < len(titles):
            hidden = titles[kept:]
            some = ", ".join(hidden[:5]) + (f" and {len(hidden) - 5} more" if len(hidden) > 5 else "")
            notes.append(f"not shown for lack of space: {some} (choose with -c, or use --json for all)")
    else:
        kept, shown = len(titles), natural
    if titles and live:
        _draw_rich(titles[:kept], cells, shown, right, head, wants_color(no_color))
    elif titles:
        _draw_plain(titles, cells, shown, right, head)
    notes += [footer] if footer else []
    for note in notes:
        if not live:
            complain(note)
            continue
        # A note is wrapped and never cut, because it says what is missing.
        emit("\n".join(_wrapped(note, _columns())))


def fit(natural: Sequence[int], room: int) -> tuple[int, list[int]]:
    """How many columns fit into a width of ``room``, and the width of each. The first column is always shown."""
    least = [min(size, _NARROW) for size in natural]
    kept, used = 0, -_GAP
    for size in least:
        if kept and used + _GAP + size > room:
            break
        used += _GAP + size
        kept += 1
    shown = least[:kept]
    if kept:
        shown[0] = min(shown[0], max(room, 1))
    spare = room - sum(shown) - _GAP * (kept - 1)
    # First every column grows to a readable width, then the remaining space goes to the widest, from the left.
    for limit in (_WIDEST, 10**9):
        for at in range(kept):
            more = min(max(min(natural[at], limit) - shown[at], 0), max(spare, 0))
            shown[at] += more
            spare -= more
    return kept, shown


def _draw_plain(
    titles: Sequence[str], cells: Sequence[Sequence[str]], shown: Sequence[int], right: Sequence[bool], head: bool
) -> None:
    for line in [titles, *cells] if head else cells:
        parts = [_padded(line[at], size, right[at]) for at, size in enumerate(shown)]
        emit((" " * _GAP).join(parts).rstrip())


def _draw_rich(
    titles: Sequence[str],
    cells: Sequence[Sequence[str]],
    shown: Sequence[int],
    right: Sequence[bool],
    head: bool,
    color: bool,
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # rich's own no_color keeps bold, which is an escape sequence as well.
    system: Any = "auto" if color else None
    console = Console(width=_columns(), highlight=False, markup=False, emoji=False, color_system=system)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=head)
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


def _padded(text: str, size: int, right: bool) -> str:
    space = " " * max(size - width(text), 0)
    return space + text if right else text + space


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
