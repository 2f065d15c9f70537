"""Saving and deleting artifact versions: only differences are sent, to the membership that they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.backends import over_loopback, served
from wbmodel import Add, Artifact, File, Remove, Run
from wbmodel.engine import MemoryStore
from wbmodel.errors import BulkError, ConflictError, FieldError
from wbmodel.testing import assert_num_requests, count_requests


def store() -> MemoryStore:
    made = MemoryStore(viewer="me")
    made.add_entity("acme")
    project = made.add_project("acme", "v")
    run = made.add_run(project, "r1")
    for name in ("a.txt", "media/b.png", "media/c.png"):
        made.add_file(run, name, name.encode())
    model = made.add_collection(project, "model", type="model")
    first = made.add_version(model, aliases=["best"], logged_by=run, tags=["old", "kept"], files={"a": b"1"})
    made.add_version(model, aliases=["latest"], files={"a": b"2"})
    # The same name in another project: told apart by the project.
    twin = made.add_collection(made.add_project("acme", "w"), "model", type="model", kind="portfolio")
    made.link(first, twin, ["twin"])
    return made


@contextmanager
def at(place: str) -> Iterator[None]:
    if place == "loopback":
        with over_loopback(store(), "live", project="acme/v"):
            yield
    else:
        with served(store(), place, project="acme/v"):
            yield


@pytest.fixture(params=["full", "loopback"], autouse=True)
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    with at(request.param):
        yield request.param


def version(name: str, **scopes: Any) -> Artifact:
    return Artifact.objects.also("tags").get(name=name, **scopes)


def test_aliases_and_tags_are_added_and_removed_not_replaced() -> None:
    item, other = version("model:v0"), version("model:v0")
    other.aliases.append("theirs")
    other.tags.append("theirs")
    assert other.save() == ("aliases", "tags")
    item.aliases = ["mine", "latest"]
    item.tags = ["kept", "new"]
    item.metadata = {"a": 1}
    item.description = "text"
    with count_requests() as sent:
        assert item.save() == ("aliases", "description", "metadata", "tags")
    (request,) = sent.requests
    assert request.variables == {
        "artifactID": item.node_id,
        "description": "text",
        "metadata": '{"a":1}',
        "tagsToAdd": [{"tagName": "new"}],
        "tagsToDelete": [{"tagName": "old"}],
        "addAliases": [_alias("mine"), _alias("latest")],
        "deleteAliases": [_alias("best")],
    }
    with assert_num_requests(0):
        assert item.save() == ()
    now = version("model:v0")
    assert sorted(now.aliases) == ["latest", "mine", "theirs"]
    assert sorted(now.tags) == ["kept", "new", "theirs"]
    assert (now.metadata, now.description) == ({"a": 1}, "text")
    # An alias that another version had has moved.
    assert version("model:v1").aliases == []


def _alias(alias: str) -> dict[str, str]:
    return {"entityName": "acme", "projectName": "v", "artifactCollectionName": "model", "alias": alias}


def test_aliases_are_written_to_the_membership_they_were_read_from() -> None:
    link = version("model:v0", project="acme/w")
    assert link.aliases == ["twin"]
    link.aliases = ["second"]
    link.save()
    assert version("model:v0", project="acme/w").aliases == ["second"]
    assert version("model:v0").aliases == ["best"]


def test_lists_that_were_never_read_are_read_before_they_are_saved() -> None:
    item = Artifact.objects.only("digest").get(name="model:v0")
    item.aliases, item.tags = ["best", "more"], ["kept"]
    with count_requests() as sent:
        item.save()
    assert [request.operation_name for request in sent.requests] == ["Artifact", "UpdateArtifact"]
    assert sent.requests[1].variables == {
        "artifactID": item.node_id,
        "addAliases": [_alias("more")],
        "tagsToDelete": [{"tagName": "old"}],
    }


def test_a_change_of_somebody_else_is_a_conflict_if_asked() -> None:
    item, other = version("model:v0"), version("model:v0")
    other.aliases.append("theirs")
    other.save()
    item.aliases.append("mine")
    with pytest.raises(ConflictError, match="aliases"):
        item.save(check=True)


@pytest.mark.parametrize(
    ("field", "value"), [("aliases", "v3"), ("aliases", "a/b"), ("aliases", "a:b"), ("aliases", ""), ("tags", "a,b")]
)
def test_what_the_server_would_refuse_is_refused_before_it_is_sent(field: str, value: str) -> None:
    item = version("model:v0")
    getattr(item, field).append(value)
    with assert_num_requests(0), pytest.raises(FieldError, match=f"Artifact.{field} cannot have {value!r}"):
        item.save()


def test_many_versions_at_once() -> None:
    rows = Artifact.objects.filter(collection="model")
    done = rows.update(tags=Add("seen"), aliases=Remove("best"))
    assert [row.outcome for row in done] == ["done", "done"]
    assert version("model:v0").aliases == []
    assert [row.tags for row in rows.also("tags").order_by("version_index")] == [["old", "kept", "seen"], ["seen"]]


def test_a_version_with_aliases_or_a_link_is_not_deleted() -> None:
    item = version("model:v0")
    with assert_num_requests(0), pytest.raises(FieldError, match="aliases best.*delete_aliases=True"):
        item.delete()
    blind = Artifact.objects.only("digest").get(name="model:v0")
    with pytest.raises(FieldError, match="aliases best"):
        blind.delete()
    link = version("model:v0", project="acme/w")
    with pytest.raises(FieldError, match="link in a portfolio"):
        link.delete(delete_aliases=True)
    with pytest.raises(BulkError, match="link in a portfolio"):
        Artifact.objects.filter(project="acme/w", collection="model").delete(delete_aliases=True)
    item.refresh()
    item.delete(delete_aliases=True)
    assert [row.version for row in Artifact.objects.filter(collection="model")] == ["v1"]
    with pytest.raises(Artifact.DoesNotExist):
        item.delete(delete_aliases=True)


def test_many_deletions_keep_what_has_aliases() -> None:
    Artifact.objects.get(name="model:v1").save()
    item = version("model:v1")
    item.aliases = []
    item.save()
    rows = Artifact.objects.filter(collection="model")
    planned = rows.delete(dry_run=True, errors="return")
    assert sorted(row.outcome for row in planned) == ["failed", "planned"]
    with pytest.raises(BulkError) as caught:
        rows.delete()
    assert sorted(row.outcome for row in caught.value.result) == ["done", "failed"]
    assert [row.version for row in rows] == ["v0"]
    with pytest.raises(FieldError, match="only to artifacts"):
        Run.objects.filter(id="x").delete(delete_aliases=True)


def test_versions_are_not_made_by_create() -> None:
    with pytest.raises(FieldError, match="cannot be created"):
        Artifact.objects.create(project="acme/v")


def test_files_of_runs_are_deleted_and_know_where_they_belong() -> None:
    run = Run.objects.get(id="r1")
    file = run.files.get(name="a.txt")
    assert (file.run.path, file.owner.path, file.path) == ("acme/v/r1", "acme/v/r1", "acme/v/r1/a.txt")
    file.refresh()
    file.delete()
    with pytest.raises(File.DoesNotExist):
        file.refresh()
    with count_requests() as sent:
        done = run.files.filter(name__startswith="media/").delete()
    assert [row.path for row in done] == ["acme/v/r1/media/b.png", "acme/v/r1/media/c.png"]
    assert {request.operation_name for request in sent.requests} == {"Files", "DeleteFiles"}
    assert not run.files.exists()
    inner = version("model:v0").files.get(name="a")
    assert inner.path == "acme/v/model:v0/a"
    inner.refresh()
    with pytest.raises(FieldError, match="files are fixed"):
        inner.delete()
