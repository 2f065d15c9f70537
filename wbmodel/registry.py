"""Find plugins, contain broken ones, and resolve a URL to the backend that claims its scheme.

Importing this module loads no plugins: they are looked for when the first session connects. Tests create their own
manager with :func:`make_plugin_manager`.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import Any, Literal, get_args

import attrs
import pluggy

from wbmodel import forks, hookspecs
from wbmodel.backend.asks import Door
from wbmodel.backend.base import API_VERSION, REPLACED_VERSIONS
from wbmodel.errors import (
    PLUGIN_PACKAGES,
    BackendClaimedTwice,
    BackendError,
    BackendNotInstalled,
    BackendVersionError,
    PluginError,
    UnknownBackend,
    WbmodelWarning,
    nearest,
    suggestion,
)
from wbmodel.hookspecs import GROUP, BackendFactory, LookupRewrite, SessionView, Wrapper
from wbmodel.urls import is_scheme, mask_url, split_scheme

__all__ = [
    "BackendEntry",
    "LookupEntry",
    "PluginManager",
    "PluginReport",
    "WrapperEntry",
    "check_api_version",
    "default_plugin_manager",
    "make_plugin_manager",
]

OWN = "wbmodel"
SETTINGS = frozenset({"api_key", "entity", "identity_token_file", "project", "timeout"})


@attrs.frozen(slots=True, kw_only=True)
class BackendEntry:
    """A registered backend: the arguments of :meth:`wbmodel.hookspecs.RegisterBackends.__call__`, and its plugin."""

    name: str
    factory: BackendFactory
    schemes: tuple[str, ...]
    plugin: str
    distribution: str | None
    extra: str | None = None
    imports: tuple[str, ...] = ()
    wants: frozenset[str] = frozenset()
    api_version: int | None = None

    @property
    def owner(self) -> str:
        """The plugin that registered it, for messages."""
        return _owner(self.plugin, self.distribution)


@attrs.frozen(slots=True)
class WrapperEntry:
    """A registered wrapper for the asks of ``doors``. A smaller ``order`` is nearer to the caller."""

    name: str
    wrapper: Wrapper
    order: int
    plugin: str
    doors: frozenset[Door] = frozenset({"documents"})


@attrs.frozen(slots=True)
class LookupEntry:
    """A registered lookup: its rewrite to built-in lookups, and its phrase for people."""

    name: str
    rewrite: LookupRewrite
    phrase: str
    plugin: str


@attrs.define(slots=True, kw_only=True)
class PluginReport:
    """The outcome of loading a plugin. ``value`` is the entry point's target; ``error`` is set if it is broken."""

    name: str
    distribution: str | None = None
    version: str | None = None
    value: str = ""
    status: Literal["ok", "broken", "skipped"] = "ok"
    error: BackendError | None = None
    backends: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The plugin and its distribution, for messages."""
        return _owner(self.name, self.distribution)

    def fails(self, told: BackendError, cause: BaseException | None = None) -> None:
        """Note that the plugin is broken, and why."""
        self.status, self.error = "broken", told
        told.__cause__ = cause or told.__cause__


class PluginManager(pluggy.PluginManager):
    """pluggy's manager, plus what the plugins registered and a ``report`` on each of them."""

    def __init__(self) -> None:
        super().__init__(GROUP)
        self.add_hookspecs(hookspecs)
        self.report: list[PluginReport] = []
        self.backends: list[BackendEntry] = []
        self._lookups: dict[str, LookupEntry] | None = None

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """Treat functions named ``wbmodel_...`` as hooks, decorated or not, so that misspelt ones are reported."""
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None and name.startswith(f"{GROUP}_") and inspect.isroutine(getattr(plugin, name, None)):
            return pluggy.HookimplOpts(
                wrapper=False, hookwrapper=False, optionalhook=False, tryfirst=False, trylast=False, specname=None
            )
        return options

    # -- adding plugins ----------------------------------------------------------------------------

    def add(self, plugin: object, report: PluginReport) -> None:
        """Add ``plugin`` and what it registers. An invalid plugin is removed again, and ``report`` says why."""
        self.report.append(report)
        before = len(self.backends)
        try:
            self._fit(plugin, report)
        except BackendError as error:
            report.fails(error)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            report.fails(PluginError(f"{report.owner} failed while registering: {_words(error)}"), error)
        if report.error is not None:
            del self.backends[before:]
            if self.is_registered(plugin):
                self.unregister(plugin)

    def _fit(self, plugin: object, report: PluginReport) -> None:
        try:
            if self.register(plugin, report.name) is None:
                raise PluginError(f"{report.owner} is blocked")
            self.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(
                f"{report.owner} does not match the hook specification: {error}{_hook_hint(plugin)} "
                "(see wbmodel.hookspecs)"
            ) from error
        except ValueError as error:
            raise PluginError(f"{report.owner} is registered twice: {error}") from error
        report.hooks = tuple(sorted(caller.name for caller in self.get_hookcallers(plugin) or ()))

        def register(
            name: str,
            factory: BackendFactory,
            *,
            schemes: Iterable[str] = (),
            requires: tuple[str, Iterable[str]] | None = None,
            wants: Iterable[str] = (),
            api_version: int | None = None,
        ) -> None:
            if isinstance(schemes, str) or isinstance(wants, str):
                raise TypeError(f"backend {name!r}: schemes and wants must be tuples of names, not text")
            unknown = set(wants) - SETTINGS
            if unknown:
                raise ValueError(
                    f"backend {name!r} wants unknown settings {sorted(unknown)}; known settings: {sorted(SETTINGS)}"
                )
            stated = api_version if api_version is not None else getattr(factory, "api_version", None)
            check_api_version(stated, name, report.owner)
            claimed = tuple(scheme.lower() for scheme in schemes) or (name.lower(),)
            for scheme in claimed:
                if not is_scheme(scheme):
                    raise ValueError(
                        f"backend {name!r}: {scheme!r} is not a valid scheme; "
                        "use at least two characters, starting with a letter"
                    )
            extra, imports = requires or (None, ())
            entry = BackendEntry(
                name=name,
                factory=factory,
                schemes=claimed,
                plugin=report.name,
                distribution=report.distribution,
                extra=extra,
                imports=tuple(imports),
                wants=frozenset(wants),
                api_version=stated,
            )
            self.backends.append(entry)
            report.backends += (name,)

        self._only(plugin, "wbmodel_register_backends", register=register)

    def _only(self, plugin: object, hook: str, **arguments: Any) -> None:
        # One plugin at a time, so that a failure affects only that plugin.
        others = [other for other in self.get_plugins() if other is not plugin]
        self.subset_hook_caller(hook, others)(**arguments)

    # -- queries -----------------------------------------------------------------------------------

    def resolve(self, url: str) -> BackendEntry:
        """The backend that claims the scheme of ``url``. No I/O except looking for the modules it requires.

        Raises :class:`UnknownBackend`, :class:`BackendNotInstalled` or :class:`BackendClaimedTwice`; for a broken
        plugin, :class:`PluginError` or :class:`BackendVersionError`.
        """
        scheme, _ = split_scheme(url)
        if not scheme:
            raise UnknownBackend(self._no_scheme(url))
        claims = [entry for entry in self.backends if scheme in entry.schemes]
        if len({id(entry.factory) for entry in claims}) > 1 or len({entry.plugin for entry in claims}) > 1:
            raise BackendClaimedTwice(
                f"{scheme!r} is claimed by {' and by '.join(entry.owner for entry in claims)}; "
                "uninstall one of them, or set WBMODEL_NO_PLUGINS=1 to use wbmodel's own backends only"
            )
        if not claims:
            raise self._unclaimed(scheme)
        entry = claims[0]
        missing = [name for name in entry.imports if not _importable(name)]
        if missing:
            target = f"{entry.distribution or entry.plugin}[{entry.extra}]"
            raise BackendNotInstalled(
                f'the backend {entry.name!r} needs {", ".join(missing)}, which is not installed: pip install "{target}"'
            )
        return entry

    def wrappers(self, session: SessionView) -> list[WrapperEntry]:
        """The wrappers that plugins register for ``session``, outermost first. A warning names a plugin that fails."""
        found: list[WrapperEntry] = []
        for plugin in self._having("wbmodel_register_wrappers"):
            name = self.get_name(plugin) or "?"

            def register(
                label: str,
                wrapper: Wrapper,
                *,
                order: int = 0,
                doors: Iterable[Door] = ("documents",),
                _plugin: str = name,
            ) -> None:
                unknown = [door for door in doors if door not in get_args(Door)]
                if unknown:
                    known = ", ".join(get_args(Door))
                    raise ValueError(f"wrapper {label!r} names the unknown door {unknown[0]!r}; the doors are {known}")
                found.append(WrapperEntry(label, wrapper, order, _plugin, frozenset(doors)))

            self._contained(plugin, "wbmodel_register_wrappers", register=register, session=session)
        return sorted(found, key=lambda entry: entry.order)

    def lookups(self) -> dict[str, LookupEntry]:
        """The lookups that plugins register, by name. A warning names a plugin that fails or repeats a name."""
        if self._lookups is None:
            found: dict[str, LookupEntry] = {}
            for plugin in self._having("wbmodel_register_lookups"):
                name = self.get_name(plugin) or "?"

                def register(label: str, rewrite: LookupRewrite, phrase: str, _plugin: str = name) -> None:
                    if not label.isidentifier() or "__" in label:
                        raise ValueError(f"lookup name {label!r} is not an identifier without '__'")
                    if label in found:
                        raise ValueError(f"lookup {label!r} is already registered by plugin {found[label].plugin!r}")
                    found[label] = LookupEntry(label, rewrite, phrase, _plugin)

                self._contained(plugin, "wbmodel_register_lookups", register=register)
            self._lookups = found
        return self._lookups

    def add_commands(self, cli: hookspecs.CommandTable) -> None:
        """Let the plugins add their sub-commands to ``cli``."""
        for plugin in self._having("wbmodel_register_commands"):
            self._contained(plugin, "wbmodel_register_commands", cli=cli)

    def session_closed(self, session: SessionView) -> None:
        """Tell the plugins that ``session`` is closing."""
        for plugin in self._having("wbmodel_session_closed"):
            self._contained(plugin, "wbmodel_session_closed", session=session)

    def _having(self, hook: str) -> list[object]:
        return [impl.plugin for impl in getattr(self.hook, hook).get_hookimpls()]

    def _contained(self, plugin: object, hook: str, **arguments: Any) -> None:
        try:
            self._only(plugin, hook, **arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin that calls sys.exit() does not end the program
            warnings.warn(f"plugin {self.get_name(plugin)!r} failed in {hook}: {_words(error)}", WbmodelWarning, 4)

    # -- the messages ------------------------------------------------------------------------------

    @property
    def packages(self) -> set[str]:
        """The top-level packages of the installed plugins, and of the backends that they registered."""
        installed = {report.name: report.value for report in self.report if report.value and report.status == "ok"}
        made = [entry.factory for entry in self.backends if entry.plugin in installed]
        modules = [*installed.values(), *(str(getattr(factory, "__module__", "")) for factory in made)]
        return {re.split(r"[.:]", module, maxsplit=1)[0] for module in modules if module}

    @property
    def schemes(self) -> list[str]:
        """Every scheme that a backend claims, sorted."""
        return sorted({scheme for entry in self.backends for scheme in entry.schemes})

    def _unclaimed(self, scheme: str) -> BackendError:
        for report in self.report:
            if report.error is not None and (scheme == report.name or scheme in report.backends):
                return report.error
            if report.status == "skipped" and scheme == report.name:
                return UnknownBackend(f"the backend {scheme!r} of {report.owner} is disabled by WBMODEL_NO_PLUGINS")
        broken = [report.owner for report in self.report if report.status == "broken"]
        tail = f"; failed to load: {', '.join(broken)}" if broken else ""
        if not any(report.distribution == OWN for report in self.report) and not self.backends:
            tail += "; wbmodel itself is not installed, so its own backends were not found: install it with pip"
        known = ", ".join(self.schemes) or "none"
        near = suggestion(scheme, self.schemes) if nearest(scheme, self.schemes) else "; install a plugin that does"
        return UnknownBackend(f"no backend claims {scheme!r}{near} (available backends: {known}){tail}")

    def _no_scheme(self, url: str) -> str:
        shown = mask_url(url)
        if url.lower() in self.schemes:
            return f"{shown!r} is missing its colon: write {shown + ':'!r}"
        host = shown.split("/", 1)[0]
        if host.startswith("localhost") or ("." in host.strip(".") and not os.path.exists(url) and "\\" not in host):
            guess = f"http://{shown}" if host.startswith("localhost") else f"https://{shown}"
            return (
                f"{shown!r} does not name a backend; did you mean {guess!r}, or a path as in {'fixtures:' + shown!r}?"
            )
        if shown.count("/") == 1 and all(shown.split("/")) and "\\" not in shown and not os.path.exists(url):
            return (
                f"{shown!r} does not name a backend; a project is given as project={shown!r} (in a shell: -p {shown}), "
                f"beside the URL of its server; fixtures at that path are {'fixtures:' + shown!r}"
            )
        return (
            f"{shown!r} does not name a backend; start the URL with one, as in {'fixtures:' + shown!r} "
            f"(available backends: {', '.join(self.schemes) or 'none'})"
        )


def check_api_version(stated: object, backend: str, owner: str) -> None:
    """Raise :class:`BackendVersionError`, which names both versions, unless ``stated`` is the contract's version."""
    if stated is None:
        raise BackendVersionError(
            f"the backend {backend!r} of {owner} does not state its version of the backend contract; "
            f"its author should add `api_version = {API_VERSION}` to the backend class"
        )
    if stated != API_VERSION:
        older = isinstance(stated, int) and stated < API_VERSION
        way = f": upgrade {owner}" if older else ": upgrade wbmodel"
        if stated in REPLACED_VERSIONS:
            way = f", which replaced it: upgrade {owner} (`python -m wbmodel.docs write-a-backend` lists the changes)"
        raise BackendVersionError(
            f"the backend {backend!r} of {owner} was written for version {stated} of the backend contract; "
            f"this wbmodel has version {API_VERSION}{way}"
        )


def make_plugin_manager(
    load_entry_points: bool = True, plugins: Sequence[object] = (), *, foreign: bool | None = None
) -> PluginManager:
    """Make a plugin manager: wbmodel's own entry points first, then foreign ones, then ``plugins``.

    A broken entry point is recorded in ``report`` and named in one warning; a broken object in ``plugins`` raises.
    ``foreign=False`` skips the entry points of other distributions; the default depends on ``WBMODEL_NO_PLUGINS``.
    """
    manager = PluginManager()
    if foreign is None:
        foreign = os.environ.get("WBMODEL_NO_PLUGINS", "").strip().lower() in ("", "0", "false", "no")
    if load_entry_points:
        for point in sorted(_entry_points(manager), key=_built_ins_first):
            _load(manager, point, foreign)
    broken = [report for report in manager.report if report.status == "broken"]
    if broken:
        warnings.warn(
            "plugins not loaded: " + "; ".join(str(report.error) for report in broken), WbmodelWarning, stacklevel=2
        )
    for plugin in plugins:
        report = PluginReport(name=str(getattr(plugin, "__name__", None) or f"{type(plugin).__name__}-{id(plugin):x}"))
        manager.add(plugin, report)
        if report.error is not None:
            raise report.error
    return manager


_default: PluginManager | None = None
_default_lock = forks.lock()


def default_plugin_manager() -> PluginManager:
    """The process-wide manager, made on the first call."""
    global _default
    if _default is None:
        with _default_lock:
            if _default is None:
                _default = make_plugin_manager()
                PLUGIN_PACKAGES.update(_default.packages)
    return _default


def _entry_points(manager: PluginManager) -> list[metadata.EntryPoint]:
    """The entry points of the installed distributions. A distribution whose list cannot be read is reported."""
    try:
        return list(metadata.entry_points(group=GROUP))
    except ValueError:  # one of them has text that is not UTF-8
        found: list[metadata.EntryPoint] = []
        for distribution in metadata.distributions():
            try:
                found += distribution.entry_points.select(group=GROUP)
            except ValueError as error:
                report = PluginReport(name="?", distribution=_stated(distribution, "name"))
                report.fails(PluginError(f"the entry points of {report.distribution!r} cannot be read: {error}"), error)
                manager.report.append(report)
        return found


def _load(manager: PluginManager, point: metadata.EntryPoint, foreign: bool) -> None:
    report = PluginReport(
        name=point.name,
        distribution=_stated(point.dist, "name"),
        version=_stated(point.dist, "version"),
        value=point.value,
    )
    if not foreign and report.distribution != OWN:
        report.status = "skipped"
        manager.report.append(report)
        return
    try:
        plugin = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # importing a module may raise anything, sys.exit() included
        report.fails(PluginError(f"{report.owner} could not be loaded from {point.value}: {_words(error)}"), error)
        manager.report.append(report)
        return
    manager.add(plugin, report)


def _stated(distribution: metadata.Distribution | None, name: Literal["name", "version"]) -> str | None:
    try:
        stated: str | None = getattr(distribution, name, None)
    except (KeyError, ValueError):  # metadata that cannot be read
        return None
    return stated


def _built_ins_first(point: metadata.EntryPoint) -> tuple[bool, str]:
    return (_stated(point.dist, "name") != OWN, point.name)


def _owner(plugin: str, distribution: str | None) -> str:
    return f"plugin {plugin!r}" + (f" (distribution {distribution!r})" if distribution else "")


def _words(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # the text of an exception is the plugin's code too
        return type(error).__name__


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _hook_hint(plugin: object) -> str:
    for name in dir(plugin):
        if name.startswith(f"{GROUP}_") and name not in hookspecs.HOOKS and inspect.isroutine(getattr(plugin, name)):
            return suggestion(name, hookspecs.HOOKS, "hooks")
    return ""
