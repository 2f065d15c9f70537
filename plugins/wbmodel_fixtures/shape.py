"""The words that the format is declared in. One declaration checks a value and gives its JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from wbmodel.codec import parse_datetime
from wbmodel.errors import suggestion

__all__ = [
    "Choice",
    "Date",
    "Either",
    "Field",
    "Flag",
    "Free",
    "Keyed",
    "ListOf",
    "MapOf",
    "Number",
    "Shape",
    "Struct",
    "Text",
    "Whole",
    "type_word",
]

Report = Callable[[tuple[Any, ...], str], None]
Path = tuple[Any, ...]


def type_word(value: Any) -> str:
    """What a person calls the type of a value."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a mapping" if isinstance(value, Mapping) else "a list"


class Shape:
    """What a value may be. ``word`` names it in messages."""

    word = "a value"

    def fits(self, value: Any) -> bool:
        """Whether the outermost type is right: what :class:`Either` chooses by."""
        raise NotImplementedError

    def check(self, value: Any, path: Path, report: Report) -> None:
        """Report everything that is wrong with ``value``."""
        if not self.fits(value):
            report(path, self.complaint(value))

    def complaint(self, value: Any) -> str:
        """Why ``value`` does not fit."""
        shown = f" {value!r}" if isinstance(value, (bool, int, float, str)) and len(repr(value)) < 80 else ""
        tail = ""
        if isinstance(self, Text) and isinstance(value, (int, float)):
            tail = "; put it in quotes"
        return f"{self.word} is needed, and this is {type_word(value)}{shown}{tail}"

    def phrase(self) -> str:
        """What may stand here, for the reference table."""
        return self.word

    def schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of the shape."""
        raise NotImplementedError


@attrs.frozen(slots=True)
class Text(Shape):
    """Text. ``empty`` allows the empty text."""

    empty: bool = True
    word: str = "text"

    def fits(self, value: Any) -> bool:
        return isinstance(value, str)

    def check(self, value: Any, path: Path, report: Report) -> None:
        if not isinstance(value, str):
            report(path, self.complaint(value))
        elif not value and not self.empty:
            report(path, f"{self.word} is needed, and this is empty")

    def schema(self) -> dict[str, Any]:
        return {"type": "string"} if self.empty else {"type": "string", "minLength": 1}


@attrs.frozen(slots=True)
class Choice(Shape):
    """One of some words."""

    words: tuple[str, ...]
    word: str = "one of some words"

    def fits(self, value: Any) -> bool:
        return isinstance(value, str)

    def check(self, value: Any, path: Path, report: Report) -> None:
        if not isinstance(value, str):
            report(path, f"one of {', '.join(self.words)} is needed, and this is {type_word(value)}")
        elif value not in self.words:
            report(path, f"{value!r} is not known here{suggestion(value, self.words, 'known')}")

    def phrase(self) -> str:
        return ", ".join(f"`{word}`" for word in self.words)

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


@attrs.frozen(slots=True)
class Date(Shape):
    """A date and time in RFC 3339 form, or a date alone. Without a zone it is UTC."""

    word: str = "a date and time"

    def fits(self, value: Any) -> bool:
        return isinstance(value, str)

    def check(self, value: Any, path: Path, report: Report) -> None:
        if not isinstance(value, str):
            report(path, self.complaint(value))
            return
        try:
            parse_datetime(value)
        except ValueError:
            report(path, f"{value!r} is not a date and time such as 2021-04-23T10:00:00Z, or a date such as 2021-04-23")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}"}


@attrs.frozen(slots=True)
class Number(Shape):
    """A number; true and false are none."""

    word: str = "a number"

    def fits(self, value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    def schema(self) -> dict[str, Any]:
        return {"type": "number"}


@attrs.frozen(slots=True)
class Whole(Shape):
    """A whole number, at least ``low``."""

    low: int | None = None
    word: str = "a whole number"

    def fits(self, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    def check(self, value: Any, path: Path, report: Report) -> None:
        if not self.fits(value):
            report(path, self.complaint(value))
        elif self.low is not None and value < self.low:
            report(path, f"{value} is too small; at least {self.low} is needed")

    def schema(self) -> dict[str, Any]:
        return {"type": "integer"} if self.low is None else {"type": "integer", "minimum": self.low}


@attrs.frozen(slots=True)
class Flag(Shape):
    """``true`` or ``false``."""

    word: str = "true or false"

    def fits(self, value: Any) -> bool:
        return isinstance(value, bool)

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@attrs.frozen(slots=True)
class Free(Shape):
    """Any value at all; ``mapping`` asks for a mapping at the outside."""

    mapping: bool = False

    @property
    def word(self) -> str:  # type: ignore[override]
        return "a mapping" if self.mapping else "a value"

    def fits(self, value: Any) -> bool:
        return not self.mapping or isinstance(value, dict)

    def schema(self) -> dict[str, Any]:
        return {"type": "object"} if self.mapping else {}


@attrs.frozen(slots=True)
class ListOf(Shape):
    """A list of one shape."""

    item: Shape
    word: str = "a list"

    def fits(self, value: Any) -> bool:
        return isinstance(value, list)

    def check(self, value: Any, path: Path, report: Report) -> None:
        if not isinstance(value, list):
            report(path, self.complaint(value))
            return
        for index, item in enumerate(value):
            self.item.check(item, (*path, index), report)

    def phrase(self) -> str:
        return f"list of {self.item.phrase()}"

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema()}


@attrs.frozen(slots=True)
class MapOf(Shape):
    """A mapping from any names to one shape. ``null`` allows a name with nothing behind it."""

    item: Shape
    null: bool = False
    word: str = "a mapping"

    def fits(self, value: Any) -> bool:
        return isinstance(value, dict)

    def check(self, value: Any, path: Path, report: Report) -> None:
        if not isinstance(value, dict):
            report(path, self.complaint(value))
            return
        for key, item in value.items():
            if not key:
                report((*path, key), "a name is needed, and this is empty")
            if item is not None or not self.null:
                self.item.check(item, (*path, key), report)

    def phrase(self) -> str:
        return f"mapping of names to {self.item.phrase()}"

    def schema(self) -> dict[str, Any]:
        item = self.item.schema()
        if self.null:
            item = {"anyOf": [item, {"type": "null"}]}
        return {"type": "object", "additionalProperties": item, "propertyNames": {"minLength": 1}}


@attrs.frozen(slots=True)
class Either(Shape):
    """One of several shapes with different outermost types."""

    shapes: tuple[Shape, ...]

    @property
    def word(self) -> str:  # type: ignore[override]
        return " or ".join(shape.word for shape in self.shapes)

    def fits(self, value: Any) -> bool:
        return any(shape.fits(value) for shape in self.shapes)

    def check(self, value: Any, path: Path, report: Report) -> None:
        for shape in self.shapes:
            if shape.fits(value):
                shape.check(value, path, report)
                return
        report(path, self.complaint(value))

    def phrase(self) -> str:
        return " or ".join(shape.phrase() for shape in self.shapes)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [shape.schema() for shape in self.shapes]}


@attrs.frozen(slots=True)
class Field:
    """One key of a :class:`Struct`: its shape, one line for people, and ``attr`` when a record calls it otherwise."""

    shape: Shape
    doc: str
    required: bool = False
    attr: str | None = None


@attrs.frozen(slots=True, eq=False)
class Struct(Shape):
    """A mapping with known keys. ``name`` is its name in the JSON Schema; ``one_of`` are keys of which at most one
    may stand (exactly one when ``need_one``). An optional key with nothing behind it is as if it were absent."""

    name: str
    doc: str
    fields: Mapping[str, Field]
    one_of: tuple[tuple[str, ...], ...] = ()
    need_one: bool = False

    @property
    def word(self) -> str:  # type: ignore[override]
        return "a mapping"

    def fits(self, value: Any) -> bool:
        return isinstance(value, dict)

    def check(self, value: Any, path: Path, report: Report) -> None:
        if not isinstance(value, dict):
            report(path, self.complaint(value))
            return
        fields = self.fields
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                report((*path, key), f"unknown key {key!r} in {self.name}{suggestion(key, fields, 'known keys')}")
            elif item is not None:
                field.shape.check(item, (*path, key), report)
        for key, field in fields.items():
            if field.required and value.get(key) is None:
                report(path, f"{self.name} needs the key {key!r}")
        for keys in self.one_of:
            given = [key for key in keys if value.get(key) is not None]
            if len(given) > 1:
                report((*path, given[1]), f"{given[0]!r} and {given[1]!r} exclude each other")
            elif not given and self.need_one:
                report(path, f"one of {', '.join(keys)} is needed here")

    def phrase(self) -> str:
        return f"[{self.name}](#{self.name})"

    def schema(self) -> dict[str, Any]:
        return {"$ref": f"#/$defs/{self.name}"}

    def definition(self) -> dict[str, Any]:
        """The schema behind the reference."""
        properties = {}
        for key, field in self.fields.items():
            shape = field.shape.schema()
            if not field.required:
                shape = {"anyOf": [shape, {"type": "null"}]} if shape else {}
            properties[key] = {"description": field.doc, **shape}
        found: dict[str, Any] = {
            "description": self.doc,
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
        }
        required = [key for key, field in self.fields.items() if field.required]
        if required:
            found["required"] = required
        rules: list[dict[str, Any]] = []
        for keys in self.one_of:
            if self.need_one:
                rules.append({"oneOf": [{"required": [key]} for key in keys]})
            else:
                rules += [{"not": {"required": [one, two]}} for at, one in enumerate(keys) for two in keys[at + 1 :]]
        if rules:
            found["allOf"] = rules
        return found


@attrs.frozen(slots=True)
class Keyed(Shape):
    """Things with an id: a list of mappings that each say it, or a mapping from ids to the rest.

    ``bare`` also takes an id alone, as list item or with nothing behind it.
    """

    item: Struct
    key: str = "id"
    bare: bool = False
    word: str = "a list or a mapping"

    def fits(self, value: Any) -> bool:
        return isinstance(value, (list, dict))

    def check(self, value: Any, path: Path, report: Report) -> None:
        if isinstance(value, list):
            for index, item in enumerate(value):
                at = (*path, index)
                if self.bare and isinstance(item, str):
                    continue
                self.item.check(item, at, report)
                if isinstance(item, dict) and item.get(self.key) in (None, ""):
                    report(at, f"{self.item.name} needs the key {self.key!r}")
        elif isinstance(value, dict):
            for name, item in value.items():
                at = (*path, name)
                if not name:
                    report(at, f"{self.key} is needed, and this is empty")
                if item is None and self.bare:
                    continue
                self.item.check(item, at, report)
                inner = item.get(self.key) if isinstance(item, dict) else None
                if inner is not None and inner != name:
                    report((*at, self.key), f"{inner!r} contradicts the key {name!r} that it stands under")
        else:
            report(path, self.complaint(value))

    def phrase(self) -> str:
        return f"list or mapping of {self.item.phrase()}, by `{self.key}`"

    def schema(self) -> dict[str, Any]:
        one: dict[str, Any] = {**self.item.schema(), "required": [self.key]}
        more: dict[str, Any] = self.item.schema()
        if self.bare:
            one = {"anyOf": [{"type": "string", "minLength": 1}, one]}
            more = {"anyOf": [more, {"type": "null"}]}
        return {
            "anyOf": [
                {"type": "array", "items": one},
                {"type": "object", "additionalProperties": more, "propertyNames": {"minLength": 1}},
            ]
        }
