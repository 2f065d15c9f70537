"""A ``DoesNotExist`` names the account that asked: one request more, on that path only, never an error of its own."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tests.support.backends import FULL, EngineBackend, served
from tests.support.drifting import Server, drifting, filled
from tests.support.worlds import make_world
from wbmodel import Artifact, Project, Run
from wbmodel.errors import DoesNotExist, ServerError
from wbmodel.registry import make_plugin_manager
from wbmodel.request import Request, Response
from wbmodel.session import connect
from wbmodel.testing import count_requests

STORE = make_world().store()


async def _get(rows: Any, colour: str) -> Any:
    return rows.get() if colour == "sync" else await rows.aget()


async def _all(rows: Any, colour: str) -> Any:
    return list(rows) if colour == "sync" else [row async for row in rows]


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("seconds", [None, 60])
async def test_what_was_not_found_says_both_and_who_asked(colour: str, seconds: float | None) -> None:
    with served(STORE, "weak"):
        with count_requests() as sent:
            with pytest.raises(
                Run.DoesNotExist,
                match=r"no Run with .*nothing.* on slow: \(it does not exist, or this account may not "
                r"see it\); .*; asked as ada$",
            ) as told:
                await _get(Run.objects.filter(id="nothing").timeout(seconds), colour)
            assert [item.operation_name for item in sent.requests] == ["Run", "Viewer"]
        assert type(told.value) is Run.DoesNotExist
        with count_requests() as sent:
            with pytest.raises(
                Project.DoesNotExist, match="does not exist on slow:, or this account may not see it; .*; asked as ada$"
            ):
                await _all(Run.objects.filter(project="acme/nowhere").timeout(seconds), colour)
            # Who asks is remembered.
            assert [item.operation_name for item in sent.requests] == ["Runs"]


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_none_costs_nothing(colour: str) -> None:
    with served(STORE, "weak"), count_requests() as sent:
        rows = Run.objects.filter(id="nothing")
        assert (rows.get_or_none() if colour == "sync" else await rows.aget_or_none()) is None
        assert rows.first() is None
        assert not rows.exists()
    assert {item.operation_name for item in sent.requests} == {"Run"}


def test_every_way_that_ends_in_nothing_says_it() -> None:
    with served(STORE, "weak"):
        run = Run.objects.get(id="v01")
        for ask in (
            lambda: Run.objects.filter(state="nothing").latest(),
            lambda: Run.objects.filter(state="nothing").earliest(),
            lambda: Artifact.objects.get(name="nothing:latest"),
            lambda: Run.objects.filter(project="acme/nowhere").count(),
            lambda: Run.objects.filter(project="acme/nowhere").get_or_none(id="v01"),
        ):
            with pytest.raises(DoesNotExist, match="or this account may not see it.*asked as ada$"):
                ask()
        assert run.id == "v01"


def test_an_entity_of_another_name_is_named_too() -> None:
    store = filled({"vision": [1]})
    assert store.viewer is not None
    store.update(store.viewer.id, entity="acme")
    with drifting(Server(store)), pytest.raises(Run.DoesNotExist, match=r"asked as ada \(entity acme\)$"):
        Run.objects.get(id="nothing")


def test_nobody_is_not_logged_in() -> None:
    store = filled({"vision": [1]})
    store.viewer = None
    with drifting(Server(store)), pytest.raises(Run.DoesNotExist, match="; this session is not logged in$"):
        Run.objects.get(id="nothing")


class _Silent(Server):
    how = "raise"

    def answer(self, request: Request) -> Response:
        if request.operation_name == "Viewer":
            self.requests.append(request)
            if self.how == "raise":
                raise ServerError("the server is on fire")
            return {
                "errors": Response({"viewer": None}, [{"message": "no"}]),
                "nothing": Response(None),
                "lacking": Response({"viewer": {"username": "ada"}}),
                "wrong": Response({"viewer": ["ada"]}),
            }[self.how]
        return super().answer(request)


@pytest.mark.parametrize("how", ["raise", "errors", "nothing", "lacking", "wrong"])
@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_a_server_that_does_not_say_who_asks_changes_nothing(how: str, colour: str) -> None:
    server = _Silent(filled({"vision": [1]}))
    server.how = how
    with drifting(server):
        for _ in range(2):
            with pytest.raises(Run.DoesNotExist, match="check the spelling and the project$"):
                await _get(Run.objects.filter(id="nothing"), colour)
        # What went wrong once may work the next time.
        assert [item.operation_name for item in server.requests] == ["Run", "Viewer"] * 2


def test_a_backend_in_this_process_is_not_asked() -> None:
    class Plugin:
        from wbmodel.hookspecs import hookimpl

        @hookimpl
        def wbmodel_register_backends(self, register: Any) -> None:
            register("engine", EngineBackend, schemes=("engine",))

    plugins = make_plugin_manager(load_entry_points=False, plugins=[Plugin()])
    promises = attrs.evolve(FULL, in_process=True)
    with connect("engine:", plugins=plugins, store=STORE, capabilities=promises, project="acme/vision", default=False):
        with count_requests() as sent, pytest.raises(Run.DoesNotExist, match="check the spelling and the project$"):
            Run.objects.get(id="nothing")
        assert [item.operation_name for item in sent.requests] == ["Run"]
