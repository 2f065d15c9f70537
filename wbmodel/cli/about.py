"""``plugins`` and ``status``: the installed plugins, and the settings a session would use."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from typing import Any

import attrs

from wbmodel.cli.output import emit, to_json, write_csv, write_table
from wbmodel.cli.session import open_session, plugin_manager
from wbmodel.errors import WbmodelError
from wbmodel.safe_text import escape

__all__ = ["run_plugins", "run_status"]


def run_plugins(arguments: argparse.Namespace) -> int:
    """List every plugin: its origin, what it provides, and why it is broken, if it is. Returns 4 if any is broken."""
    import warnings

    with warnings.catch_warnings():
        # The table lists broken plugins, with the reason.
        warnings.simplefilter("ignore")
        manager = plugin_manager(arguments)
    items = [_plugin(report, manager, arguments.url) for report in manager.report]
    broken = [item for item in items if item["status"] == "broken"]
    if arguments.format in ("json", "jsonl"):
        if arguments.format == "json":
            total = len(items)
            emit(to_json({"items": items, "returned": total, "total": total, "truncated": False}))
        else:
            for item in items:
                emit(to_json(item, indent=None))
        return 4 if broken else 0
    names = ["plugin", "status", "from", "schemes", "hooks"]
    cells = [
        [item["name"], item["status"], _origin(item), _schemes(item), ", ".join(_short(hook) for hook in item["hooks"])]
        for item in items
    ]
    if arguments.format == "csv":
        write_csv(names, cells)
        return 4 if broken else 0
    write_table(names, cells, no_color=arguments.no_color)
    for item in items:
        for backend in item["backends"]:
            emit("")
            _describe(backend)
    for item in broken:
        emit("")
        write_table(["", ""], [[f"{item['name']} is broken:", item["error"]]], no_color=True, head=False)
    return 4 if broken else 0


def _plugin(report: Any, manager: Any, url: str | None) -> dict[str, Any]:
    return {
        "name": report.name,
        "status": report.status,
        "distribution": report.distribution,
        "version": report.version,
        "module": report.value or None,
        "hooks": list(report.hooks),
        "backends": [_backend(entry, url) for entry in manager.backends if entry.plugin == report.name],
        "error": None if report.error is None else str(report.error),
    }


def _backend(entry: Any, url: str | None) -> dict[str, Any]:
    missing = [name for name in entry.imports if importlib.util.find_spec(name) is None]
    return {
        "name": entry.name,
        "schemes": list(entry.schemes),
        "missing": missing,
        "install": f'pip install "{entry.distribution or entry.plugin}[{entry.extra}]"' if missing else None,
        "capabilities": None if missing else _capabilities(entry, url),
    }


def _capabilities(entry: Any, url: str | None) -> dict[str, Any] | None:
    """The capabilities of a backend, found by creating one (which does no I/O); None if it cannot be created without a
    real URL."""
    guesses = [f"{scheme}:" for scheme in entry.schemes] + [f"{scheme}://localhost" for scheme in entry.schemes]
    if url is not None and url.partition(":")[0].lower() in entry.schemes:
        guesses.insert(0, url)
    for guess in guesses:
        try:
            backend = entry.factory(guess, **dict.fromkeys(entry.wants))
            found = attrs.asdict(backend.capabilities)
            backend.close()
        except (Exception, SystemExit):  # a third-party factory may reject a guessed URL with any exception
            continue
        return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in found.items()}
    return None


def _origin(item: dict[str, Any]) -> str:
    version = f" {item['version']}" if item["version"] else ""
    place = f" ({item['module']})" if item["module"] else ""
    return f"{item['distribution'] or 'no distribution'}{version}{place}"


def _schemes(item: dict[str, Any]) -> str:
    return " ".join(f"{scheme}:" for backend in item["backends"] for scheme in backend["schemes"])


def _short(hook: str) -> str:
    return hook.removeprefix("wbmodel_").removeprefix("register_")


def _describe(backend: dict[str, Any]) -> None:
    if backend["missing"]:
        lines = [["needs", f"{', '.join(backend['missing'])}: {backend['install']}"]]
    elif backend["capabilities"] is None:
        lines = [["can", "known only for a URL: wbmodel plugins --url URL"]]
    else:
        found = backend["capabilities"]
        flags = {name: value for name, value in found.items() if isinstance(value, bool)}
        rest = {name: value for name, value in found.items() if name not in flags}
        lines = [
            ["can", ", ".join(name for name, value in flags.items() if value) or "only the minimum"],
            ["cannot", ", ".join(name for name, value in flags.items() if not value) or "-"],
            *([name, ", ".join(value) if isinstance(value, list) else value] for name, value in rest.items()),
        ]
    write_table(["", ""], [["backend", backend["name"]], *lines], no_color=True, head=False)


def run_status(arguments: argparse.Namespace) -> int:
    """Show each setting and its source; with ``--check``, also whether the backend answers, the account, and what the
    server was found to lack and to refuse."""
    from wbmodel._version import __version__

    python = ".".join(map(str, sys.version_info[:3]))
    with open_session(arguments) as session:
        settings = session.settings.table()
        told: dict[str, Any] = {
            "wbmodel": __version__,
            "python": python,
            "backend": session.call_info.backend,
            "settings": {
                name: {"value": value or None, "source": source} for name, (value, source) in settings.items()
            },
        }
        failed: WbmodelError | None = None
        if arguments.check:
            try:
                told["viewer"] = _viewer(session)
                told["server"] = _server(session)
            except WbmodelError as error:
                failed, told["viewer"] = error, None
    if arguments.format in ("json", "jsonl"):
        emit(to_json(told, indent=2 if arguments.format == "json" else None))
    else:
        rows = [[name, value or "-", source] for name, (value, source) in settings.items()]
        if arguments.format == "csv":
            write_csv(["setting", "value", "source"], rows)
        else:
            write_table(["setting", "value", "from"], rows, no_color=arguments.no_color)
            emit(f"\nwbmodel {__version__}, Python {python}, backend {told['backend']}")
            if told.get("viewer"):
                emit(escape(f"{session.url} answers; you are {told['viewer']}"))
            for words, names in (told.get("server") or {}).items():
                if names:
                    emit(escape(f"it {words} {', '.join(names)}"))
    if failed is not None:
        raise failed
    return 0


def _viewer(session: Any) -> str:
    answer = session.execute("query Viewer { viewer { username } }")
    viewer = (answer.data or {}).get("viewer") or {}
    return str(viewer.get("username") or "nobody: not signed in")


def _server(session: Any) -> dict[str, list[str]]:
    """What the server lacks of the schema, and what it refuses of the requests that wbmodel makes by itself."""
    # Only the backend of servers has this.
    info = getattr(session.backend, "server_info", None)
    lacks = sorted(info().lacking) if info is not None else []
    return {"lacks": lacks, "refuses": [f"{what} ({instead})" for what, instead in session.refused.items()]}
