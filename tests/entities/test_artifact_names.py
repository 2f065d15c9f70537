"""Names of artifact versions: every form that W&B's clients write, and what is wrong with the others."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.backends import over_loopback, served
from wbmodel import Artifact
from wbmodel.engine import MemoryStore
from wbmodel.errors import FieldError
from wbmodel.query.artifact_names import ByClient, ById, ByName, parse, reference

NODE = base64.b64encode(b"Artifact:77").decode()
HEX = b"Artifact:77".hex()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model:v3", ByName(None, None, "model", "v3")),
        ("model", ByName(None, None, "model", "latest")),
        ("p/model:best one", ByName(None, "p", "model", "best one")),
        (" acme/p/модель:v0 ", ByName("acme", "p", "модель", "v0")),
        ("acme/p/artifacts/model:v0", ByName("acme", "p", "model", "v0")),
        (
            "acme/p/model:d41d8cd98f00b204e9800998ecf8427e",
            ByName("acme", "p", "model", "d41d8cd98f00b204e9800998ecf8427e"),
        ),
        (NODE, ById(NODE)),
        (f"wandb-artifact://{HEX}/dir/t.table.json", ById(NODE, "dir/t.table.json")),
        (f"wandb-artifact://{HEX.upper()}", ById(NODE)),
        (f"wandb-artifact://{NODE}/x", ById(NODE, "x")),
        ("wandb-artifact://acme/p/model:v3", ByName("acme", "p", "model", "v3")),
        ("wandb-artifact://acme/p/model:v3/a/b.txt", ByName("acme", "p", "model", "v3", "a/b.txt")),
        ("wandb-artifact://acme/p/model", ByName("acme", "p", "model", "latest")),
        ("wandb-client-artifact://abc123/t.table.json", ByClient("abc123", "t.table.json")),
        # Hex that is not an id is a name.
        ("wandb-artifact://acme/cafe/beef:v1", ByName("acme", "cafe", "beef", "v1")),
        ("cafe", ByName(None, None, "cafe", "latest")),
    ],
)
def test_every_form(text: str, expected: object) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        (":v3", "its collection is missing"),
        ("model:", "its version is missing"),
        ("a:b:c", "has a colon"),
        ("acme//model:v0", "its project is missing"),
        ("/p/model:v0", "its entity is missing"),
        ("acme/p/", "its collection is missing"),
        ("a/b/c/d:v0", "it has 4 parts"),
        ("a:b/c:v1", "a colon in its project"),
        ("p/model :v0", "starts or ends with a blank"),
        ("p/mo\x00del:v0", "control character"),
        ("p\\model:v0", "backslash"),
        ("s3://bucket/x", "s3:// does not refer to an artifact"),
        ("wandb-client-artifact:///x", "it has no id"),
        ("wandb-artifact://", "its collection is missing"),
    ],
)
def test_what_is_not_a_name_says_why_and_what_a_name_is(text: str, why: str) -> None:
    with pytest.raises(FieldError, match=why) as caught:
        parse(text, "Artifact path")
    assert str(caught.value).startswith("Artifact path: ")
    assert "entity/project/collection:version" in str(caught.value)


@given(st.text())
@example("wandb-artifact://%zz/%00")
def test_any_text_is_a_name_or_a_field_error(text: str) -> None:
    try:
        found = parse(text)
    except FieldError:
        return
    if isinstance(found, ByName) and not found.inside:
        assert parse(found.path) == found


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1))
def test_a_reference_leads_back(inside: str) -> None:
    assert parse(reference(NODE, inside).rstrip()) == ById(NODE, inside.rstrip())


def store() -> MemoryStore:
    made = MemoryStore(viewer="me")
    made.add_entity("acme")
    model = made.add_collection(made.add_project("acme", "v"), "model", type="model")
    made.add_version(model, aliases=["best"], files={"a": b"1"})
    made.add_version(model, aliases=["latest"], files={"a": b"2"})
    made.add_version(model, files={"a": b"3"}, state="PENDING")
    made.add_version(model, files={"a": b"4"}, state="DELETED")
    return made


def test_each_form_finds_the_version() -> None:
    with served(store(), project="acme/v"):
        first = Artifact.objects.get(name="model:best")
        plain = base64.b64decode(first.node_id)
        for text in (
            f"acme/v/model:{first.digest}",
            "v/model:v0",
            "model:best",
            first.node_id,
            f"wandb-artifact://{plain.hex()}/a",
            "wandb-artifact://acme/v/model:v0",
        ):
            assert Artifact.objects.get(path=text) == first, text
        assert Artifact.objects.get(path="model").version == "v1"
        assert Artifact.objects.get(name="model").version == "v1"
        with pytest.raises(FieldError, match="run.logged_artifacts"):
            Artifact.objects.get(path="wandb-client-artifact://abc/x")
        with pytest.raises(FieldError, match=r"node_id='QXJ"):
            Artifact.objects.filter(path__in=[first.node_id])


@pytest.mark.parametrize("place", ["full", "weak", "loopback"])
def test_versions_that_are_not_committed_come_only_when_asked_for(place: str) -> None:
    if place == "loopback":
        with over_loopback(store(), "live", project="acme/v"):
            _states()
        return
    with served(store(), place, project="acme/v"):
        _states()


def _states() -> None:
    rows = Artifact.objects.filter(collection="model")
    assert [row.version for row in rows.order_by("version_index")] == ["v0", "v1"]
    assert rows.count() == 2
    assert rows.exclude(version_index=0).exists()
    assert [row.version for row in rows.filter(state="DELETED")] == ["v3"]
    assert [row.version for row in rows.exclude(state="COMMITTED").order_by("version_index")] == ["v2", "v3"]
    assert Artifact.objects.filter(state__in=["COMMITTED", "PENDING", "DELETED"]).count() == 4
    # What is named is asked for.
    assert Artifact.objects.get(name="model:v2").state == "PENDING"
