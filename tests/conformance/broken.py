"""Backends that are wrong in one way each, for the kit to find out: the engine with one thing turned."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from tests.conformance.backends import ALL, engine
from tests.support.backends import EngineBackend
from wbmodel.backend.doors import BlobSource
from wbmodel.backend.fetching import fetch_by_open
from wbmodel.codec import loads_numbers
from wbmodel.engine.dialect import Dialect
from wbmodel.errors import ServerError
from wbmodel.request import BlobRef, Fetched, FetchItem, Request, Response
from wbmodel.testing.conformance import World

__all__ = ["BROKEN", "Broken", "Turned", "objects_with"]


@attrs.frozen
class Broken:
    """A wrong backend: how it is made, the case that must find it out, and words of the message."""

    make: Callable[[World], Any]
    case: str
    words: str
    colours: Sequence[str] = ("sync",)


def objects_with(value: Any, *names: str) -> Iterator[dict[str, Any]]:
    """Every object in an answer that has one of these fields, outermost first."""
    if isinstance(value, dict):
        if value.keys() & set(names):
            yield value
        for item in value.values():
            yield from objects_with(item, *names)
    elif isinstance(value, list):
        for item in value:
            yield from objects_with(item, *names)


class Turned(EngineBackend):
    """The engine's answers, each a copy that :meth:`turn` may change."""

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        response = self.engine.execute(self.before(request))
        return self.turn(request, Response(copy.deepcopy(response.data), response.errors, response.extensions))

    def before(self, request: Request) -> Request:
        return request

    def turn(self, request: Request, response: Response) -> Response:
        return response


class Bytes(EngineBackend, BlobSource):
    """The engine with the door of bytes."""

    def open(self, ref: BlobRef, /, *, start: int = 0) -> Iterator[bytes]:
        yield self.engine.open(ref)[start:]

    def fetch(self, items: Sequence[FetchItem], /) -> Iterator[Sequence[Fetched]]:
        return fetch_by_open(self.open, items)


class FromTheBeginning(Bytes):
    """Ignores where a file is to be read from."""

    def open(self, ref: BlobRef, /, *, start: int = 0) -> Iterator[bytes]:
        return super().open(ref)


class FromTheNext(Bytes):
    """Counts bytes from 1."""

    def open(self, ref: BlobRef, /, *, start: int = 0) -> Iterator[bytes]:
        return super().open(ref, start=max(start - 1, 0))


class Trusting(Bytes):
    """Writes whatever comes."""

    def fetch(self, items: Sequence[FetchItem], /) -> Iterator[Sequence[Fetched]]:
        for item in items:
            data = b"".join(self.open(item.ref))
            item.target.parent.mkdir(parents=True, exist_ok=True)
            item.target.write_bytes(data)
            yield [Fetched(item, len(data))]


class Forgetful(Bytes):
    """Tells of the last of each group only."""

    def fetch(self, items: Sequence[FetchItem], /) -> Iterator[Sequence[Fetched]]:
        done = [each for group in super().fetch(items) for each in group]
        yield from ([each] for each in done[1::2])


class OutOfOrder(Turned):
    """Gives the rows of each page in whatever order it finds them."""

    def turn(self, request: Request, response: Response) -> Response:
        for connection in objects_with(response.data, "edges"):
            connection["edges"] = connection["edges"][::2] + connection["edges"][1::2]
        return response


class RepeatedCursor(Turned):
    """Gives one and the same cursor with every page."""

    def turn(self, request: Request, response: Response) -> Response:
        for connection in objects_with(response.data, "edges"):
            if connection.get("pageInfo", {}).get("hasNextPage"):
                connection["pageInfo"]["endCursor"] = self.__dict__.setdefault(
                    "kept", connection["pageInfo"]["endCursor"]
                )
        return response


class IgnoresFirst(Turned):
    """Gives all rows, however few are asked for."""

    def before(self, request: Request) -> Request:
        variables = {**request.variables, **({"first": 1000} if request.variables.get("first") else {})}
        return attrs.evolve(request, variables=variables)


class IgnoresAfter(Turned):
    """Begins at the beginning with every page."""

    def before(self, request: Request) -> Request:
        return attrs.evolve(request, variables={**request.variables, "after": None})


