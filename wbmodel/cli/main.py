"""The entry point of ``wbmodel``: from arguments to an exit status.

``docs/reference/cli.md`` lists the statuses. A wbmodel error becomes one message on standard error; any other exception
is a bug and keeps its traceback.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from wbmodel import errors
from wbmodel.cli.options import COMMANDS, Parser, command_word, make_parser, tidy, unknown_command
from wbmodel.cli.output import complain, prepare

__all__ = ["exit_status", "main"]

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (errors.NotAuthenticated, 3),
    (errors.PermissionDenied, 3),
    (errors.BackendError, 4),
    (errors.NotSupported, 4),
    (errors.FixtureError, 4),
    (errors.FieldError, 2),
    (errors.QueryError, 2),
    (errors.ConfigurationError, 2),
    (errors.WbmodelError, 1),
)


def exit_status(error: errors.WbmodelError) -> int:
    """The exit status for an error."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with ``argv`` (default: the process's own arguments) and return the exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    prepare()
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("default", errors.WbmodelWarning)
        warnings.showwarning = _show_warning
        return _contained(lambda: _run(arguments))


def _contained(run: Callable[[], int]) -> int:
    try:
        status = run()
        sys.stdout.flush()
    except errors.WbmodelError as error:
        complain(str(error), "error")
        return exit_status(error)
    except BrokenPipeError:
        # The reader has closed the pipe (`| head`). Nothing more may be written, not even by the interpreter's flush.
        _close_quietly()
        return 0
    except KeyboardInterrupt:
        _close_quietly()
        return 130
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 2
    return status


def _close_quietly() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        pass
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):  # not a real file: a test's stream, or a notebook's
        pass


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
    complain(str(message), "warning")


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
