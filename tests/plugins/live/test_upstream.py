"""Why ``wbmodel_live/transport.py`` replaces parts of gql. A test that fails here says that one of them can go."""

from __future__ import annotations

import aiohttp
import gql.graphql_request
import pytest
from gql import gql as document_of
from gql.transport.aiohttp import AIOHTTPTransport

from wbmodel.request import Request
from wbmodel.testing import served
from wbmodel_live.transport import WireRequest


@pytest.fixture
def server():
    with served("demo:") as server:
        yield server


@pytest.fixture
async def stock(server):
    transport = AIOHTTPTransport(f"{server.url}/graphql")
    await transport.connect()
    yield transport
    await transport.close()


@pytest.mark.parametrize("status", [401, 403, 502])
async def test_the_stock_execute_loses_the_status(server, stock, status):
    server.faults.add(status=status, body={"errors": [{"message": "no"}]})
    result = await stock.execute(document_of("{ viewer { id } }"))
    assert [error["message"] for error in result.errors] == ["no"]
    assert str(status) not in repr(result)


async def test_the_stock_execute_sends_nan(server, stock):
    await stock.close()
    stock.session = aiohttp.ClientSession()  # as client_session= makes one
    asked = document_of("{ viewer { id } }")
    asked.variable_values = {"x": float("nan")}
    try:
        await stock.execute(asked)
    except Exception:  # whatever the server makes of it
        pass
    assert server.requests == 1


def test_the_stock_payload_prints_the_document_at_every_sending(monkeypatch):
    printed = []
    monkeypatch.setattr(gql.graphql_request, "print_ast", lambda ast: printed.append(ast) or "")
    asked, ours = document_of("{ viewer { id } }"), WireRequest(Request("{ viewer { id } }"))
    for request in (asked, asked, ours, ours):
        assert "query" in request.payload
    assert printed == [asked.document] * 2
