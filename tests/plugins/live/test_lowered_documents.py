"""Whatever fields and arguments a server lacks, a document that is lowered for it is valid by every rule of GraphQL."""

from __future__ import annotations

import random
import warnings

import pytest
from graphql import TypeInfo, TypeInfoVisitor, Visitor, build_schema, is_non_null_type, parse, validate, visit

from tests.support.backends import FULL, WEAK, EngineBackend, served
from tests.support.depth import deep
from tests.support.old_server import OldEngine, parts_of, taken_out
from tests.support.worlds import make_world
from wbmodel import Artifact, Entity, File, Project, Report, Run, Sweep, User
from wbmodel.compiler.document import build
from wbmodel.engine import Engine
from wbmodel.engine.schema import schema_text
from wbmodel.errors import NotSupportedByServer
from wbmodel.request import Document, Request
from wbmodel_live.lacks import OPTIONAL, Lack
from wbmodel_live.lowered import declared
from wbmodel_live.lowering import Lowering

SCHEMA = build_schema(schema_text())
OLD = build_schema(schema_text(), assume_valid=True)
WORLD = make_world()


class Recording(EngineBackend):
    documents: dict[str, Document] = {}

    def execute(self, request, *, timeout=None):
        Recording.documents[request.document.text] = request.document
        return super().execute(request, timeout=timeout)


def asked():
    """The documents of many queries, and of every write."""
    Recording.documents = {}
    for can in (FULL, WEAK):
        with served(WORLD.store(), "drops", capabilities=can), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for rows in (
                Run.objects.all(),
                Run.objects.filter(project__in=["acme/vision", "acme/nlp"]).order_by("summary.loss"),
                Run.objects.select_related("user", "project"),
                Run.objects.prefetch_related("files", "sweep", "logged_artifacts", "used_artifacts")[:3],
                Run.objects.only("system_metrics", "read_only", "history_keys", "file_count"),
                Run.objects.filter(id="v05"),
                Sweep.objects.all(),
                Report.objects.all(),
                Artifact.objects.filter(type="model"),
                Artifact.objects.filter(logged_by="v05"),
                File.objects.filter(run="v05"),
                Project.objects.filter(entity="acme"),
                User.objects.all(),
                Entity.objects.all(),
            ):
                list(rows)
                rows.count()
            if can.writable:
                run = Run.objects.create(id="new", config={"lr": 1}, tags=["a"])
                run.notes, run.summary["loss"] = "x", 2
                run.save()
                Run.objects.filter(id="new").update(notes="y")
                Run.objects.filter(id="new").delete()
                Sweep.objects.create(config={"method": "grid", "parameters": {"lr": {"values": [1]}}})
                project = Project.objects.get(path="acme/vision")
                project.description = "x"
                project.save()
    return list(Recording.documents.values())


def selected(document):
    """What a document asks for: fields as "Run.readOnly", and arguments as "Run.files(names:)"."""
    info, found = TypeInfo(SCHEMA), set()

    class Fields(Visitor):
        def enter_field(self, node, *_):
            kind = info.get_parent_type()
            if kind is not None and not node.name.value.startswith("__") and info.get_field_def() is not None:
                name = f"{kind.name}.{node.name.value}"
                found.update([name, *(f"{name}({item.name.value}:)" for item in node.arguments or ())])

    visit(document.ast, TypeInfoVisitor(info, Fields()))
    return sorted(found)


def replaceable(name):
    """Whether null in its place, or a larger answer, is of use."""
    kind, field, argument = parts_of(name)
    return Lack(kind, field, argument) in OPTIONAL if argument else not is_non_null_type(field_of(kind, field).type)


def field_of(kind, field):
    return SCHEMA.type_map[kind].fields[field]


def lowered(document, lacking):
    lowering = Lowering("https://old.example", None)
    lowering._lacking = {Lack(*parts_of(name)) for name in lacking}
    variables = dict.fromkeys(item.variable.name.value for item in document.operation().variable_definitions or ())
    return lowering._lowered(Request(document, variables))[0]


