"""Histories of runs for tests: worlds with given rows, reading them, and what plain Python says they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from tests.support.worlds import DAY, START
from wbmodel import Run
from wbmodel.backend.asks import ReadSpec
from wbmodel.codec import floats_from_tokens
from wbmodel.engine.memory import MemoryStore
from wbmodel.operations.histories.pieces import Ended
from wbmodel.operations.histories.read import read
from wbmodel.operations.histories.runs import Given, Listed
from wbmodel.session.session import Session

__all__ = ["Got", "expected", "history_store", "listed", "reading"]


def history_store(histories: Sequence[Sequence[Mapping[str, Any]]], **fields: Any) -> MemoryStore:
    """A store with one run for each history, ``h0`` first, in acme/vision."""
    store = MemoryStore()
    store.viewer = store.add_user("ada", name="Ada")
    store.add_entity("acme", members=["ada"])
    project = store.add_project("acme", "vision")
    for at, rows in enumerate(histories):
        created = START + DAY * (len(histories) - at)  # the newest comes first
        given = {"state": "finished", "user": "ada", "created_at": created, **fields}
        store.add_run(project, f"h{at}", history=list(map(dict, rows)), **given)
    return store


@attrs.define
class Got:
    """What a reading gave, by run."""

    rows: dict[str, list[dict[str, Any]]] = attrs.field(factory=dict)
    ends: dict[str, Ended] = attrs.field(factory=dict)
    order: list[str] = attrs.field(factory=list)
    columns: list[tuple[str, ...]] = attrs.field(factory=list)


def listed(session: Session, query: Any = None) -> Listed:
    """The runs of a query, with the fields that reading needs."""
    streams = Run.__wbmodel_meta__.options.streams
    plan = (Run.objects.all() if query is None else query).only(*streams.fields)._plan
    return Listed(plan, session.target)


def reading(session: Session, spec: ReadSpec, runs: Any = None) -> Got:
    """Read histories: of all runs, of a query, or of given runs."""
    source = Given(runs) if isinstance(runs, list) else listed(session, runs)
    got = Got()
    for items in session.iterate(read(spec, source, session.target)):
        for item in items:
            name = item.head.ref.name
            if isinstance(item, Ended):
                got.ends[name] = item
                got.order.append(name)
                got.rows.setdefault(name, [])
            else:
                got.columns.append(item.batch.names)
                assert item.batch.run == item.head.ref.node_id
                got.rows.setdefault(name, []).extend(
                    dict(zip(item.batch.names, row, strict=True))
                    for row in zip(*item.batch.columns.values(), strict=True)
                )
    return got


def expected(rows: Iterable[Mapping[str, Any]], keys: Sequence[str], low: int | None, high: int | None) -> Any:
    """The joined rows, the slow way: the k-th value of each key at a step is in its k-th row."""
    asked = [key for key in dict.fromkeys(keys) if key != "_step"]
    there = [row for row in rows if (low is None or row["_step"] >= low) and (high is None or row["_step"] < high)]
    made = []
    for step in sorted({row["_step"] for row in there}):
        here = [row for row in there if row["_step"] == step]
        if not asked:
            made += [{"_step": step} for _ in here]
            continue
        if not any(key in row for row in here for key in asked):
            continue
        values = {key: [floats_from_tokens(row[key]) for row in here if row.get(key) is not None] for key in asked}
        for at in range(max(1, *map(len, values.values()))):
            cells = {key: of[at] if at < len(of) else None for key, of in values.items()}
            made.append({"_step": step, **cells})
    return made
