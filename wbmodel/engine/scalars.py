"""The custom scalars of the schema: how values are serialized and arguments parsed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from wbmodel.codec import format_datetime, strict
from wbmodel.engine.history_index import StrictList
from wbmodel.engine.text import encode

if TYPE_CHECKING:
    from graphql import GraphQLSchema

__all__ = ["OUTPUT", "attach_scalars"]


def _date_out(value: Any) -> str:
    return format_datetime(value) if isinstance(value, datetime) else str(value)


def _text_out(value: Any) -> str:
    return value if isinstance(value, str) else encode(value)


def _text_in(value: Any) -> str:
    # Some clients send the object instead of its text.
    return value if isinstance(value, str) else encode(value)


def _int_out(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise TypeError(f"{value!r} is not an integer")
    return int(value)


def _int_in(value: Any) -> int:
    # Go clients send 64-bit integers; JavaScript and Python clients may send 3.0.
    if isinstance(value, str) and value.lstrip("-").isdecimal():
        return int(value)
    return _int_out(value)


def _same(value: Any) -> Any:
    return value


def _json_out(value: Any) -> Any:
    return value if type(value) is StrictList else strict(value)


OUTPUT: dict[str, Callable[[Any], Any]] = {
    "DateTime": _date_out,
    "JSONString": _text_out,
    "JSON": _json_out,
    "Int64": _int_out,
    "Duration": _int_out,
}
"""Scalar name -> its serializer. The output is strict JSON: in ``JSON``, non-finite numbers are W&B's text tokens."""

_INPUT: dict[str, Callable[[Any], Any]] = {
    "DateTime": _same,
    "JSONString": _text_in,
    "JSON": _same,
    "Int64": _int_in,
    "Duration": _int_in,
}


def attach_scalars(schema: GraphQLSchema) -> None:
    """Give the scalars of a built schema their functions."""
    from graphql import GraphQLScalarType

    for name, output in OUTPUT.items():
        scalar = schema.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        for attribute, function in (
            ("serialize", output),
            ("coerce_output_value", output),
            ("parse_value", _INPUT[name]),
            ("coerce_input_value", _INPUT[name]),
        ):
            if hasattr(scalar, attribute):
                setattr(scalar, attribute, function)
