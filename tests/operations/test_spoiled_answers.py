"""True answers with one place spoiled, over all verbs and both colours: what comes out is right, said, or an error of
wbmodel's own that names the place."""

from __future__ import annotations

import asyncio
import json
import random
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from tests.support.backends import WEAK, EngineBackend, served
from tests.support.worlds import make_world
from wbmodel import Artifact, Count, Entity, File, Max, Project, Report, Run, Sweep, User
from wbmodel.entities.base import Model
from wbmodel.errors import ServerError, WbmodelError
from wbmodel.meta import Kind, state
from wbmodel.request import Request, Response

WORLD = make_world()
CAN = attrs.evolve(WEAK, writable=True)
QUICK, MANY = 6, 150
"""Spoiled answers per verb and colour."""


@attrs.frozen
class Verb:
    """A queryset or object to call, and the method; ``writes`` needs a world of its own."""

    of: Callable[[], Any]
    method: str = ""
    args: tuple[Any, ...] = ()
    given: dict[str, Any] = attrs.field(factory=dict)
    writes: bool = False

    def now(self) -> Any:
        subject = self.of()
        found = getattr(subject, self.method)(*self.args, **self.given) if self.method else list(subject)
        return found if self.method not in ("refresh", "save") else subject

    async def later(self) -> Any:
        subject = self.of()
        if not self.method:
            return [row async for row in subject]
        found = await getattr(subject, f"a{self.method}")(*self.args, **self.given)
        return found if self.method not in ("refresh", "save") else subject


def _run(key: str = "v05") -> Any:
    return Run.objects.get(id=key)


def _edited() -> Any:
    run = _run()
    run.config["z"], run.notes = 1, "new"
    return run


def _edited_project() -> Any:
    project = Project.objects.get(path="acme/vision")
    project.description = "new"
    return project


SWEEP = {"method": "grid", "parameters": {"lr": {"values": [1]}}}
VERBS = {
    "list": Verb(Run.objects.all),
    "list, by a key": Verb(lambda: Run.objects.order_by("summary.loss")[:9]),
    "list, by name": Verb(lambda: Run.objects.order_by("name")),
    "related": Verb(lambda: Run.objects.select_related("user", "project")[:6]),
    "prefetched": Verb(lambda: Run.objects.prefetch_related("sweep", "files")[:4]),
    "two projects": Verb(lambda: Run.objects.filter(project__in=["acme/vision", "acme/nlp"])),
    "values": Verb(lambda: Run.objects.values("id", "config.lr", "created_at")),
    "count": Verb(lambda: Run.objects.filter(state="finished"), "count"),
    "count of all": Verb(Run.objects.all, "count"),
    "exists": Verb(lambda: Run.objects.exclude(state="running"), "exists"),
    "get": Verb(lambda: Run.objects, "get", (), {"id": "v05"}),
    "first": Verb(lambda: Run.objects.order_by("-summary.loss"), "first"),
    "best": Verb(lambda: Run.objects, "best", ("summary.loss",), {"goal": "min"}),
    "in_bulk": Verb(lambda: Run.objects, "in_bulk", (["v01", "v05"],)),
    "fields": Verb(Run.objects.all, "fields", ("config",)),
    "aggregate": Verb(Run.objects.all, "aggregate", (), {"n": Count(), "last": Max("created_at")}),
    "groups": Verb(lambda: Run.objects.group_by("state")),
    "csv": Verb(Run.objects.all, "to_csv"),
    "projects": Verb(lambda: Project.objects.filter(entity="acme").only("name", "run_count", "read_only")),
    "project": Verb(lambda: Project.objects, "get", (), {"path": "acme/vision"}),
    "sweeps": Verb(Sweep.objects.all),
    "reports": Verb(Report.objects.all),
    "artifacts": Verb(
        lambda: Artifact.objects.filter(type="model").only("type_name", "size", "aliases", "file_count", "logged_by")
    ),
    "files": Verb(lambda: File.objects.filter(run="v05")),
    "users": Verb(User.objects.all),
    "entities": Verb(Entity.objects.all),
    "refresh": Verb(_run, "refresh"),
    "refresh a project": Verb(lambda: Project.objects.get(path="acme/vision"), "refresh"),
    "refresh a version": Verb(lambda: Artifact.objects.get(path="acme/vision/weights:v0"), "refresh"),
    "save a project": Verb(_edited_project, "save", writes=True),
    "create": Verb(lambda: Run.objects, "create", (), {"id": "new", "config": {"lr": 1}}, writes=True),
    "create a sweep": Verb(lambda: Sweep.objects, "create", (), {"config": SWEEP}, writes=True),
    "save": Verb(_edited, "save", writes=True),
    "update": Verb(lambda: Run.objects.filter(id__in=["v01", "v05"]), "update", (), {"notes": "x"}, writes=True),
    "delete": Verb(lambda: Run.objects.filter(id__in=["v01", "v05"]), "delete", writes=True),
}

