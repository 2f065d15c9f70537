"""The command line on backends that promise little, answer late, or refuse."""

from __future__ import annotations

import pytest

from tests.support.backends import WEAK, EngineBackend, SlowBackend
from tests.support.worlds import make_world
from wbmodel import errors
from wbmodel.backend import SyncBackend
from wbmodel.hookspecs import hookimpl
from wbmodel.registry import make_plugin_manager


class Refusing(SyncBackend):
    """Refuses each request by the error that its URL names."""

    api_version = 0

    def __init__(self, url):
        self.kind = getattr(errors, url.partition(":")[2])

    def execute(self, request, *, timeout=None):
        raise self.kind("the other side says \x1b[31mno")


class Plugin:
    __name__ = "for the test"

    @hookimpl
    def wbmodel_register_backends(self, register):
        store = make_world().store()
        register("strong", lambda url: EngineBackend(url, store=store), api_version=0)
        register("slow", lambda url: SlowBackend(url, store=store, capabilities=WEAK), api_version=0)
        register("refusing", Refusing)
        register("lacking", Refusing, requires=("more", ("no_such_library",)))


@pytest.fixture
def run(cli, monkeypatch):
    monkeypatch.setattr("wbmodel.registry._default", make_plugin_manager(plugins=[Plugin()]))
    return cli


@pytest.mark.parametrize(
    "line",
    [
        ("runs", "acme/vision", "--json", "-n", "9", "-f", "summary.loss<0.4 or tags*=v1", "-o", "-summary.loss"),
        ("runs", "acme/vision", "--jsonl", "-c", "id,config.*", "-f", "config.optimizer in [adam, null]"),
        ("runs", "acme/vision", "--csv", "-f", "created_at>2021-04-05 and not name~a$"),
        ("sweeps", "acme/vision", "--json"),
        ("artifacts", "acme/vision", "--json", "--type", "dataset", "-c", "path,size"),
        ("reports", "acme/vision", "--json", "-c", "id,name"),
        ("projects", "acme", "--json"),
        ("run", "acme/vision/v03", "--json"),
        ("fields", "acme/vision", "--json"),
    ],
)
def test_a_weak_slow_backend_gives_the_same_answers(run, line):
    strong, slow = run("-u", "strong:", *line), run("-u", "slow:", *line)
    assert (strong.status, slow.status) == (0, 0), slow.err
    assert slow.out == strong.out
    assert len(strong.out) > 50


def test_what_is_done_here_is_said_in_one_line_and_not_counted(run):
    done = run("-u", "slow:", "runs", "acme/vision", "-f", "summary.loss is not nan", "-n", "5")
    assert done.status == 0
    warning, footer = done.err.splitlines()
    assert warning.startswith("wbmodel: warning: slow: cannot evaluate this filter; it is applied locally to every row")
    assert footer == "the first 5 runs; there may be more (-n all shows all)"


@pytest.mark.parametrize(
    ("kind", "status"),
    [("NotAuthenticated", 3), ("PermissionDenied", 3), ("ServerError", 1), ("RateLimited", 1), ("NotSupported", 4)],
)
def test_a_refusal_ends_with_its_status(run, kind, status):
    done = run("-u", f"refusing:{kind}", "runs", "a/b")
    assert (done.status, done.out) == (status, "")
    assert done.err == "wbmodel: error: the other side says \\x1b[31mno\n"
    checked = run("-u", f"refusing:{kind}", "status", "--check")
    assert checked.status == status
    assert "setting" in checked.out


def test_a_backend_that_lacks_a_library_names_the_install_command(run):
    done = run("-u", "lacking:", "runs")
    assert done.status == 4
    assert "pip install" in done.err
    (plugin,) = [item for item in run("plugins", "--json").data["items"] if item["name"] == "for the test"]
    lacking = next(item for item in plugin["backends"] if item["name"] == "lacking")
    assert lacking["missing"] == ["no_such_library"]
    assert "[more]" in lacking["install"]
    assert next(item for item in plugin["backends"] if item["name"] == "slow")["capabilities"]["page_size"] == 4
    assert "needs    no_such_library: pip install" in run("plugins").out


@pytest.mark.parametrize("name", ["runs", "sweeps", "artifacts", "reports"])
def test_a_listing_of_nowhere_says_how_to_name_a_project(run, name, monkeypatch):
    for variable in ("WANDB_PROJECT", "WANDB_ENTITY"):
        monkeypatch.delenv(variable, raising=False)
    done = run("-u", "slow:", name)
    assert done.status == 2
    assert f"which project? use wbmodel {name} ENTITY/PROJECT" in done.err
