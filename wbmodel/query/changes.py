"""The changes that ``update()`` makes to each row: ``tags=Add("good")``, ``config__lr=0.1``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from wbmodel.errors import FieldError
from wbmodel.json_values import plain
from wbmodel.meta import EntityMeta, FieldMeta, Kind
from wbmodel.meta.json_fields import HOUSEKEEPING
from wbmodel.query.f import PathExpr
from wbmodel.query.lookups import find_lookup
from wbmodel.query.paths import Path, resolve_path
from wbmodel.query.q import Q

__all__ = ["Add", "Change", "Remove", "Set", "Unset", "accepted", "resolve_changes"]


class _Texts:
    """Texts to change in a list of text."""

    __slots__ = ("texts",)

    def __init__(self, *texts: str) -> None:
        name = type(self).__name__
        for item in texts:
            if not isinstance(item, str):
                raise FieldError(f"{name}() takes text, as in {name}('good', 'new'), not {item!r}")
        if not texts:
            raise FieldError(f"{name}() needs a text to {name.lower()}; write {name}('good')")
        self.texts = tuple(dict.fromkeys(texts))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and bool(other.texts == self.texts)

    def __hash__(self) -> int:
        return hash((type(self), self.texts))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.texts))})"


class Add(_Texts):
    """In ``update(tags=Add("good"))``: add these tags after the ones a row already has."""

    __slots__ = ()


class Remove(_Texts):
    """In ``update(tags=Remove("bad"))``: remove these tags. A row without them is not changed."""

    __slots__ = ()


class Set:
    """In ``update(summary=Set({"best": 1}))``: replace the whole config or summary of each row.

    For other fields ``Set(value)`` is the same as ``value``.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Set({self.value!r})"


