"""The arguments of the command line: one parser, with every command and option described once.

Imports argparse but not the object model, so that ``--help`` is quick. A command's code is imported when it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from wbmodel.cli import argument_types as types
from wbmodel.cli.listed import LISTED
from wbmodel.errors import suggestion
from wbmodel.safe_text import escape

__all__ = ["COMMANDS", "Parser", "command_word", "make_parser", "tidy"]

EXIT_CODES = """\
exit status: 0 success, 1 not found or refused by the server, 2 wrong arguments or filter, 3 not signed in or not
permitted, 4 a backend, plugin or fixtures file is missing or broken, 5 the output cannot be written, 70 a bug,
130 interrupted, 141 the reader of a pipe has gone
"""

FILTERS = """\
filters: PATH OPERATOR VALUE, combined with and, or, not and parentheses; several -f are combined with and
  summary.loss<0.3     config.lr in [0.1, 0.01]     created_at within 7d     config."a.b"=x
  = != < <= > >=   ~ regex   *= contains   ^= starts   $= ends   in, not in   is [not] null|nan|finite   [not] exists
"""

WRITING = """\
Everything is planned first: runs that are named must all exist, or nothing changes. What a filter finds, and what is to
be deleted, is changed after a yes on a terminal, or with --yes. The status is 1 if a run failed or the answer was no.

"""

SERVING = """\
The first line on standard output is the address. Ctrl-C or SIGTERM stops the server with status 0. --entity names the
only entity of an empty world; --timeout limits the time per request. Every user of the machine can read command-line
arguments, so a key passed as an argument is removed at once by re-executing the process.
"""


class Parser(argparse.ArgumentParser):
    """argparse's parser with escaped messages, safe to print on a terminal, and with options anywhere."""

    _mixing = False

    # The stubs have an overload for each way of giving a namespace.
    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Any = None, namespace: Any = None
    ) -> Any:
        """As argparse's own, but options may stand between positional arguments: ``explain runs -u URL PROJECT``."""
        chooses = any(isinstance(action, argparse._SubParsersAction) for action in self._actions)
        if self._mixing or chooses or "--" in (args or ()) or "_ARGCOMPLETE" in os.environ:
            return super().parse_known_args(args, namespace)
        self._mixing = True  # argparse's own way parses twice, through this method
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse's own ignores a full disk.
        if message and file is not None:
            with contextlib.suppress(*([OSError] if file is sys.stderr else [])):
                file.write(message)

    def error(self, message: str) -> NoReturn:
        """Print the problem and how to get help, and exit with status 2."""
        self.exit(2, f"wbmodel: error: {escape(_without_values(message))}\n(see {self.prog} --help)\n")


_VALUE = re.compile(r"(?<!\S)(--?[A-Za-z][\w-]*)(?:=\S+|((?: (?!-)\S+)+))")
_LIKE_A_KEY = re.compile(r"(?<![\w./-])(?=[\w-]*\d)[\w-]{20,}(?![\w./-])")


def _without_values(message: str) -> str:
    """argparse's words without what was given to options that are not there: ``--apikey=KEY`` is a slip."""
    words, mark, given = message.partition("unrecognized arguments: ")
    if mark:
        given = _VALUE.sub(lambda found: f"{found[1]}=***" if found[2] is None else f"{found[1]} ***", given)
    return _LIKE_A_KEY.sub("***", f"{words}{mark}{given}")


def _words(text: str) -> Callable[[argparse.ArgumentParser], None]:
    """For commands without their own arguments."""

    def configure(parser: argparse.ArgumentParser) -> None:
        parser.epilog = text

    return configure


def _lint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a Python file, or a folder of them")


