"""The commands that are no listings, exit statuses, and commands of plugins."""

from __future__ import annotations

import io
import json

import pytest

from tests.support.old_server import OldEngine
from wbmodel import Run, Sweep, connect, errors
from wbmodel.cli import main as cli_main
from wbmodel.cli.listed import LISTED
from wbmodel.cli.main import _Commands, exit_status
from wbmodel.cli.options import COMMANDS, command_word, make_parser, tidy
from wbmodel.engine import MemoryStore
from wbmodel.engine.server import serving
from wbmodel.registry import make_plugin_manager
from wbmodel.testing import served

VIT = "demo/vit-prisma"
RUN = f"{VIT}/0lhwu6v9"


# -- one object ------------------------------------------------------------------------------------


def test_a_run_by_every_spelling_of_its_path(demo):
    whole = demo("run", RUN, "--json").data
    with connect("demo:", default=False) as session:
        run = Run.objects.using(session).get(path=RUN)
    assert whole["path"] == RUN
    assert whole["config"] == run.config
    assert whole["summary"] == run.summary
    assert whole["project"] == VIT
    for spelling in ([f"{VIT}/runs/0lhwu6v9"], ["0lhwu6v9", "-p", VIT], ["vit-prisma/0lhwu6v9", "--entity", "demo"]):
        assert demo("run", "--json", *spelling).data == whole
    shown = dict(line.split(maxsplit=1) for line in demo("run", RUN).out.splitlines())
    assert shown["config.transformer.num_layers"] == "4"
    assert shown["state"] == "failed"
    assert demo("run", RUN, "-c", "id,summary.test_loss", "--json").data == {
        "id": "0lhwu6v9",
        "summary.test_loss": run.summary["test_loss"],
    }
    assert demo("run", RUN, "-c", "id,name", "--csv").out == "id,name\n0lhwu6v9,0lhwu6v9\n"


def test_a_run_that_is_not_there(demo):
    done = demo("run", f"{VIT}/nothere")
    assert (done.status, done.out) == (1, "")
    assert "no Run with" in done.err
    assert demo("run", "demo/none/x").status == 1
    assert demo("run", "a/b/c/d/e").status == 2
    assert demo("run", f"{VIT}/0lhwu6v9", "-p", "demo/morl").status == 2


def test_a_sweep_and_its_best_run(demo):
    whole = demo("sweep", f"{VIT}/synvit01", "--json").data
    with connect("demo:", default=False) as session:
        best = Sweep.objects.using(session).get(project=VIT, id="synvit01").best_run()
    assert best is not None
    assert whole["best_run"] == {"path": best.path, "test_loss": best.summary["test_loss"]}
    assert whole["config"]["metric"] == {"name": "test_loss", "goal": "minimize"}
    assert demo("sweep", f"{VIT}/sweeps/synvit01", "-c", "metric,goal", "--json").data == {
        "metric": "test_loss",
        "goal": "min",
    }


# -- looking closer --------------------------------------------------------------------------------


def test_fields(demo):
    found = {item["path"]: item for item in demo("fields", VIT, "--json").data["items"]}
    with connect("demo:", default=False) as session:
        runs = Run.objects.using(session).filter(project=VIT)
        assert found["summary.test_loss"]["count"] == runs.filter(summary__test_loss__exists=True).count() > 0
    assert found["config.transformer.num_layers"]["type"] == "number"
    assert {path.partition(".")[0] for path in found} == {"config", "summary"}
    only = demo("fields", VIT, "--in", "summary", "--csv").out.splitlines()
    assert only[0] == "path,type,count,distinct,example"
    assert all(line.startswith("summary.") for line in only[1:])
    some = demo("fields", VIT, "-f", "id=0lhwu6v9", "--jsonl").lines
    assert {item["count"] for item in some} == {1}
    assert "keys" in demo("fields", VIT).err
    varying = demo("fields", VIT, "-f", "id=0lhwu6v9", "--varying", "--json").data["items"]
    assert varying == []  # of one run
    four = ("fields", VIT, "-f", "config.transformer.num_heads=4", "--json")
    every, varying = demo(*four).data["items"], demo(*four, "--varying").data["items"]
    assert [item for item in every if item in varying] == varying
    assert "config.training.lr" in {item["path"] for item in varying}
    assert "config.transformer.num_heads" in {item["path"] for item in every if item not in varying}


