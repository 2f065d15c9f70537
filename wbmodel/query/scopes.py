"""Scopes select where a query looks: a project, entity, run, artifact or collection. They are not filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from wbmodel.errors import FieldError
from wbmodel.meta import EntityMeta
from wbmodel.meta.scopes import ENTITY, INSIDE, MEMBER, PARTS, PROJECT, SCOPE_KINDS, VERSION
from wbmodel.query.artifact_names import ByClient, ById, ByName, parse

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "OfPage",
    "Scopes",
    "at_home",
    "id_named",
    "marked",
    "narrow",
    "scope_values",
    "split_inside",
    "split_project",
]

Scopes = dict[str, tuple[Any, ...]]
_WEB = ("https://", "http://")


class OfPage(str):
    """What the URL of a page names, with that URL: only a session of the page's own server has it."""

    __slots__ = ("page",)

    page: str

    def __new__(cls, text: str, page: str) -> Self:
        """``text`` as it was read in the URL ``page``."""
        made = super().__new__(cls, text)
        made.page = page
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return OfPage, (str(self), self.page)


def marked(text: str, given: str) -> str:
    """``text``, which was read in ``given``, marked where that is the URL of a page."""
    return OfPage(text, given) if given.startswith(_WEB) else text


def scope_values(kind: str, value: Any, where: str) -> tuple[Any, ...]:
    """One scope value in normal form (text), as a tuple of one. Raises :class:`FieldError` if it is invalid."""
    if isinstance(value, str):
        text = value.strip() if kind == ENTITY else value.strip().strip("/")
    else:
        text = _of_object(kind, value) or ""
        if not text:
            raise FieldError(f"{where}: takes {SCOPE_KINDS[kind]}, not {value!r}")
    given = text
    if not text:
        raise FieldError(f"{where}: the value is empty; it takes {SCOPE_KINDS[kind]}")
    if kind == PROJECT:
        text = "/".join(filter(None, split_project(text, where)))
    elif kind in INSIDE:
        text = "/".join(filter(None, split_inside(kind, text, where)))
    elif kind == MEMBER and "/" in text:
        raise FieldError(f"{where}: {text!r} is a path; write path={text!r}, or the name without entity and project")
    elif kind == MEMBER:
        text = _named(text, where).name
    elif kind == ENTITY and "/" in text:
        raise FieldError(f"{where}: {text!r} is not an entity; for a project use project={text!r}")
    return (marked(text, given),)


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
    parts = _of_page(text, None) or text.split("/")
    if len(parts) > 2 or not all(parts):
        raise FieldError(f"{where}: {text!r} is not a project; write entity/project, or project alone")
    return (parts[0], parts[1]) if len(parts) == 2 else (None, parts[0])


def split_inside(kind: str, text: str, where: str) -> tuple[str | None, str | None, str]:
    """``"entity/project/id"`` as (entity, project, id), for a run, sweep or artifact version.

    ``"entity/project/runs/id"``, ``"project/id"``, ``"id"`` and the URL of a page work too; missing parts are None.
    """
    _, word, example = INSIDE[kind]
    parts = _of_page(text, word)
    if kind == VERSION and (not parts or all(parts)):
        named = _named("/".join(parts) or text, where)
        return named.entity, named.project, named.name
    parts = parts or text.split("/")
    if len(parts) == 4 and parts[2] == word:
        del parts[2]
    if len(parts) > 3 or not all(parts):
        raise FieldError(f"{where}: {text!r} is not a {kind}; write {example}")
    padded = [None] * (3 - len(parts)) + list(parts)
    return padded[0], padded[1], parts[-1]


def id_named(kind: str, value: Any, where: str) -> str | None:
    """The node id, if the value of a scope names a version by it."""
    if kind != VERSION or not isinstance(value, str) or value.strip().startswith(_WEB):
        return None
    found = parse(value, where)
    return found.node_id if isinstance(found, ById) else None


def _named(text: str, where: str) -> ByName:
    found = parse(text, where)
    if isinstance(found, ByClient):
        raise FieldError(
            f"{where}: {text!r} names a version by the id that its client gave it, and no query finds it by that; "
            "take it from the run that logged it: run.logged_artifacts"
        )
    if isinstance(found, ById):
        raise FieldError(f"{where}: {text!r} is an id, not a name; write node_id={found.node_id!r}")
    return found


def _of_page(text: str, word: str | None) -> list[str]:
    """The parts of the path that the URL of a page in the web app names; empty for other text.

    The page of an artifact version is ``.../artifacts/TYPE/COLLECTION/v3``.
    """
    if not text.startswith(_WEB):
        return []
    try:
        parts = [unquote(part) for part in urlsplit(text).path.split("/") if part]
    except ValueError:
        return [""]
    if word is None:
        return parts[:2] if len(parts) > 1 else [""]
    at = parts.index(word) if word in parts[2:] else 0
    name = parts[at + 2 : at + 4] if word == "artifacts" else parts[at + 1 : at + 2]
    return [*parts[at - 2 : at], ":".join(name)] if at >= 2 else [""]


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
