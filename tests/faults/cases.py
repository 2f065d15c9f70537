"""A case of the matrix, as data: a fault, and how each operation must end under it.

An expectation is looked up by the operation's label, then by its group (``read``, ``write``, ``once``), then under
``all``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from tests.faults.runner import Operation, Scene
from wbmodel.errors import OutcomeUnknown
from wbmodel.testing import Fault

__all__ = [
    "SHORT",
    "STALL",
    "TWICE",
    "CASES",
    "Expect",
    "FaultCase",
    "answers",
    "fails",
    "of_each",
    "ok",
    "options",
    "plays",
    "unknown",
    "case",
]

TWICE = {"max_attempts": 2}
"""For a fault that stays: an error at the second attempt, without waiting for the deadline."""

SHORT = 2.0
"""Seconds that a stalled or busy server is given, on a quiet machine (:attr:`Scene.pace`): long beside what the
requests in front of it take, and short beside its stall."""

STALL = 120
"""Seconds of a stall: more than the longest of deadlines, on the busiest of machines."""


@attrs.frozen(kw_only=True)
class Expect:
    """``error`` None: it ends well. ``words`` are in the message, ``tries`` is how often the request is sent (least,
    most), ``done`` how often the engine carries a mutation out (least, most), ``pauses`` what the statistics say.
    ``names`` is whether the message is about a request: it names the operation then, and how often it was tried.
    ``failed`` is whether the call to the backend failed, and not what was made of its answer. ``again`` is how often
    more a listing or a count is asked for in another way: without what wbmodel added, or in smaller pages, for which it
    has another deadline (``smaller``)."""

    error: type[BaseException] | None = None
    words: tuple[str, ...] = ()
    tries: tuple[int, int] = (1, 1)
    done: tuple[int, int] = (0, 0)
    pauses: int = 0
    names: bool = True
    failed: bool = True
    again: int = 0
    smaller: bool = False

    def ways(self, operation: Operation) -> int:
        """In how many ways an operation is asked for at most."""
        return 1 + (self.again if operation.name in ("Runs", "RunsCount") else 0)


def _span(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def ok(tries: int = 1, *, done: int = 1, pauses: int = 0, again: int = 0) -> Expect:
    return Expect(tries=(tries, tries), done=(done, done), pauses=pauses, again=again)


def fails(
    error: type[BaseException],
    *words: str,
    tries: int | tuple[int, int] = 1,
    done: int | tuple[int, int] = 0,
    pauses: int = 0,
    again: int = 0,
) -> Expect:
    """The operation ends with this error, about the request."""
    smaller = again > 0 and "refused the request" not in words
    return Expect(
        error=error, words=words, tries=_span(tries), done=_span(done), pauses=pauses, again=again, smaller=smaller
    )


def answers(error: type[BaseException], *words: str, done: int = 0, names: bool = True, again: int = 0) -> Expect:
    """The server answers, and the answer becomes this error."""
    return Expect(error=error, words=words, done=(done, done), names=names, failed=False, again=again)


def unknown(*words: str, done: int | tuple[int, int] = 0, tries: int = 1, pauses: int = 0) -> Expect:
    """A mutation that is sent once and whose outcome stays unknown."""
    ways = ("it is unknown whether the server carried it out", "check the object on the server", *words)
    return fails(OutcomeUnknown, *ways, done=done, tries=tries, pauses=pauses)


_LOST = OutcomeUnknown
_IDEMPOTENT = ("it is unknown whether the server carried it out", "Retrying is safe")


@attrs.frozen(kw_only=True)
class FaultCase:
    """``pages`` is whether later pages of a list have a column of their own, ``reaches`` whether every try gets to the
    server, and ``needs`` says what is missing here to make it."""

    name: str
    setup: Callable[[Scene], None]
    expect: Mapping[str, Expect | None]
    pages: bool = True
    reaches: bool = True
    needs: Callable[[], str | None] = lambda: None

    def of(self, operation: Operation) -> Expect | None:
        """What is expected of an operation; None where it cannot meet the fault."""
        for name in (operation.label, operation.group, "all"):
            if name in self.expect:
                found = self.expect[name]
                lost = self.expect.get("once")
                if operation.group == "write" and found is not None and found.error and lost and lost.error is _LOST:
                    # Where the outcome of a mutation that is sent once is unknown, so is that of one that was repeated.
                    return attrs.evolve(found, error=_LOST, words=(found.words[0], *_IDEMPOTENT))
                return found
        raise KeyError(f"{self.name} says nothing of {operation.label}")


CASES: dict[str, FaultCase] = {}


def case(name: str, setup: Callable[[Scene], None], expect: Mapping[str, Expect | None], **options: Any) -> None:
    assert name not in CASES
    CASES[name] = FaultCase(name=name, setup=setup, expect=expect, **options)


def plays(fault: Fault, times: int | None = 1, **options: Any) -> Callable[[Scene], None]:
    def setup(scene: Scene) -> None:
        scene.play(fault, times)
        scene.options.update(options)

    return setup


def of_each(make: Callable[[Operation], Fault], **options: Any) -> Callable[[Scene], None]:
    """A fault that depends on the operation."""

    def setup(scene: Scene) -> None:
        scene.play(make(scene.operation), None)
        scene.options.update(options)

    return setup


def options(**options: Any) -> Callable[[Scene], None]:
    return lambda scene: scene.options.update(options)
