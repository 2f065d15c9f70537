"""A key in a URL, in whatever place it went by mistake, is not in what is shown of the URL."""

from __future__ import annotations

import pytest

from wbmodel.urls import mask_url

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
