"""A planted secret never comes out, wherever it was put; and what is no secret stays as it was."""

from __future__ import annotations

import base64
import json
import time
from datetime import datetime, timezone
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wbmodel.codec import dumps
from wbmodel.session.redact import HIDDEN, Redactor, is_secret_name
from wbmodel.session.settings import Secret

KEY = "0123456789abcdef0123456789abcdef01234567"
BASIC = base64.b64encode(f"api:{KEY}".encode()).decode()


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "apiKey", "APIKey", "apikey", "WANDB_API_KEY", "wandb-api-key", "config.db.password.value"),
        *("password", "dbPassword", "passwd", "secret", "client_secret", "clientSecret", "SECRETS", "access_token"),
        *("hf_token", "accessToken", "authtoken", "Authorization", "auth", "bearer", "jwt", "cookie", "credentials"),
        *("private_key", "sshKey", "aws_secret_access_key", "storage_account_key", "access_tokens", "token", "pwd"),
    ],
)
def test_names_of_secrets(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("key", "keys", "max_tokens", "tokens", "tokenizer", "n_tokens_per_step", "author", "authors", "monkey"),
        *("keyboard", "groupKeys", "entityName", "filters", "order", "cursor", "broken", "secretary_problem", ""),
        *("primary_key", "summaryMetrics", "config.lr.value", "hotkey", "api", "apiVersion", "заметка"),
    ],
)
def test_names_of_other_things(name):
    assert not is_secret_name(name)


# -- in any place ----------------------------------------------------------------------------------

PLAIN_NAMES = st.sampled_from(["name", "config", "lr", "filters", "a.b", "key", "x", "summaryMetrics", "é"])
SECRET_NAMES = st.sampled_from(
    ["apiKey", "password", "WANDB_API_KEY", "hf_token", "config.db.password.value", "Authorization", "client_secret"]
)
KEYS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", min_size=12, max_size=60)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)


def around(inner):
    """Structures that hold ``inner`` somewhere: in lists, objects, and in text that is the JSON of these."""
    noise = st.dictionaries(PLAIN_NAMES, SCALARS, max_size=3)
    return st.recursive(
        inner,
        lambda deeper: (
            st.tuples(noise, PLAIN_NAMES, deeper).map(lambda found: {**found[0], found[1]: found[2]})
            | st.tuples(SCALARS, deeper).map(list)
            | deeper.map(json.dumps)
            | deeper.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1))
        ),
        max_leaves=6,
    )


@given(data=st.data(), key=KEYS, before=st.text(max_size=20), after=st.text(max_size=20))
def test_the_key_of_the_session_never_comes_out(data, key, before, after):
    forms = [key, f"{before}{key}{after}", f"Bearer {key}", f"https://api:{key}@host/x", {key: 1}]
    value = data.draw(around(st.sampled_from(forms)))
    shown = json.dumps(Redactor([key, "another-key-of-another"]).value(value), ensure_ascii=False)
    assert key not in shown


@given(data=st.data(), name=SECRET_NAMES, secret=st.text(min_size=8, max_size=40) | st.integers(min_value=10**9))
def test_what_stands_under_the_name_of_a_secret_never_comes_out(data, name, secret):
    marked = f"<<{secret}>>"  # so that it is found by nothing else in the structure
    value = data.draw(
        around(st.sampled_from([{name: marked}, {name: [marked, {"x": marked}]}, {name: {"$eq": marked}}]))
    )
    shown = json.dumps(Redactor().value(value), ensure_ascii=False)
    assert "<<" not in shown
    assert HIDDEN in shown


@given(value=around(st.integers() | st.text(max_size=10)))
def test_the_result_is_json_and_redacting_twice_changes_nothing(value):
    redactor = Redactor([KEY])
    once = redactor.value(value)
    assert json.loads(json.dumps(once)) == once
    assert redactor.value(once) == once


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("abcdefghij ", max_size=12),
        lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text("abcdefghij", max_size=5), deeper),
        max_leaves=20,
    )
)
def test_what_is_no_secret_stays(value):
    assert Redactor([KEY]).value(value) == value


