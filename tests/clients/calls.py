"""One table of calls, made by ``wandb`` 0.31.0, by 0.10.28 and by ``wbmodel.Api``. Each gives plain values.

Runs on Python 3.8 and later with the standard library alone. Nothing here knows what the right answers are. A call
that raises is answered by the name of the class. ``old`` is whether the client is 0.10.28; ``None`` for wbmodel.
"""

PROJECT = "demo/vit-prisma"
RUN = PROJECT + "/0lhwu6v9"
APART = PROJECT + "/o2syfzqt"
"""A run whose keys ``train`` and ``val`` were logged at different steps."""
SWEEP = PROJECT + "/synvit01"
VERSIONS = ("model", PROJECT + "/vit-weights")
FILTERS = {
    "all": None,
    "state": {"state": "crashed"},
    "two_states": {"$or": [{"state": "crashed"}, {"state": "failed"}]},
    "not_state": {"state": {"$ne": "failed"}},
    "states_in": {"state": {"$in": ["crashed", "finished"]}},
    "states_nin": {"state": {"$nin": ["crashed", "finished"]}},
    "summary": {"summary_metrics.test_loss": {"$lt": 3.0}},
    "summary_range": {"summary_metrics.test_loss": {"$gt": 1, "$lte": 2.5}},
    "summary_ne": {"summary_metrics.test_loss": {"$ne": None}},
    "summary_null": {"summary_metrics.test_loss": None},
    "config": {"config.transformer.value.num_layers": {"$gte": 4}},
    "config_nested": {"config.transformer.num_layers": 2},
    "config_exists": {"config.dropout.value": {"$exists": False}},
    "regex": {"display_name": {"$regex": "er"}},
    "regex_anchored": {"display_name": {"$regex": "^e.*g$"}},
    "camel": {"displayName": {"$regex": "a"}},
    "name": {"name": {"$in": ["0lhwu6v9", "o2syfzqt"]}},
    "dates": {"createdAt": {"$gt": "2023-10-10T00:00:00Z"}},
    "dates_naive": {"created_at": {"$lt": "2023-10-10T00:00:00"}},
    "sweep": {"sweep": "synvit01"},
    "and_nested": {"$and": [{"sweep": "synvit01"}, {"$or": [{"state": "failed"}, {"state": "crashed"}]}]},
    "nothing": {"state": "no such state"},
    "summary_root": {"summary.test_loss": {"$lt": 3.0}},
    "entity": {"entity": "demo"},
    "unknown_operator": {"config.lr": {"$nonsense": 1}},
    "unknown_field": {"nonsense": 1},
    "nan": {"summary_metrics.test_loss": float("nan")},
    "not_a_dict": ["state"],
}
ORDERS = [
    "+created_at",
    "-created_at",
    "+summary_metrics.test_loss",
    "-summary_metrics.test_loss",
    "+heartbeat_at",
    "+config.transformer.value.num_layers",
    "created_at",
    "loss",
    "+nonsense.x",
    "",
]
CALLS = {}
WRITES = {}


def call(function):
    CALLS[function.__name__] = function
    return function


def write(function):
    WRITES[function.__name__] = function
    return function


def _filtered(filters):
    return lambda api, old: [run.id for run in api.runs(PROJECT, filters=filters, order="+created_at")]


def _ordered(order):
    return lambda api, old: [run.id for run in api.runs(PROJECT, order=order)]


for _name, _filters in FILTERS.items():
    CALLS["runs_filters_" + _name] = _filtered(_filters)
for _order in ORDERS:
    CALLS["runs_order_" + (_order or "empty")] = _ordered(_order)


def parts(item, *names):
    return {name: getattr(item, name) for name in names}


@call
def projects(api, old):
    return [[found.name, found.entity, list(found.path)] for found in api.projects("demo")]


@call
def projects_len(api, old):
    return len(api.projects("demo"))


@call
def projects_repr(api, old):
    return [repr(api.projects("demo")), repr(api.projects("demo")[0])]


@call
def runs(api, old):
    return [[run.id, run.name, run.state, list(run.path), run.entity, run.project] for run in api.runs(PROJECT)]


@call
def runs_attributes(api, old):
    names = ["created_at", "heartbeat_at", "group", "job_type", "notes", "storage_id", "url", "tags", "createdAt"]
    return [parts(run, *names) for run in api.runs(PROJECT, order="+created_at")]


