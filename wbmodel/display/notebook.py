"""What a notebook shows: querysets, their rows and single objects as plain HTML tables.

Every text is escaped. There is no script, no frame and no style sheet, nothing is loaded from elsewhere, and showing a
queryset reads one page. ``WBMODEL_REPR=off`` leaves it to the plain ``repr``, which then asks nothing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs

from wbmodel import operations
from wbmodel.meta import EntityMeta, Kind
from wbmodel.query.shapes import Dicts, Flat, Shape

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.operations.answer import Operation

__all__ = ["ROWS", "entity_html", "is_off", "preview", "queryset_html", "table_html"]

ROWS = 20
"""Rows that are shown at most."""

KEYS = 4
"""Columns at most from ``config``, and as many from ``summary``."""

COLUMNS = 24
"""Columns that are shown at most, for ``values()`` of many paths."""

WIDTH = 60
"""Characters of a cell at most."""

_FIRST: dict[str, Sequence[str]] = {"Run": ("id", "name", "state", "created_at")}
_PLAIN = (Kind.TEXT, Kind.INT, Kind.FLOAT, Kind.BOOL, Kind.TIME)
_KEYED = (Kind.CONFIG, Kind.SUMMARY)


def is_off() -> bool:
    """Whether ``WBMODEL_REPR=off`` asks for representations that read nothing."""
    return os.environ.get("WBMODEL_REPR", "").lower() == "off"


# -- reading no more than a page -------------------------------------------------------------------


@attrs.frozen(slots=True)
class Preview:
    """The first rows of a queryset. ``more``: there are others. ``cut``: reading ended with the page, so there may
    be."""

    rows: list[Any]
    more: bool
    cut: bool = False


def preview(rows: QuerySet[Any, Any]) -> Preview:
    """At most :data:`ROWS` first rows: those that were read already, else those that one page gives."""
    if rows._result.complete:
        return Preview(rows._result.rows[:ROWS], len(rows._result.rows) > ROWS)
    head: QuerySet[Any, Any] = rows._slice(slice(0, ROWS + 1))._with(prefetch=())
    session = head._bind()
    state = _OnePage(head._plan.meta.plural)
    found: list[Any] = []
    for part in session.iterate(
        state.limited(operations.results.emit(head._plan, session.target)), timeout=head._timeout
    ):
        found += part
    return Preview(found[:ROWS], len(found) > ROWS, state.cut)


class _OnePage:
    """Lets an operation ask for one page of what it is about; finding out where that is does not count."""

    def __init__(self, plural: str) -> None:
        self.plural = plural
        self.asked = 0
        self.cut = False

    def limited(self, operation: Operation[None]) -> Operation[None]:
        """The operation, ended where it would ask for a second page."""
        answer: Any = None
        error: Exception | None = None
        try:
            while True:
                try:
                    verb = operation.send(answer) if error is None else operation.throw(error)
                except StopIteration:
                    return
                error = None
                sent = [getattr(verb, "request", None), *getattr(verb, "requests", ())]
                pages = sum(request is not None and request.operation_name == self.plural for request in sent)
                if pages and self.asked:
                    self.cut = True
                    return
                self.asked += pages
                try:
                    answer = yield verb
                except Exception as raised:
                    error = raised
        finally:
            error = None  # its traceback refers to this frame
            operation.close()


def queryset_text(rows: QuerySet[Any, Any]) -> str:
    if is_off():
        name = f"{type(rows).__name__}[{rows._plan.meta.name}]"
        return f"<{name} {len(rows._result.rows)} rows>" if rows._result.complete else f"<{name} not evaluated>"
    try:
        return _line(rows, preview(rows))
    except Exception as error:  # a repr must not raise: debuggers and logs call it
        return _line(rows, error)


def queryset_bundle(rows: QuerySet[Any, Any]) -> dict[str, str]:
    # IPython would ask for the text and then for the table, each with a request of its own.
    if is_off():
        return {"text/plain": repr(rows)}
    try:
        shown = preview(rows)
    except Exception as error:
        return {"text/plain": _line(rows, error), "text/html": _paragraph(_line(rows, error))}
    made = {"text/plain": _line(rows, shown)}
    table = _safe(lambda: _queryset_table(rows, shown))
    return made if table is None else {**made, "text/html": table}


# -- tables ----------------------------------------------------------------------------------------


def queryset_html(rows: QuerySet[Any, Any]) -> str | None:
    """A queryset as a table of its first rows; None when representations are off. Never raises."""
    if is_off():
        return None
    try:
        shown = preview(rows)
    except Exception as error:  # as with repr: a notebook calls this without being asked to
        return _paragraph(_line(rows, error))
    return _safe(lambda: _queryset_table(rows, shown)) or _paragraph(_line(rows, shown))


def _line(rows: QuerySet[Any, Any], shown: Preview | Exception) -> str:
    """A queryset as text, from what was read of it or from what went wrong."""
    name = f"{type(rows).__name__}[{rows._plan.meta.name}]"
    if isinstance(shown, Exception):
        return f"<{name} that cannot be evaluated: {shown}>"
    try:
        words = [repr(row) for row in shown.rows]
    except Exception as error:
        return f"<{name} that cannot be shown: {error}>"
    if shown.more or shown.cut:
        words.append("...(remaining elements truncated)...")
    return f"<{name} [{', '.join(words)}]>"


def _queryset_table(rows: QuerySet[Any, Any], shown: Preview) -> str:
    name = f"{type(rows).__name__}[{rows._plan.meta.name}]"
    if rows._result.complete:
        note = f"{name}: {_many(len(rows._result.rows), 'row')}"
        note += f", the first {ROWS} are shown" if shown.more else ""
    elif shown.more or shown.cut:
        note = f"{name}: the first {_many(len(shown.rows), 'row')}; there {'are' if shown.more else 'may be'} more"
        if not shown.rows:
            note = f"{name}: the first page holds none of its rows; iterate to read on"
    else:
        note = f"{name}: {_many(len(shown.rows), 'row')}"
    columns = rows._plan.shape.columns
    if not columns:
        head, body = _entity_columns(rows, shown.rows)
    else:
        head = [column.name for column in columns]
        body = [_cells_of(rows._plan.shape, head, row) for row in shown.rows]
    return table_html(head, body, note)


def _cells_of(shape: Shape, head: Sequence[str], row: Any) -> list[Any]:
    if isinstance(shape, Dicts):
        return [row.get(name) for name in head]
    return [row] if isinstance(shape, Flat) else list(row)


def table_html(head: Sequence[str], rows: Iterable[Sequence[Any]], note: str = "") -> str:
    """A table with the names ``head`` and one line per row, at most :data:`ROWS` and :data:`COLUMNS`; ``note`` is the
    line below it. Everything is escaped and cut to :data:`WIDTH` characters. Columns of numbers stand right."""
    left_out = len(head) - COLUMNS
    body = [list(row[:COLUMNS]) for row in islice(rows, ROWS)]
    right = [_is_numeric(row[at] for row in body) for at in range(min(len(head), COLUMNS))]
    cells = [_cell("th", _name(name), side) for name, side in zip(head, right, strict=False)]
    lines = ["<table>", f"<thead><tr>{''.join(cells)}</tr></thead>", "<tbody>"]
    for row in body:
        cells = [_cell("td", _text(_words(value)), side) for value, side in zip(row, right, strict=True)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    lines += ["</tbody>", "</table>"]
    if left_out > 0:
        note += f"; {_many(left_out, 'more column')}"
    if note:
        lines.append(_paragraph(note))
    return "\n".join(lines)


def _paragraph(text: str) -> str:
    return f"<p>{_text(text, 1000)}</p>"


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _safe(make: Any) -> str | None:
    try:
        return str(make())
    except Exception:  # what a server sends may be odd in ways nobody thought of; the plain repr is shown then
        return None


# -- columns ---------------------------------------------------------------------------------------


def _entity_columns(rows: QuerySet[Any, Any], shown: Sequence[Any]) -> tuple[list[str], list[list[Any]]]:
    """The object's own fields, then keys of ``config`` and ``summary``: those that the query names, then those whose
    values differ between the rows shown, in their order."""
    meta = rows._plan.meta
    fields = _own_fields(meta, shown[:1])
    if "project" in meta.fields and len({row._home() for row in shown}) > 1:
        fields.insert(0, "project")
    head: list[str] = list(fields)
    body: list[list[Any]] = [[_value(row, name) for name in fields] for row in shown]
    named = _named(rows)
    for field in meta.fields.values():
        if field.kind not in _KEYED or not shown or not shown[0]._is_loaded(field.name):
            continue
        flat = [_flat(getattr(row, field.name)) for row in shown]
        for key in _telling(flat, named.get(field.name, ())):
            head.append(f"{field.name}.{key}")
            for line, values in zip(body, flat, strict=True):
                line.append(values.get(key))
    return head, body


def _own_fields(meta: EntityMeta, first: Sequence[Any]) -> list[str]:
    plain = (item.name for item in meta.fields.values() if item.kind in _PLAIN and item.selected)
    wanted = _FIRST.get(meta.name) or list(dict.fromkeys((meta.key, *plain)))[:6]
    # All rows of a query have the same fields.
    return [name for name in wanted if not first or first[0]._is_loaded(name)]


def _value(row: Any, name: str) -> Any:
    value = getattr(row, name, None)
    return value.path if name == "project" and value is not None else value


def _named(rows: QuerySet[Any, Any]) -> dict[str, tuple[str, ...]]:
    """The keys of each keyed field that the query orders or filters by, dotted."""
    from wbmodel.query.conditions import leaves

    plan = rows._plan
    paths = [key.path for key in plan.order]
    if plan.where is not None:
        paths += [leaf.path for leaf in islice(leaves(plan.where), 100)]
    found: dict[str, tuple[str, ...]] = {}
    for path in paths:
        if path.keys:
            found[path.field.name] = (*found.get(path.field.name, ()), ".".join(path.keys))
    return found


def _telling(flat: Sequence[Mapping[str, Any]], named: Sequence[str]) -> list[str]:
    """The keys to show, at most :data:`KEYS`: of those that differ, the ones that most rows have."""
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
        and (len(flat) == 1 or len({repr(values.get(key)) for values in flat}) > 1)
    ]
    best = set(sorted(rest, key=lambda key: -found[key])[: KEYS - len(chosen)])
    return [*chosen, *(key for key in rest if key in best)]


def _flat(value: Any, limit: int = 200) -> dict[str, Any]:
    """The first ``limit`` plain values of nested dicts by their dotted keys, three levels deep; a list is plain."""
    made: dict[str, Any] = {}
    pending: list[tuple[str, Any, int]] = [("", value, 0)]
    while pending and len(made) < limit:
        prefix, item, depth = pending.pop(0)
        if isinstance(item, dict) and depth < 3 and (item or not prefix):
            below = [(f"{prefix}.{key}" if prefix else str(key), inner, depth + 1) for key, inner in item.items()]
            pending[:0] = below[:limit]
        else:
            made[prefix] = item
    return made


# -- one object ------------------------------------------------------------------------------------


def entity_html(row: Any) -> str | None:
    """One object as a table of names and values: its own fields, then what is in ``config`` and ``summary``, at most
    :data:`ROWS` lines in all. None when representations are off, or when it cannot be shown. Asks nothing."""
    return None if is_off() else _safe(lambda: _entity_table(row))


def _entity_table(row: Any) -> str:
    meta: EntityMeta = type(row).__wbmodel_meta__
    lines: list[tuple[str, Any]] = []
    for field in meta.fields.values():
        if field.name == "node_id" or not row._is_loaded(field.name):
            continue
        value = getattr(row, field.name) if field.kind in (*_PLAIN, Kind.TEXTS) else None
        if field.kind is Kind.REF:
            target = getattr(row, field.name)
            value = None if target is None else target._label()
        if value not in (None, "", []):
            lines.append((field.name, value))
    own = lines[:10]
    more: list[str] = []
    for field in meta.fields.values():
        if field.kind not in _KEYED or not row._is_loaded(field.name):
            continue
        flat = {key: value for key, value in _flat(getattr(row, field.name)).items() if not key.startswith("_")}
        own += [(f"{field.name}.{key}", value) for key, value in list(flat.items())[:5]]
        if len(flat) > 5:
            more.append(f"{len(flat) - 5} more in {field.name}")
    note = f"{type(row).__name__} {row._label()}" + (f": {', '.join(more)}" if more else "")
    return table_html(("field", "value"), own, note) + _link(row)


def _link(row: Any) -> str:
    try:
        url = row.url
    except Exception:  # an object without a page, or one that was unpickled without its session
        return ""
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return ""
    from html import escape

    return f'\n<p><a href="{escape(url)}" rel="noreferrer">{_text(url, 200)}</a></p>'


# -- cells -----------------------------------------------------------------------------------------


def _cell(tag: str, text: str, right: bool) -> str:
    # Long names may break after their dots; what is short stays on one line.
    wrap = "" if tag == "th" or len(text) > 30 else ";white-space:nowrap"
    return f'<{tag} style="text-align:{"right" if right else "left"}{wrap}">{text}</{tag}>'


def _name(text: str) -> str:
    return _text(text).replace(".", ".<wbr>")


def _is_numeric(values: Iterable[Any]) -> bool:
    """Whether there are numbers among the values, and nothing else."""
    kinds = {isinstance(value, (int, float)) and not isinstance(value, bool) for value in values if value is not None}
    return kinds == {True}


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
    except Exception:  # an integer of ten thousand digits, say, which Python does not write
        return f"({type(value).__name__})"


def _words_of_many(value: Any) -> str:
    from wbmodel.codec import dumps

    # Of a long list, only what can be seen is written.
    part = dict(islice(value.items(), WIDTH)) if isinstance(value, dict) else list(value[:WIDTH])
    return dumps(part)


def _text(text: str, width: int = WIDTH) -> str:
    """``text`` for a page: cut, with control characters and marks that turn the direction shown as their escapes."""
    from html import escape

    cut = text if len(text) <= width else text[: width - 1] + "\u2026"
    return escape("".join(char if _is_harmless(char) else char.encode("unicode_escape").decode() for char in cut))


def _is_harmless(char: str) -> bool:
    if " " <= char <= "~":
        return True
    import unicodedata

    # Control characters, halves of surrogate pairs (which no page can hold), and what turns text around.
    category = unicodedata.category(char)
    return category not in ("Cc", "Cs", "Zl", "Zp") and not (category == "Cf" and char in _TURNING)


_TURNING = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
