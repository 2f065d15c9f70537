"""Run by the interpreter that has the official client: lists every run with config and summary, and times it.

Arguments: the project's path, the page size (0: the client's own), how often. Prints the seconds as JSON; the client's
start and what it imports are not in them.
"""

import json
import sys
import time

import wandb

path, size, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
taken = []
for _ in range(times):
    api = wandb.Api(timeout=600)  # a new one each time: it keeps what it has listed
    more = {"per_page": size} if size else {}
    api.viewer  # noqa: B018 - the connection is made
    began = time.perf_counter()
    rows = 0
    for run in api.runs(path, lazy=False, **more):
        run.config, run.summary  # noqa: B018
        rows += 1
    taken.append(time.perf_counter() - began)
print(json.dumps({"seconds": taken, "rows": rows}))