@call
def runs_config_and_summary(api, old):
    found = api.runs(PROJECT, order="+created_at")
    return [[run.config, run.summary._json_dict, run.summary_metrics] for run in found]


@call
def runs_len(api, old):
    return [len(api.runs(PROJECT)), len(api.runs(PROJECT, filters=FILTERS["summary"]))]


@call
def runs_index(api, old):
    found = api.runs(PROJECT, order="+created_at", per_page=7)
    return [found[0].id, found[20].id]


@call
def runs_out_of_range(api, old):
    return api.runs(PROJECT)[1000].id


@call
def runs_slice(api, old):
    return [run.id for run in api.runs(PROJECT, order="+created_at")[:5]]


@call
def runs_slice_open(api, old):
    return [run.id for run in api.runs(PROJECT, order="+created_at")[25:]]


@call
def runs_last(api, old):
    # Not a list that another call has read already: the official clients keep those.
    return api.runs(PROJECT, filters={"state": {"$ne": "none of these"}}, order="+created_at", per_page=7)[-1].id


@call
def runs_nested_loops(api, old):
    found = api.runs(PROJECT)
    return sum(1 for one in found for other in found)


@call
def runs_next(api, old):
    found = iter(api.runs(PROJECT, order="+created_at"))
    return [next(found).id, next(found).id]


@call
def runs_twice(api, old):
    found = api.runs(PROJECT)
    return [run.id for run in found] == [run.id for run in found]


@call
def runs_same_object(api, old):
    return api.runs(PROJECT) is api.runs(PROJECT)


@call
def runs_bool(api, old):
    return [bool(api.runs(PROJECT)), bool(api.runs(PROJECT, filters=FILTERS["nothing"]))]


@call
def runs_repr(api, old):
    return repr(api.runs(PROJECT))


@call
def runs_fields(api, old):
    return parts(api.runs(PROJECT), "entity", "project", "filters", "order")


@call
def runs_per_page_0(api, old):
    return len(list(api.runs(PROJECT, per_page=0)))


@call
def runs_no_such_project(api, old):
    return len(list(api.runs("demo/nothere")))


@call
def runs_blank_path(api, old):
    return len(list(api.runs(" ")))


@call
def one_run(api, old):
    run = api.run(RUN)
    found = parts(run, "id", "name", "state", "entity", "project", "path", "url", "tags", "created_at", "config")
    found.update(parts(run, "notes", "commit", "description", "group", "job_type", "storage_id", "rawconfig"))
    found["summary"] = run.summary._json_dict
    return found


@call
def run_system_metrics(api, old):
    return api.run(RUN).system_metrics


@call
def run_json_config(api, old):
    import json

    return json.loads(api.run(RUN).json_config)


@call
def run_same_object(api, old):
    one = api.run(RUN)
    same = api.run(RUN) is one
    api.flush()
    return [same, api.run(RUN) is one]


@call
def run_page_path(api, old):
    return api.run(PROJECT + "/runs/0lhwu6v9").id


@call
def run_slashes_and_blanks(api, old):
    return api.run(" /" + RUN + "/ ").id


@call
def run_docker_path(api, old):
    return api.run(PROJECT + ":0lhwu6v9").id


@call
def run_short_path(api, old):
    return api.run("vit-prisma/0lhwu6v9").path


@call
def run_id_alone(api, old):
    return api.run("0lhwu6v9").id


@call
def run_no_path(api, old):
    return api.run("").id


@call
def run_too_long_path(api, old):
    return api.run("a/b/c/d/e/f").id


@call
def run_unicode_path(api, old):
    return api.run(PROJECT + "/größe").id


@call
def run_not_there(api, old):
    return api.run(PROJECT + "/nothere").id


@call
def run_no_such_attribute(api, old):
    return api.run(RUN).nonsense


@call
def run_repr(api, old):
    return repr(api.run(RUN))


@call
def run_user(api, old):
    user = api.run(RUN).user
    return [user.username, user.name]


@call
def run_sweep(api, old):
    run = api.run(RUN)
    return [run.sweep.id, run.sweep_name]


@call
def run_without_sweep(api, old):
    found = list(api.runs(PROJECT, filters={"sweep": None}))
    return [found[0].sweep, found[0].sweep_name]


@call
def run_last_history_step(api, old):
    return api.run(RUN).lastHistoryStep


