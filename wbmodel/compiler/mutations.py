"""Changes -> GraphQL mutations: documents whose variables are what changes and nothing else. Pure.

In an input of W&B, null means "leave as it is" (seen in both clients), so what is cleared is sent as ``""`` or ``[]``.
Config and summary go as whole texts, rebuilt from the text that was read: what did not change keeps its spelling, and
``_wandb``, ``desc`` and the like stay. Inputs stand in the document one by one, each with a variable of its own,
because that is how both clients write them: the names of some input types are in no client's code.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from wbmodel.backend.asks import Document, Request
from wbmodel.codec import dumps, floats_from_tokens, loads, loads_numbers
from wbmodel.compiler.hydrate import HOUSEKEEPING, unwrap_config
from wbmodel.compiler.selection import Tree, node_selection
from wbmodel.errors import FieldError
from wbmodel.json_values import plain, same
from wbmodel.meta import EntityMeta, FieldMeta, Kind, Writes

__all__ = ["changed", "config_text", "deletion", "encode", "summary_text", "upsert", "yaml_text"]

_TYPES = {
    Kind.TEXT: "String",
    Kind.TEXTS: "[String!]",
    Kind.CONFIG: "JSONString",
    Kind.SUMMARY: "JSONString",
    Kind.JSON: "JSONString",
    Kind.YAML: "String",
    Kind.REF: "String",
}

_cache: dict[tuple[Any, ...], Document] = {}
_CACHE_LIMIT = 256
_lock = threading.Lock()


# -- documents -------------------------------------------------------------------------------------


def upsert(
    meta: EntityMeta, inputs: Mapping[str, Any], types: Mapping[str, str], *, fields: tuple[str, ...] = ()
) -> Request:
    """The mutation that makes or changes a node with these inputs (input field -> value, null left out). It answers
    with ``fields`` of the node, or with its id alone. ``types`` are the GraphQL types of inputs that no kind of field
    tells."""
    writes = _writes(meta)
    given = {name: value for name, value in inputs.items() if value is not None}
    tree: Tree = {writes.answer: node_selection(meta, fields) if fields else {"id": {}}}
    if fields and meta.name == "Sweep":
        tree["configValidationWarnings"] = {}
    return _request(writes.upsert, given, {**types, **writes.types}, writes.fixed, tree)


def deletion(meta: EntityMeta, node_id: str, flags: Mapping[str, bool]) -> Request:
    """The mutation that deletes a node. Flags that are false are left out, as both clients do."""
    writes = _writes(meta)
    assert writes.delete is not None
    inputs: dict[str, Any] = {"id": node_id}
    types = {"id": writes.delete_id}
    for name, on in flags.items():
        if on:
            inputs[writes.flags[name]], types[writes.flags[name]] = True, "Boolean"
    tree: Tree = {"success": {}} if writes.confirms else {"clientMutationId": {}}
    return _request(writes.delete, inputs, types, {}, tree)


def input_types(meta: EntityMeta, fields: Mapping[str, FieldMeta]) -> dict[str, str]:
    """The GraphQL types of inputs, from the kinds of the fields that they are for."""
    writes = _writes(meta)
    types = {name: _TYPES[field.kind] for name, field in fields.items()}
    return {"id": "ID", **dict.fromkeys(writes.place.values(), "String"), **types}


def _writes(meta: EntityMeta) -> Writes:
    assert meta.options.writes is not None
    return meta.options.writes


def _request(
    name: str, inputs: Mapping[str, Any], types: Mapping[str, str], fixed: Mapping[str, str], tree: Tree
) -> Request:
    operation = name[0].upper() + name[1:]
    selection = _selection(tree, "    ")
    key = (name, tuple((item, types.get(item, "String")) for item in inputs), selection)
    document = _cache.get(key)
    if document is None:
        variables = ", ".join(f"${item}: {kind}" for item, kind in key[1])
        given = [*(f"{item}: {literal}" for item, literal in fixed.items()), *(f"{item}: ${item}" for item in inputs)]
        text = (
            f"mutation {operation}({variables}) {{\n  {name}(input: {{ {', '.join(given)} }}) {{\n{selection}  }}\n}}"
        )
        with _lock:
            document = _cache.setdefault(key, Document(text))
            while len(_cache) > _CACHE_LIMIT:
                del _cache[next(iter(_cache))]
    return Request(document, dict(inputs), operation)


def _selection(tree: Tree, indent: str) -> str:
    lines = []
    for name, inner in tree.items():
        head = f"{indent}... on {name[3:]}" if name.startswith("...") else f"{indent}{name}"
        lines.append(f"{head} {{\n{_selection(inner, indent + '  ')}{indent}}}\n" if inner else f"{head}\n")
    return "".join(lines)


# -- values ----------------------------------------------------------------------------------------


def encode(meta: EntityMeta, field: FieldMeta, value: Any, kept: Any) -> Any:
    """A field's value as its input takes it. ``kept`` is what was kept of the field when it was read, or None. Raises
    :class:`~wbmodel.errors.FieldError` for what JSON cannot hold."""
    where = f"{meta.name}.{field.name}"
    if field.kind is Kind.TEXT:
        return value or ""
    if field.kind is Kind.TEXTS:
        return list(dict.fromkeys(value))
    value = plain(value, where)
    if field.kind is Kind.CONFIG:
        return config_text(kept, value, where)
    if field.kind is Kind.SUMMARY:
        return summary_text(kept, value, where)
    if field.kind is Kind.YAML:
        return yaml_text(value, where)
    return _text(value, where)


def changed(meta: EntityMeta, field: FieldMeta, kept: Any, value: Any) -> bool:
    """Whether a value differs from what it was read from. Null and ``""`` are the same text to W&B."""
    if field.kind is Kind.TEXT:
        return (kept or "") != (value or "")
    if field.kind is Kind.TEXTS:
        try:
            return list(dict.fromkeys(value)) != list(dict.fromkeys(kept))
        except TypeError:
            return True  # what cannot be hashed is no text, and saving it says so
    try:
        value = plain(value, f"{meta.name}.{field.name}")
        if field.kind is Kind.SUMMARY:
            value = floats_from_tokens(value)  # as it will be read again: the text "NaN" is a number there
        return not same(_decoded(field.kind, kept), value, exact=True)
    except (ValueError, TypeError):
        # What cannot be written is no value that was read (saving it says why), and what cannot be read is another.
        return True


def _decoded(kind: Kind, text: str | None) -> Any:
    if kind is Kind.CONFIG:
        return unwrap_config(loads(text)) if text else {}
    if kind is Kind.SUMMARY:
        return loads_numbers(text) if text else {}
    return loads(text) if text else None


def config_text(text: str | None, value: Mapping[str, Any], where: str = "config") -> str:
    """The text of a config that holds ``value``, made from the text that was read. Values are wrapped as in it."""
    for name in HOUSEKEEPING:
        if name in value:
            raise FieldError(
                f"{where}[{name!r}] is W&B's own part of the config, which is kept as it is; use another key"
            )
    raw = _readable(text)
    before = unwrap_config(raw)
    made: dict[str, Any] = {}
    for key, item in raw.items():
        if key in HOUSEKEEPING:
            made[key] = item
        elif key in value:
            made[key] = item if same(before[key], value[key], exact=True) else _wrapped(item, value[key])
    made.update((key, {"value": item}) for key, item in value.items() if key not in made)
    return _text(made, where)


def _readable(text: str | None) -> dict[str, Any]:
    """The dict of a text; an empty one of a text that is damaged, of which nothing can be kept."""
    try:
        raw = loads(text) if text else {}
    except (ValueError, TypeError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _wrapped(item: Any, value: Any) -> dict[str, Any]:
    return {**item, "value": value} if isinstance(item, dict) and "value" in item else {"value": value}


def summary_text(text: str | None, value: Mapping[str, Any], where: str = "summary") -> str:
    """The text of a summary that holds ``value``. What did not change is written as it was: ``"NaN"`` stays text where
    it was text. New NaN and Infinity are bare tokens."""
    raw = _readable(text)
    before = floats_from_tokens(raw)
    made = {}
    for key, item in value.items():
        unchanged = key in raw and same(before[key], floats_from_tokens(item), exact=True)
        made[key] = raw[key] if unchanged else item
    return _text(made, where)


def yaml_text(value: Any, where: str = "config") -> str:
    """A sweep's definition as YAML that means the same to every reader: text is quoted (``"08"`` is no octal number),
    and ``1e-05`` is written ``1.0e-05``, which YAML 1.1 takes for a number too."""
    import yaml

    class Quoting(yaml.SafeDumper):
        pass

    Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
    try:
        made: str = yaml.dump(value, Dumper=Quoting, sort_keys=False, width=2**30)
    except (yaml.YAMLError, ValueError) as error:
        raise FieldError(f"{where} cannot be written as YAML: {error}") from None
    return made


def _text(value: Any, where: str) -> str:
    try:
        text = dumps(value)
    except (ValueError, RecursionError) as error:
        raise FieldError(f"{where} cannot be written as JSON: {error}") from None
    try:
        text.encode()
    except UnicodeEncodeError:
        # Lone surrogates, which Python and JSON hold and UTF-8 does not: written as escapes.
        import json

        text = json.dumps(value, separators=(",", ":"))
    return text
