"""Backends that are wrong about histories in one way each: in documents, and at the columns door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import attrs

from tests.conformance.backends import ALL, engine
from tests.conformance.broken import Broken, IgnoresFirst, Turned, objects_with
from tests.support.backends import SlowBackend
from wbmodel.backend.asks import ColumnBatch, Failure, ReadSpec, RunRef
from wbmodel.codec import dumps, loads
from wbmodel.request import Request, Response
from wbmodel.testing.conformance import World

__all__ = ["BROKEN_HISTORIES"]

# -- documents -------------------------------------------------------------------------------------


_OF_A_HISTORY = ("history", "sampledHistory", "historyLineCount", "historyKeys")


class OfRuns(Turned):
    """Changes what is answered about the histories of runs."""

    def turn(self, request: Request, response: Response) -> Response:
        for run in list(objects_with(response.data, *_OF_A_HISTORY)):
            self.change(run)
        return response

    def change(self, run: dict[str, Any]) -> None:
        for series in (run.get("history"), *(run.get("sampledHistory") or ())):
            if series is not None:
                series[:] = self.rows(series)

    def rows(self, series: list[Any]) -> list[Any]:
        return series


class LosesLast(OfRuns):
    """Leaves out the last row."""

    def rows(self, series: list[Any]) -> list[Any]:
        return series[:-1]


class NewestFirst(OfRuns):
    """Gives the rows of a step in the wrong order."""

    def rows(self, series: list[Any]) -> list[Any]:
        return series[::-1]


class Doubles(OfRuns):
    """Gives the first row of each answer twice."""

    def rows(self, series: list[Any]) -> list[Any]:
        return series[:1] + series


class NoNaN(OfRuns):
    """Stores null for NaN."""

    def rows(self, series: list[Any]) -> list[Any]:
        def cleaned(row: dict[str, Any]) -> dict[str, Any]:
            return {key: None if value == "NaN" or value != value else value for key, value in row.items()}

        return [dumps(cleaned(loads(row))) if isinstance(row, str) else cleaned(row) for row in series]


class WrongLineCount(OfRuns):
    """Counts a line too many."""

    def change(self, run: dict[str, Any]) -> None:
        if run.get("historyLineCount"):
            run["historyLineCount"] += 1


class NoKeys(OfRuns):
    """Knows no keys."""

    def change(self, run: dict[str, Any]) -> None:
        if isinstance(run.get("historyKeys"), dict):
            run["historyKeys"]["keys"] = {}


class OneCache(OfRuns):
    """Keeps one history for all runs."""

    def change(self, run: dict[str, Any]) -> None:
        if run.get("history"):
            run["history"] = self.__dict__.setdefault("kept", run["history"])


class LastIncluded(Turned):
    """Takes maxStep for the last step of a page."""

    def before(self, request: Request) -> Request:
        high = request.variables.get("high")
        return request if high is None else attrs.evolve(request, variables={**request.variables, "high": high + 1})


# -- the columns door ------------------------------------------------------------------------------


class AtTheDoor(SlowBackend):
    """Changes what is read."""

    async def aread(self, runs: Sequence[RunRef], spec: ReadSpec, /) -> AsyncIterator[ColumnBatch | Failure]:
        async for item in super().aread(runs, self.asked(spec)):
            made = item if isinstance(item, Failure) else self.batch(item, spec)
            if made is not None:
                yield made

    def asked(self, spec: ReadSpec) -> ReadSpec:
        return spec

    def batch(self, batch: ColumnBatch, spec: ReadSpec) -> ColumnBatch | Failure | None:
        rows = self.rows(list(batch.rows()), spec)
        names = dict.fromkeys([*batch.columns, *(key for row in rows for key in row)])
        return ColumnBatch(batch.run, {name: [row.get(name) for row in rows] for name in names}, len(rows))

    def rows(self, rows: list[dict[str, Any]], spec: ReadSpec) -> list[dict[str, Any]]:
        return rows


class DoorInLogOrder(AtTheDoor):
    """Gives rows in another order than that of their steps."""

    def rows(self, rows: list[dict[str, Any]], spec: ReadSpec) -> list[dict[str, Any]]:
        return rows[::2] + rows[1::2]


class DoorLoses(AtTheDoor):
    """Leaves out the last row of a batch."""

    def rows(self, rows: list[dict[str, Any]], spec: ReadSpec) -> list[dict[str, Any]]:
        return rows[:-1]


class DoorWithAnd(AtTheDoor):
    """Gives only rows that have all keys."""

    def rows(self, rows: list[dict[str, Any]], spec: ReadSpec) -> list[dict[str, Any]]:
        return [row for row in rows if all(key in row for key in spec.keys or ())]


class DoorIncludes(AtTheDoor):
    """Takes max_step for the last step."""

    def asked(self, spec: ReadSpec) -> ReadSpec:
        return spec if spec.max_step is None else attrs.evolve(spec, max_step=spec.max_step + 1)


class DoorOfTexts(AtTheDoor):
    """Gives numbers as texts."""

    def rows(self, rows: list[dict[str, Any]], spec: ReadSpec) -> list[dict[str, Any]]:
        return [{key: str(cell) if key == "big" else cell for key, cell in row.items()} for row in rows]


class DoorOfAnother(AtTheDoor):
    """Gives the rows of the run that was read first, whatever is asked for."""

    def batch(self, batch: ColumnBatch, spec: ReadSpec) -> ColumnBatch | Failure | None:
        kept: ColumnBatch = self.__dict__.setdefault("kept", batch)
        return ColumnBatch(batch.run, kept.columns, kept.length)


class DoorGoesOn(AtTheDoor):
    """Goes on where the last reading was given up."""

    async def aread(self, runs: Sequence[RunRef], spec: ReadSpec, /) -> AsyncIterator[ColumnBatch | Failure]:
        places: dict[str, int] = self.__dict__.setdefault("places", {})
        async for item in super().aread(runs, spec):
            assert isinstance(item, ColumnBatch)
            rows = list(item.rows())
            for at in range(places.get(item.run, 0), len(rows)):
                places[item.run] = at + 1
                yield ColumnBatch(item.run, {name: [rows[at].get(name)] for name in item.columns}, 1)
            places.pop(item.run, None)


class DoorSaysNothing(AtTheDoor):
    """Passes over a run that is gone."""

    async def aread(self, runs: Sequence[RunRef], spec: ReadSpec, /) -> AsyncIterator[ColumnBatch | Failure]:
        async for item in super().aread(runs, spec):
            if not isinstance(item, Failure):
                yield item


# -- all of them -----------------------------------------------------------------------------------


def _documents(cls: Any) -> Callable[[World], Any]:
    return lambda world: engine(world, ALL, None, cls)


def _door(cls: Any) -> Callable[[World], Any]:
    return lambda world: engine(world, attrs.evolve(ALL, columns=True), None, cls)


BROKEN_HISTORIES: dict[str, Broken] = {
    "a row lost": Broken(_documents(LosesLast), "history/all/one", "the history of e-one gave .* and must give 12"),
    "rows of a step turned round": Broken(
        _documents(NewestFirst), "history/all/minus", "row 1 is .*, not .*'_step': 0, 'x': 6"
    ),
    "rows of asked keys turned round": Broken(
        _documents(NewestFirst), "history/keys/occurrence", r"values\('loss',\) of e-minus gave"
    ),
    "a row doubled": Broken(_documents(Doubles), "history/many", "the histories of several runs gave"),
    "doubled border rows": Broken(
        _documents(LastIncluded),
        "history/border",
        r"the steps out of history\(minStep: 0, maxStep: 8\) is \[8\].*maxStep is not included",
    ),
    "null for NaN": Broken(_documents(NoNaN), "history/values/nan", r"values\('nan'\) of e-list gave"),
    "a wrong count of lines": Broken(_documents(WrongLineCount), "history/count", "historyLineCount of e-one is 13"),
    "a wrong count of lines, which proves nothing": Broken(
        _documents(WrongLineCount), "history/all/one", "complete.* is False.*is historyLineCount right"
    ),
    "no keys known": Broken(_documents(NoKeys), "history/known-keys", "historyKeys of e-one lacks '_step'"),
    "one history for all runs": Broken(_documents(OneCache), "history/own-rows", "the history of e-half, read again"),
    "first ignored, of console lines": Broken(
        _documents(IgnoresFirst), "history/console/pages", r"logLines\(first: 5\) gave 12 lines: is `first` ignored"
    ),
    "columns: rows out of order": Broken(_door(DoorInLogOrder), "history/all/one", "row 1 is .*'_step': 4"),
    "columns: a row lost": Broken(_door(DoorLoses), "history/all/half", "gave 2 rows, and must give 3"),
    "columns: keys joined by AND": Broken(
        _door(DoorWithAnd), "history/keys/outer", r"values\('loss', 'acc'\) of e-one gave 6 rows, and must give 12"
    ),
    "columns: the last step included": Broken(
        _door(DoorIncludes), "history/steps/one", "the rows of e-one from step 3 to 4 gave 1 rows, and must give 0"
    ),
    "columns: numbers as texts": Broken(_door(DoorOfTexts), "history/values/big", "100000000000000000000'"),
    "columns: another run's rows": Broken(
        _door(DoorOfAnother), "history/own-rows", "the history of e-half, read again"
    ),
    "columns: another run's rows, in one reading": Broken(
        _door(DoorOfAnother), "history/many", "the (runs whose rows came|histories of several runs)"
    ),
    "columns: a reading goes on where one was given up": Broken(
        _door(DoorGoesOn), "history/stopped", "the first 5 rows of e-one gave"
    ),
    "columns: nothing is said of a run that is gone": Broken(
        _door(DoorSaysNothing), "history/gone", r"is \[12, 0, 3\], and must be \[12, None, 3\]"
    ),
}
"""Each wrong backend by what is wrong with it."""
