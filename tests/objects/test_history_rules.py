"""History sets: columns and names, evaluation, frames and what exports say, failures, copies, refusals."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.objects.test_history import at
from tests.support.keyed_histories import history_store
from wbmodel import Artifact, F, Q, Run
from wbmodel.backend.asks import Failure, Post, ReadSpec
from wbmodel.engine.records import ConsoleLine
from wbmodel.errors import DoesNotExist, FieldError, IncompleteHistory, KeyWarning, QueryError
from wbmodel.session.current import current_session
from wbmodel.testing import assert_num_requests

LOSSES = [{"_step": at, "loss": 1 / (at + 1), "eval/acc": at / 10, "nested": {"a": at}} for at in range(5)]
SPARSE = [
    {"_step": 0, "acc": 1},
    {"_step": 1, "acc": 2, "loss": 9.0},
    {"_step": 1, "loss": 8.0},
    {"_step": 2, "acc": 3},
]


@pytest.fixture(autouse=True)
def world() -> Iterator[None]:
    fields = {"config": {"lr": 0.1, "deep": {"x": 1}}, "summary": {"best": 0.2}}
    with at("columns", history_store([LOSSES, SPARSE, []], display_name="name", **fields)):
        yield


def h(number: int) -> Run:
    return Run.objects.get(id=f"h{number}")


# -- columns ---------------------------------------------------------------------------------------


def test_columns_are_in_the_order_asked_after_run_and_step() -> None:
    rows = Run.objects.history.values("loss", "config.lr", "_step", "run", "run.name", "acc")
    assert rows.to_polars().columns == ["run", "_step", "loss", "config.lr", "run.name", "acc"]
    assert list(rows[:1]) == [{"run": "h0", "_step": 0, "loss": 1.0, "config.lr": 0.1, "run.name": "name"}]


@pytest.mark.parametrize("name", ["config.deep.x", "summary.best", "run.config.lr", F.config["lr"], F.run["group"]])
def test_fields_of_the_run_are_joined(name: Any) -> None:
    values = {"config.deep.x": 1, "summary.best": 0.2, "run.config.lr": 0.1, "config.lr": 0.1, "run.group": None}
    shown = name if isinstance(name, str) else name.dotted
    assert set(Run.objects.history.values(name, "loss").to_polars()[shown]) == {values[shown]}
    assert h(0).history.values(name, "loss").to_records()[0][shown] == values[shown]


def test_a_key_that_is_called_like_a_field_is_spelled_with_history() -> None:
    rows = [{"_step": 0, "config.x": 1, "run": "r", "step": 7, "history.y": 2}]
    with at("columns", history_store([rows])):
        names = ["history.config.x", "history.run", "history.history.y", F.history["config.x"]]
        for name in names[:3]:
            assert Run.objects.history.values(name).to_polars().columns == ["run", "_step", name]
        asked = h(0).history.values(*names[:3]).first()
        assert asked == {"_step": 0, "history.config.x": 1, "history.run": "r", "history.history.y": 2}
        whole = {"run": "h0", "_step": 0, "config.x": 1, "history.run": "r", "step": 7, "history.y": 2}
        assert Run.objects.history.first() == whole
        assert h(0).history.filter(F.history["step"] == 7).count() == 1
        assert h(0).history.filter(step=7).count() == 0


def test_conditions_spell_awkward_keys() -> None:
    for condition in (Q(**{"eval/acc__gte": 0.3}), F.history["eval/acc"] >= 0.3, F("history.eval/acc") >= 0.3):
        assert h(0).history.filter(condition).count() == 2
    assert h(0).history.filter(nested__a__gte=3).count() == 2
    assert h(0).history.filter(F.nested["a"] >= 3, Q(loss__lt=0.21) | Q(loss__gt=5)).count() == 1


def test_bounds_on_the_step_are_not_even_read() -> None:
    plan = h(0).history.filter(_step__gte=1.5, step__lt=4).filter(Q(_step__lte=9), loss__lt=0.3).plan
    assert plan.spec == ReadSpec(min_step=2, max_step=4)
    assert str(plan.rest) == "Q(loss__lt=0.3)"
    assert h(0).history.filter(Q(_step=1) | Q(_step=3)).plan.spec == ReadSpec()
    assert h(0).history.filter(~Q(_step=1)).plan.spec == ReadSpec()
    assert h(0).history.filter(_step__gte=float("inf")).count() == 0


def test_occurrences_number_the_rows_of_a_step() -> None:
    rows = h(1).history.values("loss", "acc", occurrence=True)
    assert list(rows) == [
        {"_step": 0, "_occurrence": 0, "acc": 1},
        {"_step": 1, "_occurrence": 0, "loss": 9.0, "acc": 2},
        {"_step": 1, "_occurrence": 1, "loss": 8.0},
        {"_step": 2, "_occurrence": 0, "acc": 3},
    ]
    assert h(1).history.values("loss", "acc", how="inner").count() == 1


# -- evaluation ------------------------------------------------------------------------------------


def test_rows_are_read_once_and_kept() -> None:
    history = h(0).history
    assert len(history) == 5
    assert history[3] == list(history)[3] == list(history[2:4])[1]
    assert history[1:3].complete
    assert len(history.all()) == 5
    with pytest.raises(IndexError):
        history[9]


def test_frames_of_rows_that_were_read_are_those_of_rows_that_were_not() -> None:
    with at("columns", history_store([[{"_step": 0, "a": None, "b": 1}, {"_step": 1, "c": "x"}]])):
        cold = Run.objects.history
        warm = Run.objects.history
        assert len(warm) == 2
        for name in ("to_polars", "to_csv"):
            one, other = getattr(cold, name)(), getattr(warm, name)()
            assert one.equals(other) if name == "to_polars" else one == other
        assert cold.to_pandas().equals(warm.to_pandas())


def test_both_colours_give_the_same() -> None:
    history = Run.objects.history.values("loss")

    async def others() -> list[Any]:
        fresh = history.all
        return [
            [row async for row in fresh()],
            [row async for row in fresh().aiterator()],
            await fresh().acount(),
            await fresh().afirst(),
            await fresh().alast(),
            await fresh().aat(1),
            [await fresh().amin("loss"), await fresh().amax("loss"), await fresh().amean("loss")],
            await fresh().abest("loss"),
            list(await fresh().akeys()),
            (await fresh().ato_polars()).rows(),
            await fresh().ato_records(),
            [batch async for batch in fresh().achunks(2)],
            [(run.id, table.records()) async for run, table in fresh().aby_run()],
            [row async for row in fresh().afollow()],
        ]

    assert asyncio.run(others()) == [
        list(history),
        list(history.iterator()),
        history.count(),
        history.first(),
        history.last(),
        history.at(1),
        [history.min("loss"), history.max("loss"), history.mean("loss")],
        history.best("loss"),
        list(history.keys()),
        history.to_polars().rows(),
        history.to_records(),
        list(history.all().chunks(2)),
        [(run.id, table.records()) for run, table in history.by_run()],
        list(history.follow()),
    ]


def test_a_loop_that_is_left_closes_the_stream() -> None:
    backend, closed = current_session().backend, []
    real = backend.aread

    async def aread(runs: Any, spec: ReadSpec) -> Any:
        try:
            async for item in real(runs, spec):
                yield item
        finally:
            closed.append(len(runs))

    backend.aread = aread  # type: ignore[method-assign]
    rows = Run.objects.history.iterator()
    next(rows)
    assert not closed
    rows.close()  # type: ignore[attr-defined]
    assert len(closed) == 1
    assert len(list(Run.objects.history[:2])) == 2
    assert len(closed) == 2


def test_keys_have_types_and_counts() -> None:
    keys = Run.objects.history.keys()
    assert {key: info.count for key, info in keys.items() if not key.startswith("_")} == {
        "loss": 7,
        "eval/acc": 5,
        "nested.a": 5,
        "acc": 3,
    }
    assert keys["loss"].types == ("number",)


# -- names that nobody logged ----------------------------------------------------------------------


def test_a_key_that_nobody_logged_is_named_with_the_nearest() -> None:
    with pytest.warns(KeyWarning, match="'losss'; did you mean 'loss'"):
        assert Run.objects.history.values("losss", "acc").count() == 3
    with pytest.raises(FieldError, match="no history that was read has the key 'los'; did you mean 'loss'"):
        list(Run.objects.history.values("los"))
    with pytest.warns(KeyWarning, match="'lss'"):
        assert not list(Run.objects.history.filter(lss__gt=1))


def test_a_field_that_runs_do_not_have_is_refused_before_any_request() -> None:
    with assert_num_requests(0):
        with pytest.raises(FieldError, match="did you mean 'state'"):
            Run.objects.history.values("run.stat")
        with pytest.raises(FieldError, match="unknown lookup|takes"):
            Run.objects.history.filter(F.history["loss"].lookup("gtt", 1))
        with pytest.raises(QueryError, match="filter the runs first"):
            Run.objects.history.filter(config__lr=0.1)


# -- what came of it -------------------------------------------------------------------------------


def failing(*names: str) -> None:
    """From now on, these runs cannot be read."""
    backend = current_session().backend
    real = backend.aread

    async def aread(runs: Any, spec: ReadSpec) -> Any:
        for run in runs:
            if run.name in names:
                yield Failure(run, DoesNotExist(f"{run.name} was deleted"))
                continue
            async for item in real([run], spec):
                yield item

    backend.aread = aread  # type: ignore[method-assign]


def test_one_run_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    failing("h1")
    history = Run.objects.history
    with pytest.raises(QueryError, match="known once the rows are read"):
        history.complete  # noqa: B018
    with pytest.warns(IncompleteHistory, match="acme/vision/h1 could not be read: h1 was deleted"):
        assert len(history) == 5
    assert not history.complete
    assert [(item.run.path, str(item.error)) for item in history.failures] == [("acme/vision/h1", "h1 was deleted")]
    with pytest.warns(IncompleteHistory):
        Run.objects.history.to_parquet(tmp_path / "rows.parquet")
    noted = pq.read_schema(tmp_path / "rows.parquet").metadata
    assert json.loads(noted[b"wbmodel.complete"]) is False
    assert json.loads(noted[b"wbmodel.failures"]) == [{"run": "acme/vision/h1", "error": "h1 was deleted"}]
    with pytest.warns(IncompleteHistory):
        assert [run.id for run, _ in Run.objects.history.by_run()] == ["h0", "h2"]


def test_where_all_fail_the_error_is_raised() -> None:
    run = h(1)
    failing("h0", "h1", "h2")
    for history in (run.history, Run.objects.history):
        with pytest.raises(DoesNotExist):
            list(history)
        with pytest.raises(DoesNotExist):
            history.to_polars()


def test_exports_say_that_they_are_complete() -> None:
    table = Run.objects.history.to_arrow()
    assert table.schema.metadata[b"wbmodel.complete"] == b"true"
    assert Run.objects.history.values("loss").to_arrow(schema={"loss": "float"}).column_names == ["loss"]


def test_chunks_are_as_long_as_asked_and_arrow_can_read_them() -> None:
    batches = list(Run.objects.history.values("loss").chunks(3))
    assert [batch.length for batch in batches] == [3, 3, 1]
    assert pa.table(batches[0]).column_names == ["run", "_step", "loss"]
    assert pl.DataFrame(batches[2]).height == 1
    assert next(h(0).history.chunks()).run == h(0).node_id


def test_progress_is_told() -> None:
    told: list[Any] = []
    Run.objects.history.to_polars(progress=told.append)
    assert (told[-1].done, told[-1].rows, str(told[-1])) == (3, 9, "3 runs, 9 rows")
    with pytest.raises(QueryError, match="progress takes"):
        Run.objects.history.to_polars(progress="yes")  # type: ignore[arg-type]


# -- copies, pickles, words ------------------------------------------------------------------------


def test_a_pickle_holds_the_plan_and_the_rows_that_were_read() -> None:
    history = Run.objects.history.values("loss", how="inner").filter(_step__lt=3)
    again = pickle.loads(pickle.dumps(history))
    assert again.plan == history.plan
    assert list(again) == list(history)
    with assert_num_requests(0):
        read = pickle.loads(pickle.dumps(history))
        assert list(read) == list(history)
        assert read.complete
    one = pickle.loads(pickle.dumps(h(0).history))
    assert one.count() == 5
    assert len(copy.copy(history)) == len(copy.deepcopy(history)) == len(history)


def test_it_says_what_it_is() -> None:
    shown = repr(h(0).history.values("loss"))
    assert shown.startswith("<HistorySet history of acme/vision/h0: loss>: the first 20 rows at most\n_step")
    assert "<table>" in (Run.objects.history._repr_html_() or "")
    told = str(Run.objects.history.values("loss").filter(_step__gte=2, acc__gt=1)[:5].explain())
    for words in ("keys: loss, acc", "steps asked for: 2:", "tested here: Q(acc__gt=1)", "then: [0:5]", "runs:"):
        assert words in told


def test_what_it_does_not_have_names_the_way() -> None:
    history: Any = h(0).history
    for name, way in {
        "order_by": "to_polars",
        "exclude": "~Q",
        "annotate": "frame",
        "get": "best",
        "vals": "values",
        "acount_": "acount",
    }.items():
        with pytest.raises(AttributeError, match=way):
            getattr(history, name)
    with pytest.raises(TypeError, match=r"values\('loss', 'acc'\).*sample\(500\)"):
        history(keys=["loss", "acc"], samples=500)
    run: Any = h(0)
    with pytest.raises(AttributeError, match=r"run\.history"):
        run.scan_history()
    assert not hasattr(Artifact.objects, "history")


@pytest.mark.parametrize(
    "code",
    [
        "history[-1]",
        "history[-2:]",
        "history[::0]",
        "history['loss']",
        "history.sample(0)",
        "history.sample('3')",
        "history.tail(-1)",
        "history.values('loss', how='left')",
        "history.values('loss', 'loss')",
        "history[:2].filter(loss=1)",
        "history.long().values('loss')",
        "history.long().long()",
        "history.values('acc').best('loss')",
        "history.best('loss', 'least')",
        "history.chunks(0)",
        "history[:3].follow()",
        "history.follow(0)",
        "history.filter({'loss': 1})",
        "history.timeout(0)",
        "history.using(3)",
        "Run.objects.values('id').history",
    ],
)
def test_what_makes_no_sense_is_refused_before_any_request(code: str) -> None:
    history = h(0).history
    with assert_num_requests(0), pytest.raises(QueryError):
        eval(code, {"history": history, "Run": Run})


# -- growing runs, other streams -------------------------------------------------------------------


def test_follow_gives_each_row_once_until_the_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    coming = [
        Post(rows={"history": (2, [{"_step": 1, "x": 2}, {"_step": 2, "x": 3}])}),
        Post(),
        Post(rows={"history": (4, [{"_step": 2, "x": 4}, {"_step": 9, "y": 5}])}, complete=True, exit_code=0),
    ]
    with at("columns", history_store([[{"_step": 0, "x": 0}, {"_step": 1, "x": 1}]], state="running")) as session:
        run = h(0)

        def pause(seconds: float) -> None:
            assert seconds == 5
            session.backend.engine.append(run.node_id, coming.pop(0))  # type: ignore[attr-defined]

        monkeypatch.setattr("time.sleep", pause)
        rows = list(run.history.values("x", occurrence=True).follow(every=5))
    assert rows == [
        {"_step": 0, "_occurrence": 0, "x": 0},
        {"_step": 1, "_occurrence": 0, "x": 1},
        {"_step": 1, "_occurrence": 1, "x": 2},
        {"_step": 2, "_occurrence": 0, "x": 3},
        {"_step": 2, "_occurrence": 1, "x": 4},
    ]
    assert not coming


def test_system_metrics_and_console() -> None:
    lines = [ConsoleLine(line="one\n", level="info", timestamp="t"), ConsoleLine(line="two", level="error")]
    events = [{"_timestamp": 1.0, "system.cpu": 3}, {"_timestamp": 2.0, "system.cpu": None}]
    with at("columns", history_store([LOSSES], events=events, console=lines)):
        run = h(0)
        assert list(run.system_history) == [{"_timestamp": 1.0, "system.cpu": 3}, {"_timestamp": 2.0}]
        assert run.system_history.values("system.cpu").max("system.cpu") == 3
        assert run.system_history.keys()["system.cpu"].count == 1
        assert run.console.text() == "one\ntwo\n"
        assert [str(line) for line in run.console.filter(level="error")] == ["two"]
        assert list(run.console.follow()) == list(run.console)
        with pytest.raises(FieldError, match="no steps"):
            run.system_history.filter(_step__gt=1)
        with pytest.raises(QueryError, match="steps"):
            run.console.at(3)
