"""Manifests: the list of an artifact version's files and references, with their digests and sizes. Pure.

Version 1, as both of W&B's clients write it (seen)::

    {"version": 1, "storagePolicy": "wandb-storage-policy-v1", "storagePolicyConfig": {"storageLayout": "V2"},
     "contents": {"dir/f.txt": {"digest": "<base64 of the MD5>", "size": 9, "birthArtifactID": "<node id>"},
                  "ref.yaml": {"digest": "<an ETag>", "ref": "s3://...", "size": 12, "extra": {"etag": "..."}}}}
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import attrs

from wbmodel.codec import finite
from wbmodel.errors import IntegrityError, suggestion
from wbmodel.query.artifact_names import CLIENT_SCHEME, SCHEME

__all__ = ["Manifest", "ManifestEntry"]


@attrs.frozen(slots=True)
class ManifestEntry:
    """One file or reference of a version.

    ``path`` is where it is in the version, with slashes. ``digest`` is base64 of the MD5 of a file; for a reference, a
    digest, an ETag or whatever its store tells contents apart by. ``size`` is in bytes, None if it was not recorded.
    ``ref`` is the URL of a reference. ``birth_artifact_id`` is the node id of the version that the file was first
    uploaded with.
    """

    path: str
    digest: str
    size: int | None = None
    ref: str | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict)
    birth_artifact_id: str | None = None

    @property
    def is_reference(self) -> bool:
        """Whether its bytes are kept elsewhere."""
        return self.ref is not None

    @property
    def leads_to_artifact(self) -> bool:
        """Whether it refers to a file of another artifact version."""
        return self.ref is not None and self.ref.startswith((SCHEME, CLIENT_SCHEME))


class Manifest(Mapping[str, ManifestEntry]):
    """The entries of a version by path, in the order of the manifest. ``layout`` and ``region`` say where its store
    keeps files."""

    def __init__(
        self, entries: Mapping[str, ManifestEntry], *, name: str = "", layout: str = "V2", region: str = "default"
    ) -> None:
        self._entries = dict(entries)
        self.name, self.layout, self.region = name, layout, region

    def __getitem__(self, path: str) -> ManifestEntry:
        try:
            return self._entries[path]
        except KeyError:
            raise KeyError(f"{self.name or 'the artifact'} has no file {path!r}{self._near(path)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, path: object) -> bool:
        return path in self._entries

    def __repr__(self) -> str:
        return f"<Manifest of {self.name or 'an artifact'}: {len(self):,} entries>"

    def _near(self, path: str) -> str:
        if len(self) > 10_000:  # comparing with each of them takes seconds
            return f"; it has {len(self):,}"
        return suggestion(path, self._entries, "its files")

    @property
    def size(self) -> int:
        """The size in bytes of all entries whose size is known."""
        return sum(entry.size or 0 for entry in self.values())

    @property
    def digest(self) -> str:
        """The digest of a version with these entries: MD5 in hex of a fixed first line, and ``path:digest`` of each."""
        digest = hashlib.md5(b"wandb-artifact-manifest-v1\n", usedforsecurity=False)
        for path in sorted(self):
            digest.update(f"{path}:{self._entries[path].digest}\n".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def under(self, prefix: str) -> Manifest:
        """The entries whose path is ``prefix`` or is in the folder ``prefix``."""
        folder = prefix.rstrip("/") + "/" if prefix.strip("/") else ""
        found = {path: entry for path, entry in self.items() if path == prefix or path.startswith(folder)}
        return Manifest(found, name=self.name, layout=self.layout, region=self.region)

    def find(self, name: str) -> ManifestEntry:
        """The entry at the path ``name``, or of the object that was added under this name (``t`` for
        ``t.table.json``). Raises ``KeyError``."""
        found = self._entries.get(name)
        if found is not None:
            return found
        objects = [path for path in self if path.startswith(f"{name}.") and _is_object(path.removeprefix(name))]
        if len(objects) > 1:
            raise KeyError(f"{self.name} has several objects {name!r}: {', '.join(objects[:5])}; name one of them")
        return self[objects[0]] if objects else self[name]

    def url(self, entry: ManifestEntry, base: str, entity: str) -> str:
        """Where the API server at ``base`` has the bytes of a file, by the layout of the store; it takes the API key.

        Layout V2 is ``/artifactsV2/{region}/{entity}/{birth artifact}/{MD5 in hex}``, V1 is ``/artifacts/{entity}/{MD5
        in hex}``, as 0.10.28 builds them (seen). Raises :class:`~wbmodel.errors.IntegrityError` for an entry whose
        digest is not an MD5.
        """
        try:
            md5 = base64.b64decode(entry.digest, validate=True).hex()
        except (binascii.Error, ValueError):
            md5 = ""
        if len(md5) != 32 or entry.is_reference:
            raise IntegrityError(
                f"{self.name}: {entry.path!r} has the digest {entry.digest!r}, by which no file is kept"
            )
        if self.layout == "V1" or entry.birth_artifact_id is None:
            return f"{base}/artifacts/{quote(entity, safe='')}/{md5}"
        parts = (self.region, entity, entry.birth_artifact_id)
        return f"{base}/artifactsV2/{'/'.join(quote(part, safe='') for part in parts)}/{md5}"

    @classmethod
    def read(cls, data: bytes, name: str) -> Manifest:
        """The manifest in a JSON document; ``name`` is the version's, for messages. Raises
        :class:`~wbmodel.errors.IntegrityError`, which names the entry that is wrong."""
        thing = f"the manifest of {name}"
        try:
            document = json.loads(data, object_pairs_hook=_once, parse_float=finite)
        except (ValueError, RecursionError) as error:
            why = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise IntegrityError(f"{thing} cannot be read: {why}") from error
        found = _structured(document, thing)
        if found.version != 1:
            raise IntegrityError(f"{thing} has version {found.version}, and only version 1 is known")
        entries = {path: _entry(path, entry, thing) for path, entry in found.contents.items()}
        config = found.storagePolicyConfig
        return cls(entries, name=name, layout=config.storageLayout, region=config.storageRegion)


# The attributes are named as in the document, for the sake of msgspec.
@attrs.frozen
class _Entry:
    digest: str
    size: int | None = None
    ref: str | None = None
    extra: dict[str, Any] = attrs.field(factory=dict)
    birthArtifactID: str | None = None  # noqa: N815


@attrs.frozen
class _Config:
    storageLayout: str = "V1"  # noqa: N815
    storageRegion: str = "default"  # noqa: N815


@attrs.frozen
class _Document:
    version: int
    contents: dict[str, _Entry]
    storagePolicyConfig: _Config = attrs.field(factory=_Config)  # noqa: N815


def _structured(document: Any, thing: str) -> _Document:
    """A document as classes. msgspec takes what is right, twenty times as fast as cattrs, which says what is wrong."""
    import msgspec

    try:
        return msgspec.convert(document, _Document)
    except msgspec.ValidationError:
        from wbmodel.structuring import lenient

        return lenient(document, _Document, thing, error=IntegrityError)


def _entry(path: str, entry: _Entry, thing: str) -> ManifestEntry:
    if entry.size is not None and entry.size < 0:
        raise IntegrityError(f"{thing}: contents[{path!r}].size is {entry.size}, which no file has")
    if entry.ref == "":
        raise IntegrityError(f"{thing}: contents[{path!r}].ref is empty")
    return ManifestEntry(path, entry.digest, entry.size, entry.ref, entry.extra, entry.birthArtifactID)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a JSON document. Raises ``ValueError`` for a key that is there twice: one of them would be lost."""
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"{key!r} is there twice")
            seen.add(key)
    return made


def _is_object(rest: str) -> bool:
    """Whether ``.table.json`` is what W&B adds to the name of an object of a kind."""
    parts = rest.split(".")
    return len(parts) == 3 and parts[2] == "json" and "/" not in rest