class OffsetCursor(Turned):
    """Counts rows instead of remembering where a row stood, so that rows that come meanwhile push others away."""

    def before(self, request: Request) -> Request:
        self.skipped = int(request.variables.get("after") or 0) if "runs(" in request.document.text else None
        if self.skipped is None:
            return request
        self.wanted = request.variables.get("first")
        return attrs.evolve(request, variables={**request.variables, "after": None, "first": 1000})

    def turn(self, request: Request, response: Response) -> Response:
        if self.skipped is None or self.wanted is None or not response.data:
            return response
        for connection in list(objects_with(response.data, "edges"))[:1]:
            stop = self.skipped + self.wanted
            more = stop < len(connection["edges"])
            connection["edges"] = connection["edges"][self.skipped : stop]
            connection["pageInfo"] = {"endCursor": str(stop), "hasNextPage": more}
        return response


class AnothersData(Turned):
    """Keeps configs by a key that is not the run's own."""

    def turn(self, request: Request, response: Response) -> Response:
        project = (response.data or {}).get("project") or {}
        run = project.get("run") if isinstance(project, dict) else None
        if isinstance(run, dict) and "config" in run:
            run["config"] = self.__dict__.setdefault("cached", run["config"])
        return response


class AnyRun(Turned):
    """Gives the latest run where the one that is asked for does not exist."""

    def turn(self, request: Request, response: Response) -> Response:
        project = (response.data or {}).get("project")
        if isinstance(project, dict) and "run" in project and project["run"] is None:
            text = request.document.text.replace('(name: "nowhere")', '(name: "e-one")')
            return self.engine.execute(Request(text, {**request.variables, "key": "e-one"}))
        return response


class WrongCount(Turned):
    """Counts all rows, whatever the filter."""

    def turn(self, request: Request, response: Response) -> Response:
        project = (response.data or {}).get("project")
        if isinstance(project, dict) and "runCount" in project:
            project["runCount"] = 23
        return response


class WrongBeyond(Turned):
    """Is wrong about what a server may lack: counts everything, parts are empty, tags are counted by letters."""

    def turn(self, request: Request, response: Response) -> Response:
        project = (response.data or {}).get("project")
        if not isinstance(project, dict):
            return response
        for connection in objects_with(project, "edges"):
            if "totalCount" in connection:
                connection["totalCount"] = 23
            for edge in connection["edges"]:
                node = edge.get("node") or {}
                if "someConfig" in node:
                    node["someConfig"] = "{}"
                if "path" in node:
                    node["path"] = node["path"].replace("config.", "")
        for item in project.get("tagCounts") or ():
            item["count"] = len(item["name"])
        return response


class EmptyForWrong(Turned):
    """Answers a filter that it does not understand with an empty page."""

    def turn(self, request: Request, response: Response) -> Response:
        if not response.errors or not request.variables.get("filters"):
            return response
        empty = {"edges": [], "pageInfo": {"endCursor": None, "hasNextPage": False}}
        return Response({"project": {"runs": empty}})


class RaisesKeyErrors(Turned):
    """Falls over what it does not know."""

    def turn(self, request: Request, response: Response) -> Response:
        if response.errors:
            raise KeyError("colour")
        return response


class RefusesExtras(Turned):
    """Refuses variables that a document does not declare."""

    def before(self, request: Request) -> Request:
        for name in request.variables:
            if f"${name}" not in request.document.text:
                raise ServerError(f"unknown variable ${name}")
        return request


class FloatsInJson(Turned):
    """Decodes the texts of the protocol, NaN and all."""

    def turn(self, request: Request, response: Response) -> Response:
        for connection in objects_with(response.data, "edges"):
            for edge in connection["edges"]:
                for row in (edge.get("node") or {}).get("sampledHistory") or ():
                    row[:] = [
                        {key: loads_numbers(f'"{v}"') if v == "NaN" else v for key, v in item.items()} for item in row
                    ]
        return response


class ForgetsWrites(Turned):
    """Says that it has written, and has not."""

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        if (
            "upsertBucket" in request.document.text
            and (request.variables.get("input") or {}).get("displayName") == "second"
        ):
            given = {**request.variables["input"], "displayName": None}
            request = attrs.evolve(request, variables={"input": given})
        return super().execute(request, timeout=timeout)


class SplitColours(Turned):
    """Its asynchronous twin was written apart, and leaves out filters."""

    async def aexecute(self, request: Request, *, timeout: float | None = None) -> Response:
        return self.execute(attrs.evolve(request, variables={**request.variables, "filters": None}))


