"""What a server reports about itself: the request, its response as attrs classes for cattrs, and the result."""

from __future__ import annotations

from typing import Any

import attrs

from wbmodel.errors import ServerError
from wbmodel.request import Request

__all__ = ["QUESTION", "Answer", "ServerInfo", "read_answer"]

QUESTION = Request(
    "query ServerInfo { viewer { username } serverInfo { cliVersionInfo features { name isEnabled } } }",
    {},
    "ServerInfo",
)


@attrs.frozen(slots=True, kw_only=True)
class ServerInfo:
    """What a server reports about itself. ``version`` is the server's own text or None, ``features`` are the names of
    the enabled features, ``lacking`` are the fields and arguments of ``schema/wandb.graphql`` that the server is known
    to lack (``"Run.readOnly"``, ``"Run.config(keys:)"``), ``viewer`` is the session's user name or None."""

    version: str | None
    features: frozenset[str]
    lacking: frozenset[str]
    viewer: str | None


@attrs.frozen
class _Feature:
    name: str = ""
    enabled: bool = attrs.field(default=False, alias="isEnabled")


@attrs.frozen
class _Version:
    newest: str | None = attrs.field(default=None, alias="max_cli_version")


@attrs.frozen
class _About:
    version: _Version = attrs.field(factory=_Version, alias="cliVersionInfo")
    features: list[_Feature | None] = attrs.field(factory=list)


@attrs.frozen
class _Viewer:
    username: str | None = None


@attrs.frozen
class Answer:
    """The response to :data:`QUESTION`, in which every value may be null."""

    viewer: _Viewer = attrs.field(factory=_Viewer)
    about: _About = attrs.field(factory=_About, alias="serverInfo")

    def info(self, lacking: frozenset[str]) -> ServerInfo:
        """The result, with the fields that the server lacks."""
        features = frozenset(feature.name for feature in self.about.features if feature is not None and feature.enabled)
        return ServerInfo(
            version=self.about.version.newest or None,
            features=features,
            lacking=lacking,
            viewer=self.viewer.username,
        )


def read_answer(data: Any, place: str) -> Answer:
    """Read the data of a response. Raises :class:`~wbmodel.errors.ServerError`, which names ``place`` and the path, if
    its shape is wrong."""
    from wbmodel.structuring import lenient

    return lenient(
        {} if data is None else data, Answer, f"{place} answered ServerInfo with an unexpected shape", (), ServerError
    )
