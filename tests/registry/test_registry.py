"""From URL to backend: the three messages, versions, and broken plugins that take nobody down."""

from __future__ import annotations

import importlib
import sys
import warnings
from contextlib import contextmanager

import pytest

from tests.support.paged_backends import Plain, all_rows, manager
from wbmodel.backend import API_VERSION
from wbmodel.errors import (
    BackendClaimedTwice,
    BackendNotInstalled,
    BackendVersionError,
    PluginError,
    UnknownBackend,
    WbmodelWarning,
)
from wbmodel.registry import make_plugin_manager
from wbmodel.session import connect


class Registers:
    """A plugin that calls ``register`` as it is told."""

    def __init__(self, *names, **options):
        self.names, self.options = names, options

    def wbmodel_register_backends(self, register):
        for name in self.names:
            register(name, Plain, **self.options)


# -- no such backend, not installed, claimed twice -------------------------------------------------


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "plan:x",
            r"no backend claims 'plan'; did you mean 'plain'\? \(available backends: blocking, plain, slow\)",
        ),
        (
            "zzz:x",
            r"no backend claims 'zzz'; install a plugin that does \(available backends: blocking, plain, slow\)",
        ),
        (
            "tensorboard:logs",
            r"no backend claims 'tensorboard'; install a plugin that does \(available backends: b",
        ),
        ("plain", "'plain' is missing its colon: write 'plain:'"),
        ("api.wandb.ai", "did you mean 'https://api.wandb.ai'"),
        ("localhost:8080", "did you mean 'http://localhost:8080'"),
        (r"C:\runs", r"does not name a backend; start the URL with one, as in 'fixtures:C:"),
        ("runs/today", "a project is given as project='runs/today' .*-p runs/today.* 'fixtures:runs/today'"),
        ("./runs/today", "does not name a backend; start the URL with one, as in 'fixtures:./runs/today'"),
    ],
)
def test_no_such_backend(url, message):
    with pytest.raises(UnknownBackend, match=message) as caught:
        connect(url, plugins=manager())
    assert isinstance(caught.value, LookupError)


def test_not_installed_gives_the_install_command():
    plugin = Registers("heavy", requires=("heavy", ("no_such_module", "json")))
    with pytest.raises(
        BackendNotInstalled, match=r'needs no_such_module, .*: pip install "Registers.*\[heavy\]"'
    ) as caught:
        connect("heavy:x", plugins=manager(plugin))
    assert isinstance(caught.value, ImportError)


def test_a_factory_that_cannot_import_gives_the_install_command():
    class Heavy:
        def wbmodel_register_backends(self, register):
            def factory(url):
                return importlib.import_module("no_such_module")

            register("heavy", factory, api_version=0)

    session = connect("heavy:x", plugins=manager(Heavy()))
    with pytest.raises(BackendNotInstalled, match="'heavy' could not import no_such_module; .*pip install"):
        session.execute("{ x }")


def test_claimed_twice_names_both_and_hurts_nobody_else():
    class First(Registers):
        pass

    class Second(Registers):
        pass

    plugins = manager(First("one", schemes=("shared", "one")), Second("two", schemes=("shared", "two")))
    with pytest.raises(BackendClaimedTwice, match=r"'shared' is claimed by plugin 'First-.* and by plugin 'Second-"):
        connect("shared:x", plugins=plugins)
    assert connect("one:x", plugins=plugins).run(all_rows(10, 10)) == list(range(10))
    assert connect("TWO:x", plugins=plugins).run(all_rows(10, 10)) == list(range(10))


# -- versions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "way"),
    [
        (API_VERSION + 9, "upgrade wbmodel"),
        (API_VERSION - 1, "upgrade plugin"),
    ],
)
def test_another_version_is_refused_with_both_numbers(version, way):
    with pytest.raises(BackendVersionError, match=f"version {version} of .* has version {API_VERSION}: {way}"):
        make_plugin_manager(load_entry_points=False, plugins=[Registers("later", api_version=version)])


def test_a_backend_for_the_version_that_was_replaced_is_told_so():
    with pytest.raises(
        BackendVersionError,
        match="version 1 of .* version 0, which replaced it: upgrade plugin .*wbmodel.docs write-a-backend",
    ):
        make_plugin_manager(load_entry_points=False, plugins=[Registers("earlier", api_version=1)])


def test_a_backend_must_say_its_version():
    class Unsaid:
        def wbmodel_register_backends(self, register):
            register("unsaid", lambda url: None)

    with pytest.raises(BackendVersionError, match="does not state its version .* `api_version = 0`"):
        make_plugin_manager(load_entry_points=False, plugins=[Unsaid()])


def test_the_version_of_what_a_factory_makes_is_checked_too():
    class Later(Plain):
        api_version = API_VERSION + 7

    def build(url):
        return Later(url)

    class Sly:
        def wbmodel_register_backends(self, register):
            register("sly", build, api_version=API_VERSION)

    with pytest.raises(BackendVersionError, match=f"version {API_VERSION + 7}"):
        connect("sly:x", plugins=manager(Sly())).run(all_rows(10, 10))


