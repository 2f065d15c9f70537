"""URLs of files on the server itself, and the files behind them.

A run file is at ``/files/ENTITY/PROJECT/RUN/NAME`` (protocol.md of W&B's clients: both request it with the key), an
artifact file or manifest at ``/artifact-files/TOKEN/NODE_ID/NAME``, because clients fetch these without credentials
(seen). The token is an HMAC of the file's identity: it cannot be guessed, opens only that file, and is valid while the
server runs. Run files have a token too (``?token=``), so that a link works without a key. An exported file of a
history is at ``/exports/NAME?expires=TIME&signature=HMAC``, like a signed URL of a bucket: it needs no key, and is
refused with 403 once it has expired.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import mimetypes
import re
import secrets
import time
from contextvars import ContextVar
from urllib.parse import parse_qs, quote, unquote

import attrs

from wbmodel.backend.asks import BlobRef
from wbmodel.engine.execute import Engine
from wbmodel.engine.exports import ExportFile
from wbmodel.engine.records import ArtifactRecord, FileRecord, RunRecord
from wbmodel.server.answers import Answer
from wbmodel.server.errors import Refusal

__all__ = ["Links"]

_SAFE_HEADERS = {
    # An uploaded file may be a web page, which must not run with this server's origin.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
    "Cache-Control": "private, no-store",
}


_SPAN = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class Links:
    """Creates links to files and resolves them."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self.base: ContextVar[str] = ContextVar("wbmodel server address")
        """This server's address as the client of the current request knows it."""

    def url_for(self, file: FileRecord) -> str:
        """The URL of a file, for ``Engine(url_for=...)``."""
        if isinstance(file, ExportFile):
            expires = "never" if file.expires is None else f"{time.time() + file.expires:.3f}"
            signature = self._signed(f"export\0{file.name}\0{expires}")
            return f"{self.base.get()}/exports/{_quoted(file.name, '')}?expires={expires}&signature={signature}"
        owner, name = file.owner, _quoted(file.name)
        token = self.token(file)
        if isinstance(owner, RunRecord):
            path = "/".join(_quoted(part, "") for part in (owner.project.entity.name, owner.project.name, owner.name))
            return f"{self.base.get()}/files/{path}/{name}?token={token}"
        return f"{self.base.get()}/artifact-files/{token}/{_quoted(owner.id, '')}/{name}"

    def token(self, file: FileRecord) -> str:
        """The token that opens this file without a key."""
        kind = "artifact" if isinstance(file.owner, ArtifactRecord) else "run"
        return self._signed(f"{kind}\0{file.owner.id}\0{file.name}")

    def _signed(self, text: str) -> str:
        return hmac.new(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def export(self, engine: Engine, rest: str, query: str, span: str | None) -> Answer:
        """Answer ``/exports/{rest}``; ``span`` is the ``Range`` header."""
        name, given = _unquoted(rest), parse_qs(query)
        expires, signature = given.get("expires", [""])[0], given.get("signature", [""])[0]
        if not _equal(signature, self._signed(f"export\0{name}\0{expires}")):
            raise Refusal(403, "the signature of this URL is wrong", "PERMISSION_ERROR")
        if expires != "never" and time.time() >= float(expires):
            raise Refusal(403, "this URL has expired; ask for a new one", "PERMISSION_ERROR")
        whole = _content(engine, engine.exported(name))
        etag = {"ETag": f'"{hashlib.md5(whole.body, usedforsecurity=False).hexdigest()}"', "Accept-Ranges": "bytes"}
        return _part(attrs.evolve(whole, headers={**whole.headers, **etag}), span)

    def run_file(self, engine: Engine, rest: str, query: str, authorized: bool) -> Answer:
        """Answer ``/files/{rest}``. Unless ``authorized``, the token must be right."""
        parts = rest.split("/", 3)
        if len(parts) < 4 or not parts[3]:
            raise _missing()
        entity, project, run = map(_unquoted, parts[:3])
        owner = engine.run_id(entity, project, run)
        file = None if owner is None else engine.find(BlobRef("run_file", owner, _unquoted(parts[3])))
        token = parse_qs(query).get("token", [""])[0]
        if not authorized and (file is None or not _equal(token, self.token(file))):
            # The same answer for a missing file, so that names cannot be probed without a key.
            raise _no_key()
        return _content(engine, file)

    def artifact_file(self, engine: Engine, rest: str) -> Answer:
        """Answer ``/artifact-files/{rest}``."""
        parts = rest.split("/", 2)
        file = None
        if len(parts) == 3:
            file = engine.find(BlobRef("artifact_file", _unquoted(parts[1]), _unquoted(parts[2])))
        if file is None or not _equal(parts[0], self.token(file)):
            raise _missing()
        return _content(engine, file)

    def artifact_by_digest(self, engine: Engine, rest: str, authorized: bool) -> Answer:
        """Answer ``/artifactsV2/REGION/ENTITY/ARTIFACT/MD5``, where 0.10.28 looks for a manifest's files (seen)."""
        parts = rest.split("/")
        if not authorized:
            raise _no_key()
        file = None
        if len(parts) == 4:
            try:
                digest = base64.b64encode(bytes.fromhex(parts[3])).decode()
            except ValueError:
                raise _missing() from None
            file = engine.entry(_unquoted(parts[2]), digest)
        return _content(engine, file)


def _content(engine: Engine, file: FileRecord | None) -> Answer:
    data = None if file is None else file.read()
    if file is None or data is None:
        raise _missing()
    kind = file.mimetype or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    if not kind.isascii() or not kind.isprintable():
        kind = "application/octet-stream"
    return Answer(200, data, kind, _SAFE_HEADERS)


def _part(whole: Answer, span: str | None) -> Answer:
    """The bytes of one range (``bytes=a-b``, ``bytes=a-``, ``bytes=-n``); the whole answer for any other text."""
    asked, size = _SPAN.fullmatch(span or ""), len(whole.body)
    if asked is None or not any(asked.groups()):
        return whole
    first, last = asked.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        raise Refusal(416, f"the file has {size} bytes", "BAD_REQUEST", {"Content-Range": f"bytes */{size}"})
    headers = {**whole.headers, "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    return Answer(206, whole.body[start:stop], whole.content_type, headers)


def _no_key() -> Refusal:
    return Refusal(401, "this file needs the API key, or the link from GraphQL", "PERMISSION_ERROR")


def _missing() -> Refusal:
    return Refusal(404, "the file does not exist, or its content is not stored here", "NOT_FOUND")


def _quoted(text: str, safe: str = "/") -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe=safe)


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="surrogatepass")
    except UnicodeDecodeError:
        raise _missing() from None


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())
