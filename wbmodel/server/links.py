"""URLs of files that point to the server itself, and the files behind them.

A run file is at ``/files/ENTITY/PROJECT/RUN/NAME`` (protocol.md of W&B's clients: both ask for it with the key), an
artifact file or manifest at ``/artifact-files/TOKEN/NODE_ID/NAME``, because clients fetch these without credentials
(seen). The token is an HMAC of what it opens: it cannot be guessed, opens that file only, and ends with the server.
Run files carry one too (``?token=``), so that a link needs no key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import mimetypes
import secrets
from contextvars import ContextVar
from urllib.parse import parse_qs, quote, unquote

from wbmodel.backend.asks import BlobRef
from wbmodel.engine.execute import Engine
from wbmodel.engine.records import ArtifactRecord, FileRecord, RunRecord
from wbmodel.server.answers import Answer
from wbmodel.server.errors import Refusal

__all__ = ["Links"]

_SAFE_HEADERS = {
    # What people upload may be a web page: it must not run as one of this address.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
    "Cache-Control": "private, no-store",
}


class Links:
    """Writes links and follows them."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self.base: ContextVar[str] = ContextVar("wbmodel server address")
        """The address under which the client of the current request knows this server."""

    def url_for(self, file: FileRecord) -> str:
        """The URL of a file, for ``Engine(url_for=...)``."""
        owner, name = file.owner, _quoted(file.name)
        token = self.token(file)
        if isinstance(owner, RunRecord):
            path = "/".join(_quoted(part, "") for part in (owner.project.entity.name, owner.project.name, owner.name))
            return f"{self.base.get()}/files/{path}/{name}?token={token}"
        return f"{self.base.get()}/artifact-files/{token}/{_quoted(owner.id, '')}/{name}"

    def token(self, file: FileRecord) -> str:
        """What opens this file without a key."""
        kind = "artifact" if isinstance(file.owner, ArtifactRecord) else "run"
        text = f"{kind}\0{file.owner.id}\0{file.name}".encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()

    def run_file(self, engine: Engine, rest: str, query: str, authorized: bool) -> Answer:
        """Follow ``/files/{rest}``. Without ``authorized`` the token must be right."""
        parts = rest.split("/", 3)
        if len(parts) < 4 or not parts[3]:
            raise _missing()
        entity, project, run = map(_unquoted, parts[:3])
        owner = engine.run_id(entity, project, run)
        file = None if owner is None else engine.find(BlobRef("run_file", owner, _unquoted(parts[3])))
        token = parse_qs(query).get("token", [""])[0]
        if not authorized and (file is None or not _equal(token, self.token(file))):
            # The same for a file that is not there, so that nobody learns names without a key.
            raise _no_key()
        return _content(engine, file)

    def artifact_file(self, engine: Engine, rest: str) -> Answer:
        """Follow ``/artifact-files/{rest}``."""
        parts = rest.split("/", 2)
        file = None
        if len(parts) == 3:
            file = engine.find(BlobRef("artifact_file", _unquoted(parts[1]), _unquoted(parts[2])))
        if file is None or not _equal(parts[0], self.token(file)):
            raise _missing()
        return _content(engine, file)

    def artifact_by_digest(self, engine: Engine, rest: str, authorized: bool) -> Answer:
        """Follow ``/artifactsV2/REGION/ENTITY/ARTIFACT/MD5``, where 0.10.28 has the files of a manifest (seen)."""
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


def _no_key() -> Refusal:
    return Refusal(401, "this file needs the API key, or the link that GraphQL gives", "PERMISSION_ERROR")


def _missing() -> Refusal:
    return Refusal(404, "there is no such file, or it has no bytes here", "NOT_FOUND")


def _quoted(text: str, safe: str = "/") -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe=safe)


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="surrogatepass")
    except UnicodeDecodeError:
        raise _missing() from None


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())
