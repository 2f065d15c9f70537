"""Seeded questions, as the Python text that asks them: conditions, orders, slices, shapes, relations, and bad input.

Equal seeds give equal texts in every process, so that a difference is told by a line that anyone can paste.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import attrs

__all__ = ["BAD_CONDITIONS", "BAD_STEPS", "Question", "question"]


@attrs.frozen
class Question:
    """``text`` makes a queryset, ``ends`` are what it is asked beside its rows, ``reads`` are read of the first."""

    entity: str
    text: str
    ends: tuple[str, ...]
    reads: tuple[str, ...]


Rng = random.Random
Make = Callable[[Rng], str]

_JSON = [
    ("config", "lr"), ("config", "lr"), ("config", "optimizer"), ("config", "mixed"), ("config", "model"),
    ("config", "model", "depth"), ("config", "model", "name"), ("config", "model", "a.b"), ("config", "model.depth"),
    ("config", "dims"), ("config", "wrapped"), ("config", "wrapped", "value"), ("config", "wrapped", "value", "value"),
    ("config", "a b"), ("config", "sl/ash"), ("config", 'q"uote'), ("config", "under__score"), ("config", "_lead"),
    ("config", "ключ"), ("config", "nowhere"), ("summary", "loss"), ("summary", "loss"), ("summary", "eval/acc"),
    ("summary", "best"), ("summary", "eval", "f1"), ("summary", "eval", "NaN"),
]  # fmt: skip
_NUMBERS = ["0", "1", "1.0", "2", "3", "0.2", "0.25", "0.01", "1.5", "-1", "inf", "-inf", "7", "10**20"]
_WORDS = [
    "adam", "Adam", "sgd", "1", "", "a", "finished", "crashed", "alpha", "beta", "g1", "train", "a note\n", "vit",
    "ViT", "NaN", "text", "v01", "ada", "sw1", "e", "да", "gamma-1", "x", "Baseline", "images",
]  # fmt: skip
_ODD = ["True", "False", "None", "[1, 2, 3]", "[]", "[1, None]", '{"value": 1}']
_PATTERNS = ["^a", "m$", "[aA]d", "a.*a", r"\d", "", "^$", r"g\d", "(?s)a.n", "B"]
_MOMENTS = ["START", "START + DAY", "START + 5 * DAY", "START + timedelta(microseconds=1)", "START + 30 * DAY"]
_TAGS = ["baseline", "Baseline", "broken", "base", "a.b", "none"]
_LIKELY: list[tuple[tuple[str, ...], list[object]]] = [
    (("config", "lr"), [0.001, 0.01, 0.1, 1]), (("config", "optimizer"), ["adam", "Adam", "sgd"]),
    (("config", "model", "depth"), [2, 3]), (("config", "model", "name"), ["vit", "ViT"]),
    (("config", "model", "a.b"), [0, 1]), (("summary", "loss"), [0.2, 0.3, 1]),
    (("summary", "eval/acc"), [0.3, 0.5, 0.7]), (("summary", "best"), [1, 1.5]), (("config", "mixed"), [0, 1, 2.5]),
]  # fmt: skip
_SIGNS = ("<", "<=", ">", ">=")
_COMPARISONS = ("gt", "gte", "lt", "lte")
_TEXTUAL = ("icontains", "startswith", "endswith", "iexact", "contains")

_TEXT_FIELDS = {
    "Run": ["id", "name", "state", "group", "job_type", "user__username", "sweep__id"],
    "Sweep": ["id", "name", "state"],
    "Project": ["name", "description"],
    "Report": ["id", "name"],
    "Artifact": ["state", "digest", "description"],
    "ArtifactCollection": ["name"],
}
_FIELD_WORDS = {
    "state": ["finished", "crashed", "running", "FINISHED", "COMMITTED", "RUNNING"],
    "name": ["alpha", "beta", "gamma-1"],
    "group": ["g1", "g2", "G1"], "job_type": ["train", "eval"], "user__username": ["ada", "bob"],
    "sweep__id": ["sw1", "sw2"], "id": ["v0", "v1", "v20", "sw", "rep"], "notes": ["a note\n", ""],
}  # fmt: skip
_TIME_FIELDS = {"Run": ["created_at", "heartbeat_at"]}
_PLAIN_FIELDS = {
    "Run": ["id", "name", "state", "tags", "group", "notes", "created_at", "heartbeat_at", "job_type", "sweep",
            "user", "project", "commit", "description", "history_line_count"],
    "Sweep": ["id", "name", "state", "method", "config", "created_at", "run_count", "best_loss", "project"],
    "Project": ["name", "entity", "created_at", "description", "run_count", "access"],
    "Report": ["id", "name", "description", "created_at", "user", "project"],
    "Artifact": ["version_index", "type_name", "state", "aliases", "digest", "size", "metadata", "collection",
                 "logged_by", "file_count"],
    "ArtifactCollection": ["name", "kind", "type", "created_at", "description", "updated_at"],
    "ArtifactType": ["name", "description", "created_at"],
    "File": ["name", "size", "md5", "mimetype"],
    "User": ["username", "name", "admin"],
    "Entity": ["name", "is_team"],
}  # fmt: skip
_ORDERED = {
    "Run": ["name", "state", "group", "created_at", "heartbeat_at", "id", "summary.loss", "config.lr", "job_type"],
    "Sweep": ["name", "state", "created_at", "id"],
    "Project": ["name", "created_at"],
    "Report": ["name", "created_at", "updated_at", "id"],
    "Artifact": ["version_index", "created_at", "size", "state"],
    "ArtifactCollection": ["name", "created_at"],
    "ArtifactType": ["name"],
    "File": ["name"],
    "User": ["username"],
    "Entity": ["name"],
}
_TO_ONE = {
    "Run": ["project", "user", "sweep"],
    "Sweep": ["project"],
    "Report": ["project", "user"],
    "Artifact": ["collection", "logged_by", "collection.project"],
    "ArtifactCollection": ["project"],
}
_TO_MANY = {
    "Run": ["files", "logged_artifacts", "used_artifacts", "sweep.runs"],
    "Sweep": ["runs"],
    "Project": ["runs", "sweeps", "reports", "artifact_collections", "artifact_types"],
    "Artifact": ["files", "used_by"],
    "ArtifactCollection": ["artifacts"],
}
_WEIGHTS = {
    "Run": 70, "Sweep": 5, "Project": 6, "Report": 4, "Artifact": 7, "ArtifactCollection": 4, "ArtifactType": 2,
    "File": 3, "User": 1, "Entity": 1,
}  # fmt: skip
_KEYS = {
    "Run": ["v00", "v07", "n03", "s01", "none"], "Sweep": ["sw1", "sw2", "none"], "Report": ["rep1", "none"],
    "Project": ["vision", "nlp", "none"], "ArtifactCollection": ["images", "weights", "none"], "User": ["ada", "x"],
    "ArtifactType": ["dataset", "none"], "Entity": ["acme", "ada", "none"], "File": ["config.yaml", "none"],
}  # fmt: skip
_KEY_NAMES = {"Run": "id", "Sweep": "id", "Report": "id", "User": "username"}

BAD_CONDITIONS = [
    'Q(stat="finished")', "Q(xyzzy=1)", 'F.sumary["loss"] < 1', 'Q(state__startwith="a")', 'F.state.lookup("like", 1)',
    'Q(**{"state.x": 1})', "Q(user__age=3)", 'Q(created_at__gt="soon")', "Q(created_at__gt=datetime(2021, 4, 23))",
    'Q(state__in="finished")', "Q(state__in=None)", 'Q(project__in="a/b")', "Q(state=3)", 'Q(tags="a")',
    'Q(name__regex="(")', "Q(summary__loss=nan)", "Q(config__x=object())", 'Q(state__isnull="yes")', "F.state", "True",
    '{"state": "a"}', '0 < F.summary["loss"] < 1', 'Q(project="a/b") | Q(project="a/c")', '~Q(project="a/b")',
    'Q(project__contains="a")', 'Q(project="a/b/c")', 'Q(entity="a/b")', "F.summary[1] > 2", "Q(config__lr__gt=None)",
    "Q(config__lr__range=(1,))", 'Q(created_at__date="x")', "Q(created_at__within=3)", 'Q(summary__loss__isnan="x")',
    "Q(tags__contains=3)", 'Q(config__lr__regex=3)', "Q(lr=1)", 'Q(loss__lt=1)', 'Q(path="a/b")', 'Q("state")',
]  # fmt: skip
BAD_STEPS = [
    '.order_by("-creatd_at")', '.order_by("tags")', '.order_by("?")', '.values("nme")', '.only("nme")',
    '.select_related("usr")', '.prefetch_related("file")', "[-3:]", "[-1]", '[:3].filter(state="a")',
    '[:3].order_by("name")', '[:3].get(id="a")', "[::0]", "[1.5:]", '["a"]', ".filter(1)", ".defer(3)",
    '.distinct("name")', '.values_list("name", "id", flat=True)', '.values_list("id", flat=True, named=True)',
    '.values("id").only("id")', '.prefetch_related("files").values("id")', ".timeout(-1)", ".using(3)",
    '.using("missing")', '.latest("tags")', '.best("state", goal="min")', '.best("summary.loss", goal="most")',
    ".in_bulk(3)", '.contains("x")', ".iterator(0)", '.prefetch_related("files").iterator()', " & 3",
    ' | Project.objects.all()', '[:2] | Run.objects.all()', ".snapshot(3)", ".nothing()", '.order_by(3)',
    '.values("summary.loss", "summary.loss")', '.only("summary.loss.x")', '.select_related("user.project")',
    '.prefetch_related("files.nothing")', '.in_bulk(["v00"], field="name")', '[:2].in_bulk()',
]  # fmt: skip

_SCOPES = {
    "Run": ['project="acme/nlp"', 'project__in=["acme/vision", "acme/nlp"]', 'entity="acme"', 'project="acme/empty"',
            'project="acme/none"', 'path="acme/vision/v03"', 'path__in=["acme/vision/v03", "acme/nlp/n01"]',
            'project__in=["ada/scratch", "acme/none"]', 'entity__in=["acme", "ada"]', 'project="nlp"',
            'used_artifact="images:v0"', 'project="acme/nlp", entity="ada"'],
    "Sweep": ['project="acme/nlp"', 'entity="acme"', 'project__in=["acme/vision", "acme/nlp"]'],
    "Project": ['entity="acme"', 'entity="ada"', 'path="acme/nlp"', 'entity__in=["acme", "ada"]', 'entity="none"',
                'path__in=["acme/nlp", "acme/vision"]'],
    "Report": ['project="acme/nlp"', 'entity="acme"'],
    "Artifact": ['collection="images"', 'name="images:v1"', 'name="images:latest"', 'type="dataset"',
                 'type="model", collection="weights"', 'logged_by="v01"', 'used_by="v02"', 'entity="acme"',
                 'project__in=["acme/vision", "acme/nlp"], collection="images"', 'name="images:none"',
                 'logged_by="acme/vision/v02"'],
    "ArtifactCollection": ['type="dataset"', 'entity="acme"', 'project="acme/nlp"', 'type="none"'],
    "ArtifactType": ['project="acme/nlp"', 'entity="acme"'],
    "File": ['run="acme/vision/v01"', 'run="v02"', 'run__in=["v02", "v03"]'],
}  # fmt: skip
_RELATED = [
    'Project.objects.get(path="acme/nlp").runs', 'Sweep.objects.get(id="sw1").runs',
    'Run.objects.get(id="v01").used_artifacts', 'Run.objects.get(id="v02").logged_artifacts',
    'Run.objects.get(id="v02").files', 'Artifact.objects.get(name="images:v0").used_by',
    'Artifact.objects.get(name="images:v1").files', 'ArtifactCollection.objects.get(name="images").artifacts',
    'Project.objects.get(path="acme/vision").reports', 'Project.objects.get(path="acme/vision").sweeps',
    'Project.objects.get(path="acme/vision").artifact_collections', 'Entity.objects.get(name="acme").projects',
    'ArtifactType.objects.get(name="dataset").collections', 'Report.objects.get(id="rep1").runs(0)',
    'Report.objects.get(id="rep1").runs(1)', 'Report.objects.get(id="rep1").runs("config")',
    'Report.objects.get(id="rep1").runs(1, only_selected=False)', 'Report.objects.get(id="rep2").runs()',
    'Report.objects.get(id="rep1").runs("odd")', 'Report.objects.get(id="rep1").runs(9)',
]  # fmt: skip
_RELATED_ENTITY = {
    "runs": "Run", "used_artifacts": "Artifact", "logged_artifacts": "Artifact", "files": "File", "used_by": "Run",
    "artifacts": "Artifact", "reports": "Report", "sweeps": "Sweep", "artifact_collections": "ArtifactCollection",
    "projects": "Project", "collections": "ArtifactCollection",
}  # fmt: skip


def question(seed: int) -> Question:
    """The question of this seed."""
    rng = random.Random(f"question {seed}")
    entity = rng.choices(
        [
            "Run",
            "Sweep",
            "Project",
            "Report",
            "Artifact",
            "ArtifactCollection",
            "ArtifactType",
            "File",
            "User",
            "Entity",
        ],
        [70, 5, 6, 4, 7, 4, 2, 3, 1, 1],
    )[0]
    if rng.random() < 0.07:
        text = rng.choice(_RELATED)
        entity = _RELATED_ENTITY[text.split("(")[-2 if ".runs(" in text else -1].rpartition(".")[2] or "runs"]
    else:
        text = f"{entity}.objects"
        if rng.random() < 0.04:
            text += '.using("nowhere")'
        if rng.random() < (0.35 if entity == "Run" else 0.9) and entity in _SCOPES:
            text += f".filter({rng.choice(_SCOPES[entity])})"
    reads = _reads(rng, entity)
    text = f"({text}{_conditions(rng, entity)}){_order(rng, entity)}"
    shape, more = _shape(rng, entity)
    text += shape
    reads += more
    if rng.random() < 0.4:
        text += _slice(rng)
    if rng.random() < 0.06:
        text += rng.choice(BAD_STEPS)
    return Question(entity, text, _ends(rng, entity), reads)


def _reads(rng: Rng, entity: str) -> tuple[str, ...]:
    names = _PLAIN_FIELDS[entity]
    return tuple(rng.sample([*names, "config", "path", "url"], 2)) if rng.random() < 0.3 else ()


def _conditions(rng: Rng, entity: str) -> str:
    text = ""
    for _ in range(rng.choice([0, 0, 1, 1, 1, 2])):
        verb = rng.choice(["filter", "filter", "exclude"])
        text += f".{verb}({_condition(rng, entity, 3)})"
    if rng.random() < 0.03:
        text += rng.choice([".none()", ".all()", ".snapshot()", ".snapshot(START + 3 * DAY)"])
    if rng.random() < 0.03 and entity == "Run":
        text += f" {rng.choice('|&')} Run.objects.filter({_condition(rng, entity, 2)})"
    return text


def _condition(rng: Rng, entity: str, depth: int) -> str:
    if rng.random() < 0.03:
        return rng.choice(BAD_CONDITIONS)
    kind = rng.choices(["leaf", "and", "or", "not"], [6, 1, 3, 2])[0] if depth > 0 else "leaf"
    if kind == "leaf":
        return _leaf(rng, entity)
    if kind == "not":
        return f"~({_condition(rng, entity, depth - 1)})"
    joined = " & " if kind == "and" else " | "
    return joined.join(f"({_condition(rng, entity, depth - 1)})" for _ in range(rng.choice([2, 2, 3])))


def _leaf(rng: Rng, entity: str) -> str:
    if entity == "Run":
        return rng.choices([_json, _textual, _temporal, _tagged], [55, 22, 13, 10])[0](rng, entity)
    if entity in ("ArtifactType", "File", "User", "Entity"):
        return _keyed(rng, entity)
    return rng.choices([_textual, _temporal, _keyed], [5, 2, 2])[0](rng, entity)


def _keyed(rng: Rng, entity: str) -> str:
    key, values = _KEY_NAMES.get(entity, "name"), _KEYS.get(entity, ["x"])
    if entity == "Artifact":
        key, values = "version_index", ["0", "1"]
        return f"Q({key}={rng.choice(values)})"
    if rng.random() < 0.3:
        return f"Q({key}__in={rng.sample(values, 2)!r})"
    return f"Q({key}={rng.choice(values)!r})"


def _json_value(rng: Rng) -> str:
    return rng.choice([rng.choice(_NUMBERS), rng.choice(_NUMBERS), repr(rng.choice(_WORDS)), rng.choice(_ODD)])


def _likely(rng: Rng) -> str:
    """A condition that many rows meet."""
    path, operands = rng.choice(_LIKELY)
    signs = ["==", "!=", *_SIGNS] if not isinstance(operands[0], str) else ["==", "!="]
    return f"F.{path[0]}" + "".join(f"[{key!r}]" for key in path[1:]) + f" {rng.choice(signs)} {rng.choice(operands)!r}"


def _json(rng: Rng, entity: str) -> str:
    if rng.random() < 0.4:
        return _likely(rng)
    path = rng.choice(_JSON)
    lookup = rng.choice(
        ["exact", "exact", "ne", "in", "nin", "contains", "range", "isnan", "isfinite", "isnull", "exists", "regex",
         "iregex", *_COMPARISONS, *_COMPARISONS, *_TEXTUAL]
    )  # fmt: skip
    word = repr(rng.choice(_WORDS))
    if lookup in _COMPARISONS:
        operand = rng.choice([rng.choice(_NUMBERS), rng.choice(_NUMBERS), word])
    elif lookup == "range":
        pool: Sequence[str] = _NUMBERS if rng.random() < 0.7 else list(map(repr, _WORDS))
        operand = f"({rng.choice(pool)}, {rng.choice(pool)})"
    elif lookup in ("in", "nin"):
        operand = f"[{', '.join(_json_value(rng) for _ in range(rng.choice([0, 1, 2, 3])))}]"
    elif lookup in ("exact", "ne", "contains"):
        operand = _json_value(rng)
    else:
        operand = _common(rng, lookup)
    return _term(rng, path, lookup, operand)


def _common(rng: Rng, lookup: str) -> str:
    if lookup in ("isnan", "isfinite", "isnull", "exists"):
        return rng.choice(["True", "False"])
    return repr(rng.choice(_PATTERNS if "regex" in lookup else _WORDS))


def _term(rng: Rng, path: tuple[str, ...], lookup: str, operand: str) -> str:
    plain = all(key.isidentifier() and "__" not in key and key[0] != "_" for key in path)
    if plain and rng.random() < 0.5:
        return f"Q({'__'.join(path)}__{lookup}={operand})"
    dotted = f"F.{path[0]}" + "".join(f"[{key!r}]" for key in path[1:])
    signs = {"exact": "==", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
    if lookup in signs:
        return f"{dotted} {signs[lookup]} {operand}"
    return f"{dotted}.lookup({lookup!r}, {operand})"


def _textual(rng: Rng, entity: str) -> str:
    field = rng.choice(_TEXT_FIELDS.get(entity, ["name"]))
    lookup = rng.choice(
        ["exact", "exact", "ne", "in", "nin", "range", "isnull", "regex", "iregex", "exists", *_COMPARISONS, *_TEXTUAL]
    )
    words = [*_WORDS, *_KEYS.get(entity, [])]
    if rng.random() < 0.5:
        words = _FIELD_WORDS.get(field, words)
    word = repr(rng.choice(words))
    if lookup in ("exact", "ne"):
        operand = rng.choice([word, word, word, "None"])
    elif lookup in ("in", "nin"):
        operand = (
            f"[{', '.join(rng.choice([repr(rng.choice(words)), 'None']) for _ in range(rng.choice([0, 1, 2, 3])))}]"
        )
    elif lookup == "range":
        operand = f"({word}, {rng.choice(words)!r})"
    elif lookup in _COMPARISONS:
        operand = word
    else:
        operand = _common(rng, lookup)
    return f"Q({field}__{lookup}={operand})"


def _temporal(rng: Rng, entity: str) -> str:
    field = rng.choice(_TIME_FIELDS.get(entity, ["created_at"]))
    lookup = rng.choice(["exact", "ne", "in", "nin", "range", "date", "within", "isnull", *_COMPARISONS])
    moment = rng.choice([*_MOMENTS, '"2021-04-05T02:00:00+02:00"'])
    if lookup in ("in", "nin"):
        operand = f"[{', '.join(rng.sample([*_MOMENTS, 'None'], 2))}]"
    elif lookup == "range":
        operand = f"({moment}, {rng.choice(_MOMENTS)})"
    elif lookup == "date":
        operand = rng.choice(["date(2021, 4, 1)", "date(2021, 4, 5)", "date(2020, 2, 29)", '"2021-04-02"'])
    elif lookup == "within":
        operand = rng.choice(["timedelta(days=1)", "timedelta(days=300_000)"])
    elif lookup == "isnull":
        operand = rng.choice(["True", "False"])
    else:
        operand = moment
    return f"Q({field}__{lookup}={operand})"


def _tagged(rng: Rng, entity: str) -> str:
    lookup = rng.choice(["contains", "contains", "icontains", "in", "nin", "exact", "ne", "isnull"])
    if lookup in ("in", "nin"):
        operand = repr(rng.sample(_TAGS, rng.choice([0, 1, 2])))
    elif lookup in ("exact", "ne"):
        operand = rng.choice(["[]", '["baseline"]', '["baseline", "v1"]', '["v1", "baseline"]'])
    elif lookup == "isnull":
        operand = rng.choice(["True", "False"])
    else:
        operand = repr(rng.choice(_TAGS))
    return f"Q(tags__{lookup}={operand})"


def _order(rng: Rng, entity: str) -> str:
    if rng.random() < 0.4:
        return ""
    keys = []
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        sign = rng.choice(["", "-"])
        if entity == "Run" and rng.random() < 0.5:
            path = rng.choice(_JSON)
            keys.append(f"{sign}F.{path[0]}" + "".join(f"[{key!r}]" for key in path[1:]))
        else:
            keys.append(repr(sign + rng.choice(_ORDERED[entity])))
    return f".order_by({', '.join(dict.fromkeys(keys))})" + (".reverse()" if rng.random() < 0.15 else "")


def _column(rng: Rng, entity: str) -> str:
    if entity == "Run" and rng.random() < 0.5:
        path = rng.choice(_JSON)
        if rng.random() < 0.5 and all("." not in key for key in path):
            return repr(".".join(path))
        return f"F.{path[0]}" + "".join(f"[{key!r}]" for key in path[1:])
    if entity == "Run" and rng.random() < 0.3:
        return repr(rng.choice(["user.username", "sweep.id", "project.name", "project.entity", "config", "summary"]))
    return repr(rng.choice(_PLAIN_FIELDS[entity]))


def _columns(rng: Rng, entity: str, least: int = 0) -> str:
    return ", ".join(dict.fromkeys(_column(rng, entity) for _ in range(rng.randint(least, 3))))


def _shape(rng: Rng, entity: str) -> tuple[str, tuple[str, ...]]:
    kind = rng.choices(
        ["rows", "values", "list", "flat", "named", "only", "defer", "related", "prefetch"],
        [48, 10, 5, 6, 3, 8, 4, 8, 8],
    )[0]
    distinct = ".distinct()" if rng.random() < 0.25 else ""
    if kind == "values":
        return f".values({_columns(rng, entity)}){distinct}", ()
    if kind in ("list", "named"):
        named = ", named=True" if kind == "named" else ""
        return f".values_list({_columns(rng, entity, 1)}{named}){distinct}", ()
    if kind == "flat":
        return f".values_list({_column(rng, entity)}, flat=True){distinct}", ()
    if kind in ("only", "defer"):
        names = ", ".join(map(repr, rng.sample(_PLAIN_FIELDS[entity], 2)))
        return f".{kind}({names})", tuple(_PLAIN_FIELDS[entity][:3])
    if kind == "related" and entity in _TO_ONE:
        name = rng.choice(_TO_ONE[entity])
        return f".select_related({name!r})", (name,)
    if kind == "prefetch" and entity in _TO_MANY:
        name = rng.choice(_TO_MANY[entity])
        return f".prefetch_related({name!r})", (name,)
    return "", ()


def _slice(rng: Rng) -> str:
    start = rng.choice([None, None, 0, 1, 3, 8])
    stop = rng.choice([None, 2, 5, 12, 30]) if rng.random() < 0.9 else rng.choice([0, 1])
    if rng.random() < 0.08:
        return f"[{rng.choice([0, 1, 5, 40])}]"
    step = f":{rng.choice([1, 2, 3])}" if rng.random() < 0.08 else ""
    return f"[{'' if start is None else start}:{'' if stop is None else stop}{step}]"


def _ends(rng: Rng, entity: str) -> tuple[str, ...]:
    chosen = []
    if rng.random() < 0.35:
        chosen += [".count()", ".exists()"]
    if rng.random() < 0.5:
        key = rng.choice(_KEYS.get(entity, ["x"]))
        name = _KEY_NAMES.get(entity, "name")
        best = rng.choice(['"summary.loss"', 'F.config["lr"]', '"created_at"', 'F.summary["best"]'])
        chosen.append(
            rng.choice(
                [".first()", ".last()", ".get()", ".get_or_none()", ".latest()", '.earliest("created_at")', "[2:4]",
                 ".reverse()[0]",
                 f".best({best}, goal={rng.choice(['min', 'max'])!r})", f".in_bulk([{key!r}, 'n00'])", ".in_bulk()",
                 f".get({name}={key!r})", f".get_or_none({name}={key!r})", f".filter({name}={key!r}).count()",
                 ".iterator()", ".iterator(chunk_size=3)", ".query", f".contains({entity}.objects.first())",
                 "[1]", "[::2]", ".explain(analyze=True)", ".distinct().count()", ".aggregate(n=Count())"]
            )
        )  # fmt: skip
    if rng.random() < 0.05:
        chosen.append(rng.choice([".acount()", ".afirst()", ".aexists()", ".aget()", ".ain_bulk()", ".aexplain()"]))
    return tuple(chosen)
