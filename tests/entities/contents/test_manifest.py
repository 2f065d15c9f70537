"""Manifests: read as they are written, and an error that names the entry for those that lie."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from tests.support.artifact_worlds import md5
from wbmodel.entities.contents.manifest import Manifest
from wbmodel.entities.contents.manifest import ManifestEntry as Entry
from wbmodel.errors import IntegrityError

GOOD = {"digest": md5(b"x"), "size": 1, "birthArtifactID": "QXJ0aWZhY3Q6NzY="}


def document(contents: Any, **more: Any) -> bytes:
    whole = {"version": 1, "storagePolicy": "wandb-storage-policy-v1", "storagePolicyConfig": {"storageLayout": "V2"}}
    return json.dumps({**whole, "contents": contents, **more}).encode()


def read(contents: Any, **more: Any) -> Manifest:
    return Manifest.read(document(contents, **more), "acme/v/m:v0")


def test_entries_are_as_written() -> None:
    made = read(
        {
            "dir/a": GOOD,
            "r": {"digest": "etag", "ref": "s3://b/k", "extra": {"etag": "e"}},
            "n": {**GOOD, "extra": None},
        }
    )
    assert dict(made) == {
        "dir/a": Entry("dir/a", md5(b"x"), 1, None, {}, "QXJ0aWZhY3Q6NzY="),
        "r": Entry("r", "etag", None, "s3://b/k", {"etag": "e"}),
        "n": Entry("n", md5(b"x"), 1, None, {}, "QXJ0aWZhY3Q6NzY="),
    }
    assert (made.size, len(made), "r" in made, made["r"].is_reference) == (2, 3, True, True)
    assert [*made.under("dir"), *made.under("dir/"), *made.under("di")] == ["dir/a", "dir/a"]
    assert list(made.under("dir/a")) == ["dir/a"]
    with pytest.raises(KeyError, match="did you mean 'dir/a'"):
        made["dir/b"]


def test_objects_are_found_by_their_name() -> None:
    made = read({"t.table.json": GOOD, "t.txt": GOOD, "two.a.json": GOOD, "two.b.json": GOOD, "t.table.json.bak": GOOD})
    assert made.find("t").path == "t.table.json"
    assert made.find("t.txt").path == "t.txt"
    with pytest.raises(KeyError, match=r"several objects 'two': two\.a\.json, two\.b\.json"):
        made.find("two")


def test_urls_follow_the_layout_of_the_store() -> None:
    md5_hex = "9dd4e461268c8034f5c8564e155c67a6"
    made = read({"a": GOOD, "old": {"digest": md5(b"x"), "size": 1}, "r": {"digest": "e", "ref": "s3://b"}})
    assert (
        made.url(made["a"], "https://h", "acme") == f"https://h/artifactsV2/default/acme/QXJ0aWZhY3Q6NzY%3D/{md5_hex}"
    )
    assert made.url(made["old"], "https://h", "a/b") == f"https://h/artifacts/a%2Fb/{md5_hex}"
    first = read({"a": GOOD}, storagePolicyConfig={"storageLayout": "V1"})
    assert first.url(first["a"], "https://h", "acme") == f"https://h/artifacts/acme/{md5_hex}"
    region = read({"a": GOOD}, storagePolicyConfig={"storageLayout": "V2", "storageRegion": "eu"})
    assert "/artifactsV2/eu/acme/" in region.url(region["a"], "https://h", "acme")
    with pytest.raises(IntegrityError, match="'r' has the digest 'e'"):
        made.url(made["r"], "https://h", "acme")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[]", "mapping"),
        (b'{"version": 1}', "contents"),
        (b'{"version": 2, "contents": {}}', "has version 2"),
        (b'{"version": "1", "contents": {}}', "version"),
        (b'{"version": 1, "contents": []}', "contents"),
        (b'{"version": 1, "contents": {"a": {"digest": "x"}, "b": {}, "a": {"digest": "y"}}}', "'a' is there twice"),
        (b'{"version": 1, "contents": {"a": {"digest": "x", "size": 1, "size": 2}}}', "'size' is there twice"),
        (b'{"version": 1, "contents": {"a/b": {"size": 1}}}', r'contents\["a/b"\].*digest'),
        (b'{"version": 1, "contents": {"a": {"digest": 7}}}', r"contents\.a\.digest.*text is needed"),
        (b'{"version": 1, "contents": {"a": {"digest": "x", "size": "9"}}}', r"contents\.a\.size"),
        (b'{"version": 1, "contents": {"a": {"digest": "x", "size": -1}}}', r"contents\['a'\]\.size is -1"),
        (b'{"version": 1, "contents": {"a": {"digest": "x", "size": 1.5}}}', r"contents\.a\.size"),
        (b'{"version": 1, "contents": {"a": {"digest": "x", "size": true}}}', r"contents\.a\.size"),
        (b'{"version": 1, "contents": {"a": {"digest": "x", "ref": ""}}}', r"contents\['a'\]\.ref is empty"),
        (b'{"version": 1, "contents": {"a": null}}', r"contents\.a"),
        (b'{"version": 1, "contents": {"a": {"digest": "x", "extra": []}}}', r"contents\.a\.extra"),
        (b'{"version": 1, "contents": ' + b'{"a":' * 100_000, "nested too deeply|cannot be read"),
        (b'{"version": 1, "contents": {}, "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested too deeply"),
    ],
)
def test_what_cannot_be_right_is_an_error_that_names_it(data: bytes, why: str) -> None:
    with pytest.raises(IntegrityError, match=why) as caught:
        Manifest.read(data, "acme/v/m:v0")
    assert str(caught.value).startswith("the manifest of acme/v/m:v0")
    assert len(str(caught.value)) < 1500


def test_any_damage_is_an_integrity_error() -> None:
    """A value of another type, a missing key or a cut anywhere: read, or refused with the name of the version."""
    whole = document({"a": GOOD, "dir/b": {**GOOD, "ref": "s3://x", "extra": {"k": [1]}}})
    made = random.Random(7)
    wrong = [None, 1, -1, 2.5, "", "x", [], {}, True, 2**70]
    for _ in range(400):
        value = json.loads(whole)
        at: Any = value
        while True:
            key = made.choice(list(at))
            if isinstance(at[key], dict) and at[key] and made.random() < 0.7:
                at = at[key]
                continue
            at[key] = made.choice(wrong)
            break
        data = json.dumps(value).encode()
        if made.random() < 0.2:
            data = data[: made.randrange(len(data))]
        told = "acme/v/m:v0"
        try:
            Manifest.read(data, "acme/v/m:v0")
        except IntegrityError as error:
            told = str(error)
        assert "acme/v/m:v0" in told


@pytest.mark.slow
def test_a_million_entries_take_time_in_proportion() -> None:
    def seconds(count: int) -> float:
        data = document({f"dir/{number}": GOOD for number in range(count)})
        start = time.process_time()
        made = Manifest.read(data, "acme/v/m:v0")
        assert made.find(f"dir/{count - 1}").size == 1
        return time.process_time() - start

    few = seconds(100_000)
    many = seconds(1_000_000)
    assert many < few * 25, (few, many)
