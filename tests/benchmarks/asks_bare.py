"""The floor: sends documents by bare aiohttp, decodes the answers and their inner texts by orjson, and times it.

Arguments: the server, the API key, how often, and "in turn" or "at once". The bodies are a list of texts in JSON on
standard input. Prints the seconds as JSON.
"""

import asyncio
import base64
import json
import sys
import time

import aiohttp
import orjson

url, key, times, way = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
bodies = json.load(sys.stdin)
login = "Basic " + base64.b64encode(f"api:{key}".encode()).decode()
HEADERS = {"Content-Type": "application/json", "Authorization": login}


async def page(http: aiohttp.ClientSession, body: str, rows: list) -> None:
    async with http.post(f"{url}/graphql", data=body) as answer:
        data = orjson.loads(await answer.read())
    for edge in data["data"]["project"]["runs"]["edges"]:
        node = edge["node"]
        for name in ("config", "summaryMetrics"):
            if name in node:
                node[name] = orjson.loads(node[name])
        rows.append(node)


async def main() -> None:
    taken, used = [], []
    async with aiohttp.ClientSession(headers=HEADERS) as http:
        for _ in range(times):
            rows: list = []
            began, worked = time.perf_counter(), time.process_time()
            if way == "at once":
                await asyncio.gather(*(page(http, body, rows) for body in bodies))
            else:
                for body in bodies:
                    await page(http, body, rows)
            taken.append(time.perf_counter() - began)
            used.append(time.process_time() - worked)
    print(json.dumps({"seconds": taken, "cpu": used, "rows": len(rows)}))


asyncio.run(main())
