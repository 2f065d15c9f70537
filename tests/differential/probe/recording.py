"""Records: what came of a step, as text that two processes write alike."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from wbmodel.testing import count_requests

__all__ = ["Writer", "described", "error_words", "normal", "observed", "request_texts"]

_UNSTABLE: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"token=[0-9a-f]{64}"), "token=TOKEN"),
    (re.compile(r"0x[0-9a-f]{6,}"), "0xADDRESS"),
    # The worlds' dates are of 2020 to 2022: any other is the clock's, or a distance from it.
    (re.compile(r"\b(?!202[012]-)[12]\d{3}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?"), "NOW"),
    (re.compile(r"datetime\.datetime\((?!202[012],)\d+,[^()]*(\([^()]*\))?[^()]*\)"), "NOW"),
    (re.compile(r"(\"seconds\": |'seconds': |seconds +)\d[\d.e-]*"), r"\1SECONDS"),
]


def normal(text: str) -> str:
    """``text`` without what differs between two runs of one program: ports, addresses, the time of day."""
    for pattern, stands in _UNSTABLE:
        text = pattern.sub(stands, text)
    return text


class Writer:
    """Writes records as lines of JSON. Long texts are written once and named by their digest after that."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._known: set[str] = set()
        self.count = 0

    def write(self, part: str, seed: int | str, home: str, fields: Mapping[str, Any]) -> None:
        """One record. ``fields`` hold text, numbers, and lists and dicts of them."""
        kept = {name: self._short(value) for name, value in fields.items()}
        self._put({"part": part, "seed": seed, "home": home, "fields": kept})
        self.count += 1

    def _short(self, value: Any) -> Any:
        if isinstance(value, str):
            text = normal(value)
            if len(text) <= 120:
                return text
            digest = "#" + hashlib.sha1(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
            if digest not in self._known:
                self._known.add(digest)
                self._put({"digest": digest, "text": text})
            return digest
        if isinstance(value, dict):
            return {str(key): self._short(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._short(item) for item in value]
        return value

    def _put(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")


def described(value: Any, full: bool = True) -> Any:
    """A result as plain data: an entity as its repr and (``full``) every field that is loaded."""
    if hasattr(value, "loaded_fields") and hasattr(value, "node_id"):
        if not full:
            return repr(value)
        held = {}
        for name in value.loaded_fields():
            item = getattr(value, name)
            held[name] = f"{item!r} {item.loaded_fields()}" if hasattr(item, "loaded_fields") else repr(item)
        return f"{value!r} {held}"
    if isinstance(value, dict):
        return {repr(key): described(item, full) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return ["a set", *sorted(map(repr, value))]
    if isinstance(value, (list, tuple)):
        kind = type(value).__name__ + (str(value._fields) if hasattr(value, "_fields") else "")
        return [kind, *(described(item, full) for item in value)]
    if hasattr(value, "explain") and hasattr(value, "order_by"):
        return [type(value).__name__, *(described(item, full) for item in value)]
    return repr(value)


def error_words(error: BaseException) -> dict[str, Any]:
    """Class, bases and text of an error, and of its cause; what it carries."""
    kinds = [cls.__name__ for cls in type(error).__mro__ if cls not in (object, BaseException)]
    told: dict[str, Any] = {"kinds": kinds, "text": str(error)}
    for name in ("status", "operation", "attempts", "server_message"):
        if hasattr(error, name):
            told[name] = repr(getattr(error, name))
    if error.__cause__ is not None:
        told["cause"] = f"{type(error.__cause__).__name__}: {error.__cause__}"
    return told


def request_texts(requests: Any) -> list[dict[str, Any]]:
    """The requests, in the order in which they were sent."""
    return [
        {"operation": item.operation_name, "document": item.document.text, "variables": _variables(item.variables)}
        for item in requests
    ]


def _variables(variables: Mapping[str, Any]) -> str:
    return json.dumps(dict(variables), sort_keys=False, default=repr)


def _place(filename: str) -> str:
    return "the caller" if filename.startswith("<") or "/probe/" in filename else "another file"


@contextlib.contextmanager
def _watched(record: dict[str, Any]) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as said, count_requests() as sent:
        warnings.simplefilter("always")
        try:
            yield
        except Exception as error:
            record["error"] = error_words(error)
    if said:
        # Where it points is part of what is said: the caller's line, and not one inside the library.
        record["warnings"] = [f"{item.category.__name__} at {_place(item.filename)}: {item.message}" for item in said]
    if sent.count:
        record["sent"] = sent.count
        record["requests"] = request_texts(sent.requests)


def observed(step: Callable[[], Any], full: bool = True) -> tuple[dict[str, Any], Any]:
    """What came of ``step``: result, error, warnings and requests; and the result itself (None after an error)."""
    record: dict[str, Any] = {}
    result = None
    with _watched(record):
        result = step()
        record["result"] = described(result, full)
    return record, result
