"""The names of artifact versions, in every form that W&B's clients write. Pure.

A name is ``"collection:version"``, with ``"project/"`` or ``"entity/project/"`` before it, where the version is ``v3``,
an alias or a digest; without it, the latest one. A reference is a URL to a version or to a file in one:
``wandb-artifact://`` and then a name, or the node id in hex and a path, as manifests have it.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote

import attrs

from wbmodel.errors import FieldError
from wbmodel.meta.scopes import ENTITY, PROJECT

__all__ = ["GRAMMAR", "ByClient", "ById", "ByName", "Naming", "is_node_id", "parse", "reference"]

LATEST = "latest"
SCHEME, CLIENT_SCHEME = "wandb-artifact://", "wandb-client-artifact://"

GRAMMAR = (
    '"collection:version", "project/collection:version" or "entity/project/collection:version", where version is v3, '
    "an alias or a digest (the latest one without it); or a reference, wandb-artifact:// and then such a name or the "
    "version's id"
)
"""What a name looks like, for messages."""

_UNFIT = re.compile(r"[\x00-\x1f\x7f\\]")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{4,}={0,2}")
_ID = re.compile(rb"Artifact:[\x21-\x7e]+")
"""What the node id of an artifact decodes to."""


@attrs.frozen(slots=True)
class ByName:
    """A version by its name; ``entity`` and ``project`` are None where the name lacks them. ``inside`` is the path of a
    file in it, or ""."""

    entity: str | None
    project: str | None
    collection: str
    version: str
    inside: str = ""

    @property
    def name(self) -> str:
        """``"collection:version"``."""
        return f"{self.collection}:{self.version}"

    @property
    def path(self) -> str:
        """The whole name, as short as it was given."""
        return "/".join(part for part in (self.entity, self.project, self.name) if part)


@attrs.frozen(slots=True)
class ById:
    """A version by its node id, and the path of a file in it, or ""."""

    node_id: str
    inside: str = ""


@attrs.frozen(slots=True)
class ByClient:
    """A version by the id that its client gave it before it was logged, and the path of a file in it, or ""."""

    client_id: str
    inside: str = ""


Naming = ByName | ById | ByClient


def parse(text: str, where: str = "name") -> Naming:
    """What ``text`` names. ``where`` starts the message of the :class:`~wbmodel.errors.FieldError` for text that is not
    a name, which says what is wrong and what a name looks like."""
    given = text.strip()
    if not given:
        raise _wrong(where, text, "it is empty")
    if given.startswith(CLIENT_SCHEME):
        client, _, inside = given.removeprefix(CLIENT_SCHEME).partition("/")
        if not client:
            raise _wrong(where, text, "it has no id")
        return ByClient(client, inside)
    if given.startswith(SCHEME):
        return _referred(given.removeprefix(SCHEME), where, text)
    if "://" in given:
        raise _wrong(where, text, f"{given.partition('://')[0]}:// does not refer to an artifact")
    node_id = _node_id(given)
    return ById(node_id) if node_id is not None else _name(given.split("/"), where, text)


def is_node_id(text: str) -> bool:
    """Whether ``text`` is the node id of an artifact version: base64 of ``Artifact:...``."""
    return _node_id(text) is not None


def reference(node_id: str, inside: str) -> str:
    """The reference to a file in a version, as manifests have it: the node id, decoded, in hex."""
    try:
        plain = base64.b64decode(node_id, validate=True)
    except (binascii.Error, ValueError):
        plain = node_id.encode()
    return f"{SCHEME}{plain.hex()}/{inside}"


def _referred(rest: str, where: str, text: str) -> Naming:
    """What stands after ``wandb-artifact://``: an id or a name, and perhaps the path of a file."""
    head, _, inside = rest.partition("/")
    if _HEX.fullmatch(head):
        plain = bytes.fromhex(head)
        if _ID.fullmatch(plain):
            return ById(base64.b64encode(plain).decode(), inside)
    node_id = _node_id(head)
    if node_id is not None:
        return ById(node_id, inside)
    parts = [unquote(part) for part in rest.split("/")]
    # The part with the colon is the collection; what follows it is a path. Without one, the first three are the name.
    at = next((index for index, part in enumerate(parts[:3]) if ":" in part), min(len(parts), 3) - 1)
    found = _name(parts[: at + 1], where, text)
    return attrs.evolve(found, inside="/".join(parts[at + 1 :]))


def _name(parts: list[str], where: str, text: str) -> ByName:
    if len(parts) == 4 and parts[2] == "artifacts":
        del parts[2]
    if len(parts) > 3:
        raise _wrong(where, text, f"it has {len(parts)} parts, and the last of three is the collection")
    *place, last = parts
    collection, colon, version = last.partition(":")
    for word, part in ((ENTITY, place[0] if len(place) > 1 else None), (PROJECT, place[-1] if place else None)):
        if part is None:
            continue
        if not part:
            raise _wrong(where, text, f"its {word} is missing")
        if ":" in part:
            raise _wrong(where, text, f"there is a colon in its {word}, {part!r}")
    if not collection:
        raise _wrong(where, text, "its collection is missing")
    if colon and not version:
        raise _wrong(where, text, "its version is missing after the colon")
    if ":" in version:
        raise _wrong(where, text, f"its version, {version!r}, has a colon")
    for part in (*place, collection, version):
        if part != part.strip():
            raise _wrong(where, text, f"{part!r} starts or ends with a blank")
        if _UNFIT.search(part):
            raise _wrong(where, text, f"{part!r} has a control character or a backslash")
    padded: list[str | None] = [None] * (2 - len(place)) + list(place)
    return ByName(padded[0], padded[1], collection, version or LATEST)


def _node_id(text: str) -> str | None:
    if not _BASE64.fullmatch(text):
        return None
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return base64.b64encode(plain).decode() if _ID.fullmatch(plain) else None


def _wrong(where: str, text: str, why: str) -> FieldError:
    shown = text if len(text) <= 120 else f"{text[:117]}..."
    return FieldError(f"{where}: {shown!r} is not the name of an artifact version: {why}; names are {GRAMMAR}")
