"""What is written: scenarios by name, each a list of lines of Python."""

from __future__ import annotations

from .scenarios_rows import ROWS

__all__ = ["SCENARIOS"]

_GET = {
    "run": 'Run.objects.get(id="r1")',
    "sweep": 'Sweep.objects.get(id="sw")',
    "project": 'Project.objects.get(path="acme/vision")',
    "report": 'Report.objects.get(id="rep1")',
}
_TEXTS = ['"new"', '""', "None", '"a\\n\\"b\\" {c} \\u043a"', '"\\ud800"', "3", "[1]", "True"]
_DICTS = [
    "{}", '{"lr": 1}', '{"lr": 0.1, "model": {"depth": 1}, "a.b": 1}', '{"x": nan, "y": -inf, "z": "NaN"}',
    '{"big": 2**80, "deep": {"a": [1, None, {"b": True}]}}', '{"_wandb": 1}', '{1: 2}', '{"x": object()}',
    '{"x": {1, 2}}', '{"x": (1, 2)}', '{"x": "\\ud800"}', '{"x": datetime(2021, 4, 1)}', "None", '"text"', "[1]",
]  # fmt: skip
_VALUES: dict[str, dict[str, list[str]]] = {
    "run": {
        "name": _TEXTS, "group": _TEXTS, "job_type": _TEXTS[:4], "notes": _TEXTS, "description": _TEXTS[:3],
        "tags": ["[]", '["a", "b", "a"]', '["first"]', '("x",)', "None", '"text"', "[1]", '["\\ud800"]', "[[]]"],
        "config": _DICTS, "summary": _DICTS,
        "id": ['"other"'], "state": ['"failed"'], "created_at": ["START"], "sweep": ["None"], "user": ["None"],
        "nothing": ["1"], "display_name": ['"by an alias"'], "node_id": ['"x"'], "commit": ['"x"'], "path": ['"x"'],
    },
    "sweep": {
        "name": _TEXTS[:4], "description": _TEXTS[:4], "config": ["{}"], "state": ['"PAUSED"'], "method": ['"grid"'],
    },
    "project": {"description": _TEXTS, "name": ['"other"'], "access": ['"PRIVATE"'], "entity": ['"x"']},
    "report": {"name": _TEXTS[:4], "title": ['"x"'], "description": _TEXTS[:3], "spec": _DICTS[:8], "id": ['"x"']},
}  # fmt: skip


def _saves() -> dict[str, list[str]]:
    made = {}
    for kind, fields in _VALUES.items():
        for field, values in fields.items():
            for number, value in enumerate(values):
                made[f"{kind}.{field} {number}"] = [
                    f"row = {_GET[kind]}",
                    f"row.{field} = {value}",
                    "row.dirty_fields",
                    "row.save()",
                    "row.dirty_fields",
                    "row.save()",
                    "row",
                ]
    return made


def _edits() -> dict[str, list[str]]:
    edits = {
        "one key": 'row.config["lr"] = 5',
        "a new key": 'row.config["new"] = {"a": 1}',
        "a nested key": 'row.config["model"]["depth"] = 9',
        "a key that goes": 'del row.config["lr"]',
        "a summary key": 'row.summary["loss"] = nan',
        "a summary that is cleared": "row.summary.clear()",
        "a tag": 'row.tags.append("good")',
        "tags that go": "row.tags.clear()",
        "several": 'row.name, row.group, row.config["lr"] = "n", None, 1',
        "the same value": 'row.name = row.name; row.config["lr"] = 0.1; row.tags = ["first"]',
        "1 and 1.0": 'row.summary["loss"] = 1.0',
        "a field in place that cannot be saved": "row.project.description = 'x'",
    }
    made = {}
    for name, edit in edits.items():
        made[f"edit {name}"] = [f"row = {_GET['run']}", edit, "row.dirty_fields", "row.save()", "kept()"]
        made[f"edit {name}, async"] = [f"row = {_GET['run']}", edit, "row.asave()", "row.dirty_fields", "row.asave()"]
    return made