# -- plugins that do not fit -----------------------------------------------------------------------


class Misspelt:
    def wbmodel_register_backend(self, register):
        """The hook's name ends in an s."""


class WrongArgument:
    def wbmodel_register_backends(self, register, colour):
        """There is no argument called colour."""


class Raises:
    def wbmodel_register_backends(self, register):
        register("raises", Plain)
        raise RuntimeError("boom")


class Text:
    def wbmodel_register_backends(self, register):
        register("text", Plain, schemes="text")


class Drive:
    def wbmodel_register_backends(self, register):
        register("c", Plain)


class Wants:
    def wbmodel_register_backends(self, register):
        register("wants", Plain, wants=("password",))


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (Misspelt, r"wbmodel_register_backend.*did you mean 'wbmodel_register_backends'"),
        (WrongArgument, "colour"),
        (Raises, "failed while registering: RuntimeError: boom"),
        (Text, "schemes and wants must be tuples of names, not text"),
        (Drive, "'c' is not a valid scheme"),
        (Wants, r"wants unknown settings \['password'\]"),
    ],
)
def test_a_plugin_that_does_not_fit_is_an_error_that_names_it(plugin, message):
    with pytest.raises(PluginError, match=f"(?s){plugin.__name__}.*{message}"):
        make_plugin_manager(load_entry_points=False, plugins=[plugin()])


def write_dist(folder, name, body, entry=None, version="1.0"):
    """A distribution with one module and one entry point, as an installer would leave it."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(body)
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[wbmodel]\n{entry or module} = {module}\n")


GOOD = """
from tests.support.paged_backends import Plain
def wbmodel_register_backends(register):
    register("good", Plain)
"""
BROKEN = {
    "import-fails": "import no_such_module",
    "syntax-error": "def (",
    "misspelt": "def wbmodel_register_backend(register): pass",
    "wrong-argument": "def wbmodel_session_closed(sesion): pass",
    "raises": "def wbmodel_register_backends(register): 1 / 0",
    "old": "def wbmodel_register_backends(register): register('old', lambda url: None, api_version=-1)",
}


@contextmanager
def installed(bodies, folder, monkeypatch):
    """While the block runs, distributions with these modules are found, and one that works beside them."""
    bodies = {**bodies, "good-one": GOOD}
    for name, body in bodies.items():
        write_dist(folder, name, body)
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    yield folder
    for name in bodies:
        sys.modules.pop(name.replace("-", "_"), None)


@pytest.fixture
def dists(tmp_path, monkeypatch):
    with installed(BROKEN, tmp_path, monkeypatch) as folder:
        yield folder


def test_broken_plugins_are_reported_and_contained(dists):
    with pytest.warns(WbmodelWarning) as caught:
        plugins = make_plugin_manager(foreign=True)
    assert len(caught) == 1  # one warning, not one for each
    status = {report.distribution: report.status for report in plugins.report}
    assert {name: status[name] for name in BROKEN} == dict.fromkeys(BROKEN, "broken")
    assert status["good-one"] == "ok"
    for name in BROKEN:
        assert f"(distribution {name!r})" in str(caught[0].message)
    assert connect("good:x", plugins=plugins).run(all_rows(10, 10)) == list(range(10))


def test_the_error_comes_when_its_backend_is_asked_for(dists):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plugins = make_plugin_manager(foreign=True)
    with pytest.raises(PluginError, match="No module named 'no_such_module'") as caught:
        connect("import_fails:x", plugins=plugins)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    with pytest.raises(BackendVersionError, match="version -1"):
        connect("old:x", plugins=plugins)
    with pytest.raises(PluginError, match="(?s)'wrong_argument' .*sesion"):
        connect("wrong_argument:x", plugins=plugins)
    with pytest.raises(UnknownBackend, match="failed to load: .*'import_fails'"):
        connect("elsewhere:x", plugins=plugins)


@pytest.mark.parametrize(("value", "foreign"), [("1", False), ("true", False), ("0", True), ("", True)])
def test_foreign_plugins_are_left_out_on_request(dists, monkeypatch, value, foreign):
    monkeypatch.setenv("WBMODEL_NO_PLUGINS", value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plugins = make_plugin_manager()
    status = {report.distribution: report.status for report in plugins.report}
    assert status["good-one"] == ("ok" if foreign else "skipped")
    if not foreign:
        assert set(status.values()) <= {"ok", "skipped"}
        with pytest.raises(UnknownBackend, match="'good_one' .* is disabled by WBMODEL_NO_PLUGINS"):
            connect("good_one:x", plugins=plugins)


def test_built_ins_come_first(dists):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plugins = make_plugin_manager(foreign=True)
    own = [report.distribution == "wbmodel" for report in plugins.report]
    assert own == sorted(own, reverse=True)
    assert own[0], "wbmodel is not installed here: run the install command again"


def test_managers_do_not_share_anything():
    first, second = manager(Registers("mine")), manager()
    assert "mine" in first.schemes
    assert "mine" not in second.schemes
