"""Say why a result is empty where a condition compares a key with a type that no row has there (``7`` and ``"7"``).

To see the types, rows are read without the conditions: one more request, of at most :data:`LOOKED_AT` rows with only
the fields of such conditions. It is sent only where the result is empty, the conditions compare keys, and no error says
so; on a server, once for the same conditions of a session.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import attrs

from wbmodel.compiler.target import Target
from wbmodel.errors import OperandWarning, WbmodelError, warn
from wbmodel.json_values import ABSENT, operand_type
from wbmodel.operations.answer import Operation
from wbmodel.operations.keys import LOOKED_AT
from wbmodel.operations.run import collect
from wbmodel.query.conditions import Leaf, leaves
from wbmodel.query.evaluate import tolerant
from wbmodel.query.plan import Plan

__all__ = ["say_why_empty"]

_COMPARE = frozenset({"exact", "gt", "gte", "lt", "lte"})
_COMPARE_EACH = frozenset({"in", "range"})
_OF_TEXT = frozenset({"iexact", "icontains", "startswith", "istartswith", "endswith", "iendswith", "regex", "iregex"})
_WORDS = {"number": "a number", "text": "text", "bool": "true or false", "list": "a list", "object": "an object"}

_asked: WeakKeyDictionary[Any, set[Any]] = WeakKeyDictionary()


def say_why_empty(plan: Plan, target: Target) -> Operation[None]:
    """Warn about each condition of a plan without rows that asks for a type that no row has, if there are any."""
    if plan.where is None or plan.is_empty or plan.start or plan.glance:
        return
    wanted = [(leaf, types) for leaf in leaves(plan.where) if (types := _types_wanted(leaf))]
    if not wanted or not _is_first(wanted, plan, target):
        return
    fields = dict.fromkeys(item for leaf, _ in wanted for item in leaf.path.reads)
    wider = attrs.evolve(plan.bare(*fields, where=None, order=(), stop=LOOKED_AT), glance=True)
    try:
        rows = yield from collect(wider, target)
    except WbmodelError:
        return  # the empty result is right; only its reason stays unknown
    for leaf, types in wanted:
        look = tolerant(leaf.path)
        values = [value for row in rows if (value := look(row)) is not None and value is not ABSENT]
        there = set(map(operand_type, values))
        if there and types.isdisjoint(there):
            text = json.dumps(values[0], default=str)
            shown = text if len(text) <= 40 else "..."
            warn(
                f"{leaf.path.dotted} is {_said(there)} in the rows here, such as {shown}, and the filter asks for "
                f"{_said(types)}",
                OperandWarning,
            )


def _types_wanted(leaf: Leaf) -> frozenset[str]:
    """The types that a condition can match; empty for one that does not depend on them."""
    if not leaf.path.keys or leaf.negated:
        return frozenset()
    name = leaf.lookup.name
    if name in _OF_TEXT:
        return frozenset({"text"})
    if name in _COMPARE:
        types = frozenset({operand_type(leaf.operand)})
    elif name in _COMPARE_EACH:
        types = frozenset(map(operand_type, leaf.operand))
    else:
        return frozenset()
    return types if types <= _WORDS.keys() else frozenset()


def _is_first(wanted: Sequence[tuple[Leaf, frozenset[str]]], plan: Plan, target: Target) -> bool:
    """Whether this session has not asked its server about these conditions: a program may poll until there are rows."""
    if target.capabilities.in_process or target.owner is None:
        return True
    asked = _asked.setdefault(target.owner, set())
    mark = (plan.meta.name, *((leaf.path.dotted, types) for leaf, types in wanted))
    if mark in asked:
        return False
    asked.add(mark)
    return True


def _said(types: Collection[str]) -> str:
    return " or ".join(words for name, words in _WORDS.items() if name in types)
