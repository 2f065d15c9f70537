"""The entry point of ``wbmodel``: from arguments to an exit status.

:mod:`wbmodel.cli.ends` turns every exception into one line and a status.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from wbmodel import errors
from wbmodel.cli.ends import contained, exit_status, wants_traceback
from wbmodel.cli.options import COMMANDS, Parser, command_word, make_parser, tidy, unknown_command
from wbmodel.cli.output import complain, prepare

__all__ = ["exit_status", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with ``argv`` (default: the process's own arguments) and return the exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    prepare()
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("default", errors.WbmodelWarning)
        warnings.showwarning = _show_warning
        return contained(lambda: _run(arguments), traceback=wants_traceback(arguments))


def _run(arguments: list[str]) -> int:
    word = command_word(arguments)
    completing = "_ARGCOMPLETE" in os.environ
    parser, table = make_parser(word if word in COMMANDS and not completing else None)
    if word not in COMMANDS:
        _add_plugin_commands(parser, table, arguments)
    if completing:
        from wbmodel.cli.completion import complete

        complete(parser)
    if word is not None and word not in table.choices:
        parser.error(unknown_command(word, list(table.choices)))
    chosen = parser.parse_args(tidy(arguments))
    if chosen.command is None:
        parser.print_help()
        return 2
    handler: Any = chosen.handler
    if isinstance(handler, str):
        module, _, name = handler.partition(":")
        handler = getattr(importlib.import_module(module), name)
    return handler(chosen) or 0


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    tail = "; text is written in double quotes, true and false bare" if category is errors.OperandWarning else ""
    complain(f"{message}{tail}", "warning")


# -- plugin commands -------------------------------------------------------------------------------


class _Commands:
    """The table that ``wbmodel_register_commands`` receives."""

    def __init__(self, table: argparse._SubParsersAction[Parser]) -> None:
        self.table = table

    def add(
        self,
        name: str,
        run: Callable[[argparse.Namespace], int | None],
        *,
        help: str,
        configure: Callable[[argparse.ArgumentParser], None] | None = None,
    ) -> None:
        if name in self.table.choices or name in COMMANDS:
            raise ValueError(f"the command {name!r} already exists")
        made = self.table.add_parser(name, help=help, description=help)
        if configure is not None:
            configure(made)
        made.set_defaults(handler=_guarded(name, run))


def _guarded(name: str, run: Callable[[argparse.Namespace], int | None]) -> Callable[[argparse.Namespace], int]:
    def guarded(arguments: argparse.Namespace) -> int:
        try:
            return run(arguments) or 0
        except (errors.WbmodelError, BrokenPipeError):
            raise
        except Exception as error:
            raise errors.PluginError(f"the plugin command {name!r} failed: {type(error).__name__}: {error}") from error

    return guarded


def _add_plugin_commands(parser: Parser, table: argparse._SubParsersAction[Parser], arguments: Sequence[str]) -> None:
    """Let plugins add their commands. Called only if the command could be a plugin's, because finding plugins takes
    time."""
    if "--no-plugins" in arguments or not _has_foreign_plugins():
        return
    from wbmodel.registry import default_plugin_manager

    default_plugin_manager().add_commands(_Commands(table))


def _has_foreign_plugins() -> bool:
    from importlib import metadata

    return any(point.dist is None or point.dist.name != "wbmodel" for point in metadata.entry_points(group="wbmodel"))
