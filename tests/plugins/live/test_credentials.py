"""Who asks: what is sent, and where secrets never turn up."""

from __future__ import annotations

import asyncio
import base64
import copy
import pickle

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from wbmodel.errors import ConfigurationError, NotAuthenticated
from wbmodel.session import Secret
from wbmodel_live.credentials import Anonymous, ApiKey, IdentityToken
from wbmodel_live.transport import BadReply

KEY = "local-0123456789abcdef0123456789abcdef01234567"
JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJydW5uZXIifQ.c2lnbmF0dXJl"


async def test_a_key_is_basic_authentication_of_the_user_api():
    async with aiohttp.ClientSession() as http:
        header = str(await ApiKey(Secret(f" {KEY}\n"), "h").login(http))
        assert await Anonymous("h").login(http) is None
    kind, _, text = header.partition(" ")
    assert (kind, base64.b64decode(text).decode()) == ("Basic", f"api:{KEY}")


def test_accounts_are_told_apart_by_a_mark_that_gives_nothing_away():
    one, two = ApiKey(Secret(KEY), "h"), ApiKey(Secret(KEY[::-1]), "h")
    assert one.account == ApiKey(Secret(KEY), "h").account != two.account
    assert one.account not in KEY
    assert Anonymous("h").account == ""


@pytest.mark.parametrize("text", ["", "  ", "a b", "a\nb", "schlüssel", "a\x00b"])
def test_what_is_no_key_is_refused_without_being_shown(text):
    with pytest.raises(ConfigurationError, match="copy it again") as caught:
        ApiKey(Secret(text), "h")
    assert not text.strip() or text not in str(caught.value)


def test_secrets_are_not_shown_or_pickled():
    key = ApiKey(Secret(KEY), "h")
    assert KEY not in repr(key) + key.hint + str(key.account)
    assert key.hide(f"you sent {KEY} and {base64.b64encode(f'api:{KEY}'.encode()).decode()}") == "you sent *** and ***"
    for attempt in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            attempt(key)


class Issuer:
    """A token endpoint: answers what it is told to, and keeps what it was sent."""

    def __init__(self):
        self.forms = []
        self.answers = []

    async def exchange(self, request):
        self.forms.append((dict(await request.post()), dict(request.headers)))
        status, body = self.answers.pop(0) if self.answers else (200, {"access_token": "tok", "expires_in": 3600})
        return web.json_response(body, status=status)


@pytest.fixture
async def issuer():
    made = Issuer()
    app = web.Application()
    app.router.add_post("/oidc/token", made.exchange)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        made.url, made.http = str(server.make_url("")).rstrip("/"), http
        yield made


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"  {JWT}\n", encoding="utf-8")
    return path


async def test_an_identity_token_is_exchanged_once_for_many(issuer, token_file):
    token = IdentityToken(str(token_file), issuer.url, "h")
    headers = await asyncio.gather(*(token.login(issuer.http) for _ in range(8)))
    assert [str(header) for header in headers] == ["Bearer tok"] * 8
    assert len(issuer.forms) == 1
    form, sent = issuer.forms[0]
    assert form == {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": JWT}
    assert sent["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Authorization" not in sent


async def test_the_file_is_read_anew_when_the_access_token_ends(issuer, token_file):
    issuer.answers = [
        (200, {"access_token": "short", "expires_in": 0.05}),
        (200, {"access_token": "b", "expires_in": 9}),
    ]
    token = IdentityToken(str(token_file), issuer.url, "h")
    assert str(await token.login(issuer.http)) == "Bearer short"
    token_file.write_text("another.jwt.text", encoding="utf-8")
    await asyncio.sleep(0.06)
    assert str(await token.login(issuer.http)) == "Bearer b"
    assert issuer.forms[1][0]["assertion"] == "another.jwt.text"


async def test_a_refused_exchange_says_so_without_the_token(issuer, token_file):
    issuer.answers = [(401, {"error": f"bad assertion {JWT}"})]
    token = IdentityToken(str(token_file), issuer.url, "acme.example")
    with pytest.raises(NotAuthenticated, match="acme.example did not exchange .*HTTP 401: .*bad assertion") as caught:
        await token.login(issuer.http)
    assert JWT not in str(caught.value)
    assert JWT not in repr(token) + token.hint


async def test_an_issuer_that_is_busy_is_a_passing_trouble(issuer, token_file):
    issuer.answers = [(503, {})]
    with pytest.raises(BadReply):
        await IdentityToken(str(token_file), issuer.url, "h").login(issuer.http)


async def test_a_file_that_is_not_there(issuer, tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read .*WANDB_IDENTITY_TOKEN_FILE"):
        await IdentityToken(str(tmp_path / "none"), issuer.url, "h").login(issuer.http)
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is empty"):
        await IdentityToken(str(tmp_path / "empty"), issuer.url, "h").login(issuer.http)
    assert issuer.forms == []
