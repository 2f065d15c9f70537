"""Cases about what a server may lack: parts of config and summary, totals with pages, and facts about a project.

A backend that refuses one is skipped. One that serves it must be right, because it is used where it is there.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from wbmodel.codec import loads
from wbmodel.errors import WbmodelError
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import case
from wbmodel.testing.conformance.kit import Kit

__all__ = ["BeyondTests"]

_REFUSED = re.compile(r"Cannot query field|Unknown argument|Unknown type")

PARTS = """
query Parts($project: String, $entity: String, $keys: [String!]) {
  project(name: $project, entityName: $entity) {
    runs(first: 20) { edges { node { name config summaryMetrics
      someConfig: config(keys: $keys) someSummary: summaryMetrics(keys: $keys) } } }
  }
}
"""
TOTALS = """
query Totals($project: String, $entity: String, $filters: JSONString, $first: Int, $after: String) {
  project(name: $project, entityName: $entity) {
    runs(filters: $filters, first: $first, after: $after) { totalCount edges { cursor }
      pageInfo { startCursor endCursor hasNextPage hasPreviousPage } }
  }
}
"""
FIELDS = """
query Fields($project: String, $entity: String, $first: Int, $after: String, $pattern: String) {
  project(name: $project, entityName: $entity) {
    fields(first: $first, after: $after, pattern: $pattern) { edges { node { path type } }
      pageInfo { endCursor hasNextPage } }
  }
}
"""
COUNTS = """
query Counts($project: String, $entity: String) {
  project(name: $project, entityName: $entity) {
    tagCounts { name count }
    groupedRuns(groupKeys: ["group"], first: 1000) {
      ... on GroupedRunConnection { edges { node { group totalRuns } } } }
  }
}
"""


def offered(kit: Kit, text: str, **variables: Any) -> dict[str, Any]:
    """The main project in the answer to a document; skips the case if the backend does not serve a part of it."""
    entity, project = kit.world.project.split("/")
    variables = {"project": project, "entity": entity, **variables}
    try:
        response = kit.ask_raw(text, variables)
        words = [str(error.get("message", error)) for error in response.errors]
    except WbmodelError as error:
        words = [str(error)]
    if any(map(_REFUSED.search, words)):
        pytest.skip(f"the backend does not serve it: {words[0]}")
    found: dict[str, Any] = kit.data(text, **variables)["project"]
    return found


class BeyondTests(BackendTests):
    """Cases about what a server may lack: parts of config and summary, totals with pages, facts about a project."""

    @case("beyond/keys")
    def test_beyond_keys(self, kit: Kit) -> None:
        """config(keys:) and summaryMetrics(keys:) give those top-level keys of the whole, and no others."""
        rows = kit.rows("Run")
        keys = sorted({key for row in rows for key in (*row["config"], *row["summary"])})[::2]
        for edge in offered(kit, PARTS, keys=[*keys, "no such key"])["runs"]["edges"]:
            node = edge["node"]
            for whole, part in (("config", "someConfig"), ("summaryMetrics", "someSummary")):
                every, some = loads(node[whole] or "{}"), loads(node[part] or "{}")
                if len(every.keys() - set(keys)) and some.keys() == every.keys():
                    pytest.skip("the backend takes keys and sends everything")
                expected = sorted(set(keys) & every.keys())
                kit.equal(sorted(some), expected, f"the keys of {whole}(keys: ...) of {node['name']}")
                kit.equal(str([some[key] for key in expected]), str([every[key] for key in expected]), "their values")

    @case("beyond/totals")
    def test_beyond_totals(self, kit: Kit) -> None:
        """A connection of runs counts what matches its filters, and its pages say where they begin."""
        states = Counter(row["state"] for row in kit.rows("Run"))
        for state, count in {**states, "no such state": 0}.items():
            filters = f'{{"state": "{state}"}}'
            found = offered(kit, TOTALS, filters=filters, first=1)["runs"]
            kit.equal(found["totalCount"], count, f"totalCount with the filters {filters}")
        first = offered(kit, TOTALS, first=2)["runs"]
        rest = offered(kit, TOTALS, first=2, after=first["pageInfo"]["endCursor"])["runs"]
        for name, found, before in (("first", first, False), ("second", rest, True)):
            info = found["pageInfo"]
            kit.equal(found["totalCount"], sum(states.values()), f"totalCount of the {name} page")
            kit.equal(info["hasPreviousPage"], before, f"hasPreviousPage of the {name} page")
            kit.equal(info["startCursor"], found["edges"][0]["cursor"], f"startCursor of the {name} page")

    @case("beyond/fields")
    def test_beyond_fields(self, kit: Kit) -> None:
        """Project.fields lists the keys of config and summary, in pages, and a pattern leaves out others."""
        found: set[str] = set()
        after: str | None = None
        for _ in range(1000):
            page = offered(kit, FIELDS, first=7, after=after)["fields"]
            found |= {edge["node"]["path"] for edge in page["edges"]}
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        simple = re.compile(r"[a-z]+")
        for row in kit.rows("Run"):
            for part, column in (("config", "config"), ("summary", "summary_metrics")):
                for key, value in row[part].items():
                    if simple.fullmatch(key) and not isinstance(value, dict):
                        kit.equal(f"{column}.{key}" in found, True, f"fields has {column}.{key}")
        some = offered(kit, FIELDS, first=1000, pattern="loss")["fields"]["edges"]
        paths = {edge["node"]["path"] for edge in some}
        there = any("loss" in row["summary"] for row in kit.rows("Run"))
        kit.equal("summary_metrics.loss" in paths, there, "fields(pattern: 'loss') has summary_metrics.loss")
        kit.equal([path for path in sorted(paths) if "loss" not in path], [], "its paths without loss")

    @case("beyond/counts")
    def test_beyond_counts(self, kit: Kit) -> None:
        """tagCounts and groupedRuns count the runs of the project; runs without a group are left out."""
        found = offered(kit, COUNTS)
        rows = kit.rows("Run")
        tags = {item["name"]: item["count"] for item in found["tagCounts"]}
        kit.equal(tags, dict(Counter(tag for row in rows for tag in set(row["tags"]))), "tagCounts")
        groups = {edge["node"]["group"]: edge["node"]["totalRuns"] for edge in found["groupedRuns"]["edges"]}
        expected = Counter(row["group"] for row in rows if row["group"] is not None)
        kit.equal(groups, dict(expected), "groupedRuns by group")
