"""Compares the records of two runs of the probe, and tells what differs so that it can be asked again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import attrs

from tests.differential.running import Piece, records

__all__ = ["Difference", "call_of", "compared", "differences", "report"]

_ABSENT = "(absent)"


@attrs.frozen
class Difference:
    """One place of one record in which the two sides differ. ``right``: what the call gives now is what the fixtures
    give, which are evaluated here, and it was not before."""

    part: str
    seed: str
    home: str
    field: str
    before: str
    after: str
    right: bool = False

    def __str__(self) -> str:
        at = next((i for i, (x, y) in enumerate(zip(self.before, self.after, strict=False)) if x != y), None)
        at = min(len(self.before), len(self.after)) if at is None else at
        again = f"python -m tests.differential --part {self.part} --seed {shlex.quote(self.seed)} --home {self.home}"
        lines = [f"{self.part} {self.seed} at {self.home}, {self.field}"]
        lines += [f"  {name}: {_shortened(text, at)}" for name, text in (("before", self.before), ("now", self.after))]
        return "\n".join([*lines, f"  again: {again}"])


def _shortened(text: str, at: int) -> str:
    begin, end = max(at - 100, 0), at + 200
    head, tail = "..." if begin else "", "..." if end < len(text) else ""
    return f"{head}{text[begin:end]}{tail}".replace("\n", "\n          ")


def differences(piece: Piece) -> list[Difference]:
    """All differences of a piece. Asks both sides."""
    sides = records(piece)
    found = list(compared(*sides))
    if piece.part != "querysets" or not any(".result" in item.field for item in found):
        return found
    return list(compared(*sides, _at_fixtures(piece.seeds)))


@lru_cache
def _at_fixtures(seeds: str | None) -> str:
    return records(Piece("querysets", "fixtures", seeds))[1]


def compared(before: str, after: str, fixtures: str = "") -> Iterator[Difference]:
    """The differences of two runs' records. ``fixtures`` are the working tree's records at the fixtures."""
    old, new, truth = _read(before), _read(after), _read(fixtures)[0]
    texts = old[1] | new[1]
    for key in old[0] | new[0]:
        one, other = old[0].get(key, _ABSENT), new[0].get(key, _ABSENT)
        if one == _ABSENT and key[0] == "names":
            continue  # new names do no harm
        if one != other:
            for field, was, is_now in _differing(one, other, ""):
                call = call_of(field)
                right = _result(one, call) != _result(other, call) == _result(truth.get((*key[:2], "fixtures")), call)
                yield Difference(*map(str, key), field, _told(was, texts), _told(is_now, texts), right)


def call_of(field: str) -> str:
    """The call of which a field of a record tells."""
    return re.split(r"\.(?:error|requests|result|sent|warnings)\b(?!\()", field)[0]


def _result(fields: Any, call: str) -> Any:
    told = fields.get(call) if isinstance(fields, dict) else None
    return told.get("result") if isinstance(told, dict) else None


def _read(lines: str) -> tuple[dict[tuple[Any, ...], Any], dict[str, str]]:
    found, texts = {}, {}
    for line in lines.splitlines():
        entry = json.loads(line)
        if "digest" in entry:
            texts[entry["digest"]] = entry["text"]
        else:
            found[entry["part"], entry["seed"], entry["home"]] = entry["fields"]
    return found, texts


def _differing(one: Any, other: Any, field: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in one | other:
            was, is_now = one.get(name, _ABSENT), other.get(name, _ABSENT)
            if was != is_now:
                yield from _differing(was, is_now, f"{field}.{name}" if field else name)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, (was, is_now) in enumerate(zip(one, other, strict=True)):
            if was != is_now:
                yield from _differing(was, is_now, f"{field}[{at}]")
    else:
        yield field, one, other


def _told(value: Any, texts: dict[str, str]) -> str:
    if isinstance(value, str):
        return texts.get(value, value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_told(item, texts)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(_told(item, texts) for item in value) + "]" if isinstance(value, list) else repr(value)


def report(found: list[Difference], shown: int = 8) -> str:
    """The differences for people: how many, and the first of each field."""
    kinds: dict[str, list[Difference]] = {}
    for item in found:
        kinds.setdefault(f"{item.part} {item.field.partition('[')[0]}", []).append(item)
    lines = [f"{len(found)} differences from the starting revision:"]
    lines += [f"  {len(items):>6} in {kind}" for kind, items in kinds.items()]
    first = [items[0] for items in kinds.values()]
    return "\n".join([*lines, *map(str, first[:shown])])
