"""Lists every run with config and summary and times it, in a process of its own as ``wandb_listing.py`` does for the
official client. Arguments: the server, the API key, the project's path, how often. Prints the seconds as JSON."""

import json
import sys
import time

from wbmodel import Run, connect

url, key, path, times = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
session = connect(url, api_key=key, project=path)
session.execute("{ viewer { id } }")  # the connection is made
taken = []
for _ in range(times):
    began = time.perf_counter()
    rows = 0
    for run in Run.objects.all():
        run.config, run.summary  # noqa: B018
        rows += 1
    taken.append(time.perf_counter() - began)
print(json.dumps({"seconds": taken, "rows": rows}))
