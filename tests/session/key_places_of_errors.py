"""Places of errors: a server that quotes what it was sent, in every shape of a refusal, and keys in wrong places."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from urllib.parse import quote

from tests.ground.test_masked_urls import PLACES as URLS
from tests.support.servers import head_of
from tests.support.shown_keys import Held, forms, of_error, of_frames, raised
from wbmodel import Run, connect

__all__ = ["Quoting", "of_refusals", "of_slips"]

QUERY = "query Viewer { viewer { username } }"
CHANGE = 'mutation Make { deleteRun(input: {id: "x"}) { clientMutationId } }'


def graphql(text: str) -> bytes:
    return json.dumps({"errors": [{"message": text, "path": ["viewer", text], "extensions": {text: text}}]}).encode()


ANSWERS: dict[str, tuple[int, Callable[[str], bytes]]] = {
    "200 with errors": (200, graphql),
    "200 with texts": (200, lambda text: json.dumps({"errors": [text, text]}).encode()),
    "200 with one text": (200, lambda text: json.dumps({"errors": text}).encode()),
    "200, a page": (200, lambda text: f"<title>{text}</title><p>{text}".encode()),
    "200, cut": (200, lambda text: graphql(text)[:-9]),
    "302": (302, lambda text: text.encode()),
    "400": (400, lambda text: json.dumps({"error": {"message": text}}).encode()),
    "401": (401, lambda text: text.encode()),
    "403": (403, lambda text: json.dumps({"detail": text}).encode()),
    "403, a page": (403, lambda text: f"<html><body>{text}</body></html>".encode()),
    "404": (404, lambda text: json.dumps({"message": text}).encode()),
    "409 with errors": (409, graphql),
    "429": (429, lambda text: text.encode()),
    "500": (500, lambda text: ("x" * (300 - len(text) // 2) + text).encode()),
    "500 with errors": (500, graphql),
    "502": (502, lambda text: json.dumps([text]).encode()),
}


class Quoting:
    """Answers with what ``body`` makes of the key, in every form."""

    def __init__(self) -> None:
        self.status, self.body, self.asked = 200, graphql, 0
        self.text = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, headers, _ = await head_of(reader)
        await reader.readexactly(int(headers.get("content-length", "0")))
        self.asked += 1
        body = self.body(f"{self.text} {headers['authorization']}")
        lines = [f"HTTP/1.1 {self.status} Said", f"Content-Length: {len(body)}", "Connection: close"]
        if self.status == 302:
            lines.append(f"Location: https://api:{quote(self.text[:200], safe='')}@elsewhere/#x")
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()


def of_refusals(held: Held, server: Quoting, url: str, log: io.StringIO) -> Iterator[tuple[str, str]]:
    server.text = " ".join(forms(held.key).values())
    for name, (server.status, server.body) in ANSWERS.items():
        with connect(
            url, api_key=held.key, default=False, name=name, project="acme/vision", max_attempts=1, timeout=20
        ) as session:
            for asked, call in (
                ("", lambda: session.execute(QUERY)),
                ("a change, ", lambda: session.execute(CHANGE)),
                ("a list, ", lambda: list(Run.objects.using(session).all())),
                ("async, ", lambda: asyncio.run(session.aexecute(QUERY))),
            ):
                error = raised(call)
                if asked != "async, ":
                    for view, text in of_error(error, rich=name == "500" and not asked).items():
                        yield f"{name}: {asked}{view}", text
                for view, text in of_frames(error):
                    yield f"{name}: {asked}{view}", text
            yield f"{name}: statistics", repr(session.stats)
            yield f"{name}: backend", repr(vars(session.backend))
    yield "the log of all refusals, DEBUG", log.getvalue()


def of_slips(held: Held) -> Iterator[tuple[str, str]]:
    calls: dict[str, Callable[[], object]] = {
        f"URL {place.format('KEY')}": lambda place=place: connect(
            place.format(held.key), default=False
        ).backend.execute(1)
        for place in URLS
    }
    for option in ("apikey", "key", "token", "WANDB_API_KEY"):
        calls[f"option {option}"] = lambda option=option: connect(
            "https://h.example", default=False, **{option: held.key}
        )
    calls["with a wrong project"] = lambda: connect("https://h", project="a/b/c", api_key=held.key)
    calls["with a wrong timeout"] = lambda: connect("https://h", timeout=-1, api_key=held.key)
    calls["as the address"] = lambda: connect(f"api:{held.key}@host.example", default=False)
    calls["no address"] = lambda: connect("", api_key=held.key, default=False, max_response=0).backend
    for name, call in calls.items():
        for view, text in of_error(raised(call), rich=name.startswith("option apikey")).items():
            yield f"{name}: {view}", text
