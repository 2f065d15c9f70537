"""The shape that the data of a document must have, checked once for each answer.

The check is msgspec's: it walks an answer at the speed of C, and names the place of the first value that does not fit.
Its types are made at the first answer.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any

import attrs

from wbmodel import forks
from wbmodel.compiler.physical import NodeSpec
from wbmodel.compiler.selection import related_fields
from wbmodel.meta import EntityMeta, FieldMeta, Kind, Route, Tally, entity_meta

__all__ = [
    "AnswerType",
    "Fields",
    "aliased_type",
    "answer_type",
    "created_type",
    "index_type",
    "list_of",
    "object_of",
    "tally_type",
]

Fields = dict[str, Any]
"""Response key -> the type of its value: a Python type, an :class:`_Object` or a :class:`_List`."""


@attrs.frozen(eq=False)
class _Object:
    fields: Fields
    nullable: bool = True
    partly: bool = False
    """Whether keys may be missing: one member of a union is selected, and the object may be another."""


@attrs.frozen(eq=False)
class _List:
    of: Any
    nullable: bool = False


def object_of(fields: Fields, *, nullable: bool = True) -> Any:
    """The type of an object."""
    return _Object(fields, nullable)


def list_of(item: Any, *, nullable: bool = False) -> Any:
    """The type of a list."""
    return _List(item, nullable)


_PAGE_INFO = _Object({"endCursor": str | None, "hasNextPage": bool}, nullable=False)


@attrs.define(eq=False)
class AnswerType:
    """The type of one document's data."""

    fields: Fields
    _made: Any = attrs.field(default=None, init=False)

    def check(self, data: Any) -> None:
        """Raise ``ValueError`` if ``data`` does not fit. It names the place: ``project.runs.edges[3].node.user``."""
        import msgspec

        try:
            msgspec.convert(data, self._made or self._make())
        except (msgspec.ValidationError, RecursionError) as error:
            raise ValueError(_in_words(str(error))) from None

    def _make(self) -> Any:
        import msgspec

        with _making:
            if self._made is None:
                made = _made(_Object(self.fields, nullable=False))
                # msgspec completes a type when it first converts to it. Two threads that do so at once crash.
                with contextlib.suppress(msgspec.ValidationError):
                    msgspec.convert(None, made)
                self._made = made
            return self._made


_making = forks.lock()


def _made(wanted: Any) -> Any:
    import msgspec

    made = wanted
    if isinstance(wanted, _Object):
        names = {f"f{at}": name for at, name in enumerate(wanted.fields)}
        missing = (msgspec.UNSET,) if wanted.partly else ()
        fields: list[Any] = [(alias, _made(wanted.fields[name]), *missing) for alias, name in names.items()]
        made = msgspec.defstruct("Answer", fields, rename=names, gc=False)
    elif isinstance(wanted, _List):
        made = list[_made(wanted.of)]  # type: ignore[misc]
    else:
        return made
    return made | None if wanted.nullable else made


