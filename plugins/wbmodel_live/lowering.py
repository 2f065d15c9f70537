"""Lowers documents for servers that lack a field: leaves the field out, fills in null, and warns once.

A server is assumed to have every field until it refuses a document because of one. Then it is asked once which fields
its types have (by introspection, which no official client needs, so a server may refuse it), and every later document
is lowered before it is sent. A field that cannot be null cannot be replaced: NotSupportedByServer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

import attrs
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    Visitor,
    build_schema,
    get_named_type,
    visit,
)
from graphql.language import FieldNode, FragmentSpreadNode, InlineFragmentNode, NameNode, SelectionSetNode

from wbmodel.engine.schema import schema_text
from wbmodel.errors import NotSupportedByServer, WbmodelError
from wbmodel.request import CallNote, Document, Request, Response
from wbmodel.weighted_cache import WeightedCache
from wbmodel_live.server_info import QUESTION, ServerInfo, read_answer

__all__ = ["Lowering"]

_UNKNOWN_FIELD = re.compile(r"""Cannot query field ["'](\w+)["'] on type ["'](\w+)["']""")
_UNKNOWN_OTHER = re.compile(
    r"""Unknown argument ["'](\w+)["'] on field ["']([\w.]+)["']|"""
    r"""Field ["'](\w+)["'] is not defined by type ["'](\w+)["']|"""
    r"""Unknown type ["'](\w+)["']"""
)
_NEEDS = "a newer W&B server"

Field = tuple[str, str]
_KEPT_TEXTS = 4 * 1024 * 1024
"""Size of the cache of lowered documents, in characters of the originals."""

_Holes = dict[str, Any]
"""Response key -> the holes below it; None for a key that must be filled with null."""


@lru_cache(maxsize=1)
def _schema() -> GraphQLSchema:
    return build_schema(schema_text(), assume_valid_sdl=True)