def _globals(*, top: bool) -> Parser:
    """The options that are accepted both before and after the command."""
    hidden = argparse.SUPPRESS
    parent = Parser(add_help=False, argument_default=None if top else hidden)
    place = parent.add_argument_group("where")
    place.add_argument("-u", "--url", metavar="URL", help="where the data is: https://..., fixtures:PATH, demo:")
    place.add_argument("-p", "--project", metavar="PROJECT", help="entity/project, or project")
    place.add_argument("--entity", metavar="ENTITY", help="the user or team that owns the project")
    place.add_argument("--timeout", metavar="SECONDS", type=types.seconds, help="time limit per request")
    place.add_argument(
        "--no-plugins", action="store_true", default=False if top else hidden, help="use only wbmodel's own plugins"
    )
    formats = parent.add_mutually_exclusive_group()
    for name, words in (
        ("json", "one JSON object"),
        ("jsonl", "one JSON object per line"),
        ("csv", "comma-separated values"),
    ):
        formats.add_argument(
            f"--{name}", dest="format", action="store_const", const=name, default="table" if top else hidden, help=words
        )
    parent.add_argument(
        "--no-color", action="store_true", default=False if top else hidden, help="no colours (NO_COLOR does the same)"
    )
    parent.add_argument(
        "--traceback", action="store_true", default=False if top else hidden, help="show the traceback of an error"
    )
    return parent


def _place(parser: argparse.ArgumentParser, name: str = "project") -> None:
    words = {"project": "entity/project, or project", "entity": "whose projects"}[name]
    parser.add_argument("place", nargs="?", metavar=name.upper(), help=words)


def _filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-f", "--filter", action="append", default=[], metavar="FILTER", help="only these, as in 'summary.loss<0.3'"
    )
    parser.add_argument(
        "-o",
        "--order",
        action="append",
        default=[],
        metavar="KEYS",
        help="as in -created_at,summary.loss; - is descending",
    )
    parser.add_argument(
        "-n",
        "--limit",
        type=types.limit,
        default=...,
        metavar="N",
        help="maximum rows, or all (50 in a table, else all)",
    )


def _columns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c", "--columns", action="append", default=[], metavar="PATHS", help="as in name,config.lr,summary.*"
    )


def _listing(name: str) -> Callable[[argparse.ArgumentParser], None]:
    def configure(parser: argparse.ArgumentParser) -> None:
        _place(parser, "entity" if name == "projects" else "project")
        _filters(parser)
        _columns(parser)
        if name == "artifacts":
            parser.add_argument("--type", metavar="TYPE", help="dataset, model, ...")
            parser.add_argument("--collection", metavar="NAME", help="only versions of this collection")
        parser.epilog = FILTERS

    return configure


def _one(name: str) -> Callable[[argparse.ArgumentParser], None]:
    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("path", metavar="PATH", help=f"entity/project/id, or the id of a {name} in the project")
        _columns(parser)

    return configure


def _fields(parser: argparse.ArgumentParser) -> None:
    _place(parser)
    parser.add_argument(
        "--in", dest="inside", choices=("config", "summary"), help="only the keys of config or summary (default: both)"
    )
    parser.add_argument("-f", "--filter", action="append", default=[], metavar="FILTER", help="only of these runs")
    parser.add_argument("--exact", action="store_true", help="read the runs, and count them and the values of each key")
    parser.add_argument("--varying", action="store_true", help="only keys whose values differ between the runs")


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=tuple(LISTED), metavar="LISTING", help=", ".join(LISTED))
    _place(parser)
    _filters(parser)
    _columns(parser)
    parser.add_argument("--type", help=argparse.SUPPRESS)
    parser.add_argument("--collection", help=argparse.SUPPRESS)
    parser.add_argument("--analyze", action="store_true", help="run it, and add the actual requests and times")
    parser.add_argument("--document", action="store_true", help="print the GraphQL document instead")
    parser.epilog = FILTERS


def _graphql(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "document", nargs="?", metavar="DOCUMENT", help="the text; without it, or with -, standard input is read"
    )
    parser.add_argument("--file", metavar="PATH", help="read the document from a file")
    parser.add_argument("--variables", metavar="JSON", help="a JSON object, or @PATH of a file that holds one")
    parser.add_argument("--operation", metavar="NAME", help="which operation of the document")


def _status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="ask the backend which account you are")


