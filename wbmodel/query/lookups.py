"""The lookup registry: one entry per operator, with the values it takes, its meaning, its wire form and a phrase."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from wbmodel.backend.capabilities import Capabilities
from wbmodel.errors import QueryWarning
from wbmodel.json_values import ABSENT
from wbmodel.meta import Kind
from wbmodel.query import meanings, operands, wires
from wbmodel.query.meanings import Test
from wbmodel.query.wires import Grade, WireForm

__all__ = ["LOOKUPS", "Lookup", "add_lookup", "add_source", "find_lookup", "rewrites"]


@attrs.frozen(slots=True, kw_only=True)
class Lookup:
    """One operator.

    ``accept(value, kind, where)`` gives the operand in normal form or raises :class:`FieldError`.
    ``match(operand, kind)`` gives a predicate of a value. ``wire(key, operand, kind, can)`` gives the server's
    filter or None, and ``grade(operand, kind, can)`` says how far it reaches. ``inverse`` names a lookup that is
    the exact opposite. ``rewrite`` is set for lookups that plugins add: it turns a path and a value into a condition.
    """

    name: str
    phrase: str
    accepts: str
    example: str
    accept: Callable[[Any, Kind, str], Any]
    match: Callable[[Any, Kind], Test]
    wire: WireForm
    grade: Callable[[Any, Kind, Capabilities], Grade]
    inverse: str | None = None
    on_texts: bool = False
    rewrite: Callable[[Any, Any], Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (_named, (self.name,))


def _entry(name: str, phrase: str, accepts: str, example: str, **parts: Any) -> Lookup:
    return Lookup(name=name, phrase=phrase, accepts=accepts, example=example, **parts)


_ALL = (
    _entry(
        "exact",
        "equals",
        "a value of the field's type; None is null",
        "state='finished'",
        accept=operands.scalar,
        match=meanings.equal,
        wire=wires.wire_exact,
        grade=wires.grade_exact,
        on_texts=True,
    ),
    _entry(
        "ne",
        "does not equal",
        "as exact; rows that lack the key are kept",
        "state__ne='crashed'",
        accept=operands.scalar,
        match=meanings.equal,
        wire=wires.wire_exact,
        grade=wires.grade_exact,
        inverse="exact",
        on_texts=True,
    ),
    _entry(
        "gt",
        "is above",
        "a number, text or aware datetime",
        "summary__acc__gt=0.9",
        accept=operands.comparable,
        match=meanings.compare(lambda a, b: a > b),
        wire=wires.wire_op("$gt"),
        grade=wires.grade_order,
    ),
    _entry(
        "gte",
        "is at least",
        "a number, text or aware datetime",
        "summary__acc__gte=0.9",
        accept=operands.comparable,
        match=meanings.at_least,
        wire=wires.wire_op("$gte"),
        grade=wires.grade_order,
    ),
    _entry(
        "lt",
        "is below",
        "a number, text or aware datetime",
        "summary__loss__lt=0.3",
        accept=operands.comparable,
        match=meanings.compare(lambda a, b: a < b),
        wire=wires.wire_op("$lt"),
        grade=wires.grade_order,
    ),
    _entry(
        "lte",
        "is at most",
        "a number, text or aware datetime",
        "summary__loss__lte=0.3",
        accept=operands.comparable,
        match=meanings.at_most,
        wire=wires.wire_op("$lte"),
        grade=wires.grade_order,
    ),
    _entry(
        "in",
        "is one of",
        "a list, tuple or set of values; on tags: any of them",
        "state__in=['finished', 'running']",
        accept=operands.many,
        match=meanings.one_of,
        wire=wires.wire_in,
        grade=wires.grade_in,
        on_texts=True,
    ),
    _entry(
        "nin",
        "is none of",
        "as in; rows that lack the key are kept",
        "config__optimizer__nin=['sgd']",
        accept=operands.many,
        match=meanings.one_of,
        wire=wires.wire_in,
        grade=wires.grade_in,
        inverse="in",
        on_texts=True,
    ),
    _entry(
        "range",
        "is between",
        "a pair (low, high), both included",
        "config__lr__range=(1e-4, 1e-2)",
        accept=operands.pair,
        match=meanings.between,
        wire=wires.wire_range,
        grade=wires.grade_range,
    ),
    _entry(
        "contains",
        "contains",
        "a member of a list, or a part of a text",
        "tags__contains='baseline'",
        accept=operands.member,
        match=meanings.has,
        wire=wires.wire_contains,
        grade=wires.grade_contains,
        on_texts=True,
    ),
    _entry(
        "icontains",
        "contains, ignoring case,",
        "a member of a list, or a part of a text",
        "name__icontains='ViT'",
        accept=operands.text,
        match=meanings.ihas,
        wire=wires.wire_folded("(?i){}"),
        grade=wires.grade_icontains,
        on_texts=True,
    ),
    _entry(
        "startswith",
        "starts with",
        "text",
        "name__startswith='ablation-'",
        accept=operands.text,
        match=meanings.search(0, r"\A{}"),
        wire=wires.wire_search("^{}"),
        grade=wires.grade_pattern,
    ),
    _entry(
        "endswith",
        "ends with",
        "text",
        "name__endswith='-seed3'",
        accept=operands.text,
        match=meanings.search(0, r"{}\Z"),
        wire=wires.wire_search("{}$"),
        grade=wires.grade_ends,
    ),
    _entry(
        "iexact",
        "equals, ignoring case,",
        "text",
        "config__optimizer__iexact='adam'",
        accept=operands.text,
        match=meanings.search(re.IGNORECASE, r"\A{}\Z"),
        wire=wires.wire_folded(r"(?i)\A{}\Z"),
        grade=wires.grade_dialect,
    ),
    _entry(
        "regex",
        "matches",
        "a Python regular expression, found anywhere in the text",
        "name__regex=r'^vit-\\d+$'",
        accept=operands.pattern,
        match=meanings.search(0, escape=False),
        wire=wires.wire_pattern(""),
        grade=wires.grade_dialect,
    ),
    _entry(
        "iregex",
        "matches, ignoring case,",
        "a Python regular expression",
        "name__iregex='^vit'",
        accept=operands.pattern,
        match=meanings.search(re.IGNORECASE, escape=False),
        wire=wires.wire_pattern("(?i)"),
        grade=wires.grade_dialect,
    ),
    _entry(
        "isnull",
        "is absent or null:",
        "True or False; on tags: there are none",
        "group__isnull=True",
        accept=operands.flag,
        match=meanings.nothing,
        wire=wires.wire_isnull,
        grade=wires.grade_null,
        on_texts=True,
    ),
    _entry(
        "exists",
        "is there, even if null:",
        "True or False",
        "config__dropout__exists=True",
        accept=operands.flag,
        match=meanings.truth(lambda value: value is not ABSENT),
        wire=wires.wire_exists,
        grade=wires.grade_exists,
        on_texts=True,
    ),
    _entry(
        "isnan",
        "is NaN:",
        "True or False",
        "summary__loss__isnan=True",
        accept=operands.number_flag,
        match=meanings.truth(meanings.is_nan),
        wire=wires.wire_nothing,
        grade=wires.grade_local,
    ),
    _entry(
        "isfinite",
        "is a finite number:",
        "True or False",
        "summary__loss__isfinite=True",
        accept=operands.number_flag,
        match=meanings.truth(meanings.is_finite),
        wire=wires.wire_nothing,
        grade=wires.grade_local,
    ),
    _entry(
        "date",
        "falls on",
        "a datetime.date or text such as 2021-04-23, in UTC",
        "created_at__date='2021-04-23'",
        accept=operands.day,
        match=meanings.from_to,
        wire=wires.wire_days,
        grade=wires.grade_values,
    ),
    _entry(
        "within",
        "is at most so long ago:",
        "a timedelta",
        "created_at__within=timedelta(days=7)",
        accept=operands.span,
        match=meanings.at_least,
        wire=wires.wire_op("$gte"),
        grade=wires.grade_values,
    ),
)


def _named(name: str) -> Lookup:
    return LOOKUPS[name]


LOOKUPS: dict[str, Lookup] = {entry.name: entry for entry in _ALL}


def add_lookup(name: str, rewrite: Callable[[Any, Any], Any], phrase: str) -> None:
    """Add a lookup of a plugin's, which rewrites ``(F path, value)`` to a condition on built-in lookups.

    Raises ``ValueError`` when the name is taken or is no identifier.
    """
    if not name.isidentifier() or "__" in name:
        raise ValueError(f"{name!r} cannot be the name of a lookup: it is written after two underscores")
    if name in LOOKUPS and LOOKUPS[name].rewrite is not rewrite:
        raise ValueError(f"the lookup {name!r} is there already")
    LOOKUPS[name] = Lookup(
        name=name, phrase=phrase, accepts="see the plugin", example=f"config__key__{name}=value",
        accept=operands.anything, match=meanings.never,
        wire=wires.wire_nothing, grade=wires.grade_local, rewrite=rewrite,
    )  # fmt: skip


def rewrites() -> Mapping[str, Lookup]:
    """The lookups that plugins have added."""
    return {name: entry for name, entry in LOOKUPS.items() if entry.rewrite is not None}


_sources: list[Callable[[], Mapping[str, Any]]] = []
_lock = threading.RLock()


def add_source(source: Callable[[], Mapping[str, Any]]) -> None:
    """Ask ``source`` for more lookups (name -> an object with ``rewrite`` and ``phrase``) when one is met that is not
    known. It is asked until it has answered once."""
    with _lock:
        if source not in _sources:
            _sources.append(source)


def find_lookup(name: str) -> Lookup | None:
    """The lookup of this name, a plugin's included; None for what is none."""
    found = LOOKUPS.get(name)
    if found is not None or not _sources:
        return found
    with _lock:
        while name not in LOOKUPS and _sources:
            _take_in(_sources[0]())
            del _sources[0]
        return LOOKUPS.get(name)


def _take_in(entries: Mapping[str, Any]) -> None:
    for name, entry in entries.items():
        known = LOOKUPS.get(name)
        if known is not None and known.rewrite is not None and _origin(known.rewrite) == _origin(entry.rewrite):
            # The same plugin, met again by way of another plugin manager.
            del LOOKUPS[name]
        try:
            add_lookup(name, entry.rewrite, entry.phrase)
        except ValueError as error:
            # One plugin's slip must not take down every query of everybody else.
            plugin = getattr(entry, "plugin", "?")
            warnings.warn(f"plugin {plugin!r}: {error}; it is left out", QueryWarning, stacklevel=2)


def _origin(rewrite: Callable[[Any, Any], Any]) -> tuple[str, str]:
    return (getattr(rewrite, "__module__", ""), getattr(rewrite, "__qualname__", repr(rewrite)))