def _updates() -> dict[str, list[str]]:
    calls = [
        'group="x"', 'group="odd"', 'group=None', 'name="n", notes="m"', "tags=Add('good')", "tags=Add('first')",
        "tags=Remove('first')", "tags=Set(['a', 'b'])", "tags=['a']", "tags='a'", "config__lr=5", "config__new__deep=1",
        "config__model__depth=7", "config__lr__deep=1", "config__lr=Unset()", "config__nowhere=Unset()",
        "config=Set({'a': 1})", "config={'a': 1}", "summary__loss=nan", "summary__loss=Unset()", "summary=Set({})",
        "{F.summary['eval/acc']: 0.5}", "{F.config['a.b']: Unset(), 'group': 'g'}", "{'config.lr': 3}", "{3: 4}", "[1]",
        "id='x'", "state='failed'", "nothing=1", "config__lr=object()", "config___wandb=1", "tags=Add('x'), group='g'",
        "group=Add('x')", "group=Unset()", "config__lr=Add('x')", "user='ada'", "group='x', dry_run=True",
        "group='x', at_once=1", "group='x', at_once=0", "group='x', errors='maybe'", "group='x', errors='return'",
        "group='x', journal=3", "", "config__lr=1, config__lr__x=2", "summary__best='Infinity'", "tags=Add()",
        "tags=Add(3)", "tags=Remove('none')",
    ]  # fmt: skip
    made = {f"update({call})": [f"told(Run.objects.all().update({call}))"] for call in calls}
    for call in calls[:6]:
        made[f"aupdate({call})"] = [f"told_rows = Run.objects.filter(group='odd').aupdate({call})", "told_rows"]
    rows = [
        "Run.objects.filter(group='odd')", "Run.objects.filter(group='none')", "Run.objects.all()[:2]",
        "Run.objects.none()",
        "Run.objects.values('id')", "Run.objects.filter(project='acme/none')", "Run.objects.order_by('-summary.loss')",
        "Run.objects.filter(id='r3')", "Run.objects.filter(config__lr__gte=0.2)", "Run.objects.filter(entity='acme')",
        "Sweep.objects.get(id='sw').runs", "Project.objects.get(path='acme/vision').runs", "Run.objects",
    ]  # fmt: skip
    for item in rows:
        made[f"{item} update"] = [f"told({item}.update(notes='seen', tags=Add('t')))"]
    made |= {
        "sweeps update": ["told(Sweep.objects.all().update(name='s', description='d'))"],
        "projects update": ["told(Project.objects.filter(entity='acme').update(description='d'))"],
        "reports update": ["told(Report.objects.all().update(name='t', spec=Set({'blocks': []})))"],
        "artifacts update": ["Artifact.objects.filter(collection='x').update(description='d')"],
        "users update": ["User.objects.all().update(name='d')"],
    }
    return made