class Unset:
    """In ``update(config__lr=Unset())``: remove this key. A row without it is not changed."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unset)

    def __hash__(self) -> int:
        return hash(Unset)

    def __repr__(self) -> str:
        return "Unset()"


def accepted(meta: EntityMeta, field: FieldMeta, value: Any) -> Any:
    """Check a value for a whole field, as far as possible without a request. Raises :class:`FieldError`."""
    name, kind = f"{meta.name}.{field.name}", field.kind
    if isinstance(value, (PathExpr, Q)):
        raise FieldError(f"{name} takes a value, not {value}: each row has its own, so set it in a loop and save()")
    if kind is Kind.TEXT:
        if value is not None and not isinstance(value, str):
            raise FieldError(f"{name} takes text or None, not {value!r:.80}")
        return value or None
    if kind is Kind.TEXTS:
        if isinstance(value, (str, bytes)) or not isinstance(value, (list, tuple, set, frozenset)):
            hint = f"; write [{value!r}]" if isinstance(value, str) else ""
            raise FieldError(f"{name} takes a list of text, not {value!r:.80}{hint}")
        texts = list(value) if isinstance(value, (list, tuple)) else sorted(value, key=str)
        for item in texts:
            if not isinstance(item, str):
                raise FieldError(f"{name} takes a list of text, but {item!r:.80} is not text")
        return value if isinstance(value, list) else texts
    if not isinstance(value, dict):
        hint = "; write {} to clear it" if value is None else ""
        raise FieldError(f"{name} takes a dict, not {value!r:.80}{hint}")
    return value


@attrs.frozen(slots=True)
class Change:
    """One resolved change: to a whole field, or to the key inside it that ``path`` names."""

    path: Path
    act: Add | Remove | Set | Unset

    @property
    def field(self) -> FieldMeta:
        """The field that it changes."""
        return self.path.field

    def __str__(self) -> str:
        act = self.act
        return f"{self.path.dotted}={act.value!r}" if isinstance(act, Set) else f"{self.path.dotted}={act}"

    def apply(self, now: Any) -> Any:
        """The new value of a field that holds ``now``, which is not modified.

        Raises :class:`FieldError` if the path goes through a value that has no keys.
        """
        act = self.act
        if isinstance(act, Add):
            return list(dict.fromkeys((*now, *act.texts)))
        if isinstance(act, Remove):
            return [item for item in now if item not in act.texts]
        if not self.path.keys:
            assert isinstance(act, Set)
            return act.value
        made = at = dict(now)
        *way, last = self.path.keys
        for depth, key in enumerate(way):
            inner = at.get(key)
            if inner is None and isinstance(act, Unset):
                return now
            if inner is not None and not isinstance(inner, dict):
                passed = ".".join([self.field.name, *self.path.keys[: depth + 1]])
                raise FieldError(f"{self.path.dotted} goes through {passed}, which is {inner!r:.80} and has no keys")
            at[key] = inner = dict(inner or {})
            at = inner
        if isinstance(act, Unset):
            at.pop(last, None)
        else:
            at[last] = act.value
        return made


def resolve_changes(meta: EntityMeta, *given: Mapping[Any, Any], call: str = "update()") -> tuple[Change, ...]:
    """Resolve mappings of paths to values to changes; ``call`` names the caller in messages.

    Raises :class:`FieldError` for an unknown or read-only field, an invalid value, and two changes to the same path.
    """
    made: list[Change] = []
    for mapping in given:
        for spelling, value in mapping.items():
            path = _path(meta, spelling, call)
            if any(_overlap(path, other.path) for other in made):
                raise FieldError(f"{call}: {path.dotted} is changed twice; give it once")
            made.append(Change(path, _act(meta, path, value, call)))
    if not made:
        raise FieldError(f"{call} needs a change; write update(group='x') or update(tags=Add('good'))")
    return tuple(made)


def _path(meta: EntityMeta, spelling: Any, call: str) -> Path:
    if not isinstance(spelling, (str, PathExpr)):
        raise FieldError(f"{call} takes fields named by text or F paths, not {spelling!r}")
    head = spelling.field if isinstance(spelling, PathExpr) else spelling.partition(".")[0]
    if isinstance(spelling, str) and meta.find(head) is None:
        head = head.partition("__")[0]
    field = meta.editable(head, "updated")
    path = resolve_path(meta, spelling)
    if isinstance(spelling, str) and len(path.keys) > 1 and "." not in spelling and find_lookup(path.keys[-1]):
        raise FieldError(
            f"{call}: {spelling}=... sets a value, but {path.keys[-1]!r} is a lookup; for a key that is really "
            f"called that, write {{F.{field.name}{''.join(f'[{key!r}]' for key in path.keys)}: ...}}"
        )
    if field.kind is Kind.CONFIG and any(key in HOUSEKEEPING for key in path.keys[:1]):
        raise FieldError(f"{call}: {path.dotted} is reserved for W&B and cannot be changed")
    return path


def _overlap(one: Path, other: Path) -> bool:
    shorter = min(len(one.keys), len(other.keys))
    return one.field is other.field and one.keys[:shorter] == other.keys[:shorter]


def _act(meta: EntityMeta, path: Path, value: Any, call: str) -> Add | Remove | Set | Unset:
    field, name = path.field, f"{meta.name}.{path.dotted}"
    if isinstance(value, type) and issubclass(value, (Add, Remove, Set, Unset)):
        raise FieldError(f"{name}={value.__name__} is missing its parentheses: write {value.__name__}(...)")
    if isinstance(value, (Add, Remove)):
        if field.kind is not Kind.TEXTS:
            raise FieldError(f"{name} does not take {type(value).__name__}(), which is for lists of text such as tags")
        return value
    if isinstance(value, Unset):
        if not path.keys:
            clear = {Kind.TEXT: "None", Kind.TEXTS: "[]"}.get(field.kind, "Set({})")
            raise FieldError(f"{name} is a whole field and cannot be unset; {field.name}={clear} clears it")
        return value
    whole = isinstance(value, Set)
    value = value.value if isinstance(value, Set) else value
    if isinstance(value, (PathExpr, Q)):
        raise FieldError(f"{name} takes a value, not {value}: each row has its own, so set it in a loop and save()")
    if path.keys:
        return Set(plain(value, name))
    value = accepted(meta, field, value)
    if field.kind.is_keyed:
        if not whole:
            raise FieldError(
                f"{call}: {field.name}={{...}} would replace the whole {field.name} of each row; write "
                f"{field.name}__key=value to set one key, or {field.name}=Set({{...}}) to replace it all"
            )
        value = plain(value, name)
    return Set(list(value) if isinstance(value, list) else value)
