"""What a server says of itself: the question, its answer as attrs classes that cattrs structures, and what is made of
it."""

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
    """What a server says of itself. ``version`` is its own text or None, ``features`` the names of those that are
    enabled, ``lacking`` the fields of ``schema/wandb.graphql`` that it does not have (as far as that is known),
    ``viewer`` the user name of who asks or None."""

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
    """The answer to :data:`QUESTION`; everything in it may be null."""

    viewer: _Viewer = attrs.field(factory=_Viewer)
    about: _About = attrs.field(factory=_About, alias="serverInfo")

    def info(self, lacking: frozenset[str]) -> ServerInfo:
        """The same, with the fields that the server lacks."""
        features = frozenset(feature.name for feature in self.about.features if feature is not None and feature.enabled)
        return ServerInfo(
            version=self.about.version.newest or None,
            features=features,
            lacking=lacking,
            viewer=self.viewer.username,
        )


def read_answer(data: Any, place: str) -> Answer:
    """The data of an answer. Raises :class:`~wbmodel.errors.ServerError`, which names ``place`` and the path, where it
    has another shape."""
    from wbmodel.structuring import lenient

    return lenient({} if data is None else data, Answer, f"what {place} says of itself cannot be read", (), ServerError)
