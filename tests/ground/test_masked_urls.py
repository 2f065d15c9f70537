"""A key in a URL, in whatever place it went by mistake, is not in what is shown of the URL."""

from __future__ import annotations

import pytest

from tests.support.servers import closed_port
from wbmodel import connect
from wbmodel.errors import ServerUnreachable
from wbmodel.urls import is_address, mask_url

KEYS = ["0123456789abcdef0123456789abcdef01234567", "local-" + "Zq7" * 33, "k3y!pass-word", 'a"b\\c\'d"ef']
PLACES = [
    "https://api:{}@host.example/x",
    "https://{}@host.example",
    "https://api:{}",
    "https://user:{}@host",
    "https://api:{}@",
    "https://api:a/{}@host",
    "https://api:a/{}@host.example/path",
    "https://api:a?{}@host",
    "https://api:a#{}@host",
    "https://host/#{}",
    "https://host.example/#{}",
    "https://host.example#api_key={}",
    "https://host.example/?api_key={}",
    "https://host.example/?x=1&token={}#y",
    "https://host.example:{}/graphql",
    "https:/api:{}@host",
    "https:api:{}@host",
    "HTTPS://api:{}@[::1",
    "http://[{}]@host:x",
    " https://api:{}@host",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("key", KEYS, ids=["40", "105", "short", "quotes"])
def test_no_place_of_a_url_shows_a_key(place: str, key: str) -> None:
    shown = mask_url(place.format(key))
    assert key not in shown
    assert not any(key[at : at + 5] in shown for at in range(len(key) - 4)), shown


@pytest.mark.parametrize("place", ["https://{}", "https://host.example/{}", "https://host.example/x/{}?y"])
@pytest.mark.parametrize("key", KEYS[:2])
def test_what_is_as_long_as_a_key_is_not_part_of_an_address(place: str, key: str) -> None:
    assert key[:5] not in mask_url(place.format(key))


@pytest.mark.parametrize(
    "url",
    [
        "https://api.wandb.ai",
        "http://localhost:8080/graphql",
        "http://[::1]:8080/x",
        "https://host.example/a@b",
        "fixtures:some folder/with@sign",
        "fixtures:C:\\worlds",
        "demo:",
        "https://wandb.ai/acme/vision/runs/abc123?workspace=user-ada",
    ],
)
def test_what_is_no_secret_is_shown(url: str) -> None:
    assert mask_url(url) == url


ADDRESSES = [
    "https://my-very-long-company-deployment-name-eu-west.wandb.example.com",
    "https://internal-a1b2c3d4e5f60718293a4b5c6d7e8f90-1234567890.eu-west-1.elb.amazonaws.com",
    "http://wandb-server-of-the-vision-team-in-production:8080",
    "http://0123456789abcdef0123456789abcdef.example/wandb",
    "http://0123456789abcdef0123456789abcdef",
    "https://gateway.example/tenants/0123456789abcdef0123456789abcdef01234567",
    "https://gateway.example/the-deployment-of-the-vision-team-in-production",
    "http://[::1]:8080",
]


@pytest.mark.parametrize("url", ADDRESSES)
def test_a_long_part_of_an_address_is_not_refused(url: str) -> None:
    assert is_address(url)
    assert connect(url, api_key="k" * 40, default=False).backend.url == url  # type: ignore[attr-defined]


@pytest.mark.parametrize("url", ADDRESSES)
def test_and_what_reads_like_words_is_shown(url: str) -> None:
    whole = "0123456789abcdef0123456789abcdef" not in url or url.endswith("/wandb")
    assert (mask_url(url) == url) is whole
    assert mask_url(url).startswith(url[: url.index("://") + 3])


@pytest.mark.parametrize("place", [*PLACES, "https://{}"])
@pytest.mark.parametrize("key", KEYS[:2], ids=["40", "105"])
def test_what_no_address_can_be_is_refused_before_a_name_is_looked_up(place: str, key: str) -> None:
    assert not is_address(place.format(key))


def test_an_error_hides_what_is_as_long_as_a_key_in_the_path() -> None:
    key = KEYS[0]
    with (
        closed_port() as port,
        connect(f"http://127.0.0.1:{port}/{key}", api_key="k" * 40, default=False, max_attempts=1) as session,
        pytest.raises(ServerUnreachable, match=rf"127\.0\.0\.1:{port}/\*\*\* cannot be reached") as caught,
    ):
        shown = f"{session!r} {session.backend!r}"
        session.execute("{ viewer { id } }")
    assert key[:8] not in f"{caught.value!r} {shown}"
