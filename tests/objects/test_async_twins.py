"""Both colours: every terminal method has its twin, with the same signature, and the same answer."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests.support.queries import ids, on
from wbmodel import Run, Sweep
from wbmodel.objects.queryset import QuerySet
from wbmodel.testing import count_requests

TERMINAL = ["get", "get_or_none", "first", "last", "latest", "earliest", "best", "count", "exists"]
TERMINAL += ["contains", "in_bulk", "explain"]


def public() -> list[str]:
    return [name for name in dir(QuerySet) if not name.startswith("_")]


TWINS = [name for name in public() if inspect.iscoroutinefunction(getattr(QuerySet, name))] + ["aiterator"]


def test_no_terminal_method_is_without_its_twin() -> None:
    assert {f"a{name}" for name in TERMINAL} <= set(TWINS)
    assert hasattr(QuerySet, "__aiter__")
    # Whatever is awaited has a plain twin; whatever has none is a chain method or a property, and asks nothing.
    assert [name for name in TWINS if name[0] != "a" or name[1:] not in public()] == []


@pytest.mark.parametrize("name", sorted(name[1:] for name in TWINS))
def test_signatures_agree(name: str) -> None:
    plain, twin = inspect.signature(getattr(QuerySet, name)), inspect.signature(getattr(QuerySet, f"a{name}"))
    assert list(plain.parameters.values()) == list(twin.parameters.values())
    # ``from __future__ import annotations``: return types are compared as they are written.
    written = str(twin.return_annotation).replace("AsyncIterator", "Iterator")
    assert str(plain.return_annotation) == written
    assert "twin" in (getattr(QuerySet, f"a{name}").__doc__ or "")


def test_entities_have_twins_too() -> None:
    assert inspect.signature(Sweep.best_run).parameters == inspect.signature(Sweep.abest_run).parameters
    assert inspect.iscoroutinefunction(Sweep.abest_run)


CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "get": ((), {"id": "v03"}),
    "get_or_none": ((), {"id": "zzz"}),
    "first": ((), {}),
    "last": ((), {}),
    "latest": (("name",), {}),
    "earliest": ((), {}),
    "best": (("summary.loss",), {"goal": "max"}),
    "count": ((), {}),
    "exists": ((), {}),
    "in_bulk": ((["v01", "v02", "zzz"],), {}),
    "explain": ((), {}),
}


@pytest.mark.parametrize("kind", ["full", "weak", "hostile1"])
@pytest.mark.parametrize("name", CALLS)
async def test_every_twin_on_both_kinds_of_backend(kind: str, name: str) -> None:
    arguments, keywords = CALLS[name]
    with on(kind):
        rows = Run.objects.filter(summary__loss__lt=10).order_by("-config.lr", "id")
        getattr(rows.all(), name)(*arguments, **keywords)  # why a result is empty is looked up once in a session
        with count_requests() as plain:
            expected = getattr(rows.all(), name)(*arguments, **keywords)
        with count_requests() as other:
            found = await getattr(rows.all(), f"a{name}")(*arguments, **keywords)
        assert str(found) == str(expected)
        assert found == expected or name == "explain"
        assert [str(request) for request in other.requests] == [str(request) for request in plain.requests]


@pytest.mark.parametrize("kind", ["full", "weak"])
async def test_iteration(kind: str) -> None:
    with on(kind):
        rows = Run.objects.filter(summary__loss__lt=10)
        expected = ids(rows.all())
        assert [run.id async for run in rows] == expected
        assert [run.id async for run in rows.aiterator()] == expected
        assert [run.id async for run in rows.prefetch_related("files").aiterator(chunk_size=3)] == expected
        run = rows[0]
        assert await rows.acontains(run)
        assert not await rows.exclude(id=run.id).acontains(run)
        # What was read in one colour is there for the other.
        assert rows._result.complete
        assert ids(rows) == expected


async def test_plain_calls_work_inside_a_running_loop() -> None:
    """A notebook's cell runs inside a loop; the plain colour works there on both kinds of backend."""
    for kind in ("full", "weak"):
        with on(kind):
            assert Run.objects.count() == len(list(Run.objects.all()))