class OneAfterTheOther(EngineBackend):
    """Promises to work side by side, and does one request after the other."""

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        time.sleep(0.008)
        return self.engine.execute(request)

    def execute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        return [self.execute(request) for request in requests]


class FarAway(EngineBackend):
    """Promises to be in the process, and is not."""

    def execute(self, request: Request, *, timeout: float | None = None) -> Response:
        time.sleep(0.02)
        return self.engine.execute(request)


class MixesUpMany(EngineBackend):
    """Gives the answers of a batch as they come in."""

    def execute_many(self, requests: Sequence[Request], *, timeout: float | None = None) -> list[Response]:
        return [self.execute(request) for request in reversed(requests)]


class LosesPrefetched(Turned):
    """Answers only the first of several aliases with rows."""

    def turn(self, request: Request, response: Response) -> Response:
        for alias, value in (response.data or {}).items():
            if alias.startswith("s") and alias[1:].isdigit() and alias != "s0":
                for connection in objects_with(value, "edges"):
                    connection["edges"] = []
        return response


def _turned(cls: Any) -> Callable[[World], Any]:
    return lambda world: engine(world, ALL, None, cls)


def _promised(dialect: Dialect | None = None, cls: Any = EngineBackend, **changes: Any) -> Callable[[World], Any]:
    return lambda world: engine(world, attrs.evolve(ALL, **changes), dialect, cls)


