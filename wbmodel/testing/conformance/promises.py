"""Abilities that a backend has and does not promise: proved by running every case about them as if promised.

A promise that is not kept loses rows or changes without a word. So a proof asks more than a probe does: the cases about
what the promise changes, over a session to the same backend that has the promise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatchcase
from typing import Any

import attrs
import pytest

from wbmodel.errors import WbmodelError
from wbmodel.testing.conformance import probes
from wbmodel.testing.conformance.cases import Case, cases_of
from wbmodel.testing.conformance.counts import CountTests
from wbmodel.testing.conformance.declared import OURS
from wbmodel.testing.conformance.doors import DoorTests
from wbmodel.testing.conformance.kit import Kit
from wbmodel.testing.conformance.lookups import DECIDING, LookupTests, decided_by
from wbmodel.testing.conformance.mutations import MutationTests, make_run, scratch, send
from wbmodel.testing.conformance.orders import OrderTests
from wbmodel.testing.conformance.pages import PageTests, ids, runs_page

__all__ = ["PROOFS", "UNTOLD", "Proof", "all_projects", "promising"]

GROUPS = (CountTests, DoorTests, LookupTests, OrderTests, PageTests, MutationTests)
_SOME_LOOKUPS = ("exact", "gt", "in", "contains", "isnull")


@attrs.frozen(slots=True, kw_only=True)
class Proof:
    """How to find out whether a capability could be promised. ``find`` returns the evidence for it, and nothing if
    there is any against it. ``harmless``: breaking the promise would lose nothing."""

    find: Callable[[Kit], list[str]]
    parts: Collection[str] = ()
    harmless: bool = False


@contextlib.contextmanager
def promising(kit: Kit, project: str | None, **promised: Any) -> Iterator[Kit]:
    """The kit over another session, whose backend is given more promises."""
    with kit.bench.open(project) as session:
        backend: Any = session.backend
        cls, can = type(backend), attrs.evolve(session.capabilities, **promised)
        # A property takes precedence over the author's attribute, whether on the class or on the object.
        fixed = property(lambda self: can, lambda self, value: None)
        backend.__class__ = type(cls.__name__, (cls,), {"__slots__": (), "capabilities": fixed})
        try:
            yield Kit(kit.bench, kit.colour, session)
        finally:
            backend.__class__ = cls


def _hold(kit: Kit, wanted: Callable[[Case], bool]) -> bool:
    """Whether the wanted cases pass, and at least one of them was not skipped."""
    asked = False
    for group in GROUPS:
        for name, test in vars(group).items():
            for case in filter(wanted, cases_of(test)):
                with contextlib.suppress(pytest.skip.Exception):
                    kit.needs(parts=case.parts, flags=case.flags)
                    try:
                        getattr(group(), name)(kit, **case.values)
                    except Exception:  # whatever it is: nothing is proved
                        return False
                    asked = True
    return asked


def _fits(patterns: Collection[str], but: str = "") -> Callable[[Case], bool]:
    return lambda case: any(fnmatchcase(case.id, each) for each in patterns) and not fnmatchcase(case.id, but)


_EVERY_PROBE = "every probe of it was answered as if it were promised, and every case about it passes"


def _proved(name: str, probe: probes.Probe, *patterns: str, told: str = _EVERY_PROBE, **more: Any) -> Proof:
    """By a probe and then by the cases that match a pattern, or (without patterns) by those of affected lookups."""

    def find(kit: Kit) -> list[str]:
        if probe(kit):
            return []

        def decided(case: Case) -> bool:
            return case.core and decided_by(name, case, kit.capabilities)

        with promising(kit, kit.world.project, **{name: True}) as promised:
            return [told] if _hold(promised, _fits(patterns) if patterns else decided) else []

    return Proof(find=find, **more)


def all_projects(kit: Kit) -> list[str]:
    """What is missing from answers to queries without a project, over a session without one."""
    from wbmodel import Project, Run

    try:
        projects = {item.path for item in kit.all(Project.objects.using(kit.session))}
        runs = {item.path for item in kit.all(Run.objects.using(kit.session).only("id"))}
    except WbmodelError as error:
        return [f"a query without a project: {error}"]
    complaints = []
    lacking = [item["path"] for item in kit.world.projects if item["path"] not in projects]
    if lacking:
        complaints.append(f"Project.objects without an entity lacks {', '.join(lacking)}")
    ours = [f"{run['project']}/{run['id']}" for run in kit.world.runs if not run["id"].startswith("later-")]
    missing = [path for path in ours if path not in runs]
    if missing:
        complaints.append(f"Run.objects without a project lacks {len(missing)} runs, {missing[0]} among them")
    return complaints


def _all_projects(kit: Kit) -> list[str]:
    told = kit.data("query V { viewer { teams { edges { node { name } } } } }")["viewer"]
    teams = {edge["node"]["name"] for edge in told["teams"]["edges"]} if told else set()
    if {item["entity"] for item in kit.world.projects} - teams:
        return []
    with promising(kit, None, all_projects=True) as promised:
        if all_projects(promised):
            return []
    return ["viewer.teams lists every entity that the world's projects belong to, so all projects can be found"]


def _filtered(kit: Kit) -> list[str]:
    names = {meta.graphql: name for name, meta in OURS.items()}
    found = []
    for name in probes.filterable(kit):
        entity = names[name]
        if name in kit.capabilities.filtered or not any(route.filters for route in OURS[entity].options.routes):
            continue  # querysets do not use it
        if probes.filtered(kit, name):
            continue
        patterns = [f"order/{entity}.*", *(f"lookup/{lookup}/*/{entity}.*" for lookup in ("exact", "gt", "in"))]
        with promising(kit, kit.world.project, filtered=kit.capabilities.filtered | {name}) as promised:
            if _hold(promised, _fits(patterns, but="*/not")):
                found.append(f"the connection of {name} takes filters and orders, and {name!r} is not in `filtered`")
    return found


def _concurrent(kit: Kit) -> list[str]:
    one, many = probes.quickness(kit, 8)
    if one >= probes.TELLING and many < 0.5 * 8 * one:
        return [f"8 requests of {one * 1000:.0f} ms take {many * 1000:.0f} ms together: side by side"]
    return []


def _stays_while_others_go(kit: Kit) -> list[str]:
    """What is wrong with pages after the row behind a cursor is deleted. Needs mutations."""
    if not kit.capabilities.writable:
        return ["no run can be deleted while pages are read"]
    complaints = []
    for order in ("-created_at", "+created_at", "+display_name"):
        with scratch(kit) as (entity, project, _):
            made = {f"r{at}": make_run(kit, entity, project, f"r{at}")["bucket"]["id"] for at in range(7)}
            first = runs_page(kit, f"{entity}/{project}", first=3, order=order)
            for run_id in ids(first)[1:]:
                send(kit, "deleteRun", "clientMutationId", id=made.pop(run_id))
            rest: list[str] = []
            page = first
            while page["pageInfo"]["hasNextPage"] and len(rest) < 20:
                after = page["pageInfo"]["endCursor"]
                page = runs_page(kit, f"{entity}/{project}", first=3, after=after, order=order)
                rest += ids(page)
            if sorted(rest) != sorted(made.keys() - set(ids(first))):
                complaints.append(f"pages with order {order}, while runs are deleted, go on with {rest}")
    return complaints


def _stable_cursors(kit: Kit) -> list[str]:
    return [] if probes.stable_cursors(kit) or _stays_while_others_go(kit) else [_EVERY_PROBE]


_VALUES = ["users", "values"]

PROOFS: dict[str, Proof] = {
    **{name: _proved(name, getattr(probes, name), parts=_VALUES) for name in DECIDING if name != "literal_keys"},
    "literal_keys": _proved(
        "literal_keys",
        probes.literal_keys,
        "lookup/keys",
        "order/*literal-dot*",
        "order/Run.config.comma/*",
        *(f"lookup/{lookup}/*literal-dot*" for lookup in _SOME_LOOKUPS),
        parts=_VALUES,
    ),
    "multi_order": _proved("multi_order", probes.multi_order, "order/*", "page/slices", parts=_VALUES),
    "nulls_last": _proved("nulls_last", probes.nulls_last, "order/*", "page/slices", parts=_VALUES),
    "count": _proved("count", probes.count, "count/*", parts=_VALUES),
    "all_projects": Proof(find=_all_projects, parts=["projects"]),
    "filtered": Proof(find=_filtered),
    "concurrent": Proof(find=_concurrent, harmless=True),
    "stable_cursors": Proof(find=_stable_cursors, parts=["growth", "projects"]),
    "writable": _proved(
        "writable",
        lambda kit: [told] if (told := probes.write(kit)) else [],
        "mutation/upsert*",
        "mutation/deleteModel",
        "mutation/deleteRun",
        "mutation/missing",
        "mutation/bad-text",
        told="upsertBucket made a run, and every case about making, changing and deleting passes",
    ),
    "columns": _proved("columns", lambda kit: [], "door/columns/*", parts=["histories"]),
    "append": _proved("append", lambda kit: [], "door/append/*", parts=["projects"]),
    "blobs": _proved("blobs", lambda kit: [], "door/blobs/*", parts=["files"]),
}
"""How to find out whether a flag could be promised. Other flags are a choice, or unknowable (:data:`UNTOLD`)."""

UNTOLD = {
    "page_size": "it is a choice and not an ability",
    "max_page_size": "a backend may choose smaller pages than it could give",
    "max_aliases": "a backend may choose smaller documents than it could answer",
    "in_process": "a quick answer may come over a short wire",
}
"""Why some flags cannot be tested without the promise."""
