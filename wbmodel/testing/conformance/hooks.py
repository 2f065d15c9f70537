"""Cases about plugin hooks: each hook of the contract does its work with this backend, which says who it is."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Generator
from typing import Any

import attrs
import pytest

from wbmodel.backend import API_VERSION, Capabilities
from wbmodel.backend.asks import Request, Response
from wbmodel.backend.verbs import Batch, Send
from wbmodel.hookspecs import CallInfo, RegisterLookups, RegisterWrappers, hookimpl
from wbmodel.testing import oracle
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import case
from wbmodel.testing.conformance.kit import Kit, shown

__all__ = ["HookTests"]

_LOOKUP = "wbmodelkitnear"


class _Witness:
    """A plugin that notes what happens to a session."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        self.closed: list[tuple[str, bool]] = []
        self.kept: dict[str, Response] = {}

    @hookimpl
    def wbmodel_register_wrappers(self, register: RegisterWrappers) -> None:
        def noted(request: Request, info: CallInfo) -> Generator[Send | Batch, Any, Response]:
            self.seen.append(request.operation_name)
            key = str(request)
            if key not in self.kept:
                self.kept[key] = yield Send(request)
            return self.kept[key]

        register("conformance", noted)

    @hookimpl
    def wbmodel_register_lookups(self, register: RegisterLookups) -> None:
        register(_LOOKUP, lambda path, value: (path >= value - 1) & (path <= value + 1), "lies within one of")

    @hookimpl
    def wbmodel_session_closed(self, session: Any) -> None:
        response = session.backend.execute(Request("query Q { viewer { id } }"))
        self.closed.append((session.name, not response.errors))


class _Commands:
    """A table of commands, such as the command line has."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def add(
        self,
        name: str,
        run: Callable[[argparse.Namespace], int | None],
        *,
        help: str,
        configure: Callable[[argparse.ArgumentParser], None] | None = None,
    ) -> None:
        parser = argparse.ArgumentParser(prog=f"wbmodel {name}", description=help)
        if configure is not None:
            configure(parser)
        self.names.append(name)


def _still(kit: Kit) -> None:
    response = kit.response("query Q { viewer { id } }")
    kit.equal(bool(response.errors), False, "whether another session's backend fails after one was closed")


class HookTests(BackendTests):
    """Cases about plugin hooks: each hook of the contract does its work with this backend, which says who it is."""

    @case("hook/wbmodel_register_backends")
    def test_hook_wbmodel_register_backends(self, kit: Kit) -> None:
        """The backend is found by its scheme, made once per session, and says who it is."""
        backend, can = kit.backend, kit.capabilities
        kit.equal(
            backend.api_version,
            API_VERSION,
            "api_version",
            "a literal: the version of the contract that was written against",
        )
        for word in ("name", "origin"):
            said: object = getattr(backend, word)
            kit.equal(isinstance(said, str), True, f"whether {word} is text (it is {said!r})")
        kit.equal(bool(backend.name), True, "whether the backend has a name")
        kit.equal(backend.origin, kit.backend.origin, "origin, asked again,", "it is the identity of host and account")
        kit.equal(kit.session.backend is backend, True, "whether a session keeps its backend")
        if type(can) is not Capabilities:
            kit.fail(f"capabilities is {shown(can)}, and must be an instance of wbmodel.backend.Capabilities")
        for item in attrs.fields(Capabilities):
            default, value = item.default, getattr(can, item.name)
            if type(value) is not type(default):
                kit.fail(f"capabilities.{item.name} is {value!r}; it is of type {type(default).__name__}")

    @case("hook/wbmodel_register_wrappers")
    def test_hook_wbmodel_register_wrappers(self, kit: Kit) -> None:
        """A wrapper sees every request of its session, in both colours, and may answer from what it kept."""
        from wbmodel import Run

        witness = _Witness()
        with kit.bench.open(kit.world.project, [witness]) as session:
            rows = Run.objects.using(session).filter(state="finished")
            expected = oracle.answer(kit.rows("Run"), ("leaf", ("state",), "exact", "finished"))
            kit.same_order(kit.names("Run", rows), expected, "a queryset behind a wrapper")
            sent = session.stats.requests
            kit.equal(
                len(witness.seen), sent, "the number of requests that a wrapper saw", "it must see all that are sent"
            )
            kit.same_order(kit.names("Run", rows), expected, "the same, answered by the wrapper,")
            kit.equal(session.stats.requests, sent, "the number of sent requests after an answer from a wrapper")

    @case("hook/wbmodel_register_lookups")
    def test_hook_wbmodel_register_lookups(self, kit: Kit) -> None:
        """A lookup of a plugin's, which rewrites to built-in ones, is answered like these."""
        from wbmodel import Run
        from wbmodel.query.lookups import LOOKUPS

        with kit.bench.open(kit.world.project, [_Witness()]) as session:
            try:
                rows = Run.objects.using(session).filter(**{f"config__rank__{_LOOKUP}": 2})
                found = kit.names("Run", rows)
            finally:
                LOOKUPS.pop(_LOOKUP, None)
        expected = oracle.answer(kit.rows("Run"), ("leaf", ("config", "rank"), "range", (1, 3)))
        kit.same_rows(found, expected, f"filter(config__rank__{_LOOKUP}=2)")

    @case("hook/wbmodel_register_commands")
    def test_hook_wbmodel_register_commands(self, kit: Kit) -> None:
        """The commands that plugins bring can be set up, and none of them is there twice."""
        import warnings

        from wbmodel.errors import WbmodelWarning

        table = _Commands()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            kit.session.plugins.add_commands(table)
        told = [str(item.message) for item in caught if issubclass(item.category, WbmodelWarning)]
        kit.equal(told, [], "what went wrong while plugins added their commands")
        kit.equal(sorted(set(table.names)), sorted(table.names), "the names of the commands")

    @case("hook/wbmodel_session_closed")
    def test_hook_wbmodel_session_closed(self, kit: Kit) -> None:
        """Closing calls the hook once, while the backend still answers; closing again does nothing."""
        witness = _Witness()
        with kit.bench.open(kit.world.project, [witness]) as session:
            kit.equal(
                (session.execute("query Q { viewer { id } }").data or {}).keys(),
                {"viewer": 0}.keys(),
                "what was asked for",
            )
            kit.ask(session, "close")
            kit.equal(
                witness.closed,
                [(session.name, True)],
                "what the hook saw (the session's name, whether the backend answered)",
            )
            kit.ask(session, "close")
            kit.equal(len(witness.closed), 1, "how often the hook was called")
        _still(kit)

    @case("hook/close-twice")
    def test_hook_close_twice(self, kit: Kit) -> None:
        """A backend may be closed twice, and closing one session leaves the others open."""
        with kit.bench.open(kit.world.project) as session:
            backend = session.backend
            backend.execute(Request("query Q { viewer { id } }"))
            kit.ask(backend, "close")
            kit.ask(backend, "close")
        _still(kit)

    @case("hook/no-secrets")
    def test_hook_no_secrets(self, kit: Kit) -> None:
        """Neither the repr nor the origin of a backend holds an API key that it was given."""
        key = kit.session.settings.api_key().value
        if key is None:
            pytest.skip("the session has no API key")
        secret = key.reveal()
        for text in (repr(kit.backend), kit.backend.origin, repr(kit.session)):
            kit.equal(secret in text, False, "whether the API key is shown in a repr or an origin")
