"""Which operations of a queryset ask the backend, and how often: every public method, counted exactly.

``evaluation_table.py`` holds the shorter table that the docs page is made of. The world has five runs in one project,
read with pages that hold them all. ``cold`` is the number of requests on a fresh queryset ``rows``, ``warm`` after
``rows`` was evaluated (None: does not apply).
"""

from __future__ import annotations

import attrs

__all__ = ["ASKS", "CHAINS", "ELSEWHERE", "Line"]


@attrs.frozen
class Line:
    """One operation: its name on the page, the code, and its requests."""

    name: str
    code: str
    cold: int
    warm: int | None = None
    note: str = ""


CHAINS = (
    Line("filter", 'rows.filter(state="finished")', 0, 0, "a new queryset"),
    Line("exclude", 'rows.exclude(state="finished")', 0, 0, "a new queryset"),
    Line("order_by", 'rows.order_by("name")', 0, 0, "a new queryset"),
    Line("plan", "rows.plan", 0, 0, "the question, for tools"),
    Line("reverse", "rows.reverse()", 0, 0, "a new queryset"),
    Line("all", "rows.all()", 0, 0, "a new queryset without the rows that were read"),
    Line("none", "rows.none()", 0, 0, "a new queryset that never asks"),
    Line("only", 'rows.only("name")', 0, 0, "a new queryset"),
    Line("also", 'rows.also("commit")', 0, 0, "a new queryset"),
    Line("defer", 'rows.defer("config")', 0, 0, "a new queryset"),
    Line("values", 'rows.values("name")', 0, 0, "a new queryset"),
    Line("values_list", 'rows.values_list("name", flat=True)', 0, 0, "a new queryset"),
    Line("distinct", "rows.distinct()", 0, 0, "a new queryset"),
    Line("using", 'rows.using("counted")', 0, 0, "a new queryset"),
    Line("timeout", "rows.timeout(5)", 0, 0, "a new queryset"),
    Line("select_related", 'rows.select_related("user")', 0, 0, "a new queryset"),
    Line("prefetch_related", 'rows.prefetch_related("files")', 0, 0, "a new queryset"),
    Line("snapshot", "rows.snapshot()", 0, 0, "a new queryset"),
    Line("|", 'rows | rows.filter(state="x")', 0, 0, "a new queryset"),
    Line("&", 'rows & rows.filter(state="x")', 0, 0, "a new queryset"),
    Line("a slice", "rows[:2]", 0, 0, "a new queryset; of an evaluated one, a list of the rows that are there"),
    Line("query", "str(rows.query)", 0, 0, "the document and its variables"),
    Line("explain", "str(rows.explain())", 0, 0, ""),
    Line("history", "rows.history", 0, 0, "a new history set"),
    Line("iterator, not read", "rows.iterator()", 0, 0, "asks when the first row is taken"),
)
"""Operations that ask nothing."""

ASKS = (
    Line("create", 'rows.create(name="new")', 1, None, "looks first when an id is given"),
    Line("get_or_create", "rows.get_or_create(id=first_run.id)", 1, 1, "one more when it is made"),
    Line(
        "update_or_create", 'rows.update_or_create({"group": "g"}, id=first_run.id)', 2, 1, "one to save what differs"
    ),
    Line("update", 'rows.update(group="h")', 6, 1, "reads the rows, then one per row that differs"),
    Line("update, a dry run", 'rows.update(group="i", dry_run=True)', 1, 1),
    Line("delete, a dry run", "rows.delete(dry_run=True)", 1, 1),
    Line("delete", 'rows.filter(id="r3").delete()', 2, None, "reads the ids, then one per row"),
    Line("iterate", "[run for run in rows]", 1, 0, "pages are read as they are needed, and kept"),
    Line("list", "list(rows)", 1, 0),
    Line("len", "len(rows)", 1, 0, "reads all rows; count() does not"),
    Line("bool", "bool(rows)", 1, 0, "reads the first page; exists() asks for one row"),
    Line("in", "first_run in rows", 1, 0, "reads rows until it is found; contains() asks for that one"),
    Line("repr", "repr(rows)", 1, 0, "20 rows and one page at most; none with WBMODEL_REPR=off"),
    Line("an index", "rows[1]", 1, 0, "one row"),
    Line("a slice with a step", "rows[::2]", 1, 0, "evaluates, as in Django"),
    Line("pickle", "pickle.dumps(rows)", 1, 0, "a pickle holds the rows"),
    Line("iterator", "list(rows.iterator())", 1, 1, "keeps nothing, so it always asks"),
    Line("count", "rows.count()", 1, 0, "the backend's count when its filter says just what was asked"),
    Line("exists", "rows.exists()", 1, 0),
    Line("contains", "rows.contains(first_run)", 1, 0),
    Line("first", "rows.first()", 1, 1, "one row; use rows[0] on an evaluated queryset"),
    Line("last", "rows.last()", 1, 1),
    Line("latest", "rows.latest()", 1, 1),
    Line("earliest", "rows.earliest()", 1, 1),
    Line("best", 'rows.best("summary.loss", goal="min")', 1, 1),
    Line("get", 'rows.get(id="r1")', 1, 1),
    Line("get_or_none", 'rows.get_or_none(id="r9")', 1, 1),
    Line("in_bulk", 'rows.in_bulk(["r1", "r2", "r9"])', 1, 1, "one per 100 ids"),
    Line("watch", "list(rows.watch(timeout=0))", 1, 1, "once now, then every interval"),
    Line("explain(analyze=True)", "rows.explain(analyze=True)", 1, 1, "runs the query"),
    Line("prefetch_related", 'list(rows.prefetch_related("files"))', 2, 2, "one more for all rows, by aliases"),
    Line("prefetch, then read", '[list(run.files) for run in rows.prefetch_related("files")]', 2, 2),
    Line("no prefetch", "[list(run.files) for run in rows]", 6, 5, "one per run: prefetch_related is for this"),
    Line("select_related", '[run.user.name for run in rows.select_related("user")]', 1, 1, "in the same document"),
    Line(
        "an attribute",
        "[(run.name, run.config, run.project.path, run.user) for run in rows]",
        1,
        0,
        "attributes never ask",
    ),
    Line("none", "list(rows.none())", 0, 0),
    Line("an empty in", "list(rows.filter(state__in=[]))", 0, 0, "known to be empty"),
)
"""Operations that ask."""

ELSEWHERE = frozenset(
    {"aggregate", "as_manager", "fields", "group_by", "watch"}
    | {f"to_{form}" for form in ("arrow", "csv", "pandas", "parquet", "polars", "records")}
)
"""Public names that have no line: no queryset is asked, or the tests of aggregates, frames and watching count them."""
