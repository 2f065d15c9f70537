"""Cases about changes, as raw documents: what each mutation changes, what null leaves alone, what is refused.

Everything is done in projects that the case makes and deletes; two artifacts of the world are there to be deleted.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wbmodel.codec import dumps, loads
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import case
from wbmodel.testing.conformance.kit import Kit, alike, shown
from wbmodel.testing.conformance.seeds import config_text

__all__ = ["MutationTests", "make_run", "read_run", "refuse", "scratch", "send"]

_numbers = itertools.count(1)

_RUN_FIELDS = "id name displayName config summaryMetrics tags group jobType notes state sweepName"


def send(kit: Kit, name: str, returning: str, /, **given: Any) -> Any:
    """The payload of a mutation."""
    return kit.data(_document(name, returning), input=given)[name]


def _document(name: str, returning: str) -> str:
    kind = f"{name[0].upper()}{name[1:]}Input"
    return f"mutation Change($input: {kind}!) {{ {name}(input: $input) {{ {returning} }} }}"


def refuse(kit: Kit, name: str, /, **given: Any) -> str:
    """The words with which a mutation is refused that must be."""
    return kit.refused(_document(name, "clientMutationId"), input=given)


@contextmanager
def scratch(kit: Kit) -> Iterator[tuple[str, str, str]]:
    """A project of its own, deleted afterwards: its entity, name and node id."""
    entity, name = kit.world.entity, f"wbmodel-scratch-{kit.colour}-{next(_numbers)}"
    made = send(
        kit, "upsertModel", "inserted project { id name }", entityName=entity, name=name, description="made by tests"
    )
    kit.equal(made["inserted"], True, "inserted, for a new project")
    try:
        yield entity, name, made["project"]["id"]
    finally:
        send(kit, "deleteModel", "success", id=made["project"]["id"])


def read_run(kit: Kit, project: str, run_id: str) -> Any:
    """The run by a document, and the same by a queryset (its fields must agree)."""
    from wbmodel import Run

    entity, name = project.split("/")
    text = (
        "query R($p: String, $e: String, $r: String) "
        f"{{ project(name: $p, entityName: $e) {{ run(name: $r) {{ {_RUN_FIELDS} }} }} }}"
    )
    raw = kit.data(text, p=name, e=entity, r=run_id)["project"]["run"]
    found = kit.ask(Run.objects.using(kit.session).filter(project=project), "get_or_none", id=run_id)
    if (raw is None) != (found is None):
        kit.fail(f"run {run_id} is {raw!r} in a document and {found!r} in a queryset")
    if raw is not None:
        kit.equal(found.name, raw["displayName"], f"the name of run {run_id} by a queryset")
        kit.equal(sorted(found.tags), sorted(raw["tags"] or []), f"the tags of run {run_id} by a queryset")
    return found


def make_run(kit: Kit, entity: str, project: str, run_id: str, **given: Any) -> Any:
    given = {"entityName": entity, "modelName": project, "name": run_id, **given}
    made = send(kit, "upsertBucket", f"inserted bucket {{ {_RUN_FIELDS} project {{ name }} }}", **given)
    kit.equal(made["bucket"]["name"], run_id, "the name of the run that upsertBucket answers with")
    kit.equal(made["bucket"]["project"]["name"], project, "its project")
    return made


# -- what is wrong ---------------------------------------------------------------------------------

_WRONG: dict[str, dict[str, Any]] = {
    "upsertBucket": {"id": "bm93aGVyZQ=="},
    "deleteRun": {"id": "bm93aGVyZQ=="},
    "updateRunState": {"id": "bm93aGVyZQ==", "state": "finished"},
    "stopRun": {"id": "bm93aGVyZQ=="},
    "deleteSweep": {"id": "bm93aGVyZQ=="},
    "upsertSweep": {"id": "bm93aGVyZQ==", "state": "PAUSED"},
    "upsertView": {"id": "bm93aGVyZQ==", "displayName": "x"},
    "deleteView": {"id": "bm93aGVyZQ=="},
    "deleteModel": {"id": "bm93aGVyZQ=="},
    "deleteFiles": {"files": ["bm93aGVyZQ=="]},
    "updateArtifact": {"artifactID": "bm93aGVyZQ==", "description": "x"},
}


class MutationTests(BackendTests):
    """Cases about changes, as raw documents: what each mutation changes, what null leaves alone, what is refused."""

    @case("mutation/upsertModel", flags=["writable"])
    def test_mutation_upsert_model(self, kit: Kit) -> None:
        """upsertModel makes a project, changes one, renames one by its id, and leaves alone what is null."""
        with scratch(kit) as (entity, name, node_id):
            changed = send(
                kit,
                "upsertModel",
                "inserted project { id description }",
                entityName=entity,
                name=name,
                description=None,
            )
            kit.equal(
                changed,
                {"inserted": False, "project": {"id": node_id, "description": "made by tests"}},
                "a change with null",
            )
            renamed = send(kit, "upsertModel", "project { id name }", id=node_id, name=f"{name}-new")
            kit.equal(renamed["project"], {"id": node_id, "name": f"{name}-new"}, "the renamed project")
            text = "query P($p: String, $e: String) { project(name: $p, entityName: $e) { id } }"
            kit.equal(kit.data(text, p=name, e=entity)["project"], None, "the project under its old name")
            kit.equal(
                kit.data(text, p=f"{name}-new", e=entity)["project"], {"id": node_id}, "the project under its new name"
            )

    @case("mutation/renameProject", flags=["writable"])
    def test_mutation_rename_project(self, kit: Kit) -> None:
        """renameProject gives a project another name and keeps its id."""
        with scratch(kit) as (entity, name, node_id):
            made = send(
                kit,
                "renameProject",
                "project { id name }",
                entityName=entity,
                oldProjectName=name,
                newProjectName=f"{name}-b",
            )
            kit.equal(made["project"], {"id": node_id, "name": f"{name}-b"}, "the renamed project")

    @case("mutation/deleteModel", flags=["writable"])
    def test_mutation_delete_model(self, kit: Kit) -> None:
        """deleteModel deletes a project with its runs."""
        from wbmodel import Project, Run

        with scratch(kit) as (entity, name, _):
            second = f"{name}-gone"
            made = send(kit, "upsertModel", "project { id }", entityName=entity, name=second)
            make_run(kit, entity, second, "r1")
            send(kit, "deleteModel", "success", id=made["project"]["id"])
            try:
                found = kit.all(Run.objects.using(kit.session).filter(project=f"{entity}/{second}"))
            except Project.DoesNotExist:
                return
            kit.fail(f"runs of a deleted project are {found!r}")

    @case("mutation/upsertBucket/make", flags=["writable"])
    def test_mutation_upsert_bucket_make(self, kit: Kit) -> None:
        """upsertBucket makes a run with all that is given, and says that it did."""
        with scratch(kit) as (entity, name, _):
            config = {
                "lr": 0.1,
                "deep": {"a": [1, None, "x"]},
                "dot.ted": True,
                "ключ": "да",
                "wrapped": {"value": 1},
                "none": None,
            }
            summary = {"loss": math.nan, "best": -math.inf, "big": 2**60, "text": 'a\n"b"', "nested": {"f1": 0.5}}
            words = {"displayName": "first", "groupName": "g", "jobType": "train", "notes": "note", "state": "running"}
            texts = {"config": config_text(config), "summaryMetrics": dumps(summary)}
            made = make_run(kit, entity, name, "r1", tags=["a", "b"], **words, **texts)
            kit.equal(made["inserted"], True, "inserted, for a new run")
            run = read_run(kit, f"{entity}/{name}", "r1")
            told = {
                "name": run.name,
                "group": run.group,
                "job_type": run.job_type,
                "notes": run.notes,
                "state": run.state,
            }
            kit.equal(
                told,
                {"name": "first", "group": "g", "job_type": "train", "notes": "note", "state": "running"},
                "the new run",
            )
            kit.equal(run.config, config, "its config")
            kit.equal(
                run.summary, summary, "its summary", "NaN and infinities are kept, in text as bare tokens or as text"
            )
            kit.equal(kit.ask(run.project.runs, "count"), 1, "the number of runs of its project")

    @case("mutation/upsertBucket/change", flags=["writable"])
    def test_mutation_upsert_bucket_change(self, kit: Kit) -> None:
        """upsertBucket changes what is given and leaves alone what is null; empty values clear."""
        with scratch(kit) as (entity, name, _):
            make_run(
                kit, entity, name, "r1", displayName="first", tags=["a"], groupName="g", config=config_text({"lr": 1})
            )
            made = make_run(kit, entity, name, "r1", displayName="second", tags=None, groupName=None, config=None)
            kit.equal(made["inserted"], False, "inserted, for a run that is there")
            run = read_run(kit, f"{entity}/{name}", "r1")
            kit.equal([run.name, run.tags, run.group], ["second", ["a"], "g"], "name, tags and group after nulls")
            kit.equal(run.config, {"lr": 1}, "config after null")
            by_id = send(
                kit, "upsertBucket", "inserted bucket { id name }", id=run.node_id, tags=[], groupName="", notes=""
            )
            kit.equal(
                by_id, {"inserted": False, "bucket": {"id": run.node_id, "name": "r1"}}, "a change by the node id"
            )
            run = read_run(kit, f"{entity}/{name}", "r1")
            kit.equal(
                [run.tags, run.group or "", run.notes or ""], [[], "", ""], "tags, group and notes after clearing"
            )
            make_run(kit, entity, name, "r1", config=config_text({"new": 2}), summaryMetrics=dumps({"loss": 1}))
            run = read_run(kit, f"{entity}/{name}", "r1")
            kit.equal(
                [run.config, run.summary], [{"new": 2}, {"loss": 1}], "config and summary, which are given as wholes,"
            )

    @case("mutation/upsertBucket/seen-at-once", flags=["writable"])
    def test_mutation_upsert_bucket_seen_at_once(self, kit: Kit) -> None:
        """What was written is found by the next question: by filters, orders and counts."""
        from wbmodel import Run

        with scratch(kit) as (entity, name, _):
            rows = Run.objects.using(kit.session).filter(project=f"{entity}/{name}")
            for at in range(4):
                make_run(kit, entity, name, f"r{at}", config=config_text({"lr": at}), tags=["odd"] if at % 2 else [])
                kit.equal(kit.ask(rows, "count"), at + 1, f"the count after {at + 1} runs")
            kit.equal(
                sorted(kit.names("Run", rows.filter(config__lr__gte=2))), ["r2", "r3"], "filter(config__lr__gte=2)"
            )
            kit.equal(kit.names("Run", rows.order_by("-config.lr")), ["r3", "r2", "r1", "r0"], "order_by('-config.lr')")
            make_run(kit, entity, name, "r0", config=config_text({"lr": 9}))
            kit.equal(kit.names("Run", rows.order_by("-config.lr"))[0], "r0", "the first by config.lr after a change")
            kit.equal(
                sorted(kit.names("Run", rows.filter(tags__contains="odd"))),
                ["r1", "r3"],
                "filter(tags__contains='odd')",
            )

    @case("mutation/upsertBucket/many", flags=["writable"])
    def test_mutation_upsert_bucket_many(self, kit: Kit) -> None:
        """Several mutations in one execute_many are all done, in order."""
        from wbmodel.backend.asks import Request

        with scratch(kit) as (entity, name, _):
            text = _document("upsertBucket", "bucket { name displayName }")
            inputs = [
                {"entityName": entity, "modelName": name, "name": "r1", "displayName": f"name {at}"} for at in range(5)
            ]
            kit.ask(kit.backend, "execute_many", [Request(text, {"input": given}) for given in inputs])
            kit.equal(read_run(kit, f"{entity}/{name}", "r1").name, "name 4", "the name after five changes in order")

    @case("mutation/deleteRun", flags=["writable"])
    def test_mutation_delete_run(self, kit: Kit) -> None:
        """deleteRun deletes one run, and only that; deleting it again is refused."""
        from wbmodel import Run

        with scratch(kit) as (entity, name, _):
            first = make_run(kit, entity, name, "r1")["bucket"]["id"]
            make_run(kit, entity, name, "r2")
            send(kit, "deleteRun", "clientMutationId", id=first)
            kit.equal(read_run(kit, f"{entity}/{name}", "r1"), None, "the deleted run")
            rows = Run.objects.using(kit.session).filter(project=f"{entity}/{name}")
            kit.equal(kit.names("Run", rows), ["r2"], "the runs that are left")
            refuse(kit, "deleteRun", id=first)

    @case("mutation/updateRunState", flags=["writable"])
    def test_mutation_update_run_state(self, kit: Kit) -> None:
        """updateRunState writes the state."""
        with scratch(kit) as (entity, name, _):
            made = make_run(kit, entity, name, "r1", state="running")
            done = send(kit, "updateRunState", "success", id=made["bucket"]["id"], state="crashed")
            kit.equal(done["success"], True, "success")
            kit.equal(read_run(kit, f"{entity}/{name}", "r1").state, "crashed", "the state")

    @case("mutation/stopRun", flags=["writable"])
    def test_mutation_stop_run(self, kit: Kit) -> None:
        """stopRun asks a run to stop, which its client reads."""
        with scratch(kit) as (entity, name, _):
            made = make_run(kit, entity, name, "r1", state="running")
            kit.equal(send(kit, "stopRun", "success", id=made["bucket"]["id"])["success"], True, "success")
            text = (
                "query S($p: String, $e: String) "
                '{ project(name: $p, entityName: $e) { run(name: "r1") { stopped shouldStop } } }'
            )
            found = kit.data(text, p=name, e=entity)["project"]["run"]
            kit.equal(bool(found["stopped"] or found["shouldStop"]), True, "stopped or shouldStop")

    @case("mutation/upsertSweep", parts=["sweeps"], flags=["writable"])
    def test_mutation_upsert_sweep(self, kit: Kit) -> None:
        """upsertSweep makes a sweep and changes one by its id; runs join it by its name."""
        from wbmodel import Sweep

        with scratch(kit) as (entity, name, _):
            config = {
                "method": "random",
                "metric": {"name": "loss", "goal": "minimize"},
                "parameters": {"lr": {"values": [1, 2]}},
            }
            given = {"entityName": entity, "projectName": name, "config": dumps(config), "displayName": "search"}
            made = send(kit, "upsertSweep", "inserted sweep { id name }", **given)
            sweep_id = made["sweep"]["name"]
            for run_id, loss in (("r1", 0.5), ("r2", 0.25)):
                make_run(kit, entity, name, run_id, sweep=sweep_id, summaryMetrics=dumps({"loss": loss}))
            rows = Sweep.objects.using(kit.session).filter(project=f"{entity}/{name}")
            sweep = kit.ask(rows, "get", id=sweep_id)
            kit.equal(
                [sweep.name, sweep.config, sweep.run_count],
                ["search", config, 2],
                "name, config and run_count of the sweep",
            )
            kit.equal(sorted(kit.names("Run", sweep.runs)), ["r1", "r2"], "the runs of the sweep")
            kit.equal(kit.ask(sweep, "best_run").id, "r2", "the id of best_run()")
            changed = send(
                kit, "upsertSweep", "inserted sweep { id }", id=made["sweep"]["id"], state="PAUSED", displayName=None
            )
            kit.equal(changed["sweep"]["id"], made["sweep"]["id"], "the id of the changed sweep")
            sweep = kit.ask(rows, "get", id=sweep_id)
            kit.equal([sweep.name, sweep.state], ["search", "PAUSED"], "name and state after a change with null")
            refuse(kit, "upsertBucket", entityName=entity, modelName=name, name="r3", sweep="nowhere")

    @case("mutation/deleteSweep", parts=["sweeps"], flags=["writable"])
    def test_mutation_delete_sweep(self, kit: Kit) -> None:
        """deleteSweep deletes a sweep and leaves its runs."""
        from wbmodel import Run, Sweep

        with scratch(kit) as (entity, name, _):
            made = send(
                kit,
                "upsertSweep",
                "sweep { id name }",
                entityName=entity,
                projectName=name,
                config='{"method": "grid"}',
            )
            make_run(kit, entity, name, "r1", sweep=made["sweep"]["name"])
            send(kit, "deleteSweep", "success", id=made["sweep"]["id"])
            kit.equal(
                kit.names("Sweep", Sweep.objects.using(kit.session).filter(project=f"{entity}/{name}")),
                [],
                "the sweeps left",
            )
            runs = Run.objects.using(kit.session).filter(project=f"{entity}/{name}")
            kit.equal(kit.names("Run", runs), ["r1"], "the runs left")
            kit.equal(kit.names("Run", runs.filter(sweep__isnull=True)), ["r1"], "the runs without a sweep")

    @case("mutation/upsertView", parts=["reports"], flags=["writable"])
    def test_mutation_upsert_view(self, kit: Kit) -> None:
        """upsertView makes a report and changes one by its id."""
        from wbmodel import Report

        with scratch(kit) as (entity, name, _):
            spec = {"version": 5, "blocks": [{"type": "paragraph", "children": [{"text": "ü\n"}]}]}
            given = {"type": "runs", "name": "rep", "displayName": "Title", "description": "about", "spec": dumps(spec)}
            made = send(kit, "upsertView", "inserted view { id name }", entityName=entity, projectName=name, **given)
            rows = Report.objects.using(kit.session).filter(project=f"{entity}/{name}")
            report = kit.ask(rows, "get")
            told = [report.node_id, report.name, report.description, report.spec]
            kit.equal(
                told, [made["view"]["id"], "Title", "about", spec], "id, name, description and spec of the report"
            )
            send(kit, "upsertView", "view { id }", id=report.node_id, displayName="New", spec=None)
            report = kit.ask(rows, "get")
            kit.equal([report.name, report.spec], ["New", spec], "name and spec after a change with null")

    @case("mutation/deleteView", parts=["reports"], flags=["writable"])
    def test_mutation_delete_view(self, kit: Kit) -> None:
        """deleteView deletes a report."""
        from wbmodel import Report

        with scratch(kit) as (entity, name, _):
            made = send(
                kit,
                "upsertView",
                "view { id }",
                entityName=entity,
                projectName=name,
                type="runs",
                displayName="T",
                spec="{}",
            )
            kit.equal(send(kit, "deleteView", "success", id=made["view"]["id"])["success"], True, "success")
            rows = Report.objects.using(kit.session).filter(project=f"{entity}/{name}")
            kit.equal(kit.names("Report", rows), [], "the reports left")

    @case("mutation/missing", flags=["writable"])
    def test_mutation_missing(self, kit: Kit) -> None:
        """A change of what does not exist is refused, and makes nothing."""
        for name, given in _WRONG.items():
            refuse(kit, name, **given)

    @case("mutation/bad-text", flags=["writable"])
    def test_mutation_bad_text(self, kit: Kit) -> None:
        """A config or summary that is not JSON is refused, and the run stays as it was."""
        with scratch(kit) as (entity, name, _):
            make_run(kit, entity, name, "r1", displayName="first", config=config_text({"lr": 1}))
            for field in ("config", "summaryMetrics"):
                refuse(
                    kit,
                    "upsertBucket",
                    entityName=entity,
                    modelName=name,
                    name="r1",
                    displayName="changed",
                    **{field: "{"},
                )
            run = read_run(kit, f"{entity}/{name}", "r1")
            kit.equal([run.name, run.config], ["first", {"lr": 1}], "name and config after two refused changes")

    @case("mutation/raw-texts", flags=["writable"])
    def test_mutation_raw_texts(self, kit: Kit) -> None:
        """Config and summary come back as text that means what was sent: keys, types and the parts of _wandb are
        kept."""
        with scratch(kit) as (entity, name, _):
            sent = {"lr": {"value": 1.5, "desc": None}, "_wandb": {"value": {"cli_version": "0.31.0"}, "desc": None}}
            made = make_run(kit, entity, name, "r1", config=dumps(sent), summaryMetrics='{"a":NaN,"b":1e308}')
            config = loads(made["bucket"]["config"])
            kit.equal(config["lr"]["value"], 1.5, "config.lr.value in the text that came back")
            kit.equal(
                config.get("_wandb", {}).get("value", {}).get("cli_version"), "0.31.0", "config._wandb in that text"
            )
            summary = loads(made["bucket"]["summaryMetrics"])
            if not (alike(summary["a"], math.nan) or summary["a"] == "NaN"):
                kit.fail(f"NaN in a summary came back as {shown(summary['a'])}")
