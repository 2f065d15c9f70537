"""``files`` and ``artifact``: listed, fetched, verified and deleted over HTTP, with dry runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wbmodel import Artifact, Run, connect
from wbmodel.errors import ConfigurationError
from wbmodel.testing import served

WORLD = {
    "entities": {
        "acme": {
            "projects": {
                "vision": {
                    "runs": [{"id": "r1", "files": {"a.txt": "one", "media/b.txt": "two!"}}],
                    "artifacts": {
                        "data": {
                            "type": "dataset",
                            "versions": [
                                {"files": {"x.txt": "x", "dir/y.txt": "yy"}, "logged_by": "r1"},
                                {"files": {"x.txt": "new"}, "aliases": ["best"]},
                            ],
                        }
                    },
                }
            }
        }
    }
}


@pytest.fixture
def shell(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """The command line on a served world, in a folder of its own."""
    with served(WORLD) as server, connect(server.url, project="acme/vision", default=False) as session:
        monkeypatch.setenv("WBMODEL_URL", server.url)
        monkeypatch.setenv("WANDB_PROJECT", "acme/vision")
        monkeypatch.setenv("WBMODEL_CACHE_DIR", str(tmp_path / "cache"))
        (tmp_path / "work").mkdir()
        monkeypatch.chdir(tmp_path / "work")
        cli.session = session  # type: ignore[attr-defined]
        yield cli


def test_files_are_listed_fetched_and_deleted(shell):
    assert [item["name"] for item in shell("files", "ls", "r1", "--jsonl").lines] == ["a.txt", "media/b.txt"]
    assert shell("files", "ls", "acme/vision/r1", "media/*", "--json").data["items"][0]["size"] == 4
    assert shell("files", "get", "r1", "--dry-run").status == 0
    assert not Path("a.txt").exists()
    assert shell("files", "get", "r1", "*.txt", "--to", "here").status == 0
    assert (Path("here/a.txt").read_text(), Path("here/media/b.txt").read_text()) == ("one", "two!")
    Path("here/a.txt").write_text("mine")
    assert "replace" in shell("files", "get", "r1", "a.txt", "--to", "here").err
    assert shell("files", "get", "r1", "a.txt", "--to", "here", "--replace").status == 0
    missing = shell("files", "ls", "r1", "nope")
    assert (missing.status, "no file 'nope'" in missing.err) == (2, True)
    assert "--yes" in shell("files", "rm", "r1", "a.txt").err
    assert "which files" in shell("files", "rm", "r1", "--yes").err
    assert shell("files", "rm", "r1", "a.txt", "--dry-run").status == 0
    assert shell("files", "rm", "r1", "a.txt", "--yes").err == "1 deleted\n"
    assert [file.name for file in Run.objects.using(shell.session).get(id="r1").files] == ["media/b.txt"]


def test_a_version_is_fetched_verified_and_traced(shell):
    assert shell("artifact", "get", "data:v0", "--dry-run", "--jsonl").lines[-1]["path"] == "x.txt"
    assert shell("artifact", "get", "data:v0", "--path", "dir", "--to", "part").out == "part\n"
    assert [path.name for path in Path("part").rglob("*.txt")] == ["y.txt"]
    assert shell("artifact", "get", "acme/vision/data:v0").out.strip() == str(Path("artifacts/data:v0"))
    assert "is the content of acme/vision/data:v0" in shell("artifact", "verify", "data:v0").err
    (Path("artifacts/data:v0") / "x.txt").write_text("?")
    wrong = shell("artifact", "verify", "data:v0")
    assert wrong.status == 1
    assert "of other content: x.txt" in wrong.err
    assert shell("artifact", "lineage", "data:v0", "--jsonl").lines == [
        {"run": "acme/vision/r1", "how": "logged", "artifact": "acme/vision/data:v0"}
    ]
    assert shell("artifact", "lineage", "data:v0", "--outputs", "--depth", "1", "--jsonl").lines == []
    bad = shell("artifact", "get", "a/b/c/d:v0")
    assert (bad.status, "entity/project/collection:version" in bad.err) == (2, True)
    assert shell("artifact", "get", "nope:v0").status == 1


def test_aliases_and_deletions(shell):
    assert (
        "best, latest -> best, latest, more" in shell("artifact", "alias", "data:v1", "--add", "more", "--dry-run").err
    )
    assert shell("artifact", "alias", "data:v1", "--add", "more", "--remove", "best").status == 0
    rows = Artifact.objects.using(shell.session)
    assert rows.get(name="data:v1").aliases == ["latest", "more"]
    assert "has no alias 'gone'" in shell("artifact", "alias", "data:v1", "--remove", "gone").err
    assert "which aliases" in shell("artifact", "alias", "data:v1").err
    assert "--with-aliases" in shell("artifact", "rm", "data:v1", "--yes").err
    assert "would be deleted" in shell("artifact", "rm", "data:v1", "--dry-run").err
    assert "--yes" in shell("artifact", "rm", "data:v0").err
    assert shell("artifact", "rm", "data:v1", "--with-aliases", "--yes").status == 0
    assert [row.version for row in rows.filter(collection="data")] == ["v0"]


def test_the_cache_is_shown_and_pruned(shell: Callable[..., Any], tmp_path: Path) -> None:
    assert f"0 files, 0 B, in {tmp_path / 'cache'}" in shell("cache", "info").out
    shell("artifact", "get", "data:v0", "--to", "here")
    assert "2 files, 3 B" in shell("cache", "info").out
    assert '"bytes": 3' in shell("cache", "info", "--json").out
    assert shell("cache", "prune", "--older-than", "1h").out.startswith("0 files")
    assert shell("cache", "prune", "--max-size", "1B", "--dry-run").out.startswith("1 file, 2 B would be removed; 1 ")
    assert shell("cache", "prune", "--max-size", "1B").out.startswith("1 file, 2 B removed; 1 files, 1 B")
    assert shell("cache", "prune").out.startswith("1 file, 1 B removed; 0 files")
    for wrong in ("5", "5 parsecs", "-1d", ""):
        done = shell("cache", "prune", f"--older-than={wrong}")
        assert (done.status, "is not a number with a unit, as in 90s" in done.err) == (2, True)


def test_a_session_may_have_a_cache_of_its_own(shell: Callable[..., Any], tmp_path: Path) -> None:
    session = shell.session  # type: ignore[attr-defined]
    with connect(session.url, project="acme/vision", default=False, cache_dir=tmp_path / "own") as own:
        assert own.settings.table()["cache_dir"] == (str(tmp_path / "own"), "argument")
        Artifact.objects.using(own).get(path="data:v0").download(tmp_path / "there")
    assert len([path for path in (tmp_path / "own").rglob("*") if path.is_file()]) == 2
    assert not (tmp_path / "cache").exists()
    with pytest.raises(ConfigurationError, match="cache_dir must be a path, not 3"):
        connect(session.url, cache_dir=3)  # type: ignore[arg-type]
