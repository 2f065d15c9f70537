"""Cases about what runs logged: histories, system metrics and console lines, however a backend gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from wbmodel.backend.asks import ReadSpec, RunRef
from wbmodel.codec import loads
from wbmodel.errors import FieldError
from wbmodel.objects.history import HistorySet
from wbmodel.operations.answer import Operation
from wbmodel.operations.histories.pieces import Ended, Head
from wbmodel.operations.histories.read import read
from wbmodel.operations.histories.runs import head_of
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import Case, case, cases
from wbmodel.testing.conformance.kit import Kit, shown

__all__ = ["HistoryTests"]

Row = dict[str, Any]

RUNS = {
    "one": "as most runs log them",
    "half": "of a short run",
    "zero": "of a run that logged nothing",
    "minus": "with steps that repeat, fall, jump and are negative",
    "list": "with nested values, media, lists, NaN, infinities, null and large integers",
}
"""The runs whose whole histories are read: the word of the id, and what is special about them."""

BOUNDS = {"from": (3, None), "to": (None, 3), "one": (3, 4), "below": (-10, 0), "far": (4, 10**9 + 1), "none": (7, 9)}
"""First step, and the one after the last."""

VALUES = (
    "nested.a",
    "nested.b.c",
    "image",
    "nan",
    "up",
    "down",
    "flag",
    "list",
    "big",
    "text",
    "mixed",
    "sl/ash",
    "a b",
)
"""Keys of the run e-list."""

PAGE = """
query Page($project: String, $entity: String, $key: String!, $low: Int64, $high: Int64) {
  project(name: $project, entityName: $entity) {
    run(name: $key) { historyLineCount history(minStep: $low, maxStep: $high, samples: 1000) }
  }
}
"""
LINES = """
query Lines($project: String, $entity: String, $key: String!, $first: Int, $after: String) {
  project(name: $project, entityName: $entity) {
    run(name: $key) { logLines(first: $first, after: $after) {
      edges { node { line number } } pageInfo { endCursor hasNextPage } } }
  }
}
"""


# -- what must come --------------------------------------------------------------------------------


def flat(row: Row) -> Row:
    """A row as it is read: nested objects are dotted, media are one value, cells that are null are left out."""
    found: Row = {}
    for key, value in row.items():
        if isinstance(value, dict) and value and "_type" not in value:
            found |= {f"{key}.{inner}": cell for inner, cell in flat(value).items()}
        elif value is not None:
            found[key] = value
    return found


def by_step(rows: Iterable[Row]) -> list[Row]:
    """Rows by step, and within a step as they were logged."""
    return sorted(map(flat, rows), key=lambda row: int(row["_step"]))


def joined(rows: Iterable[Row], keys: Sequence[str]) -> list[Row]:
    """The rows of asked keys: the k-th value of each key at a step is in its k-th row."""
    found: list[Row] = []
    ordered = by_step(rows)
    for step in dict.fromkeys(row["_step"] for row in ordered):
        values = {key: [row[key] for row in ordered if row["_step"] == step and key in row] for key in keys}
        for at in range(max(map(len, values.values()))):
            cells = {key: of[at] for key, of in values.items() if at < len(of)}
            found.append({"_step": step, **cells})
    return found


# -- asking ----------------------------------------------------------------------------------------


def run_of(kit: Kit, word: str) -> Any:
    return kit.ask(kit.objects("Run"), "get", id=f"e-{word}")


def history_of(kit: Kit, word: str) -> HistorySet:
    found: HistorySet = run_of(kit, word).history
    return found


def logged(kit: Kit, word: str) -> list[Row]:
    rows: list[Row] = kit.world.run(f"e-{word}")["history"]
    return rows


@attrs.define
class _Heads:
    """Runs to read."""

    heads: list[Head] | None

    def pull(self) -> Operation[list[Head] | None]:
        heads, self.heads = self.heads, None
        return heads
        yield  # makes this a generator, although it makes no requests


class HistoryTests(BackendTests):
    """Cases about what runs logged, whether the backend promises ``columns`` or gives documents."""

    @cases(
        Case(f"history/all/{word}", f"All rows {about}, by step, and within a step as logged.", values={"word": word})
        for word, about in RUNS.items()
    )
    def test_history_all(self, kit: Kit, word: str) -> None:
        """All rows of one run."""
        kit.needs(parts=["histories"])
        history, expected = history_of(kit, word), by_step(logged(kit, word))
        kit.same_records(kit.taken(history), expected, f"the history of e-{word}")
        kit.equal(history.complete, True, "complete, after all rows were read", "is historyLineCount right?")

    @case("history/all/no-step", parts=["histories"])
    def test_history_no_step(self, kit: Kit) -> None:
        """Rows that were logged without a step are there too, each once."""
        found = [row.get("x") for row in kit.taken(history_of(kit, "true"))]
        kit.equal(sorted(found, key=str), [1, 2, 3], "x in the rows of e-true, of which two have no _step")

    @case("history/many", parts=["histories"])
    def test_history_many(self, kit: Kit) -> None:
        """All rows of many runs: those of each run together, in the order of the query, and never another run's."""
        words = ["one", "zero", "half", "minus", "list"]
        runs = kit.objects("Run").filter(id__in=[f"e-{word}" for word in words])
        found = kit.taken(runs.history)
        expected = [
            {"run": name, **row}
            for name in kit.names("Run", runs)
            for row in by_step(logged(kit, name.removeprefix("e-")))
        ]
        told = list(dict.fromkeys(row["run"] for row in found))
        kit.equal(told, list(dict.fromkeys(row["run"] for row in expected)), "the runs whose rows came, in order")
        kit.same_records(found, expected, "the histories of several runs")

    @case("history/own-rows", parts=["histories"])
    def test_history_own_rows(self, kit: Kit) -> None:
        """One run's rows are never given for another's, whichever was read before."""
        for word in ("one", "half", "one", "zero", "half"):
            expected = by_step(logged(kit, word))
            kit.same_records(kit.taken(history_of(kit, word)), expected, f"the history of e-{word}, read again")

    @cases(
        Case(
            f"history/steps/{name}", f"Only rows from step {low} on and before step {high}.", values={"bounds": bounds}
        )
        for name, bounds in BOUNDS.items()
        for low, high in [bounds]
    )
    def test_history_steps(self, kit: Kit, bounds: tuple[int | None, int | None]) -> None:
        """Rows between two steps: the first is included, the last is not."""
        kit.needs(parts=["histories"])
        low, high = bounds
        lookups = {"_step__gte": low, "_step__lt": high}
        given = {name: step for name, step in lookups.items() if step is not None}
        for keys in ((), ("loss", "x")):
            for word in ("minus", "one"):
                rows = [
                    row
                    for row in logged(kit, word)
                    if (low is None or row["_step"] >= low) and (high is None or row["_step"] < high)
                ]
                history = history_of(kit, word).filter(**given).values(*keys)
                expected = joined(rows, keys) if keys else by_step(rows)
                kit.same_records(kit.taken(history), expected, f"the rows of e-{word} from step {low} to {high}")

    @case("history/border", parts=["histories"])
    def test_history_border(self, kit: Kit) -> None:
        """history(minStep, maxStep) has the first step and not the last, so that pages do not double a row."""
        entity, project = kit.world.project.split("/")
        steps: list[int] = []
        for low, high in ((0, 8), (8, 10), (10, 1000)):
            asked = {"project": project, "entity": entity, "key": "e-one", "low": low, "high": high}
            page = kit.data(PAGE, **asked)["project"]["run"]
            found = [loads(text)["_step"] for text in page["history"]]
            out = [step for step in found if not low <= step < high]
            kit.equal(out, [], f"the steps out of history(minStep: {low}, maxStep: {high})", "maxStep is not included")
            steps += found
        kit.equal(steps, [row["_step"] for row in logged(kit, "one")], "the steps of three adjacent pages of e-one")

    @case("history/keys/outer", parts=["histories"])
    def test_history_keys_outer(self, kit: Kit) -> None:
        """Of several asked keys, rows that have only one of them are there too."""
        rows, keys = logged(kit, "one"), ("loss", "acc")
        history = history_of(kit, "one").values(*keys)
        kit.same_records(kit.taken(history), joined(rows, keys), f"values{keys} of e-one")
        both = [row for row in joined(rows, keys) if len(row) == 3]
        kit.same_records(kit.taken(history.values(*keys, how="inner")), both, f"values(*{keys}, how='inner')")

    @case("history/keys/occurrence", parts=["histories"])
    def test_history_keys_occurrence(self, kit: Kit) -> None:
        """Where a step repeats, the k-th value of each asked key at that step goes into its k-th row."""
        for keys in (("loss",), ("x", "loss"), ("y", "loss", "x")):
            history = history_of(kit, "minus").values(*keys)
            kit.same_records(kit.taken(history), joined(logged(kit, "minus"), keys), f"values{keys} of e-minus")

    @case("history/keys/unknown", parts=["histories"])
    def test_history_keys_unknown(self, kit: Kit) -> None:
        """A key that nobody logged is an error that names the nearest one."""
        try:
            found = kit.taken(history_of(kit, "one").values("los"))
        except FieldError as error:
            kit.equal("'loss'" in str(error), True, f"whether the error names the key 'loss' ({error})")
        else:
            kit.fail(f"values('los') gave {shown(found)}; nobody logged that key, and historyKeys must say so")

    @case("history/keys/several-runs", parts=["histories"])
    def test_history_keys_several_runs(self, kit: Kit) -> None:
        """An asked key of several runs: those that lack it have no rows."""
        runs = kit.objects("Run").filter(id__in=["e-one", "e-zero", "e-minus", "e-list"])
        expected = [
            {"run": name, **row}
            for name in kit.names("Run", runs)
            for row in joined(logged(kit, name.removeprefix("e-")), ("loss",))
        ]
        kit.same_records(kit.taken(runs.history.values("loss")), expected, "values('loss') of several runs")

    @cases(
        Case(
            f"history/values/{key.replace(' ', '-')}",
            f"The values of the key {key!r}, asked alone, as they were logged.",
            values={"key": key},
        )
        for key in VALUES
    )
    def test_history_values(self, kit: Kit, key: str) -> None:
        """The values of one key."""
        kit.needs(parts=["histories"])
        found = kit.taken(history_of(kit, "list").values(key))
        kit.same_records(found, joined(logged(kit, "list"), (key,)), f"values({key!r}) of e-list")

    @case("history/count", parts=["histories"])
    def test_history_count(self, kit: Kit) -> None:
        """historyLineCount and count() are the number of rows that were logged."""
        for word in RUNS:
            run = kit.ask(kit.objects("Run").only("id", "history_line_count"), "get", id=f"e-{word}")
            kit.equal(run.history_line_count, len(logged(kit, word)), f"historyLineCount of e-{word}")
            kit.equal(kit.ask(run.history, "count"), len(logged(kit, word)), f"history.count() of e-{word}")

    @case("history/known-keys", parts=["histories"])
    def test_history_known_keys(self, kit: Kit) -> None:
        """historyKeys counts the rows that have each key; rows in which it is null may count."""
        for word in ("one", "minus", "list"):
            rows = logged(kit, word)
            known = kit.ask(history_of(kit, word), "keys")
            for key in dict.fromkeys(key for row in rows for key in flat(row)):
                count = sum(key in flat(row) for row in rows)
                if key not in known:
                    kit.fail(f"historyKeys of e-{word} lacks {key!r}, which {count} rows have")
                kit.equal(known[key].count, count, f"the count of {key!r} in historyKeys of e-{word}")

    @case("history/some", parts=["histories"])
    def test_history_some(self, kit: Kit) -> None:
        """The first and the last rows, a slice, the row of a step, and extremes."""
        history, rows = history_of(kit, "minus"), by_step(logged(kit, "minus"))
        kit.equal(kit.ask(history, "first"), rows[0], "history.first() of e-minus")
        kit.equal(kit.ask(history, "last"), rows[-1], "history.last() of e-minus")
        kit.equal(kit.ask(history, "at", 3), rows[3], "history.at(3) of e-minus")
        kit.same_records(kit.taken(history[2:5]), rows[2:5], "history[2:5] of e-minus")
        kit.same_records(kit.taken(history.tail(2)), rows[-2:], "history.tail(2) of e-minus")
        ends = kit.ask(history, "min", "loss"), kit.ask(history, "max", "loss")
        kit.equal(ends, (0.25, 4), "history.min('loss') and max('loss') of e-minus")

    @case("history/stopped", parts=["histories"])
    def test_history_stopped(self, kit: Kit) -> None:
        """A reading that is given up after some rows does no harm to the next one."""
        expected = by_step(logged(kit, "one"))
        for count in (1, 5, 2):
            kit.same_records(
                kit.taken(history_of(kit, "one"), count), expected[:count], f"the first {count} rows of e-one"
            )
        kit.same_records(kit.taken(history_of(kit, "one")), expected, "the history of e-one, after it was given up")

    @case("history/gone", parts=["histories"])
    def test_history_gone(self, kit: Kit) -> None:
        """A run that is gone is an error of its own; the other runs are read."""
        heads = [head_of(run) for run in (run_of(kit, "one"), run_of(kit, "half"))]
        entity, project = kit.world.project.split("/")
        gone = attrs.evolve(heads[0], ref=RunRef("UnVuOm5vd2hlcmU=", entity, project, "nowhere"))
        for keys in (None, ("loss",)):
            runs = _Heads([heads[0], gone, heads[1]])
            spec = ReadSpec(keys=keys)
            ends = [item for item in kit.emitted(read(spec, runs, kit.session.target)) if isinstance(item, Ended)]
            rows = [None if end.error is not None else end.rows for end in ends]
            kit.equal(rows, [12, None, 3], "the numbers of rows of e-one, of a run that is gone, and of e-half")

    @case("history/events", parts=["streams"])
    def test_history_events(self, kit: Kit) -> None:
        """All system metrics, in the order in which they were logged."""
        for word in ("one", "half", "zero"):
            expected = [flat(row) for row in kit.world.run(f"e-{word}")["events"]]
            metrics: HistorySet = run_of(kit, word).system_history
            kit.same_records(kit.taken(metrics), expected, f"the system metrics of e-{word}")
            kit.equal(metrics.complete, True, f"complete of e-{word}", "is eventsLineCount right?")

    @case("history/console", parts=["streams"])
    def test_history_console(self, kit: Kit) -> None:
        """All console lines with their numbers, empty ones too."""
        for word in ("one", "half", "zero"):
            expected = list(enumerate(kit.world.run(f"e-{word}")["console"]))
            found = kit.taken(run_of(kit, word).console)
            kit.equal([(row["number"], row["line"]) for row in found], expected, f"the console lines of e-{word}")

    @case("history/console/pages", parts=["streams"])
    def test_history_console_pages(self, kit: Kit) -> None:
        """logLines(first, after) gives that many lines, and goes on behind the cursor."""
        entity, project = kit.world.project.split("/")
        lines: list[str] = []
        after: str | None = None
        for _ in range(20):
            asked = {"project": project, "entity": entity, "key": "e-one", "first": 5, "after": after}
            page = kit.data(LINES, **asked)["project"]["run"]["logLines"]
            if len(page["edges"]) > 5:
                kit.fail(f"logLines(first: 5) gave {len(page['edges'])} lines: is `first` ignored?", document=LINES)
            lines += [edge["node"]["line"] for edge in page["edges"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        kit.equal(lines, kit.world.run("e-one")["console"], "the lines of all pages of five")
