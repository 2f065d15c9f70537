"""Cases about capabilities: each flag that is set is kept, and each ability that is there is claimed.

A promise that is not kept gives wrong answers; one that is kept and not made costs requests on every query.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wbmodel.backend import Capabilities
from wbmodel.errors import WbmodelError
from wbmodel.meta import all_entities
from wbmodel.testing.conformance import doors, probes, promises
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import Case, Nonconforming, cases
from wbmodel.testing.conformance.kit import Kit
from wbmodel.testing.conformance.pages import page
from wbmodel.testing.conformance.probes import Probe
from wbmodel.testing.conformance.promises import Proof

__all__ = ["FLAGS", "FlagTests"]


# -- the flags that are about more than filters ----------------------------------------------------


def _all_projects(kit: Kit) -> list[str]:
    with kit.bench.open() as session:
        return promises.all_projects(Kit(kit.bench, kit.colour, session))


def _filtered(kit: Kit) -> list[str]:
    complaints = [
        f"{name!r} in `filtered` is not the GraphQL type of an entity"
        for name in sorted(kit.capabilities.filtered - {meta.graphql for meta in all_entities().values()})
    ]
    for name in probes.filterable(kit):
        if name in kit.capabilities.filtered:
            complaints += probes.filtered(kit, name)
    return complaints


def _sized(name: str) -> Probe:
    def kept(kit: Kit) -> list[str]:
        size = getattr(kit.capabilities, name)
        if not isinstance(size, int) or size < 1:
            return [f"{name} is {size!r}, and a page has one row at least"]
        total = len(kit.rows("Run"))
        try:
            found = len(page(kit, first=size)["edges"])
        except (Nonconforming, WbmodelError) as error:
            return [f"runs(first: {size}) is refused: {error}"]
        complaints = [] if found == min(size, total) else [f"runs(first: {size}) gives {found} of {total} rows"]
        if kit.capabilities.page_size > kit.capabilities.max_page_size:
            complaints.append("page_size is greater than max_page_size")
        return complaints

    return kept


def _max_aliases(kit: Kit) -> list[str]:
    number = min(kit.capabilities.max_aliases, 300)
    if number < 1:
        return [f"max_aliases is {number}, and a document holds one parent at least"]
    entity, project = kit.world.project.split("/")
    fields = " ".join(
        f"s{at}: project(name: $p, entityName: $e) {{ id runs(first: 1) {{ edges {{ node {{ name }} }} }} }}"
        for at in range(number)
    )
    try:
        found = kit.data(f"query A($p: String, $e: String) {{ {fields} }}", p=project, e=entity)
    except (Nonconforming, WbmodelError) as error:
        return [f"a document of {number} aliases is refused: {str(error)[:300]}"]
    told = {repr(value) for value in found.values()}
    return (
        []
        if len(found) == number and len(told) == 1
        else [f"of {number} equal aliases, {len(told)} different answers came"]
    )


_ROUND_TRIP = 0.01


def _in_process(kit: Kit) -> list[str]:
    one, _ = probes.quickness(kit)
    return [] if one < _ROUND_TRIP else [f"a small request takes {one * 1000:.0f} ms at best, which is a round trip"]


def _concurrent(kit: Kit) -> list[str]:
    from wbmodel.backend.asks import Request

    future = kit.backend.submit(Request("query Q { viewer { id } }"))
    if future.result(60).errors:
        return ["submit() gave an answer with errors to a right document"]
    one, many = probes.quickness(kit, 8)
    if one < probes.TELLING:
        return []
    slow = many > 0.75 * 8 * one
    return (
        [f"8 requests of {one * 1000:.0f} ms take {many * 1000:.0f} ms together: one after the other"] if slow else []
    )


def _writable(kit: Kit) -> list[str]:
    told = probes.write(kit)
    return [] if told is None else [f"upsertBucket of a new run: {told}"]


def _door(open_it: Callable[[Kit], None]) -> Probe:
    def kept(kit: Kit) -> list[str]:
        try:
            open_it(kit)
        except (Nonconforming, WbmodelError) as error:
            return [str(error)]
        return []

    return kept


FLAGS: dict[str, Probe] = {
    "strict_values": probes.strict_values,
    "literal_keys": probes.literal_keys,
    "regex": probes.regex,
    "exists": probes.exists,
    "multi_order": probes.multi_order,
    "nulls_last": probes.nulls_last,
    "count": probes.count,
    "all_projects": _all_projects,
    "filtered": _filtered,
    "page_size": _sized("page_size"),
    "max_page_size": _sized("max_page_size"),
    "max_aliases": _max_aliases,
    "in_process": _in_process,
    "concurrent": _concurrent,
    "stable_cursors": probes.stable_cursors,
    "writable": _writable,
    "columns": _door(doors.read_something),
    "append": _door(doors.append_nothing),
    "blobs": _door(doors.open_something),
}
"""Complaints about each flag of ``Capabilities`` where it is set. One without an entry fails the kit's own tests."""

_NEEDS = {
    "columns": ["histories"],
    "blobs": ["files"],
    "stable_cursors": ["growth", "projects"],
    "append": ["projects"],
}


def _is_set(kit: Kit, name: str) -> bool:
    value = getattr(kit.capabilities, name)
    return value if isinstance(value, bool) else True


def _value(value: Any) -> str:
    return "{" + ", ".join(sorted(value)) + "}" if isinstance(value, frozenset) else repr(value)


def _listed(complaints: list[str]) -> str:
    shown = [f"  - {line}" for line in complaints[:6]]
    return "\n".join([*shown, *([f"  - and {len(complaints) - 6} more"] if len(complaints) > 6 else [])])


class FlagTests(BackendTests):
    """Cases about capabilities: each flag that is set is kept, and each ability that is there is claimed."""

    @cases(
        Case(f"flag/{name}/kept", f"What {name} promises is true.", values={"name": name}, parts=_NEEDS.get(name, ()))
        for name in FLAGS
    )
    def test_flag_kept(self, kit: Kit, name: str) -> None:
        """What a flag promises is true."""
        if not _is_set(kit, name):
            pytest.skip(f"{name} is not promised")
        if complaints := FLAGS[name](kit):
            kit.fail(
                f"the capability {name} is {_value(getattr(kit.capabilities, name))} ({Capabilities.doc(name)}), and "
                f"that is not so:\n{_listed(complaints)}\n"
                "keep the promise, or take it back: what is promised is not checked again"
            )

    @cases(
        Case(
            f"flag/{name}/unclaimed",
            f"{name} is promised where it is so.",
            values={"name": name, "proof": proof},
            parts=proof.parts,
        )
        for name, proof in promises.PROOFS.items()
    )
    def test_flag_unclaimed(self, kit: Kit, name: str, proof: Proof) -> None:
        """A flag is set where what it promises is so."""
        if name != "filtered" and _is_set(kit, name):
            pytest.skip(f"{name} is promised")
        found = proof.find(kit)
        if not found:
            return
        told = f"the capability {name} is {_value(getattr(kit.capabilities, name))}, and "
        meaning = f"({Capabilities.doc(name)}):\n{_listed(found)}\n"
        declare = 'declare this case with notyet("why") in `expected`'
        if proof.harmless:
            kit.fail(
                f"{told}it could be promised {meaning}promise it, which saves requests; or, where it cannot be vouched "
                f"for, {declare}"
            )
        kit.fail(
            f"{told}it looks as if it could be promised {meaning}the kit does not advise it, because a promise that is "
            "not kept loses rows or changes without a word. Promise it if you know that it holds for what the kit does "
            f"not ask, too, which saves requests; else {declare}"
        )
