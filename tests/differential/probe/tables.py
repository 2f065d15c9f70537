"""The part ``tables``: frames, files, aggregates, groups, discovery, texts, pages of HTML and pickles of querysets."""

from __future__ import annotations

import copy
import pickle
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .homes import home
from .querysets import evaluated, is_rows
from .questions import question
from .recording import Writer, observed
from .world import big_world

__all__ = ["look_at_all"]

_BASES = [
    "Run.objects",
    'Run.objects.order_by("-summary.loss")[:7]', 'Run.objects.filter(state="finished")',
    'Run.objects.only("name", "config")', 'Run.objects.values("name", "config.lr", F.summary["eval/acc"], "tags")',
    'Run.objects.values_list("state", flat=True).distinct()',
    'Run.objects.values_list("id", "user.username", named=True)',
    'Run.objects.filter(entity="acme")', "Run.objects.none()", 'Run.objects.filter(project="acme/none")',
    'Run.objects.values("config", "summary", "created_at", "heartbeat_at")[:9]', "Sweep.objects", "Report.objects",
    'Project.objects.filter(entity="acme")', 'Artifact.objects.filter(collection="images")',
    "ArtifactCollection.objects", "ArtifactType.objects", "User.objects", 'File.objects.filter(run="v01")',
    'Run.objects.select_related("project", "user")[:4]', 'Run.objects.prefetch_related("files")[:4]',
    'Run.objects.filter(Q(config__lr__gt=0.01) | Q(name__regex="a$")).exclude(tags__contains="broken")',
]  # fmt: skip

_EXPORTS = [
    "rows.to_records()", "rows.to_csv()", "rows.ato_csv()", "pandas(rows.to_pandas())", "polars(rows.to_polars())",
    "arrow(rows.to_arrow())", "parquet(rows)", "repr(rows)", "str(rows)", "rows._repr_html_()",
    "sorted(rows._repr_mimebundle_())", "pickled(rows)", "copied(rows)", "fields(rows.fields())",
    'fields(rows.fields("config"))', "rows.aggregate(n=Count())", "len(rows), bool(rows)", "rows == rows.all()",
    "seen(rows)", "row_texts(rows)", "rows.afields()", "traced(rows)",
]  # fmt: skip

_AGGREGATES = [
    'n=Count(), some=Count("config.lr")', 'low=Min("summary.loss"), high=Max("summary.loss")', 'm=Mean("summary.loss")',
    's=Sum("config.lr"), d=Std("config.lr")', 'q=Quantile("config.lr", 0.9), m=Median("config.lr")',
    'f=First("name"), l=Last("name")', 'x=Mean("name")', 'x=Sum("config.mixed")', 'x=Min("created_at")', "x=3", "",
    'x=Mean("nothing")', 'x=Max(F.config["model"]["depth"])', 'x=Max("config.mixed")', 'x=Mean("config.nowhere")',
    'x=Mean("sumary.loss")', 'x=Min("summary.best"), y=Max("summary.best")',
]  # fmt: skip

_GROUPS = [
    'group_by("state")', 'group_by("config.lr").annotate(n=Count(), loss=Mean("summary.loss"))',
    'group_by("group", "job_type").annotate(n=Count()).order_by("-n", "group")[:3]',
    'group_by("tags").annotate(n=Count())',
    'group_by(F.config["mixed"]).annotate(n=Count())', 'group_by(everything_but("lr")).annotate(n=Count())',
    'group_by("config.model").annotate(f=First("name"))', 'group_by("user").annotate(n=Count())', "group_by()",
    'group_by("nothing")', 'group_by("state").annotate(state=Count())', 'group_by("state").annotate(n=3)',
    'group_by("state").annotate(n=Count()).order_by("m")', 'group_by("state").annotate(n=Count())[1]',
    'group_by("created_at").annotate(n=Count()).order_by("created_at")', 'group_by("project").annotate(n=Count())',
    'group_by("user.username").annotate(n=Count())', 'group_by("config.nowhere").annotate(n=Count())',
]  # fmt: skip

_GROUP_ENDS = [
    "list({0})",
    "repr({0})",
    "{0}.to_csv()",
    "pandas({0}.to_pandas())",
    "polars({0}.to_polars())",
    "len({0})",
]


def look_at_all(writer: Writer, homes: Iterable[str], chosen: str | None = None) -> None:
    """Look at every table at ``homes``; ``chosen`` is the name of one record."""
    for name in homes:
        with home(name, big_world()) as session, session.as_current():
            for base in _BASES:
                if chosen in (None, base):
                    writer.write("tables", base, name, _looked(base, _EXPORTS))
            aggregates = [f"rows.aggregate({item})" for item in _AGGREGATES]
            groups = [end.format(f"rows.{item}") for item in _GROUPS for end in _GROUP_ENDS]
            for base in _BASES[:5]:
                if chosen in (None, f"{base} in groups"):
                    writer.write("tables", f"{base} in groups", name, _looked(base, aggregates + groups))
            for seed in range(0, 2000, 40):
                asked = question(seed)
                if chosen in (None, asked.text):
                    writer.write("tables", asked.text, name, _looked(asked.text, _EXPORTS[:12]))


def _looked(base: str, exports: list[str]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for text in exports:
        record[text], _ = observed(_step(base, text))
    return record


def _step(base: str, text: str) -> Callable[[], Any]:
    def step() -> Any:
        rows = evaluated(base)
        return evaluated(text, {**_HELPERS, "rows": rows.all() if is_rows(rows) else rows})

    return step


def _pandas(frame: Any) -> Any:
    return [str(frame.dtypes), frame.to_csv(), repr(frame.index)]


def _polars(frame: Any) -> Any:
    return [str(frame.schema), repr(frame.to_dicts())]


def _arrow(table: Any) -> Any:
    return [str(table.schema), repr(table.to_pylist())]


def _parquet(rows: Any) -> Any:
    import pyarrow.parquet

    with tempfile.TemporaryDirectory() as folder:
        rows.to_parquet(Path(folder) / "rows.parquet")
        return _arrow(pyarrow.parquet.read_table(Path(folder) / "rows.parquet"))


def _pickled(rows: Any) -> Any:
    again = pickle.loads(pickle.dumps(rows))
    return [type(again).__name__, list(again), again == rows, list(again.all())]


def _copied(rows: Any) -> Any:
    return [list(copy.copy(rows)), list(copy.deepcopy(rows))]


def _fields(found: Any) -> Any:
    return [[str(item), repr(item)] for item in found]


def _seen(rows: Any) -> Any:
    """The same after it was evaluated, when nothing has to be asked."""
    list(rows)
    return [repr(rows), rows._repr_html_(), rows.to_csv(), rows.count(), rows.exists(), rows[:2], rows.first()]


def _row_texts(rows: Any) -> Any:
    made = []
    for row in list(rows)[:4]:
        again = pickle.loads(pickle.dumps(row))
        texts = [repr(row), str(row), getattr(row, "url", "-"), getattr(row, "path", "-"), again == row]
        made.append([*texts, hash(again) == hash(row), hasattr(row, "_repr_html_") and row._repr_html_()])
    return made


def _traced(rows: Any) -> Any:
    from wbmodel import trace

    with trace() as records:
        list(rows)
    return [[item.kind, item.operation, item.rows, item.outcome, item.origin, item.session] for item in records]


_HELPERS = {
    "pandas": _pandas, "polars": _polars, "arrow": _arrow, "parquet": _parquet, "pickled": _pickled, "copied": _copied,
    "fields": _fields, "seen": _seen, "row_texts": _row_texts, "traced": _traced,
}  # fmt: skip
