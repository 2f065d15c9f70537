"""Run by the Python of an official client: asks ``wandb.Api`` everything and writes the answers as JSON.

    python ask.py QUESTIONS.json ANSWERS.json

Runs on Python 3.8 and later, with the standard library and wandb only. A question that raises is answered by
``{"raised": [type, message]}``. Nothing here knows what the right answers are.
"""

import json
import os
import sys
import time

import calls
import wandb

with open(sys.argv[1]) as file:
    GIVEN = json.load(file)
OLD = wandb.__version__.startswith("0.10.")
ANSWERS = {"version": wandb.__version__, "seconds": {}}
QUESTIONS = {}


def question(function):
    QUESTIONS[function.__name__] = function
    return function


def row(run):
    return {
        "id": run.id,
        "name": run.name,
        "state": run.state,
        "tags": list(run.tags),
        "created_at": run.created_at,
        "path": list(run.path),
        "url": run.url,
        "node_id": run.storage_id,
        "user": run._attrs["user"]["username"],
        "config": run.config,
        "summary": run.summary._json_dict,
    }


def all_runs(**how):
    return api.runs(GIVEN["project"], **how)


@question
def projects():
    return [[found.name, found.entity] for found in api.projects(GIVEN["entity"])]


@question
def runs_lazy():
    """As people write it: no config and no summary before they are asked for, in 0.31."""
    found = all_runs()
    return [[run.id, run.name, run.state] for run in found]


@question
def runs_length():
    return [len(all_runs()), len(all_runs(filters=GIVEN["filters"]))]


@question
def runs_whole():
    return [row(run) for run in (all_runs(per_page=7) if OLD else all_runs(per_page=7, lazy=False))]


@question
def runs_in_one_page():
    return [run.id for run in all_runs(per_page=1000)]


@question
def a_lazy_run():
    run = all_runs(order="+created_at")[0]
    return [run.id, run.config, run.summary._json_dict]


@question
def runs_filtered():
    return [run.id for run in all_runs(filters=GIVEN["filters"], order=GIVEN["order"], per_page=3)]


@question
def runs_by_config():
    return [run.id for run in all_runs(filters=GIVEN["config_filters"], order="+created_at")]


@question
def runs_by_or():
    return [run.id for run in all_runs(filters=GIVEN["or_filters"], order="+created_at")]


@question
def one_run():
    return row(api.run(GIVEN["run"]))


@question
def run_summary_values():
    summary = api.run(GIVEN["run"]).summary
    return dict(summary.items())


@question
def history():
    return api.run(GIVEN["run"]).history(samples=1000, pandas=False)


@question
def history_sampled():
    return api.run(GIVEN["run"]).history(samples=5, pandas=False)


@question
def scan_history():
    return list(api.run(GIVEN["run"]).scan_history(page_size=10))


@question
def scan_history_keys():
    return list(api.run(GIVEN["run"]).scan_history(keys=["_step", GIVEN["key"]], page_size=1000))


@question
def system_metrics():
    return api.run(GIVEN["run"]).history(stream="system", pandas=False)


@question
def files():
    return [[file.name, file.size, file.mimetype] for file in api.run(GIVEN["run"]).files(per_page=2)]


@question
def file_content():
    file = api.run(GIVEN["run"]).file(GIVEN["file"])
    with file.download(root=GIVEN["folder"], replace=True) as opened:
        return opened.read()


@question
def sweep():
    found = api.sweep(GIVEN["sweep"])
    best = found.best_run()
    return {
        "id": found.id,
        "node_id": found._attrs["id"],
        "config": found.config,
        "runs": [run.id for run in found.runs],
        "best": best and best.id,
        "url": found.url,
    }


@question
def sweep_of_run():
    return api.run(GIVEN["run"]).sweep.id


@question
def sweeps():
    if OLD:
        return "not there"
    name, _, project = GIVEN["project"].partition("/")
    return [found.id for found in api.project(project, name).sweeps()]


@question
def reports():
    # 0.10.28 takes the first part of two for the project and fails; with a third part it is right.
    path = GIVEN["reports"] + ("/any" if OLD else "")
    return [[found.name, found.description, found.spec] for found in api.reports(path)]


@question
def viewer():
    if OLD:
        return [api.default_entity]
    found = api.viewer
    return [found.username, found.name, found.teams, found.api_keys, api.default_entity]


@question
def users():
    if OLD:
        return "not there"
    return [found.username for found in api.users(GIVEN["user"])]


@question
def artifact():
    found = api.artifact(GIVEN["artifact"])
    return {
        "version": found.version,
        "type": found.type,
        "digest": found.digest,
        "aliases": sorted(found.aliases),
        "metadata": found.metadata,
        "size": found.size,
        "logged_by": found.logged_by().id,
        "used_by": [run.id for run in found.used_by()],
    }


@question
def artifact_content():
    folder = api.artifact(GIVEN["artifact"]).download(root=os.path.join(GIVEN["folder"], "artifact"))
    contents = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name)) as opened:
            contents[name] = opened.read()
    return contents


@question
def artifact_types():
    found = api.artifact_types(GIVEN["project"])
    return [[kind.name, sorted(item.name for item in kind.collections())] for kind in found]


@question
def artifact_versions():
    if OLD:
        return [found.version for found in api.artifact_versions(*GIVEN["collection"])]
    return [found.version for found in api.artifacts(*GIVEN["collection"])]


@question
def console():
    if OLD:
        return "not there"
    return [line.content for line in api.run(GIVEN["run"]).console_logs()]


@question
def no_such_run():
    return api.run(GIVEN["project"] + "/nothere").id


@question
def no_such_project():
    return [run.id for run in api.runs(GIVEN["entity"] + "/nothere")]


@question
def no_such_entity():
    return [found.name for found in api.projects("nobody-at-all")]


@question
def no_such_sweep():
    return api.sweep(GIVEN["project"] + "/nothere").id


@question
def a_bad_filter():
    return [run.id for run in all_runs(filters={"config.x.value": {"$nonsense": 1}})]


@question
def a_wrong_key():
    if not OLD:
        return wandb.Api(api_key="x" * 40).viewer.username
    os.environ["WANDB_API_KEY"] = "x" * 40
    return wandb.Api().default_entity


api = wandb.Api(timeout=30) if not OLD else wandb.Api()
ANSWERS["calls"] = calls.answer(calls.CALLS, api, OLD)
writing = wandb.Api({"base_url": GIVEN["writable"]})
ANSWERS["calls"].update(calls.answer(calls.WRITES, writing, OLD))
for name, ask in QUESTIONS.items():
    begin = time.time()
    try:
        ANSWERS[name] = ask()
    except Exception as error:
        ANSWERS[name] = {"raised": [type(error).__name__, str(error)]}
    ANSWERS["seconds"][name] = round(time.time() - begin, 3)
with open(sys.argv[2], "w") as file:
    # A nested part of a summary is an object of the client's own, which is like a dict.
    json.dump(ANSWERS, file, default=dict)
