"""Names that come from a server: none leads outside of the folder, and no two lead to one file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wbmodel.errors import UnsafeName
from wbmodel.safe_names import Targets, inside, safe_target

ROOT = Path("/root-of-downloads")

REFUSED = [
    "",
    "..",
    "../a",
    "a/../../b",
    "a/..",
    ".",
    "a/./b",
    "/etc/passwd",
    "//host/share/a",
    "a//b",
    "a/",
    "C:\\a",
    "C:a",
    "c:/a",
    "a\\..\\b",
    "a\x00b",
    "a\nb",
    "\x1b[2J",
    "a\x7f",
    "x" * 300,
    "é" * 150,
    "a/" + "x" * 256,
    "\ud800",
]
ON_WINDOWS = [
    "CON",
    "a/nul.txt",
    "com1",
    "LPT9.log",
    "a.",
    "a ",
    "b /c",
    "a?b",
    'a"b',
    "a|b",
    "COM¹",
    "con .txt",
]
FINE = [
    "a",
    "a/b.c",
    ".hidden",
    "a..b",
    "x" * 255,
    "é/ü",
    "con-fig",
    "comma",
    "a b",
    "-rf",
    "~",
    "$HOME",
    "%2e%2e",
]


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_names_that_lead_elsewhere_or_nowhere(name):
    with pytest.raises(UnsafeName) as raised:
        safe_target(ROOT, name)
    assert str(ROOT) in str(raised.value)
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize("name", ON_WINDOWS)
def test_names_that_windows_reserves_or_changes(name):
    with pytest.raises(UnsafeName, match="Windows does not take"):
        safe_target(ROOT, name, windows=True)
    assert safe_target(ROOT, name, windows=False) == ROOT / name


@pytest.mark.parametrize("name", FINE)
def test_names_that_are_fine_stay_as_they_are(name):
    for windows in (False, True):
        assert os.fspath(safe_target(ROOT, name, windows=windows)) == f"{ROOT}/{name}"


@given(st.lists(st.sampled_from(["..", ".", "", "/", "\\", "a", "C:", "\0", " ", "é"]), max_size=6).map("/".join))
def test_whatever_the_name_the_target_is_below_the_root(name):
    try:
        target = safe_target(ROOT, name)
    except UnsafeName:
        return
    assert Path(os.path.normpath(target)).parts[: len(ROOT.parts)] == ROOT.parts
    assert os.path.normpath(target) == str(target) != str(ROOT)


CLASHES = [
    ("a", "a"),
    ("a", "a/b"),
    ("a/b", "a"),
    ("a/b/c", "a/b"),
]
ALIKE = [
    ("A.txt", "a.txt"),
    ("\u00e9", "e\u0301"),
    ("STRASSE", "straße"),
    ("A/b", "a"),
    ("dir/X", "DIR/x"),
]


@pytest.mark.parametrize("names", CLASHES)
def test_two_names_of_one_path(names, tmp_path):
    targets = Targets(tmp_path)
    assert targets.target(names[0]) == tmp_path / names[0]
    with pytest.raises(UnsafeName, match="the second was not written"):
        targets.target(names[1])
    assert targets.target("another") == tmp_path / "another"


@pytest.mark.parametrize("folds", [False, True])
@pytest.mark.parametrize("names", ALIKE, ids=ascii)
def test_names_that_some_file_systems_take_for_the_same(names, folds, tmp_path, monkeypatch):
    monkeypatch.setattr(Targets, "_file_system_folds", lambda self: folds)
    targets = Targets(tmp_path)
    targets.target(names[0])
    if folds:
        with pytest.raises(UnsafeName, match="the same path"):
            targets.target(names[1])
    else:
        targets.target(names[1])
        with pytest.raises(UnsafeName):
            targets.target(names[1])


def test_whether_a_file_system_folds_is_found_out_by_trying(tmp_path):
    (tmp_path / "probe").touch()
    folds = (tmp_path / "PROBE").exists()
    targets = Targets(tmp_path / "not" / "yet")
    targets.target("a")
    if folds:
        with pytest.raises(UnsafeName):
            targets.target("A")
    else:
        targets.target("A")
    assert [path.name for path in tmp_path.iterdir()] == ["probe"]


def test_folders_in_different_spelling_are_no_clash(tmp_path):
    targets = Targets(tmp_path)
    targets.target("A/x")
    targets.target("a/y")


def test_links_that_lead_outside(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "root-2"
    root.mkdir(), outside.mkdir()
    (root / "link").symlink_to(outside)
    (root / "loop").symlink_to(root / "loop")
    (root / "self").symlink_to(root)
    for name in ("link/a", "link", "link/../../a"):
        with pytest.raises(UnsafeName, match="by a link"):
            inside(root, root / name)
    for name in ("a", "self/a", "new/deep/a"):
        inside(root, root / name)
    (tmp_path / "alias").symlink_to(root)
    inside(tmp_path / "alias", tmp_path / "alias" / "a")
