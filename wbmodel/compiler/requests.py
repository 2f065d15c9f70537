"""Turn steps of a physical plan into requests. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from wbmodel.backend.asks import Document, Request
from wbmodel.backend.capabilities import Capabilities
from wbmodel.codec import dumps
from wbmodel.compiler.answer_types import answer_type, index_type, tally_type
from wbmodel.compiler.document import Selection, Shape, build, freeze
from wbmodel.compiler.physical import Get, NodeSpec, Parent, Scan
from wbmodel.compiler.selection import node_selection
from wbmodel.meta import FieldMeta, Route, Tally

__all__ = [
    "PAGE_BYTES",
    "around",
    "count_request",
    "first_size",
    "get_request",
    "index_request",
    "page_request",
    "page_size",
    "shape_of",
    "tally_request",
]

PAGE_BYTES = 4 * 1024 * 1024
"""The largest size of a page, decoded, in bytes.

Beyond this, a larger page saves no time, as its round trip is short compared with its transfer and decoding. Yet its
memory (up to three pages are held at once: one in use, one decoded, one in flight) and the loss on a broken connection
keep growing.
"""


def page_size(scan: Scan, received: int, pages: int, can: Capabilities, most: int, *, alone: bool = True) -> int:
    """The number of rows to request in the next page, after ``pages`` pages with ``received`` rows.

    It is no more than needed; if that is unknown, the first page is small and the next ones are full. ``most`` is the
    limit, and ``alone`` says that no other connection of the query was read before.
    """
    along = scan.node.along
    if along is not None:
        most = min(most, along.later if pages else along.first)
    if scan.limit is None:
        return min(can.page_size, most) if pages == 0 and alone and not scan.node.is_light else most
    left = scan.limit - received
    if left > 0:
        return min(left, most)
    # Beyond the limit, rows are read for ties, which are few, or to order all rows locally.
    return min(can.page_size, most) if pages < 2 else most


def first_size(scan: Scan, can: Capabilities) -> int:
    """The number of rows to request in the first page."""
    return page_size(scan, 0, 0, can, can.max_page_size)


def page_request(
    scans: Sequence[Scan],
    filters: Sequence[dict[str, Any] | None],
    first: int,
    after: Sequence[str | None],
    *,
    begins: bool = False,
) -> Request:
    """The request for one page of each connection; they differ only in their parents and filters.

    ``begins``: it is page 1, which may include the number of all rows, and the first row in the opposite order.
    """
    scan = scans[0]
    filtering = any(item is not None for item in filters)
    far = begins and scan.far is not None
    shape = shape_of(
        scan.node,
        scan.route,
        "list",
        len(scans),
        filters=filtering,
        order=scan.order is not None,
        names=bool(scan.names),
        counted=scan.counted or (begins and scan.sides),
        far=scan.far_node if far else None,
    )
    variables = _keys(scan.node)
    if scan.node.along is not None:
        variables |= {name: list(value) for name, _, value in scan.node.along.variables}
    if far:
        variables.update(_keys(scan.far_node, _FAR))
    for index, item in enumerate(scans):
        suffix = _suffix(index, scans)
        _put_parent(variables, scan.route, item.parent, suffix)
        if filtering:
            variables["filters" + suffix] = dumps(filters[index] or {})
        if scan.route.paged:
            variables["after" + suffix] = after[index]
    if scan.names and scan.route.names is not None:
        variables[scan.route.names.variable] = list(scan.names)
    if scan.order is not None:
        variables["order"] = scan.order
    if far:
        variables["far"] = scan.far
    if scan.route.paged:
        variables["first"] = first
    return Request(build(shape), variables, shape.name, divisible=scan.route.paged and first > 1)


def count_request(scans: Sequence[Scan]) -> Request:
    """The request for the number of rows of each connection."""
    scan = scans[0]
    filtering = any(item.pushed.wire is not None for item in scans)
    shape = shape_of(scan.node, scan.route, "count", len(scans), filters=filtering)
    variables: dict[str, Any] = {}
    for index, item in enumerate(scans):
        suffix = _suffix(index, scans)
        _put_parent(variables, scan.route, item.parent, suffix)
        if filtering:
            variables["filters" + suffix] = dumps(item.pushed.wire or {})
    return Request(build(shape), variables, shape.name)


def tally_request(scan: Scan, field: FieldMeta) -> Request:
    """The request for the number of rows of each value of a field, as the server tallies them."""
    assert field.tally is not None
    name = f"{scan.node.meta.plural}By{field.name.title()}"
    variables: dict[str, Any] = {}
    _put_parent(variables, scan.route, scan.parent, "")
    return Request(_tally_document(scan.route, field.tally, name), variables, name)


@lru_cache(maxsize=16)
def _tally_document(route: Route, tally: Tally, name: str) -> Document:
    item: Selection = ((tally.value, ()), (tally.number, ()))
    if tally.on is not None:
        item = ((f"... on {tally.on}", (("edges", (("node", item),)),)),)
    head = f"{tally.name}({tally.arguments})" if tally.arguments else tally.name
    beside = Route(steps=route.steps)
    answer = tally_type(beside, tally)
    return build(Shape(name=name, mode="point", route=beside, graphql="", node=((head, item),), answer=answer))


def index_request(scan: Scan, index: str, first: int, after: str | None) -> Request:
    """The request for a page of the server's own list of keys, beside a connection."""
    document = _index_document(scan.route, index, f"{scan.node.meta.name}Keys")
    variables: dict[str, Any] = {"first": first, "after": after}
    _put_parent(variables, scan.route, scan.parent, "")
    return Request(document, variables, f"{scan.node.meta.name}Keys")


