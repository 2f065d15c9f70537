"""Lowers documents for servers that lack something: leaves it out, fills in null, and says so once.

A server is assumed to have every field and argument until it refuses a document because of one. Then it is asked once
what its types have (by introspection, which no official client needs, so a server may refuse it), and every later
document is lowered before it is sent. A field that cannot be null cannot be replaced, and only an argument without
which the answer holds at least as much can be left out: NotSupportedByServer. Only a refused document teaches
anything: a server that fails (HTTP 5xx) may have it all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs

from wbmodel.errors import NotSupportedByServer, WbmodelError
from wbmodel.request import CallNote, Document, Request, Response
from wbmodel.weighted_cache import WeightedCache
from wbmodel_live.lacks import OPTIONAL, Lack, question, read_types, refused, unknown_type
from wbmodel_live.lowered import Holes, Lowered, declared, fill
from wbmodel_live.server_info import QUESTION, ServerInfo, read_answer
from wbmodel_live.words import message_of

__all__ = ["Lowering"]

_NEEDS = "a newer W&B server"
_KEPT_TEXTS = 4 * 1024 * 1024
"""Size of the cache of lowered documents, in characters of the originals."""


class Lowering:
    """What is known about one server's schema. ``ask`` sends a request unchanged."""

    def __init__(self, place: str, ask: Callable[[Request], Awaitable[Response]]) -> None:
        self.place = place
        self._ask = ask
        self._lacking: set[Lack] = set()
        self._probed = False
        self._lock = asyncio.Lock()
        self._said: set[Lack] = set()
        self._untold: list[str] = []
        self._made: WeightedCache[tuple[Document, Holes]] = WeightedCache(_KEPT_TEXTS)
        self._info: ServerInfo | None = None

    @property
    def lacking(self) -> frozenset[str]:
        """What the server is known to lack so far: ``"Run.readOnly"``, ``"Run.config(keys:)"``."""
        return frozenset(map(str, self._lacking))

    async def answer(self, request: Request, send: Callable[[Request], Awaitable[Response]]) -> Response:
        """Send ``request`` with ``send``, lowered for what the server is known to lack."""
        while True:
            lowered, holes = self._lowered(request)
            known = len(self._lacking)  # other requests may learn more while this one is in flight
            response = await send(lowered)
            if not response.errors or not await self._learn(response.errors, known):
                if holes and response.data is not None:
                    fill(response.data, holes)
                if self._untold:
                    # Here, the frames of the caller are on another thread's stack.
                    told, self._untold = tuple(self._untold), []
                    response = attrs.evolve(response, note=attrs.evolve(response.note or CallNote(), told=told))
                return response

    # -- learning ----------------------------------------------------------------------------------

    async def _learn(self, errors: Sequence[Any], known: int) -> bool:
        """Learn from ``errors`` what is missing. Returns whether the request should be lowered and sent again."""
        messages = [message_of(error) for error in errors]
        lacks = refused(messages)
        if not lacks:
            unknown = next(filter(None, map(unknown_type, messages)), None)
            if unknown is not None:
                raise NotSupportedByServer(f"the type {unknown} ({self.place})", _NEEDS)
            return False
        async with self._lock:
            if lacks <= self._lacking:
                # Either another request learned it in the meantime, or the server refuses what was left out: then the
                # caller gets its errors.
                return len(self._lacking) > known
            self._lacking |= lacks
            await self._probe()
        return True

    async def _probe(self) -> None:
        """Ask once what the server's types have. If the server does not say, its refusals tell."""
        if self._probed:
            return
        self._probed = True
        for deprecated in (True, False):
            try:
                response = await self._ask(question(deprecated=deprecated))
            except WbmodelError:
                return
            if response.data is not None:
                self._lacking |= read_types(response.data)
                return
            if not any("includeDeprecated" in message_of(error) for error in response.errors):
                return

    async def info(self) -> ServerInfo:
        """The server's report about itself, requested once; with what it lacks, as far as that is known by now."""
        if self._info is None:
            answer = read_answer((await self.answer(QUESTION, self._ask)).data, self.place)
            async with self._lock:
                await self._probe()
            self._info = answer.info(self.lacking)
        elif self._info.lacking != self.lacking:
            self._info = attrs.evolve(self._info, lacking=self.lacking)
        return self._info

    # -- lowering ----------------------------------------------------------------------------------

    def _lowered(self, request: Request) -> tuple[Request, Holes]:
        """The lowered request and its holes."""
        if not self._lacking:
            return request, {}
        key = (request.document.text, len(self._lacking))
        made = self._made.get(key)
        if made is None:
            made = self._lower(request.document)
            self._made.put(key, made, len(key[0]))
        document, holes = made
        if document is request.document or document.text == key[0]:
            return request, holes
        variables = {name: request.variables[name] for name in declared(document) if name in request.variables}
        return attrs.evolve(request, document=document, variables=variables), holes

    def _lower(self, document: Document) -> tuple[Document, Holes]:
        work = Lowered(document.ast, self._lacking)
        if work.required:
            raise NotSupportedByServer(f"{min(work.required)} ({self.place})", _NEEDS)
        for lack in sorted(work.left_out - self._said):
            self._said.add(lack)
            what, then = (
                (f"the argument {lack}", "it is left out of requests, and answers are larger")
                if lack in OPTIONAL
                else (f"the field {lack}", "it is left out of requests and reads as None")
            )
            self._untold.append(f"{self.place} does not have {what}; {then}")
        return (Document(ast=work.ast) if work.left_out else document), work.holes