@call
def run_summary(api, old):
    summary = api.run(RUN).summary
    return [
        sorted(summary.keys()),
        summary.get("train_loss"),
        summary["train_loss"],
        summary.get("no", 7),
        "train_loss" in summary.keys(),  # noqa: SIM118 - 0.10.28 has no other "in"
        summary.train_loss,
        sorted(dict(summary.items())),
    ]


@call
def run_summary_missing(api, old):
    return api.run(RUN).summary["no such key"]


@call
def run_summary_missing_attribute(api, old):
    return api.run(RUN).summary.no_such_key


@call
def run_summary_nested(api, old):
    return api.run(RUN).summary["nested"]["deep"]


@call
def run_files(api, old):
    found = api.run(RUN).files()
    return [parts(file, "name", "size", "mimetype", "md5") for file in found]


@call
def run_files_len(api, old):
    return [len(api.run(RUN).files()), len(api.run(RUN).files(["config.yaml"]))]


@call
def run_files_named(api, old):
    return [file.name for file in api.run(RUN).files(["config.yaml", "empty.txt"])]


@call
def run_file(api, old):
    return [api.run(RUN).file("config.yaml").name, repr(api.run(RUN).file("config.yaml"))]


@call
def run_artifacts(api, old):
    logged = [found.name for found in api.run(RUN).logged_artifacts()]
    return [logged, [found.name for found in api.run(PROJECT + "/o2syfzqt").used_artifacts()]]


@call
def run_artifacts_len(api, old):
    return len(api.run(RUN).logged_artifacts())


@call
def sweep(api, old):
    found = api.sweep(SWEEP)
    return dict(parts(found, "id", "entity", "project", "config", "url", "order"), path=list(found.path))


@call
def sweep_runs(api, old):
    return sorted(run.id for run in api.sweep(SWEEP).runs)


@call
def sweep_best_run(api, old):
    return api.sweep(SWEEP).best_run().id


@call
def sweep_best_run_by_column(api, old):
    return api.sweep(SWEEP).best_run(order="+created_at").id


@call
def sweep_best_run_by_key(api, old):
    return api.sweep(SWEEP).best_run(order="+train_loss").id


@call
def sweep_not_there(api, old):
    return api.sweep(PROJECT + "/nothere").id


@call
def sweep_repr(api, old):
    return repr(api.sweep(SWEEP))


@call
def reports(api, old):
    found = api.reports("demo/wandb-sdk-tests")
    return sorted([[one.name, one.description or "", one.spec, one.updated_at] for one in found], key=str)


@call
def reports_by_name(api, old):
    found = api.reports("demo/wandb-sdk-tests" + ("/x" if old else ""), name="report-old")
    return [one.name for one in found]


@call
def reports_len(api, old):
    return len(api.reports("demo/wandb-sdk-tests" + ("/x" if old else "")))


@call
def report_runs(api, old):
    (found,) = api.reports("demo/wandb-sdk-tests" + ("/x" if old else ""), name="report-old")
    return [run.id for run in found.runs(found.sections[0])]


@call
def artifact_types(api, old):
    return [kind.name for kind in api.artifact_types(PROJECT)]


@call
def artifact_type(api, old):
    found = api.artifact_type("model", PROJECT)
    return [
        found.type,
        found.name,
        sorted(one.name for one in found.collections()),
        found.collection("vit-weights").name,
    ]


@call
def artifact_type_not_there(api, old):
    return api.artifact_type("nothere", PROJECT).name


@call
def artifact_versions(api, old):
    return [found.version for found in api.artifact_versions(*VERSIONS)]


@call
def artifact_versions_of_nothing(api, old):
    return [found.version for found in api.artifact_versions("model", PROJECT + "/nothere")]


@call
def artifact(api, old):
    found = api.artifact(PROJECT + "/vit-weights:v1", type="model")
    names = ["version", "type", "digest", "metadata", "size", "state", "description", "created_at"]
    return dict(parts(found, *names), aliases=sorted(found.aliases))


@call
def artifact_commit_hash(api, old):
    return api.artifact(PROJECT + "/vit-weights:v1").commit_hash


@call
def artifact_place(api, old):
    found = api.artifact(PROJECT + "/vit-weights:v1")
    return [found.id, found.entity, found.project, found.updated_at]


@call
def artifact_name(api, old):
    return [api.artifact(PROJECT + "/vit-weights:" + alias).name for alias in ("v1", "best")]


@call
def artifact_runs(api, old):
    found = api.artifact(PROJECT + "/vit-weights:latest")
    return [found.logged_by().id, [run.id for run in found.used_by()]]


