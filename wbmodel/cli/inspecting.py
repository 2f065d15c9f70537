"""``fields``, ``explain`` and ``graphql``: inspect keys and queries, and send raw documents."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from wbmodel.cli.output import emit, to_json, write_csv, write_table
from wbmodel.cli.session import conditioned, open_session
from wbmodel.errors import ConfigurationError, FieldError

__all__ = ["run_explain", "run_fields", "run_graphql"]


def run_fields(arguments: argparse.Namespace) -> int:
    """List the keys of config and summary: type, example, the numbers of runs and values where runs were read."""
    import wbmodel
    from wbmodel.cli.listing import counted

    sections = (arguments.inside,) if arguments.inside else ("config", "summary")
    with open_session(arguments, arguments.place) as session:
        rows = conditioned(wbmodel.Run.objects.using(session), arguments)
        found = rows.fields(*sections, exact=arguments.exact, varying=arguments.varying)
    names = ["path", "type", "count", "distinct", "example"]
    items = [{name: getattr(item, name) for name in names} for item in found]
    if arguments.format == "json":
        emit(to_json({"items": items, "returned": len(items), "total": len(items), "truncated": False}))
    elif arguments.format == "jsonl":
        for item in items:
            emit(to_json(item, indent=None))
    elif arguments.format == "csv":
        write_csv(names, [list(item.values()) for item in items])
    else:
        # Nobody reads columns that are empty because the server's list of keys has no numbers.
        shown = [name for name in names if name == "example" or any(item[name] is not None for item in items)]
        cells = [[item[name] for name in shown] for item in items]
        write_table(shown, cells, footer=counted(len(items), "key"), no_color=arguments.no_color)
    return 0


def run_explain(arguments: argparse.Namespace) -> int:
    """Show the requests that a listing would send. Sends none, unless ``--analyze``."""
    from wbmodel.cli.listing import TABLE_ROWS, listed, loaded_columns

    with open_session(arguments, arguments.place, entity=arguments.what == "projects") as session:
        rows, _ = loaded_columns(listed(arguments.what, session, arguments), session, arguments)
        limit = TABLE_ROWS if arguments.limit is ... else arguments.limit
        rows = rows if limit is None else rows[:limit]
        if arguments.document:
            emit(str(rows.query))
            return 0
        told = rows.explain(analyze=arguments.analyze)
        data = arguments.format in ("json", "jsonl")
        emit(to_json(told.to_dict(), indent=2 if arguments.format == "json" else None) if data else str(told))
    return 0


def run_graphql(arguments: argparse.Namespace) -> int:
    """Send one document unchanged and print the whole answer as JSON. Returns 1 if the answer holds errors."""
    from wbmodel.backend.asks import Request, Response
    from wbmodel.backend.verbs import Send

    request = Request(_document(arguments), _variables(arguments.variables), arguments.operation)

    def ask() -> Generator[Send, Any, Response]:
        # Not session.execute(), which raises for errors: this command shows data and errors side by side.
        response: Response = yield Send(request)
        return response

    with open_session(arguments) as session:
        answer: Response = session.run(ask())
    shown: dict[str, Any] = {"data": answer.data}
    if answer.errors:
        shown["errors"] = list(answer.errors)
    # Under "wbmodel", wbmodel's own server counts its work; no other server sends that.
    extensions = {name: value for name, value in answer.extensions.items() if name != "wbmodel"}
    if extensions:
        shown["extensions"] = extensions
    emit(to_json(shown, indent=None if arguments.format == "jsonl" else 2))
    return 1 if answer.errors else 0


def _document(arguments: argparse.Namespace) -> str:
    text = arguments.document
    if arguments.file is not None:
        if text is not None:
            raise ConfigurationError("both a document and --file are given; pass only one of them")
        return _read(arguments.file)
    if text is None or text == "-":
        if text is None and sys.stdin.isatty():
            raise ConfigurationError("no document: pass it as an argument, with --file, or on standard input")
        text = sys.stdin.read()
    if not text.strip():
        raise ConfigurationError("the document is empty")
    return str(text)


def _variables(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    source = _read(text[1:]) if text.startswith("@") else text
    try:
        found = json.loads(source)
    except ValueError as error:
        raise FieldError(f"--variables is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise FieldError(f"--variables must be a JSON object, not {type(found).__name__}")
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
