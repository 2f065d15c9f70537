"""Cases about orders: every field that can be ordered by, both ways, nulls, ties, several keys, slices."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from wbmodel.errors import FieldError, OrderWarning
from wbmodel.meta import entity_meta
from wbmodel.query.f import PathExpr
from wbmodel.query.order import default_order, parse_order
from wbmodel.testing import oracle
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import Case, case, cases
from wbmodel.testing.conformance.declared import OURS, valued_fields
from wbmodel.testing.conformance.kit import Kit, shown
from wbmodel.testing.world import parts_of

__all__ = ["SUBJECTS", "OrderTests"]

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
    for meta, field in valued_fields():
        with contextlib.suppress(FieldError):
            parse_order(meta, field.name)
            yield meta.name, field.name, (field.name,)


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
    # wbmodel notices a promise that is broken and sorts here: right rows, and a wrong promise.
    told = next((str(item.message) for item in caught if issubclass(item.category, OrderWarning)), None)
    assert told is None or lax, f"{what}: {told}"


_SEVERAL: dict[str, Keys] = {
    "text-then-number": [(("state",), False), (("config", "rank"), True)],
    "nulls-in-both": [(("heartbeat_at",), True), (("summary", "loss"), False)],
    "three-keys": [(("group",), False), (("name",), True), (("config", "rank"), False)],
    "date-then-text": [(("created_at",), False), (("name",), True)],
    "literal-dot-second": [(("state",), True), (("config", "model.depth"), False)],
    "all-tie": [(("config", "nowhere"), False), (("state",), False)],
}


class OrderTests(BackendTests):
    """Cases about orders: every field that can be ordered by, both ways, nulls, ties, several keys, slices."""

    @cases(
        Case(
            f"order/{name}.{label}/{way}",
            f"{name} by {label}, {way}; what lacks it comes last, ties newest first.",
            values={"name": name, "path": path, "descending": way == "descending", "lax": label in _MIXED},
            core=name in _CORE,
            parts=parts_of(name, label),
        )
        for name, label, path in SUBJECTS
        for way in ("ascending", "descending")
    )
    def test_order_by(self, kit: Kit, name: str, path: Path, descending: bool, lax: bool) -> None:
        """The rows of a class by one field; what lacks it comes last, ties newest first."""
        _check(kit, name, [(path, descending)], lax=lax)

    @cases(
        Case(
            f"order/default/{name}",
            f"{name} in the default order.",
            values={"name": name},
            parts=parts_of(name),
        )
        for name, meta in OURS.items()
        if meta.options.order
    )
    def test_order_default(self, kit: Kit, name: str) -> None:
        """The rows of a class in the default order."""
        keys: Keys = [((item.path.field.name,), item.descending) for item in default_order(entity_meta(name))]
        expected = [row[kit.key(name)] for row in oracle.ordered(kit.rows(name), keys, _ties(name))]
        kit.same_order(kit.names(name, kit.objects(name)), expected, f"{name}.objects, without order_by(),")

    @cases(
        Case(f"order/several/{label}", f"Several keys at once: {label.replace('-', ' ')}.", values={"keys": keys})
        for label, keys in _SEVERAL.items()
    )
    def test_order_several(self, kit: Kit, keys: Keys) -> None:
        """Several keys at once."""
        _check(kit, "Run", keys)

    @case("order/sliced")
    def test_order_sliced(self, kit: Kit) -> None:
        """The first rows of an order are those of the whole order, wherever the slice ends: within ties, within
        nulls."""
        total = len(kit.rows("Run"))
        orders: list[Keys] = [
            [(("summary", "loss"), False)],
            [(("config", "rank"), True), (("name",), False)],
            [(("state",), False)],
        ]
        for keys in orders:
            for start, stop in ((0, 1), (0, 5), (3, 9), (total - 4, None), (total + 5, total + 9), (0, total)):
                _check(kit, "Run", keys, start=start, stop=stop)

    @case("order/reversed")
    def test_order_reversed(self, kit: Kit) -> None:
        """The reverse of an order turns the keys round and leaves what lacks them last; first() and last() are its
        ends."""
        rows = kit.objects("Run").order_by("config.rank", "name")
        keys: Keys = [(("config", "rank"), True), (("name",), True)]
        expected = [row["id"] for row in oracle.ordered(kit.rows("Run"), keys)]
        kit.same_order(kit.names("Run", rows.reverse()), expected, "order_by('config.rank', 'name').reverse()")
        kit.equal(kit.ask(rows, "last").id, expected[0], "the id of last()")
        keys = [(path, False) for path, _ in keys]
        kit.equal(kit.ask(rows, "first").id, oracle.ordered(kit.rows("Run"), keys)[0]["id"], "the id of first()")

    @case("order/filtered")
    def test_order_filtered(self, kit: Kit) -> None:
        """An order of the rows that match a condition."""
        tree = (
            "and",
            [("leaf", ("config", "rank"), "isnull", False), ("not", ("leaf", ("state",), "exact", "running"))],
        )
        expected = oracle.answer(kit.rows("Run"), tree, [(("config", "rank"), True)])
        rows = kit.objects("Run").filter(config__rank__isnull=False).exclude(state="running").order_by("-config.rank")
        kit.same_order(kit.names("Run", rows), expected, "filter(...).exclude(...).order_by('-config.rank')")

    @case("order/best", parts=["values"])
    def test_order_best(self, kit: Kit) -> None:
        """best() is the row with the least or greatest number; NaN and null do not count."""
        rows = kit.objects("Run")
        least = oracle.ordered(kit.rows("Run"), [(("summary", "loss"), False)])[0]["id"]
        greatest = oracle.ordered(kit.rows("Run"), [(("summary", "loss"), True)])[0]["id"]
        kit.equal(
            kit.ask(rows, "best", "summary.loss", goal="min").id, least, "the id of best('summary.loss', goal='min')"
        )
        kit.equal(kit.ask(rows, "best", "summary.loss", goal="max").id, greatest, "the id of best(..., goal='max')")
        kit.equal(kit.ask(rows, "best", "summary.nowhere", goal="min"), None, "best() by a key that no run has")