_SAID = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?\$\.?(?P<place>.*)`)?", re.DOTALL)
_EXPECTED = re.compile(r"Expected `(.+)`, got `(.+)`")
_LACKS = re.compile(r"Object missing required field `(.+)`")
_WORDS = {
    "array": "a list",
    "object": "an object",
    "str": "text",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
}


def _in_words(said: str) -> str:
    """What msgspec says, with the place in front."""
    found = _SAID.fullmatch(said)
    what, place = (found["what"], found["place"] or "data") if found is not None else (said, "data")
    if (lacks := _LACKS.fullmatch(what)) is not None:
        return f"{place} lacks {lacks[1]!r}"
    if (expected := _EXPECTED.fullmatch(what)) is not None:
        wanted = [_WORDS.get(part.strip(), part.strip()) for part in expected[1].split("|")]
        return f"{place} is {_WORDS.get(expected[2], expected[2])} and not {' or '.join(wanted)}"
    return f"{place} does not fit ({what[:1].lower()}{what[1:]})"


# -- the types of documents ------------------------------------------------------------------------


@lru_cache(maxsize=512)
def answer_type(
    node: NodeSpec, route: Route, mode: str, slots: int, counted: bool = False, far: NodeSpec | None = None
) -> AnswerType:
    """The type of the data of a page, a count or a single node; see :class:`~wbmodel.compiler.document.Shape`."""
    inside = _inside(node, route, mode, counted, far)
    beside = _beside(node, route) if mode == "point" else {}
    for step in reversed(route.steps):
        if route.is_context(step) and mode != "count":
            inside = _joined(_node(*node.context(step.relation or "")), inside)
        inside = {step.field: _Object(inside), **beside}
        beside = {}
    if slots > 1:
        (one,) = inside.values()
        inside = {f"s{slot}": one for slot in range(slots)}
    return AnswerType(inside)


@lru_cache(maxsize=64)
def tally_type(route: Route, tally: Tally) -> AnswerType:
    """The type of the answer to a request for a server's own list of values and numbers."""
    item = _Object({tally.value: str | None, tally.number: int})
    listed: Any = _List(item, nullable=True)
    if tally.on is not None:
        listed = _Object({"edges": _List(_Object({"node": item}))}, partly=True)
    return _within(route, {tally.name: listed})


@lru_cache(maxsize=64)
def index_type(route: Route, index: str) -> AnswerType:
    """The type of a page of the server's list of keys."""
    return _within(route, {index: _Object({"edges": _edges({"path": str, "type": str}), "pageInfo": _PAGE_INFO})})


def aliased_type(route: Route, aliases: Iterable[str], fields: Fields) -> AnswerType:
    """The type of an answer that has the last step of a route several times, with these fields inside each."""
    inside: Fields = {alias: _Object(fields) for alias in aliases}
    return _within(attrs.evolve(route, steps=route.steps[:-1]), inside)


def _within(route: Route, inside: Fields) -> AnswerType:
    """The type of an answer with these fields inside the last step of a route."""
    for step in reversed(route.steps):
        inside = {step.field: _Object(inside)}
    return AnswerType(inside)


@lru_cache(maxsize=64)
def created_type(meta: EntityMeta, fields: tuple[str, ...]) -> AnswerType:
    """The type of the answer to the mutation that creates a node and selects ``fields`` of it."""
    writes = meta.options.writes
    assert writes is not None
    payload: Fields = {writes.answer: _Object(_node(meta, fields))}
    if writes.warnings is not None:
        payload[writes.warnings] = list[str] | None
    return AnswerType({writes.upsert: _Object(payload)})


def _inside(node: NodeSpec, route: Route, mode: str, counted: bool, far: NodeSpec | None) -> Fields:
    """What is inside the last step."""
    if mode == "point":
        return _of(node, route)
    import msgspec

    found: Fields = {}
    connection: Fields = {}
    counting = mode == "count"
    if counting or counted:
        beside = (route.count or "").startswith("parent:")
        number: Any = Annotated[int, msgspec.Meta(ge=0)]
        (found if beside else connection)[route.count_field] = number | None
        if counting and beside:
            return found
    if not counting:
        connection["edges"] = _edges(_of(node, route))
        if route.paged:
            connection["pageInfo"] = _PAGE_INFO
        if far is not None:
            found["far"] = _Object({"edges": _edges(_of(far, route))}, nullable=False)
    found[route.connection or ""] = _Object(connection)
    return found


def _beside(node: NodeSpec, route: Route) -> Fields:
    """The field beside a single node."""
    if (beside := route.beside) is None:
        return {}
    wires = {field.wire: field for field in node.meta.fields.values()}
    own: Fields = {name: _value(node.meta, wires[name], ()) for name in beside.gives}
    return {beside.field: _Object({**own, beside.wire: _Object(_node(*node.context(beside.relation)))})}


def _edges(node: Fields) -> _List:
    return _List(_Object({"node": _Object(node)}))


def _of(node: NodeSpec, route: Route) -> Fields:
    along = () if node.along is None else node.along.names
    return {**_node(node.meta, node.fields, node.related, route.context), **dict.fromkeys(along, Any)}


def _node(
    meta: EntityMeta, fields: tuple[str, ...], related: tuple[str, ...] = (), context: str | None = None
) -> Fields:
    """The type of a node, as :func:`~wbmodel.compiler.selection.node_selection` selects it."""
    found: Fields = {}
    for name in fields:
        field = meta.fields[name]
        if name != context and not field.through:
            found = _joined(found, {field.wire: _value(meta, field, related)})
    return found


def _value(meta: EntityMeta, field: FieldMeta, related: tuple[str, ...]) -> Any:
    if field.kind is Kind.REF and not field.by_key:
        assert field.target is not None
        target = entity_meta(field.target)
        inner = _node(target, *related_fields(field.name, related, target, field.identity))
        if field.on is not None:
            return _Object({"__typename": str, **inner}, partly=True)
        return _Object(inner)
    if field.kind is Kind.TEXTS:
        item: Any = str
        for part in reversed(field.sub):
            item = _Object({part: item}, nullable=False)
        if field.belongs is not None:
            object_of = _value(meta, meta.fields[field.belongs.relation], ())
            named: Fields = {field.belongs.name: str | None, field.belongs.object: object_of}
            item = attrs.evolve(item, fields=_joined(item.fields, named))
        return _List(item, nullable=True)
    value = _scalar(field.kind)
    if field.nullable and value is not Any:
        value = value | None
    for part in reversed(field.sub):
        value = _Object({part: value}, nullable=field.nullable)
    return value


def _scalar(kind: Kind) -> Any:
    import msgspec

    if kind in (Kind.FLOAT, Kind.BOOL):
        return float if kind is Kind.FLOAT else bool
    if kind is Kind.INT:
        # The scalar Int64 may come as text.
        return int | Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]+$")]
    # A text that cannot be decoded costs its row only; see hydration.
    return Any if kind.is_decoded else dict[str, Any] if kind is Kind.VALUE else str


def _joined(one: Fields, other: Fields) -> Fields:
    """Both, merged where they select inside the same field."""
    found = dict(one)
    for name, value in other.items():
        known = found.get(name)
        if isinstance(known, _Object) and isinstance(value, _Object):
            value = attrs.evolve(known, fields=_joined(known.fields, value.fields))
        found[name] = value
    return found
