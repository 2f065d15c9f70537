"""Resolves a session's settings, each with its source.

The order of precedence is: arguments, then ``WBMODEL_URL``, ``WANDB_BASE_URL``, ``WANDB_API_KEY``,
``WANDB_IDENTITY_TOKEN_FILE``, ``WANDB_ENTITY``, ``WANDB_PROJECT`` and ``WBMODEL_CACHE_DIR``, then netrc, then defaults.
An empty variable counts as unset. netrc is read when the key is first needed, and by ``connect`` only if nothing else
says where to connect; the backend opens the identity token file when it first needs the token.

A session has one kind of credentials, as in W&B's own client (0.31.0, ``wandb/sdk/lib/wbauth``): an API key or an
identity token file. An argument overrides variables, a variable overrides netrc, and two of the same rank are an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import attrs

from wbmodel.errors import ConfigurationError
from wbmodel.key_hiding import Secret
from wbmodel.urls import is_address, mask_url, split_credentials, split_scheme

__all__ = ["DEFAULT_SERVER", "NO_URL", "Secret", "Setting", "Settings", "resolve_settings"]

DEFAULT_SERVER = "https://api.wandb.ai"
"""The server to use if there is an API key but no URL."""

T_co = TypeVar("T_co", covariant=True)
NO_URL = (
    "nothing to connect to: call connect() with a URL, such as connect('fixtures:PATH') for a folder or file of "
    "fixtures or connect('https://api.wandb.ai', project='entity/project') for a W&B server, or set WBMODEL_URL; with "
    "WANDB_API_KEY, or a netrc entry for api.wandb.ai (from `wandb login`), connect() alone uses that server"
)


class Given(dict[str, Any]):
    """Options as they were given. Only their names are shown: a misspelt one may hold a key."""

    def __repr__(self) -> str:
        return f"<Given {', '.join(self)}>"

    def __rich_repr__(self) -> Iterator[str]:
        yield from self


class Environment:
    """The environment variables, of which nothing is shown."""

    __slots__ = ("__mapping",)

    def __init__(self, mapping: Mapping[str, str]) -> None:
        self.__mapping = mapping

    def get(self, name: str) -> str | None:
        """The value of a variable, or None."""
        return self.__mapping.get(name)


@attrs.frozen(slots=True)
class Setting(Generic[T_co]):
    """A value and its source, in words: ``"argument"``, ``"WBMODEL_URL"``, ``"netrc"``, ``"default"``."""

    value: T_co
    source: str


@attrs.define(slots=True, kw_only=True)
class Settings:
    """The settings that :func:`resolve_settings` found. ``url`` does not contain credentials.

    ``identity_token_file`` is the absolute path of a file with a JSON web token, or None; if it is a path, there is no
    API key. ``trace`` and ``otel`` say what :mod:`wbmodel.session.trace` and :mod:`wbmodel.session.otel` record.
    ``cache_dir`` is the absolute path of the cache of downloaded files; None for the usual place.
    """

    url: Setting[str] = attrs.field(repr=lambda url: f"Setting({mask_url(url.value)!r}, {url.source!r})")
    entity: Setting[str | None]
    project: Setting[str | None]
    timeout: Setting[float | None]
    given_key: Setting[Secret] | None = None
    identity_token_file: Setting[str | None] = Setting(None, "default")
    trace: Setting[str | None] = Setting(None, "default")
    otel: Setting[bool] = Setting(False, "default")
    cache_dir: Setting[str | None] = Setting(None, "default")
    netrc_path: str | None = None
    _netrc_key: Setting[Secret | None] | None = attrs.field(default=None, init=False, repr=False)

    def api_key(self) -> Setting[Secret | None]:
        """The API key. Reads netrc on the first call if argument, URL and environment gave no key."""
        if self.given_key is not None:
            return Setting(self.given_key.value, self.given_key.source)
        if self.identity_token_file.value is not None:
            return Setting(None, "not needed: identity_token_file is used")
        if self._netrc_key is None:
            self._netrc_key = _from_netrc(self.url.value, self.netrc_path)
        return self._netrc_key

    def known_key(self) -> Secret | None:
        """The API key if it is already known. Reads no file."""
        if self.given_key is not None:
            return self.given_key.value
        return None if self._netrc_key is None else self._netrc_key.value

    def table(self) -> dict[str, tuple[str, str]]:
        """``{setting: (value, source)}`` for display; the API key is masked."""
        key = self.api_key()
        found: dict[str, Setting[Any]] = {
            "url": Setting(mask_url(self.url.value), self.url.source),
            "entity": self.entity,
            "project": self.project,
            "timeout": self.timeout,
            "api_key": key,
            "identity_token_file": self.identity_token_file,
            "cache_dir": self.cache_dir,
            "trace": self.trace,
            "otel": Setting("on" if self.otel.value else None, self.otel.source),
        }
        return {name: ("" if item.value is None else str(item.value), item.source) for name, item in found.items()}


def resolve_settings(
    url: str | Secret | None = None,
    *,
    project: str | None = None,
    entity: str | None = None,
    api_key: str | Secret | None = None,
    identity_token_file: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Resolve every setting. Raises :class:`~wbmodel.errors.ConfigurationError` if there is no URL to connect to, or if
    there are two kinds of credentials of the same rank."""
    # What may hold a key is wrapped first: a traceback may show the variables of this frame.
    api_key = Secret(api_key) if isinstance(api_key, str) else api_key
    url = Secret(url) if isinstance(url, str) else url
    env, environ = Environment(os.environ if environ is None else environ), None
    key_setting = _key(api_key, env)
    token_file = _file(identity_token_file, "WANDB_IDENTITY_TOKEN_FILE", env.get("WANDB_IDENTITY_TOKEN_FILE"))
    found_url, inner_key = _address(url, env)
    if found_url is None:
        # The only case in which netrc is read before a key is needed: an entry decides where to connect.
        if key_setting is None and token_file is None and not _from_netrc(DEFAULT_SERVER, env.get("NETRC")).value:
            raise ConfigurationError(NO_URL)
        found_url = Setting(Secret(DEFAULT_SERVER), "default")
    if inner_key is not None and (key_setting is None or key_setting.source != "argument"):
        key_setting = Setting(inner_key, f"URL ({found_url.source})")
    scheme = split_scheme(found_url.value.reveal())[0]
    if scheme in ("http", "https") and not is_address(found_url.value.reveal()):
        # Refused here, and not by the backend, in whose frames the address is plain text.
        raise ConfigurationError(
            f"{mask_url(found_url.value.reveal())!r} is not the address of a server: it has no '?' or '#', a port "
            "is a number, and a key does not belong there; use https://HOST or http://HOST, and pass the "
            "API key as api_key="
        )
    key_setting, token_file = _one_kind(key_setting, token_file, scheme)
    if timeout is not None and not timeout > 0:
        raise ConfigurationError(f"timeout must be a number of seconds above 0, not {timeout!r}")
    entity_setting, project_setting = _place(entity, project, env)
    return Settings(
        url=Setting(found_url.value.reveal(), found_url.source),
        entity=entity_setting,
        project=project_setting,
        timeout=Setting(timeout, "default" if timeout is None else "argument"),
        given_key=key_setting,
        identity_token_file=token_file or Setting(None, "default"),
        cache_dir=_file(cache_dir, "WBMODEL_CACHE_DIR", env.get("WBMODEL_CACHE_DIR")) or Setting(None, "default"),
        trace=_trace(env),
        otel=_otel(env),
        netrc_path=env.get("NETRC"),
    )


