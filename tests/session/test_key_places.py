"""A thousand places in which a key could turn up: each is really made, by a server that quotes what it was sent."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.session.key_places_of_errors import Quoting, of_refusals, of_slips
from tests.session.key_places_of_sessions import of_session, of_shell
from tests.support.servers import Ground, listening
from tests.support.shown_keys import KEYS, Held, forms, leaks
from wbmodel.key_hiding import KeyHider

SLOW = [kind for kind in KEYS if kind != "quotes"]
"""Each key has the same places: by default one key is looked for, `-m slow` looks for the others."""


@pytest.fixture(scope="module")
def quoting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Quoting, str]]:
    ground, server = Ground(Path(tmp_path_factory.mktemp("ground"))), Quoting()
    with ground.holding(listening(server.handle)) as port:
        yield server, f"http://127.0.0.1:{port}"
    ground.close()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    kept = io.StringIO()
    handler, root = logging.StreamHandler(kept), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield kept
    root.removeHandler(handler)
    root.setLevel(level)


LISTED: dict[str, list[str]] = {}


@pytest.mark.parametrize("kind", ["quotes", *(pytest.param(kind, marks=pytest.mark.slow) for kind in SLOW)])
def test_no_place_shows_the_key(
    kind: str, quoting: tuple[Quoting, str], log: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WBMODEL_URL", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    held, listed, shown = Held(KEYS[kind]), [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places = (of_refusals(held, *quoting, log), of_slips(held), of_session(held, tmp_path), of_shell(held))
        for place, text in (each for several in places for each in several):
            listed.append(place)
            found = leaks(text, held.key)
            if found:
                shown.append((place, found))
    assert len(set(listed)) == len(listed)
    LISTED[kind] = listed
    assert not shown, "\n".join(f"{place}: {found}" for place, found in shown[:40])


def test_there_are_a_thousand_places() -> None:
    counts = {kind: len(places) for kind, places in LISTED.items()}
    if not counts:
        pytest.skip("counts what the test before it listed")
    assert min(counts.values()) >= 1000, counts


def test_a_key_that_is_shown_is_found(
    quoting: tuple[Quoting, str], log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the hiding, the same places show it in every form."""
    hide = KeyHider.__call__
    monkeypatch.setattr(KeyHider, "__call__", lambda self, text: text)
    held = Held(KEYS["40 characters"])
    found = {place: leaks(text, held.key) for place, text in islice(of_refusals(held, *quoting, log), 500)}
    assert sum(map(bool, found.values())) > 50
    for name, form in forms(held.key).items():
        assert name in leaks(f"it says: {form}.", held.key)
        assert len(hide(KeyHider([held.key]), form)) < 8
