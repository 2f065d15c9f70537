"""What a server is sent for a lookup, and how far its answer can be trusted.

Wire forms take ``(key, operand, kind, can)`` and give a filter or None; grades take ``(operand, kind, can)``:
``exact`` (nothing is left to do), ``superset`` (rows are checked again here), ``local`` (nothing is sent).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from wbmodel.backend.capabilities import Capabilities
from wbmodel.codec import format_datetime
from wbmodel.meta import Kind

Grade = Literal["exact", "superset", "local"]
Wire = dict[str, Any]
WireForm = Callable[[str, Any, Kind, Capabilities], "Wire | None"]

_NUMBERS = frozenset({Kind.INT, Kind.FLOAT})


def wire_value(value: Any) -> Any:
    """An operand as it is written into the filter's JSON."""
    return format_datetime(value) if isinstance(value, datetime) else value


def wire_op(operator: str) -> WireForm:
    infinity = "Infinity" if operator in ("$gt", "$gte") else "-Infinity"

    def wire(key: str, operand: Any, kind: Kind, can: Capabilities) -> Wire:
        plain: Wire = {key: {operator: wire_value(operand)}}
        return _or_text(plain, key, kind, can, infinity)

    return wire


def _or_text(plain: Wire, key: str, kind: Kind, can: Capabilities, *texts: str) -> Wire:
    """W&B keeps the infinities of a summary as text, which a comparison with a number may not reach."""
    if kind is not Kind.SUMMARY or can.strict_values:
        return plain
    return {"$or": [plain, *({key: text} for text in texts)]}


def wire_exact(key: str, operand: Any, kind: Kind, can: Capabilities) -> Wire | None:
    if operand is None and kind.is_keyed and can.exists:
        return {"$and": [{key: None}, {key: {"$exists": True}}]}
    return None if isinstance(operand, (list, dict)) else {key: wire_value(operand)}


def wire_in(key: str, operands: list[Any], kind: Kind, can: Capabilities) -> Wire | None:
    if any(isinstance(item, (list, dict)) for item in operands):
        return None
    there: Wire = {key: {"$in": [wire_value(item) for item in operands if item is not None]}}
    if None not in operands:
        return there
    return {"$or": [there, wire_exact(key, None, kind, can)]}


def wire_range(key: str, pair: tuple[Any, Any], kind: Kind, can: Capabilities) -> Wire:
    return {key: {"$gte": wire_value(pair[0]), "$lte": wire_value(pair[1])}}


def wire_days(key: str, pair: tuple[datetime, datetime], kind: Kind, can: Capabilities) -> Wire:
    return {key: {"$gte": wire_value(pair[0]), "$lt": wire_value(pair[1])}}


def wire_search(template: str) -> WireForm:
    return lambda key, operand, kind, can: {key: {"$regex": template.format(_portable_escape(operand))}}


_SPECIAL = frozenset(r"\.^$|?*+()[]{}")


def _portable_escape(text: str) -> str:
    """Escape for every dialect of regular expressions: ``re.escape`` also escapes what RE2 refuses to see escaped."""
    return "".join("\\" + char if char in _SPECIAL else char for char in text)


def wire_contains(key: str, operand: Any, kind: Kind, can: Capabilities) -> Wire:
    if kind is Kind.TEXTS:
        return {key: operand}
    if kind.is_keyed:
        # A value in JSON may be a list or a text, and no one filter means both; what is null is neither.
        return {key: {"$ne": None}}
    return {key: {"$regex": _portable_escape(operand)}}


def wire_isnull(key: str, wanted: bool, kind: Kind, can: Capabilities) -> Wire:
    return {key: None} if wanted else {key: {"$ne": None}}


def wire_exists(key: str, wanted: bool, kind: Kind, can: Capabilities) -> Wire | None:
    if can.exists:
        return {key: {"$exists": wanted}}
    # What is absent is among what is null; what is there has no filter that covers it.
    return None if wanted else {key: None}


