"""Asks wandb 0.31.0 for whole histories. Run by its Python, with the files of questions and of answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import wandb

GIVEN = json.loads(Path(sys.argv[1]).read_text())
api = wandb.Api(timeout=60)


def told(question):
    try:
        return question()
    except Exception as error:
        return {"raised": [type(error).__name__, str(error)]}


def of(path):
    run, size, keys = api.run(path), GIVEN["page_size"], GIVEN["keys"]
    found = {
        "scan": told(lambda: list(run.scan_history(page_size=size))),
        "keys": told(lambda: list(run.scan_history(keys=keys, page_size=size))),
        "samples": told(lambda: run.history(samples=10_000, pandas=False)),
        "sampled": told(lambda: run.history(keys=keys, samples=10_000, pandas=False)),
    }
    if hasattr(run, "beta_scan_history"):
        found["beta"] = told(lambda: list(run.beta_scan_history(page_size=size)))
    return found


Path(sys.argv[2]).write_text(json.dumps({path: of(path) for path in GIVEN["runs"]}))
