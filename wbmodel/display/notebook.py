"""Notebook display: querysets, their rows and single objects as plain HTML tables.

All text is escaped. The HTML has no scripts, frames, style sheets or external resources, and showing a queryset reads
one page. With ``WBMODEL_REPR=off`` only the plain ``repr`` is shown, which then makes no requests.
"""

from __future__ import annotations

import html
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from itertools import islice
from typing import Any

import attrs

from wbmodel.display.cells import is_numeric, readable
from wbmodel.meta import EntityMeta, Kind, state
from wbmodel.operations.preview import Preview
from wbmodel.query.plan import Plan
from wbmodel.safe_text import counted, escape

__all__ = ["ROWS", "Listing", "bundle", "entity_html", "is_off", "line", "paragraph", "queryset_html", "table_html"]

ROWS = 20
"""The most rows that are shown."""

KEYS = 4
"""The most columns from ``config``, and from ``summary``."""

COLUMNS = 24
"""The most columns that are shown, for ``values()`` of many paths."""

WIDTH = 60
"""The most characters per cell."""

_PLAIN = (Kind.TEXT, Kind.INT, Kind.FLOAT, Kind.BOOL, Kind.TIME)
_KEYED = (Kind.CONFIG, Kind.SUMMARY)


def is_off() -> bool:
    """Whether ``WBMODEL_REPR=off`` is set: representations then make no requests."""
    return os.environ.get("WBMODEL_REPR", "").lower() == "off"


# -- querysets -------------------------------------------------------------------------------------


@attrs.frozen(slots=True)
class Listing:
    """A queryset to be shown.

    ``name`` is its class and that of its entities (``QuerySet[Run]``), ``total`` the number of its rows if they have
    been read, and ``read`` returns the first :data:`ROWS` of them or raises.
    """

    name: str
    plan: Plan
    total: int | None
    read: Callable[[], Preview]

    def first_rows(self) -> Preview | Exception:
        """The first rows, or the error: a ``repr`` must not raise, as debuggers, logs and notebooks call it."""
        try:
            return self.read()
        except Exception as error:
            return error


def line(listing: Listing) -> str:
    """A queryset as text. Never raises."""
    if is_off():
        return f"<{listing.name} {'not evaluated' if listing.total is None else f'{listing.total} rows'}>"
    return _told(listing, listing.first_rows())


def queryset_html(listing: Listing) -> str | None:
    """A queryset as a table of its first rows; None if representations are off. Never raises."""
    if is_off():
        return None
    shown = listing.first_rows()
    return _table(listing, shown) or paragraph(_told(listing, shown))


def bundle(listing: Listing) -> dict[str, str]:
    """Text and HTML by MIME type. Separately, IPython would make one request for the text and one for the table."""
    if is_off():
        return {"text/plain": line(listing)}
    shown = listing.first_rows()
    made, table = {"text/plain": _told(listing, shown)}, _table(listing, shown)
    return made if table is None else {**made, "text/html": table}


def _told(listing: Listing, shown: Preview | Exception) -> str:
    if isinstance(shown, Exception):
        return f"<{listing.name} cannot be evaluated: {shown}>"
    try:
        words = [repr(row) for row in shown.rows]
    except Exception as error:
        return f"<{listing.name} cannot be shown: {error}>"
    if shown.more or shown.cut:
        words.append("...(remaining elements truncated)...")
    return f"<{listing.name} [{', '.join(words)}]>"


def _table(listing: Listing, shown: Preview | Exception) -> str | None:
    if isinstance(shown, Exception):
        return paragraph(_told(listing, shown))
    return _safe(lambda: _queryset_table(listing, shown))


def _queryset_table(listing: Listing, shown: Preview) -> str:
    note = f"{listing.name}: "
    if listing.total is not None:
        note += counted(listing.total, "row") + (f", showing the first {ROWS}" if shown.more else "")
    elif not (shown.more or shown.cut):
        note += counted(len(shown.rows), "row")
    elif shown.rows:
        note += f"the first {counted(len(shown.rows), 'row')}; there {'are' if shown.more else 'may be'} more"
    else:
        note += "no matching rows on the first page; iterate to read more"
    shape = listing.plan.shape
    if listing.plan.is_shaped:
        return table_html([column.name for column in shape.columns], zip(*shape.spread(shown.rows), strict=True), note)
    damaged: dict[str, None] = {}
    head, body = _entity_columns(listing.plan, shown.rows, damaged)
    return table_html(head, body, "; ".join([note, *damaged]))


