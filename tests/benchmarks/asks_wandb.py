"""Run by the interpreter that has the official client: asks a question about every run, and times it.

Arguments: the question (or the name of an artifact to download), the project's path, the page size (0: the client's
own), how often. Prints the seconds as JSON; the client's start and what it imports are not in them.
"""

import json
import os
import shutil
import sys
import tempfile
import time

import wandb

ASKS = {
    "list": (False, lambda run: (run.config, run.summary)),
    "values": (False, lambda run: (run.name, run.summary.get("loss"))),
    "history": (False, lambda run: sum(1 for _ in run.scan_history(keys=["loss", "acc"]))),
    "values, lazy": (True, lambda run: (run.name, run.summary.get("loss"))),
    "histories": (True, lambda run: list(run.scan_history())),
}


def download(name):
    """The files of an artifact, downloaded."""
    folder = api.artifact(name).download(tempfile.mkdtemp(dir="."))
    return [name for _, _, names in os.walk(folder) for name in names]


question, path, size, times = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
lazy, read = ASKS.get(question, (False, None))
more = {"per_page": size} if size else {}
taken, used = [], []
for _ in range(times):
    api = wandb.Api(timeout=600)  # a new one each time: it keeps what it has listed
    api.viewer  # noqa: B018 - the connection is made
    shutil.rmtree(os.environ["WANDB_CACHE_DIR"], ignore_errors=True)
    began, worked = time.perf_counter(), time.process_time()
    if read is None:
        rows = download(f"{path}/{question}")
    else:
        rows = [read(run) for run in api.runs(path, lazy=lazy, **more)]
    taken.append(time.perf_counter() - began)
    used.append(time.process_time() - worked)
print(json.dumps({"seconds": taken, "cpu": used, "rows": len(rows)}))
