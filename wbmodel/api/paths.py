"""The paths that ``wandb.Api`` takes: ``entity/project``, ``entity/project/run_id`` and the other spellings."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from wbmodel.api.client import Client

__all__ = ["UNCATEGORIZED", "artifact_path", "project_path", "run_path"]

UNCATEGORIZED = "uncategorized"
"""The project of what is made without one."""


def project_path(client: Client, path: str | None) -> tuple[str | None, str]:
    """Entity (None: the default one) and project of ``"entity/project"``, ``"project"`` or nothing.

    Raises ``ValueError`` for another shape, or if no project is named anywhere.
    """
    _text(path)
    parts = _parts(path)
    if len(parts) > 2 or not all(parts):
        raise ValueError(f"Invalid project path: {path!r}; write entity/project")
    if not parts:
        if not client.project:
            raise ValueError('no project is named: pass "entity/project", or set WANDB_PROJECT')
        return client.entity, client.project
    return (parts[0], parts[1]) if len(parts) == 2 else (client.entity, parts[0])


def run_path(client: Client, path: str | None, word: str = "runs") -> tuple[str | None, str, str]:
    """Entity (None: the default one), project and id of a run, or with ``word`` ``"sweeps"`` of a sweep.

    ``entity/project/id``, ``entity/project/runs/id``, ``project/id``, ``id``, ``entity/project:id`` and the URL of its
    page. Raises ``ValueError`` for another shape, or if no project is named anywhere.
    """
    _text(path)
    parts = _parts(path)
    if len(parts) == 4 and parts[2] in (word, "runs", "sweeps"):
        del parts[2]
    if parts and ":" in parts[-1]:
        # docker images: entity/project:id
        head, _, last = parts[-1].partition(":")
        parts[-1:] = [head, last]
    if not 0 < len(parts) <= 3 or not all(parts):
        raise ValueError(f"Invalid path: {path!r}; write entity/project/{word[:-1]}_id")
    if len(parts) == 3:
        return parts[0], parts[1], parts[2]
    if len(parts) == 2:
        return client.entity, parts[0], parts[1]
    if not client.project:
        raise ValueError(f"Invalid path: {path!r} (missing project); write entity/project/{parts[0]}")
    return client.entity, client.project, parts[0]


def artifact_path(client: Client, path: str | None) -> tuple[str | None, str, str]:
    """Entity (None: the default one), project and name of ``[entity/][project/]name[:alias]``. An alias may hold a
    slash. Raises ``ValueError`` for another shape."""
    if not path:
        raise ValueError("You must specify name= to fetch an artifact.")
    _text(path)
    head, colon, alias = path.strip().partition(":")
    parts = [part.strip() for part in head.split("/")]
    if len(parts) > 3 or not all(parts) or (colon and not alias):
        raise ValueError(f"Invalid artifact path: {path!r}; write entity/project/name:alias")
    name = parts[-1] + colon + alias
    if len(parts) == 3:
        return parts[0], parts[1], name
    project = parts[0] if len(parts) == 2 else client.project or UNCATEGORIZED
    return client.entity, project, name


def _text(path: object) -> None:
    if path is not None and not isinstance(path, str):
        raise TypeError(f"a path must be text such as entity/project, not {path!r}")


def _parts(path: str | None) -> list[str]:
    text = (path or "").strip().strip("/")
    if text.startswith(("https://", "http://")):
        text = unquote(urlsplit(text).path).strip("/")
    return [part.strip() for part in text.split("/")] if text else []
