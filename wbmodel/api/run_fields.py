"""The fields of a run, as attributes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from wbmodel.api.attrs import OfProject, as_text
from wbmodel.entities.run import Run as RunEntity
from wbmodel.errors import warn

__all__ = ["RunFields"]


class RunFields(OfProject[RunEntity]):
    """What :class:`~wbmodel.api.runs.Run` shows of its run: where it is, and plain fields."""

    _id: str | None = None

    # -- where it is --

    @property
    def username(self) -> str:
        """Deprecated: the entity."""
        warn("Run.username is deprecated; use Run.entity", DeprecationWarning)
        return self.entity

    @property
    def path(self) -> list[str]:
        """``[entity, project, id]``, each quoted for a URL."""
        return [quote(part, safe="") for part in (self.entity, self.project, self.id)]

    @property
    def url(self) -> str | None:
        """The address of its page; None on a backend without web pages."""
        return self.model.url

    @property
    def storage_id(self) -> str:
        """The GraphQL id."""
        return self.model.node_id

    # -- fields --

    @property
    def id(self) -> str:
        """The short id. Setting it changes this object only."""
        return self.model.id if self._id is None else self._id

    @id.setter  # noqa: A003
    def id(self, value: str) -> None:
        self._id = value

    @property
    def name(self) -> str:
        """The display name; ``update()`` sends a new one."""
        found: str = self._read("name")
        return found

    @name.setter
    def name(self, value: str) -> None:
        self.model.name = value

    display_name = name

    @property
    def state(self) -> str:
        """``running``, ``finished``, ``crashed`` ..."""
        found: str = self._read("state")
        return found

    @property
    def tags(self) -> list[str]:
        """The tags; a list to edit in place, or to set."""
        found: list[str] = self._read("tags")
        return found

    @tags.setter
    def tags(self, value: list[str]) -> None:
        self.model.tags = list(value)

    @property
    def notes(self) -> str | None:
        """The notes."""
        found: str | None = self._read("notes")
        return found

    @notes.setter
    def notes(self, value: str | None) -> None:
        self.model.notes = value

    @property
    def description(self) -> str | None:
        """The description."""
        found: str | None = self._read("description")
        return found

    @description.setter
    def description(self, value: str | None) -> None:
        self.model.description = value

    @property
    def group(self) -> str | None:
        """The group."""
        found: str | None = self._read("group")
        return found

    @group.setter
    def group(self, value: str | None) -> None:
        self.model.group = value

    @property
    def job_type(self) -> str | None:
        """The kind of job."""
        found: str | None = self._read("job_type")
        return found

    @job_type.setter
    def job_type(self, value: str | None) -> None:
        self.model.job_type = value

    @property
    def created_at(self) -> str:
        """When it started, as the server's text."""
        found: str = as_text(self._read("created_at"))
        return found

    @property
    def heartbeat_at(self) -> str | None:
        """When it last sent a heartbeat, as the server's text."""
        found: str | None = as_text(self._read("heartbeat_at"))
        return found

    @property
    def commit(self) -> str | None:
        """The Git commit of the code."""
        found: str | None = self._read("commit")
        return found

    @property
    def history_keys(self) -> dict[str, Any] | None:
        """Which keys its history has, and its last step."""
        found: dict[str, Any] | None = self._read("history_keys")
        return found
