"""The JSON Schema and the reference tables of the format, from its classes.

``python -m wbmodel_fixtures.schema`` prints the schema, and with ``reference`` the tables.
"""

from __future__ import annotations

import inspect
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs

from wbmodel.structuring import word_of
from wbmodel_fixtures.format import CLASSES, PARTS, Declared, Keyed

__all__ = ["json_schema", "reference"]

_SCALARS: dict[Any, tuple[dict[str, Any], str]] = {
    str: ({"type": "string"}, "text"),
    bool: ({"type": "boolean"}, "true or false"),
    int: ({"type": "integer"}, "a whole number"),
    datetime: ({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}"}, "a date and time"),
    dict[str, Any]: ({"type": "object"}, "a mapping"),
    Any: ({}, "a value"),
    NoneType: ({"type": "null"}, ""),
}
_NAMED = {"propertyNames": {"minLength": 1}}


def _described(wanted: Any) -> tuple[dict[str, Any], str]:
    """JSON Schema (2020-12) of what may stand in a field, and what the reference calls it."""
    origin, args = get_origin(wanted), get_args(wanted)
    if wanted in _SCALARS:
        return _SCALARS[wanted]
    if origin is None:
        return {"$ref": f"#/$defs/{word_of(wanted)}"}, f"[{word_of(wanted)}](#{word_of(wanted)})"
    if origin is Literal:
        return {"enum": list(args)}, ", ".join(f"`{word}`" for word in args)
    if origin in (Union, UnionType):
        members = [_described(member) for member in args]
        return {"anyOf": [schema for schema, _ in members]}, " or ".join(phrase for _, phrase in members if phrase)
    schema, phrase = _described(args[1] if origin is dict else args[0])
    if origin is Annotated:
        return {**schema, "minLength" if args[0] is str else "minimum": args[1].least}, phrase
    if origin is list:
        return {"type": "array", "items": schema}, f"list of {phrase}"
    if origin is dict:
        return {"type": "object", "additionalProperties": schema, **_NAMED}, f"mapping of names to {phrase}"
    assert origin is Keyed
    cls = args[0]
    one: dict[str, Any] = {**schema, "required": [cls.id_key]}
    if cls.bare:
        one = {"anyOf": [{"type": "string", "minLength": 1}, one]}
        schema = {"anyOf": [schema, {"type": "null"}]}
    either = [{"type": "array", "items": one}, {"type": "object", "additionalProperties": schema, **_NAMED}]
    return {"anyOf": either}, f"list or mapping of {phrase}, by `{cls.id_key}`"


def _fields(cls: type[Declared]) -> tuple[attrs.Attribute[Any], ...]:
    found: tuple[attrs.Attribute[Any], ...] = attrs.fields(cls)
    return found


def _required(field: attrs.Attribute[Any]) -> bool:
    return field.default is attrs.NOTHING


def _definition(cls: type[Declared]) -> dict[str, Any]:
    definition: dict[str, Any] = {
        "description": inspect.getdoc(cls),
        "type": "object",
        "properties": {f.name: {"description": f.metadata["doc"], **_described(f.type)[0]} for f in _fields(cls)},
        "additionalProperties": False,
    }
    required = [field.name for field in _fields(cls) if _required(field)]
    if required:
        definition["required"] = required
    rules: list[dict[str, Any]] = []
    for keys in cls.one_of:
        if cls.required_group:
            rules.append({"oneOf": [{"required": [key]} for key in keys]})
        else:
            rules += [{"not": {"required": [one, two]}} for at, one in enumerate(keys) for two in keys[at + 1 :]]
    for key, names in cls.misplaced.items():
        definition["properties"][key]["propertyNames"] = {"not": {"enum": list(names)}}
    if rules:
        definition["allOf"] = rules
    return definition


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the format; ``#/$defs/project`` and ``#/$defs/runs`` are for parts of a folder."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "wbmodel fixtures world",
        "$ref": "#/$defs/world",
        "$defs": {**{word_of(cls): _definition(cls) for cls in CLASSES}, "runs": _described(PARTS["runs"])[0]},
    }


def reference() -> str:
    """The reference tables of all keys, as Markdown."""
    lines: list[str] = []
    for cls in CLASSES:
        lines += [
            f"### {word_of(cls)}",
            "",
            inspect.getdoc(cls) or "",
            "",
            "| key | value | meaning |",
            "|---|---|---|",
        ]
        for field in _fields(cls):
            word = _described(field.type)[1] + (", required" if _required(field) else "")
            lines.append(f"| `{field.name}` | {word} | {field.metadata['doc']} |")
        lines.append("")
        for keys in cls.one_of:
            names = ", ".join(f"`{key}`" for key in keys)
            lines += [f"{'Exactly' if cls.required_group else 'At most'} one of {names}.", ""]
        for key, ways in cls.misplaced.items():
            lines += [f"Not in `{key}`: `{name}` ({way})." for name, way in ways.items()] + [""]
    return "\n".join(lines)


if __name__ == "__main__":
    import json
    import sys

    if sys.argv[1:] == ["reference"]:
        sys.stdout.write(reference())
    else:
        json.dump(json_schema(), sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
