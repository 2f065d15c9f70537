"""MongoDB filters, as ``wandb.Api`` takes them: ``{"config.lr": {"$lt": 0.1}, "$or": [{"state": "failed"}, ...]}``.

What means something here becomes a condition like any other: names and values are checked, and what a backend cannot
be asked is checked locally. The rest (unknown operators, unknown fields) goes to the server as it is.

The meaning is the server's where the two languages differ: ``{k: None}`` matches null and absent, a date without a zone
is UTC, a date alone is its midnight, a name is looked for in a list of tags, and ``$regex`` is the server's own.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import cache
from typing import Any

from wbmodel.codec import dumps, format_datetime, parse_datetime
from wbmodel.errors import FieldError, QueryError, QueryWarning, nearest, warn
from wbmodel.meta import EntityMeta, FieldMeta, Kind
from wbmodel.meta.scopes import ENTITY, PROJECT
from wbmodel.query.conditions import MAX_DEPTH
from wbmodel.query.f import PathExpr
from wbmodel.query.q import Q, Term, Wire
from wbmodel.query.spelling import split_dotted

__all__ = ["OPERATORS", "condition", "names", "path_of"]

OPERATORS: Mapping[str, str] = {
    "$eq": "equals; null also matches rows that lack the key. A bare value means the same",
    "$ne": 'does not equal; keeps rows that lack the key. `{"$ne": None}` keeps those that have a value',
    "$gt": "is above: numbers with numbers, text with text, dates as moments",
    "$gte": "is at least",
    "$lt": "is below",
    "$lte": "is at most",
    "$in": "is one of a list; on tags: any of them is there",
    "$nin": "is not in a list; keeps rows that lack the key",
    "$exists": "the key is there, even with null; a field such as `group` always is",
    "$regex": "a pattern is found in the text, anywhere; the server reads it (RE2 in W&B's), or Python where none can",
    "$contains": "the text holds a text, or the list an element",
    "$all": "on tags: all of a list are there; an empty list matches nothing",
    "$not": "the opposite of the operators inside",
    "$and": "all of a list of filters match; no filter at all matches everything",
    "$or": "any of a list of filters matches; an empty list matches nothing",
    "$nor": "none of a list of filters matches",
}
"""The operators that are understood, with their meaning."""

_ALIKE = {"$eq": "exact", "$gt": "gt", "$gte": "gte", "$lt": "lt", "$lte": "lte", "$contains": "contains"}
_OPPOSITE = {"$ne": "$eq", "$nin": "$in"}

# A condition, or True for one that every row meets and False for one that no row does.
_Made = Q | bool


def condition(entity: type[Any], filters: Mapping[str, Any] | None) -> Q:
    """A filter document as a condition on rows of an entity, such as ``Run``; None and ``{}`` match everything.

    Raises :class:`~wbmodel.errors.QueryError` (a ``TypeError``) if it is not a dict of such keys and lists as the
    operators take, and :class:`~wbmodel.errors.FieldError` (a ``ValueError``) for a value that a field cannot have, NaN
    among them.
    """
    meta: EntityMeta = entity.__wbmodel_meta__
    made: _Made = True if filters is None else _document(meta, filters, 1)
    if made is True:
        return Q()
    return Q(Term(PathExpr(meta.key), "in", [])) if made is False else made


def names(entity: type[Any]) -> Mapping[str, PathExpr]:
    """The names that a filter on an entity may begin with, and the paths that they mean."""
    meta: EntityMeta = entity.__wbmodel_meta__
    return _roots(meta)


def path_of(entity: type[Any], name: str) -> PathExpr | None:
    """The path that a name in a filter or an order means, ``config.lr.value`` for instance; None for an unknown one."""
    meta: EntityMeta = entity.__wbmodel_meta__
    return _known(meta, name)[0]


def _document(meta: EntityMeta, document: Any, depth: int) -> _Made:
    if depth > MAX_DEPTH:
        raise FieldError(f"the filter is nested more than {MAX_DEPTH} levels deep")
    if not isinstance(document, Mapping):
        raise QueryError(f"a filter is a dict such as {{'state': 'finished'}}, not {document!r:.80}")
    return _all([_entry(meta, key, value, depth) for key, value in document.items()])


def _entry(meta: EntityMeta, key: Any, value: Any, depth: int) -> _Made:
    if not isinstance(key, str):
        raise QueryError(f"the keys of a filter are text, not {key!r:.80}")
    if key == "$not":
        return _opposite(_document(meta, value, depth + 1))
    if key in ("$and", "$or", "$nor"):
        if not isinstance(value, (list, tuple)):
            raise QueryError(f"{key} takes a list of filters, not {value!r:.80}")
        parts = [_document(meta, item, depth + 1) for item in value]
        return _all(parts) if key == "$and" else _any(parts) if key == "$or" else _opposite(_any(parts))
    if key.startswith("$"):
        hint = f"; it belongs under a key: {{'state': {{{key!r}: ...}}}}" if key in OPERATORS else ""
        if hint:
            raise QueryError(f"the filter has {key} where a key, $and, $or, $nor or $not belongs{hint}")
        return _as_it_is({key: value})
    path = _path(meta, key)
    if path is None:
        return _as_it_is({key: value})
    return _terms(meta, key, path, value, depth)


def _terms(meta: EntityMeta, key: str, path: PathExpr, value: Any, depth: int) -> _Made:
    """The condition under one key: a bare value, or operators."""
    if not _is_operators(value):
        return _term(meta, key, path, "$eq", value)
    if any(operator not in OPERATORS for operator in value):
        return _as_it_is({_server_name(meta.need(path.field), path) or key: value})
    parts: list[_Made] = []
    for operator, operand in value.items():
        if operator in ("$and", "$or", "$nor"):
            raise QueryError(f"{operator} joins whole filters and does not belong under {key!r}")
        if operator != "$not":
            parts.append(_term(meta, key, path, operator, operand))
            continue
        if depth > MAX_DEPTH:
            raise FieldError(f"the filter is nested more than {MAX_DEPTH} levels deep")
        parts.append(_opposite(_terms(meta, key, path, operand, depth + 1)))
    return _all(parts)


def _is_operators(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(key, str) and key.startswith("$") for key in value)


def _term(meta: EntityMeta, key: str, path: PathExpr, operator: str, operand: Any) -> _Made:
    """One comparison."""
    _refuse_nan(key, operand)
    if operator in _OPPOSITE:
        return _opposite(_term(meta, key, path, _OPPOSITE[operator], operand))
    field = meta.need(path.field)
    made, name = _condition(field, key, path, operator, operand), _server_name(field, path)
    if made is None:
        return _as_it_is({name or key: operand if operator == "$eq" else {operator: operand}})
    if operator == "$regex" and isinstance(made, Q) and name is not None:
        # The pattern is in the server's dialect, so the server's answer is the right one, where it can be asked.
        return Q(Wire(_text({name: {operator: operand}}), made))
    return made


def _server_name(field: FieldMeta, path: PathExpr) -> str | None:
    """The server's name for a path; None where it has none that every server reads alike."""
    if field.kind is Kind.REF:
        return field.filters.get(path.keys[0])
    awkward = any(not key or "." in key or "\\" in key for key in path.keys)
    if field.filter_path is None or awkward or (field.kind is Kind.CONFIG and "value" in path.keys[1:2]):
        return None
    return ".".join([field.filter_path, *path.keys])


