"""Cases about capabilities: each flag that is set is kept, and each ability that is there is claimed.

A promise that is not kept gives wrong answers; one that is kept and not made costs requests on every query.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from wbmodel.backend import Capabilities
from wbmodel.errors import WbmodelError
from wbmodel.meta import EntityMeta, all_entities
from wbmodel.testing.conformance import doors, probes
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import Case, Nonconforming, cases
from wbmodel.testing.conformance.kit import Kit
from wbmodel.testing.conformance.pages import page
from wbmodel.testing.conformance.probes import FILTERED, Probe

__all__ = ["FLAGS", "Flag", "FlagTests"]

_numbers = itertools.count(1)


@attrs.frozen(slots=True, kw_only=True)
class Flag:
    """How a flag is held against the truth. ``kept`` gives complaints where it is set; ``unclaimed`` gives complaints
    where it is not set and could be, or is a text: why that cannot be told."""

    kept: Probe
    unclaimed: Probe | str


def _probed(probe: Probe) -> Flag:
    """A flag about an ability that a probe can see: unclaimed when the probe has nothing to complain about."""

    def unclaimed(kit: Kit) -> list[str]:
        return [] if probe(kit) else ["every probe of it was answered as if it were promised"]

    return Flag(kept=probe, unclaimed=unclaimed)


# -- the flags that are about more than filters ----------------------------------------------------


def _all_projects(kit: Kit) -> list[str]:
    from wbmodel import Project, Run

    complaints = []
    with kit.bench.open() as session:
        try:
            projects = {item.path for item in kit.all(Project.objects.using(session))}
            runs = {item.path for item in kit.all(Run.objects.using(session).only("id"))}
        except WbmodelError as error:
            return [f"a query without a project: {error}"]
    lacking = [item["path"] for item in kit.world.projects if item["path"] not in projects]
    if lacking:
        complaints.append(f"Project.objects without an entity lacks {', '.join(lacking)}")
    ours = [f"{run['project']}/{run['id']}" for run in kit.world.runs if not run["id"].startswith("later-")]
    missing = [path for path in ours if path not in runs]
    if missing:
        complaints.append(f"Run.objects without a project lacks {len(missing)} runs, {missing[0]} among them")
    return complaints


def _all_projects_unclaimed(kit: Kit) -> list[str]:
    told = kit.data("query V { viewer { teams { edges { node { name } } } } }")["viewer"]
    teams = {edge["node"]["name"] for edge in told["teams"]["edges"]} if told else set()
    lacking = {item["entity"] for item in kit.world.projects} - teams
    if lacking:
        return []
    return ["viewer.teams lists every entity that the world's projects belong to, so all projects can be found"]


def _by_type() -> dict[str, EntityMeta]:
    return {meta.graphql: meta for meta in all_entities().values()}


def _filtered(kit: Kit) -> list[str]:
    complaints = [
        f"{name!r} in `filtered` is not the GraphQL type of an entity"
        for name in sorted(kit.capabilities.filtered - _by_type().keys())
    ]
    for name in sorted(kit.capabilities.filtered & FILTERED.keys()):
        if name in ("Artifact", "ArtifactCollection") and "artifacts" not in kit.world.parts:
            continue
        complaints += probes.filtered(kit, name)
    return complaints


def _filtered_unclaimed(kit: Kit) -> list[str]:
    complaints = []
    for name in sorted(FILTERED.keys() - kit.capabilities.filtered):
        if not any(route.filters for route in _by_type()[name].options.routes):
            continue  # querysets have no use for it
        if name in ("Artifact", "ArtifactCollection") and "artifacts" not in kit.world.parts:
            continue
        if not probes.filtered(kit, name):
            complaints.append(f"the connection of {name} takes filters and orders, and {name!r} is not in `filtered`")
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


_TELLING = 0.005
"""Seconds that a request must take for side by side to be told from one after the other."""


def _concurrent(kit: Kit) -> list[str]:
    from wbmodel.backend.asks import Request

    future = kit.backend.submit(Request("query Q { viewer { id } }"))
    if future.result(60).errors:
        return ["submit() gave an answer with errors to a right document"]
    one, many = probes.quickness(kit, 8)
    if one < _TELLING:
        return []
    slow = many > 0.75 * 8 * one
    return (
        [f"8 requests of {one * 1000:.0f} ms take {many * 1000:.0f} ms together: one after the other"] if slow else []
    )


def _concurrent_unclaimed(kit: Kit) -> list[str]:
    one, many = probes.quickness(kit, 8)
    if one >= _TELLING and many < 0.5 * 8 * one:
        return [f"8 requests of {one * 1000:.0f} ms take {many * 1000:.0f} ms together: side by side"]
    return []


_MAKE = """
mutation Probe($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted bucket { id project { id } } } }
"""
_DROP = "mutation Probe($input: DeleteModelInput!) { deleteModel(input: $input) { success } }"


def _writes(kit: Kit) -> str | None:
    """None when a mutation works (what it made is taken away again); else what was said."""
    given = {"entityName": kit.world.entity, "modelName": f"wbmodel-probe-{next(_numbers)}", "name": "probe"}
    try:
        made = kit.data(_MAKE, input=given)["upsertBucket"]
    except (Nonconforming, WbmodelError) as error:
        return str(error).partition("\n")[0]
    if not made or not made.get("bucket"):
        return f"upsertBucket answered {made!r}"
    kit.data(_DROP, input={"id": made["bucket"]["project"]["id"]})
    return None


def _writable(kit: Kit) -> list[str]:
    told = _writes(kit)
    return [] if told is None else [f"upsertBucket of a new run: {told}"]


def _writable_unclaimed(kit: Kit) -> list[str]:
    return ["upsertBucket made a run"] if _writes(kit) is None else []


def _door(open_it: Callable[[Kit], None], what: str) -> Flag:
    def kept(kit: Kit) -> list[str]:
        try:
            open_it(kit)
        except (Nonconforming, WbmodelError) as error:
            return [str(error)]
        return []

    def unclaimed(kit: Kit) -> list[str]:
        return [] if kept(kit) else [what]

    return Flag(kept=kept, unclaimed=unclaimed)


FLAGS: dict[str, Flag] = {
    "strict_values": _probed(probes.strict_values),
    "literal_keys": _probed(probes.literal_keys),
    "regex": _probed(probes.regex),
    "exists": _probed(probes.exists),
    "multi_order": _probed(probes.multi_order),
    "nulls_last": _probed(probes.nulls_last),
    "count": _probed(probes.count),
    "all_projects": Flag(kept=_all_projects, unclaimed=_all_projects_unclaimed),
    "filtered": Flag(kept=_filtered, unclaimed=_filtered_unclaimed),
    "page_size": Flag(kept=_sized("page_size"), unclaimed="it is a choice, and no ability"),
    "max_page_size": Flag(
        kept=_sized("max_page_size"), unclaimed="a backend may choose smaller pages than it could give"
    ),
    "max_aliases": Flag(kept=_max_aliases, unclaimed="a backend may choose smaller documents than it could answer"),
    "in_process": Flag(kept=_in_process, unclaimed="a quick answer may come over a short wire"),
    "concurrent": Flag(kept=_concurrent, unclaimed=_concurrent_unclaimed),
    "stable_cursors": _probed(probes.stable_cursors),
    "writable": Flag(kept=_writable, unclaimed=_writable_unclaimed),
    "columns": _door(doors.read_something, "read() gave a run's rows"),
    "append": _door(doors.append_nothing, "append() took rows"),
    "blobs": _door(doors.open_something, "open() gave a file's bytes"),
}
"""Every flag of ``Capabilities``. One without an entry here fails the kit's own tests."""

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
        if complaints := FLAGS[name].kept(kit):
            kit.fail(
                f"the capability {name} is {_value(getattr(kit.capabilities, name))} ({Capabilities.doc(name)}), and "
                f"that is not so:\n{_listed(complaints)}\n"
                "keep the promise, or take it back: what is promised is not checked again"
            )

    @cases(
        Case(
            f"flag/{name}/unclaimed",
            f"{name} is promised where it is so.",
            values={"name": name, "probe": flag.unclaimed},
            parts=_NEEDS.get(name, ()),
        )
        for name, flag in FLAGS.items()
        if callable(flag.unclaimed)
    )
    def test_flag_unclaimed(self, kit: Kit, name: str, probe: Probe) -> None:
        """A flag is set where what it promises is so."""
        if name != "filtered" and _is_set(kit, name):
            pytest.skip(f"{name} is promised")
        if complaints := probe(kit):
            kit.fail(
                f"the capability {name} is {_value(getattr(kit.capabilities, name))}, and it could be promised "
                f"({Capabilities.doc(name)}):\n{_listed(complaints)}\n"
                "promise it, which saves requests; or, where it cannot be vouched for, declare this case with "
                'notyet("why") in `expected`'
            )
