"""Exports: which rows are in which Parquet file, and what the files look like."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from tests.support.engine_world import Asker
from wbmodel.engine import Dialect, Engine, Exports, MemoryStore
from wbmodel.engine.exports import STALE_ROWS, split
from wbmodel.engine.history_index import Index
from wbmodel.engine.streams import RowStream
from wbmodel.errors import LibraryNotInstalled

DOCUMENT = """query Q($keys: [String!]!) { project(name: "v", entityName: "acme") {
  runs { edges { node { parquetHistory(liveKeys: $keys) { parquetUrls liveData } } } } } }"""


def parts(count: int, exports: Exports) -> tuple[list[list[int]], list[int]]:
    index = Index(RowStream([{"_step": step} for step in range(count)]).between(None, None))
    files, live = split(index, exports)
    return [list(part) for part in files], list(live)


@pytest.mark.parametrize(
    ("exports", "files", "live"),
    [
        (Exports(until=6), [[0, 1, 2, 3, 4, 5]], [6, 7, 8, 9]),
        (Exports(until=6, files=3), [[0, 1], [2, 3], [4, 5]], [6, 7, 8, 9]),
        (Exports(until=6, files=2, overlap=1), [[0, 1, 2, 3], [3, 4, 5]], [5, 6, 7, 8, 9]),
        (Exports(until=6, files=2, stale=True), [[0, 1, 2], [3]], [6, 7, 8, 9]),
        (Exports(until=99, files=2), [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], []),
        (Exports(until=2, files=9), [[0], [1]], list(range(2, 10))),
        (Exports(until=2, stale=True), [], list(range(2, 10))),
        (Exports(until=0), [], list(range(10))),
        (Exports(until=-5, overlap=3), [], list(range(10))),
    ],
)
def test_which_rows_are_where(exports: Exports, files: list[list[int]], live: list[int]) -> None:
    assert parts(10, exports) == (files, live)
    assert parts(0, exports) == ([], [])


def test_every_row_is_somewhere_unless_the_export_is_stale() -> None:
    for files in range(1, 6):
        for overlap in range(4):
            for until in range(-1, 13):
                for stale in (False, True):
                    found, live = parts(10, Exports(until=until, files=files, overlap=overlap, stale=stale))
                    missing = set(range(10)) - {at for part in found for at in part} - set(live)
                    assert len(missing) <= (STALE_ROWS if stale else 0)


def world(rows: list[Any]) -> MemoryStore:
    store = MemoryStore()
    store.viewer = store.add_user("ada")
    store.add_run(store.add_project(store.add_entity("acme"), "v"), "r", history=rows)
    return store


def test_files_are_as_the_reader_of_the_real_ones_expects_them() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [
        {"_step": 0, "i": 1, "f": 1, "t": "a", "b": True, "l": [1], "o": {"x": 1}, "m": 1, "n": None},
        {"_step": 1, "i": 2, "f": 0.5, "t": "ä", "b": False, "l": [], "m": "x", "big": 2**70},
        *({"_step": step, "late": float("nan")} for step in range(2, 9)),
    ]
    store, urls = world(rows), []
    engine = Engine(store, Dialect(exports=Exports(until=6, files=2)), url_for=lambda file: f"u:{file.name}")
    from wbmodel.request import Request

    answer = engine.execute(Request(DOCUMENT, {"keys": ["_step"]})).data
    assert answer is not None
    found = answer["project"]["runs"]["edges"][0]["node"]["parquetHistory"]
    assert found["liveData"] == [{"_step": 6}, {"_step": 7}, {"_step": 8}]
    urls = found["parquetUrls"]
    tables = []
    for url in urls:
        file = engine.exported(url.removeprefix("u:"))
        assert file is not None
        tables.append(parquet.read_table(io.BytesIO(file.read())))
    first, second = tables
    kinds = {field.name: str(field.type) for field in first.schema}
    scalars = {"_step": "double", "i": "int64", "f": "double", "t": "string", "b": "bool", "late": "double"}
    assert kinds == {**scalars, **dict.fromkeys(("l", "o", "m", "n", "big"), "binary")}
    assert set(second.column_names) == {"_step", "late"}
    assert sorted(first["_step"].to_pylist()) == [0.0, 1.0, 2.0]
    row = next(row for row in first.to_pylist() if row["_step"] == 0)
    assert (json.loads(row["l"]), json.loads(row["o"]), json.loads(row["m"]), row["n"]) == ([1], {"x": 1}, 1, None)
    assert engine.exported("other.parquet") is None


def test_equal_content_has_equal_names_and_other_content_has_others() -> None:
    pytest.importorskip("pyarrow")
    store = world([{"_step": step} for step in range(9)])
    engine = Engine(store, Dialect(exports=Exports(until=5, rows="sorted")), url_for=lambda file: file.name)
    ask = Asker(store)
    ask.engine = engine

    def names() -> list[str]:
        found = ask(DOCUMENT, keys=["_step"])["project"]["runs"]["edges"][0]["node"]["parquetHistory"]
        return list(found["parquetUrls"])

    (first,) = names()
    assert names() == [first]
    project = store.project("acme", "v")
    assert project is not None
    made = store.run(project, "r")
    assert made is not None
    store.update(made.id, history=made.history.written(0, [{"_step": 0, "x": 1}]))
    assert names() != [first]
    old = engine.exported(first)
    assert old is not None
    assert old.read(), "a URL that was handed out can still be opened"


def test_in_process_nothing_is_exported_and_all_rows_are_live() -> None:
    ask = Asker(world([{"_step": 0, "x": 1}, {"_step": 1}]), Dialect(exports=Exports(until=9)))
    found = ask(DOCUMENT, keys=["_step", "x"])["project"]["runs"]["edges"][0]["node"]["parquetHistory"]
    assert found == {"parquetUrls": [], "liveData": [{"_step": 0, "x": 1}]}


def test_exports_need_pyarrow_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    store = world([{"_step": 0}])
    ask = Asker(store)
    assert ask(DOCUMENT, keys=["_step"])["project"] is not None
    ask.engine = Engine(store, Dialect(exports=Exports(until=9)), url_for=lambda file: file.name)
    assert "pyarrow is not installed" in ask.error(DOCUMENT, keys=["_step"])
    from wbmodel.table.exports import need

    with pytest.raises(LibraryNotInstalled):
        need("pyarrow")


@pytest.mark.parametrize("switch", [{"files": 0}, {"overlap": -1}, {"expires": -1}])
def test_exports_without_sense_are_refused(switch: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(switch))):
        Exports(until=1, **switch)
