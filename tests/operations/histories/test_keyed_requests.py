"""How histories with asked keys are asked for: in the pages of runs, else by aliases; and what is done where a server
refuses or fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest

from tests.support.backends import WEAK, over_loopback, served
from tests.support.keyed_histories import expected, history_store, reading
from wbmodel import Run
from wbmodel.backend.asks import ReadSpec
from wbmodel.engine.dialect import Dialect
from wbmodel.engine.histories import Histories
from wbmodel.errors import DoesNotExist, FieldError, KeyWarning
from wbmodel.session.observers import observing

SPEC = ReadSpec(keys=("loss", "acc"))
WIDE = attrs.evolve(WEAK, page_size=50, max_page_size=1000, max_aliases=64)


def rows_of(number: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"_step": at, "loss": at / 2 + start, "acc": at} for at in range(number)]


@contextmanager
def asked_names() -> Iterator[list[str]]:
    """The operation names of the requests that are sent."""
    names: list[str] = []
    with observing(lambda call: names.extend(ask.operation_name for ask in call.asks)):  # type: ignore[union-attr]
        yield names


def test_a_hundred_runs_in_four_requests() -> None:
    histories = [rows_of(5, at) for at in range(100)]
    with over_loopback(history_store(histories), "live") as (_, session), asked_names() as names:
        got = reading(session, SPEC)
    assert len(names) <= 4, names
    assert set(names) == {"Runs"}
    assert got.order == [f"h{at}" for at in range(100)]
    assert got.rows["h41"] == expected(histories[41], ("loss", "acc"), None, None)
    assert all(end.is_complete for end in got.ends.values())


@pytest.mark.parametrize("made", ["given", "local check", "slice that does not start first", "order by a value"])
def test_runs_whose_pages_are_not_final_are_asked_by_aliases(made: str) -> None:
    histories = [rows_of(4, at) for at in range(30)]
    with served(history_store(histories), "live", capabilities=WIDE) as session:
        queries = {
            "given": Run.objects.all(),
            "local check": Run.objects.filter(id__iregex="h[0-9]+"),
            "slice that does not start first": Run.objects.all()[1:],
            "order by a value": Run.objects.order_by("summary.loss"),
        }
        runs: Any = list(queries[made]) if made == "given" else queries[made]
        with asked_names() as names:
            got = reading(session, SPEC, runs)
    assert names.count("RunHistories") == 1
    assert len(got.order) == 29 if "slice" in made else 30
    assert got.rows["h7"] == expected(histories[7], ("loss", "acc"), None, None)


def test_a_slice_from_the_start_needs_no_request_more() -> None:
    histories = [rows_of(4, at) for at in range(40)]
    with served(history_store(histories), "live", capabilities=WIDE) as session, asked_names() as names:
        got = reading(session, SPEC, Run.objects.all()[:10])
    assert got.order == [f"h{at}" for at in range(10)]
    assert names == ["Runs"]


@pytest.mark.parametrize("lacks", ["Run.sampledHistory", "Run.historyKeys"])
@pytest.mark.parametrize("over", ["in process", "loopback"])
def test_a_server_that_lacks_a_field(lacks: str, over: str) -> None:
    histories = [rows_of(6, at) for at in range(5)] + [[], [{"_step": 3, "loss": 1}, {"_step": 3, "acc": 2}]]
    store, dialect = history_store(histories), Dialect(live=True, cursors="offsets", lacking=frozenset({lacks}))
    if over == "loopback":
        from tests.support.backends import SERVERS

        SERVERS["lacks"] = (dialect, SERVERS["live"][1])
        with over_loopback(store, "lacks") as (_, session), quiet():
            got = reading(session, SPEC)
    else:
        with served(store, "weak", dialect=dialect) as session, quiet():
            got = reading(session, SPEC)
    for at, rows in enumerate(histories):
        assert got.rows[f"h{at}"] == expected(rows, ("loss", "acc"), None, None)
        assert got.ends[f"h{at}"].is_complete


@contextmanager
def quiet() -> Iterator[None]:
    """Servers that lack something say so once; that is not what is tested here."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_answers_that_are_too_much_are_asked_for_in_parts() -> None:
    histories = [rows_of(60, at) for at in range(20)]
    dialect = Dialect(live=True, cursors="offsets", max_answer=40_000)
    from tests.support.backends import SERVERS

    SERVERS["small"] = (dialect, SERVERS["live"][1])
    with over_loopback(history_store(histories), "small", max_attempts=1) as (_, session):
        for runs in (None, list(Run.objects.all())):
            got = reading(session, SPEC, runs)
            assert got.order == [f"h{at}" for at in range(20)]
            for at, rows in enumerate(histories):
                assert got.rows[f"h{at}"] == expected(rows, ("loss", "acc"), None, None)


