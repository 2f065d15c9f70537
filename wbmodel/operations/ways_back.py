"""The way back from a server that refuses what wbmodel adds to a request by itself.

A refused request is planned again without an addition (an :class:`~wbmodel.compiler.extras.Extra`), one after the
other, and those first that the server names. If it names none, the request is first repeated as it was: the refusal may
have been by chance. Once an answer comes, the session remembers the addition that was left
out last. If the bare request is refused too, the refusal was about what the caller wrote: it is raised as it first
came, and nothing is remembered.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from wbmodel.compiler.extras import ALIASES, BY_DATE, FAR, KEYS, LARGE, NAMES, SEVERAL_KEYS, SIDES, Extra
from wbmodel.compiler.physical import Scan
from wbmodel.compiler.target import Target
from wbmodel.errors import NotSupportedByServer, QueryWarning, ServerError, warn
from wbmodel.operations.answer import Operation

__all__ = ["Refused", "on_lesser_terms", "refusable"]

T = TypeVar("T")
Refusal = ServerError | NotSupportedByServer

_WORD = re.compile(r"\$?[a-z0-9_]+(?:\.[a-z0-9_]+)*")
_PASSING = re.compile(
    r"time[d ]*out|deadline|rate.?limit|too many requests|try again|retry|unavailable|overload|context canceled"
    r"|not found|(?:failed|unable) to (?:find|fetch)|could not find|does not exist|permission|denied|forbidden"
    r"|authori[sz]|log(?:ged)? ?in",
    re.IGNORECASE,
)
"""The words of failures that may pass, and of places that are not there: without the addition they are the same."""
_CHEAP = (SIDES, KEYS, ALIASES, LARGE, FAR, BY_DATE, SEVERAL_KEYS, NAMES)
"""What is left out first if the server does not name what it refuses: what costs least to do without."""


class Refused(Exception):
    """A request with ``extras`` was refused. ``error`` is raised if no extra can be left out. ``own`` are the words of
    the caller's filter, and ``taken`` the extras that an earlier page had. Never leaves :func:`on_lesser_terms`."""

    def __init__(
        self, error: Refusal, extras: frozenset[Extra], own: frozenset[str], taken: frozenset[Extra] = frozenset()
    ) -> None:
        super().__init__(str(error))
        self.error, self.extras, self.own, self.taken = error, extras, own, taken

    def choice(self) -> tuple[Extra | None, bool]:
        """The extra to do without, and whether the server names one that it never took; None if the refusal is about
        something else."""
        error = self.error
        said = " ".join(map(str, (error, *getattr(error, "errors", ())))).lower()
        words = {part for word in _WORD.findall(said) for part in (word, *word.split("."))}
        others = sorted(self.extras - set(_CHEAP), key=str)
        extras = [extra for extra in (*_CHEAP, *others) if extra in self.extras]
        best = max(extras, key=lambda extra: len(extra.words & words))  # the first of several
        if best.words & words:
            return best, best not in self.taken
        other = isinstance(error, NotSupportedByServer) or self.own & words or _PASSING.search(said)
        return None if other else best, False


@contextlib.contextmanager
def refusable(
    extras: Callable[[], Iterable[Extra]], scans: Iterable[Scan] = (), taken: frozenset[Extra] = frozenset()
) -> Iterator[None]:
    """A block that sends requests with ``extras``; a refusal of one of them becomes :class:`Refused`.

    A refusal is GraphQL errors under any status, or HTTP 400 or 422. A server that fails refuses nothing.
    """
    try:
        yield
    except (ServerError, NotSupportedByServer) as error:
        plain = type(error) is ServerError and (error.errors or error.status in (400, 422))
        had = frozenset(extras()) if plain or isinstance(error, NotSupportedByServer) else frozenset()
        if not had:
            raise
        own = frozenset(word for scan in scans for word in _words(scan.pushed.wire))
        raise Refused(error, had, own, taken) from error


def _words(wire: Any) -> Iterator[str]:
    """The names and operators in a filter, in lower case."""
    if isinstance(wire, Mapping):
        for name, inner in wire.items():
            yield name.lower()
            yield from _words(inner)
    elif isinstance(wire, list):
        for inner in wire:
            yield from _words(inner)


def on_lesser_terms(work: Callable[[Target], Operation[T]], target: Target) -> Operation[tuple[T, Target]]:
    """Do ``work`` for a target, again without an extra for as long as the server refuses one. Returns its result, and
    the target without those extras."""
    first: Refused | None = None
    left_out: Extra | None = None
    repeated = False
    while True:
        try:
            done = yield from work(target)
            break
        except Refused as refused:
            first = first or refused
            extra, is_named = refused.choice()
            once = not repeated and getattr(refused.error, "attempts", 1) == 1
        if extra is None:
            raise first.error from first.error.__cause__
        if once and not is_named:
            repeated, left_out = True, None
            continue
        left_out, target = extra, target.without(extra)
    if left_out is not None and target.refusals.learn(left_out) and left_out.costs:
        warn(f"{target.place} refuses {left_out}; {left_out.instead} (explain() says so)", QueryWarning)
    return done, target
