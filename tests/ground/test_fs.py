"""Files of runs and artifacts opened by URL, by fsspec and by the libraries that use it: in process and over HTTP."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.artifact_worlds import at, md5, store
from tests.support.http import KEY
from wbmodel import connect
from wbmodel.errors import ConfigurationError, IntegrityError

fsspec = pytest.importorskip("fsspec")

CSV = b"step,loss\n0,0.5\n1,0.25\n"
RUN, VERSION = "wbmodel://acme/v/r1", "wbmodel-artifact://acme/v/data:v0"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No file system is kept from another test."""
    monkeypatch.setenv("WBMODEL_CACHE_DIR", str(tmp_path / "cache"))
    yield
    for name in ("wbmodel", "wbmodel-artifact"):
        fsspec.get_filesystem_class(name).clear_instance_cache()


def world() -> Any:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    made = store()
    project = made.project("acme", "v")
    run = made.run(project, "r1")
    made.add_file(run, "logs/loss.csv", CSV)
    frame = pandas.DataFrame({"step": range(50_000), "loss": [1 / (at + 1) for at in range(50_000)]})
    made.add_file(run, "logs/loss.parquet", frame.to_parquet(index=False))
    return made


@pytest.fixture(params=["loopback", "local"])
def place(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = world()
    with at(request.param, made) as session, session.as_current():
        yield session


def test_folders_are_listed_and_files_are_told_of(place: Any) -> None:
    fs, _ = fsspec.url_to_fs(RUN)
    assert sorted(fs.ls(RUN, detail=False)) == [
        "acme/v/r1/logs",
        "acme/v/r1/media",
        "acme/v/r1/wandb-metadata.json",
    ]
    assert fs.info(f"{RUN}/media")["type"] == "directory"
    told = fs.info(f"{RUN}/media/b.txt")
    assert (told["name"], told["size"], told["type"]) == ("acme/v/r1/media/b.txt", 4, "file")
    assert (fs.exists(f"{RUN}/nowhere"), fs.isdir(f"{RUN}/media"), fs.isfile(f"{RUN}/media")) == (False, True, False)
    assert sorted(fs.glob(f"{RUN}/**/*.txt")) == ["acme/v/r1/media/a.txt", "acme/v/r1/media/b.txt"]
    files, _ = fsspec.url_to_fs(VERSION)
    assert files.find(f"{VERSION}/dir") == ["acme/v/data:v0/dir/deep/g.bin", "acme/v/data:v0/dir/f.txt"]
    assert [path for path, _, _ in files.walk(f"{VERSION}/dir")] == ["acme/v/data:v0/dir", "acme/v/data:v0/dir/deep"]
    assert files.info(f"{VERSION}/dir/f.txt")["digest"] == md5(b"content\n")


def test_bytes_are_read_whole_in_parts_and_downloaded(place: Any, tmp_path: Path) -> None:
    fs, _ = fsspec.url_to_fs(VERSION)
    whole = bytes(range(256))
    path = f"{VERSION}/dir/deep/g.bin"
    assert fs.cat(path) == whole
    assert (fs.cat_file(path, 10, 20), fs.cat_file(path, -6), fs.cat_file(path, 300, 310)) == (
        whole[10:20],
        whole[-6:],
        b"",
    )
    with fs.open(path) as file:
        file.seek(250)
        assert (file.read(), file.tell(), file.size) == (whole[250:], 256, 256)
    with fsspec.open(f"{VERSION}/dir/f.txt", "rt") as text:
        assert text.read() == "content\n"
    fs.get(f"{VERSION}/dir/", str(tmp_path / "dir"), recursive=True)
    assert sorted(path.relative_to(tmp_path / "dir").as_posix() for path in (tmp_path / "dir").rglob("*.*")) == [
        "deep/g.bin",
        "f.txt",
    ]
    # A reference to a file of another version is followed.
    assert fsspec.open("wbmodel-artifact://acme/v/model:latest/rows.table.json").open().read(9) == b'{"_type":'


@pytest.mark.parametrize("path", ["", "acme", "acme/v", "acme//r1", "acme/v/nowhere/x", "acme/v/r1/no", "x/y/z"])
def test_what_is_not_there_is_not_found(place: Any, path: str) -> None:
    fs = fsspec.filesystem("wbmodel")
    for ask in (fs.info, fs.ls, fs.cat_file, fs.open):
        with pytest.raises(FileNotFoundError):
            ask(path)
    assert not fs.exists(path)


def test_nothing_is_written(place: Any) -> None:
    fs = fsspec.filesystem("wbmodel")
    for write in (lambda: fs.open(f"{RUN}/x", "wb"), lambda: fs.pipe(f"{RUN}/x", b"1"), lambda: fs.rm(f"{RUN}/logs")):
        with pytest.raises(NotImplementedError):
            write()


def test_a_list_is_kept_until_it_is_asked_for_again(place: Any) -> None:
    fs = fsspec.filesystem("wbmodel")
    fs.ls(RUN)
    before = place.stats.requests
    assert [fs.exists(f"{RUN}/{name}") for name in ("media/a.txt", "logs/loss.csv", "x")] == [True, True, False]
    assert place.stats.requests == before
    fs.ls(RUN, refresh=True)
    assert place.stats.requests > before


def test_frames_open_urls(place: Any) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    assert pandas.read_csv(f"{RUN}/logs/loss.csv")["loss"].tolist() == [0.5, 0.25]
    assert len(pandas.read_parquet(f"{RUN}/logs/loss.parquet")) == 50_000
    with fsspec.open(f"{RUN}/logs/loss.csv") as file:  # polars looks up no schemes of others
        assert polars.read_csv(file).rows() == [(0, 0.5), (1, 0.25)]
    with fsspec.open(f"{RUN}/logs/loss.parquet") as file:
        assert polars.read_parquet(file, columns=["step"]).shape == (50_000, 1)


def test_duckdb_opens_urls(place: Any) -> None:
    duckdb = pytest.importorskip("duckdb")
    base = duckdb.connect()
    base.register_filesystem(fsspec.filesystem("wbmodel"))
    assert base.sql(f"SELECT sum(loss) FROM '{RUN}/logs/loss.csv'").fetchall() == [(0.75,)]
    assert base.sql(f"SELECT count(*) FROM '{RUN}/logs/*.parquet'").fetchall() == [(50_000,)]


def test_dask_opens_urls(place: Any) -> None:
    dask = pytest.importorskip("dask.dataframe")
    frame = dask.read_csv(f"{RUN}/logs/*.csv")
    assert frame.compute(scheduler="synchronous")["loss"].sum() == 0.75


def test_a_server_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with at("loopback", world()) as server:
        options = {"url": server.url}
        pandas = pytest.importorskip("pandas")
        with connect("demo:", default=False).as_current():
            assert len(pandas.read_csv(f"{RUN}/logs/loss.csv", storage_options=options)) == 2
            with pytest.raises(FileNotFoundError):
                pandas.read_csv(f"{RUN}/logs/loss.csv")
        fs = fsspec.filesystem("wbmodel", **options)
        assert pickle.loads(pickle.dumps(fs)).cat(f"{RUN}/media/a.txt") == b"one"


@pytest.mark.parametrize(
    "options", [{"url": "http://h", "api_key": "s" * 40}, {"url": f"https://api:{'s' * 40}@h"}, {"api_key": "s" * 40}]
)
def test_a_key_is_not_kept_where_it_is_shown(options: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="set WANDB_API_KEY") as raised:
        fsspec.filesystem("wbmodel", **options)
    assert "ssss" not in str(raised.value)
    assert all("ssss" not in repr(vars(fs)) for fs in fsspec.get_filesystem_class("wbmodel")._cache.values())


def test_a_whole_read_is_verified() -> None:
    made = store()
    lying = {"lies.txt": {"ref": "file:///dev/null", "size": 3, "digest": md5(b"one")}}
    made.add_version(made.collection(made.project("acme", "v"), "data"), files=lying, aliases=["lying"])
    with at("local", made) as session, session.as_current(), pytest.raises(IntegrityError, match="had 3 bytes"):
        fsspec.filesystem("wbmodel-artifact").cat("acme/v/data:lying/lies.txt")
