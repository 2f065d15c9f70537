"""One damaged row: it is named wherever it is met, and the other rows stay readable."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from wbmodel import F, Run, Sweep, connect
from wbmodel.cli.main import main
from wbmodel.errors import BulkError, DamagedRow, UnreadableValue
from wbmodel.testing import Fault, served
from wbmodel.testing.serving import FaultyServer

WORLD = {
    "entities": {
        "acme": {
            "projects": {
                "vision": {
                    "runs": {f"r{n}": {"config": {"lr": n}, "summary": {"loss": n}} for n in range(4)},
                    "sweeps": {f"s{n}": {"config": {"method": "grid", "metric": {"name": "loss"}}} for n in range(3)},
                }
            }
        }
    }
}
DAMAGED = ["{bad", '"text"', "[1, 2]", "7", 5, ["a"], [], {}]
NAMED = r"config of <Run acme/vision/r2.*> cannot be read: the server has .* which is not a JSON object"


@contextmanager
def damaged(field: str, value: Any, key: str = "r2") -> Iterator[FaultyServer]:
    """A served world whose every answer has ``value`` in one field of one row."""

    def spoil(answer: Any) -> None:
        pending = [answer]
        while pending:
            item = pending.pop()
            if isinstance(item, dict):
                if item.get("name") == key and field in item:
                    item[field] = value
                pending += item.values()
            elif isinstance(item, list):
                pending += item

    with served(WORLD) as server, connect(server.url, project="acme/vision", default=False):
        server.faults.add(Fault(edit=spoil), times=None)
        yield server


READS = {
    "attribute": lambda: [run.config for run in Run.objects.all()],
    "values": lambda: list(Run.objects.values("id", "config.lr")),
    "values_list": lambda: list(Run.objects.values_list("config.lr", flat=True)),
    "to_csv": lambda: Run.objects.all().to_csv(),
    "to_csv of values": lambda: Run.objects.values("id", "config.lr").to_csv(),
    "to_pandas": lambda: Run.objects.all().to_pandas(),
    "to_polars": lambda: Run.objects.values("config.lr").to_polars(),
    "groups": lambda: list(Run.objects.group_by("config.lr")),
    "edit": lambda: Run.objects.get(id="r2").config.update(z=1),
}


@pytest.mark.sampled("verb", "stored", every=3)
@pytest.mark.parametrize("stored", DAMAGED, ids=str)
@pytest.mark.parametrize("verb", READS)
def test_what_hands_a_damaged_value_out_names_run_and_field(verb: str, stored: Any) -> None:
    with damaged("config", stored), pytest.raises(UnreadableValue, match=NAMED):
        READS[verb]()


@pytest.mark.parametrize("stored", DAMAGED, ids=str)
def test_filters_orders_and_keys_leave_only_the_damaged_row_out(stored: Any) -> None:
    with damaged("config", stored):
        with pytest.warns(DamagedRow, match=NAMED):
            assert {run.id for run in Run.objects.filter(F.config["lr"].regex("x") | (F.config["lr"] >= 1))} >= {"r1"}
        with pytest.warns(DamagedRow, match=NAMED):
            infos = Run.objects.all().fields("config")
        assert [(info.path, info.count) for info in infos] == [("config.lr", 3)]


@pytest.mark.parametrize("stored", DAMAGED[:4], ids=str)
def test_a_damaged_config_is_not_overwritten(stored: str) -> None:
    with damaged("config", stored):
        run = Run.objects.get(id="r2")
        with pytest.raises(UnreadableValue, match="set config to a new dict and save"):
            run.config["z"] = 1
        assert run.dirty_fields == ()
        assert run.save() == ()
        with pytest.raises(BulkError, match="1 failed, 1 done. First failure: acme/vision/r2: failed .config of <Run"):
            Run.objects.filter(id__in=["r1", "r2"]).update(config__z=1)


def test_a_listing_shows_the_other_rows(capsys: pytest.CaptureFixture[str]) -> None:
    with damaged("config", "{bad", "s1") as server:
        status = main(["--url", server.url, "sweeps", "acme/vision", "-c", "id,metric"])
        out = capsys.readouterr()
        assert status == 0
        assert out.out.count("loss") == 2
        assert "s1" in out.out
        assert out.err.count("metric of acme/vision/sweeps/s1 is left empty") == 1
    with damaged("config", "[1]") as server:
        status = main(["--url", server.url, "runs", "acme/vision", "-c", "id,config.lr", "--json"])
        out = capsys.readouterr()
        rows = {row["id"]: row["config.lr"] for row in json.loads(out.out)["items"]}
        assert (status, rows) == (0, {"r0": 0, "r1": 1, "r2": None, "r3": 3})
        assert "config.lr of acme/vision/r2 is left empty" in out.err


@pytest.mark.parametrize("metric", [5, {"name": 7}, ["loss"]], ids=str)
@pytest.mark.parametrize("how", [(), ("--csv",), ("--jsonl",), ("--json",)], ids=str)
def test_a_definition_that_means_nothing_costs_its_cell(
    metric: Any, how: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweeps = {"good": {"config": {"metric": {"name": "loss"}}}, "bad": {"config": {"metric": metric}}}
    (tmp_path / "w.json").write_text(json.dumps({"entities": {"acme": {"projects": {"v": {"sweeps": sweeps}}}}}))
    where = ["-u", f"fixtures:{tmp_path / 'w.json'}"]
    assert main(["sweeps", "acme/v", "-c", "id,metric,goal", *where, *how]) == 0
    shown = capsys.readouterr()
    assert "loss" in shown.out
    assert "bad" in shown.out
    assert "metric of acme/v/sweeps/bad is left empty: acme/v/sweeps/bad: config.metric" in shown.err
    assert main(["sweep", "acme/v/bad", *where, *how]) == 0
    shown = capsys.readouterr()
    assert "bad" in shown.out
    assert "best_run of acme/v/sweeps/bad is left out: acme/v/sweeps/bad: config.metric" in shown.err


def test_a_notebook_shows_the_other_rows() -> None:
    with damaged("config", "{bad"):
        shown = Run.objects.all()._repr_html_()
        assert "config of acme/vision/r2 (finished) cannot be read" in shown
        assert "summary.<wbr>loss" in shown
        one = Run.objects.get(id="r2")._repr_html_()
        assert "config of acme/vision/r2 (finished) cannot be read" in one
        assert "summary.loss" in one
    with damaged("heartbeatAt", ""):
        assert "r3" in Run.objects.all()._repr_html_()


def test_a_time_that_is_none_costs_itself() -> None:
    with damaged("heartbeatAt", ""):
        rows = {run.id: run for run in Run.objects.all()}
        assert len(rows) == 4
        assert rows["r1"].heartbeat_at is None
        with pytest.raises(UnreadableValue, match="heartbeat_at of <Run acme/vision/r2 .*> .* '' .* not a time"):
            _ = rows["r2"].heartbeat_at
        assert "heartbeat_at" in rows["r2"].loaded_fields()
        with pytest.raises(UnreadableValue, match="heartbeat_at of <Run acme/vision/r2"):
            Run.objects.all().to_csv()
    with damaged("createdAt", "soon"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedRow)
        assert {run.id for run in Run.objects.all()} == {"r0", "r1", "r2", "r3"}


@pytest.mark.parametrize("stored", ["[1", "- 1", "text", 5], ids=str)
def test_a_damaged_definition_names_its_sweep(stored: Any) -> None:
    with damaged("config", stored, "s1"):
        rows = {sweep.id: sweep for sweep in Sweep.objects.all()}
        assert rows["s0"].metric == "loss"
        with pytest.raises(UnreadableValue, match="config of <Sweep acme/vision/s1.* not a YAML mapping"):
            _ = rows["s1"].metric


def test_a_null_row_is_said() -> None:
    def spoil(answer: Any) -> None:
        answer["data"]["project"]["runs"]["edges"][1]["node"] = None

    with served(WORLD) as server, connect(server.url, project="acme/vision", default=False):
        server.faults.add(Fault(edit=spoil))
        with pytest.warns(DamagedRow, match=r"null for a row \(project.runs.edges\[1\].node\), which is left out"):
            assert len(Run.objects.all()) == 3
