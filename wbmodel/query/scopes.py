"""Scopes select where a query looks: a project, entity, run, artifact or collection. They are not filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wbmodel.errors import FieldError
from wbmodel.meta import EntityMeta
from wbmodel.meta.scopes import ENTITY, PARTS, PROJECT, RUN, SCOPE_KINDS

__all__ = ["Scopes", "at_home", "narrow", "scope_values", "split_project", "split_run"]

Scopes = dict[str, tuple[Any, ...]]


def scope_values(kind: str, value: Any, where: str) -> tuple[Any, ...]:
    """One scope value in normal form (text), as a tuple of one. Raises :class:`FieldError` if it is invalid."""
    if isinstance(value, str):
        text = value.strip() if kind == ENTITY else value.strip().strip("/")
    else:
        text = _of_object(kind, value) or ""
        if not text:
            raise FieldError(f"{where}: takes {SCOPE_KINDS[kind]}, not {value!r}")
    if not text:
        raise FieldError(f"{where}: the value is empty; it takes {SCOPE_KINDS[kind]}")
    if kind == PROJECT:
        split_project(text, where)
    elif kind == RUN:
        split_run(text, where)
    elif kind == ENTITY and "/" in text:
        raise FieldError(f"{where}: {text!r} is not an entity; for a project use project={text!r}")
    return (text,)


def _of_object(kind: str, value: Any) -> str | None:
    meta: EntityMeta | None = getattr(type(value), "__wbmodel_meta__", None)
    attribute = None if meta is None else meta.options.scope_value.get(kind)
    found = getattr(value, attribute) if attribute else None
    return found if isinstance(found, str) else None


def at_home(meta: EntityMeta, path: str) -> dict[str, str]:
    """The scope, as keywords for ``Q``, of the place of a row with this path, or of this project."""
    return {} if meta.home is None else {meta.home: "/".join(path.split("/")[: len(PARTS[meta.home])])}


def split_project(text: str, where: str = PROJECT) -> tuple[str | None, str]:
    """``"entity/project"`` or ``"project"`` as (entity or None, project)."""
    parts = text.split("/")
    if len(parts) > 2 or not all(parts):
        raise FieldError(f"{where}: {text!r} is not a project; write entity/project, or project alone")
    return (parts[0], parts[1]) if len(parts) == 2 else (None, parts[0])


def split_run(text: str, where: str = RUN) -> tuple[str | None, str | None, str]:
    """``"entity/project/id"`` as (entity, project, id).

    ``"entity/project/runs/id"``, ``"project/id"`` and ``"id"`` work too; missing parts are None.
    """
    parts = text.split("/")
    if len(parts) == 4 and parts[2] == "runs":
        del parts[2]
    if len(parts) > 3 or not all(parts):
        raise FieldError(f"{where}: {text!r} is not a run; write entity/project/run_id")
    padded = [None] * (3 - len(parts)) + list(parts)
    return padded[0], padded[1], parts[-1]


def narrow(scopes: Scopes, kinds: Mapping[str, str], name: str, values: tuple[Any, ...]) -> None:
    """Narrow the scope ``name`` to its intersection with ``values``.

    ``"vision"`` and ``"acme/vision"`` may be the same project, so their intersection is the longer spelling.
    """
    known = scopes.get(name)
    if known is None:
        scopes[name] = values
    elif kinds[name] == PROJECT:
        met = (_same_project(one, other) for one in known for other in values)
        scopes[name] = tuple(dict.fromkeys(found for found in met if found is not None))
    else:
        scopes[name] = tuple(item for item in known if item in values)


def _same_project(one: str, other: str) -> str | None:
    (owner, name), (other_owner, other_name) = split_project(one), split_project(other)
    if name != other_name or (owner and other_owner and owner != other_owner):
        return None
    return one if owner else other
