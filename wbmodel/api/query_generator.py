"""``QueryGenerator``: filters and orders of reports as Mongo filters and order texts, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

__all__ = ["QueryGenerator"]

_SECTIONS = {"config": "config.", "summary": "summary_metrics.", "keys_info": "keys_info.keys.", "tags": "tags."}


class QueryGenerator:
    """Translates what the report editor stores."""

    INDIVIDUAL_OP_TO_MONGO: ClassVar[Mapping[str, str]] = {
        "!=": "$ne",
        ">": "$gt",
        ">=": "$gte",
        "<": "$lt",
        "<=": "$lte",
        "IN": "$in",
        "NIN": "$nin",
        "REGEX": "$regex",
    }
    MONGO_TO_INDIVIDUAL_OP: ClassVar[Mapping[str, str]] = {name: op for op, name in INDIVIDUAL_OP_TO_MONGO.items()}
    GROUP_OP_TO_MONGO: ClassVar[Mapping[str, str]] = {"AND": "$and", "OR": "$or"}
    MONGO_TO_GROUP_OP: ClassVar[Mapping[str, str]] = {name: op for op, name in GROUP_OP_TO_MONGO.items()}

    @classmethod
    def format_order_key(cls, key: str) -> str | None:
        """An order key with its sign (``-`` if it has none), below ``summary_metrics`` unless it names a section; None
        for a field of the run itself."""
        sign, key = (key[0], key[1:]) if key.startswith(("+", "-")) else ("-", key)
        parts = key.split(".")
        if len(parts) == 1:
            return None if parts[0] in ("createdAt", "updatedAt", "name", "sweep") else f"{sign}summary_metrics.{key}"
        return sign + key if parts[0] in ("config", "summary_metrics", "tags") else f"{sign}summary_metrics.{key}"

    def key_to_server_path(self, key: Mapping[str, str]) -> str:
        """``{"section": "summary", "name": "loss"}`` as ``summary_metrics.loss``."""
        if key["section"] == "run":
            return key["name"]
        if key["section"] not in _SECTIONS:
            raise ValueError(f"Invalid key: {dict(key)}")
        return _SECTIONS[key["section"]] + key["name"]

    def server_path_to_key(self, path: str) -> dict[str, str]:
        """The opposite of :meth:`key_to_server_path`."""
        for section, head in _SECTIONS.items():
            if path.startswith(head):
                return {"section": section, "name": path[len(head) :]}
        return {"section": "run", "name": path}

    def keys_to_order(self, keys: Mapping[str, Any]) -> list[str]:
        """The keys that an editor orders by as order texts."""
        return [("+" if key.get("ascending") else "-") + self.key_to_server_path(key["key"]) for key in keys["keys"]]

    def order_to_keys(self, order: Sequence[str]) -> dict[str, Any]:
        """The opposite of :meth:`keys_to_order`. Raises ``ValueError`` for a text without a sign."""
        for text in order:
            if text[:1] not in ("+", "-"):
                raise ValueError(f"an order key begins with + or -, and {text!r} does not")
        return {"keys": [{"key": {"section": "run", "name": text[1:]}, "ascending": text[0] == "+"} for text in order]}

    def filter_to_mongo(self, filter: Mapping[str, Any]) -> Any:
        """A filter of the editor as a Mongo filter; None for a condition that is not finished."""
        if filter.get("filters") is not None:
            parts = [self.filter_to_mongo(item) for item in filter["filters"]]
            return {self.GROUP_OP_TO_MONGO[filter["op"]]: [part for part in parts if part is not None]}
        return self._individual(filter) if filter.get("key") is not None else {}

    def _individual(self, filter: Mapping[str, Any]) -> dict[str, Any] | None:
        key, op, value = filter["key"], filter.get("op", "="), filter.get("value")
        if not key["name"] or filter.get("disabled") or (value is None and op not in ("=", "!=")):
            return None
        if key["section"] == "tags":
            if op == "IN":
                return {"tags": {"$in": value}}
            if value is False:
                return {"$or": [{"tags": None}, {"tags": {"$ne": key["name"]}}]}
            return {"tags": key["name"]}
        return {self.key_to_server_path(key): value if op == "=" else {self.INDIVIDUAL_OP_TO_MONGO[op]: value}}

    def mongo_to_filter(self, filter: Mapping[str, Any]) -> dict[str, Any]:
        """The opposite of :meth:`filter_to_mongo`."""
        made: dict[str, Any] = {}
        for name, value in filter.items():
            if name in self.MONGO_TO_GROUP_OP:
                op = self.MONGO_TO_GROUP_OP[name]
                return {"op": op, "filters": [self.mongo_to_filter(item) for item in value]}
            op = "="
            if isinstance(value, Mapping):
                for mongo, operand in value.items():
                    op, value = self.MONGO_TO_INDIVIDUAL_OP[mongo], operand
            made = {"key": self.server_path_to_key(name), "op": op, "value": value, "disabled": False}
        return made
