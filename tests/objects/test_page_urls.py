"""Paths, and the URLs that a browser shows, lead to the same objects."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from tests.support.places import HOME, on
from wbmodel import Artifact, Project, Run, Sweep, connect
from wbmodel.errors import ConfigurationError, FieldError
from wbmodel.session.current import current_session
from wbmodel.testing import assert_num_requests

HOST = "https://wandb.example"
"""Stands for the session's own server, where it has one."""


def here(text: str) -> str:
    """``text`` with the pages of :data:`HOST` on the session's own server; a backend without a server takes any."""
    return text.replace(HOST, current_session().app_url or HOST)


@pytest.fixture(params=["fixtures", "live"], autouse=True)
def place(request: pytest.FixtureRequest) -> Iterator[None]:
    with on(request.param):
        yield


@pytest.mark.parametrize("before", ["", f"{HOST}/", f"{HOST}/under/"])
@pytest.mark.parametrize("after", ["", "?nw=nwuserada", "/overview#top", "/"])
def test_a_run_by_its_page(before: str, after: str) -> None:
    text = f"{before}{HOME}/runs/r1{after}" if before else f"{HOME}/runs/r1"
    assert Run.objects.get(path=here(text)).id == "r1"


def test_projects_and_sweeps_by_their_pages() -> None:
    assert Project.objects.get(path=here(f"{HOST}/{HOME}/workspace?nw=x")).path == HOME
    assert Run.objects.filter(project=here(f"{HOST}/{HOME}/table")).count() == 5
    for text in (f"{HOME}/sw", f"{HOME}/sweeps/sw", f"{HOST}/{HOME}/sweeps/sw?x=1"):
        assert Sweep.objects.get(path=here(text)).id == "sw"


def test_a_relation_takes_the_key_the_path_and_the_page() -> None:
    Run.objects.create(id="mine", sweep="sw")
    for text in ("sw", f"{HOME}/sw", f"{HOME}/sweeps/sw", here(f"{HOST}/{HOME}/sweeps/sw")):
        assert [run.id for run in Run.objects.filter(sweep=text)] == ["mine"]
        assert [run.id for run in Run.objects.filter(sweep__in=[text])] == ["mine"]
        assert Run.objects.exclude(sweep=text).count() == 5
    assert Run.objects.filter(sweep="acme/empty/sw").count() == 0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (lambda: Run.objects.get(path=f"{HOST}/x"), "entity/project/run_id"),
        (lambda: Run.objects.get(path=f"{HOST}/{HOME}/sweeps/sw"), "entity/project/run_id"),
        (lambda: Run.objects.filter(sweep="vision/sw"), "does not name the entity"),
        (lambda: Run.objects.filter(sweep="a/b/c/d/e"), "entity/project/sweep_id"),
        (lambda: Artifact.objects.get(name="acme/p/model:v0"), "path='acme/p/model:v0'"),
        (lambda: Project.objects.get(path=f"{HOST}/"), "is not a project"),
    ],
)
def test_what_names_nothing_says_how_to_write_it(asked: object, words: str) -> None:
    with assert_num_requests(0), pytest.raises(FieldError, match=words):
        asked()  # type: ignore[operator]


OTHER = "https://other.example:8443"


@pytest.mark.parametrize(
    "asked",
    [
        lambda: Run.objects.get(path=f"{OTHER}/{HOME}/runs/r1"),
        lambda: Run.objects.filter(project=f"{OTHER}/{HOME}").count(),
        lambda: list(Run.objects.filter(project__in=[HOME, f"{OTHER}/{HOME}"])),
        lambda: Run.objects.filter(sweep=f"{OTHER}/{HOME}/sweeps/sw").first(),
        lambda: Run.objects.filter(sweep__in=["sw", f"{OTHER}/{HOME}/sweeps/sw"]).exists(),
        lambda: Run.objects.exclude(sweep=f"{OTHER}/{HOME}/sweeps/sw").explain(),
        lambda: pickle.loads(pickle.dumps(Run.objects.filter(project=f"{OTHER}/{HOME}"))).count(),
        lambda: Run.objects.create(id="x", project=f"{OTHER}/{HOME}"),
        lambda: Sweep.objects.get(path=f"{OTHER}/{HOME}/sweeps/sw"),
    ],
)
def test_a_page_of_another_server_is_refused(asked: object) -> None:
    session = current_session()
    if session.app_url is None:
        pytest.skip("fixtures have no host, so pages of any host are fine")
    with (
        assert_num_requests(0),
        pytest.raises(ConfigurationError, match=r"is on other\.example:8443, .* asks localhost"),
    ):
        asked()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("api", "page", "there"),
    [
        ("https://api.wandb.ai", "https://wandb.ai", True),
        ("https://api.wandb.ai", "https://www.wandb.ai", True),
        ("https://api.wandb.ai", "https://api.wandb.ai", True),
        ("https://api.wandb.ai", "https://WANDB.ai:443", True),
        ("https://api.wandb.ai", "https://wandb.corp.example", False),
        ("https://wandb.corp.example", "https://wandb.ai", False),
        ("https://wandb.corp.example", "http://wandb.corp.example", True),
        ("https://api.corp.example", "https://app.corp.example", True),
        ("https://corp.example:8443", "https://corp.example", False),
        ("http://127.0.0.1:8080", "http://localhost:8080", True),
        ("http://127.0.0.1:8080", "http://localhost:8081", False),
    ],
)
def test_the_pages_of_a_server_are_those_of_its_app(api: str, page: str, there: bool) -> None:
    with connect(api, api_key="k" * 40, name="pages", default=False) as session:
        ask = Run.objects.using(session).filter(path=f"{page}/{HOME}/runs/abc").explain
        if there:
            ask()
        else:
            with pytest.raises(ConfigurationError, match=f"or write '{HOME}/abc'"):
                ask()
