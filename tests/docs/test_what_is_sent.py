"""The requests in the table of docs/explanation/what-is-sent.md are those that the queries cost."""

from __future__ import annotations

import re
import warnings
from typing import Any

from tests.benchmarks.served_world import KEY, PATH, served_world
from tools.docs_markdown import ROOT
from wbmodel import Count, File, Run, connect
from wbmodel.errors import QueryWarning

_ROW = re.compile(r"^\| `(?P<code>.+)` \| \d+ \| (?P<now>\d+) \| [^|]+ \| [^|]+ \|$", re.MULTILINE)


def test_the_requests_of_ten_common_queries() -> None:
    page = (ROOT / "docs/explanation/what-is-sent.md").read_text(encoding="utf-8")
    table = {row["code"]: int(row["now"]) for row in _ROW.finditer(page)}
    assert len(table) == 10
    names: dict[str, Any] = {"Run": Run, "File": File, "Count": Count}
    cost: dict[str, int] = {}
    # Fewer metrics than the page's runs have: the bytes differ, but these pages are cut by rows.
    with (
        served_world(1200, metrics=3) as place,
        connect(place.url, api_key=KEY, project=PATH, default=False) as session,
    ):
        session.execute("{ viewer { id } }")
        with session.as_current(), warnings.catch_warnings():
            warnings.simplefilter("ignore", QueryWarning)
            for code in table:
                before = session.stats.requests
                eval(code, names)
                cost[code] = session.stats.requests - before
    assert cost == table, "a query costs other requests than the page says"
