"""A foreign distribution, as its author would write it, found by its entry point in a process of its own."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

FAKE = Path(__file__).parents[1] / "support" / "fake_dist"
PUBLIC = {"errors", "codec", "meta", "request", "backend", "hookspecs", "engine", "testing"}


def run(code, **variables):
    paths = [str(FAKE), *[path for path in sys.path if path]]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "WBMODEL_"))}
    environ.update(PYTHONPATH=os.pathsep.join(paths), NETRC=str(FAKE / "no-netrc"), **variables)
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_it_imports_public_names_only():
    for file in (FAKE / "acme_backend").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("wbmodel"):
                assert node.module.split(".")[1] in PUBLIC, f"{file.name} imports {node.module}"


def test_it_answers_querysets_and_all_its_hooks_are_called():
    lines = run(
        """
        from wbmodel import Run, connect
        from wbmodel.registry import default_plugin_manager

        session = connect("acme-tls://host", project="acme/rockets", api_key="secret-key", runs=4)
        print([run.id for run in Run.objects.filter(config__stage__gte=2).order_by("summary.loss")])
        print([run.id for run in Run.objects.filter(summary__loss__near=0.5)])
        print(session.origin, session.stats.retries == session.stats.requests, session.stats.bytes > 0)
        report = [r for r in default_plugin_manager().report if r.name == "acme"][0]
        print(report.distribution, report.version, report.status, report.backends, len(report.hooks))
        backend = session.backend
        session.close()
        print(backend.closed)
        from acme_backend.plugin import said
        print(said[0].startswith("acme asked"), said[-1])
        """
    )
    assert lines == [
        "['run3', 'run2']",
        "['run1']",
        "acme-tls://host#known True True",
        "acme-backend 1.2 ok ('acme', 'acme-cloud') 5",
        "True",
        "True default closed",
    ]


def test_it_answers_in_the_other_colour():
    lines = run(
        """
        import asyncio
        from wbmodel import Run, connect

        async def main():
            async with connect("acme:", project="acme/rockets", default=False):
                return [run.id async for run in Run.objects.filter(config__stage__lt=2).order_by("id")]

        print(asyncio.run(main()))
        """
    )
    assert lines == ["['run0', 'run1']"]


def test_its_missing_extra_is_told_by_its_distribution():
    lines = run(
        """
        from wbmodel import connect
        from wbmodel.errors import BackendNotInstalled

        try:
            connect("acme-cloud:x")
        except BackendNotInstalled as error:
            print(error)
        """
    )
    assert lines == [
        "the backend 'acme-cloud' needs acme_cloud_client, which is not installed: pip install \"acme-backend[cloud]\""
    ]


def test_it_can_be_left_out():
    lines = run(
        """
        from wbmodel import connect
        from wbmodel.errors import UnknownBackend

        try:
            connect("acme:x")
        except UnknownBackend as error:
            print(error)
        """,
        WBMODEL_NO_PLUGINS="1",
    )
    assert lines == [
        "the backend 'acme' of plugin 'acme' (distribution 'acme-backend') is disabled by WBMODEL_NO_PLUGINS"
    ]


def test_a_warning_is_about_the_line_of_the_caller_and_not_of_the_backend():
    lines = run(
        """
        import warnings
        from wbmodel import connect, errors

        def called_by(module):
            inside = {"errors": errors, "__name__": module}
            exec(compile("def ask():\\n    errors.warn('slow', errors.QueryWarning)", f"{module}.py", "exec"), inside)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                inside["ask"]()
            return caught[0].filename

        print(called_by("acme_backend.deep"), called_by("wbmodel_other.deep"), called_by("acme_backends_user"))
        connect("fixtures:nowhere")
        print(called_by("acme_backend.deep"), called_by("wbmodel_other.deep"), called_by("acme_backends_user"))
        """
    )
    assert lines == ["acme_backend.deep.py <string> acme_backends_user.py", "<string> <string> acme_backends_user.py"]