class Lowering:
    """What is known about one server's schema. ``ask`` sends a request unchanged."""

    def __init__(self, place: str, ask: Callable[[Request], Awaitable[Response]]) -> None:
        self.place = place
        self._ask = ask
        self._lacking: set[Field] = set()
        self._probed = False
        self._lock = asyncio.Lock()
        self._said: set[Field] = set()
        self._untold: list[str] = []
        self._made: WeightedCache[tuple[Document, _Holes]] = WeightedCache(_KEPT_TEXTS)
        self._info: ServerInfo | None = None

    async def answer(self, request: Request, send: Callable[[Request], Awaitable[Response]]) -> Response:
        """Send ``request`` with ``send``, lowered for the fields that the server is known to lack."""
        while True:
            lowered, holes = self._lowered(request)
            known = len(self._lacking)  # other requests may learn more while this one is in flight
            response = await send(lowered)
            if not response.errors or not await self._learn(response.errors, known):
                if holes and response.data is not None:
                    _fill(response.data, holes)
                if self._untold:
                    # Here, the frames of the caller are on another thread's stack.
                    told, self._untold = tuple(self._untold), []
                    response = attrs.evolve(response, note=attrs.evolve(response.note or CallNote(), told=told))
                return response

    # -- learning ----------------------------------------------------------------------------------

    async def _learn(self, errors: Sequence[Any], known: int) -> bool:
        """Learn missing fields from ``errors``. Returns whether the request should be lowered and sent again."""
        messages = [str(error.get("message", "")) for error in errors if isinstance(error, dict)]
        refused = {
            (kind, field)
            for message in messages
            for field, kind in _UNKNOWN_FIELD.findall(message)
            if _ours(kind, field)
        }
        if not refused:
            self._refuse_others(messages)
            return False
        async with self._lock:
            if len(self._lacking) > known and refused <= self._lacking:
                return True  # another request learned it in the meantime
            if refused <= self._lacking:
                return False  # refused although the field was left out: the caller gets the server's errors
            self._lacking |= refused
            await self._probe()
        return True

    def _refuse_others(self, messages: Sequence[str]) -> None:
        for message in messages:
            found = _UNKNOWN_OTHER.search(message)
            if found is None:
                continue
            argument, of, part, kind, unknown = found.groups()
            if argument and _has_argument(of, argument):
                raise NotSupportedByServer(f"{of}({argument}:) ({self.place})", _NEEDS)
            if part and _has_input(kind, part):
                raise NotSupportedByServer(f"{kind}.{part} ({self.place})", _NEEDS)
            if unknown and unknown in _schema().type_map:
                raise NotSupportedByServer(f"the type {unknown} ({self.place})", _NEEDS)

    async def _probe(self) -> None:
        """Ask once which fields the server's types have. If the server does not say, its refusals tell."""
        if self._probed:
            return
        self._probed = True
        kinds = [
            name
            for name, kind in _schema().type_map.items()
            if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)) and not name.startswith("__")
        ]
        parts = " ".join(f'{name}: __type(name: "{name}") {{ fields {{ name }} }}' for name in kinds)
        try:
            response = await self._ask(Request(f"query ServerFields {{ {parts} }}", {}, "ServerFields"))
        except WbmodelError:
            return
        answered = response.data if isinstance(response.data, dict) else {}
        for name in kinds:
            shown = answered.get(name)
            fields = shown.get("fields") if isinstance(shown, dict) else None
            if isinstance(fields, list) and fields:
                theirs = {field.get("name") for field in fields if isinstance(field, dict)}
                if not theirs or not all(isinstance(field, str) for field in theirs):
                    continue
                ours = _schema().type_map[name].fields  # type: ignore[attr-defined]
                self._lacking |= {(name, field) for field in ours if field not in theirs}

    async def info(self) -> ServerInfo:
        """The server's report about itself, requested once."""
        if self._info is None:
            answer = read_answer((await self.answer(QUESTION, self._ask)).data, self.place)
            async with self._lock:
                await self._probe()
            self._info = answer.info(frozenset(f"{kind}.{field}" for kind, field in self._lacking))
        return self._info

    # -- lowering ----------------------------------------------------------------------------------

    def _lowered(self, request: Request) -> tuple[Request, _Holes]:
        """The lowered request and its holes."""
        if not self._lacking:
            return request, {}
        key = (request.document.text, len(self._lacking))
        made = self._made.get(key)
        if made is None:
            made = self._lower(request.document)
            self._made.put(key, made, len(key[0]))
        document, holes = made
        if not holes:
            return request, holes
        variables = {name: request.variables[name] for name in declared(document) if name in request.variables}
        return attrs.evolve(request, document=document, variables=variables), holes

    def _lower(self, document: Document) -> tuple[Document, _Holes]:
        work = _Work(document.ast, self._lacking)
        ast, holes = work.done()
        for field in sorted(work.dropped):
            kind, name = field
            if field in work.required:
                raise NotSupportedByServer(f"{kind}.{name} ({self.place})", _NEEDS)
            if field not in self._said:
                self._said.add(field)
                self._untold.append(
                    f"{self.place} does not have the field {kind}.{name}; it is left out of requests and reads as None"
                )
        return (Document(ast=ast) if holes else document), holes


def declared(document: Document) -> frozenset[str]:
    """The names of the variables that a document declares."""
    return frozenset(
        item.variable.name.value
        for node in document.ast.definitions
        if isinstance(node, OperationDefinitionNode)
        for item in node.variable_definitions or ()
    )


def _tidied(definitions: Sequence[Any]) -> list[Any]:
    """``definitions`` without the fragments that no operation spreads any more, and without the variables that none of
    them uses: a document that declares either is invalid."""
    fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}
    spread: set[str] = set()
    made: list[Any] = []
    for node in definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        found = _Uses()
        pending: list[Any] = [node.selection_set, *(node.directives or ())]
        while pending:
            visit(pending.pop(), found)
            pending += [fragments[name].selection_set for name in found.new_fragments() if name in fragments]
        spread |= found.fragments
        kept = tuple(item for item in node.variable_definitions or () if item.variable.name.value in found.variables)
        made.append(_with(node, node.selection_set, variable_definitions=kept))
    return [*made, *(fragments[name] for name in fragments if name in spread)]


