"""The layers of the package: which row each module is in, and what it may import.

The only source of the tables in CONTRIBUTING.md and ``docs/explanation/architecture.md``, and of the rules that
``tests/architecture`` enforces.
"""

from __future__ import annotations

import attrs

from tools.docs_markdown import table

__all__ = ["BESIDE", "PLUGINS", "ROWS", "Row", "all_rows", "refusal", "row_of", "rows_table"]


@attrs.frozen
class Row:
    """One row. ``modules`` are names below ``wbmodel`` (a slash marks a folder, ``__init__`` is ``import wbmodel``).

    A module may import from its own row and from every row above it, and also the modules named in ``may``. With
    ``alone``, it may import only from its own row and from ``may``.
    """

    word: str
    modules: tuple[str, ...]
    what: str
    may: tuple[str, ...] = ()
    alone: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(module.rstrip("/") for module in self.modules)


_GROUND = (
    "errors",
    "codec",
    "digests",
    "forks",
    "loggers",
    "urls",
    "json_values",
    "key_hiding",
    "safe_names",
    "safe_text",
    "structuring",
    "weighted_cache",
    "_version",
)

ROWS = (
    Row(
        "ground",
        _GROUND,
        "all exceptions, JSON and dates as text, equality of JSON values, text that is safe to show and without keys, "
        "names that are safe as paths, digests, plain values as attrs classes, fork-safe locks",
    ),
    Row("tables", ("table/",), "a table of columns, type inference, and the frames and files made from it"),
    Row("metadata", ("meta/",), "declared fields and relations, and how each entity is queried and written"),
    Row(
        "backend contract",
        ("backend/", "files_cache", "hookspecs", "registry", "request"),
        "what goes through the three doors, `Capabilities`, the base classes, the plugin contract, the cache of files",
    ),
    Row("say it", ("query/",), "`Q`, `F`, paths, lookups, conditions, orders, result shapes, the logical plan. Pure"),
    Row(
        "plan it",
        ("compiler/",),
        "the target, filters, access paths, the physical plan, documents, hydration, `explain`. Pure",
    ),
    Row(
        "run it",
        ("operations/",),
        "every operation, as a generator that both drivers run: pages, answers, saves, bulk writes",
    ),
    Row("sessions", ("session/",), "sessions, settings, the two drivers, deadlines, traces and statistics"),
    Row("display", ("display/",), "how objects and querysets are shown in a notebook"),
    Row("hold it", ("objects/",), "`QuerySet`, `Manager`, groups, relations, `watch()`"),
    Row("entities", ("entities/",), "one file per entity: its fields first, then how it is queried and written"),
    Row(
        "facade",
        ("api/",),
        "`wandb.Api` over entities and querysets: one file per family, thin",
    ),
    Row(
        "public names",
        ("__init__", "demo", "docs", "fs"),
        "`import wbmodel`, the demo, the documentation (`python -m wbmodel.docs`) and the file systems for fsspec",
    ),
    Row(
        "command line",
        ("cli/", "__main__"),
        "thin: calls only what a user could call; `wbmodel serve` starts the server",
        may=("engine", "server"),
    ),
)

BESIDE = (
    Row(
        "engine",
        ("engine/",),
        "GraphQL over a store. Imports only the ground, `table/`, `backend/` and `request`, so that it checks the "
        "compiler independently",
        may=(*_GROUND, "table", "backend", "request"),
        alone=True,
    ),
    Row(
        "server",
        ("server/",),
        "the engine behind HTTP. Imports the engine, and what the engine imports",
        may=(*_GROUND, "table", "backend", "request", "engine"),
        alone=True,
    ),
    Row(
        "test support",
        ("testing/",),
        "shipped for use in tests: worlds, the oracle, faults, the conformance kit. May import every row above",
        may=(*(name for row in ROWS for name in row.names), "engine", "server"),
        alone=True,
    ),
)

PLUGINS = Row(
    "plugins",
    ("plugins/wbmodel_*",),
    "the built-in backends, found by entry points like third-party ones. They import the ground, `table/`, `meta/`, "
    "the backend contract, `engine/` and `testing/`",
    may=(*(name for row in ROWS[:4] for name in row.names), "engine", "testing"),
    alone=True,
)


SHARED = "wbmodel_files"
"""What backends that read files in place share; it is not a backend itself."""


def all_rows() -> tuple[Row, ...]:
    """Every row, including those beside the layers and the plugins."""
    return (*ROWS, *BESIDE, PLUGINS)


def row_of(module: str) -> Row | None:
    """The row that the module ``wbmodel.query.q`` is in, or None if no row names it."""
    top, _, below = module.partition(".")
    if top != "wbmodel":
        return PLUGINS
    return next((row for row in (*ROWS, *BESIDE) if _key(below) in row.names), None)


def refusal(importer: str, imported: str) -> str | None:
    """Why the module ``importer`` may not import ``imported``, or None if it may. Both are dotted names of ours."""
    own, other = row_of(importer), row_of(imported)
    if own is None or other is None:
        return f"{importer if own is None else imported} has no row"
    key = _key(imported.partition(".")[2])
    if other is PLUGINS:
        shared = imported.partition(".")[0] == SHARED and own is PLUGINS
        if shared or importer.partition(".")[0] == imported.partition(".")[0]:
            return None
        return "backends are found by their entry points"
    if own is other or key in own.may:
        return None
    if own.alone or other.alone:
        return f"{_place(own)} may not import {_place(other)}"
    return None if ROWS.index(other) < ROWS.index(own) else f"{_place(other)} is below {_place(own)}"


def _key(below: str) -> str:
    return below.partition(".")[0] or "__init__"


def _place(row: Row) -> str:
    return f"{row.modules[0]} ({row.word})"


def rows_table() -> str:
    """The table as Markdown: the layers from the top down, then the rows beside them."""
    return table(
        ("Where", "Role", "Contents"),
        [
            (", ".join(f"`{_shown(name)}`" for name in row.modules if name != "_version"), row.word, row.what)
            for row in all_rows()
        ],
    )


def _shown(module: str) -> str:
    return "wbmodel" if module == "__init__" else module
