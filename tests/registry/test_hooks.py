"""Each hook does what its page says; and each hook has a test here, a docstring and an example."""

from __future__ import annotations

import argparse
import inspect

import pytest

from tests.support.paged_backends import Plain, all_rows, manager
from wbmodel import Run, hookspecs
from wbmodel.errors import WbmodelWarning
from wbmodel.hookspecs import HOOKS, hookimpl
from wbmodel.query.lookups import base as lookups
from wbmodel.request import Send
from wbmodel.session import connect


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test_and_a_page(hook):
    assert callable(globals().get(f"test_hook_{hook}")), f"write test_hook_{hook}"
    specification = getattr(hookspecs, hook)
    assert "Called" in specification.__doc__
    assert "eturns nothing" in specification.__doc__
    assert all(
        parameter.annotation is not parameter.empty
        for parameter in inspect.signature(specification).parameters.values()
    )


def test_hook_wbmodel_register_backends():
    calls = []

    class Plugin:
        @hookimpl
        def wbmodel_register_backends(self, register):
            calls.append(register)
            register("mine", Plain, schemes=("mine", "also-mine"))

    plugins = manager(Plugin())
    assert connect("mine:x", plugins=plugins).run(all_rows(10, 10)) == list(range(10))
    assert connect("also-mine:x", plugins=plugins).run(all_rows(10, 10)) == list(range(10))
    assert len(calls) == 1


def test_hook_wbmodel_register_wrappers():
    sessions = []

    class Plugin:
        @hookimpl
        def wbmodel_register_wrappers(self, register, session):
            def timed(request, info):
                infos.append(info)
                return (yield Send(request))

            sessions.append(session)
            register("timed", timed)

    infos = []
    plugins = manager(Plugin())
    first = connect("plain:x", plugins=plugins)
    second = connect("plain:y", plugins=plugins, name="second")
    assert sessions == []
    first.run(all_rows(10, 20))
    second.run(all_rows(10, 10))
    assert sessions == [first, second]
    assert [(info.session, info.backend, info.origin) for info in infos] == [
        ("default", "plain", "plain:x"),
        ("default", "plain", "plain:x"),
        ("second", "plain", "plain:y"),
    ]


def test_hook_wbmodel_register_lookups(monkeypatch):
    calls = []

    class Plugin:
        @hookimpl
        def wbmodel_register_lookups(self, register):
            calls.append(True)
            register("near_one", lambda path, value: (path >= 1 - value) & (path <= 1 + value), "is near one, within")

    monkeypatch.setattr(lookups, "LOOKUPS", dict(lookups.LOOKUPS))
    plugins = manager(Plugin())
    connect("plain:x", plugins=plugins)
    assert calls == []
    Run.objects.filter(summary__acc__near_one=0.25)
    connect("plain:x", plugins=plugins)
    Run.objects.filter(summary__acc__near_one=0.5)
    assert calls == [True]
    assert lookups.LOOKUPS["near_one"].phrase == "is near one, within"


@pytest.mark.parametrize("name", ["no__pe", "1st", ""])
def test_a_lookup_that_cannot_be_written_is_left_out_with_a_warning(name):
    class Plugin:
        @hookimpl
        def wbmodel_register_lookups(self, register):
            register("fine", lambda path, value: path == value, "is")
            register(name, lambda path, value: path == value, "is")

    with pytest.warns(WbmodelWarning, match=f"lookup name '{name}' is not an identifier"):
        assert list(manager(Plugin()).lookups()) == ["fine"]


def test_a_lookup_that_two_plugins_add_is_left_to_the_first():
    class Plugin:
        @hookimpl
        def wbmodel_register_lookups(self, register):
            register("same", lambda path, value: path == value, "is")

    with pytest.warns(WbmodelWarning, match="lookup 'same' is already registered by plugin 'Plugin-.*'"):
        assert list(manager(Plugin(), Plugin()).lookups()) == ["same"]


def test_hook_wbmodel_register_commands(capsys):
    class Table:
        def __init__(self):
            parser = argparse.ArgumentParser()
            self.parser, self.sub = parser, parser.add_subparsers()

        def add(self, name, run, *, help, configure=None):
            command = self.sub.add_parser(name, help=help)
            command.set_defaults(run=run)
            if configure is not None:
                configure(command)

    class Plugin:
        @hookimpl
        def wbmodel_register_commands(self, cli):
            cli.add(
                "greet",
                lambda arguments: print("hello", arguments.who),
                help="say hello",
                configure=lambda parser: parser.add_argument("who"),
            )

    table = Table()
    manager(Plugin()).add_commands(table)
    arguments = table.parser.parse_args(["greet", "you"])
    arguments.run(arguments)
    assert capsys.readouterr().out == "hello you\n"


async def test_hook_wbmodel_session_closed():
    told = []

    class Plugin:
        @hookimpl
        def wbmodel_session_closed(self, session):
            told.append((session.name, session.backend.closed))

    plugins = manager(Plugin())
    for name, close in [("a", lambda session: session.close()), ("b", lambda session: session.aclose())]:
        session = connect("plain:x", plugins=plugins, name=name)
        session.run(all_rows(10, 10))
        ended = close(session)
        if ended is not None:
            await ended
        session.close()
    assert told == [("a", 0), ("b", 0)]  # once each, before the backend closed
    connect("plain:x", plugins=plugins, name="unused").close()
    assert len(told) == 2


def test_a_plugin_that_fails_in_a_hook_is_named_and_the_session_goes_on():
    class Plugin:
        @hookimpl
        def wbmodel_register_wrappers(self, register):
            raise RuntimeError("boom")

        @hookimpl
        def wbmodel_session_closed(self, session):
            raise RuntimeError("bang")

    session = connect("plain:x", plugins=manager(Plugin()))
    with pytest.warns(WbmodelWarning, match=r"Plugin.* failed in wbmodel_register_wrappers: RuntimeError: boom"):
        assert session.run(all_rows(10, 10)) == list(range(10))
    backend = session.backend
    with pytest.warns(WbmodelWarning, match="failed in wbmodel_session_closed: RuntimeError: bang"):
        session.close()
    assert backend.closed == 1
