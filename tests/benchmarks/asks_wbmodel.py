"""Asks a question by wbmodel and times it, as ``asks_wandb.py`` does by the official client.

Arguments: the question (or the name of an artifact to download), the server, the API key, the project's path, how
often. Prints the seconds as JSON, with the requests and the bytes of one pass.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from wbmodel import Api, Artifact, Count, Run, connect
from wbmodel.api.runs import LIGHT
from wbmodel.backend.asks import ReadSpec
from wbmodel.operations.histories.pieces import Ended, Part
from wbmodel.operations.histories.read import read
from wbmodel.operations.histories.runs import Given, Listed


def history(runs: Any) -> list[Any]:
    """All rows of two keys, run by run."""
    if isinstance(runs, list):
        source: Any = Given(runs)
    else:
        streams = Run.__wbmodel_meta__.options.streams
        assert streams is not None
        source = Listed(runs.only(*streams.fields).plan, session.target)
    parts = session.iterate(read(ReadSpec(keys=("loss", "acc")), source, session.target))
    return [item for items in parts for item in items if isinstance(item, Ended) and item.is_complete]


def facade() -> Api:
    """A facade, whose connection is made."""
    made = Api({"base_url": url}, api_key=key)
    made._client._session = session
    return made


def histories() -> Iterator[Any]:
    """The columns of every run's whole history."""
    streams = Run.__wbmodel_meta__.options.streams
    assert streams is not None
    runs = Listed(Run.objects.only(*streams.fields)._plan, session.target)
    for items in session.iterate(read(ReadSpec(), runs, session.target)):
        for item in items:
            if isinstance(item, Part):
                yield item.batch.columns
            else:
                assert item.is_complete


def download(name: str, folder: str) -> list[str]:
    """The files of an artifact, downloaded."""
    Artifact.objects.get(path=name).download(folder)
    return [name for _, _, names in os.walk(folder) for name in names]


ASKS: dict[str, Callable[[], Any]] = {
    "list": lambda: list(Run.objects.all()),
    "list, read": lambda: [(run.config, run.summary) for run in Run.objects.all()],
    "values": lambda: list(Run.objects.values("name", "summary.loss")),
    "states": lambda: list(Run.objects.group_by("state").annotate(n=Count())),
    "history": lambda: history(Run.objects.all()),
    "history of given runs": lambda: history(list(Run.objects.all())),
    "fields": lambda: Run.objects.fields("config"),
    "facade, list": lambda: list(facade().runs(path)),
    "light": lambda: list(Run.objects.only(*LIGHT)),
    "facade, values": lambda: [(run.name, run.summary.get("loss")) for run in facade().runs(path)],
    "histories": lambda: list(histories()),
}

question, url, key, path, times = *sys.argv[1:5], int(sys.argv[5])
session = connect(url, api_key=key, project=path)
session.execute("{ viewer { id } }")  # the connection is made
taken, used = [], []
for _ in range(times):
    requests, received = session.stats.requests, session.stats.bytes
    shutil.rmtree(os.environ["WBMODEL_CACHE_DIR"], ignore_errors=True)
    began, worked = time.perf_counter(), time.process_time()
    if question in ASKS:
        rows = ASKS[question]()
    else:
        rows = download(question, tempfile.mkdtemp(dir="."))
    taken.append(time.perf_counter() - began)
    used.append(time.process_time() - worked)
    requests, received = session.stats.requests - requests, session.stats.bytes - received
print(json.dumps({"seconds": taken, "cpu": used, "rows": len(rows), "requests": requests, "bytes": received}))
