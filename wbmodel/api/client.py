"""``Api.client``: the settings of an ``Api`` and its session, which is made when something is first asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from wbmodel._version import __version__
from wbmodel.key_hiding import Secret
from wbmodel.session.settings import DEFAULT_SERVER

if TYPE_CHECKING:
    from wbmodel.session.documents import AnyDocument
    from wbmodel.session.session import Session

__all__ = ["Client", "HasClient"]


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text and text.strip() else None
    except ValueError:
        raise ValueError(f"WANDB_HTTP_TIMEOUT must be a number of seconds, not {text!r}") from None


class HasClient(Protocol):
    """An ``Api``, as far as what it makes is concerned."""

    @property
    def client(self) -> Client:
        """Its client."""
        ...


class Client:
    """A way to one server, shared by all objects of an ``Api``. Making one does no I/O.

    It pickles without the API key; unpickled, it takes the key from the environment or netrc.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        entity: str | None = None,
        project: str | None = None,
        timeout: float | None = None,
        api_key: Secret | None = None,
    ) -> None:
        self.base_url = base_url or os.environ.get("WBMODEL_URL") or os.environ.get("WANDB_BASE_URL") or DEFAULT_SERVER
        self.entity = entity
        self.project = project
        self.timeout = timeout if timeout is not None else _seconds(os.environ.get("WANDB_HTTP_TIMEOUT"))
        self._key = api_key
        self._session: Session | None = None
        self._home: str | None = None

    @property
    def session(self) -> Session:
        """The session, made at the first access. It is not the process-wide default."""
        if self._session is None or self._session.closed:
            from wbmodel.session.current import connect

            # One name for each server, so that an Api in a loop does not leave its sessions behind.
            name = f"wbmodel.Api {self.base_url}"
            self._session = connect(self.base_url, api_key=self._key, timeout=self.timeout, name=name, default=False)
        return self._session

    @property
    def default_entity(self) -> str | None:
        """The entity of the settings, else that of the account: one request, then remembered."""
        if self.entity is None and self._home is None:
            viewer = self.execute("query Viewer { viewer { id entity } }").get("viewer")
            self._home = viewer.get("entity") if isinstance(viewer, dict) else None
        return self.entity or self._home

    @property
    def app_url(self) -> str:
        """The address of the web app, with a slash at its end; empty for a backend without one."""
        found = self.session.app_url
        return f"{found}/" if found else ""

    @property
    def user_agent(self) -> str:
        """What the client calls itself."""
        return f"wbmodel/{__version__}"

    def execute(
        self,
        document: AnyDocument,
        variable_values: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
    ) -> dict[str, Any]:
        """Send a GraphQL document (gql's, graphql-core's or text) and return the data of the answer.

        Raises :class:`~wbmodel.errors.ServerError` where the server answers with errors.
        """
        data = self.session.execute(document, variable_values, operation_name).data
        return data if isinstance(data, dict) else {}

    def place(self, entity: str | None, project: str) -> str:
        """The path of a project, with the default entity where none is given."""
        found = entity or self.default_entity
        return f"{found}/{project}" if found else project

    def __getstate__(self) -> dict[str, Any]:
        return {
            "base_url": self.base_url,
            "entity": self.entity,
            "project": self.project,
            "timeout": self.timeout,
            "_key": None,
            "_session": None,
            "_home": self._home,
        }

    def __repr__(self) -> str:
        from wbmodel.urls import mask_url

        return f"<Client {mask_url(self.base_url)}>"