# -- spoiling --------------------------------------------------------------------------------------

DELETED, TWICE = object(), object()
SPOILS: list[Any] = [None, "", "text", "{bad", 0, -1, 10**40, 1e300, True, [], [None], ["a"], {}, {"a": 1}]
SPOILS += [DELETED, TWICE, [[]], "2021-99-99"]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield (*path, key)
        yield from places(item, (*path, key))


class Spoiling(EngineBackend):
    """The engine, which spoils one place of the ``turn``-th answer."""

    rng = random.Random(0)
    turn = -1
    done: tuple[Any, ...] = ()

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        response = super().execute(request)
        cls = Spoiling
        cls.turn -= 1
        if cls.turn == -1 and response.data is not None:
            data = json.loads(json.dumps(response.data))
            # Places near the root are few; they are met as often as leaves.
            found: dict[int, list[tuple[Any, ...]]] = {}
            for path in places(data):
                found.setdefault(len(path), []).append(path)
            path = cls.rng.choice(found[cls.rng.choice(list(found))])
            at: Any = data
            for key in path[:-1]:
                at = at[key]
            was, new = at[path[-1]], cls.rng.choice(SPOILS)
            if new is DELETED:
                del at[path[-1]]
            elif new is TWICE and isinstance(at, list):
                at.append(was)
            else:
                at[path[-1]] = [was, was] if new is TWICE else new
            # A list that lacks an item is a shorter list.
            cls.done = (request.operation_name, path, was, was if new is DELETED and isinstance(at, list) else new)
            return attrs.evolve(response, data=data)
        return response


# -- judging ---------------------------------------------------------------------------------------


def plain(value: Any, depth: int = 0) -> Any:
    """Everything that a result holds, read."""
    if isinstance(value, Model):
        fields = type(value).__wbmodel_meta__.fields
        names = [name for name in value.loaded_fields() if depth < 3 or fields[name].kind is not Kind.REF]
        many = {name: state.prefetched(value, name) for name in type(value).__wbmodel_meta__.to_many}
        return {**{name: plain(getattr(value, name), depth + 1) for name in names}, **plain(many, depth + 1)}
    if isinstance(value, dict):
        return {str(key): plain(item, depth) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth) for item in value]
    return repr(value) if not isinstance(value, str) else value


def like(was: Any, new: Any) -> bool:
    """Whether ``new`` is another value that the server might have had there."""
    return new is was or new is None or was is None or new is TWICE or type(new) is type(was) is not dict


def outcome(verb: Verb, colour: str, truth: Any, turn: int) -> str:
    """What came of one spoiled answer."""
    Spoiling.turn, Spoiling.done = turn, ()
    raised: WbmodelError | None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = plain(verb.now() if colour == "sync" else asyncio.run(verb.later()))
        except WbmodelError as error:
            raised = error
        else:
            raised = None
        finally:
            Spoiling.turn = -1
    if raised is not None:
        if type(raised) is ServerError:
            assert Spoiling.done[0].removesuffix("Count") in str(raised), f"names no operation: {raised}"
        return type(raised).__name__
    if not Spoiling.done:
        return "not asked"
    if found == truth:
        return "right"
    if said:
        return "said"
    _, _, was, new = Spoiling.done
    assert like(was, new), f"taken without a word: {Spoiling.done[:2]} was {was!r}, came as {new!r}: {found!r:.300}"
    return "another value"


def fuzz(name: str, colour: str, times: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The outcomes of ``times`` spoiled answers."""
    verb, counts = VERBS[name], Counter[str]()
    monkeypatch.setattr("tests.support.backends.EngineBackend", Spoiling)
    Spoiling.rng, Spoiling.turn = random.Random(f"{name} {colour}"), -1
    store = WORLD.store()
    with served(store, "drops", capabilities=CAN) as session, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        truth = plain(verb.now() if colour == "sync" else asyncio.run(verb.later()))
        asked = session.stats.requests
    for _ in range(times):
        with served(WORLD.store() if verb.writes else store, "drops", capabilities=CAN):
            counts[outcome(verb, colour, truth, Spoiling.rng.randrange(asked))] += 1
    return counts


@pytest.mark.slow
@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("name", VERBS)
def test_thousands_of_spoiled_answers(name: str, colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fuzz(name, colour, MANY, monkeypatch)["ServerError"]


@pytest.mark.sampled("name", "colour", every=2)
@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("name", VERBS)
def test_only_right_or_said_or_an_own_error(name: str, colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = fuzz(name, colour, QUICK, monkeypatch)
    assert counts.total() - counts["not asked"] > 0
