"""Codecs, one per kind of field: how a field is read, written, and compared with the value that was read.

W&B stores a config and a summary as one JSON text each. They are written back as whole texts, rebuilt from the text
that was read: unchanged parts keep their spelling, and ``_wandb``, ``desc`` and the like are preserved.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import Any

from wbmodel.codec import dumps, floats_from_tokens, loads, loads_numbers, loads_values, parse_datetime
from wbmodel.errors import FieldError, ValueWarning, warn
from wbmodel.json_values import plain, same

__all__ = [
    "HOUSEKEEPING",
    "Codec",
    "Config",
    "Json",
    "Summary",
    "Text",
    "Texts",
    "Time",
    "Value",
    "Yaml",
    "unwrap_config",
]

HOUSEKEEPING = ("_wandb", "wandb_version")
"""Config keys that W&B itself writes (0.31.0 client, seen)."""


class Codec(ABC):
    """How one kind of field is read and written.

    ``kept`` is the stored form of the value that was read: text, a tuple for a list of text, None for null. ``where``
    names the field in messages; ``input`` is its GraphQL type in a mutation's input.
    """

    input = "JSONString"
    word = "a JSON object"
    """What is stored, in messages."""

    def decode(self, kept: Any) -> Any:
        """Decode to the value. Raises ``ValueError`` or ``TypeError`` if that fails."""
        return kept

    @abstractmethod
    def encode(self, value: Any, kept: Any, where: str) -> Any:
        """Encode for the mutation's input. Raises :class:`~wbmodel.errors.FieldError` if it cannot be written."""

    @abstractmethod
    def changed(self, kept: Any, value: Any, where: str) -> bool:
        """Whether a value differs from the one that was read."""


class Time(Codec):
    """An aware datetime, as RFC 3339 text. Never written."""

    word = "a time"

    def decode(self, kept: Any) -> Any:
        return None if kept is None else parse_datetime(kept)

    def encode(self, value: Any, kept: Any, where: str) -> Any:
        raise FieldError(f"{where} cannot be written")

    def changed(self, kept: Any, value: Any, where: str) -> bool:
        return bool(kept != value)


class Text(Codec):
    """Text, sent as it is. W&B treats null and ``""`` as equal."""

    input = "String"

    def encode(self, value: Any, kept: Any, where: str) -> Any:
        return value or ""

    def changed(self, kept: Any, value: Any, where: str) -> bool:
        return (kept or "") != (value or "")


class Texts(Codec):
    """A list of text, sent as it is. W&B stores each text once."""

    input = "[String!]"

    def decode(self, kept: Any) -> Any:
        return list(kept)

    def encode(self, value: Any, kept: Any, where: str) -> Any:
        return list(dict.fromkeys(value))

    def changed(self, kept: Any, value: Any, where: str) -> bool:
        try:
            return list(dict.fromkeys(value)) != list(dict.fromkeys(kept))
        except TypeError:
            return True  # unhashable, so not text; saving it reports that


class Json(Codec):
    """A dict, as JSON text."""

    def decode(self, kept: Any) -> Any:
        return None if kept is None else _object(loads(_stored(kept)))

    def encode(self, value: Any, kept: Any, where: str) -> Any:
        return _text(plain(value, where), where)

    def changed(self, kept: Any, value: Any, where: str) -> bool:
        try:
            return not same(self._read(kept), self._as_read(plain(value, where)), exact=True)
        except (ValueError, TypeError):
            # A value that cannot be written (saving it says why) differs from any that was read, and so does one that
            # cannot be decoded.
            return True

    def _read(self, kept: Any) -> Any:
        """The value to compare with."""
        return loads(kept) if kept else None

    def _as_read(self, value: Any) -> Any:
        """The value as it would be read back."""
        return value


class Value(Json):
    """Any value, in place on the wire. A copy is handed out, so that changes are found by comparing."""

    def decode(self, kept: Any) -> Any:
        return deepcopy(kept)

    def _read(self, kept: Any) -> Any:
        return kept


class Config(Json):
    """A dict as JSON text, in which each value is wrapped: ``{"lr": {"value": 0.1, "desc": null}}``."""

    def decode(self, kept: Any) -> Any:
        if kept is None or kept == "":
            return {}
        text = _stored(kept)
        try:
            # The usual case: every value is wrapped, and is unwrapped while decoding.
            made = loads_values(text)
        except ValueError:
            return unwrap_config(_object(loads(text)))
        for key in HOUSEKEEPING:
            made.pop(key, None)
        return made

    _read = decode

    def encode(self, value: Any, kept: Any, where: str) -> Any:
        value = plain(value, where)
        for name in HOUSEKEEPING:
            if name in value:
                raise FieldError(f"{where}[{name!r}] is reserved: W&B keeps its own data there; use another key")
        raw = _readable(kept)
        before = unwrap_config(raw)
        made: dict[str, Any] = {}
        for key, item in raw.items():
            if key in HOUSEKEEPING or (key in value and same(before[key], value[key], exact=True)):
                made[key] = item
            elif key in value:
                made[key] = {**(item if _is_wrapped(item) else {}), "value": value[key]}
        made.update((key, {"value": item}) for key, item in value.items() if key not in made)
        return _text(made, where)


