"""The paths that ``wandb.Api`` takes."""

from __future__ import annotations

from typing import Any

import pytest

from wbmodel.api.client import Client
from wbmodel.api.paths import artifact_path, project_path, run_path

CLIENT = Client("demo:", entity="mine", project="home")
BARE = Client("demo:")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("acme/vision/abc", ("acme", "vision", "abc")),
        ("acme/vision/runs/abc", ("acme", "vision", "abc")),
        ("/acme/vision/abc/", ("acme", "vision", "abc")),
        ("  acme / vision / abc ", ("acme", "vision", "abc")),
        ("https://wandb.ai/acme/vision/runs/a%20b?tab=logs#x", ("acme", "vision", "a b")),
        ("acme/vision:abc", ("acme", "vision", "abc")),
        ("vision:abc", ("mine", "vision", "abc")),
        ("vision/abc", ("mine", "vision", "abc")),
        ("abc", ("mine", "home", "abc")),
        ("acme/runs/abc", ("acme", "runs", "abc")),
        ("acme/runs/runs/abc", ("acme", "runs", "abc")),
        ("acme/größe/лого", ("acme", "größe", "лого")),
    ],
)
def test_run_paths(path: str, found: tuple[str, str, str]) -> None:
    assert run_path(CLIENT, path) == found


@pytest.mark.parametrize("path", ["", " ", "/", "a/b/c/d", "a/b/c/d/e", "a//b", "a/b/", "a/b:", ":x", "a/b/ /c", None])
def test_what_is_not_a_run_path(path: Any) -> None:
    if path == "a/b/":
        assert run_path(CLIENT, path) == ("mine", "a", "b")
        return
    with pytest.raises(ValueError, match="Invalid path"):
        run_path(CLIENT, path)


def test_an_id_alone_needs_a_project_in_the_settings() -> None:
    with pytest.raises(ValueError, match="missing project"):
        run_path(BARE, "abc")


def test_sweep_paths() -> None:
    assert run_path(CLIENT, "acme/vision/sweeps/abc", "sweeps") == ("acme", "vision", "abc")
    with pytest.raises(ValueError, match="sweep_id"):
        run_path(CLIENT, "a/b/c/d", "sweeps")


def test_project_paths() -> None:
    assert project_path(CLIENT, "acme/vision") == ("acme", "vision")
    assert project_path(CLIENT, "vision") == ("mine", "vision")
    assert project_path(CLIENT, "") == project_path(CLIENT, None) == ("mine", "home")
    assert project_path(CLIENT, "https://wandb.ai/acme/vision") == ("acme", "vision")
    for path in ("a/b/c", "a//b", "//x/y/z"):
        with pytest.raises(ValueError, match="Invalid project path"):
            project_path(CLIENT, path)
    with pytest.raises(ValueError, match="no project is named"):
        project_path(BARE, "")


def test_artifact_paths() -> None:
    assert artifact_path(CLIENT, "acme/vision/data:v3") == ("acme", "vision", "data:v3")
    assert artifact_path(CLIENT, "vision/data:best/one") == ("mine", "vision", "data:best/one")
    assert artifact_path(CLIENT, "data") == ("mine", "home", "data")
    assert artifact_path(BARE, "data:latest") == (None, "uncategorized", "data:latest")
    for path in ("a/b/c/d:v1", "a//b", "a:", "/:v1"):
        with pytest.raises(ValueError, match="Invalid artifact path"):
            artifact_path(CLIENT, path)
    for nothing in ("", None):
        with pytest.raises(ValueError, match="You must specify name="):
            artifact_path(CLIENT, nothing)


@pytest.mark.parametrize("parse", [run_path, project_path, artifact_path])
def test_a_path_is_text(parse: Any) -> None:
    with pytest.raises(TypeError, match="must be text"):
        parse(CLIENT, 3)
