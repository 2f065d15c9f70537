"""Digests of files: base64 of the MD5, as W&B gives them, and MD5, SHA-256 and CRC-32 in hexadecimal."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import re
import zlib
from typing import Any

__all__ = ["Digest", "is_digest"]

_HEX = re.compile(r"(?:(md5|sha256|crc32):)?([0-9a-fA-F]+)")
_OF_LENGTH = {32: "md5", 64: "sha256"}
_LENGTHS = {"md5": 32, "sha256": 64, "crc32": 8}


class Digest:
    """Computes the digest of bytes in the form of ``expected``; base64 of the MD5 if that is None.

    A text of another form (the ETag of a storage host, say) is not a digest: :attr:`known` is False then, and no bytes
    match it.
    """

    def __init__(self, expected: str | None = None) -> None:
        self.expected = expected
        self.kind, self._prefix = ("base64", "") if expected is None else _form(expected)
        self._crc = 0
        self._hash = None if self.kind in ("crc32", "") else _hash(self.kind)

    @property
    def known(self) -> bool:
        """Whether bytes can be compared with ``expected``."""
        return self.expected is not None and self.kind != ""

    def update(self, data: bytes | memoryview) -> None:
        """Add bytes."""
        if self._hash is not None:
            self._hash.update(data)
        elif self.kind == "crc32":
            self._crc = zlib.crc32(data, self._crc)

    @property
    def text(self) -> str:
        """The digest of the bytes so far."""
        if self._hash is None:
            return f"{self._prefix}{self._crc:08x}" if self.kind else "another one"
        if self.kind == "base64":
            return base64.b64encode(self._hash.digest()).decode()
        return f"{self._prefix}{self._hash.hexdigest()}"

    @property
    def matches(self) -> bool:
        """Whether the bytes have the expected digest; True if none is expected."""
        if self.expected is None:
            return True
        if not self.known:
            return False
        return self.text == (self.expected if self.kind == "base64" else self.expected.lower())


def is_digest(text: str | None) -> bool:
    """Whether ``text`` is a digest that can be computed here."""
    return text is not None and _form(text)[0] != ""


@functools.lru_cache(maxsize=4096)  # each is asked about several times on its way
def _form(expected: str) -> tuple[str, str]:
    """The kind of a digest ("" if it is not known) and the prefix that names it."""
    found = _HEX.fullmatch(expected)
    if found is not None:
        kind = found[1] or _OF_LENGTH.get(len(found[2]), "")
        if kind and len(found[2]) == _LENGTHS[kind]:
            return kind, f"{found[1]}:" if found[1] else ""
    try:
        raw = base64.b64decode(expected, validate=True)
    except (binascii.Error, ValueError):
        return "", ""
    return ("base64" if len(raw) == 16 else ""), ""


def _hash(kind: str) -> Any:
    return hashlib.sha256(usedforsecurity=False) if kind == "sha256" else hashlib.md5(usedforsecurity=False)
