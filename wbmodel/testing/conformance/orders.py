"""Cases about orders: every field that can be ordered by, both ways, nulls, ties, several keys, slices."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from wbmodel.errors import FieldError, OrderWarning
from wbmodel.meta import all_entities, entity_meta
from wbmodel.query.f import PathExpr
from wbmodel.query.order import default_order, parse_order
from wbmodel.testing import oracle
from wbmodel.testing.conformance.cases import Group
from wbmodel.testing.conformance.kit import Kit, shown
from wbmodel.testing.world import make_world

__all__ = ["SUBJECTS", "group"]

group = Group("order")

Path = tuple[str, ...]
Keys = list[tuple[Path, bool]]

_KEYED: dict[str, Path] = {
    "config.rank": ("config", "rank"),
    "config.model.depth": ("config", "model", "depth"),
    "config.model.name": ("config", "model", "name"),
    "config.literal-dot": ("config", "model.depth"),
    "config.model.literal-dot": ("config", "model", "a.b"),
    "config.comma": ("config", "co,mma"),
    "config.space": ("config", "a b"),
    "config.nowhere": ("config", "nowhere"),
    "summary.loss": ("summary", "loss"),
    "summary.slash": ("summary", "eval/acc"),
    "summary.eval.f1": ("summary", "eval", "f1"),
}
_MIXED: dict[str, Path] = {
    "config.every": ("config", "every"),
    "summary.every": ("summary", "every"),
    "summary.best": ("summary", "best"),
    "config.opt": ("config", "opt"),
}
"""Several types or infinities under one key. A server that promises no order of these may give its own, with a warning
here; no row may be lost over it."""


def _fields() -> Iterator[tuple[str, str, Path]]:
    sample = make_world()
    samples = {"Project": sample.projects, "User": sample.users, "File": sample.files(sample.run("e-one"))}
    for name, meta in all_entities().items():
        if not meta.cls.__module__.startswith("wbmodel."):
            continue
        row = (samples.get(name) or sample.rows(name))[0]
        for field in meta.fields.values():
            if field.name in row and not field.kind.is_keyed:
                try:
                    parse_order(meta, field.name)
                except FieldError:
                    continue
                yield name, field.name, (field.name,)


SUBJECTS: list[tuple[str, str, Path]] = [
    *(("Run", label, path) for label, path in {**_KEYED, **_MIXED}.items()),
    ("Artifact", "metadata.rows", ("metadata", "rows")),
    *_fields(),
]
_CORE = {"Run", "Sweep", "Artifact"}


def _ties(name: str) -> Keys:
    meta = entity_meta(name)
    created: Keys = [(("created_at",), True)] if meta.find("created_at") is not None and name != "ArtifactType" else []
    return [*created, (("id" if name in ("Run", "Sweep", "Report") else "name",), False)]


def _check(kit: Kit, name: str, keys: Keys, *, lax: bool = False, start: int = 0, stop: int | None = None) -> None:
    spelled = [PathExpr(path[0], path[1:], descending) for path, descending in keys]
    key = kit.key(name)
    rows = kit.objects(name).order_by(*spelled)
    if start or stop is not None:
        rows = rows[start:stop]
    ours = kit.rows(name)
    expected = [row[key] for row in oracle.ordered(ours, keys, _ties(name))][start:stop]
    values = {row[key]: tuple(oracle.look(row, path) for path, _ in keys) for row in ours}

    def about(item: Any) -> str:
        told = values.get(item, ())
        return f" ({', '.join(shown(value, 40) for value in told)})" if told else ""

    cut = f"[{start}:{'' if stop is None else stop}]" if start or stop is not None else ""
    what = f"{name}.objects.order_by({', '.join(map(str, spelled))}){cut}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = kit.names(name, rows, quiet=False)
    if lax and any(issubclass(item.category, OrderWarning) for item in caught):
        # Sliced, other rows may be first in the server's order; but there are as many, and no row is there twice.
        kit.equal(len(set(found)), len(expected), f"the number of different rows of {what}")
        return
    kit.same_order(found, expected, what, about)


def _case(name: str, path: Path, descending: bool, lax: bool) -> Callable[[Kit], None]:
    return lambda kit: _check(kit, name, [(path, descending)], lax=lax)


def _parts(name: str, label: str) -> list[str]:
    if name in ("Artifact", "ArtifactCollection", "ArtifactType"):
        return ["artifacts"]
    return ["files"] if name == "File" else []


for _name, _label, _path in SUBJECTS:
    for _descending in (False, True):
        _way = "descending" if _descending else "ascending"
        group.add(
            f"{_name}.{_label}/{_way}",
            _case(_name, _path, _descending, _label in _MIXED),
            f"{_name} by {_label}, {_way}; what lacks it comes last, ties newest first.",
            core=_name in _CORE, parts=_parts(_name, _label),
        )  # fmt: skip


def _default(name: str) -> Callable[[Kit], None]:
    def run(kit: Kit) -> None:
        keys: Keys = [((item.path.field.name,), item.descending) for item in default_order(entity_meta(name))]
        expected = [row[kit.key(name)] for row in oracle.ordered(kit.rows(name), keys, _ties(name))]
        kit.same_order(
            kit.names(name, kit.objects(name)), expected, f"{name}.objects, without order_by(),", lambda _: ""
        )

    return run


for _name, _meta in all_entities().items():
    if _meta.cls.__module__.startswith("wbmodel.") and _meta.options.order:
        group.add(
            f"default/{_name}", _default(_name), f"{_name} in the order that nobody asked for.", parts=_parts(_name, "")
        )

_SEVERAL: dict[str, Keys] = {
    "text-then-number": [(("state",), False), (("config", "rank"), True)],
    "nulls-in-both": [(("heartbeat_at",), True), (("summary", "loss"), False)],
    "three-keys": [(("group",), False), (("name",), True), (("config", "rank"), False)],
    "date-then-text": [(("created_at",), False), (("name",), True)],
    "literal-dot-second": [(("state",), True), (("config", "model.depth"), False)],
    "all-tie": [(("config", "nowhere"), False), (("state",), False)],
}


def _several(keys: Keys) -> Callable[[Kit], None]:
    return lambda kit: _check(kit, "Run", keys)


for _label, _keys in _SEVERAL.items():
    group.add(f"several/{_label}", _several(_keys), f"Several keys at once: {_label.replace('-', ' ')}.")


@group("sliced")
def _sliced(kit: Kit) -> None:
    """The first rows of an order are those of the whole order, wherever the slice ends: within ties, within nulls."""
    total = len(kit.rows("Run"))
    orders: list[Keys] = [
        [(("summary", "loss"), False)],
        [(("config", "rank"), True), (("name",), False)],
        [(("state",), False)],
    ]
    for keys in orders:
        for start, stop in ((0, 1), (0, 5), (3, 9), (total - 4, None), (total + 5, total + 9), (0, total)):
            _check(kit, "Run", keys, start=start, stop=stop)


@group("reversed")
def _reversed(kit: Kit) -> None:
    """The reverse of an order turns the keys round and leaves what lacks them last; first() and last() are its ends."""
    rows = kit.objects("Run").order_by("config.rank", "name")
    keys: Keys = [(("config", "rank"), True), (("name",), True)]
    expected = [row["id"] for row in oracle.ordered(kit.rows("Run"), keys)]
    kit.same_order(
        kit.names("Run", rows.reverse()), expected, "order_by('config.rank', 'name').reverse()", lambda _: ""
    )
    kit.equal(kit.ask(rows, "last").id, expected[0], "the id of last()")
    keys = [(path, False) for path, _ in keys]
    kit.equal(kit.ask(rows, "first").id, oracle.ordered(kit.rows("Run"), keys)[0]["id"], "the id of first()")


@group("filtered")
def _filtered(kit: Kit) -> None:
    """An order of the rows that match a condition."""
    tree = ("and", [("leaf", ("config", "rank"), "isnull", False), ("not", ("leaf", ("state",), "exact", "running"))])
    expected = oracle.answer(kit.rows("Run"), tree, [(("config", "rank"), True)])
    rows = kit.objects("Run").filter(config__rank__isnull=False).exclude(state="running").order_by("-config.rank")
    kit.same_order(kit.names("Run", rows), expected, "filter(...).exclude(...).order_by('-config.rank')", lambda _: "")


@group("best", parts=["values"])
def _best(kit: Kit) -> None:
    """best() is the row with the least or greatest number; NaN and null are none."""
    rows = kit.objects("Run")
    least = oracle.ordered(kit.rows("Run"), [(("summary", "loss"), False)])[0]["id"]
    greatest = oracle.ordered(kit.rows("Run"), [(("summary", "loss"), True)])[0]["id"]
    kit.equal(kit.ask(rows, "best", "summary.loss", goal="min").id, least, "the id of best('summary.loss', goal='min')")
    kit.equal(kit.ask(rows, "best", "summary.loss", goal="max").id, greatest, "the id of best(..., goal='max')")
    kit.equal(kit.ask(rows, "best", "summary.nowhere", goal="min"), None, "best() by a key that no run has")
