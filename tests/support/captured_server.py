"""A W&B-shaped server that shares nothing with wbmodel's engine: a captured part of the real schema, and plain
resolvers over twenty runs.

The capture is not in the repository. Tests look for it beside the checkout, or where ``WBMODEL_SCHEMA_CAPTURE`` points.
"""

from __future__ import annotations

import base64
import contextlib
import json
import operator
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from graphql import GraphQLError, GraphQLSchema, build_schema, graphql_sync

__all__ = ["CAPTURE", "CapturedServer", "captured_schema", "listening_captured"]

CAPTURE = Path(
    os.environ.get("WBMODEL_SCHEMA_CAPTURE")
    or Path(__file__).parents[3] / "shared" / "data" / "schema-capture" / "schema.json"
)
PAGE = 2
_BUILT_IN = {"String", "Int", "Float", "Boolean", "ID"}


def captured_schema() -> GraphQLSchema:
    """The captured types and fields. What they name and the capture lacks is a scalar."""
    types = json.loads(CAPTURE.read_text(encoding="utf-8"))["fields"]
    lines, named = [], set[str]()
    for name, fields in types.items():
        lines.append(f"type {name} {{")
        for field, given in fields.items():
            taken = ", ".join(f"{arg}: {item['type']}" for arg, item in given["args"].items())
            lines.append(f"  {field}{f'({taken})' if taken else ''}: {given['type']}")
            named |= set(re.findall(r"\w+", f"{given['type']} {' '.join(a['type'] for a in given['args'].values())}"))
        lines.append("}")
    lines += [f"scalar {name}" for name in sorted(named - types.keys() - _BUILT_IN)]
    return build_schema("\n".join(lines))


class Refused(Exception):
    """A filter or an order that this server does not know."""


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
    "$in": lambda value, given: value in given,
    "$nin": lambda value, given: value not in given,
    "$regex": lambda value, given: isinstance(value, str) and re.search(given, value) is not None,
}
COLUMNS = {"name": "name", "display_name": "displayName", "displayName": "displayName", "state": "state"}
COLUMNS |= {"group": "group", "jobType": "jobType", "job_type": "jobType", "tags": "tags", "sweep": "sweepName"}