def _fixtures(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    parents = [_globals(top=False)]
    check = actions.add_parser("check", parents=parents, help="read worlds and report problems in them")
    check.add_argument("paths", nargs="+", metavar="PATH", help="a file or folder of fixtures")
    save = actions.add_parser("save", parents=parents, help="write the fixtures world of --url to another place")
    collect = actions.add_parser(
        "from-session", parents=parents, help="export runs, sweeps and reports of any backend to a fixtures world"
    )
    for each in (save, collect):
        each.add_argument("target", metavar="PATH", help="a .yaml or .json file, or a folder")
        each.add_argument("--force", action="store_true", help="replace an existing world")
    _filters(collect)
    collect.add_argument("--no-history", action="store_true", help="leave histories out")


def _writing(name: str) -> Callable[[argparse.ArgumentParser], None]:
    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("runs", nargs="*", metavar="RUN", help="entity/project/id, or the id with --project")
        parser.add_argument(
            "-f", "--filter", action="append", default=[], metavar="FILTER", help="in place of RUN: all that match"
        )
        if name == "update":
            parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="as in config.lr=0.1")
            parser.add_argument("--unset", action="append", default=[], metavar="KEY", help="remove a key: config.lr")
            for field in ("name", "notes", "group"):
                parser.add_argument(f"--{field}", metavar="TEXT", help=f"set the {field}")
        elif name == "tag":
            parser.add_argument("--add", action="append", default=[], metavar="TAG", help="add a tag: +TAG is short")
            parser.add_argument(
                "--remove", action="append", default=[], metavar="TAG", help="remove one: -TAG is short"
            )
        else:
            parser.add_argument("--with-artifacts", action="store_true", help="also the artifact versions they logged")
        parser.add_argument("--dry-run", action="store_true", help="only show what would change")
        parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
        parser.epilog = WRITING + FILTERS

    return configure


