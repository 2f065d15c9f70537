"""Whatever fields a server lacks, a document that is lowered for it is valid by every rule of GraphQL."""

from __future__ import annotations

import random
import warnings

import pytest
from graphql import (
    GraphQLNonNull,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    parse,
    validate,
    visit,
)

from tests.support.backends import FULL, WEAK, EngineBackend, served
from tests.support.worlds import make_world
from wbmodel import Artifact, Entity, File, Project, Report, Run, Sweep, User
from wbmodel.compiler.document import build
from wbmodel.engine.schema import schema_text
from wbmodel.errors import NotSupportedByServer
from wbmodel.request import Document, Request
from wbmodel_live.lowering import Lowering

SCHEMA = build_schema(schema_text())
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
    """The fields that a document selects, as (type, field)."""
    info, found = TypeInfo(SCHEMA), set()

    class Fields(Visitor):
        def enter_field(self, node, *_):
            kind = info.get_parent_type()
            if kind is not None and not node.name.value.startswith("__") and info.get_field_def() is not None:
                found.add((kind.name, node.name.value))

    visit(document.ast, TypeInfoVisitor(info, Fields()))
    return sorted(found)


def lowered(document, lacking):
    lowering = Lowering("https://old.example", None)
    lowering._lacking = set(lacking)
    variables = dict.fromkeys(item.variable.name.value for item in document.operation().variable_definitions or ())
    return lowering._lowered(Request(document, variables))[0]


OLD = build_schema(schema_text(), assume_valid=True)


def problems_of(text, lacking):
    """What a server that lacks these fields finds wrong with a document."""
    kept = [(OLD.type_map[kind].fields, field) for kind, field in lacking]
    taken = [(fields, field, fields.pop(field)) for fields, field in kept]
    try:
        return [str(problem) for problem in validate(OLD, parse(text))]
    finally:
        for fields, field, value in taken:
            fields[field] = value


@pytest.fixture(scope="module")
def documents():
    patch = pytest.MonkeyPatch()
    with patch.context() as within:
        within.setattr("tests.support.backends.EngineBackend", Recording)
        build.cache_clear()
        return asked()


def check(document, lacking):
    """Whether the document could be lowered; then it is valid."""
    try:
        request = lowered(document, lacking)
    except NotSupportedByServer:
        return False
    text = request.document.text
    assert problems_of(text, lacking) == [], f"without {lacking}:\n{text}"
    assert request.variables.keys() == {
        item.variable.name.value for item in request.document.operation().variable_definitions or ()
    }
    return True


def test_each_field_left_out_leaves_a_valid_document(documents):
    assert len(documents) >= 25
    met = {True: 0, False: 0}
    for document in documents:
        for field in selected(document):
            met[check(document, [field])] += 1
    assert met[True] > 100
    assert met[False] > 30


def test_random_subsets_leave_valid_documents(documents):
    rng = random.Random(11)
    met = 0
    for document in documents:
        fields = [
            f for f in selected(document) if not isinstance(SCHEMA.type_map[f[0]].fields[f[1]].type, GraphQLNonNull)
        ]
        for _ in range(6):
            met += check(document, rng.sample(fields, rng.randint(0, len(fields))))
    assert met > 20
