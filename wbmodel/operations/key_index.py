"""Ask the server's own list of the keys of a project's rows, and read its paths as those of the query language.

The list says nothing of values, and it may lag behind the rows or keep keys that no row has any more. So it is used for
discovery only, never for the answer of a query.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial

import attrs

from wbmodel.compiler.extras import INDEX, LARGE
from wbmodel.compiler.physical import Scan
from wbmodel.compiler.requests import index_request
from wbmodel.compiler.target import Target
from wbmodel.meta import FieldMeta
from wbmodel.meta.scopes import PROJECT
from wbmodel.operations.answer import Operation, answer, send_all, walk
from wbmodel.operations.ways_back import on_lesser_terms, refusable
from wbmodel.query.plan import Plan

__all__ = ["Keys", "Listed", "Spellings", "listed", "may_be_listed"]

Keys = tuple[str, ...]


@attrs.frozen(slots=True)
class Listed:
    """One type of the values of one key: ``field`` holds it, ``text`` is the server's path inside the field."""

    field: FieldMeta
    text: str
    type: str


def may_be_listed(plan: Plan, fields: Sequence[FieldMeta], target: Target) -> bool:
    """Whether a server may list the keys of exactly the rows of a plan."""
    if plan.where is not None or plan.sliced or plan.is_empty or target.capabilities.in_process:
        return False
    return INDEX not in target.refused and all(field.index is not None for field in fields)


def listed(plan: Plan, fields: Sequence[FieldMeta], target: Target, most: int | None) -> Operation[list[Listed] | None]:
    """The server's list of the keys under these fields, of at most so many pages; None if it has none that is usable.

    Also None for a type that is not known here.
    """
    found, _ = yield from on_lesser_terms(partial(_found, plan, fields, most), target)
    return found


def _found(plan: Plan, fields: Sequence[FieldMeta], most: int | None, target: Target) -> Operation[list[Listed] | None]:
    from wbmodel.operations.run import planned

    if not may_be_listed(plan, fields, target):
        return None
    scan, target = yield from planned(plan.bare(order=(), unordered=True), target)
    if not isinstance(scan, Scan) or not _is_whole(scan):
        return None
    found: list[Listed] = []
    for index in dict.fromkeys(field.index for field in fields):
        assert index is not None
        entries = yield from _pages(scan, index, most, target)
        if entries is None:
            return None
        for path, word in entries:
            field = next((item for item in fields if path.startswith(f"{item.filter_path}.")), None)
            if field is not None:
                kind = _TYPES.get(word.casefold())
                if kind is None:
                    return None
                found.append(Listed(field, path[len(field.filter_path or "") + 1 :], kind))
    return found


def _is_whole(scan: Scan) -> bool:
    """Whether a connection has all rows of one project."""
    route = scan.route
    if not route.steps or not route.is_context(route.steps[-1]) or scan.parent.get(PROJECT) is None:
        return False
    return scan.pushed.wire is None and scan.filter is None and scan.check is None and not scan.names


def _pages(scan: Scan, index: str, most: int | None, target: Target) -> Operation[list[tuple[str, str]] | None]:
    """The paths and types of a list; None if the server does not give it, or does not come to its end."""
    can = target.capabilities
    extras = {INDEX, LARGE} if can.max_page_size > can.page_size else {INDEX}
    found: list[tuple[str, str]] = []
    cursors: set[str | None] = {None}
    after, pages = None, 0
    while most is None or pages < most:
        request = index_request(scan, index, can.max_page_size, after)
        with refusable(lambda: extras, [scan]):
            (response,) = yield from send_all([request])
            data = answer(target, request, response)
        parent, _ = walk(scan.node.meta, scan.route, scan.parent, data, None, target.place, optional=scan.optional)
        page = None if parent is None else parent[index]
        if page is None:
            return None
        nodes = [edge["node"] for edge in page["edges"] if edge is not None]
        found += [(node["path"], node["type"]) for node in nodes if node is not None]
        info = page["pageInfo"]
        if not info["hasNextPage"]:
            return found
        after, pages = info["endCursor"], pages + 1
        if not page["edges"] or after in cursors:
            return None
        cursors.add(after)
    return found


_TYPES = {
    **dict.fromkeys(("number", "int", "integer", "float", "double"), "number"),
    **dict.fromkeys(("string", "text", "str"), "text"),
    **dict.fromkeys(("bool", "boolean"), "bool"),
    **dict.fromkeys(("list", "array"), "list"),
    **dict.fromkeys(("map", "object", "dict"), "object"),
    **dict.fromkeys(("nil", "null", "none"), "null"),
}
"""What the words of servers mean here."""


# -- paths -----------------------------------------------------------------------------------------

_PART = re.compile(r"(?:\\[.,\\]|[^.])*")
_ESCAPED = re.compile(r"\\([.,\\])")


class Spellings:
    r"""The keys that a server's paths mean. If keys hold dots, a path is ambiguous: ``a.b`` may be one key or two.

    Keys that are ``known`` decide. Else every dot separates keys, as in the query language, except after a backslash,
    which is how the servers of wbmodel write a dot inside a key.
    """

    def __init__(self, known: Iterable[Keys]) -> None:
        self._whole: dict[str, dict[Keys, None]] = {}
        self._dotted: dict[Keys, dict[str, None]] = {}
        for keys in known:
            for text in (".".join(keys), ".".join(map(_escaped, keys))):
                self._whole.setdefault(text, {})[keys] = None
            if "." in keys[-1]:
                self._dotted.setdefault(keys[:-1], {})[keys[-1]] = None

    def of(self, text: str) -> list[Keys]:
        """The keys of one path; several if rows have them in several ways."""
        return list(self._whole.get(text, ())) or [self._split(text)]

    def _split(self, text: str) -> Keys:
        keys: Keys = ()
        at = 0
        while True:
            for key in self._dotted.get(keys, ()):
                if text.startswith(key, at) and text[at + len(key) :][:1] in ("", "."):
                    end = at + len(key)
                    break
            else:
                part = _PART.match(text, at)
                assert part is not None
                key, end = _ESCAPED.sub(r"\1", part[0]), part.end()
            keys = (*keys, key)
            if end >= len(text):
                return keys
            at = end + 1


def _escaped(key: str) -> str:
    return key.replace("\\", "\\\\").replace(".", "\\.").replace(",", "\\,")