class _Uses(Visitor):
    """The variables and fragments that are used somewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.variables: set[str] = set()
        self.fragments: set[str] = set()
        self._new: list[str] = []

    def new_fragments(self) -> list[str]:
        """The fragments that were met since the last call."""
        new, self._new = self._new, []
        return new

    def enter_variable(self, node: Any, *_: Any) -> None:
        self.variables.add(node.name.value)

    def enter_fragment_spread(self, node: Any, *_: Any) -> None:
        if node.name.value not in self.fragments:
            self.fragments.add(node.name.value)
            self._new.append(node.name.value)


class _Work:
    """Removes fields from one document, and records where in the response they would have been."""

    def __init__(self, ast: DocumentNode, lacking: set[Field]) -> None:
        self.ast, self.lacking = ast, lacking
        self.schema = _schema()
        self.fragments = {node.name.value: node for node in ast.definitions if isinstance(node, FragmentDefinitionNode)}
        self.fragment_holes: dict[str, _Holes] = {}
        self.dropped: set[Field] = set()
        self.required: set[Field] = set()

    def done(self) -> tuple[DocumentNode, _Holes]:
        """The document without the missing fields, and the holes."""
        holes: _Holes = {}
        definitions: list[Any] = []
        for node in self.ast.definitions:
            if isinstance(node, OperationDefinitionNode):
                root = self.schema.get_root_type(node.operation)
                kept, inner = self._selections(node.selection_set, root.name if root is not None else "")
                holes.update(inner)
                definitions.append(_with(node, kept))
            elif isinstance(node, FragmentDefinitionNode):
                kept, _ = self._selections(node.selection_set, node.type_condition.name.value)
                definitions.append(_with(node, kept))
            else:
                definitions.append(node)
        return DocumentNode(definitions=tuple(_tidied(definitions))), holes

    def _selections(self, selections: SelectionSetNode, kind: str) -> tuple[SelectionSetNode, _Holes]:
        kept: list[Any] = []
        holes: _Holes = {}
        for node in selections.selections:
            if isinstance(node, FieldNode):
                self._field(node, kind, kept, holes)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition.name.value if node.type_condition is not None else kind
                inside, inner = self._selections(node.selection_set, condition)
                _merge(holes, inner)
                kept.append(_with(node, inside))
            else:
                assert isinstance(node, FragmentSpreadNode)
                _merge(holes, self._of_fragment(node.name.value))
                kept.append(node)
        if not kept:
            # A selection set cannot be empty.
            kept.append(FieldNode(name=NameNode(value="__typename"), alias=None, arguments=(), directives=()))
        return SelectionSetNode(selections=tuple(kept)), holes

    def _field(self, node: FieldNode, kind: str, kept: list[Any], holes: _Holes) -> None:
        name = node.name.value
        key = node.alias.value if node.alias is not None else name
        declared = getattr(self.schema.type_map.get(kind), "fields", {}).get(name)
        if (kind, name) in self.lacking:
            self.dropped.add((kind, name))
            # Null in place of a connection would say that the place does not exist.
            if declared is not None and (isinstance(declared.type, GraphQLNonNull) or _is_connection(declared.type)):
                self.required.add((kind, name))
            holes[key] = None
            return
        if node.selection_set is None or declared is None:
            kept.append(node)
            return
        inside, inner = self._selections(node.selection_set, get_named_type(declared.type).name)
        if inner:
            _merge(holes, {key: inner})
        kept.append(_with(node, inside))

    def _of_fragment(self, name: str) -> _Holes:
        if name not in self.fragment_holes:
            self.fragment_holes[name] = {}  # ends the recursion; any server refuses a fragment that contains itself
            node = self.fragments.get(name)
            if node is not None:
                _, holes = self._selections(node.selection_set, node.type_condition.name.value)
                self.fragment_holes[name] = holes
        return self.fragment_holes[name]


def _with(node: Any, selections: SelectionSetNode, **changes: Any) -> Any:
    parts = {name: getattr(node, name) for name in node.keys}
    return type(node)(**{**parts, "selection_set": selections, **changes})


def _is_connection(kind: Any) -> bool:
    return "pageInfo" in (fields := getattr(get_named_type(kind), "fields", {})) or "edges" in fields


def _merge(holes: _Holes, more: _Holes) -> None:
    for key, inner in more.items():
        known = holes.get(key)
        if isinstance(known, dict) and isinstance(inner, dict):
            _merge(known, inner)
        else:
            holes[key] = inner


def _fill(data: Any, holes: _Holes) -> None:
    if isinstance(data, list):
        for item in data:
            _fill(item, holes)
    elif isinstance(data, dict):
        for key, inner in holes.items():
            if inner is None:
                data.setdefault(key, None)
            elif key in data:
                _fill(data[key], inner)


def _ours(kind: str, field: str) -> bool:
    return field in getattr(_schema().type_map.get(kind), "fields", {})


def _has_argument(of: str, argument: str) -> bool:
    kind, _, field = of.partition(".")
    declared = getattr(_schema().type_map.get(kind), "fields", {}).get(field)
    return declared is not None and argument in declared.args


def _has_input(kind: str, part: str) -> bool:
    return part in getattr(_schema().type_map.get(kind), "fields", {})
