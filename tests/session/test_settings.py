"""Where each setting comes from, and that a key is shown nowhere."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback

import pytest

from tests.support.paged_backends import manager, page
from wbmodel.errors import ConfigurationError
from wbmodel.hookspecs import hookimpl
from wbmodel.request import Send
from wbmodel.session import Secret, Setting, connect
from wbmodel.session.settings import DEFAULT_SERVER, resolve_settings
from wbmodel.urls import mask_url, split_credentials, split_scheme

KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("argument", "environ", "expected"),
    [
        ("fixtures:a", {"WBMODEL_URL": "fixtures:b", "WANDB_BASE_URL": "https://c"}, Setting("fixtures:a", "argument")),
        (None, {"WBMODEL_URL": "fixtures:b", "WANDB_BASE_URL": "https://c"}, Setting("fixtures:b", "WBMODEL_URL")),
        (None, {"WBMODEL_URL": " ", "WANDB_BASE_URL": "https://c"}, Setting("https://c", "WANDB_BASE_URL")),
        (None, {"WANDB_API_KEY": KEY}, Setting(DEFAULT_SERVER, "default")),
    ],
)
def test_the_url(argument, environ, expected):
    assert resolve_settings(argument, environ=environ).url == expected


@pytest.mark.parametrize(
    ("arguments", "environ", "entity", "project"),
    [
        ({}, {}, Setting(None, "default"), Setting(None, "default")),
        ({"project": "p"}, {}, Setting(None, "default"), Setting("p", "argument")),
        ({"project": "e/p"}, {"WANDB_ENTITY": "x"}, Setting("e", "argument"), Setting("p", "argument")),
        ({"project": "p"}, {"WANDB_ENTITY": "x"}, Setting("x", "WANDB_ENTITY"), Setting("p", "argument")),
        ({"entity": "e"}, {"WANDB_PROJECT": "p"}, Setting("e", "argument"), Setting("p", "WANDB_PROJECT")),
        ({}, {"WANDB_PROJECT": "e/p"}, Setting("e", "WANDB_PROJECT"), Setting("p", "WANDB_PROJECT")),
        ({"project": "e/p", "entity": "e"}, {}, Setting("e", "argument"), Setting("p", "argument")),
        ({"project": "e/p/"}, {}, Setting("e", "argument"), Setting("p", "argument")),
        ({}, {"WANDB_PROJECT": "p/"}, Setting(None, "default"), Setting("p", "WANDB_PROJECT")),
    ],
)
def test_entity_and_project(arguments, environ, entity, project):
    settings = resolve_settings("fixtures:a", environ=environ, **arguments)
    assert (settings.entity, settings.project) == (entity, project)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"project": "e/p", "entity": "f"}, "name two entities"),
        ({"project": "a/b/c"}, r"'a/b/c' \(argument\) must be 'project' or 'entity/project'"),
        ({"project": "https://wandb.ai/a/b"}, "must be .*; of a page's address, take the two parts after the host"),
        ({"project": "/p"}, "must be 'project' or 'entity/project'"),
        ({"timeout": 0}, "number of seconds above 0, not 0"),
    ],
)
def test_settings_that_make_no_sense(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        resolve_settings("fixtures:a", environ={}, **arguments)


def test_nothing_to_connect_to_says_what_to_do():
    with pytest.raises(ConfigurationError, match=r"connect\('fixtures:PATH'\).*WBMODEL_URL"):
        resolve_settings(environ={})


def test_the_api_key_comes_from_argument_url_environment_netrc_in_turn(tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine wandb.acme.org login user password from-netrc\n")
    environ = {"NETRC": str(netrc), "WANDB_API_KEY": "from-environment"}
    found = [
        resolve_settings("https://api:from-url@wandb.acme.org", api_key="from-argument", environ=environ),
        resolve_settings("https://api:from-url@wandb.acme.org", environ=environ),
        resolve_settings("https://wandb.acme.org", environ=environ),
        resolve_settings("https://wandb.acme.org", environ={"NETRC": str(netrc)}),
        resolve_settings("https://elsewhere.org", environ={"NETRC": str(netrc)}),
        resolve_settings("fixtures:wandb.acme.org", environ={"NETRC": str(netrc)}),
    ]
    keys = [settings.api_key() for settings in found]
    assert [key.value and key.value.reveal() for key in keys] == [
        "from-argument",
        "from-url",
        "from-environment",
        "from-netrc",
        None,
        None,
    ]
    assert [key.source for key in keys] == [
        "argument",
        "URL (argument)",
        "WANDB_API_KEY",
        f"netrc ({netrc})",
        "default",
        "default",
    ]
    assert found[0].url.value == "https://wandb.acme.org"


def test_without_a_url_a_netrc_entry_of_the_public_server_says_where_to_go(tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.wandb.ai login user password from-netrc\n")
    settings = resolve_settings(environ={"NETRC": str(netrc)})
    assert (settings.url.value, settings.url.source) == ("https://api.wandb.ai", "default")
    assert settings.api_key().value.reveal() == "from-netrc"


@pytest.mark.parametrize("line", ["machine elsewhere.org login a password b", "default login a password b"])
def test_an_entry_for_another_host_or_for_any_is_no_key_of_this_one(tmp_path, line):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"{line}\n")
    with pytest.raises(ConfigurationError, match="nothing to connect to: .* a netrc entry for api.wandb.ai"):
        resolve_settings(environ={"NETRC": str(netrc)})
    assert resolve_settings("https://wandb.acme.org", environ={"NETRC": str(netrc)}).api_key().value is None


def test_a_broken_netrc_is_named_and_not_quoted(tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine wandb.acme.org\nlogin user\n{KEY} x\n")
    settings = resolve_settings("https://wandb.acme.org", environ={"NETRC": str(netrc)})
    with pytest.raises(ConfigurationError, match="netrc, line 3 cannot be read") as caught:
        settings.api_key()
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_netrc_is_not_read_at_connect(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("nonsense")
    monkeypatch.setenv("NETRC", str(netrc))
    assert connect("plain://somewhere", plugins=manager()).url == "plain://somewhere"


def test_the_table_says_what_was_taken_from_where():
    table = resolve_settings("fixtures:a", api_key=KEY, timeout=5, environ={"WANDB_PROJECT": "e/p"}).table()
    assert table == {
        "url": ("fixtures:a", "argument"),
        "entity": ("e", "WANDB_PROJECT"),
        "project": ("p", "WANDB_PROJECT"),
        "timeout": ("5", "argument"),
        "api_key": ("***", "argument"),
        "identity_token_file": ("", "default"),
        "cache_dir": ("", "default"),
        "trace": ("", "default"),
        "otel": ("", "default"),
    }


# -- identity token files --------------------------------------------------------------------------

SERVER = "https://wandb.acme.org"


def credentials(settings):
    key = settings.api_key().value
    return key and key.reveal(), settings.identity_token_file.value


@pytest.mark.parametrize(
    ("url", "arguments", "environ", "expected", "source"),
    [
        (SERVER, {"identity_token_file": "/t"}, {"WANDB_API_KEY": "k"}, (None, "/t"), "argument"),
        (SERVER, {"api_key": "k"}, {"WANDB_IDENTITY_TOKEN_FILE": "/t"}, ("k", None), "default"),
        (SERVER, {}, {"WANDB_IDENTITY_TOKEN_FILE": " /t "}, (None, "/t"), "WANDB_IDENTITY_TOKEN_FILE"),
        (SERVER, {}, {"WANDB_IDENTITY_TOKEN_FILE": " "}, ("from-netrc", None), "default"),
        (SERVER, {}, {"WANDB_IDENTITY_TOKEN_FILE": "", "WANDB_API_KEY": "k"}, ("k", None), "default"),
        ("https://api:u@wandb.acme.org", {}, {"WANDB_IDENTITY_TOKEN_FILE": "/t"}, ("u", None), "default"),
        ("https://api:u@wandb.acme.org", {"identity_token_file": "/t"}, {}, (None, "/t"), "argument"),
        ("fixtures:a", {}, {"WANDB_IDENTITY_TOKEN_FILE": "/t", "WANDB_API_KEY": "k"}, ("k", None), "default"),
    ],
)
def test_an_api_key_or_an_identity_token_file(tmp_path, url, arguments, environ, expected, source):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine wandb.acme.org login user password from-netrc\n")
    settings = resolve_settings(url, environ={**environ, "NETRC": str(netrc)}, **arguments)
    assert credentials(settings) == expected
    assert settings.identity_token_file.source == source


def test_two_kinds_of_credentials_of_one_rank_are_refused():
    with pytest.raises(ConfigurationError, match="WANDB_API_KEY and WANDB_IDENTITY_TOKEN_FILE are both set"):
        resolve_settings(SERVER, environ={"WANDB_API_KEY": KEY, "WANDB_IDENTITY_TOKEN_FILE": "/t"})
    with pytest.raises(ConfigurationError, match="pass only one of them") as caught:
        resolve_settings(SERVER, api_key=KEY, identity_token_file="/t", environ={})
    assert KEY not in str(caught.value)
    with pytest.raises(ConfigurationError, match="identity_token_file must be a path, not 3"):
        connect("plain:x", identity_token_file=3, plugins=manager())


def test_an_identity_token_file_is_enough_to_mean_the_public_server():
    settings = resolve_settings(environ={"WANDB_IDENTITY_TOKEN_FILE": "/t"})
    assert settings.url == Setting(DEFAULT_SERVER, "default")


def test_the_path_is_absolute_at_once_and_the_file_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = resolve_settings(SERVER, identity_token_file="token.jwt", environ={})
    monkeypatch.chdir("/")
    assert relative.identity_token_file.value == str(tmp_path / "token.jwt")
    home = resolve_settings(SERVER, identity_token_file=tmp_path / "no" / "such", environ={})
    assert home.identity_token_file.value == str(tmp_path / "no" / "such")
    assert resolve_settings(SERVER, identity_token_file="~/t", environ={}).identity_token_file.value == str(
        tmp_path / "t"  # HOME in these tests
    )


def test_with_an_identity_token_file_netrc_is_not_read(tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("nonsense")
    settings = resolve_settings(SERVER, environ={"NETRC": str(netrc), "WANDB_IDENTITY_TOKEN_FILE": "/t"})
    assert settings.api_key() == Setting(None, "not needed: identity_token_file is used")
    assert settings.known_key() is None


def test_a_backend_is_handed_the_identity_token_file(tmp_path):
    class Tokens:
        @hookimpl
        def wbmodel_register_backends(self, register):
            from tests.support.paged_backends import Plain

            class TokenBackend(Plain):
                def __init__(self, url, /, *, api_key, identity_token_file):
                    super().__init__(url)
                    self.credentials = (api_key, identity_token_file)

            register("tokens", TokenBackend, wants=("api_key", "identity_token_file"))

    session = connect("tokens:x", identity_token_file=tmp_path / "t", plugins=manager(Tokens()))
    assert session.backend.credentials == (None, str(tmp_path / "t"))


# -- what is recorded ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, Setting(None, "default")),
        (" ", Setting(None, "default")),
        ("0", Setting(None, "WBMODEL_TRACE")),
        ("False", Setting(None, "WBMODEL_TRACE")),
        ("1", Setting("log", "WBMODEL_TRACE")),
        ("TRUE", Setting("log", "WBMODEL_TRACE")),
        ("/tmp/x.jsonl", Setting("/tmp/x.jsonl", "WBMODEL_TRACE")),
    ],
)
def test_the_trace_variable(text, expected):
    environ = {} if text is None else {"WBMODEL_TRACE": text}
    assert resolve_settings("fixtures:a", environ=environ).trace == expected


def test_the_otel_variable():
    found = [resolve_settings("fixtures:a", environ={"WBMODEL_OTEL": text}).otel for text in ("1", "0", "", "True")]
    assert [setting.value for setting in found] == [True, False, False, True]
    with pytest.raises(ConfigurationError, match="WBMODEL_OTEL must be 1 or 0, not 'console'"):
        resolve_settings("fixtures:a", environ={"WBMODEL_OTEL": "console"})


# -- secrets ---------------------------------------------------------------------------------------


def test_a_secret_is_shown_nowhere():
    secret = Secret(KEY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>60}",
        str({1: secret}),
        repr([secret]),
        repr(dir(secret)),
    ]
    assert not any(KEY in text for text in shown)
    with pytest.raises(TypeError):
        vars(secret)
    assert secret.reveal() == KEY
    assert secret == Secret(KEY) == copy.deepcopy(secret) == copy.copy(secret)
    assert secret != Secret("other")
    assert secret != KEY
    assert hash(secret) == hash(Secret(KEY))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(secret, protocol)


class Keyed:
    """A backend that is handed the key, and fails with everything it knows in reach."""

    @hookimpl
    def wbmodel_register_backends(self, register):
        from tests.support.paged_backends import Plain

        class KeyedBackend(Plain):
            name = "keyed"

            def __init__(self, url, /, *, api_key=None, project=None):
                super().__init__(url)
                self.url, self.api_key, self.project = url, api_key, project

        register("keyed", KeyedBackend, wants=("api_key", "project"))


def test_a_session_never_shows_the_key(caplog):
    session = connect(f"keyed://api:{KEY}@host/path?token={KEY}&x=1", project="e/p", plugins=manager(Keyed()))
    assert session.backend.api_key.reveal() == KEY
    assert session.backend.url == f"keyed://host/path?token={KEY}&x=1"  # the backend itself must see its parameters
    assert session.backend.project == "p"
    with caplog.at_level(logging.DEBUG):
        session.run(_one())
    shown = [
        repr(session),
        session.url,
        session.origin,
        str(vars(session)["name"]),
        repr(session.call_info),
        caplog.text,
    ]
    shown += [repr(session.settings.given_key), str(session.settings.table())]
    assert not any(KEY in text for text in shown)
    assert session.url == "keyed://host/path?token=***&x=1"
    with pytest.raises(TypeError, match="a Session cannot be pickled"):
        pickle.dumps(session)
    session.close()
    with pytest.raises(Exception, match="closed") as caught:
        session.run(_one())
    assert KEY not in str(caught.value)


def _one():
    return (yield Send(page(0, 1)))


def test_errors_about_a_url_do_not_show_its_key():
    with pytest.raises(Exception, match="no backend") as caught:
        connect(f"nonsuch://api:{KEY}@host", plugins=manager())
    assert KEY not in "".join(traceback.format_exception(caught.value))


# -- urls ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("fixtures:dir/x", ("fixtures", "dir/x")),
        ("HTTPS://api.wandb.ai", ("https", "//api.wandb.ai")),
        ("wandb-dir:wandb", ("wandb-dir", "wandb")),
        (r"C:\runs", ("", r"C:\runs")),
        ("c:/runs", ("", "c:/runs")),
        ("localhost:8080", ("", "localhost:8080")),
        ("localhost:8080/x", ("", "localhost:8080/x")),
        ("fixtures:2021-runs", ("fixtures", "2021-runs")),
        ("runs/today", ("", "runs/today")),
        ("", ("", "")),
    ],
)
def test_schemes(url, expected):
    assert split_scheme(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api:k@host:1/p", ("https://host:1/p", "k")),
        ("https://k@host", ("https://host", "k")),
        ("https://host/a@b", ("https://host/a@b", None)),
        ("fixtures:a@b", ("fixtures:a@b", None)),
        ("https://[bad@host", ("https://[bad@host", None)),
    ],
)
def test_credentials(url, expected):
    assert split_credentials(url) == expected


def test_masking():
    assert mask_url("https://u:p@h/x?api_key=1&a=2#f") == "https://h/x?api_key=***&a=2#***"


def test_an_entity_given_beats_the_project_of_another_in_a_variable() -> None:
    found = resolve_settings("engine:", entity="acme", environ={"WANDB_PROJECT": "beta/vision"})
    assert (found.entity.value, found.entity.source) == ("acme", "argument")
    assert found.project.value is None
