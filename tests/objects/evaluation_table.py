"""How many requests each operation costs: (name, code, on a fresh queryset, on an evaluated one, note).

``qs`` is a queryset over one project whose rows fit into one page, on a backend that promises everything; ``run`` is
one of its rows. docs/reference/evaluation.md is made of this table.
"""

from __future__ import annotations

__all__ = ["TABLE"]

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