# -- forms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Basic abcdef", "Authorization: ***"),
        ("{'Authorization': 'Basic abcdef', 'x': 1}", "{'Authorization': '***', 'x': 1}"),
        ("sent Bearer eyJh.eyJz.c2ln to it", "sent Bearer *** to it"),
        (f"sent Basic {base64.b64encode(b'api:unknown-key').decode()} to it", "sent Basic *** to it"),
        ("Basic configuration of a run", "Basic configuration of a run"),
        ("git remote https://x-access:ghp_abc@github.com/a/b.git", "git remote https://***@github.com/a/b.git"),
        ("https://host/p?a=1&token=abc&b=2", "https://host/p?***"),
        ("host=h password='a b' user=u", "host=h password='***' user=u"),
        ("lr: 0.1, max_tokens: 5", "lr: 0.1, max_tokens: 5"),
        (f"refused {KEY}: no", "refused ***: no"),
        (f"as {BASIC}", "as ***"),
        (f"as {quote(KEY + '/+')}", "as ***%2F%2B" if False else f"as {HIDDEN}/%2B"),
    ],
)
def test_text(text, expected):
    assert Redactor([KEY]).text(text) == expected


SIGNED = [
    "https://storage.example/bucket/file.bin?X-Amz-Signature=3f2a9c&X-Amz-Date=20260101",
    "https://storage.example/bucket/file.bin?X-Goog-Signature=3f2a9c",
    "https://storage.example/bucket/file.bin?sig=3f2a9c&se=2026",
    "https://storage.example/bucket/file.bin?3f2a9c",
    "gs://storage.example/bucket/file.bin?s=3f2a9c#part",
    f"https://storage.example/bucket/file.bin?k={KEY}",
]


@pytest.mark.parametrize("url", SIGNED)
def test_of_an_address_host_and_path_are_shown_and_never_the_query(url):
    redactor = Redactor([KEY])
    shapes = [
        redactor.text(f"ClientError: GET {url} failed"),
        redactor.text(f"('{url}', 403)"),
        dumps(redactor.value({"url": url, "list": [url], "json": dumps({"at": url}), url: 1})),
        redactor.document(f'mutation {{ put(url: "{url}") {{ id }} }}'),
    ]
    for shown in shapes:
        assert "storage.example/bucket/file.bin" in shown
        assert "3f2a9c" not in shown
        assert "2026" not in shown
        assert KEY not in shown


def test_a_path_that_holds_a_known_key_is_shown_without_it():
    shown = Redactor([KEY]).text(f"https://host/files/{KEY}/a.bin?x=1")
    assert shown == f"https://host/files/{HIDDEN}/a.bin?{HIDDEN}"


def test_a_short_key_is_hidden_where_it_is_all_there_is():
    redactor = Redactor(["abc", "77"])
    assert redactor.value({"x": "abc", "y": "abcd", "abc": 1, "z": 77}) == {
        "x": HIDDEN,
        "y": "abcd",
        HIDDEN: 1,
        "z": HIDDEN,
    }


def test_a_setting_that_is_named_beside_its_value():
    value = [{"key": "DB_PASSWORD", "value": "x"}, {"name": "lr", "value": 0.1}, {"key": "API_KEY", "value": None}]
    assert Redactor().value(value) == [
        {"key": "DB_PASSWORD", "value": HIDDEN},
        {"name": "lr", "value": 0.1},
        {"key": "API_KEY", "value": None},
    ]


def test_names_that_come_twice_in_json_hide_nothing():
    text = '{"a": {"password": "planted"}, "a": 1, "password": "planted", "password": null}'
    assert "planted" not in Redactor().text(text)


def test_documents_keep_their_variables():
    text = 'mutation M($apiKey: String!, $n: Int = 1) { a(apiKey: $apiKey, token: "planted", name: "kept") { token } }'
    assert Redactor().document(text) == text.replace("planted", HIDDEN)
    block = 'mutation { a(secret: """planted\n"quoted" planted""", b: 1) { id } }'
    assert "planted" not in Redactor().document(block)
    assert KEY not in Redactor([KEY]).document(f'{{ a(b: "{KEY}") }}')


def test_other_types_become_plain():
    moment = datetime(2021, 4, 1, tzinfo=timezone.utc)
    found = Redactor([KEY]).value({"when": moment, "of": (1, {2}), 3: Secret(KEY), "nan": float("nan")})
    assert found["when"] == "2021-04-01 00:00:00+00:00"
    assert (found["of"], found["3"]) == ([1, [2]], HIDDEN)


def test_what_is_nested_too_deeply_to_look_into_is_hidden():
    value = "planted"
    for _ in range(200):
        value = {"a": value}
    assert "planted" not in json.dumps(Redactor().value(value))
    text = "[" * 5000 + '{"password": "planted"}' + "]" * 5000
    assert "planted" not in Redactor().text(text)


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "a." * 500_000, "a b: " * 200_000, "://" * 300_000, "basic " * 100_000]
)
def test_long_text_takes_no_long_time(text):
    begin = time.thread_time()  # of the processor, as others use the machine too
    Redactor([KEY]).text(text)
    Redactor([KEY]).document(text)
    assert time.thread_time() - begin < 3
