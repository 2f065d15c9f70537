"""What could not be read: per file, where and why. Everything else was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import attrs

__all__ = ["MOST", "Damage", "Kind", "Report"]

Kind = Literal["bad checksum", "bad length", "bad record", "torn tail", "empty", "unreadable", "too large"]

MOST = 1000
"""Items that are kept of one file."""


@attrs.frozen(slots=True)
class Damage:
    """A part of a file that could not be read: ``size`` bytes (0 if unknown) at ``offset``. ``detail`` says more."""

    kind: Kind
    offset: int = 0
    size: int = 0
    detail: str = ""

    @property
    def is_loss(self) -> bool:
        """Whether data may be lost. A torn tail may still be in the making, and an empty file never had any."""
        return self.kind not in ("torn tail", "empty")

    def __str__(self) -> str:
        size = f", {self.size:,} bytes" if self.size else ""
        return f"{self.kind} at offset {self.offset:,}{size}" + (f": {self.detail}" if self.detail else "")


@attrs.frozen(slots=True)
class Report(Mapping[str, tuple[Damage, ...]]):
    """What could not be read, by path below the root; sound files are not in it. ``files`` is the number of all."""

    root: str
    files: int
    damage: Mapping[str, tuple[Damage, ...]] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()
    """What else is to be said: an index that could not be used, a slow library."""

    def __getitem__(self, path: str) -> tuple[Damage, ...]:
        return self.damage[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self.damage)

    def __len__(self) -> int:
        return len(self.damage)

    @property
    def losses(self) -> Mapping[str, tuple[Damage, ...]]:
        """Only the files of which something may be lost."""
        return {path: items for path, items in self.damage.items() if _lossy(items)}

    def __str__(self) -> str:
        lines = [f"{self.root}: {self.files} files, {len(self.losses)} of them with losses"]
        lines += [f"  {path}: {item}" for path, items in self.damage.items() for item in items]
        return "\n".join([*lines, *self.notes])


def _lossy(items: Iterable[Damage]) -> bool:
    return any(item.is_loss for item in items)