def _first(*candidates: tuple[str, str | None]) -> Setting[str] | None:
    for source, value in candidates:
        if value is not None and value.strip():
            return Setting(value, source)
    return None


def _hidden_first(*candidates: tuple[str, Secret | None]) -> Setting[Secret] | None:
    for source, value in candidates:
        if value is not None and value.reveal().strip():
            return Setting(Secret(value.reveal().strip()), source)
    return None


def _variable(env: Environment, name: str) -> tuple[str, Secret]:
    return name, Secret(env.get(name) or "")


def _key(api_key: Secret | None, env: Environment) -> Setting[Secret] | None:
    return _hidden_first(("argument", api_key), _variable(env, "WANDB_API_KEY"))


def _address(url: Secret | None, env: Environment) -> tuple[Setting[Secret] | None, Secret | None]:
    """The URL without credentials, and the key that was in it."""
    found = _hidden_first(("argument", url), _variable(env, "WBMODEL_URL"), _variable(env, "WANDB_BASE_URL"))
    if found is None:
        return None, None
    bare, inner = split_credentials(found.value.reveal())
    return Setting(Secret(bare), found.source), None if inner is None else Secret(inner)


def _file(argument: str | os.PathLike[str] | None, variable: str, value: str | None) -> Setting[str | None] | None:
    found = _first(("argument", None if argument is None else os.fspath(argument)), (variable, value))
    if found is None:
        return None
    # Made absolute now: the file or folder is used later, when the working directory may have changed.
    return Setting(os.path.abspath(os.path.expanduser(found.value.strip())), found.source)