def test_a_run_that_vanished_does_not_stop_the_others() -> None:
    store = history_store([rows_of(3, at) for at in range(4)])
    with served(store, "live") as session:
        runs = list(Run.objects.all())
        session.execute('mutation { deleteRun(input: {id: "%s"}) { clientMutationId } }' % runs[1].node_id)
        got = reading(session, SPEC, runs)
    assert isinstance(got.ends["h1"].error, DoesNotExist)
    assert [got.ends[name].is_complete for name in ("h0", "h2", "h3")] == [True] * 3
    assert got.order == ["h0", "h1", "h2", "h3"]


@pytest.mark.parametrize("kind", ["weak", "live"])
def test_keys_that_nobody_logged(kind: str) -> None:
    store = history_store([rows_of(3), [{"_step": 0, "val/acc": 1}], []])
    with served(store, kind) as session:
        with pytest.raises(FieldError, match="has the key 'los'; did you mean 'loss'"):
            reading(session, ReadSpec(keys=("los",)))
        with pytest.warns(KeyWarning, match="'val/ac'; did you mean 'val/acc'"):
            got = reading(session, ReadSpec(keys=("val/ac", "loss")))
        assert got.rows["h0"] == [{"_step": at, "val/ac": None, "loss": at / 2} for at in range(3)]
        got = reading(session, ReadSpec(keys=("val/acc", "loss")))  # each in one of the runs
        assert [len(got.rows[name]) for name in ("h0", "h1", "h2")] == [3, 1, 0]
        assert all(end.is_complete for end in got.ends.values())


def test_runs_without_any_row_lack_every_key() -> None:
    with served(history_store([[], []]), "weak") as session:
        assert reading(session, SPEC).rows == {"h0": [], "h1": []}


def test_more_keys_than_one_request_has() -> None:
    keys = tuple(f"k{at}" for at in range(150))
    row = {key: at for at, key in enumerate(keys)}
    histories = [[{"_step": 0, **row}, {"_step": 1, "k3": 9}], [{"_step": 5, "k149": 1}]]
    with served(history_store(histories), "weak") as session, asked_names() as names:
        got = reading(session, ReadSpec(keys=keys))
    for at, rows in enumerate(histories):
        assert got.rows[f"h{at}"] == expected(rows, keys, None, None)
    assert names.count("RunHistories") >= 4


def test_steps_alone() -> None:
    histories = [[{"_step": at, "_timestamp": at, "x": 1} for at in range(4)], [{"_step": 2, "x": 1}]]
    for kind in ("weak", "live"):
        with served(history_store(histories), kind) as session, quiet():
            got = reading(session, ReadSpec(keys=("_step",)))
        assert got.rows == {"h0": [{"_step": at} for at in range(4)], "h1": [{"_step": 2}]}
        assert all(end.is_complete for end in got.ends.values())


def test_counts_that_are_too_high_cost_few_requests() -> None:
    """Where the same line is counted twice, halving and whole rows bring nothing; only the first runs are halved."""
    histories = [[{"_step": 0, "loss": 1}, {"_step": 0, "loss": 2}] for _ in range(8)]
    dialect = Dialect(live=True, cursors="offsets", histories=Histories(repeats="merged"))
    with served(history_store(histories), "weak", dialect=dialect) as session, quiet(), asked_names() as names:
        got = reading(session, ReadSpec(keys=("loss",)))
    assert {name: end.missing for name, end in got.ends.items()} == {f"h{at}": 1 for at in range(8)}
    assert len(names) < 20
