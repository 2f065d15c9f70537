"""The backend that the design page shows: a folder of CSV files is a project, each file a run."""

import csv
import json
from itertools import islice
from pathlib import Path

from wbmodel.engine import EngineBackend, ListStore, RowStream


class CsvBackend(EngineBackend):
    api_version = 0
    name = "csv"
    blocking = True

    def __init__(self, url, /):
        self.root = Path(url.removeprefix("csv:"))

    def open_store(self):
        store = ListStore(viewer="me")
        project = store.add_project("me", self.root.name)
        for file in sorted(self.root.glob("*.csv")):
            store.add_run(project, file.stem, node_id=file.name, history=CsvStream(file))
        return store


def typed(row):
    return {key: value(cell) for key, cell in row.items() if cell}


def value(cell):
    try:
        return json.loads(cell)
    except ValueError:
        return cell


class CsvStream(RowStream):
    def __init__(self, file):
        self.file = file

    def rows(self, start=0, stop=None):
        with self.file.open() as f:
            yield from islice(map(typed, csv.DictReader(f)), start, stop)

    @property
    def token(self):
        return self.file.stat().st_mtime_ns
