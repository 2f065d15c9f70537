"""How many requests each operation costs: (name, code, on a fresh queryset, on an evaluated one, note).

``qs`` is a queryset over one project whose rows fit into one page, on a backend that promises everything; ``run`` is
one of its rows. docs/reference/evaluation.md is made of this table.
"""

from __future__ import annotations

__all__ = ["HISTORIES", "TABLE"]

TABLE: list[tuple[str, str, int, int, str]] = [
    ("chain", "qs.filter(state='failed').order_by('name')", 0, 0, "a new queryset"),
    ("slice", "qs[:3]", 0, 0, "a new queryset; on an evaluated one, a list"),
    ("explain", "qs.explain()", 0, 0, ""),
    ("print the query", "str(qs.query)", 0, 0, ""),
    ("iterate", "list(qs)", 1, 0, "one request per page; the rows are kept"),
    ("iterate, and stop", "next(iter(qs))", 1, 0, "pages are read as they are needed"),
    ("length", "len(qs)", 1, 0, "reads all rows; count() asks for the number"),
    ("truth", "bool(qs)", 1, 0, "reads the first page and keeps it; exists() asks for one row or a count"),
    ("membership", "run in qs", 1, 0, "reads until it is found; contains() asks for one row"),
    ("repr", "repr(qs)", 1, 0, "at most 20 rows; not kept"),
    ("notebook", "qs._repr_html_()", 1, 0, "as repr; a cell shows both and asks once"),
    ("index", "qs[0]", 1, 0, "asks for one row; not kept"),
    ("rows of a slice", "list(qs[:3])", 1, 0, ""),
    ("count", "qs.count()", 1, 0, "where all conditions are pushed; else rows are read"),
    ("exists", "qs.exists()", 1, 0, ""),
    ("contains", "qs.contains(run)", 1, 0, ""),
    ("first", "qs.first()", 1, 1, "asks also when rows are here: use qs[0] then"),
    ("last", "qs.last()", 1, 1, ""),
    ("get", "qs.get(id=run.id)", 1, 1, ""),
    ("best", "qs.best('summary.loss', goal='min')", 1, 1, ""),
    ("in_bulk", "qs.in_bulk([run.id])", 1, 1, "one request per 100 ids"),
    ("iterator", "list(qs.iterator())", 1, 1, "keeps nothing"),
    ("copy", "list(qs.all())", 1, 1, "asks again"),
    ("none", "list(qs.none())", 0, 0, "never asks"),
    ("values", "list(qs.values('id', 'config.lr'))", 1, 1, "only the fields that are named"),
    ("select_related", "list(qs.select_related('project'))", 1, 1, "the same document, widened"),
    ("prefetch_related", "list(qs.prefetch_related('sweep'))", 2, 2, "one more for all rows; more where they are many"),
    ("group_by", "qs.group_by('state')", 0, 0, "lazy too; reading its groups asks once"),
    (
        "having, columns of groups",
        "qs.group_by('state').filter(state='failed').values_list('state')",
        0,
        0,
        "new grouped querysets",
    ),
    ("read groups", "list(qs.group_by('state'))", 1, 0, "only the fields that are needed; the groups are kept"),
    ("repr of groups", "repr(qs.group_by('state'))", 1, 0, "reads the groups, as a notebook does"),
    (
        "best of each group",
        "qs.group_by('state').best('summary.loss', goal='min')",
        1,
        0,
        "reads all rows, as entities",
    ),
    (
        "aggregate",
        "qs.aggregate(first=Min('created_at'))",
        1,
        0,
        "only the fields that are needed; Count() alone is a count",
    ),
    (
        "fields",
        "qs.fields('config')",
        1,
        0,
        "on a server, a project with ten runs or more takes 2: ten rows, and its list of keys (1 more per 1,000 keys)",
    ),
    ("fields, exactly", "qs.fields('config', exact=True)", 1, 0, "reads that field of all rows; varying=True too"),
    ("frames and files", "qs.to_records()", 1, 0, "keeps no rows, like to_pandas and the others"),
    ("watch", "list(qs.watch(timeout=0))", 1, 1, "once now, then every interval"),
    ("update", "qs.update(group='x', dry_run=True)", 1, 1, "reads the rows; then, if meant, one per row that differs"),
    ("delete", "qs.delete(dry_run=True)", 1, 1, "reads the ids; then, if meant, one per row"),
    ("explain, analyzed", "qs.explain(analyze=True)", 1, 1, "runs the query"),
]

HISTORIES: list[tuple[str, str, int, int, str]] = [
    ("chain", "h.values('x').filter(x__gt=1)", 0, 0, "a new history set"),
    ("slice", "h[2:5]", 0, 0, "a new history set; on an evaluated one, with the rows that are here"),
    ("explain", "h.explain()", 0, 0, ""),
    ("print", "str(h)", 0, 0, ""),
    ("iterate", "list(h)", 1, 0, "one request for 20 runs of some hundred rows; the rows are kept"),
    ("iterate a query's", "list(hs)", 2, 0, "the page of runs, then their rows"),
    ("iterate keys of a query's", "list(hs.values('x'))", 1, 1, "the values come with the page of runs"),
    ("length", "len(h)", 1, 0, "reads all rows; count() asks for the number"),
    ("truth", "bool(h)", 1, 0, "reads and keeps"),
    ("repr", "repr(h)", 1, 0, "at most 20 rows are shown; not kept"),
    ("notebook", "h._repr_html_()", 1, 0, "as repr"),
    ("index", "h[3]", 1, 0, "not kept"),
    ("iterator", "list(h.iterator())", 1, 1, "keeps nothing; chunks(), by_run() and follow() neither"),
    ("count", "h.count()", 1, 0, "the server's own count; with conditions or keys, rows are read"),
    ("first", "h.first()", 1, 1, "last() and at() as well"),
    ("glance", "list(h.glance(5))", 1, 1, "one request for 20 runs, however long they are"),
    ("extremes", "h.min('x')", 1, 1, "reads the values of that key"),
    ("best", "h.best('x')", 1, 1, "reads whole rows; after values(), those columns"),
    ("keys", "h.keys()", 1, 1, ""),
    ("sample", "list(h.sample(5))", 1, 1, "reads all rows, holds five"),
    ("frames and files", "h.to_polars()", 1, 0, "keeps no rows"),
    ("follow", "list(h.follow())", 2, 2, "the state of the run, then its new rows; every time"),
    ("pickle", "pickle.dumps(h)", 0, 0, "holds the rows if they were read"),
]
"""The same for histories, on a server: ``h`` is the history of a run with ten rows, ``hs`` those of a query."""
