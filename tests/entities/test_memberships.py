"""What belongs to a membership (version, name, path, aliases) is read from the one that the query came through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.backends import KINDS, served
from wbmodel import Artifact, ArtifactCollection, Run, connect, current_session
from wbmodel.engine import Engine, MemoryStore
from wbmodel.engine.server import serving

SEQUENCE = [("acme/v/model:v1", ["latest"]), ("acme/v/model:v0", ["best"])]
PORTFOLIO = [("acme/v/port:v0", ["other"]), ("acme/v/port:v1", ["production"])]


def store() -> MemoryStore:
    made = MemoryStore(viewer="me")
    made.add_entity("acme")
    project = made.add_project("acme", "v")
    run = made.add_run(project, "r1")
    model = made.add_collection(project, "model", type="model")
    first = made.add_version(model, aliases=["best"], logged_by=run)
    second = made.add_version(model, aliases=["latest"])
    made.use(run, first)
    port = made.add_collection(project, "port", type="model", kind="portfolio")
    made.link(second, port, ["other"])
    made.link(first, port, ["production"])
    # The same name elsewhere: told apart by the project.
    twin = made.add_collection(made.add_project("acme", "w"), "model", type="model", kind="portfolio")
    made.link(first, twin, ["twin"])
    return made


@contextmanager
def at(kind: str) -> Iterator[None]:
    if kind == "live":
        with serving(Engine(store()), api_key="k" * 40) as server:
            with connect(server.url, api_key="k" * 40, name="members", default=False, project="acme/v"):
                yield
    else:
        with served(store(), kind, project="acme/v"):
            yield


@pytest.fixture(params=[*KINDS, "live"], autouse=True)
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    with at(request.param):
        yield request.param


def shown(rows: object) -> list[tuple[str, list[str]]]:
    return [(row.path, row.aliases) for row in rows]  # type: ignore[attr-defined]


def test_a_collection_gives_its_own_numbers_names_and_aliases() -> None:
    assert shown(Artifact.objects.filter(collection="model")) == SEQUENCE
    assert shown(Artifact.objects.filter(collection="port")) == PORTFOLIO
    assert shown(Artifact.objects.filter(project="acme/w", collection="model")) == [("acme/w/model:v0", ["twin"])]
    assert shown(Artifact.objects.filter(collection="port", version_index=1)) == PORTFOLIO[1:]
    assert shown(Artifact.objects.filter(collection="port").order_by("version_index")[:1]) == PORTFOLIO[:1]
    (row,) = Artifact.objects.filter(collection="port", aliases__contains="production")
    assert (row.name, row.version, row.collection.name, row.collection.project.path) == (
        "port:v1",
        "v1",
        "port",
        "acme/v",
    )
    assert not Artifact.objects.filter(collection="port", aliases__contains="best").exists()


def test_one_version_is_a_row_of_each_collection() -> None:
    rows = Artifact.objects.all()
    assert sorted(shown(rows)) == sorted(SEQUENCE + PORTFOLIO)
    assert rows.count() == 4
    values = Artifact.objects.filter(collection="port").values("path", "name", "version", "type", "project", "aliases")
    assert list(values)[1] == {
        "path": "acme/v/port:v1",
        "name": "port:v1",
        "version": "v1",
        "type": "model",
        "project": "acme/v",
        "aliases": ["production"],
    }


@pytest.mark.parametrize(
    ("name", "path", "aliases"),
    [
        ("port:production", "acme/v/port:v1", ["production"]),
        ("port:v0", "acme/v/port:v0", ["other"]),
        ("model:best", "acme/v/model:v0", ["best"]),
        ("model:latest", "acme/v/model:v1", ["latest"]),
    ],
)
def test_a_name_leads_to_its_membership_and_stays_there(name: str, path: str, aliases: list[str]) -> None:
    found = Artifact.objects.get(name=name)
    assert (found.path, found.aliases) == (path, aliases)
    found.refresh()
    assert (found.path, found.aliases) == (path, aliases)


def test_relations_lead_through_a_membership_too() -> None:
    collections = {item.name: item for item in ArtifactCollection.objects.prefetch_related("artifacts")}
    assert shown(collections["port"].artifacts) == PORTFOLIO
    assert shown(ArtifactCollection.objects.get(name="port").artifacts) == PORTFOLIO
    # Runs log and use versions of sequences.
    run = Run.objects.get(id="r1")
    assert shown(run.logged_artifacts) == shown(run.used_artifacts) == SEQUENCE[1:]
    first = Artifact.objects.get(name="port:production")
    assert shown([Artifact.objects.get(node_id=first.node_id)]) == SEQUENCE[1:]


@pytest.mark.parametrize("text", ["acme/v/port:production", "page", "port:v1"])
def test_a_path_or_a_page_leads_to_its_membership(text: str) -> None:
    if text == "page":
        text = f"{current_session().app_url or 'https://h'}/acme/v/artifacts/model/port/production/files?x=1"
    assert shown([Artifact.objects.get(path=text)]) == PORTFOLIO[1:]
