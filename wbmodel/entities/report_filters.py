"""Reports' own filters and orders, translated to conditions and order keys."""

from __future__ import annotations

from typing import Any

from wbmodel.entities.report_spec import Filter, Key, RunSet, Sort
from wbmodel.errors import FieldError
from wbmodel.query.f import PathExpr
from wbmodel.query.q import Q

__all__ = ["run_set_query"]

_RUN_FIELDS = {
    "name": "id",
    "displayName": "name",
    "state": "state",
    "createdAt": "created_at",
    "heartbeatAt": "heartbeat_at",
    "updatedAt": "heartbeat_at",
    "group": "group",
    "jobType": "job_type",
    "notes": "notes",
    "description": "description",
    "commit": "commit",
    "sweep": "sweep",
    "sweepName": "sweep",
    "username": "user",
}
_LOOKUPS = {
    "=": "exact",
    "==": "exact",
    "!=": "ne",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
    "IN": "in",
    "NIN": "nin",
    "REGEX": "regex",
}
_DATES = frozenset({"created_at", "heartbeat_at"})


def run_set_query(chosen: RunSet, only_selected: bool, path: str) -> tuple[Q, list[PathExpr]]:
    """A run set as a condition and order keys. Raises :class:`FieldError` for what cannot be translated."""
    condition = _condition(chosen.filters, path)
    selections = chosen.selections
    if only_selected and selections is not None:
        named = [item for item in selections.tree if isinstance(item, str)]
        picked = Q(id__in=named)
        if selections.root == 1:
            condition = condition & ~picked if named else condition
        else:
            condition = condition & picked
    return condition, _order(chosen.sort, path)


def _order(sort: Sort, path: str) -> list[PathExpr]:
    order = []
    for item in [sort] if sort.keys is None else sort.keys:
        if item.key is not None:
            target = _path(item.key, path)
            order.append(target.asc() if item.ascending else target.desc())
    return order


def _condition(node: Filter, path: str) -> Q:
    if node.filters is None:
        return _term(node, path)
    joined = Q()
    for part in [_condition(item, path) for item in node.filters]:
        if (node.op or "AND").upper() == "OR":
            joined = joined | part if joined else part
        else:
            joined = joined & part
    return joined


def _term(node: Filter, path: str) -> Q:
    key, op, value = node.key, "=" if node.op is None else node.op, node.value
    if node.disabled or key is None or not key.name:
        return Q()
    if key.section == "tags":
        return _tags(key.name, op, value, path)
    lookup = _LOOKUPS.get(op.upper())
    if lookup is None:
        raise FieldError(
            f"{path}: the report's filter uses {op!r}, which is not known; known are {', '.join(_LOOKUPS)}"
        )
    target = _path(key, path)
    if value is None:
        # The editor writes an unfinished condition so; only "is" and "is not" mean something without a value.
        return target.isnull(lookup == "exact") if lookup in ("exact", "ne") else Q()
    if target.field in _DATES and lookup in ("exact", "ne"):
        return target.date(str(value)[:10]) if lookup == "exact" else ~target.date(str(value)[:10])
    return target.lookup(lookup, value)


def _tags(name: str, op: str, value: Any, path: str) -> Q:
    tags = PathExpr("tags")
    if op.upper() == "IN" and isinstance(value, list):
        return tags.in_(value)
    if op.upper() == "NIN" and isinstance(value, list):
        return tags.nin(value)
    if op in ("=", "==", "!="):
        wanted = (value is not False) == (op != "!=")
        return tags.contains(name) if wanted else ~tags.contains(name)
    raise FieldError(f"{path}: the report's filter asks for tags with {op!r}; known are =, !=, IN and NIN")


def _path(key: Key, path: str) -> PathExpr:
    section, name = key.section, str(key.name)
    if section == "run":
        field = _RUN_FIELDS.get(name)
        if field is None:
            raise FieldError(
                f"{path}: the report uses the run field {name!r}, which is not known; known are "
                f"{', '.join(_RUN_FIELDS)}"
            )
        return PathExpr(field)
    parts = tuple(name.split("."))
    if section == "config":
        if len(parts) > 1 and parts[1] == "value":
            parts = (parts[0], *parts[2:])
        return PathExpr("config", parts)
    if section == "summary":
        return PathExpr("summary", parts)
    raise FieldError(f"{path}: the report uses the section {section!r}, which runs do not have")
