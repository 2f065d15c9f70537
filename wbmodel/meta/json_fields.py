"""What a field is on the wire, one codec per kind: how what came is read, written again, and told from what was set.

W&B holds a config and a summary as one JSON text each. They go back as whole texts, rebuilt from the text that was
read: what did not change keeps its spelling, and ``_wandb``, ``desc`` and the like stay.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from wbmodel.codec import dumps, floats_from_tokens, loads, loads_numbers, loads_values
from wbmodel.errors import FieldError
from wbmodel.json_values import plain, same

__all__ = ["HOUSEKEEPING", "Codec", "Config", "Json", "Summary", "Text", "Texts", "Yaml", "unwrap_config"]

HOUSEKEEPING = ("_wandb", "wandb_version")
"""Keys of a config that are W&B's own (0.31.0 client, seen)."""


class Codec(ABC):
    """How one kind of field is read and written. ``kept`` is what was kept of it when it was read: a text, a tuple of a
    list of text, None for null. ``where`` is its name, for messages; ``input`` its GraphQL type in a mutation's input.
    """

    input = "JSONString"

    def decode(self, kept: Any) -> Any:
        """The value. Raises ``ValueError`` or ``TypeError`` where there is none to be read."""
        return kept

    @abstractmethod
    def encode(self, value: Any, kept: Any, where: str) -> Any:
        """The value as its input takes it. Raises :class:`~wbmodel.errors.FieldError` for what cannot be written."""

    @abstractmethod
    def changed(self, kept: Any, value: Any, where: str) -> bool:
        """Whether a value differs from what it was read from."""


class Text(Codec):
    """Text in place. Null and ``""`` are the same text to W&B."""

    input = "String"

    def encode(self, value: Any, kept: Any, where: str) -> Any:
        return value or ""

    def changed(self, kept: Any, value: Any, where: str) -> bool:
        return (kept or "") != (value or "")


class Texts(Codec):
    """A list of text, in place. W&B keeps each text once."""

    input = "[String!]"

    def decode(self, kept: Any) -> Any:
        return list(kept)

    def encode(self, value: Any, kept: Any, where: str) -> Any:
        return list(dict.fromkeys(value))

    def changed(self, kept: Any, value: Any, where: str) -> bool:
        try:
            return list(dict.fromkeys(value)) != list(dict.fromkeys(kept))
        except TypeError:
            return True  # what cannot be hashed is no text, and saving it says so


class Json(Codec):
    """Any value, as JSON text."""

    def decode(self, kept: Any) -> Any:
        return None if kept is None else loads(kept)

    def encode(self, value: Any, kept: Any, where: str) -> Any:
        return _text(plain(value, where), where)

    def changed(self, kept: Any, value: Any, where: str) -> bool:
        try:
            return not same(self._read(kept), self._as_read(plain(value, where)), exact=True)
        except (ValueError, TypeError):
            # What cannot be written is no value that was read (saving it says why), and what cannot be read is another.
            return True

    def _read(self, kept: Any) -> Any:
        """What a value is compared with."""
        return loads(kept) if kept else None

    def _as_read(self, value: Any) -> Any:
        """A value as it will be read again."""
        return value


class Config(Json):
    """A dict as JSON text in which each value is wrapped: ``{"lr": {"value": 0.1, "desc": null}}``."""

    def decode(self, kept: Any) -> Any:
        if not kept:
            return {}
        try:
            # The usual case: every value is wrapped, and is taken out while the text is read.
            made = loads_values(kept)
        except ValueError:
            return unwrap_config(loads(kept))
        for key in HOUSEKEEPING:
            made.pop(key, None)
        return made

    _read = decode

    def encode(self, value: Any, kept: Any, where: str) -> Any:
        value = plain(value, where)
        for name in HOUSEKEEPING:
            if name in value:
                raise FieldError(
                    f"{where}[{name!r}] is W&B's own part of the config, which is kept as it is; use another key"
                )
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
    """A dict as JSON text, in which the texts ``"NaN"``, ``"Infinity"`` and ``"-Infinity"`` stand for floats."""

    def decode(self, kept: Any) -> Any:
        value = self._read(kept)
        return value if isinstance(value, dict) else {}

    def encode(self, value: Any, kept: Any, where: str) -> Any:
        """What did not change is written as it was: ``"NaN"`` stays text where it was text. New NaN and Infinity are
        bare tokens."""
        raw = _readable(kept)
        before = floats_from_tokens(raw)
        made = {}
        for key, item in plain(value, where).items():
            unchanged = key in raw and same(before[key], floats_from_tokens(item), exact=True)
            made[key] = raw[key] if unchanged else item
        return _text(made, where)

    def _read(self, kept: Any) -> Any:
        return loads_numbers(kept) if kept else {}

    def _as_read(self, value: Any) -> Any:
        return floats_from_tokens(value)


class Yaml(Json):
    """Any value, as YAML text."""

    input = "String"

    def decode(self, kept: Any) -> Any:
        import yaml

        try:
            return None if kept is None else yaml.safe_load(kept)
        except yaml.YAMLError as error:
            raise ValueError(" ".join(str(error).split())) from error

    _read = decode

    def encode(self, value: Any, kept: Any, where: str) -> Any:
        """YAML that means the same to every reader: text is quoted (``"08"`` is no octal number), and ``1e-05`` is
        written ``1.0e-05``, which YAML 1.1 takes for a number too."""
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
    """A config without its wrapping: ``{"lr": {"value": 0.1, "desc": null}}`` becomes ``{"lr": 0.1}``. W&B's own
    keys (``_wandb``, ``wandb_version``) are left out; a value that is not wrapped is kept as it is."""
    if not isinstance(raw, dict):
        return {}
    return {key: item["value"] if _is_wrapped(item) else item for key, item in raw.items() if key not in HOUSEKEEPING}


def _is_wrapped(item: Any) -> bool:
    return isinstance(item, dict) and "value" in item


def _readable(text: str | None) -> dict[str, Any]:
    """The dict of a text; an empty one of a text that is damaged, of which nothing can be kept."""
    try:
        raw = loads(text) if text else {}
    except (ValueError, TypeError):
        return {}
    return raw if isinstance(raw, dict) else {}


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