@call
def artifact_wrong_type(api, old):
    return api.artifact(PROJECT + "/vit-weights:latest", type="dataset").name


@call
def artifact_not_there(api, old):
    return api.artifact(PROJECT + "/nothere:latest").name


@call
def artifact_without_alias(api, old):
    return api.artifact(PROJECT + "/vit-weights").version


@call
def artifact_no_name(api, old):
    return api.artifact(None)


@call
def artifact_long_name(api, old):
    return api.artifact("a/b/c/d:latest").name


@call
def default_entity(api, old):
    return api.default_entity


@call
def settings(api, old):
    found = api.settings
    return [found["entity"], found["project"]]


@call
def new_members(api, old):
    """What 0.31.0 added to these classes."""
    if old:
        return "not there"
    project = api.project("vit-prisma", "demo")
    kinds = [type(api.from_path(path)).__name__ for path in ("demo/vit-prisma", RUN, PROJECT + "/sweeps/synvit01")]
    exists = [api.artifact_exists(PROJECT + "/vit-weights:v1"), api.artifact_exists(PROJECT + "/vit-weights:v9")]
    return [
        api.viewer.username,
        [user.username for user in api.users("viewer")],
        kinds,
        exists,
        api.artifact_collection_exists(PROJECT + "/vit-weights", "model"),
        [found.id for found in project.sweeps()],
        [found.name for found in project.collections()],
        api.artifact_collection("model", PROJECT + "/vit-weights").name,
        sorted(found.name for found in api.artifact_collections(PROJECT, "model")),
        [found.version for found in api.artifacts(*VERSIONS)],
        project.id,
        project.url,
    ]


# -- histories, console lines --


def _rows(rows, digits=9):
    """Rows without empty cells, their floats as they are in any order of a sum."""
    kept = []
    for row in rows:
        full = {key: row[key] for key in sorted(row) if row[key] is not None and row[key] == row[key]}
        kept.append({key: round(cell, digits) if isinstance(cell, float) else cell for key, cell in full.items()})
    return kept


@call
def history(api, old):
    return _rows(api.run(RUN).history(samples=1000, pandas=False))


@call
def history_thinned(api, old):
    found = api.run(RUN).history(samples=5, pandas=False)
    return [len(found), found[0]["_step"], found[-1]["_step"]]


@call
def history_keys(api, old):
    return _rows(api.run(RUN).history(samples=1000, keys=["train_loss", "test_loss"], pandas=False))


@call
def history_x_axis(api, old):
    return _rows(api.run(RUN).history(samples=1000, keys=["train_loss"], x_axis="_runtime", pandas=False))


@call
def history_keys_thinned(api, old):
    found = api.run(RUN).history(samples=6, keys=["train_loss", "test_loss"], pandas=False)
    return [len(found), sorted(found[0])]


@call
def history_frame(api, old):
    found = api.run(RUN).history(samples=1000)
    return [type(found).__name__, len(found), sorted(found.columns), round(float(found["train_loss"].min()), 9)]


@call
def history_system(api, old):
    return _rows(api.run(RUN).history(stream="system", pandas=False))


@call
def history_keys_not_a_list(api, old):
    return api.run(RUN).history(keys="train_loss", pandas=False)


@call
def history_key_not_text(api, old):
    return api.run(RUN).history(keys=[1], pandas=False)


@call
def history_keys_of_the_system(api, old):
    return api.run(RUN).history(keys=["system.cpu"], stream="system", pandas=False)


@call
def history_no_such_key(api, old):
    return api.run(RUN).history(keys=["no such key"], pandas=False)


@call
def history_of_apart(api, old):
    return _rows(api.run(APART).history(keys=["train", "val"], pandas=False))


@call
def scan_history(api, old):
    return _rows(api.run(RUN).scan_history())


@call
def scan_history_pages(api, old):
    return len(list(api.run(RUN).scan_history(page_size=10)))


@call
def scan_history_keys(api, old):
    return _rows(api.run(RUN).scan_history(keys=["_step", "train_loss", "test_loss"]))


@call
def scan_history_one_key(api, old):
    return _rows(api.run(RUN).scan_history(keys=["train_loss"]))


@call
def scan_history_keys_in_pages(api, old):
    return len(list(api.run(RUN).scan_history(keys=["_step", "train_loss"], page_size=10)))


@call
def scan_history_bounds(api, old):
    return [row["_step"] for row in api.run(RUN).scan_history(min_step=10, max_step=15)]