def _condition(field: FieldMeta, key: str, path: PathExpr, operator: str, operand: Any) -> _Made | None:
    """The condition of one operator; None if only the server knows what it means."""
    if field.kind is Kind.TEXTS:
        return _of_list(path, operator, operand)
    if operator == "$exists":
        if operand not in (True, False, 0, 1):
            raise FieldError(f"{key} $exists: takes True or False, not {operand!r:.80}")
        return path.exists(bool(operand)) if field.kind.is_keyed and path.keys else bool(operand)
    if operator == "$regex":
        return path.regex(operand) if _is_ours(operand) else None
    if operator == "$all" or (field.kind.is_keyed and not path.keys):
        return None
    if operator == "$in":
        if not isinstance(operand, (list, tuple, set, frozenset)):
            raise FieldError(f"{key} $in: takes a list of values, not {operand!r:.80}")
        values = [_value(field, item) for item in operand]
        given = path.in_([item for item in values if item is not None])
        return given | path.isnull() if None in values else given
    if operand is None:
        return path.isnull() if operator == "$eq" else None
    return path.lookup(_ALIKE[operator], _value(field, operand))


def _of_list(path: PathExpr, operator: str, operand: Any) -> _Made | None:
    """A condition on tags, of which each is looked at by itself."""
    if operator in ("$eq", "$contains") and isinstance(operand, str):
        return path.contains(operand)
    texts = isinstance(operand, (list, tuple, set)) and all(isinstance(item, str) for item in operand)
    if operator == "$in" and texts:
        return path.in_(list(operand))
    if operator == "$all" and texts:
        return _all([path.contains(item) for item in operand]) if operand else False
    if operator == "$exists" and operand in (True, False):
        return bool(operand)
    return None


