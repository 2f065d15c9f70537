"""What a case is, how a group of cases is written, and the errors by which one ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from wbmodel.testing.conformance.kit import Kit

__all__ = ["COLOURS", "Case", "Group", "Inapplicable", "Nonconforming"]

COLOURS = ("sync", "async")


class Nonconforming(AssertionError):
    """The backend's answer is wrong. The message says what was asked, what was wrong, and where to look."""


class Inapplicable(Exception):
    """The case has nothing to ask of this backend or world; the message says why."""


@attrs.frozen(slots=True, kw_only=True)
class Case:
    """One question to a backend.

    ``run`` raises :class:`Nonconforming` for a wrong answer. ``parts`` are what the world must hold (see
    ``wbmodel.testing.world.PARTS``), ``flags`` the capabilities without which there is nothing to ask. ``core`` cases
    run always, the others with ``--wbmodel-full``.
    """

    id: str
    about: str
    run: Callable[[Kit], None]
    parts: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    core: bool = True


class Group:
    """Cases whose ids begin alike. ``@group("name")`` makes a case of a function, whose docstring says what it asks."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.cases: list[Case] = []
        self._ids: set[str] = set()

    def __call__(
        self, name: str, *, parts: Iterable[str] = (), flags: Iterable[str] = (), core: bool = True
    ) -> Callable[[Callable[[Kit], None]], Callable[[Kit], None]]:
        def note(run: Callable[[Kit], None]) -> Callable[[Kit], None]:
            self.add(name, run, run.__doc__ or "", parts=parts, flags=flags, core=core)
            return run

        return note

    def add(
        self,
        name: str,
        run: Callable[[Kit], None],
        about: str,
        *,
        parts: Iterable[str] = (),
        flags: Iterable[str] = (),
        core: bool = True,
    ) -> None:
        """Add a case; ``about`` says in one sentence what it asks."""
        case_id = f"{self.prefix}/{name}"
        if case_id in self._ids:
            raise ValueError(f"there are two cases {case_id!r}")
        self._ids.add(case_id)
        words = " ".join(about.split())
        if not words:
            raise ValueError(f"the case {case_id!r} does not say what it asks")
        self.cases.append(
            Case(id=case_id, about=words, run=run, parts=frozenset(parts), flags=frozenset(flags), core=core)
        )