def _bulk() -> dict[str, list[str]]:
    update = "told(Run.objects.all().update(group='x', tags=Add('good'){0}))"
    journal = ", journal=folder / 'j.jsonl'"
    moods = {
        "refused": "moods[:] = [(node, errors.ServerError('no', status=400))]",
        "permission": "moods[:] = [(node, errors.PermissionDenied('not yours'))]",
        "unreachable": "moods[:] = [(node, errors.ServerUnreachable('gone'))]",
        "no answer": "moods[:] = [(node, errors.OutcomeUnknown('lost'))]",
        "lost": "moods[:] = [(node, (errors.OutcomeUnknown('lost'),))]",
        "timeout": "moods[:] = [(node, errors.RequestTimeout('late'))]",
        "login": "moods[:] = [(node, errors.NotAuthenticated('who'))]",
    }
    made = {}
    for name, mood in moods.items():
        begin = ['node = Run.objects.get(id="r3").node_id', mood]
        made[f"bulk {name}"] = [*begin, update.format(""), update.format(", errors='return'")]
        made[f"bulk {name}, journal"] = [
            *begin,
            update.format(journal),
            "(folder / 'j.jsonl').read_text()",
            "moods.clear()",
            update.format(f"{journal}, dry_run=True"),
            update.format(journal),
            update.format(journal),
            "(folder / 'j.jsonl').read_text()",
        ]
        made[f"bulk delete {name}"] = [*begin, "told(Run.objects.all().delete())", "Run.objects.count()"]
        made[f"save {name}"] = [*begin, "row = kept('r3')", "row.name = 'n'", "row.save()", "row.dirty_fields"]
        made[f"save {name}, twice"] = [*made[f"save {name}"], "moods.clear()", "row.save()", "kept('r3')"]
        made[f"row delete {name}"] = [*begin, "kept('r3').delete()", "Run.objects.filter(id='r3').exists()"]
        made[f"create {name}"] = [mood.replace("node", "'UpsertBucket'"), "run = Run.objects.create(name='n')", "run"]
        made[f"create {name}, with an id"] = [mood.replace("node", "'UpsertBucket'"), "Run.objects.create(id='mine')"]
        made[f"pause {name}"] = [
            mood.replace("node", "'UpsertSweep'"),
            "s = Sweep.objects.get(id='sw')",
            "s.pause()",
            "s",
        ]
    made |= {
        "journal of another call": [
            update.format(journal),
            "Run.objects.all().update(group='y', journal=folder / 'j.jsonl')",
            "Run.objects.all().update(tags=Add('good'), journal=folder / 'j.jsonl')",
            "Run.objects.filter(group='x').update(group='x', tags=Add('good'), journal=folder / 'j.jsonl')",
            "Run.objects.all().delete(journal=folder / 'j.jsonl')",
            "Sweep.objects.all().update(name='x', journal=folder / 'j.jsonl')",
        ],
        "journal in no folder": [update.format(", journal=folder / 'no' / 'j.jsonl'")],
        "journal that is none": [
            "(folder / 'j.jsonl').write_text('hello')",
            update.format(journal),
            "(folder / 'j.jsonl').write_text('{\"a\": 1}\\n')",
            update.format(journal),
        ],
        "dry run with a journal": [update.format(f"{journal}, dry_run=True"), "list(folder.iterdir())"],
        "bulk timeout": ["told(Run.objects.all().timeout(60).update(group='x'))"],
    }
    return made


def _creates() -> dict[str, list[str]]:
    runs = [
        "", "name='first'", "id='mine'", "id='r1'", "id='a:b'", "id=''", "id=3", "project='acme/vision'",
        "project='acme/fresh'", "project='acme/none', id='x1'", "project='vision'", "project='a/b/c'", "project=3",
        "config={'lr': 0.1, 'deep': {'a': 1}}", "config={'_wandb': 1}", "config=3", "summary={'loss': nan}",
        "tags=['b', 'a', 'b']", "tags='a'", "tags=[3]", "group='g', job_type='j', notes='n'", "notes=''",
        "description='d'", "state='finished'", "state='nonsense'", "state=3", "sweep='sw'", "sweep='none'",
        "sweep=Sweep.objects.get(id='sw')", "commit='abc'", "user='ada'", "created_at=START", "nothing=1", "nam='x'",
        "display_name='x'", "config__lr=1", "entity='acme'", "id='mine', name='n', config={'a': inf}, state='crashed'",
        "id='x' * 200", "name='\\ud800'",
    ]  # fmt: skip
    made = {f"Run.create({call})": [f"run = Run.objects.create({call})", "run", "run.dirty_fields"] for call in runs}
    others = {
        "Sweep": ["config={'method': 'grid', 'parameters': {'lr': {'values': [1e-05, '08']}}}", "config={}", "config=3",
                  "",
                  "config={'method': 'random'}, name='n', description='d'", "id='x', config={'method': 'grid'}",
                  "config={'method': 'grid'}, project='acme/empty'", "config={'x': object()}", "name='n'",
                  "config={'method': 'grid', 'x': {1, 2}}", "config={'method': 'grid'}, state='PAUSED'"],
        "Project": ["name='fresh'", "name='fresh', entity='acme', description='d'", "name='vision'", "", "name=''",
                    "name='a/b'", "name='vision', entity='acme'", "name='fresh', entity='acme', access='PRIVATE'",
                    "name='fresh', entity='none'", "name=3", "path='acme/fresh'", "name='x', nothing=1"],
        "Report": ["", "name='n'", "name='n', description='d', spec={'blocks': []}", "id='rep1'", "id='mine'",
                   "spec=3", "project='acme/empty', title='t'", "project='acme/none'", "nothing=1"],
        "Artifact": ["name='x'"], "File": ["name='x'"], "User": ["username='x'"],
    }  # fmt: skip
    for kind, calls in others.items():
        made |= {f"{kind}.create({call})": [f"row = {kind}.objects.create({call})", "row"] for call in calls}
    made |= {
        "create by a relation": [
            "p = Project.objects.get(path='acme/empty')", "run = p.runs.create(name='n')", "run",
            "report = p.reports.create(name='n')", "sweep = p.sweeps.create(config={'method': 'grid'})", "sweep",
            "swept = sweep.runs.create(config={'lr': 1})", "swept",
        ],
        "create by a filter": [
            "run = Run.objects.filter(project='acme/empty').create(name='n')", "run",
            "Run.objects.filter(project__in=['acme/empty', 'acme/vision']).create(name='n')",
            "run2 = Run.objects.filter(state='failed', group='g').create(name='n')", "run2",
            "Run.objects.all()[:2].create(name='n')", "Run.objects.values('id').create(name='n')",
        ],
        "acreate": ["run = Run.objects.filter(project='acme/empty')", "run.acreate(id='mine', name='n')",
                    "run.count()"],
    }  # fmt: skip
    return made