@call
def scan_history_twice(api, old):
    found = api.run(RUN).scan_history(keys=["_step", "train_loss"])
    return len(list(found)) == len(list(found))


@call
def scan_history_next(api, old):
    found = iter(api.run(RUN).scan_history())
    return [next(found)["_step"], next(found)["_step"]]


@call
def scan_history_keys_not_a_list(api, old):
    return list(api.run(RUN).scan_history(keys="train_loss"))


@call
def scan_history_of_apart(api, old):
    return _rows(api.run(APART).scan_history(keys=["_step", "train", "val"]))


@call
def runs_histories(api, old):
    found = api.runs(PROJECT, filters={"sweep": "synvit01"}, order="+created_at")
    return _rows(found.histories(samples=1000, keys=["train_loss"]))


@call
def runs_histories_pandas(api, old):
    found = api.runs(PROJECT, filters={"sweep": "synvit01"}, order="+created_at")
    frame = found.histories(samples=1000, format="pandas")
    return [len(frame), list(frame.columns), frame["run_id"].nunique()]


@call
def runs_histories_format(api, old):
    return api.runs(PROJECT).histories(format="excel")


@call
def console_logs(api, old):
    found = api.run(RUN).console_logs()
    return [[line.number, line.level, line.label, line.content] for line in found]


@call
def console_logs_last(api, old):
    return [line.content for line in api.run(RUN).console_logs(last=2)]


@call
def run_metadata(api, old):
    return [api.run(RUN).metadata, api.run(PROJECT + "/o2syfzqt").metadata]


# -- contents of files and artifacts --


def _folder():
    import tempfile

    return tempfile.mkdtemp()


def _contents(folder):
    import os

    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with open(path, encoding="utf-8") as opened:
                found[os.path.relpath(path, folder)] = opened.read()
    return found


@call
def file_download(api, old):
    folder = _folder()
    with api.run(RUN).file("media/a plot.txt").download(root=folder) as opened:
        return [opened.read(), _contents(folder)]


@call
def file_download_again(api, old):
    folder = _folder()
    api.run(RUN).file("config.yaml").download(folder).close()
    return api.run(RUN).file("config.yaml").download(folder).read()


@call
def file_download_replaced(api, old):
    folder = _folder()
    api.run(RUN).file("config.yaml").download(folder).close()
    return api.run(RUN).file("config.yaml").download(folder, replace=True).read()


@call
def file_download_exist_ok(api, old):
    folder = _folder()
    api.run(RUN).file("config.yaml").download(folder).close()
    return api.run(RUN).file("config.yaml").download(folder, exist_ok=True).read()


@call
def file_not_there(api, old):
    return api.run(RUN).file("nothere.txt").download(_folder()).read()


@call
def artifact_download(api, old):
    folder = _folder()
    found = api.artifact(PROJECT + "/vit-weights:v1").download(folder)
    return [found == folder, _contents(folder)]


@call
def artifact_download_default_root(api, old):
    import os

    return os.path.relpath(api.artifact(PROJECT + "/vit-weights:v1").download())


@call
def artifact_checkout(api, old):
    import os

    folder = _folder()
    with open(os.path.join(folder, "extra.txt"), "w") as opened:
        opened.write("extra")
    api.artifact(PROJECT + "/vit-weights:v1").checkout(folder)
    return sorted(_contents(folder))


@call
def artifact_verify(api, old):
    folder = _folder()
    found = api.artifact(PROJECT + "/vit-weights:v1")
    found.download(folder)
    return found.verify(folder)


@call
def artifact_verify_extra(api, old):
    import os

    folder = _folder()
    found = api.artifact(PROJECT + "/vit-weights:v1")
    found.download(folder)
    with open(os.path.join(folder, "extra.txt"), "w") as opened:
        opened.write("extra")
    return found.verify(folder)


@call
def artifact_verify_missing(api, old):
    return api.artifact(PROJECT + "/vit-weights:v1").verify(_folder())


@call
def artifact_manifest(api, old):
    entries = api.artifact(PROJECT + "/vit-weights:v1").manifest.entries
    return {name: parts(entry, "path", "digest", "size", "ref", "extra") for name, entry in entries.items()}


@call
def artifact_entry(api, old):
    found = api.artifact(PROJECT + "/vit-weights:v1")
    name = min(found.manifest.entries)
    entry = found.get_path(name)
    with open(entry.download(_folder()), encoding="utf-8") as opened:
        return [name, opened.read(), entry.ref_url()]


