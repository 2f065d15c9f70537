"""The switches for histories: what a server may do to an answer, and that all rows can be had nevertheless."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.support.engine_world import Asker
from wbmodel.engine import Dialect, Histories, MemoryStore

ROWS = [{"_step": step, "loss": step / 2, "acc": step} for step in range(0, 2000, 2)]


def asker(rows: list[Any] = ROWS, **switches: Any) -> Asker:
    store = MemoryStore()
    store.viewer = store.add_user("ada")
    store.add_run(store.add_project(store.add_entity("acme"), "v"), "r", history=rows)
    return Asker(store, Dialect(histories=Histories(**switches)))


def run(ask: Asker, selection: str, **variables: Any) -> Any:
    declared = "$specs: [JSONString!], $low: Int64, $high: Int64, $n: Int, $limit: Int"
    of_run = f'project(name: "v", entityName: "acme") {{ run(name: "r") {{ {selection} }} }}'
    return ask(f"query Q({declared}) {{ {of_run} }}", **variables)["project"]["run"]


def pages(ask: Asker, **variables: Any) -> list[dict[str, Any]]:
    field = "history(minStep: $low, maxStep: $high, samples: $n, maxKeyLimit: $limit)"
    return [json.loads(text) for text in run(ask, field, **variables)["history"]]


def steps(rows: list[dict[str, Any]]) -> list[int]:
    return [row["_step"] for row in rows]


def sampled(ask: Asker, **spec: Any) -> list[dict[str, Any]]:
    found = run(ask, "sampledHistory(specs: $specs)", specs=[json.dumps(spec)])["sampledHistory"]
    return list(found[0])


def test_a_cap_is_on_every_answer() -> None:
    ask = asker(max_samples=100)
    assert len(pages(ask)) == len(pages(ask, n=5000)) == len(sampled(ask, keys=["_step", "loss"])) == 100
    assert len(pages(ask, n=30)) == len(sampled(ask, keys=["_step", "loss"], samples=30)) == 30
    assert steps(pages(ask, low=0, high=200, n=5000)) == list(range(0, 200, 2)), "what fits is whole"


def test_thinning_at_random_differs_from_call_to_call_and_not_from_process_to_process() -> None:
    ask, other = asker(thinning="random", seed=4), asker(thinning="random", seed=4)
    first, second = steps(pages(ask, n=50)), steps(pages(ask, n=50))
    assert first != second
    assert first == sorted(first)
    assert len(set(first)) == len(set(second)) == 50
    assert (steps(pages(other, n=50)), steps(pages(other, n=50))) == (first, second)


def test_thinning_by_bucket_gives_one_row_for_each_part_of_the_steps() -> None:
    late = [*({"_step": step} for step in range(100)), {"_step": 10**9}]
    assert steps(pages(asker(late, thinning="buckets"), n=10)) == [99, 10**9]
    assert steps(pages(asker(thinning="buckets"), n=4)) == [498, 998, 1498, 1998]


@pytest.mark.parametrize(("factor", "rows"), [(1.048, 524), (0.5, 250), (0.0001, 1), (99, 1000)])
def test_a_thinned_answer_may_have_more_or_fewer_rows_than_samples(factor: float, rows: int) -> None:
    assert len(pages(asker(thinned_to=factor), n=500)) == rows
    assert len(pages(asker(thinned_to=factor), n=1000)) == 1000, "nothing is thinned there"


def test_a_forked_run_is_sampled_in_each_segment() -> None:
    found = steps(pages(asker(segments=2), n=100))
    assert len(found) == 200
    assert sum(step < 1000 for step in found) == 100
    assert len(pages(asker(segments=2), n=600)) == 1000


def test_repeated_steps_may_be_merged() -> None:
    rows = [{"_step": 0, "a": 1}, {"_step": 0, "a": 2, "b": 3}, {"_step": 1, "a": 4}]
    assert pages(asker(rows)) == rows
    ask = asker(rows, repeats="merged")
    assert pages(ask) == [{"_step": 0, "a": 2, "b": 3}, {"_step": 1, "a": 4}]
    assert sampled(ask, keys=["_step", "a"]) == [{"_step": 0, "a": 2}, {"_step": 1, "a": 4}]
    assert run(ask, "historyLineCount") == {"historyLineCount": 3}, "so a client sees that rows are missing"


def test_rows_may_come_in_any_order() -> None:
    ask = asker(order="shuffled")
    first, second = steps(pages(ask)), steps(pages(ask))
    assert first != second != sorted(first) == sorted(second) == steps(ROWS)


def test_a_window_of_one_step_may_come_back_empty() -> None:
    ask = asker(width_one=False)
    assert pages(ask, low=0, high=1) == []
    assert steps(pages(ask, low=0, high=2)) == [0]
    assert len(sampled(ask, keys=["_step", "loss"], minStep=0, maxStep=0)) == 1
    assert steps(pages(asker(), low=0, high=1)) == [0]


def test_wide_rows_are_cut_unless_more_keys_are_let_through() -> None:
    wide = [{**{f"k{number}": number for number in range(50)}, "_step": 0}, {"_step": 1, "k0": 0}]
    ask = asker(wide, max_row_keys=10)
    assert [len(row) for row in pages(ask)] == [11, 2]
    assert pages(ask)[0]["_step"] == 0
    assert [len(row) for row in pages(ask, limit=30)] == [31, 2]
    assert pages(ask, limit=10_000) == wide == pages(asker(wide), limit=1)


def test_counts() -> None:
    def counts(**switches: Any) -> list[Any]:
        store = MemoryStore()
        store.viewer = store.add_user("ada")
        made = store.add_run(store.add_project(store.add_entity("acme"), "v"), "r", history=ROWS)
        store.update(made.id, history=made.history.written(1005, [{"_step": 5000}]))
        ask = Asker(store, Dialect(histories=Histories(**switches)))
        return [run(ask, "historyLineCount")["historyLineCount"] for _ in range(4)]

    assert counts() == [1006] * 4
    assert counts(count="rows") == [1001] * 4
    assert counts(count="null") == [None] * 4
    assert counts(count="late", late_rows=7, late_times=3) == [999, 999, 999, 1006]


def test_events_are_capped_too() -> None:
    ask = asker(max_samples=3)
    made = next(iter(ask.store.runs(ask.store.project("acme", "v"))))  # type: ignore[arg-type]
    ask.store.update(made.id, events=[{"cpu": number} for number in range(10)])
    found = run(ask, "events(samples: $n) eventsLineCount logLineCount", n=99)
    assert (len(found["events"]), found["eventsLineCount"], found["logLineCount"]) == (3, 10, 0)


@pytest.mark.parametrize(
    "switch", [{"max_samples": 0}, {"thinned_to": 0}, {"segments": 0}, {"max_row_keys": 0}, {"late_rows": 0}]
)
def test_switches_without_sense_are_refused(switch: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(switch))):
        Histories(**switch)


@pytest.mark.parametrize("seed", range(12))
def test_a_client_can_get_all_rows_from_a_hostile_server(seed: int) -> None:
    """By halving, as a correct client does: first an answer of at most half of what may come is taken for whole; where
    that gives fewer rows than there are, each window is halved down to its steps."""
    rows = [{"_step": step // 3, **{f"k{number}": step for number in range(8)}} for step in range(360)]
    ask = asker(rows)
    ask = Asker(ask.store, Dialect.hostile(seed))
    switches = ask.engine.dialect.histories
    assert switches.max_samples is not None
    total = run(ask, "historyKeys")["historyKeys"]["keys"]["_step"]["typeCounts"][0]["count"]

    def read(low: int, high: int, enough: int) -> list[dict[str, Any]]:
        # Windows are never of width 1, so the surplus is cut here.
        found = [row for row in pages(ask, low=low, high=high + 1, n=10**6, limit=10**4) if row["_step"] < high]
        if len(found) < enough or high - low == 1:
            return found
        middle = (low + high) // 2
        return read(low, middle, enough) + read(middle, high, enough)

    def bag(found: list[dict[str, Any]]) -> Counter[str]:
        return Counter(json.dumps(row, sort_keys=True) for row in found)

    found = read(0, 120, int(switches.max_samples * min(switches.thinned_to, 1)) // 2)
    if len(found) < total:
        found = read(0, 120, 1)
    assert bag(found) == bag(rows)
    assert switches == Histories.hostile(seed)
    assert switches.count != "late"