@lru_cache(maxsize=16)
def _index_document(route: Route, index: str, name: str) -> Document:
    listed = Route(steps=route.steps, connection=index)
    node: Selection = (("path", ()), ("type", ()))
    return build(Shape(name=name, mode="list", route=listed, graphql="", node=node, answer=index_type(listed, index)))


def get_request(gets: Sequence[tuple[Get, Parent]]) -> Request:
    """The request for one node of each parent, by the key of its step."""
    get = gets[0][0]
    shape = shape_of(get.node, get.route, "point", len(gets))
    variables = _keys(get.node)
    for index, (item, parent) in enumerate(gets):
        _put_parent(variables, get.route, {**parent, "key": item.key}, _suffix(index, gets))
    return Request(build(shape), variables, shape.name)


_FAR = "far"


def _keys(node: NodeSpec, prefix: str = "") -> dict[str, Any]:
    keys = dict(node.keys)
    return {variable: list(keys[name]) for name, variable in node.variables(prefix).items()}


def _suffix(index: int, items: Sequence[object]) -> str:
    return f"_{index}" if len(items) > 1 else ""


def _put_parent(variables: dict[str, Any], route: Route, parent: Mapping[str, Any], suffix: str) -> None:
    for name in route.variables:
        variables[name + suffix] = parent.get(name)


def shape_of(
    node: NodeSpec,
    route: Route,
    mode: str,
    slots: int,
    *,
    filters: bool = False,
    order: bool = False,
    names: bool = False,
    counted: bool = False,
    far: NodeSpec | None = None,
) -> Shape:
    """The shape of the document for ``slots`` parents of a route."""
    meta = node.meta
    counting = mode == "count"
    context = route.beside.relation if mode == "point" and route.beside is not None else route.context
    return Shape(
        name=meta.name if mode == "point" else meta.plural + ("Count" if counting else ""),
        mode=mode,
        route=route,
        graphql=meta.graphql,
        node=() if counting else _selected(node, route.context, ""),
        context=() if counting or context is None else around(node, context),
        filters=filters,
        order=order,
        names=names,
        slots=slots,
        counted=counted,
        far=() if far is None else _selected(far, None, _FAR),
        along=() if counting or node.along is None else tuple((name, kind) for name, kind, _ in node.along.variables),
        keys=()
        if counting
        else (*node.variables().values(), *(far.variables(_FAR).values() if far is not None else ())),
        answer=answer_type(node, route, mode, slots, counted, far),
    )


@lru_cache(maxsize=1024)
def _selected(node: NodeSpec, context: str | None, prefix: str) -> Selection:
    along = () if node.along is None else tuple((field, ()) for field in node.along.fields)
    return (*freeze(node_selection(node.meta, node.fields, node.related, context, node.variables(prefix))), *along)


@lru_cache(maxsize=1024)
def around(node: NodeSpec, context: str) -> Selection:
    """The own selection of the context step."""
    return freeze(node_selection(*node.context(context)))