class Summary(Json):
    """A dict as JSON text, in which the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"`` stand for floats."""

    def decode(self, kept: Any) -> Any:
        return {} if kept is None or kept == "" else _object(loads_numbers(_stored(kept))) or {}

    def encode(self, value: Any, kept: Any, where: str) -> Any:
        """Encode, keeping the spelling of unchanged values: ``"NaN"`` stays a string; new NaN and Infinity are bare."""
        raw = _readable(kept)
        before = floats_from_tokens(raw)
        made = {}
        for key, item in plain(value, where).items():
            unchanged = key in raw and same(before[key], floats_from_tokens(item), exact=True)
            made[key] = raw[key] if unchanged else item
            token = None if unchanged else _token(item)
            if token is not None:
                warn(
                    f"{where}[{key!r}]: the text {token!r} in a summary stands for a number, and will be read back as "
                    f"float({token!r}); write other text, or the number itself",
                    ValueWarning,
                )
        return _text(made, where)

    def _read(self, kept: Any) -> Any:
        return loads_numbers(kept) if kept else {}

    def _as_read(self, value: Any) -> Any:
        return floats_from_tokens(value)


class Yaml(Json):
    """A dict, as YAML text."""

    input = "String"
    word = "a YAML mapping"

    def decode(self, kept: Any) -> Any:
        import yaml

        try:
            return None if kept is None else _object(yaml.safe_load(_stored(kept)))
        except (yaml.YAMLError, RecursionError) as error:
            raise ValueError(" ".join(str(error).split())) from error

    _read = decode

    def encode(self, value: Any, kept: Any, where: str) -> Any:
        """Encode as YAML that every reader understands alike.

        Text is quoted (so ``"08"`` is not read as octal), and ``1e-05`` is written ``1.0e-05``, which is a number in
        YAML 1.1 too.
        """
        import yaml

        class Quoting(yaml.SafeDumper):
            pass

        def quoted(dumper: Any, text: str) -> Any:
            return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')

        Quoting.add_representer(str, quoted)
        value = plain(value, where)
        try:
            return yaml.dump(value, Dumper=Quoting, sort_keys=False, width=2**30)
        except (yaml.YAMLError, ValueError) as error:
            raise FieldError(f"{where} cannot be written as YAML: {error}") from None


def unwrap_config(raw: Any) -> dict[str, Any]:
    """Unwrap a config: ``{"lr": {"value": 0.1, "desc": null}}`` becomes ``{"lr": 0.1}``.

    W&B's own keys (``_wandb``, ``wandb_version``) are removed; a value that is not wrapped is kept.
    """
    if not isinstance(raw, dict):
        return {}
    return {key: item["value"] if _is_wrapped(item) else item for key, item in raw.items() if key not in HOUSEKEEPING}


def _stored(kept: Any) -> str:
    if not isinstance(kept, str):
        raise ValueError(f"it is {_kind(kept)} and not text")
    return kept


def _object(value: Any) -> dict[str, Any] | None:
    """``value`` if it is a dict or null. Raises ``ValueError`` for anything else, which would be lost if it was read as
    an empty dict and saved."""
    if value is None or isinstance(value, dict):
        return value
    raise ValueError(f"it is {_kind(value)}")


def _kind(value: Any) -> str:
    return {list: "a list", dict: "an object", str: "text", bool: "a boolean"}.get(type(value), "a number")


def _is_wrapped(item: Any) -> bool:
    return isinstance(item, dict) and "value" in item


def _readable(text: str | None) -> dict[str, Any]:
    """Decode a text to a dict; an empty dict if the text is damaged, as nothing of it can be kept."""
    try:
        raw = loads(text) if text else {}
    except (ValueError, TypeError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _token(value: Any) -> str | None:
    """A text inside a value that :func:`floats_from_tokens` takes for a number."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str) and isinstance(floats_from_tokens(item), float):
            return item
        if isinstance(item, (dict, list)):
            stack += item.values() if isinstance(item, dict) else item
    return None


def _text(value: Any, where: str) -> str:
    try:
        text = dumps(value)
    except (ValueError, RecursionError) as error:
        raise FieldError(f"{where} cannot be written as JSON: {error}") from None
    try:
        text.encode()
    except UnicodeEncodeError:
        # Python and JSON allow lone surrogates, UTF-8 does not: write them as escapes.
        import json

        text = json.dumps(value, separators=(",", ":"))
    return text