def wire_nothing(key: str, operand: Any, kind: Kind, can: Capabilities) -> None:
    return None


def wire_pattern(prefix: str) -> WireForm:
    return lambda key, operand, kind, can: {key: {"$regex": prefix + operand}} if can.regex else None


def wire_folded(template: str) -> WireForm:
    plain = wire_search(template)
    return lambda key, operand, kind, can: plain(key, operand, kind, can) if can.regex else None


# -- how far the wire form reaches -----------------------------------------------------------------


def grade_values(operand: Any, kind: Kind, can: Capabilities) -> Grade:
    """Equality and comparison: exact where the server keeps types and case apart, or where nothing can be confused."""
    if kind in (Kind.TIME, Kind.BOOL) or kind in _NUMBERS or can.strict_values:
        return "exact"
    return "superset"


def grade_order(operand: Any, kind: Kind, can: Capabilities) -> Grade:
    """Comparison. What is above a text is a matter of collation, and infinities have no JSON: neither is sent unless
    the server is known to agree."""
    if can.strict_values or kind is Kind.TIME:
        return "exact"
    unsafe = isinstance(operand, str) or (isinstance(operand, float) and not math.isfinite(operand))
    return "local" if unsafe else grade_values(operand, kind, can)


def grade_range(pair: tuple[Any, Any], kind: Kind, can: Capabilities) -> Grade:
    """Both ends, the worse of the two."""
    grades = [grade_order(end, kind, can) for end in pair]
    return "local" if "local" in grades else "superset" if "superset" in grades else "exact"


def grade_exact(operand: Any, kind: Kind, can: Capabilities) -> Grade:
    if isinstance(operand, (list, dict)):
        return "local"
    if isinstance(operand, float) and not math.isfinite(operand) and not can.strict_values:
        return "local"
    if operand is None:
        # A column is never absent; a key in JSON may be, and {k: null} finds both.
        return "exact" if can.exists or not kind.is_keyed else "superset"
    return grade_values(operand, kind, can)


def grade_in(operands: list[Any], kind: Kind, can: Capabilities) -> Grade:
    grades = [grade_exact(item, kind, can) for item in operands] or ["exact"]
    return "local" if "local" in grades else "superset" if "superset" in grades else "exact"


def grade_pattern(operand: Any, kind: Kind, can: Capabilities) -> Grade:
    """A pattern made here: exact for Python's own search; elsewhere it may be blind to case, never narrower."""
    return "exact" if can.regex else "superset"


def grade_dialect(operand: Any, kind: Kind, can: Capabilities) -> Grade:
    """A pattern that the user wrote, or one that ignores case: dialects differ in both directions."""
    return "exact" if can.regex else "local"


def grade_contains(operand: Any, kind: Kind, can: Capabilities) -> Grade:
    if kind is Kind.TEXTS:
        return "exact" if can.strict_values else "superset"
    return "superset" if kind.is_keyed else grade_pattern(operand, kind, can)


def grade_icontains(operand: Any, kind: Kind, can: Capabilities) -> Grade:
    return "local" if kind.is_keyed or kind is Kind.TEXTS else grade_dialect(operand, kind, can)


def grade_ends(operand: Any, kind: Kind, can: Capabilities) -> Grade:
    # "$" also stands before a last line break, so the server can find more than it should.
    return "superset"


def grade_null(operand: Any, kind: Kind, can: Capabilities) -> Grade:
    # Whether a run without tags has null or an empty list there is the server's business, and no filter finds both.
    return "local" if kind is Kind.TEXTS else "exact"


def grade_exists(wanted: bool, kind: Kind, can: Capabilities) -> Grade:
    if not kind.is_keyed:
        return "local"
    return "exact" if can.exists else "local" if wanted else "superset"


def grade_local(operand: Any, kind: Kind, can: Capabilities) -> Grade:
    return "local"