BROKEN: dict[str, Broken] = {
    "rows out of order": Broken(
        _turned(OutOfOrder),
        "order/Run.created_at/descending",
        r"promises to order \w+ by -created_at.*, but does not",
    ),
    "a repeated cursor": Broken(
        _turned(RepeatedCursor),
        "page/walk/none",
        "hasNextPage: true with the endCursor .*which was given before",
    ),
    "ignored first": Broken(
        _turned(IgnoresFirst),
        "page/first",
        r"runs\(first: 1\) gave 23 edges, and must give 1 of 23 runs: is `first` ignored",
    ),
    "ignored after": Broken(_turned(IgnoresAfter), "page/end", r"the page after the last cursor is \['e-"),
    "cursors that count": Broken(_turned(OffsetCursor), "page/growing/newest", "there more than once: n|missing: n"),
    "another run's data": Broken(
        _turned(AnothersData),
        "row/by-key",
        "run e-null: config is .* and must be .*are rows of another request mixed in",
    ),
    "another run for a missing one": Broken(
        _turned(AnyRun), "error/missing-run", 'run\\(name: "nowhere"\\) is .*must be None'
    ),
    "a wrong count": Broken(
        _turned(WrongCount), "count/filtered/text", r"filter\(.*\)\.count\(\) is 23, and must be 6"
    ),
    "a wrong total": Broken(_turned(WrongBeyond), "beyond/totals", "totalCount with the filters .* is 23"),
    "parts that are empty": Broken(
        _turned(WrongBeyond), "beyond/keys", r"the keys of config\(keys: ...\) of .* is \[\]"
    ),
    "paths of nothing": Broken(_turned(WrongBeyond), "beyond/fields", "fields has config.* is False"),
    "wrong counts of tags": Broken(_turned(WrongBeyond), "beyond/counts", "tagCounts is"),
    "empty answers to wrong questions": Broken(
        _turned(EmptyForWrong),
        "error/filter-unknown-operator",
        "answered as if it were right.*an empty answer to a wrong question cannot be told from a true one",
    ),
    "exceptions of its own": Broken(
        _turned(RaisesKeyErrors), "error/unknown-field", "raise KeyError.*callers catch WbmodelError"
    ),
    "refused variables": Broken(_turned(RefusesExtras), "document/undeclared-variables", "unknown variable"),
    "NaN in JSON": Broken(_turned(FloatsInJson), "document/strict-json", "loss is nan, which JSON does not have"),
    "forgotten writes": Broken(
        _turned(ForgetsWrites), "mutation/upsertBucket/change", "name, tags and group after nulls is"
    ),
    "two colours, two answers": Broken(
        _turned(SplitColours),
        "lookup/exact/text/Run.name",
        "must not be there: e-",
        colours=("async",),
    ),
    "a batch mixed up": Broken(_turned(MixesUpMany), "document/many", "answers come in the order of the requests"),
    "lost aliases": Broken(
        _turned(LosesPrefetched), "relation/prefetch/Sweep.runs", "by prefetch_related, gave the wrong rows"
    ),
    # -- flags that lie, each way --
    "strict_values, and case is ignored": Broken(
        _promised(Dialect(case_blind=True), filtered=frozenset({"Run"})),
        "flag/strict_values/kept",
        r"the capability strict_values is True .*that is not so:\n.*has e-capital",
    ),
    "strict_values, found by a lookup": Broken(
        _promised(Dialect(cross_types=True)),
        "lookup/exact/number/Run.config.every",
        "must not be there: e-(true|digit), where it is .*promises strict_values: keep that, or take it back",
    ),
    "literal_keys, and dots separate": Broken(
        _promised(Dialect(literal_keys=False)), "flag/literal_keys/kept", "literal_keys is True"
    ),
    "regex, and case is ignored": Broken(_promised(Dialect(case_blind=True)), "flag/regex/kept", "regex is True"),
    "multi_order, and one key counts": Broken(
        _promised(Dialect(multi_order=False)), "flag/multi_order/kept", "multi_order is True"
    ),
    "nulls_last, and they come first": Broken(
        _promised(Dialect(nulls="first")),
        "flag/nulls_last/kept",
        "where it is None, stands before rows with a value",
    ),
    "nulls_last, and text comes before numbers": Broken(
        _promised(Dialect(types=("text", "number", "bool", "list", "object"))),
        "flag/nulls_last/kept",
        r"order '\+config.every.value': '' stands where -3 belongs",
    ),
    "count, and it counts all": Broken(_turned(WrongCount), "flag/count/kept", "runCount.* is 23, and 6 runs match"),
    "filtered, and filters are refused": Broken(
        _promised(Dialect(filtered=frozenset({"Run"}))),
        "flag/filtered/kept",
        "does not take filters on a connection of",
    ),
    "max_page_size, and pages are shorter": Broken(
        _promised(Dialect(max_page=5), page_size=4),
        "flag/max_page_size/kept",
        r"runs\(first: 1000\) gives 5 of 23 rows",
    ),
    "in_process, and it is far away": Broken(
        _promised(None, FarAway, in_process=True), "flag/in_process/kept", "which is a round trip"
    ),
    "concurrent, and it takes turns": Broken(
        _promised(None, OneAfterTheOther, concurrent=True),
        "flag/concurrent/kept",
        "one after the other",
    ),
    "columns, and there is no read()": Broken(_promised(columns=True), "flag/columns/kept", r"has no read\(\)"),
    "writable unsaid, and it writes": Broken(
        _promised(writable=False),
        "flag/writable/unclaimed",
        "writable is False, and it looks as if it could be promised .*upsertBucket made a run",
    ),
    "strict_values unsaid, and they are": Broken(
        _promised(strict_values=False),
        "flag/strict_values/unclaimed",
        "every probe of it was answered as if it were promised",
    ),
    "literal_keys unsaid, and they are": Broken(
        _promised(literal_keys=False),
        "flag/literal_keys/unclaimed",
        "looks as if it could be promised .*does not advise",
    ),
    "stable_cursors, and they count": Broken(
        _turned(OffsetCursor), "flag/stable_cursors/kept", "while runs are added: there more than once: n"
    ),
    "stable_cursors unsaid, and they are": Broken(
        _promised(stable_cursors=False),
        "flag/stable_cursors/unclaimed",
        "every probe of it was answered as if it were promised",
    ),
    "all_projects unsaid, and they can be found": Broken(
        _promised(all_projects=False),
        "flag/all_projects/unclaimed",
        "so all projects can be found",
    ),
    "open() ignores its start": Broken(
        _promised(cls=FromTheBeginning, blobs=True), "door/blobs/start", "the bytes of .* from byte 1 on"
    ),
    "open() counts from 1": Broken(
        _promised(cls=FromTheNext, blobs=True), "door/blobs/start", "the bytes of .* from byte 1 on"
    ),
    "fetch() verifies nothing": Broken(
        _promised(cls=Trusting, blobs=True), "door/blobs/lies", "a byte less than promised gave None; give an Integ"
    ),
    "fetch() leaves items untold": Broken(
        _promised(cls=Forgetful, blobs=True), "door/blobs/groups", "how many items fetch"
    ),
    "filtered unsaid for sweeps": Broken(
        _promised(filtered=ALL.filtered - {"Sweep"}),
        "flag/filtered/unclaimed",
        "'Sweep' is not in `filtered`",
    ),
}
"""Each wrong backend by what is wrong with it."""