def _value(field: FieldMeta, value: Any) -> Any:
    """An operand as lookups take it: a date without a zone is UTC, and one without a time is its midnight."""
    if field.kind is not Kind.TIME:
        return value
    if isinstance(value, str):
        try:
            return parse_datetime(value)
        except ValueError:
            return value  # the lookup says what is wrong with it
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=timezone.utc)
    return value


def _is_ours(pattern: Any) -> bool:
    """Whether Python reads a pattern as RE2 does, as far as its syntax tells."""
    if not isinstance(pattern, str):
        return True  # the lookup says what is wrong with it
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as for [[:alpha:]], which is a class in RE2
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError, Warning):
        return False
    return True


def _refuse_nan(key: str, operand: Any) -> None:
    for item in operand if isinstance(operand, (list, tuple, set)) else (operand,):
        if isinstance(item, float) and math.isnan(item):
            raise FieldError(f"{key}: nothing equals NaN and JSON has none; F.summary[...].isnan() finds it")


def _as_it_is(wire: dict[str, Any]) -> Q:
    return Q(Wire(_text(wire)))


def _text(wire: dict[str, Any]) -> str:
    try:
        return dumps(_plain(wire))
    except (TypeError, ValueError, RecursionError) as error:
        raise FieldError(f"the filter {wire!r:.80} cannot be written as JSON: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return format_datetime(value if value.tzinfo else value.replace(tzinfo=timezone.utc))
    return value


# -- joining ---------------------------------------------------------------------------------------


def _opposite(made: _Made) -> _Made:
    return ~made if isinstance(made, Q) else not made


def _all(parts: Sequence[_Made]) -> _Made:
    if any(part is False for part in parts):
        return False
    kept = [part for part in parts if isinstance(part, Q)]
    return _joined(kept, "AND") if kept else True


def _any(parts: Sequence[_Made]) -> _Made:
    if any(part is True for part in parts):
        return True
    kept = [part for part in parts if isinstance(part, Q)]
    return _joined(kept, "OR") if kept else False


def _joined(parts: list[Q], connector: str) -> Q:
    made = parts[0]
    for part in parts[1:]:
        made = made & part if connector == "AND" else made | part
    return made


# -- names -----------------------------------------------------------------------------------------


def _path(meta: EntityMeta, key: str) -> PathExpr | None:
    """The path that a key means; None for a field that is not known here, with a warning if it looks misspelt."""
    found, root = _known(meta, key)
    hits = nearest(root, _roots(meta)) if found is None and root else ()
    if hits:
        warn(
            f"{key!r} is not a field that wbmodel knows, and is sent as it is; did you mean "
            f"{' or '.join(map(repr, hits))}?",
            QueryWarning,
        )
    return found


def _known(meta: EntityMeta, key: str) -> tuple[PathExpr | None, str]:
    """The path that a key means, if it is known, and the first part of the key.

    ``config.lr.value`` is the server's own spelling of ``config.lr``. A key with a dot in it is quoted:
    ``config."a.b"``.
    """
    roots = _roots(meta)
    if key in roots:
        return roots[key], key
    try:
        sign, parts = split_dotted(key)
    except FieldError:
        return None, ""
    base = None if sign else roots.get(parts[0])
    if base is not None and not base.keys:
        field = meta.need(base.field)
        if field.kind.is_keyed:
            keys = parts[1:]
            if field.kind is Kind.CONFIG and len(keys) > 1 and keys[1] == "value":
                del keys[1]
            return PathExpr(base.field, tuple(keys)), parts[0]
    return None, parts[0]


@cache
def _roots(meta: EntityMeta) -> Mapping[str, PathExpr]:
    """The names that a filter may begin with: the server's, then ours where they mean nothing else to it."""
    found: dict[str, PathExpr] = {}
    for field in meta.fields.values():
        if field.kind is Kind.REF:
            for inner, name in field.filters.items():
                found[name] = PathExpr(field.name, (inner,))
        elif field.filter_path is not None:
            found[field.filter_path] = PathExpr(field.name)
    for field in meta.fields.values():
        if field.kind is Kind.REF:
            if len(field.filters) == 1:
                (inner,) = field.filters
                for name in field.aliases:
                    found.setdefault(name, PathExpr(field.name, (inner,)))
            if field.name == PROJECT:
                # A filter by the place that the rows are in; no server has a name for it.
                for name, inner in zip((ENTITY, PROJECT), field.identity[::-1], strict=True):
                    found.setdefault(name, PathExpr(PROJECT, (inner,)))
            continue
        for name in (field.name, *field.aliases):
            if name != "node_id":
                found.setdefault(name, PathExpr(field.name))
    return found
