"""Small worlds in plain dicts, for tests that say themselves what the runs hold."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from wbmodel import QuerySet, Run, connect

__all__ = ["runs_of"]

_numbers = itertools.count(1)


@contextmanager
def runs_of(runs: Sequence[dict[str, Any]], **options: Any) -> Iterator[QuerySet[Run]]:
    """The runs of a project that holds these, ordered by id. Ids are r0000, r0001 ... in the order given."""
    given = [{"id": f"r{at:04d}", "state": "finished", **run} for at, run in enumerate(runs)]
    world = {"entities": {"acme": {"projects": {"p": {"runs": given}}}}}
    name = f"plain-{next(_numbers)}"
    with connect("fixtures:", world=world, name=name, project="acme/p", default=False, **options) as session:
        yield Run.objects.using(session).order_by("id")