def test_fields_of_a_server(cli, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    with served("demo:", api_key="k" * 40) as server:
        line = ("fields", "-u", server.url, VIT)
        table = cli(*line)
        assert table.out.splitlines()[0].split() == ["path", "type", "example"]
        assert cli(*line, "--csv").out.splitlines()[0] == "path,type,count,distinct,example"
        assert cli(*line, "--exact").out.splitlines()[0].split() == ["path", "type", "count", "distinct", "example"]
        listed, exact = cli(*line, "--json").data["items"], cli(*line, "--json", "--exact").data["items"]
        assert [(item["path"], item["type"]) for item in listed] == [(item["path"], item["type"]) for item in exact]
        assert {item["count"] for item in listed} == {None}
        assert exact == cli("fields", "-u", "demo:", VIT, "--json").data["items"]


def test_explain_asks_nothing_unless_told(demo):
    line = ("explain", "runs", VIT, "-f", "summary.test_loss<0.3", "-n", "5")
    told = demo(*line, "--json").data
    assert told["pushed"] == ["summary.test_loss is below 0.3"]
    assert "analysis" not in told
    assert "pushed    summary.test_loss is below 0.3" in demo(*line).out
    assert demo(*line, "--analyze", "--json").data["analysis"]["rows"] == 5
    document = demo(*line, "--document").out
    assert document.startswith("query")
    assert "summary_metrics.test_loss" in document
    # What the listing would load and no more.
    assert "config" not in demo("explain", "runs", VIT, "-c", "id", "--document").out


def test_graphql(demo, tmp_path, monkeypatch):
    document = 'query Who($name: String!) { project(name: $name, entityName: "demo") { name runCount } }'
    variables = '{"name": "vit-prisma"}'
    expected = {"data": {"project": {"name": "vit-prisma", "runCount": 31}}}
    assert demo("graphql", document, "--variables", variables).data == expected
    (tmp_path / "q.graphql").write_text(document, encoding="utf-8")
    (tmp_path / "v.json").write_text(variables, encoding="utf-8")
    files = ("graphql", "--file", str(tmp_path / "q.graphql"), "--variables", f"@{tmp_path / 'v.json'}")
    assert demo(*files).data == expected
    monkeypatch.setattr("sys.stdin", io.StringIO(document))
    assert demo("graphql", "-", "--variables", variables, "--operation", "Who").data == expected


def test_graphql_leaves_out_what_only_our_own_server_adds(cli, monkeypatch):
    """wbmodel's server counts its work under extensions.wbmodel; extensions of others are shown."""
    with served("demo:", api_key="k" * 40) as server:
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
        done = cli("graphql", "-u", server.url, "{ viewer { id } }", "--json")
    assert done.status == 0
    assert "extensions" not in done.out
    assert "wbmodel" not in done.out


def test_graphql_shows_errors_as_they_came(demo):
    done = demo("graphql", "{ nothing }")
    assert done.status == 1
    assert done.data["data"] is None
    assert "nothing" in done.data["errors"][0]["message"]
    for line in (
        ("graphql", " "),
        ("graphql", "{ viewer { id } }", "--variables", "[1]"),
        ("graphql", "{ viewer { id } }", "--variables", "{"),
        ("graphql", "{ viewer { id } }", "--file", "x"),
        ("graphql", "--file", "/does/not/exist"),
    ):
        assert demo(*line).status == 2, line


# -- what is installed -----------------------------------------------------------------------------


def test_status_says_where_each_setting_is_from(demo, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef0123456789abcdef01234567")
    monkeypatch.setenv("WANDB_PROJECT", "demo/morl")
    told = demo("status", "--json").data
    assert told["settings"]["url"] == {"value": "demo:", "source": "WBMODEL_URL"}
    assert told["settings"]["entity"] == {"value": "demo", "source": "WANDB_PROJECT"}
    assert told["settings"]["api_key"] == {"value": "***", "source": "WANDB_API_KEY"}
    assert demo("-p", "demo/apeiron", "status", "--json").data["settings"]["project"]["source"] == "argument"
    for line in (("status",), ("status", "--csv"), ("status", "--json"), ("plugins",)):
        assert "0123456789abcdef" not in demo(*line).out
    assert "you are viewer" in demo("status", "--check").out
    checked = demo("status", "--check", "--json").data
    assert checked["viewer"] == "viewer"
    assert checked["server"] == {"lacks": [], "refuses": []}


def test_status_says_what_the_server_lacks(cli, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    store = MemoryStore()
    store.viewer = store.add_user("ada")
    with serving(OldEngine(store, {"Run.jobType", "Run.files(names:)"}), api_key="k" * 40) as server:
        line = ("-u", server.url, "status", "--check")
        assert cli(*line, "--json").data["server"]["lacks"] == ["Run.files(names:)", "Run.jobType"]
        assert "it lacks Run.files(names:), Run.jobType" in cli(*line).out


def test_status_says_which_credentials_are_used(cli, tmp_path, monkeypatch):
    for name in ("WBMODEL_URL", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    key = "0123456789abcdef0123456789abcdef01234567"
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine wandb.acme.org login user password {key}\n")
    monkeypatch.setenv("NETRC", str(netrc))

    def told():
        done = cli("-u", "https://wandb.acme.org", "status", "--json")
        assert key not in done.out
        return {name: done.data["settings"][name] for name in ("api_key", "identity_token_file")}

    assert told()["api_key"] == {"value": "***", "source": f"netrc ({netrc})"}
    token = tmp_path / "token.jwt"
    token.write_text("planted-token")
    monkeypatch.setenv("WANDB_IDENTITY_TOKEN_FILE", str(token))
    assert told() == {
        "api_key": {"value": None, "source": "not needed: identity_token_file is used"},
        "identity_token_file": {"value": str(token), "source": "WANDB_IDENTITY_TOKEN_FILE"},
    }
    assert "planted-token" not in cli("-u", "https://wandb.acme.org", "status").out
    monkeypatch.setenv("WANDB_API_KEY", key)
    refused = cli("-u", "https://wandb.acme.org", "status")
    assert refused.status != 0
    assert "WANDB_API_KEY and WANDB_IDENTITY_TOKEN_FILE are both set" in refused.err
    assert key not in refused.err


def test_plugins_are_listed_with_what_they_can(demo):
    (own,) = [item for item in demo("plugins", "--json").data["items"] if item["name"] == "fixtures"]
    assert own["distribution"] == "wbmodel"
    assert own["module"] == "wbmodel_fixtures.plugin"
    (backend,) = own["backends"]
    assert backend["schemes"] == ["fixtures", "demo"]
    assert backend["capabilities"]["writable"] is True
    assert backend["capabilities"]["page_size"] == 1000
    shown = demo("plugins").out
    assert "fixtures: demo:" in shown
    assert "strict_values" in shown


class _Foreign:
    """A plugin with a command that works, one that fails, and one whose name is taken."""

    __name__ = "foreign"

    def wbmodel_register_commands(self, cli):
        def fail(arguments):
            raise RuntimeError("out of \x1b[31mluck")

        cli.add("hello", lambda arguments: print("hello", arguments.whom), help="say hello", configure=self._whom)
        cli.add("unlucky", fail, help="fail")

    @staticmethod
    def _whom(parser):
        parser.add_argument("whom")


@pytest.fixture
def foreign(monkeypatch):
    """The process-wide plugins, with a foreign one among them."""
    manager = make_plugin_manager(plugins=[_Foreign()])
    monkeypatch.setattr("wbmodel.registry._default", manager)
    monkeypatch.setattr(cli_main, "_has_foreign_plugins", lambda: True)
    return manager


def test_commands_of_plugins(demo, foreign):
    assert demo("hello", "world").out == "hello world\n"
    done = demo("unlucky")
    assert done.status == 4
    assert "the plugin command 'unlucky' failed: RuntimeError: out of \\x1b[31mluck" in done.err
    assert "say hello" in demo("--help").out
    assert demo("--no-plugins", "hello", "world").status == 2
    assert [item["name"] for item in demo("plugins", "--json").data["items"]] == [
        "fixtures",
        "live",
        "tensorboard",
        "foreign",
    ]
    _, table = make_parser()
    with pytest.raises(ValueError, match="the command 'runs' already exists"):
        _Commands(table).add("runs", lambda arguments: 0, help="mine")


def test_a_broken_plugin_is_named_with_its_reason(demo, monkeypatch):
    class Broken:
        def wbmodel_register_backends(self, register):
            raise RuntimeError("no such thing as a free lunch")

    manager = make_plugin_manager()
    from wbmodel.registry import PluginReport

    manager.add(Broken(), PluginReport(name="lunch", distribution="lunch-club", version="1.2"))
    monkeypatch.setattr("wbmodel.registry._default", manager)
    done = demo("plugins")
    assert done.status == 4
    assert "lunch" in done.out
    assert "no such thing as a free lunch" in done.out
    (item,) = [item for item in demo("plugins", "--json").data["items"] if item["name"] == "lunch"]
    assert (item["status"], item["distribution"]) == ("broken", "lunch-club")
    # It is not in the way of the others.
    assert demo("projects").status == 0


# -- fixtures --------------------------------------------------------------------------------------


def test_fixtures_check(cli, tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("entities: {acme: {projects: {vision: {runs: [{id: a}]}}}}", encoding="utf-8")
    bad.write_text("entities:\n  acme: {projects: {vision: {runs: [{id: a, stat: x}]}}}\n", encoding="utf-8")
    done = cli("fixtures", "check", str(good))
    assert (done.status, done.err) == (0, "")
    assert done.out == f"{good}: 1 project, 1 run, 0 sweeps, 0 artifacts, 0 reports\n"
    done = cli("fixtures", "check", str(good), str(bad))
    assert done.status == 1
    assert "line 2" in done.err
    assert "did you mean 'state'" in done.err
    items = cli("fixtures", "check", "--json", str(good), str(bad)).data["items"]
    assert [item["ok"] for item in items] == [True, False]
    assert cli("fixtures", "check", str(tmp_path / "none.yaml")).status == 1
    assert cli("-u", f"fixtures:{bad}", "runs").status == 4


def test_fixtures_save(demo, tmp_path):
    target = tmp_path / "copy"
    assert demo("fixtures", "save", str(target)).status == 0
    again = demo(
        "-u", f"fixtures:{target}", "runs", "--jsonl", "-c", "path,config,summary", "-o", "created_at,id"
    ).lines
    assert again == demo("runs", "--jsonl", "-c", "path,config,summary", "-o", "created_at,id").lines
    done = demo("fixtures", "save", str(target))
    assert done.status == 2
    assert "--force" in done.err
    assert demo("fixtures", "save", str(target), "--force").status == 0


def test_fixtures_from_a_session(demo, tmp_path):
    target = tmp_path / "some.json"
    condition = "summary.test_loss exists and state=finished"
    made = demo("fixtures", "from-session", str(target), "-p", VIT, "-f", condition)
    assert made.status == 0, made.err
    columns = ("--jsonl", "-c", "path,name,state,config,summary,tags,sweep,created_at,user", "-o", "created_at,id")
    again = demo("-u", f"fixtures:{target}", "runs", *columns).lines
    assert again == demo("runs", VIT, "-f", condition, *columns).lines
    assert len(again) > 5
    assert demo("-u", f"fixtures:{target}", "sweeps", "--json").data["total"] == 1
    world = json.loads(target.read_text(encoding="utf-8"))
    runs = world["entities"]["demo"]["projects"]["vit-prisma"]["runs"]
    runs = runs if isinstance(runs, list) else list(runs.values())
    assert any(run.get("history") for run in runs)
    lone = tmp_path / "lone.yaml"
    assert demo("fixtures", "from-session", str(lone), "-p", "demo/wandb-sdk-tests", "-n", "all").status == 0
    assert demo("-u", f"fixtures:{lone}", "reports", "--json").data["total"] == 2
    assert demo("fixtures", "from-session", str(tmp_path / "x.yaml"), "-p", VIT, "-f", "id=none").status == 1


# -- arguments and exit statuses -------------------------------------------------------------------


def test_options_stand_before_the_command_or_after_it(cli):
    before = cli("-u", "demo:", "--json", "-p", VIT, "runs", "-n", "2")
    after = cli("runs", "-n", "2", "-u", "demo:", "--json", "-p", VIT)
    assert before.data == after.data
    # The one after the command counts when both say something.
    assert cli("-u", "fixtures:nowhere", "runs", "-u", "demo:", "-n", "1").status == 0


@pytest.mark.parametrize(
    "line",
    [
        ("rns",),
        ("runs", "--bogus"),
        ("runs", "-n", "-3"),
        ("runs", "-n", "x"),
        ("runs", "--timeout", "0"),
        ("runs", "--json", "--csv"),
        ("runs", "a/b", "c/d"),
        ("runs", "a/b/c"),
        ("runs", "-f", "state="),
        ("completion", "tcsh"),
        ("explain", "everything"),
        ("fixtures",),
        (),
    ],
)
def test_wrong_arguments_end_with_2(demo, line):
    done = demo(*line)
    assert done.status == 2
    assert done.out == "" or line == ()


def test_a_wrong_command_is_answered_with_the_nearest(demo):
    assert "did you mean 'runs'" in demo("rns").err


def test_a_filter_error_shows_the_caret(demo):
    done = demo("runs", VIT, "-f", "state=failed", "-f", "summary.loss << 3")
    assert done.status == 2
    _, line, caret = done.err.splitlines()
    assert line == "  summary.loss << 3"
    assert caret == " " * line.rindex("<") + "^"


def test_exit_statuses(cli, monkeypatch):
    done = cli("runs")
    assert done.status == 2
    assert "pass -u URL or set WBMODEL_URL" in done.err
    assert "connect()" not in done.err
    assert "WBMODEL_URL" in cli("runs").err
    assert cli("-u", "nowhere:", "runs").status == 4
    assert cli("-u", "demo:", "runs", "demo/none").status == 1
    assert cli("--version").status == 0
    assert cli("--help").status == 0
    kinds = {
        errors.FieldError: 2,
        errors.QueryError: 2,
        errors.ConfigurationError: 2,
        errors.DoesNotExist: 1,
        errors.ServerError: 1,
        errors.RateLimited: 1,
        errors.RequestTimeout: 1,
        errors.NotAuthenticated: 3,
        errors.PermissionDenied: 3,
        errors.UnknownBackend: 4,
        errors.BackendNotInstalled: 4,
        errors.PluginError: 4,
        errors.NotSupported: 4,
        errors.FixtureError: 4,
        errors.ConflictError: 1,
    }
    for kind, status in kinds.items():
        assert exit_status(kind("x")) == status, kind


def test_interrupted(demo, monkeypatch):
    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("wbmodel.cli.listing.run_listing", interrupt)
    done = demo("runs")
    assert (done.status, done.out, done.err) == (130, "", "wbmodel: interrupted\n")


def test_every_command_has_help(cli):
    text = cli("--help").out
    for name in COMMANDS:
        assert f"    {name} " in text
        shown = cli(name, "--help")
        assert shown.status == 0
        assert "--url" in shown.out
    for name in LISTED:
        assert "--filter" in cli(name, "--help").out


def test_which_word_is_the_command():
    assert command_word(["-u", "runs", "--json", "sweeps", "x"]) == "sweeps"
    assert command_word(["--url=demo:", "runs"]) == "runs"
    assert command_word(["--help"]) is None
    assert tidy(["runs", "-o", "-a", "--order", "-b", "-o", "c", "-o"]) == [
        "runs",
        "--order=-a",
        "--order=-b",
        "--order=c",
        "-o",
    ]
    assert tidy(["--", "-o", "-a"]) == ["--", "-o", "-a"]
