"""The rows of the house: which module stands where, and what it may import. The one source of the tables in
CONTRIBUTING.md and ``docs/explanation/architecture.md``, and of what ``tests/architecture`` holds."""

from __future__ import annotations

import attrs

from tools.docs_markdown import table

__all__ = ["BESIDE", "PLUGINS", "ROWS", "Row", "all_rows", "refusal", "row_of", "rows_table"]


@attrs.frozen
class Row:
    """One row. ``modules`` are names below ``wbmodel`` (a slash marks a folder, ``__init__`` is ``import wbmodel``).

    A module may import its own row and every row above it; ``may`` names modules beside the rows that it may import
    too. Where ``alone``, ``may`` is all it may import apart from itself.
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
    "forks",
    "loggers",
    "urls",
    "json_values",
    "safe_text",
    "structuring",
    "weighted_cache",
    "_version",
)

ROWS = (
    Row(
        "ground",
        _GROUND,
        "every exception; JSON and time as text; what JSON values equal; text that is safe to show; "
        "plain values as attrs classes; locks",
    ),
    Row("columns", ("table/",), "one table of columns, how types are inferred, and the frames and files made of it"),
    Row("what there is", ("meta/",), "fields and relations as declared, and how each entity is reached and written"),
    Row(
        "what a backend is",
        ("backend/", "hookspecs", "registry", "request"),
        "the asks and answers of the three doors, `Capabilities`, the base classes, the plugin contract",
    ),
    Row(
        "say it", ("query/",), "`Q`, `F`, paths, lookups, conditions, orders, shapes of results, the logical plan. Pure"
    ),
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
    Row("who runs it", ("session/",), "sessions, settings, the two drivers, deadlines, traces and statistics"),
    Row("for people", ("display/",), "what a notebook shows"),
    Row("hold it", ("objects/",), "`QuerySet`, `Manager`, groups, relations, watching"),
    Row("entities", ("entities/",), "one file per entity: its fields first, then how it is reached and written"),
    Row("the face", ("__init__", "demo"), "`import wbmodel`, and the questions of `python -m wbmodel.demo`"),
    Row(
        "command line",
        ("cli/", "__main__"),
        "thin: calls only what a user could call; `wbmodel serve` starts the server",
        may=("engine", "server"),
    ),
)

BESIDE = (
    Row(
        "the judge",
        ("engine/",),
        "GraphQL over a store. Knows the ground, `table/` and `backend/` only, so that it judges the compiler "
        "independently",
        may=(*_GROUND, "table", "backend", "request"),
        alone=True,
    ),
    Row(
        "its server",
        ("server/",),
        "the engine behind HTTP. Knows what the engine knows, and the engine",
        may=(*_GROUND, "table", "backend", "request", "engine"),
        alone=True,
    ),
    Row(
        "for tests",
        ("testing/",),
        "what is shipped for tests: worlds, the oracle, faults, the conformance kit",
        may=(*(name for row in ROWS for name in row.names), "engine", "server"),
        alone=True,
    ),
)

PLUGINS = Row(
    "outside",
    ("plugins/wbmodel_*",),
    "the built-in backends, found by entry points as foreign ones are. They know the ground, `table/`, `meta/`, the "
    "contract, `engine/` and `testing/`",
    may=(*(name for row in ROWS[:4] for name in row.names), "engine", "testing"),
    alone=True,
)


def all_rows() -> tuple[Row, ...]:
    """Every row, those beside the others and the plugins too."""
    return (*ROWS, *BESIDE, PLUGINS)


def row_of(module: str) -> Row | None:
    """The row of ``wbmodel.query.q``; None where the table has none for it."""
    top, _, below = module.partition(".")
    if top != "wbmodel":
        return PLUGINS
    return next((row for row in (*ROWS, *BESIDE) if _key(below) in row.names), None)


def refusal(importer: str, imported: str) -> str | None:
    """Why the module ``importer`` may not import ``imported``; None where it may. Both are dotted and ours."""
    own, other = row_of(importer), row_of(imported)
    if own is None or other is None:
        return f"{importer if own is None else imported} has no row"
    key = _key(imported.partition(".")[2])
    if other is PLUGINS:
        if importer.partition(".")[0] == imported.partition(".")[0]:
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
    """The table as Markdown, from the top row down, then what stands beside."""
    return table(
        ("Where", "Word", "What lives there"),
        [
            (", ".join(f"`{_shown(name)}`" for name in row.modules if name != "_version"), row.word, row.what)
            for row in all_rows()
        ],
    )


def _shown(module: str) -> str:
    return "wbmodel" if module == "__init__" else module
