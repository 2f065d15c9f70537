"""Reading, downloading, verifying and checking out versions and files, at every place and in both colours."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.support.artifact_worlds import at, md5, store
from wbmodel import Artifact, File, Run
from wbmodel.engine import MemoryStore
from wbmodel.entities.contents.tables import JoinedTable
from wbmodel.errors import FieldError, FieldNotLoaded, IntegrityError, NotSupported, TransferError, WbmodelError
from wbmodel.query.artifact_names import reference
from wbmodel.table.table import Table
from wbmodel.testing import count_requests


@pytest.fixture(params=["memory", "loopback", pytest.param("slow", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    with at(request.param):
        yield request.param


def version(name: str) -> Artifact:
    return Artifact.objects.get(name=name)


def files_below(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_version_is_downloaded_verified_and_made_equal_again(place: str, tmp_path: Path) -> None:
    item = version("data:v0")
    root = item.download(tmp_path / "x")
    assert root == tmp_path / "x"
    there = files_below(root)
    assert list(there) == sorted(item.manifest())
    assert there["dir/f.txt"] == b"content\n"
    assert item.verify(root).is_same
    (root / "dir/f.txt").write_bytes(b"changed\n")
    (root / "t.table.json").unlink()
    (root / "more").mkdir()
    (root / "more/own.txt").write_text("mine")
    told = "1 missing: t.table.json; 1 not in it: more/own.txt; 1 of other content: dir/f.txt"
    with pytest.raises(IntegrityError, match=told):
        item.verify(root)
    planned = item.checkout(root, dry_run=True)
    assert (planned.missing, planned.extra, planned.changed) == (("t.table.json",), ("more/own.txt",), ("dir/f.txt",))
    assert (root / "more/own.txt").exists()
    item.checkout(root)
    assert files_below(root) == there
    assert not (root / "more").exists()


def test_a_part_of_a_version(place: str, tmp_path: Path) -> None:
    item = version("data:v0")
    item.download(tmp_path, path_prefix="dir")
    assert set(files_below(tmp_path)) - {"cache"} >= {"dir/f.txt", "dir/deep/g.bin"}
    assert not (tmp_path / "t.table.json").exists()
    with pytest.raises(FieldError, match="no file below 'nowhere'"):
        item.download(tmp_path, path_prefix="nowhere")


def test_folders_are_named_by_the_version(place: str) -> None:
    assert version("data:v1").file() == Path("artifacts/data:v1/only.txt").resolve()
    assert version("data:v1").download() == Path("artifacts/data:v1")
    with pytest.raises(FieldError, match="has 8 files"):
        version("data:v0").file()


def test_one_entry(place: str, tmp_path: Path) -> None:
    item = version("data:v0")
    entry = item.get_path("dir/f.txt")
    assert (entry.name, entry.path, entry.size, entry.ref) == ("dir/f.txt", "acme/v/data:v0/dir/f.txt", 8, None)
    assert (entry.read_bytes(), entry.read_text()) == (b"content\n", "content\n")
    assert entry.download(tmp_path) == tmp_path / "dir/f.txt"
    assert entry.ref_url() == reference(item.node_id, "dir/f.txt")
    with pytest.raises(FieldError, match="not a reference"):
        entry.ref_target()
    with pytest.raises(IntegrityError, match="is not JSON"):
        entry.read_json()
    with pytest.raises(KeyError, match="has no file 'dir/g.txt'"):
        item.get_path("dir/g.txt")
    with item.get_path("dir/deep/g.bin").open() as file:
        assert file.read(3) == b"\0\1\2"
        file.seek(-2, os.SEEK_END)
        assert file.read() == b"\xfe\xff"
        file.seek(10)
        assert file.read(1) == b"\n"
    with entry.open("r") as text:
        assert list(text) == ["content\n"]


def test_tables_and_objects(place: str) -> None:
    item = version("data:v0")
    rows = item.get("t")
    assert rows.records() == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert rows.to_pandas()["a"].tolist() == [1, 2]
    assert item.get("parts").records() == [{"a": 1, "c": None}, {"a": 2, "c": True}]
    joined = item.get("joined")
    assert isinstance(joined, JoinedTable)
    assert (joined.left.records(), joined.right.length, joined.join_key) == (rows.records(), 1, "a")
    assert item.get("pic") == {"_type": "image-file", "path": "media/pic.png"}
    # A reference to a table of another version.
    assert version("model:v0").get("rows").records() == rows.records()


def test_references_to_other_versions(place: str, tmp_path: Path) -> None:
    item, source = version("model:v0"), version("data:v0")
    entry = item.get_path("rows")
    assert entry.ref == entry.ref_target() == reference(source.node_id, "t.table.json")
    assert entry.read_json()["ncols"] == 2
    root = item.download(tmp_path / "a" / "m")
    assert set(files_below(root)) == {"w.bin", "rows.table.json"}
    assert item.verify(root).is_same
    item.download(tmp_path / "b" / "m", recursive=True)
    assert source.verify(tmp_path / "b" / "data:v0").is_same


def test_files_of_runs(place: str, tmp_path: Path) -> None:
    run = Run.objects.get(id="r1")
    assert [file.name for file in run.files.filter(name__startswith="media/")] == ["media/a.txt", "media/b.txt"]
    file = run.files.get(name="media/a.txt")
    assert (file.read_text(), file.size) == ("one", 3)
    target = file.download(tmp_path / "x")
    assert target.read_bytes() == b"one"
    target.write_bytes(b"mine")
    with pytest.raises(WbmodelError, match="replace=True"):
        file.download(tmp_path / "x")
    assert file.download(tmp_path / "x", replace=True).read_bytes() == b"one"
    told: list[Any] = []
    done = run.files.filter(name__in=["media/a.txt", "media/b.txt"]).download(tmp_path / "y", progress=told.append)
    assert [path.name for path in done.files] == ["a.txt", "b.txt"]
    assert (told[-1].files, told[-1].total_files) == (2, 2)
    both = File.objects.filter(run__in=["acme/v/r1", "acme/v/r2"]).download(tmp_path / "z")
    assert {path.relative_to(tmp_path / "z").as_posix() for path in both.files} >= {"media/a.txt"}


def test_facts_of_runs(place: str) -> None:
    run = Run.objects.get(id="r1")
    assert run.metadata() == {"program": "train.py", "gpu": "A100"}
    assert Run.objects.get(id="r2").metadata() is None


def test_the_async_forms_do_the_same(place: str, tmp_path: Path) -> None:
    async def work() -> None:
        item = await Artifact.objects.aget(name="data:v0")
        assert await item.adownload(tmp_path / "x") == tmp_path / "x"
        assert (await item.averify(tmp_path / "x")).is_same
        assert (await item.acheckout(tmp_path / "x")).is_same
        assert isinstance(await item.aget("t"), Table)
        entry = await item.aget_path("dir/f.txt")
        assert await entry.aread_text() == "content\n"
        assert b"".join([chunk async for chunk in entry.achunks(3)]) == b"tent\n"
        assert (await entry.adownload(tmp_path / "y")).name == "f.txt"
        assert len(await item.amanifest()) == 8
        graph = await item.alineage(depth=1)
        assert {run.id for run in graph.runs} == {"r1", "r2"}
        only = await Artifact.objects.aget(name="data:v1")
        assert (await only.afile(tmp_path / "z")).read_bytes() == b"only"
        run = await Run.objects.aget(id="r1")
        assert (await run.ametadata() or {})["gpu"] == "A100"
        file = await run.files.aget(name="media/a.txt")
        assert (await file.adownload(tmp_path / "f")).read_bytes() == await file.aread_bytes()
        assert len(await run.files.adownload(tmp_path / "g")) == 3

    asyncio.run(work())


# -- what is wrong ---------------------------------------------------------------------------------


def lying(files: dict[str, Any]) -> MemoryStore:
    made = MemoryStore(viewer="me")
    made.add_entity("acme")
    made.add_version(made.add_collection(made.add_project("acme", "v"), "m", type="t"), files=files)
    return made


@pytest.mark.parametrize("place", ["memory", "loopback"])
def test_files_that_are_not_what_the_manifest_says_are_named(place: str, tmp_path: Path) -> None:
    files = {
        "good": b"good",
        "digest": {"content": b"abc", "digest": md5(b"abd")},
        "size": {"content": b"abc", "size": 4},
        "../outside": b"x",
        "/etc/x": b"x",
    }
    with at(place, lying(files)):
        item = version("m:v0")
        with pytest.raises(TransferError, match="4 of 5") as caught:
            item.download(tmp_path / "x")
        assert {each.name for each in caught.value.result.failures} == {"digest", "size", "../outside", "/etc/x"}
        assert files_below(tmp_path / "x") == {"good": b"good"}
        for name in ("digest", "size"):
            with pytest.raises(IntegrityError, match=name):
                item.get_path(name).read_bytes()
        assert not (tmp_path / "outside").exists()


def test_references_in_a_circle_or_to_nowhere_end() -> None:
    made = MemoryStore(viewer="me")
    made.add_entity("acme")
    one = made.add_collection(made.add_project("acme", "v"), "m", type="t")
    # The ids that versions will have, as they count up.
    made.add_version(one, files={"x": b"x"})
    first = made.add_version(one, files={"a": b""})
    second = made.add_version(one, files={"b": {"ref": reference(first.id, "a"), "digest": "d"}})
    (file,) = made.files(first)
    file.ref = reference(second.id, "b")
    made.add_version(
        one,
        files={
            "gone": {"ref": reference(second.id, "none"), "digest": "d"},
            "nowhere": {"ref": "wandb-artifact://acme/v/other:v0/x", "digest": "d"},
            "by-name": {"ref": "wandb-artifact://acme/v/m:v0/x", "digest": md5(b"x"), "size": 1},
            "client": {"ref": "wandb-client-artifact://abc/x", "digest": "d"},
            "self": {"ref": "wandb-artifact://acme/v/m:v3/self", "digest": "d"},
        },
    )
    with at("memory", made):
        item = version("m:v2")
        with pytest.raises(IntegrityError, match="references lead in a circle: acme/v/m:v2/b -> "):
            item.get_path("b").read_bytes()
        last = version("m:v3")
        assert last.get_path("by-name").read_bytes() == b"x"
        with pytest.raises(IntegrityError, match="refers to a file that is not there"):
            last.get_path("gone").read_bytes()
        with pytest.raises((IntegrityError, WbmodelError), match="other"):
            last.get_path("nowhere").read_bytes()
        with pytest.raises(NotSupported, match="'abc'"):
            last.get_path("client").read_bytes()
        with pytest.raises(IntegrityError, match="circle"):
            last.get_path("self").read_bytes()


def test_references_to_stores_are_listed_without_them_and_read_through_fsspec(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"far away")
    url = (tmp_path / "data").as_uri()
    files = {
        "far": {"ref": url, "size": 8, "digest": md5(b"far away")},
        "etag": {"ref": url, "size": 8, "digest": "an-etag"},
        "changed": {"ref": url, "size": 8, "digest": md5(b"far-away")},
        "gone": {"ref": f"{url}-gone", "size": 8, "digest": "e"},
        "store": {"ref": "nostore://bucket/key", "digest": "e"},
    }
    with at("memory", lying(files)):
        item = version("m:v0")
        assert item.get_path("store").ref_target() == "nostore://bucket/key"
        assert item.get_path("far").read_bytes() == item.get_path("etag").read_bytes() == b"far away"
        with item.get_path("far").open() as file:
            file.seek(4)
            assert file.read() == b"away"
        with pytest.raises(TransferError, match="3 of 5") as caught:
            item.download(tmp_path / "x")
        told = {each.name: str(each.error) for each in caught.value.result.failures}
        assert sorted(told) == ["changed", "gone", "store"]
        assert "has changed since it was recorded" in told["changed"]
        assert files_below(tmp_path / "x") == {"far": b"far away", "etag": b"far away"}
        (tmp_path / "x" / "far").write_bytes(b"far-away")
        with pytest.raises(IntegrityError, match="1 of other content: far"):
            item.verify(tmp_path / "x")


@pytest.mark.parametrize("what", ["home", "root", "working", "git", "above"])
def test_checkout_deletes_nothing_where_it_looks_wrong(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    root = {"home": tmp_path / "home", "root": Path("/"), "working": Path(), "git": repository, "above": tmp_path}[what]
    mark = tmp_path / "home" / "precious"
    mark.write_text("x")
    with at("memory"):
        item = version("data:v0")
        with count_requests() as sent, pytest.raises(WbmodelError, match="was left alone"):
            item.checkout(root)
        assert not sent.requests
    assert mark.exists()


def test_a_link_in_the_folder_is_not_followed_by_checkout(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    root = tmp_path / "x"
    root.mkdir()
    (root / "link").symlink_to(outside)
    with at("memory"):
        version("data:v1").checkout(root)
    assert (outside / "precious").exists()
    assert set(os.listdir(root)) == {"only.txt"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[[", "is not JSON"),
        (b'{"_type": "table", "columns": ["a"], "data": [[1], [1, 2]]}', "row 1 of its data has 2 cells"),
        (b'{"_type": "table", "columns": ["a"], "data": [7]}', "row 0 of its data has no cells"),
        (b'{"_type": "table", "columns": ["a", "a"], "data": []}', "'a'"),
        (b'{"_type": "table", "columns": 3, "data": []}', "columns"),
        (b'{"_type": "joined-table", "table1": "t.json", "table2": "t.json", "join_key": "a"}', "joins 't.json'"),
        (b'{"_type": "joined-table", "table1": {}, "table2": "x", "join_key": "a"}', "not the path of a table"),
        (b'{"_type": "partitioned-table"}', "parts_path"),
    ],
)
def test_tables_that_lie(data: bytes, why: str) -> None:
    with at("memory", lying({"t.json": data})), pytest.raises(IntegrityError, match=why) as caught:
        version("m:v0").get("t.json")
    assert "acme/v/m:v0" in str(caught.value)


def test_how_long_a_run_has_run() -> None:
    made = store()
    project = made.project("acme", "v")
    assert project is not None
    made.add_run(project, "logged", summary={"_runtime": 61.5})
    made.add_run(
        project,
        "beat",
        summary={"_runtime": "?"},
        created_at=datetime(2026, 1, 1, tzinfo=timezone.utc),
        heartbeat_at=datetime(2026, 1, 1, 0, 1, tzinfo=timezone.utc),
    )
    with at("memory", made):
        assert Run.objects.get(id="logged").duration == 61.5
        assert Run.objects.only("summary._runtime").get(id="logged").duration == 61.5
        assert Run.objects.get(id="beat").duration == 60.0
        with pytest.raises(FieldNotLoaded, match="summary._runtime"):
            _ = Run.objects.only("name").get(id="logged").duration
