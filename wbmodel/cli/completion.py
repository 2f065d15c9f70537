"""Shell completion with argcomplete: commands and options, and the fields and keys of the project."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from wbmodel.cli.listed import LISTED
from wbmodel.cli.output import emit

__all__ = ["add_completers", "complete", "run_completion"]


def run_completion(arguments: argparse.Namespace) -> int:
    """Print the script for the shell to load: ``eval "$(wbmodel completion bash)"``."""
    from argcomplete.shell_integration import shellcode

    emit(shellcode(["wbmodel"], shell=arguments.shell).rstrip("\n"))
    return 0


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell's request for completions, if it made one. Does not return in that case."""
    import argcomplete

    add_completers(parser)
    argcomplete.autocomplete(parser, always_complete_options="long", validator=lambda candidate, typed: True)


def add_completers(parser: argparse.ArgumentParser) -> None:
    """Give every option that takes a path, a project or a filter its completer."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                add_completers(child)
        elif action.dest in _COMPLETERS:
            action.completer = _COMPLETERS[action.dest]  # type: ignore[attr-defined]


def _silent(function: Any) -> Any:
    """A completer that returns nothing on failure: an error message must not appear in the user's command line."""

    def complete(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
        import warnings

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return list(function(prefix, parsed_args))
        except Exception:  # the user is still typing: any error can wait until the command runs
            return []

    return complete


@_silent
def _columns(prefix: str, arguments: argparse.Namespace) -> Iterable[str]:
    """Completions of the last name in a comma-separated list, with the names before it kept."""
    head, comma, last = prefix.rpartition(",")
    sign = "-" if last.startswith("-") else ""
    return [f"{head}{comma}{sign}{name}" for name in _names(arguments, last[len(sign) :])]


@_silent
def _filter(prefix: str, arguments: argparse.Namespace) -> Iterable[str]:
    """Completions of the last word of a filter, if it is a path."""
    head, space, last = prefix.rpartition(" ")
    if any(char in last for char in "=<>~"):
        return []
    return [f"{head}{space}{name}" for name in _names(arguments, last)]


def _names(arguments: argparse.Namespace, typed: str) -> Sequence[str]:
    import wbmodel

    name = getattr(arguments, "what", None) or arguments.command
    meta = getattr(wbmodel, LISTED.get(name, "Sweep" if name == "sweep" else "Run")).__wbmodel_meta__
    found = list(meta.fields)
    if meta.name == "Run" and "." in typed:
        section = typed.partition(".")[0]
        if section in ("config", "summary"):
            found = _keys(arguments, section)
    elif meta.name == "Run":
        found += ["config.", "summary."]
    return [item for item in found if item.startswith(typed)]


def _keys(arguments: argparse.Namespace, section: str) -> list[str]:
    import wbmodel
    from wbmodel.cli.session import open_session
    from wbmodel.objects.discovery import known_keys

    with open_session(arguments, getattr(arguments, "place", None)) as session:
        return [item.path for item in known_keys(wbmodel.Run.objects.using(session), section)]


@_silent
def _place(prefix: str, arguments: argparse.Namespace) -> Iterable[str]:
    import wbmodel
    from wbmodel.cli.session import open_session

    with open_session(arguments) as session:
        if arguments.command == "projects":
            names = list(wbmodel.Entity.objects.using(session).values_list("name", flat=True))
        else:
            projects = wbmodel.Project.objects.using(session).only("name")[:1000]
            names = [project.path for project in projects]
        return [name for name in names if name.startswith(prefix)]


@_silent
def _url(prefix: str, arguments: argparse.Namespace) -> Iterable[str]:
    from wbmodel.cli.session import plugin_manager

    return [f"{scheme}:" for scheme in plugin_manager(arguments).schemes if scheme.startswith(prefix)]


@_silent
def _run(prefix: str, arguments: argparse.Namespace) -> Iterable[str]:
    import wbmodel
    from wbmodel.cli.session import open_session

    entity = wbmodel.Sweep if arguments.command == "sweep" else wbmodel.Run
    project, slash, _ = prefix.rpartition("/")
    if project and "/" not in project:
        return _place(prefix, arguments)  # type: ignore[no-any-return]
    with open_session(arguments, project or None) as session:
        rows: Any = entity.objects.using(session)
        found = [f"{project}{slash}{item}" for item in rows.values_list("id", flat=True)[:1000]]
        return [item for item in found if item.startswith(prefix)]


_COMPLETERS: dict[str, Any] = {
    "columns": _columns,
    "order": _columns,
    "filter": _filter,
    "place": _place,
    "project": _place,
    "url": _url,
    "path": _run,
}