@pytest.fixture(scope="module")
def documents():
    patch = pytest.MonkeyPatch()
    with patch.context() as within:
        within.setattr("tests.support.backends.EngineBackend", Recording)
        build.cache_clear()
        return [*asked(), *map(Document, PICKING)]


PICKING = [
    """query Picks($names: [String], $like: String) {
      project(name: "vision") { name run(name: "v05") { id
        a: files(names: $names) { ...F } files(pattern: $like) { ...F } } }
    }
    fragment F on FileConnection { edges { node { name } } }""",
    """query History($steps: Int64) { project(name: "vision") { run(name: "v05") { id
      one: history(minStep: 0, samples: 5) history(minStep: $steps, samples: 5) } } }""",
]
"""Documents with arguments that only pick, and with the same field twice under other names."""


def check(document, lacking):
    """Whether the document could be lowered; then it is valid."""
    try:
        request = lowered(document, lacking)
    except NotSupportedByServer:
        return False
    text = request.document.text
    with taken_out(OLD, lacking):
        assert validate(OLD, parse(text)) == [], f"without {lacking}:\n{text}"
    assert request.variables.keys() == {
        item.variable.name.value for item in request.document.operation().variable_definitions or ()
    }
    return True


def test_each_field_or_argument_left_out_leaves_a_valid_document(documents):
    assert len(documents) >= 25
    met = {True: 0, False: 0}
    rng = random.Random(10)
    for document in documents:
        names = selected(document)
        for name in rng.sample(names, min(len(names), deep(32))):
            met[check(document, [name])] += 1
    assert met[True] > 100
    assert met[False] > 30


def test_random_subsets_leave_valid_documents(documents):
    rng = random.Random(11)
    met = 0
    for document in documents:
        names = [name for name in selected(document) if replaceable(name)]
        for _ in range(deep(24)):
            met += check(document, rng.sample(names, rng.randint(0, len(names))))
    assert met > 20


def lies_within(whole, part):
    """Whether an answer is another one in which some values are null, or lists are longer."""
    if whole is None or whole == part:
        return True
    if isinstance(whole, dict):
        same = part is not None and whole.keys() - {"__typename"} == part.keys()
        return same and all(lies_within(whole[key], part[key]) for key in part)
    if isinstance(whole, list):
        if len(whole) == len(part):
            return all(map(lies_within, whole, part))
        return len(whole) > len(part) and all(any(lies_within(item, other) for item in whole) for other in part)
    return False


async def test_what_an_old_server_answers_reads_as_null_or_as_whole(documents):
    """The engine behind a schema without what is lacking, which it refuses once, against the whole engine."""
    rng = random.Random(12)
    store, met = WORLD.store(), 0
    whole, old = Engine(store), OldEngine(store, set())

    async def ask(request):
        return old.execute(request)

    for document in documents:
        names = [name for name in selected(document) if replaceable(name)]
        if document.mutates() or not names:
            continue
        lacking = rng.sample(names, min(len(names), rng.randint(1, 3)))
        variables = {"project": "vision", "entity": "acme", "run": "v05", "key": "v05", "first": 3, "names": ["a"]}
        given = {name: variables.get(name.partition("_")[0]) for name in declared(document)}
        request = Request(document, {name: value for name, value in given.items() if value is not None})
        right = whole.execute(request)
        old.lacking, old.introspection, old.refused = frozenset(lacking), rng.random() < 0.5, 0
        lowering = Lowering("https://old.example", ask)
        try:
            answered = await lowering.answer(request, ask)
        except NotSupportedByServer:
            continue
        if right.errors:
            continue
        assert not answered.errors, (lacking, answered.errors)
        assert lies_within(answered.data, right.data), (lacking, document.text)
        assert old.refused <= 1 + len(lacking)
        met += 1
    assert met > 10