def _dry(parser: argparse.ArgumentParser, *, asks: bool) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    if asks:
        parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def _files(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    for action, words in (("ls", "list them"), ("get", "download them"), ("rm", "delete them")):
        made = actions.add_parser(action, parents=[_globals(top=False)], help=words, description=words)
        made.add_argument("run", metavar="RUN", help="entity/project/id, or the id with --project")
        made.add_argument("names", nargs="*", metavar="NAME", help="names or patterns, as in 'media/*' (default: all)")
        if action == "get":
            made.add_argument("--to", metavar="FOLDER", default=".", help="where to (default: here)")
            made.add_argument("--replace", action="store_true", help="replace files with other content")
        if action == "ls":
            made.set_defaults(dry_run=True)
        else:
            _dry(made, asks=action == "rm")


def _artifact(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    for action, words in (
        ("get", "download a version"),
        ("verify", "compare a folder with a version"),
        ("alias", "add aliases to a version and remove them"),
        ("rm", "delete a version"),
        ("lineage", "list the runs that made and used it, and so on"),
    ):
        made = actions.add_parser(action, parents=[_globals(top=False)], help=words, description=words)
        made.add_argument("name", metavar="NAME", help="entity/project/collection:v3, with an alias or digest for v3")
        if action == "get":
            made.add_argument("--to", metavar="FOLDER", help="where to (default: artifacts/collection:v3)")
            made.add_argument("--path", metavar="PREFIX", help="only what is in this folder of it")
            made.add_argument("--no-cache", action="store_true", help="take nothing from the cache, keep nothing in it")
            _dry(made, asks=False)
        elif action == "verify":
            made.add_argument("folder", nargs="?", metavar="FOLDER", help="default: artifacts/collection:v3")
        elif action == "alias":
            made.add_argument("--add", action="append", default=[], metavar="ALIAS", help="add an alias")
            made.add_argument("--remove", action="append", default=[], metavar="ALIAS", help="remove one")
            _dry(made, asks=False)
        elif action == "rm":
            made.add_argument("--with-aliases", action="store_true", help="even if it has aliases")
            _dry(made, asks=True)
        else:
            made.add_argument("--depth", type=int, metavar="N", help="how many steps (default: to the end)")
            way = made.add_mutually_exclusive_group()
            for name, told in (("inputs", "only what it was made from"), ("outputs", "only what was made from it")):
                way.add_argument(f"--{name}", dest="direction", action="store_const", const=name, help=told)
            made.set_defaults(direction="both")


def _cache(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    for action, words in (("info", "show where it is and how large"), ("prune", "remove what is in it")):
        made = actions.add_parser(action, parents=[_globals(top=False)], help=words, description=words)
        if action == "prune":
            made.add_argument(
                "--older-than", type=types.age, metavar="AGE", help="only what was not used for so long: 30d, 12h"
            )
            made.add_argument(
                "--max-size", type=types.size, metavar="SIZE", help="the longest unused, until this is left: 5GB"
            )
            _dry(made, asks=False)


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell the script is for")


def _serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "world", nargs="?", metavar="WORLD", help="fixtures:PATH, PATH or demo: (default: an empty world)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (127.0.0.1); any other needs a key"
    )
    parser.add_argument("--port", type=types.port, default=8080, help="the port (8080); 0 picks a free one")
    parser.add_argument(
        "--api-key-file", metavar="FILE", help="a file with the key that clients need; - reads a line of standard input"
    )
    parser.add_argument(
        "--api-key", metavar="KEY", help="the key itself; prefer the file, or the variable WBMODEL_SERVE_API_KEY"
    )
    parser.add_argument("--tls-certificate", metavar="FILE", help="serve HTTPS with this certificate chain (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="the private key, if it is in a separate file")
    parser.add_argument(
        "--set-limit", action="append", default=[], metavar="NAME=NUMBER", help="as in cost=100000 or body=1000000"
    )
    parser.add_argument(
        "--latency", type=types.latency, default=0.0, metavar="SECONDS", help="for tests: delay every request"
    )
    parser.epilog = SERVING


def _history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="*", metavar="RUN", help="entity/project/id, or the id with --project")
    parser.add_argument(
        "-f", "--filter", action="append", default=[], metavar="FILTER", help="in place of RUN: all that match"
    )
    parser.add_argument("-k", "--keys", action="append", default=[], metavar="KEYS", help="as in loss,eval/acc")
    parser.add_argument("--inner", action="store_true", help="only rows that have all the keys")
    parser.add_argument(
        "-o", "--output", metavar="FORMAT|FILE", help="table, csv, json, jsonl, parquet or png; or a file, as loss.png"
    )
    parser.add_argument(
        "-n", "--limit", type=types.limit, default=..., metavar="N", help="rows of a table, or all (50)"
    )
    some = parser.add_mutually_exclusive_group()
    some.add_argument("--tail", type=types.rows, metavar="N", help="only the last N rows")
    some.add_argument("--sample", type=types.rows, metavar="N", help="N rows by chance, the same each time")
    some.add_argument("--follow", action="store_true", help="print new rows of a run as JSON lines until it ends")
    parser.add_argument(
        "--stream", choices=("history", "system", "console"), default="history", help="system metrics or console output"
    )
    parser.add_argument("--by", metavar="PATH", help="in a picture: mean and spread of groups, as in config.lr")
    parser.add_argument("--log", choices=("x", "y", "xy"), default="", help="in a picture: logarithmic axes")
    parser.epilog = FILTERS


Configure = Callable[[argparse.ArgumentParser], None]

COMMANDS: dict[str, tuple[str, Configure, str]] = {
    **{name: (f"list {name}", _listing(name), "wbmodel.cli.listing:run_listing") for name in LISTED},
    "run": ("show one run", _one("run"), "wbmodel.cli.single:run_single"),
    "history": ("show or save what runs logged, as rows or a picture", _history, "wbmodel.cli.history:run_history"),
    "sweep": ("show one sweep and its best run", _one("sweep"), "wbmodel.cli.single:run_single"),
    "update": ("set fields and keys of runs", _writing("update"), "wbmodel.cli.writing:run_update"),
    "tag": ("add tags to runs and remove them: tag RUN +good -bad", _writing("tag"), "wbmodel.cli.writing:run_tag"),
    "delete": ("delete runs", _writing("delete"), "wbmodel.cli.writing:run_delete"),
    "files": ("list, download and delete files of a run", _files, "wbmodel.cli.files:run_files"),
    "artifact": ("download, verify, alias or delete a version", _artifact, "wbmodel.cli.files:run_artifact"),
    "cache": ("show and prune the cache of downloaded files", _cache, "wbmodel.cli.cache:run_cache"),
    "fields": ("list the keys of config and summary", _fields, "wbmodel.cli.inspecting:run_fields"),
    "explain": ("show the requests of a listing", _explain, "wbmodel.cli.inspecting:run_explain"),
    "graphql": ("send a GraphQL document, print the answer as JSON", _graphql, "wbmodel.cli.inspecting:run_graphql"),
    "plugins": ("list plugins, their origin, and which are broken", _words(""), "wbmodel.cli.about:run_plugins"),
    "status": ("show each setting and its source", _status, "wbmodel.cli.about:run_status"),
    "fixtures": ("check, save and export fixtures", _fixtures, "wbmodel.cli.fixtures:run_fixtures"),
    "lint-wandb": ("point at uses of wandb.Api, and name the queryset", _lint, "wbmodel.cli.lint_wandb:run_lint"),
    "serve": ("serve a world over HTTP, as a W&B server", _serve, "wbmodel.cli.serve:run_serve"),
    "completion": ("print a completion script for a shell", _completion, "wbmodel.cli.completion:run_completion"),
}
"""Every command: its help line, the function that declares its arguments, and its handler (``module:function``)."""

_ORDER = ("projects", "runs", "run", "history", "sweeps", "sweep", "artifacts", "reports")


def make_parser(only: str | None = None) -> tuple[Parser, argparse._SubParsersAction[Parser]]:
    """The parser, and the action that sub-commands are added to. ``only`` configures just one command, which is enough
    to run it."""
    from wbmodel._version import __version__

    parser = Parser(
        prog="wbmodel",
        description="Query experiment data: runs, sweeps, artifacts, from any backend.",
        epilog=f"See wbmodel COMMAND --help for each command.\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[_globals(top=True)],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"wbmodel {__version__}")
    table = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name in (*_ORDER, *(name for name in COMMANDS if name not in _ORDER)):
        if only is not None and name != only:
            continue
        words, configure, place = COMMANDS[name]
        made = table.add_parser(
            name,
            help=words,
            description=words[0].upper() + words[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[_globals(top=False)],
            allow_abbrev=False,
        )
        configure(made)
        made.set_defaults(handler=place)
    return parser, table


_TAKES_VALUE = frozenset({"-u", "--url", "-p", "--project", "--entity", "--timeout"})


def command_word(arguments: Sequence[str]) -> str | None:
    """The command in ``arguments``: the first word that is neither an option nor an option's value."""
    skip = False
    for word in arguments:
        if skip:
            skip = False
        elif word in _TAKES_VALUE:
            skip = True
        elif not word.startswith("-"):
            return word
    return None


def tidy(arguments: Sequence[str]) -> list[str]:
    """Rewrite ``-o -created_at`` for argparse, which needs a value that begins with a minus joined to its option, and
    ``+good -bad`` of the command ``tag``."""
    made: list[str] = []
    tagging, ordering = command_word(arguments) == "tag", command_word(arguments) != "history"
    words = iter(arguments)
    for word in words:
        if word == "--":
            return [*made, word, *words]
        if ordering and word in ("-o", "--order"):
            value = next(words, None)
            made.append(word if value is None else f"--order={value}")
        elif tagging and word in (*_TAKES_VALUE, "-f", "--filter"):
            made += [word, *([] if (value := next(words, None)) is None else [value])]
        elif tagging and len(word) > 1 and word[0] == "+":
            made.append(f"--add={word[1:]}")
        elif tagging and word[:1] == "-" and word[1:2] != "-" and word not in ("-", "-h", "-y"):
            made.append(f"--remove={word[1:]}")
        else:
            made.append(word)
    return made


def unknown_command(word: str, commands: Sequence[str]) -> str:
    """The message for a word that is not a command."""
    return f"{word!r} is not a command{suggestion(word, commands, 'commands')}"
