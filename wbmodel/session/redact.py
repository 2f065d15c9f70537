"""Hides secrets in the variables, documents and errors of requests, for display. Does no I/O.

A value is hidden if its key reads like the name of a secret (``apiKey``, ``hf_token``, ``config.db.password``), if it
contains a known secret (a session's API key), or if it looks like an ``Authorization`` header or credentials in a URL.
Of a URL, host and path are shown and its query never, because a signed URL is a credential.
JSON inside text (a config, a filter) is searched too. Redaction errs on the side of hiding: ``pad_token`` is hidden as
well.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from wbmodel.codec import dumps, loads
from wbmodel.key_hiding import MASK, KeyHider

__all__ = ["HIDDEN", "Redactor", "is_secret_name"]

HIDDEN = MASK
"""The replacement for hidden text."""

_DEEPEST = 60
_LONG_ENOUGH = 8

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset(
    [
        "apikey",
        "auth",
        "authorization",
        "bearer",
        "cookie",
        "cookies",
        "credential",
        "credentials",
        "jwt",
        "passphrase",
        "passwd",
        "password",
        "passwords",
        "pwd",
        "secret",
        "secrets",
        "token",
    ]
)
_SECRET_ENDS = ("password", "passwd", "secret", "token", "apikey", "accesskey", "privatekey", "secretkey")
_KEYS_OF = frozenset(
    [
        "access",
        "account",
        "api",
        "auth",
        "encryption",
        "license",
        "private",
        "secret",
        "service",
        "signing",
        "ssh",
        "storage",
    ]
)
_TOKENS_OF = frozenset(["access", "api", "auth", "bearer", "id", "refresh", "session"])


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether ``name`` reads like the name of a secret, judged by its words, however they are joined."""
    words = [word.lower() for word in _WORD.findall(name)]
    for before, word in zip(["", *words], words, strict=False):
        if word in _SECRET_WORDS or word.endswith(_SECRET_ENDS):
            return True
        if (word in ("key", "keys") and before in _KEYS_OF) or (word == "tokens" and before in _TOKENS_OF):
            return True
    return False


_BEARER = re.compile(r"(\bbearer\s+)[\w.~+/=-]+", re.IGNORECASE)
_BASIC = re.compile(r"(\bbasic\s+)([A-Za-z0-9+/_-]{4,}={0,2})", re.IGNORECASE)
_AUTHORIZATION = re.compile(r"(\bauthorization\b[\"']?\s*[:=]\s*[\"']?)[^\s\"',}][^\r\n\"',}]*", re.IGNORECASE)
_USER_INFO = re.compile(r"(://)[^/\s@\"'<>]+@")
# A signed URL is a credential, whatever its parameters are called: of an address, host and path are shown.
# (Addresses without a query match too, so that none of their letters is looked at twice.)
_URL_QUERY = re.compile(r"(://[^\s\"'<>?#]+)(\?[^\s\"'<>#]*)?")
# name = value, as in a query, a header, a dump of settings; the value may be quoted. (The lookbehind makes the search
# try a long word once, and not from each of its letters.)
_ASSIGNED = re.compile(
    r"(?<![\w.-])([\w.-]+)([\"']?\s*[:=]\s*)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s\"',;&(){}\[\]]+)"
)
# In a document only string literals can be secret; $apiKey: String! declares a variable.
_LITERAL = re.compile(r"(?<!\w)(\w+)(\s*:\s*)(\"\"\".*?\"\"\"|\"(?:[^\"\\\n]|\\.)*\")", re.DOTALL)


class Redactor:
    """Hides the given ``secrets``, and anything that looks like a secret."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._exact = frozenset(secret for secret in secrets if secret)
        # A short one would match everywhere.
        self._without = KeyHider(secret for secret in self._exact if len(secret) >= _LONG_ENOUGH)

    def value(self, value: Any, depth: int = 0) -> Any:
        """A redacted copy of ``value`` in plain JSON types."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return HIDDEN if str(value) in self._exact else value
        if depth > _DEEPEST:
            return HIDDEN
        if isinstance(value, str):
            return self.text(value, depth)
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item, depth + 1) for item in value]
        return self.text(str(value), depth)

    def text(self, text: str, depth: int = 0) -> str:
        """Redact ``text``. JSON is parsed, redacted and serialized again."""
        if text in self._exact:
            return HIDDEN
        inner = _container(text)
        if inner is not None:
            return dumps(self.value(inner, depth + 1))
        return self._assigned(self._shapes(self._without(text)))

    def document(self, text: str) -> str:
        """Redact a GraphQL document, in which string literals may be secret."""
        return _LITERAL.sub(_hide_named, self._shapes(self._without(text)))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, item in value.items():
            key = str(name)
            hidden = item is not None and is_secret_name(key)
            found[self._key(key)] = HIDDEN if hidden else self.value(item, depth + 1)
        # {"key": "db.password", "value": "..."}: here the name is itself a value, as in lists of settings.
        for label in ("key", "name"):
            named = value.get(label)
            if isinstance(named, str) and is_secret_name(named) and value.get("value") is not None:
                found["value"] = HIDDEN
        return found

    def _key(self, key: str) -> str:
        return HIDDEN if key in self._exact else self._shapes(self._without(key))

    def _shapes(self, text: str) -> str:
        text = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
        text = _BEARER.sub(rf"\1{HIDDEN}", text)
        text = _BASIC.sub(_hide_basic, text)
        if "://" in text:
            text = _URL_QUERY.sub(_without_query, _USER_INFO.sub(rf"\1{HIDDEN}@", text))
        return text

    def _assigned(self, text: str) -> str:
        return _ASSIGNED.sub(_hide_named, text) if "=" in text or ":" in text else text


def _container(text: str) -> Any:
    """The object, list or string that ``text`` is the JSON of; None for other text."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return None
    try:
        inner = loads(text)
    except ValueError:
        return None
    return inner if isinstance(inner, dict | list | str) else None


def _hide_named(found: re.Match[str]) -> str:
    if not is_secret_name(found[1]):
        return found[0]
    mark = found[3][0] if found[3][0] in "\"'" else ""
    return f"{found[1]}{found[2]}{mark}{HIDDEN}{mark}"


def _without_query(found: re.Match[str]) -> str:
    return found[0] if found[2] is None else f"{found[1]}?{HIDDEN}"


def _hide_basic(found: re.Match[str]) -> str:
    # "Basic settings" is prose; the header's value is base64 of "user:password".
    try:
        decoded = base64.b64decode(found[2] + "=" * (-len(found[2]) % 4), altchars=b"-_", validate=False)
    except (binascii.Error, ValueError):
        return found[0]
    return f"{found[1]}{HIDDEN}" if b":" in decoded else found[0]