class CapturedServer:
    """``runs`` are the rows as the server keeps them; ``seen`` the documents, ``refused`` those it did not answer."""

    def __init__(self) -> None:
        self.schema = captured_schema()
        self.seen: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.runs = [self._run(number) for number in range(20)]
        self.sweep = {"id": "U3c=", "name": "sw", "state": "RUNNING", "config": '{"method":"grid"}', "method": "grid"}
        self.sweep |= {"createdAt": "2024-01-01T00:00:00Z", "runCount": 10}
        self.viewer = {"id": "VQ==", "name": "Ann", "username": "ann", "entity": "acme"}

    def _run(self, number: int) -> dict[str, Any]:
        config = {"lr": {"value": number / 10, "desc": None}, "opt": {"value": "adam" if number % 2 else "sgd"}}
        return {
            "id": base64.b64encode(f"Run:{number}".encode()).decode(),
            "projectId": "UA==",
            "name": f"r{number}",
            "displayName": f"run {number % 7}",
            "state": ["finished", "crashed", "running"][number % 3],
            "config": json.dumps(config),
            "summaryMetrics": json.dumps({"loss": (number * 7) % 20} if number != 4 else {}),
            "tags": ["even"] if number % 2 == 0 else [],
            "createdAt": f"2024-01-{number + 1:02}T00:00:00",
            "heartbeatAt": None,
            "group": "g" if number < 5 else None,
            "sweepName": "sw" if number < 10 else None,
            "user": None if number % 2 else {"id": "VQ==", "name": "Ann", "username": "ann"},
            "readOnly": False,
            "historyLineCount": 0,
            "historyKeys": {},
            "fileCount": 1,
            "files": lambda info, **given: self._page([self._file(number)], **given),
        }

    def _file(self, number: int) -> dict[str, Any]:
        return {"id": f"f{number}", "name": "config.yaml", "sizeBytes": 5, "directUrl": "", "md5": "x"}

    # -- resolvers -----------------------------------------------------------------------------------

    def root(self) -> dict[str, Any]:
        """What the fields of Query are."""
        return {
            "viewer": self.viewer,
            "project": lambda info, name=None, **given: self._project(name, given.get("entityName")),
            "models": lambda info, **given: self._page(
                [self._project("vision", "acme")] if given.get("entityName") == "acme" else [], **given
            ),
        }

    def _project(self, name: str | None, entity: str | None) -> dict[str, Any] | None:
        if name == "broken":
            raise RuntimeError("the database is gone")
        if (name, entity) != ("vision", "acme"):
            return None
        return {
            "id": "UA==",
            "internalId": "MQ==",
            "name": name,
            "entityName": entity,
            "createdAt": "2024-01-01T00:00:00",
            "isBenchmark": False,
            "readOnly": False,
            "user": None,
            "runCount": lambda info, filters=None: len(self._kept(filters)),
            "runs": lambda info, filters=None, order=None, **given: self._page(
                self._ordered(self._kept(filters), order), **given
            ),
            "run": lambda info, name: next((run for run in self.runs if run["name"] == name), None),
            "sweep": lambda info, **given: self.sweep if given["sweepName"] == "sw" else None,
        }

    def _page(self, rows: list[Any], first: int | None = None, after: str | None = None, **_: Any) -> dict[str, Any]:
        begin = int(base64.b64decode(after)) if after else 0
        shown = rows[begin : begin + min(PAGE, first or PAGE)]
        edges = [
            {"node": row, "cursor": base64.b64encode(str(begin + at + 1).encode()).decode()}
            for at, row in enumerate(shown)
        ]
        end = edges[-1]["cursor"] if edges else None
        info = {"endCursor": end, "hasNextPage": begin + len(shown) < len(rows), "hasPreviousPage": begin > 0}
        return {"edges": edges, "pageInfo": info, "totalCount": len(rows)}

    # -- filters and orders --------------------------------------------------------------------------

    def _kept(self, filters: str | None) -> list[dict[str, Any]]:
        tree = json.loads(filters) if filters else {}
        return [run for run in self.runs if self._meets(run, tree)]

    def _meets(self, run: dict[str, Any], tree: Any) -> bool:
        if not isinstance(tree, dict):
            raise Refused("a filter is an object")
        found = []
        for name, given in tree.items():
            if name in ("$and", "$or"):
                found.append((all if name == "$and" else any)([self._meets(run, part) for part in given]))
                continue
            value = self._value(run, name)
            for op, operand in given.items() if isinstance(given, dict) else [("$eq", given)]:
                if op not in OPERATORS:
                    raise Refused(f"unknown operator {op}")
                try:
                    matches = [OPERATORS[op](item, operand) for item in (value if name == "tags" else [value])]
                except TypeError:
                    matches = [False]
                found.append(all(matches) if op in ("$ne", "$nin") else any(matches))
        return all(found)

    def _value(self, run: dict[str, Any], name: str) -> Any:
        part, _, key = name.partition(".")
        if part == "config" and key:
            return json.loads(run["config"]).get(key.removesuffix(".value"), {}).get("value")
        if part == "summary_metrics" and key:
            return json.loads(run["summaryMetrics"]).get(key)
        if name not in COLUMNS:
            raise Refused(f"unknown filter {name}")
        return run[COLUMNS[name]]

    def _ordered(self, rows: list[dict[str, Any]], order: str | None) -> list[dict[str, Any]]:
        sign, name = (order or "-created_at")[:1], (order or "-created_at").lstrip("+-")
        keyed = [(run["createdAt"] if name == "created_at" else self._value(run, name), run) for run in rows]
        there = sorted((item for item in keyed if item[0] is not None), key=lambda item: item[0], reverse=sign == "-")
        return [run for _, run in there] + [run for value, run in keyed if value is None]

    # -- HTTP ----------------------------------------------------------------------------------------

    def answer(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and the payload: 400 for what is refused, 500 for a resolver that failed."""
        self.seen.append(asked)
        found = graphql_sync(
            self.schema,
            asked["query"],
            self.root(),
            variable_values=asked.get("variables") or {},
            operation_name=asked.get("operationName"),
        )
        errors: list[GraphQLError] = found.errors or []
        status = 200
        if errors:
            self.refused.append("; ".join(error.message for error in errors))
            failed = [error.original_error for error in errors if error.original_error is not None]
            status = 500 if any(not isinstance(error, Refused) for error in failed) else 400
        return status, {"data": found.data, **({"errors": [error.formatted for error in errors]} if errors else {})}


@contextlib.asynccontextmanager
async def listening_captured(server: CapturedServer) -> AsyncIterator[str]:
    """The URL of the server."""

    async def handle(request: web.BaseRequest) -> web.Response:
        status, payload = server.answer(await request.json())
        return web.json_response(payload, status=status)

    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
