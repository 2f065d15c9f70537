"""Certificates of a private authority, made anew for each run: good ones and bad ones."""

from __future__ import annotations

import functools
import ssl
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import trustme

__all__ = ["authority_file", "trusting", "with_certificate"]


_lock = threading.RLock()


@functools.cache
def _made() -> trustme.CA:
    return trustme.CA()


def _authority() -> trustme.CA:
    with _lock:  # two threads at once would make two
        return _made()


def authority_file(folder: Path) -> Path:
    """A PEM file with the authority's own certificate."""
    path = folder / "authority.pem"
    with _lock:
        if not path.exists():
            _authority().cert_pem.write_to_path(path)
    return path


def trusting() -> ssl.SSLContext:
    """A client's context that trusts the authority and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _authority().configure_trust(context)
    return context


def with_certificate(kind: str) -> ssl.SSLContext:
    """A server's context. ``good`` is for 127.0.0.1, ``expired`` was, ``other`` is for another name, ``self-signed``
    is vouched for by itself alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if kind == "self-signed":
        alone = trustme.CA()
        with alone.cert_pem.tempfile() as certificate, alone.private_key_pem.tempfile() as key:
            context.load_cert_chain(certificate, key)
        return context
    name = "elsewhere.example" if kind == "other" else "127.0.0.1"
    past = datetime.now(timezone.utc) - timedelta(days=2)
    until = {"not_before": past - timedelta(days=2), "not_after": past} if kind == "expired" else {}
    _authority().issue_cert(name, **until).configure_cert(context)
    return context
