"""``progress=`` of every verb that may take long: nothing, a bar on a terminal, or a callback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import attrs

from wbmodel.errors import QueryError
from wbmodel.safe_text import counted, readable

__all__ = ["Progress", "Status", "Wanted", "reporting"]


@attrs.frozen(slots=True, kw_only=True)
class Status:
    """How far a verb is: ``done`` of ``total`` things (``noun``: runs, files; None: not known), with so many ``rows``
    and ``bytes`` so far (None: not counted)."""

    noun: str
    done: int = 0
    total: int | None = None
    rows: int | None = None
    bytes: int | None = None

    def __str__(self) -> str:
        parts = [counted(self.done, self.noun) if self.total is None else f"{self.done} of {self.total} {self.noun}s"]
        parts += [] if self.rows is None else [counted(self.rows, "row")]
        parts += [] if self.bytes is None else [readable(self.bytes)]
        return ", ".join(parts)


Progress = Callable[[Status], object]
"""Is told how far a verb is, often; from the thread or task that runs it."""

Wanted = Literal[True, False] | Progress | None
"""``True`` is a bar on standard error if that is a terminal, and nothing else; a callback is called with each
:class:`Status`; None and ``False`` are silent."""


def _silent(status: Status) -> None:
    pass


@contextmanager
def reporting(wanted: Wanted, title: str) -> Iterator[Progress]:
    """What to tell the progress to, while the block lasts.

    Raises :class:`~wbmodel.errors.QueryError` for anything but a flag or a callback.
    """
    if callable(wanted):
        yield wanted
        return
    if wanted not in (None, True, False):
        raise QueryError(f"progress takes True, False or a function of one argument, not {wanted!r}")
    if not wanted or not sys.stderr.isatty():
        yield _silent
        return
    with _bar(title) as tell:
        yield tell


@contextmanager
def _bar(title: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns: tuple[Any, ...] = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[words]}", markup=False),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, words="")
        yield lambda status: bar.update(task, completed=status.done, total=status.total, words=str(status))