@call
def artifact_entry_not_there(api, old):
    return api.artifact(PROJECT + "/vit-weights:v1").get_path("nothere").path


@call
def artifact_object_not_there(api, old):
    return api.artifact(PROJECT + "/vit-weights:v1").get("nothere")


@call
def artifact_file(api, old):
    with open(api.artifact(PROJECT + "/vit-weights:v1").file(_folder()), encoding="utf-8") as opened:
        return opened.read()


@call
def artifact_files(api, old):
    return [[file.name, file.size] for file in api.artifact(PROJECT + "/vit-weights:v1").files()]


@call
def artifact_add_file(api, old):
    return api.artifact(PROJECT + "/vit-weights:v1").add_file("x")


# -- writes: each client has a world of its own ----------------------------------------------------


def _again(api, run_id="0lhwu6v9"):
    api.flush()
    return api.run(PROJECT + "/" + run_id)


@write
def write_tags(api, old):
    run = api.run(RUN)
    run.tags = ["one", "two"]
    run.update()
    run = _again(api)
    run.tags.append("three")
    run.update()
    return sorted(_again(api).tags)


@write
def write_config(api, old):
    run = _again(api)
    run.config["checked"] = {"by": "me", "at": 1.5}
    run.update()
    run = _again(api)
    return [run.config["checked"], run.config["dropout"], sorted(run.rawconfig)]


@write
def write_name_and_notes(api, old):
    run = _again(api)
    run.name = "größer"
    run.notes = "a note"
    run.save()
    run = _again(api)
    return [run.name, run.notes]


@write
def write_summary(api, old):
    run = _again(api)
    run.summary["best"] = 0.5
    run.summary.update({"second": [1, 2], "nested": {"x": 1}})
    run = _again(api)
    return [run.summary["best"], run.summary["second"], run.summary["nested"]["x"], run.summary["train_loss"]]


@write
def write_summary_by_update(api, old):
    run = _again(api)
    del run.summary["second"]
    run.summary["third"] = 3
    run.update()
    run = _again(api)
    return ["second" in run.summary.keys(), run.summary["third"]]  # noqa: SIM118


@write
def write_artifact(api, old):
    found = api.artifact(PROJECT + "/vit-weights:v1")
    found.description = "größer"
    found.metadata["checked"] = {"by": "me"}
    found.aliases.append("golden")
    found.save()
    found = api.artifact(PROJECT + "/vit-weights:golden")
    return [found.version, found.description, found.metadata, sorted(found.aliases)]


@write
def write_artifact_aliases(api, old):
    found = api.artifact(PROJECT + "/vit-weights:v1")
    found.aliases = ["other"]
    found.save()
    return sorted(api.artifact(PROJECT + "/vit-weights:other").aliases)


@write
def write_artifact_bad_alias(api, old):
    found = api.artifact(PROJECT + "/vit-weights:v1")
    found.aliases = ["a/b"]
    return found.save()


@write
def use_artifact(api, old):
    found = api.artifact(PROJECT + "/vit-weights:v1")
    _again(api, "o2syfzqt").use_artifact(found)
    return [one.version for one in _again(api, "o2syfzqt").used_artifacts() if one.version == "v1"]


@write
def use_no_artifact(api, old):
    return _again(api).use_artifact("vit-weights:v1")


@write
def delete_artifact(api, old):
    found = api.artifact(PROJECT + "/vit-weights:v0")
    found.aliases = []
    found.save()
    found.delete()
    return [one.version for one in (api.artifact_versions if old else api.artifacts)(*VERSIONS)]


@write
def delete_file(api, old):
    _again(api).file("config.yaml").delete()
    return [file.name for file in _again(api).files()]


@write
def create_run(api, old):
    run = api.create_run(run_id="fresh123", project="vit-prisma", entity="demo")
    found = api.run(PROJECT + "/fresh123")
    return [run.id, found.id, len(api.runs(PROJECT))]


@write
def delete_run(api, old):
    _again(api, "fresh123").delete()
    api.flush()
    return api.run(PROJECT + "/fresh123").id


def answer(table, api, old):
    """What every call of a table gives: ``{name: value}``, ``{"raised": class}`` for one that raises."""
    import json

    answers = {}
    for name, function in table.items():
        try:
            value = function(api, old)
            answers[name] = json.loads(json.dumps(value, default=dict))
        except Exception as error:
            answers[name] = {"raised": type(error).__name__}
    return answers
