"""Resolve names of fields and keys, in both spellings, against an entity.

Dotted: ``"summary.loss"``, ``"-created_at"``, ``'config."a.b"'`` (a quoted part is one literal key, written as a JSON
string). Keyword: ``summary__loss__lt``. After a keyed field, the first part is always a key; the last part may be a
lookup if it is a later one.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from wbmodel.errors import FieldError, nearest, suggestion
from wbmodel.meta import EntityMeta, FieldMeta, Kind, entity_meta
from wbmodel.meta.parts import Wanted
from wbmodel.query.f import PathExpr
from wbmodel.query.lookups import LOOKUPS, find_lookup
from wbmodel.query.spelling import quote_key, split_dotted

__all__ = ["Path", "resolve_expr", "resolve_keyword", "resolve_parts", "resolve_path"]

# Names from other query languages that are not lookups here.
_FOREIGN = {
    "eq": "exact",
    "neq": "ne",
    "ge": "gte",
    "le": "lte",
    "notin": "nin",
    "not_in": "nin",
    "is_null": "isnull",
    "null": "isnull",
    "istartswith": "iregex",
    "iendswith": "iregex",
    "like": "contains",
    "ilike": "icontains",
    "match": "regex",
    "matches": "regex",
    "equal": "exact",
    "equals": "exact",
    "not": "ne",
    "less": "lt",
    "less_than": "lt",
    "lessthan": "lt",
    "greater": "gt",
    "greater_than": "gt",
    "greaterthan": "gt",
    "between": "range",
    "includes": "contains",
}


@attrs.frozen(slots=True)
class Path:
    """A resolved path: the field and literal keys inside it. ``related`` is a field of a to-one relation's target."""

    field: FieldMeta
    keys: tuple[str, ...] = ()
    related: FieldMeta | None = None

    @property
    def leaf(self) -> FieldMeta:
        """The field that holds the value: the related one for ``user.username``."""
        return self.related or self.field

    @property
    def reads(self) -> tuple[Wanted, ...]:
        """What has to be loaded: fields, or a key of one that can be loaded in part."""
        if self.field.in_part and self.keys and _is_askable(self.keys[0]):
            return ((self.field.name, self.keys[0]),)
        return (self.field.name,) if self.field.needs is None else self.field.needs

    @property
    def kind(self) -> Kind:
        """The kind of the leaf field."""
        return self.leaf.kind

    @property
    def dotted(self) -> str:
        """The dotted spelling, with keys quoted where necessary."""
        parts = [self.field.name]
        if self.related is not None:
            parts.append(self.related.name)
        return ".".join([*parts, *(quote_key(key) for key in self.keys)])

    def __str__(self) -> str:
        return self.dotted


def _is_askable(key: str) -> bool:
    """Whether a server can be asked for a key alone. What it does with an empty one is unknown."""
    return bool(key) and key.isprintable()


def _unsigned(text: str) -> list[str]:
    sign, parts = split_dotted(text)
    if sign:
        raise FieldError(f"the path {text!r} has a sign, but only an order key may have one, at its start")
    return parts


def resolve_path(meta: EntityMeta, spelling: str | PathExpr) -> Path:
    """Resolve a path without a lookup, from its dotted or keyword spelling or an ``F`` path."""
    if isinstance(spelling, PathExpr):
        return resolve_expr(meta, spelling)
    parts = _unsigned(spelling)
    if len(parts) == 1 and "__" in parts[0] and meta.find(parts[0]) is None:
        parts = _split_keyword(meta, parts[0])
    return resolve_parts(meta, parts[0], tuple(parts[1:]), spelling)


def resolve_expr(meta: EntityMeta, expr: PathExpr) -> Path:
    """Resolve an ``F`` path, whose keys are literal."""
    return resolve_parts(meta, expr.field, expr.keys, expr)


