"""Whatever is raised, a command ends with one line on standard error and a status; ``--traceback`` shows where."""

from __future__ import annotations

import errno
import textwrap

import pytest

RAISED = {
    "bug": (ZeroDivisionError("division by zero"), 70, "ZeroDivisionError: division by zero (a bug"),
    "two lines": (ValueError("one\ntwo \x1b[31m"), 70, "ValueError: one (a bug"),
    "no text": (AssertionError(), 70, "AssertionError (a bug"),
    "memory": (MemoryError(), 70, "not enough memory"),
    "depth": (RecursionError("maximum recursion depth exceeded"), 70, "nested too deeply"),
    "disk": (OSError(errno.ENOSPC, "No space left on device"), 5, "cannot be written: No space left"),
    "a file": (FileNotFoundError(errno.ENOENT, "No such file or directory", "x.txt"), 70, "FileNotFoundError: "),
    "interrupt": (KeyboardInterrupt(), 130, "wbmodel: interrupted"),
}


@pytest.mark.parametrize("kind", RAISED)
def test_an_exception_is_one_line(kind, demo, monkeypatch):
    error, status, words = RAISED[kind]

    def fail(arguments):
        raise error

    monkeypatch.setattr("wbmodel.cli.listing.run_listing", fail)
    done = demo("runs")
    assert (done.status, done.out) == (status, "")
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert "\x1b" not in done.err
    done = demo("runs", "--traceback")
    assert done.status == status
    assert "Traceback (most recent call last)" in done.err
    assert words in done.err.splitlines()[-1] or kind == "two lines"
    monkeypatch.setenv("WBMODEL_DEBUG", "1")
    assert "Traceback" in demo("runs").err


def test_a_known_error_has_its_traceback_too(demo):
    done = demo("runs", "-f", "lr<", "--traceback")
    assert done.status == 2
    assert "Traceback" in done.err
    assert "Traceback" not in demo("runs", "-f", "lr<").err


def test_a_plugins_own_exception_is_one_line(cli, monkeypatch):
    """Of a backend that fails when it is made, when it answers, and when it says what it can."""
    from wbmodel.backend import Capabilities, SyncBackend
    from wbmodel.hookspecs import hookimpl
    from wbmodel.registry import make_plugin_manager

    class Broken(SyncBackend):
        api_version = 0
        name = "broken"
        capabilities = Capabilities()

        def __init__(self, url, /, **_):
            if "made" in url:
                raise ZeroDivisionError("made")

        def execute(self, request, *, timeout=None):
            raise LookupError("answered")

    class Plugin:
        @hookimpl
        def wbmodel_register_backends(self, register):
            register("broken", Broken)

    manager = make_plugin_manager(plugins=[Plugin()])
    monkeypatch.setattr("wbmodel.registry.default_plugin_manager", lambda: manager)
    for place, words in (("made", "ZeroDivisionError: made"), ("asked", "LookupError: answered")):
        done = cli("runs", "acme/vision", "-u", f"broken:{place}")
        assert done.status in (4, 70), done.err
        assert words in done.err
        assert len(done.err.splitlines()) == 1, textwrap.shorten(done.err, 500)
