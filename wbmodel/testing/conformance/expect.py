"""Declarations of what a backend cannot do: ``notimpl``, ``notyet`` and ``never``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Literal

import attrs

from wbmodel.errors import suggestion

__all__ = ["Expectation", "find_expectation", "never", "notimpl", "notyet", "unknown_patterns"]

Kind = Literal["notimpl", "notyet", "never"]
Raises = type[BaseException] | tuple[type[BaseException], ...] | None


@attrs.frozen(slots=True)
class Expectation:
    """Why a case is expected to fail. ``raises`` limits this to failures by (or caused by) these exceptions."""

    kind: Kind
    reason: str
    raises: Raises = None

    def covered(self, error: BaseException) -> BaseException | None:
        """The declared failure: ``error`` or one of its causes. None if the case failed in another way."""
        at: BaseException | None = error
        while at is not None and self.raises is not None and not isinstance(at, self.raises):
            at = at.__cause__ or at.__context__
        return at

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


def _expect(kind: Kind, reason: str, raises: Raises) -> Expectation:
    if len(str(reason).strip()) < 5:
        raise ValueError(f"{kind}() needs a reason that tells a reader something, not {reason!r}")
    return Expectation(kind, reason.strip(), raises)


def notimpl(reason: str, *, raises: Raises = None) -> Expectation:
    """The backend could do this and does not yet."""
    return _expect("notimpl", reason, raises)


def notyet(reason: str, *, raises: Raises = None) -> Expectation:
    """What the backend builds on (a server, a library, a file format) cannot do this yet."""
    return _expect("notyet", reason, raises)


def never(reason: str, *, raises: Raises = None) -> Expectation:
    """This does not make sense for the backend, and never will."""
    return _expect("never", reason, raises)


def find_expectation(expected: Mapping[str, Expectation], case: str, colour: str) -> Expectation | None:
    """The declaration for a case in a colour, first by its exact id, then by pattern. ``*`` matches any text,
    including slashes; ``case:sync`` and ``case:async`` name one colour."""
    names = (f"{case}:{colour}", case)
    for name in names:
        if name in expected:
            return expected[name]
    return next((found for pattern, found in expected.items() if any(_fits(name, pattern) for name in names)), None)


def _fits(name: str, pattern: str) -> bool:
    # A bracket does not begin a set of characters here, because ids are matched literally.
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def unknown_patterns(expected: Mapping[str, object], cases: Iterable[str]) -> list[str]:
    """A complaint for every declaration that matches no case, and for every value that is not a declaration."""
    known = list(cases)
    names = {name for case in known for name in (case, f"{case}:sync", f"{case}:async")}
    problems = []
    for pattern, found in expected.items():
        if not isinstance(found, Expectation):
            problems.append(f"{pattern!r}: notimpl(reason), notyet(reason) or never(reason) is needed, not {found!r}")
        if pattern not in names and not any(_fits(name, pattern) for name in names):
            problems.append(f"{pattern!r} names no case{suggestion(pattern, known, 'cases')}")
    return problems
