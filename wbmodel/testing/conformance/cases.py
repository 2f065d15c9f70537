"""Cases, and the decorators that attach them to test methods."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

import attrs

__all__ = ["COLOURS", "Case", "Nonconforming", "case", "cases", "cases_of"]

COLOURS = ("sync", "async")

Test = TypeVar("Test", bound=Callable[..., None])


class Nonconforming(AssertionError):
    """The backend's answer is wrong. The message says what was asked, what was wrong, and where to look."""


@attrs.frozen(slots=True)
class Case:
    """One question to a backend: a parameter of a test method.

    ``about`` describes it in a sentence, ``values`` are the method's arguments. ``parts`` are parts that the world must
    have (see :data:`wbmodel.testing.world.PARTS`), ``flags`` are capabilities that the backend must promise.
    ``core`` cases always run, the others with ``--wbmodel-full``.
    """

    id: str
    about: str
    values: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)
    parts: Collection[str] = attrs.field(default=(), kw_only=True)
    flags: Collection[str] = attrs.field(default=(), kw_only=True)
    core: bool = attrs.field(default=True, kw_only=True)


def cases(found: Iterable[Case]) -> Callable[[Test], Test]:
    """Attach cases to the decorated test method. Each has a value for every argument except ``kit``."""
    made = tuple(found)

    def note(test: Test) -> Test:
        vars(test)["conformance_cases"] = made
        return test

    return note


def case(case_id: str, *, parts: Collection[str] = (), flags: Collection[str] = ()) -> Callable[[Test], Test]:
    """Attach one case to the decorated test method, whose docstring describes it."""

    def note(test: Test) -> Test:
        return cases([Case(case_id, " ".join((test.__doc__ or "").split()), parts=parts, flags=flags)])(test)

    return note


def cases_of(test: object) -> tuple[Case, ...]:
    """The cases of a test method; empty for a test that is not one of the kit's."""
    found: tuple[Case, ...] = getattr(test, "conformance_cases", ())
    return found
