"""Reports' own filters, as W&B's editor stores them, translated to conditions.

The shape (from stored report specs of the W&B client's repository): a run set has ``filters`` (groups ``{"op": "OR",
"filters": [...]}`` around conditions ``{"key": {"section", "name"}, "op", "value", "disabled"}``), ``sort`` and
``selections`` (``root`` 1: all runs but those in ``tree``; 0: those in ``tree`` only).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wbmodel.errors import FieldError
from wbmodel.query.f import PathExpr
from wbmodel.query.q import Q

__all__ = ["run_set", "run_set_query", "sections_of"]

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


def sections_of(spec: Any) -> list[dict[str, Any]]:
    """The parts of a report's spec that show runs."""
    if not isinstance(spec, Mapping):
        return []
    if isinstance(spec.get("panelGroups"), list):
        return [item for item in spec["panelGroups"] if isinstance(item, dict)]
    blocks = spec.get("blocks")
    if not isinstance(blocks, list):
        return []
    return [
        dict(item.get("metadata") or {})
        for item in blocks
        if isinstance(item, Mapping) and item.get("type") == "panel-grid"
    ]


def run_set(sections: Sequence[Mapping[str, Any]], section: int | Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """The open run set of a section, given itself or by number."""
    if isinstance(section, int):
        if not 0 <= section < len(sections):
            raise FieldError(f"{path} has {len(sections)} sections that show runs; there is no section {section}")
        section = sections[section]
    sets = section.get("runSets")
    if not isinstance(sets, list) or not sets:
        raise FieldError(f"{path}: this section holds no run set")
    chosen = sets[min(int(section.get("openRunSet") or 0), len(sets) - 1)]
    if not isinstance(chosen, Mapping):
        raise FieldError(f"{path}: the section's run set is {chosen!r}")
    return chosen


def run_set_query(chosen: Mapping[str, Any], only_selected: bool, path: str) -> tuple[Q, list[PathExpr]]:
    """A run set as a condition and order keys. Raises :class:`FieldError` for what cannot be translated."""
    condition = _condition(chosen.get("filters") or {}, path)
    selections = chosen.get("selections")
    if only_selected and isinstance(selections, Mapping):
        named = [item for item in selections.get("tree") or [] if isinstance(item, str)]
        picked = Q(id__in=named)
        if selections.get("root") in (1, True):
            condition = condition & ~picked if named else condition
        else:
            condition = condition & picked
    return condition, _order(chosen.get("sort"), path)


def _order(sort: Any, path: str) -> list[PathExpr]:
    if not isinstance(sort, Mapping):
        return []
    keys = sort.get("keys") if isinstance(sort.get("keys"), list) else [sort]
    order = []
    for item in keys or []:
        key = item.get("key") if isinstance(item, Mapping) else None
        if isinstance(key, Mapping):
            target = _path(key, path)
            order.append(target.asc() if item.get("ascending") else target.desc())
    return order


def _condition(node: Mapping[str, Any], path: str, depth: int = 0) -> Q:
    if depth > 50:
        raise FieldError(f"{path}: the report's filter nests too deeply")
    if "filters" not in node:
        return _term(node, path) if "key" in node else Q()
    parts = [_condition(item, path, depth + 1) for item in node["filters"] or [] if isinstance(item, Mapping)]
    joined = Q()
    for part in parts:
        if str(node.get("op", "AND")).upper() == "OR":
            joined = joined | part if joined else part
        else:
            joined = joined & part
    return joined


def _term(node: Mapping[str, Any], path: str) -> Q:
    key, op, value = node["key"], str(node.get("op", "=")), node.get("value")
    if node.get("disabled") or not isinstance(key, Mapping) or not key.get("name"):
        return Q()
    if key.get("section") == "tags":
        return _tags(str(key["name"]), op, value, path)
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


def _path(key: Mapping[str, Any], path: str) -> PathExpr:
    section, name = key.get("section"), str(key.get("name"))
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
