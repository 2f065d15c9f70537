"""The bytes of artifact versions: their manifests, and where each file of a manifest is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from wbmodel.backend.asks import BlobRef, Open, Request
from wbmodel.backend.verbs import END, Next, Send
from wbmodel.compiler.target import Target
from wbmodel.digests import Digest, is_digest
from wbmodel.entities.contents.manifest import Manifest, ManifestEntry
from wbmodel.errors import DoesNotExist, IntegrityError
from wbmodel.files_cache import Cache
from wbmodel.meta import entity_meta
from wbmodel.operations.answer import Operation, answer, whole_answer
from wbmodel.operations.run import collect
from wbmodel.query.conditions import resolve
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q

__all__ = ["Version", "blob_of", "cache_of", "file_urls", "load_manifest", "read_bytes", "urls_of"]

_MANIFEST = "wandb_manifest.json"
_DOCUMENT = """\
query ArtifactManifest($id: ID!) {
  artifact(id: $id) {
    state
    currentManifest {
      id
      file {
        id
        directUrl
      }
    }
  }
}"""
_NAMES = 1000


@attrs.frozen(slots=True)
class Version:
    """An artifact version whose files are read: its node id, the entity that owns it (None: unknown) and its name in
    messages."""

    node_id: str
    entity: str | None
    name: str


def load_manifest(version: Version, target: Target) -> Operation[Manifest]:
    """The manifest of a version. Raises ``Artifact.DoesNotExist``, and :class:`~wbmodel.errors.IntegrityError` for one
    that cannot be right."""
    request = Request(_DOCUMENT, {"id": version.node_id}, "ArtifactManifest")
    response = yield Send(request)
    data = answer(target, request, response)
    with whole_answer(target, request):
        found = data["artifact"]
        manifest = None if found is None else found["currentManifest"]
        url = None if manifest is None else manifest["file"]["directUrl"]
    if found is None:
        raise entity_meta("Artifact").does_not_exist(
            f"the artifact {version.name} does not exist on {target.place}, or this account may not see it"
        )
    if url is None:
        raise DoesNotExist(f"{version.name} has no manifest: its state is {found['state']}")
    ref = BlobRef("artifact_file", version.node_id, _MANIFEST, url)
    return Manifest.read((yield from read_bytes(ref)), version.name)


def read_bytes(ref: BlobRef) -> Operation[bytes]:
    """All bytes of a file. Raises :class:`~wbmodel.errors.IntegrityError` unless they have its size and digest."""
    stream = yield Send(Open(ref))
    parts: list[bytes] = []
    digest = Digest(ref.digest)
    while (part := (yield Next(stream))) is not END:
        parts.append(part)
        digest.update(part)
    data = b"".join(parts)
    if ref.size is not None and len(data) != ref.size:
        raise IntegrityError(f"{ref.name} has {ref.size:,} bytes, but {len(data):,} were received")
    if digest.known and not digest.matches:
        raise IntegrityError(f"{ref.name} has the digest {ref.digest}, but the received bytes have {digest.text}")
    return data


def cache_of(target: Target, skip: bool = False) -> Cache | None:
    """The cache that downloads of a session use; None to ``skip`` it."""
    return None if skip else Cache(target.owner.settings.cache_dir.value)


def blob_of(version: Version, entry: ManifestEntry, url: str | None = None) -> BlobRef:
    """The bytes of a file of a version."""
    known = entry.digest if is_digest(entry.digest) else None
    return BlobRef("artifact_file", version.node_id, entry.path, url, entry.size, known)


def urls_of(version: Version, manifest: Manifest, refs: Sequence[BlobRef], target: Target) -> Operation[list[BlobRef]]:
    """The same files of a version, with fresh URLs: those that the server gives, else those of the store's layout."""
    if target.capabilities.in_process:
        return list(refs)
    found = yield from file_urls({"artifact": version.node_id}, "direct_url", [ref.name for ref in refs], target)
    made = []
    for ref in refs:
        url = found.get(ref.name)
        if url is None:
            url = manifest.url(manifest[ref.name], str(target.owner.url).rstrip("/"), version.entity or "")
        made.append(attrs.evolve(ref, url=url))
    return made


def file_urls(place: Mapping[str, Any], field: str, names: Sequence[str], target: Target) -> Operation[dict[str, str]]:
    """The URLs of files by name; names that do not exist are omitted."""
    meta = entity_meta("File")
    found: dict[str, str] = {}
    for at in range(0, len(names), _NAMES):
        where, scopes = resolve(meta, Q(**place, name__in=list(names[at : at + _NAMES])))
        plan = Plan(meta=meta, where=where, scopes=scopes, only=("name", field), unordered=True)
        for row in (yield from collect(plan, target)):
            url = getattr(row, field)
            if url:
                found[row.name] = url
    return found