def resolve_keyword(meta: EntityMeta, keyword: str) -> tuple[Path, str]:
    """The path and the lookup of a keyword such as ``summary__loss__lt``; the lookup defaults to ``exact``."""
    if "." in keyword:
        field, *rest = _unsigned(keyword)
        # `**{"summary.loss__lt": 1}`: the lookup follows the last part of a dotted path.
        *head, last = rest or [""]
        key, cut, lookup = last.rpartition("__")
        if cut and key and find_lookup(lookup):
            return resolve_parts(meta, field, (*head, key), keyword), lookup
        return resolve_parts(meta, field, tuple(rest), keyword), "exact"
    parts = _split_keyword(meta, keyword)
    field, *rest = parts
    found = meta.need(field)
    lookup = "exact"
    if found.kind.is_keyed:
        if len(rest) >= 2:
            lookup = _take_lookup(keyword, rest, guess=True)
    elif found.kind is Kind.REF:
        if len(rest) >= 2 or (rest and find_lookup(rest[-1])):
            lookup = _take_lookup(keyword, rest, guess=False)
    elif rest:
        lookup = _take_lookup(keyword, rest, guess=False)
    return resolve_parts(meta, field, tuple(rest), keyword), lookup


def _split_keyword(meta: EntityMeta, keyword: str) -> list[str]:
    """Split at ``__``. A part may itself start with an underscore (``summary___step`` is the key ``_step``)."""
    parts: list[str] = []
    rest = keyword
    while True:
        lead = len(rest) - len(rest.lstrip("_"))
        cut = rest.find("__", lead)
        if cut < 0 or cut + 2 >= len(rest):
            parts.append(rest)
            return parts
        parts.append(rest[:cut])
        rest = rest[cut + 2 :]


def _take_lookup(keyword: str, rest: list[str], *, guess: bool) -> str:
    """Remove the lookup from the end of ``rest`` and return it.

    With ``guess``, an unknown name is a key, unless it looks like a misspelt lookup.
    """
    last = rest[-1]
    if find_lookup(last):
        return rest.pop()
    near = _FOREIGN.get(last)
    hits = [near] if near in LOOKUPS else [hit for hit in nearest(last, LOOKUPS) if len(last) > 3] if not guess else []
    if guess and near is None:
        # A key may have any name, so only a near match of a longer lookup counts as a typo.
        hits = [hit for hit in nearest(last, LOOKUPS, 1) if len(hit) > 3 and _close(last, hit)]
    if hits:
        hint = f"; for a key that is really called {last!r} write F.field[...][{last!r}]" if guess else ""
        raise FieldError(f"{keyword!r}: unknown lookup {last!r}; did you mean {hits[0]!r}?{hint}")
    if guess:
        return "exact"
    raise FieldError(f"{keyword!r}: unknown lookup {last!r}{suggestion(last, LOOKUPS, 'lookups')}")


def _close(one: str, other: str) -> bool:
    import difflib

    return one != other and difflib.SequenceMatcher(None, one, other).ratio() >= 0.85


def resolve_parts(meta: EntityMeta, name: str, keys: tuple[str, ...], spelling: object) -> Path:
    """Resolve a path from a field name and keys; messages refer to it as ``spelling``."""
    found = meta.need(name)
    if found.kind is Kind.REF:
        assert found.target is not None
        target = entity_meta(found.target)
        if not keys:
            return Path(found)
        related = target.need(keys[0])
        if related.name not in found.identity:
            known: Iterable[str] = found.identity
            raise FieldError(
                f"{spelling!s}: queries can only use these fields of {meta.name}.{found.name}: {', '.join(known)}"
            )
        if len(keys) > 1:
            raise FieldError(f"{spelling!s}: {target.name}.{related.name} has no keys inside it")
        return Path(found, (), related)
    if keys and not found.kind.is_keyed:
        raise FieldError(f"{spelling!s}: {meta.name}.{found.name} is {found.kind.value} and has no keys inside it")
    return Path(found, keys)