# -- tables ----------------------------------------------------------------------------------------


def table_html(head: Sequence[str], rows: Iterable[Sequence[Any]], note: str = "") -> str:
    """A table with the header ``head``, at most :data:`ROWS` rows and :data:`COLUMNS` columns, and a ``note`` below.

    All text is escaped and cut to :data:`WIDTH` characters. Columns of numbers are aligned right.
    """
    left_out = len(head) - COLUMNS
    body = [list(row[:COLUMNS]) for row in islice(rows, ROWS)]
    right = [is_numeric(row[at] for row in body) for at in range(min(len(head), COLUMNS))]
    cells = [_cell("th", _name(name), side) for name, side in zip(head, right, strict=False)]
    lines = ["<table>", f"<thead><tr>{''.join(cells)}</tr></thead>", "<tbody>"]
    for row in body:
        cells = [_cell("td", _text(_words(value)), side) for value, side in zip(row, right, strict=True)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    lines += ["</tbody>", "</table>"]
    if left_out > 0:
        note += f"; {counted(left_out, 'more column')}"
    if note:
        lines.append(paragraph(note))
    return "\n".join(lines)


def paragraph(text: str) -> str:
    """A line of text below a table."""
    return f"<p>{_text(text, 1000)}</p>"


def _safe(make: Any) -> str | None:
    try:
        return str(make())
    except Exception:  # a server may send unexpected values; fall back to the plain repr
        return None


# -- columns ---------------------------------------------------------------------------------------


def _entity_columns(plan: Plan, shown: Sequence[Any], damaged: dict[str, None]) -> tuple[list[str], list[list[Any]]]:
    """The columns: the object's own fields, then keys of ``config`` and ``summary``.

    The keys are those that the query names, then those whose values differ between the rows shown, in their order.
    """
    meta = plan.meta
    fields = _own_fields(meta, shown[:1])
    if "project" in meta.fields and len({state.home(row) for row in shown}) > 1:
        fields.insert(0, "project")
    head: list[str] = list(fields)
    body: list[list[Any]] = [[_value(row, name, damaged) for name in fields] for row in shown]
    named = _named(plan)
    for field in meta.fields.values():
        if field.kind not in _KEYED or not shown or not state.is_loaded(shown[0], field.name):
            continue
        flat = [_flat(readable(row, field.name, damaged, {})) for row in shown]
        for key in _telling(flat, named.get(field.name, ())):
            head.append(f"{field.name}.{key}")
            for line, values in zip(body, flat, strict=True):
                line.append(values.get(key))
    return head, body


def _own_fields(meta: EntityMeta, first: Sequence[Any]) -> list[str]:
    plain = (item.name for item in meta.fields.values() if item.kind in _PLAIN and item.selected)
    wanted = meta.options.shown or list(dict.fromkeys((meta.key, *plain)))[:6]
    # All rows of a query have the same fields.
    return [name for name in wanted if not first or state.is_loaded(first[0], name)]


def _value(row: Any, name: str, damaged: dict[str, None]) -> Any:
    value = readable(row, name, damaged)
    return value.path if name == "project" and value is not None else value


def _named(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The keys of each keyed field that the query orders or filters by, dotted."""
    from wbmodel.query.conditions import leaves

    paths = [key.path for key in plan.order]
    if plan.where is not None:
        paths += [leaf.path for leaf in islice(leaves(plan.where), 100)]
    found: dict[str, tuple[str, ...]] = {}
    for path in paths:
        if path.keys:
            found[path.field.name] = (*found.get(path.field.name, ()), ".".join(path.keys))
    return found


def _telling(flat: Sequence[Mapping[str, Any]], named: Sequence[str]) -> list[str]:
    """The keys to show, at most :data:`KEYS`: the named ones, then of those that differ the most common ones."""
    found: dict[str, int] = {}
    for values in flat:
        for key in values:
            found[key] = found.get(key, 0) + 1
    chosen = [key for key in dict.fromkeys(named) if key in found][:KEYS]
    rest = [
        key
        for key in found
        if key not in chosen
        and not key.startswith("_")
        and not any(isinstance(values.get(key), _Media) for values in flat)
        and (len(flat) == 1 or len({repr(values.get(key)) for values in flat}) > 1)
    ]
    best = set(sorted(rest, key=lambda key: -found[key])[: KEYS - len(chosen)])
    return [*chosen, *(key for key in rest if key in best)]


class _Media(str):
    """Stands for a logged file, such as an image or a table."""

    __slots__ = ()


def _is_media(item: Any) -> bool:
    return isinstance(item, dict) and (isinstance(item.get("_type"), str) or ("sha256" in item and "path" in item))


def _flat(value: Any, limit: int = 200) -> dict[str, Any]:
    """Flatten nested dicts, three levels deep, to the first ``limit`` values by dotted key; a list is one value."""
    made: dict[str, Any] = {}
    pending: list[tuple[str, Any, int]] = [("", value, 0)]
    while pending and len(made) < limit:
        prefix, item, depth = pending.pop(0)
        if prefix and _is_media(item):
            # The place and the hash of a file tell nobody anything.
            made[prefix] = _Media(item.get("_type") or "file")
        elif isinstance(item, dict) and depth < 3 and (item or not prefix):
            below = [(f"{prefix}.{key}" if prefix else str(key), inner, depth + 1) for key, inner in item.items()]
            pending[:0] = below[:limit]
        else:
            made[prefix] = item
    return made


# -- one object ------------------------------------------------------------------------------------


def entity_html(row: Any) -> str | None:
    """One object as a table of names and values: its own fields, then keys of ``config`` and ``summary``.

    At most :data:`ROWS` lines in total. None if representations are off or if it cannot be shown. Makes no requests.
    """
    return None if is_off() else _safe(lambda: _entity_table(row))


def _entity_table(row: Any) -> str:
    meta: EntityMeta = type(row).__wbmodel_meta__
    lines: list[tuple[str, Any]] = []
    damaged: dict[str, None] = {}
    for field in meta.fields.values():
        if field.name == "node_id" or not state.is_loaded(row, field.name):
            continue
        value = readable(row, field.name, damaged) if field.kind in (*_PLAIN, Kind.TEXTS) else None
        if field.kind is Kind.REF:
            target = getattr(row, field.name)
            value = None if target is None else state.label(target)
        if value not in (None, "", []):
            lines.append((field.name, value))
    own = lines[:10]
    more: list[str] = []
    for field in meta.fields.values():
        if field.kind not in _KEYED or not state.is_loaded(row, field.name):
            continue
        inside = _flat(readable(row, field.name, damaged, {}))
        flat = {key: value for key, value in inside.items() if not key.startswith("_")}
        own += [(f"{field.name}.{key}", value) for key, value in list(flat.items())[:5]]
        if len(flat) > 5:
            more.append(f"{len(flat) - 5} more in {field.name}")
    note = f"{type(row).__name__} {state.label(row)}" + (f": {', '.join(more)}" if more else "")
    note = "; ".join([note, *damaged])
    return table_html(("field", "value"), own, note) + _link(row)


def _link(row: Any) -> str:
    try:
        url = row.url
    except Exception:  # an object without a page, or unpickled without its session
        return ""
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return ""
    return f'\n<p><a href="{html.escape(url)}" rel="noreferrer">{_text(url, 200)}</a></p>'


# -- cells -----------------------------------------------------------------------------------------


def _cell(tag: str, text: str, right: bool) -> str:
    # Long names may break after dots; short texts stay on one line.
    wrap = "" if tag == "th" or len(text) > 30 else ";white-space:nowrap"
    return f'<{tag} style="text-align:{"right" if right else "left"}{wrap}">{text}</{tag}>'


def _name(text: str) -> str:
    return _text(text).replace(".", ".<wbr>")


def _words(value: Any) -> str:
    try:
        if value is None:
            return ""
        if isinstance(value, float):
            return f"{value:.6g}" if math.isfinite(value) else str(value)
        if isinstance(value, datetime):
            if value.tzinfo is None:
                return value.isoformat(" ", "seconds")
            return value.astimezone(timezone.utc).isoformat(" ", "seconds").replace("+00:00", " UTC")
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            return ", ".join(value)
        if isinstance(value, (dict, list, tuple)):
            return _words_of_many(value)
        return str(value)
    except Exception:  # an integer of ten thousand digits, say, which Python refuses to print
        return f"({type(value).__name__})"


def _words_of_many(value: Any) -> str:
    from wbmodel.codec import dumps

    # Write only the visible part of a long value.
    part = dict(islice(value.items(), WIDTH)) if isinstance(value, dict) else list(value[:WIDTH])
    return dumps(part)


def _text(text: str, width: int = WIDTH) -> str:
    """``text`` for HTML: cut, escaped, with invisible characters spelled out."""
    return html.escape(escape(text if len(text) <= width else text[: width - 1] + "\u2026"))