def _get_or_create() -> dict[str, list[str]]:
    calls = [
        "id='r1'", "id='mine'", "{'notes': 'n'}, id='mine'", "{'notes': lambda: 'made'}, id='mine'", "name='run 1'",
        "name='other'", "group='odd'", "{'config': {'x': 1}}, name='other', config__lr=0.5", "name__startswith='zzz'",
        "{'config': {'lr': 1}}, name='other', config__lr=0.5", "config__lr=0.1", "summary__loss=9, name='n'",
        "{'nothing': 1}, id='mine'", "{'nothing': 1}, id='r1'", "3, id='mine'", "project='acme/empty', name='n'", "",
        "{'state': 'failed', 'tags': ['a']}, id='mine', group='g'", "tags__contains='first', id='r1'",
        "tags__contains='x', id='mine'", "{'sweep': 'sw'}, id='mine'", "sweep='sw', name='n'",
    ]  # fmt: skip
    made = {}
    for call in calls:
        for verb in ("get_or_create", "update_or_create"):
            line = f"Run.objects.{verb}({call})"
            made[f"{verb}({call})"] = [f"got = {line}", "row = got[0]", "got", f"again = {line}", "again"]
    more = [
        "{'notes': 'n', 'config__lr': 0.5, 'tags': Add('x')}, id='r1'", "{'notes': 'n', 'config__lr': 0.5}, id='mine'",
        "{'notes': 'n'}, {'notes': 'made'}, id='mine'", "{'notes': 'n'}, {'notes': 'made'}, id='r1'",
        "{'config': Set({'a': 1})}, id='r1'", "{'config': {'a': 1}}, id='r1'", "{'config__lr': Unset()}, id='r1'",
        "{'tags': Remove('first')}, id='mine'", "{'group': 'odd'}, id='r1'", "{'id': 'x'}, id='r1'",
    ]  # fmt: skip
    for call in more:
        made[f"update_or_create({call})"] = [
            f"got = Run.objects.update_or_create({call})",
            "row = got[0]",
            "got",
            "row",
        ]
    for kind, call in (
        ("Project", "name='fresh', entity='acme'"), ("Project", "name='vision', entity='acme'"),
        ("Report", "id='rep1'"), ("Report", "{'description': 'd'}, name='fresh'"),
        ("Sweep", "id='sw'"), ("Sweep", "{'config': {'method': 'grid'}}, name='fresh'"), ("Sweep", "name='fresh'"),
    ):  # fmt: skip
        for verb in ("get_or_create", "update_or_create"):
            made[f"{kind}.{verb}({call})"] = [f"got = {kind}.objects.{verb}({call})", "row = got[0]", "got"]
    made["aget_or_create"] = ["Run.objects.aget_or_create(id='mine')", "Run.objects.aupdate_or_create(id='mine')"]
    return made


SCENARIOS: dict[str, list[str]] = {
    **_saves(), **_edits(), **_updates(), **_bulk(), **_creates(), **_get_or_create(), **ROWS,
}  # fmt: skip