def _one_kind(
    key: Setting[Secret] | None, token_file: Setting[str | None] | None, scheme: str
) -> tuple[Setting[Secret] | None, Setting[str | None] | None]:
    """The API key or the identity token file, whichever takes precedence: an argument, then a key in the URL."""
    if key is None or token_file is None:
        return key, token_file
    if token_file.source == "argument" and key.source != "argument":
        return None, token_file
    if token_file.source != "argument" and (key.source == "argument" or key.source.startswith("URL")):
        return key, None
    if token_file.source == "argument":
        raise ConfigurationError(
            "api_key= and identity_token_file= are two kinds of credentials; pass only one of them"
        )
    if scheme not in ("http", "https"):
        return key, None  # two variables for W&B's own client must not prevent opening a folder
    raise ConfigurationError(
        "WANDB_API_KEY and WANDB_IDENTITY_TOKEN_FILE are both set, which W&B's own client refuses as well; "
        "unset one of them, or pass api_key= or identity_token_file="
    )


def _trace(env: Environment) -> Setting[str | None]:
    text = (env.get("WBMODEL_TRACE") or "").strip()
    if not text:
        return Setting(None, "default")
    if text.lower() in ("0", "false"):
        return Setting(None, "WBMODEL_TRACE")
    return Setting("log" if text.lower() in ("1", "true") else os.path.abspath(text), "WBMODEL_TRACE")


def _otel(env: Environment) -> Setting[bool]:
    text = (env.get("WBMODEL_OTEL") or "").strip().lower()
    if text not in ("", "0", "false", "1", "true"):
        raise ConfigurationError(f"WBMODEL_OTEL must be 1 or 0, not {text!r}")
    return Setting(text in ("1", "true"), "WBMODEL_OTEL" if text else "default")


def _place(
    entity: str | None, project: str | None, env: Environment
) -> tuple[Setting[str | None], Setting[str | None]]:
    """The entity and the project. ``project`` may name both, as ``entity/project``."""
    where = _first(("argument", project), ("WANDB_PROJECT", env.get("WANDB_PROJECT")))
    who = _first(("argument", entity), ("WANDB_ENTITY", env.get("WANDB_ENTITY")))
    if where is None:
        return who or Setting(None, "default"), Setting(None, "default")
    owner, slash, name = where.value.strip().rstrip("/").rpartition("/")
    if not slash:
        return who or Setting(None, "default"), Setting(name, where.source)
    if not owner or not name or "/" in owner:
        from_page = "; of a page's address, take the two parts after the host" if "://" in where.value else ""
        raise ConfigurationError(
            f"project {mask_url(where.value)!r} ({where.source}) must be 'project' or 'entity/project'{from_page}"
        )
    if who is not None and who.source == where.source == "argument" and who.value != owner:
        raise ConfigurationError(
            f"project={where.value!r} and entity={who.value!r} name two entities; pass only one of them"
        )
    if who is not None and who.source == "argument" and where.source != "argument" and who.value != owner:
        # The argument overrides the variable, and the variable's project belongs to another entity.
        return who, Setting(None, "default")
    return Setting(owner, where.source), Setting(name, where.source)


def _from_netrc(url: str, path: str | None) -> Setting[Secret | None]:
    scheme, _ = split_scheme(url)
    try:
        host = urlsplit(url).hostname if scheme in ("http", "https") else None
    except ValueError:  # the backend says what is wrong with it
        host = None
    if not host:
        return Setting(None, "default")
    import netrc

    candidates = [Path(path)] if path else [Path(os.path.expanduser(name)) for name in ("~/.netrc", "~/_netrc")]
    for candidate in candidates:
        if not candidate.is_file():
            continue
        try:
            # Not authenticators(), which returns the "default" entry for any host: a key goes only to its own host.
            found = netrc.netrc(str(candidate)).hosts.get(host)
        except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as error:
            # Not the error's own text: it may quote the token that it could not parse, which may be the key.
            line = getattr(error, "lineno", None)
            place = f"{candidate}, line {line}" if line else str(candidate)
            raise ConfigurationError(
                f"{place} cannot be read ({type(error).__name__}); fix the file, or set api_key= or WANDB_API_KEY"
            ) from None
        if found and found[2]:
            return Setting(Secret(found[2]), f"netrc ({candidate})")
    return Setting(None, "default")
