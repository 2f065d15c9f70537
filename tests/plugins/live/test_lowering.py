"""Servers that lack a field: left out, answered with null, said once, and not refused once per query."""

from __future__ import annotations

import asyncio
import re
import warnings

import pytest

from tests.support.old_server import OldEngine
from wbmodel.engine import MemoryStore
from wbmodel.errors import NotSupportedByServer, QueryWarning
from wbmodel.request import Request, Response
from wbmodel_live.lowering import Lowering


@pytest.fixture
def store():
    store = MemoryStore()
    store.viewer = store.add_user("ada")
    project = store.add_project("ada", "vision")
    for number in range(3):
        store.add_run(project, f"r{number}", summary={"loss": number}, notes="n")
    return store


class Old:
    """One lowering in front of one old server."""

    def __init__(self, store, *lacking, introspection=True):
        self.engine = OldEngine(store, set(lacking), introspection)
        self.lowering = Lowering("https://old.example", self.ask)
        self.sent = []

    async def ask(self, request):
        return self.engine.execute(request)

    async def send(self, request):
        self.sent.append(request)
        return self.engine.execute(request)

    async def answer(self, text, variables=None):
        response = await self.lowering.answer(Request(text, variables or {}), self.send)
        for sentence in () if response.note is None else response.note.told:
            warnings.warn(sentence, QueryWarning, stacklevel=2)
        return response


RUNS = """query Runs { project(name: "vision") { runs(first: 2) { edges { node { ...R alias: readOnly } } } } }
fragment R on Run { id name readOnly notes project { name readOnly } }"""


@pytest.mark.parametrize("introspection", [True, False])
async def test_what_may_be_null_is_left_out_and_reads_as_null(store, introspection):
    old = Old(store, "Run.readOnly", "Project.readOnly", introspection=introspection)
    with pytest.warns(QueryWarning) as said:
        response = await old.answer(RUNS)
    assert not response.errors
    nodes = [edge["node"] for edge in response.data["project"]["runs"]["edges"]]
    assert [node["name"] for node in nodes] == ["r2", "r1"]
    for node in nodes:
        assert node["readOnly"] is node["alias"] is node["project"]["readOnly"] is None
        assert node["notes"] == "n"
    lacking = sorted(str(item.message).partition(" the field ")[2].partition(";")[0] for item in said)
    assert lacking == ["Project.readOnly", "Run.readOnly"]
    assert "readOnly" not in old.sent[-1].document.text

    # From now on nothing is refused, nothing is said, and nothing is asked twice.
    before = len(old.engine.documents)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = await old.answer(RUNS)
        other = await old.answer('{ project(name: "vision") { run(name: "r0") { readOnly notes } } }')
    assert again.data == response.data
    assert other.data == {"project": {"run": {"readOnly": None, "notes": "n"}}}
    assert len(old.engine.documents) == before + 2


async def test_introspection_saves_a_refusal_per_field(store):
    old = Old(store, "Run.readOnly", "Run.systemMetrics", "Project.readOnly", "Run.fileCount")
    with pytest.warns(QueryWarning):
        await old.answer('{ project(name: "vision") { run(name: "r0") { readOnly name } } }')
    with pytest.warns(QueryWarning):
        await old.answer('{ project(name: "vision") { readOnly run(name: "r0") { systemMetrics fileCount notes } } }')
    assert old.engine.refused == 1
    assert sum("__type(" in text for text in old.engine.documents) == 1


async def test_what_cannot_be_null_is_named(store):
    old = Old(store, "Project.isBenchmark")
    with pytest.raises(NotSupportedByServer, match=r"Project\.isBenchmark \(https://old\.example\)"):
        await old.answer('{ project(name: "vision") { isBenchmark name } }')
    # Known by now, so that nothing is sent.
    before = len(old.sent)
    with pytest.raises(NotSupportedByServer):
        await old.answer('{ project(name: "vision") { isBenchmark name } }')
    assert len(old.sent) == before


async def test_a_selection_is_never_empty(store):
    old = Old(store, "Project.readOnly")
    with pytest.warns(QueryWarning):
        response = await old.answer('{ project(name: "vision") { readOnly } }')
    assert response.data["project"]["readOnly"] is None


async def test_a_slip_of_the_asker_is_answered_as_one(store):
    old = Old(store)
    response = await old.answer("{ viewer { usernam } }")
    assert "Cannot query field 'usernam'" in response.errors[0]["message"]
    assert len(old.sent) == 1
    assert len(old.engine.documents) == 1


async def test_a_missing_argument_of_ours_is_not_supported(store):
    old = Old(store, "Project.runs(filters:)")
    asked = '{ project(name: "vision") { runs(filters: "{}") { edges { node { id } } } } }'
    for times in (1, 1):
        with pytest.raises(NotSupportedByServer, match=r"Project\.runs\(filters:\)"):
            await old.answer(asked)
        assert len(old.sent) == times, "sent again although it is known"


FILES = """query Files($names: [String]) {
  project(name: "vision") { run(name: "r0") { id one: files(names: $names) { ...F } files { ...F } } }
}
fragment F on FileConnection { edges { node { name } } }"""


@pytest.mark.parametrize("introspection", [True, False])
async def test_an_argument_that_only_picks_is_left_out(store, introspection):
    old = Old(store, "Run.files(names:)", introspection=introspection)
    with pytest.warns(QueryWarning, match=r"does not have the argument Run\.files\(names:\); it is left out") as said:
        response = await old.answer(FILES, {"names": ["a"]})
    assert len(said) == 1
    assert response.data["project"]["run"]["one"] == response.data["project"]["run"]["files"]
    assert "names" not in old.sent[-1].document.text
    assert not old.sent[-1].variables
    again = await old.answer(FILES, {"names": ["a"]})
    assert again.note is None or not again.note.told
    assert old.engine.refused == (1 if introspection else 2)


async def test_one_refusal_teaches_arguments_and_inputs(store):
    old = Old(store, "Run.readOnly", "Run.files(names:)", "Run.history(minStep:)", "UpsertBucketInput.notes")
    with pytest.warns(QueryWarning, match="readOnly"):
        await old.answer('{ project(name: "vision") { run(name: "r0") { readOnly name } } }')
    with pytest.warns(QueryWarning, match="names"):
        assert not (await old.answer(FILES, {"names": ["a"]})).errors
    before = len(old.sent)
    for text, what in (
        ('{ project(name: "vision") { run(name: "r0") { history(minStep: 3) } } }', r"Run\.history\(minStep:\)"),
        ('mutation { upsertBucket(input: {id: "x", notes: "n"}) { bucket { id } } }', r"UpsertBucketInput\.notes"),
    ):
        with pytest.raises(NotSupportedByServer, match=what):
            await old.answer(text)
    assert len(old.sent) == before
    assert old.engine.refused == 1
    assert old.lowering.lacking >= {"Run.readOnly", "Run.files(names:)", "Run.history(minStep:)"}


class BeforeDeprecatedArguments(OldEngine):
    """An old server with introspection, whose ``args`` take no ``includeDeprecated``."""

    def execute(self, request, *, given_up=None):
        if "args(includeDeprecated" in request.document.text:
            self.documents.append(request.document.text)
            return Response(errors=[{"message": 'Unknown argument "includeDeprecated" on field "__Field.args".'}])
        return super().execute(request)


async def test_the_question_suits_an_older_server(store):
    old = Old(store)
    old.engine = BeforeDeprecatedArguments(store, {"Run.readOnly", "Project.readOnly"})
    with pytest.warns(QueryWarning):
        await old.answer('{ project(name: "vision") { run(name: "r0") { readOnly name } } }')
    assert "Project.readOnly" in old.lowering.lacking
    assert sum("__type(" in text for text in old.engine.documents) == 2


WORDS = {
    "single quotes": lambda text: {"message": text.replace('"', "'")},
    "backticks": lambda text: {"message": text.replace('"', "`").replace("'", "`")},
    "typographic": lambda text: {"message": re.sub("['\"](\\w[\\w.]*)['\"]", "\u201c\\1\u201d", text)},
    "a text": lambda text: text,
    "an error in an error": lambda text: {"error": {"message": text}},
    "another library": lambda text: {
        "message": re.sub(r"Cannot query field (\S+) on type (\w|\S+)\.", r"Field \1 doesn't exist on type \2", text)
    },
    "argument of type": lambda text: {
        "message": re.sub(r"on field '(\w+)\.(\w+)'", r'on field "\2" of type "\1"', text)
    },
}


@pytest.mark.parametrize("words", WORDS)
async def test_a_refusal_is_understood_in_any_words(store, words):
    old = Old(store, "Run.readOnly", "Run.files(names:)", introspection=False)
    old.engine.words = WORDS[words]
    for text, lacking in (
        ('{ project(name: "vision") { run(name: "r0") { readOnly name } } }', "readOnly"),
        (FILES, "names"),
    ):
        with pytest.warns(QueryWarning, match=lacking) as said:
            response = await old.answer(text, {"names": []})
        assert len(said) == 1
        assert not response.errors
    assert old.lowering.lacking == {"Run.readOnly", "Run.files(names:)"}


async def test_many_at_once_learn_together(store):
    old = Old(store, "Run.readOnly", "Project.readOnly")
    with pytest.warns(QueryWarning):
        answers = await asyncio.gather(*(old.answer(RUNS) for _ in range(10)))
    assert all(not answer.errors for answer in answers)
    assert sum("__type(" in text for text in old.engine.documents) == 1


async def test_what_a_server_says_of_itself(store):
    old = Old(store, "Run.readOnly")
    info = await old.lowering.info()
    assert info.viewer == "ada"
    assert "Run.readOnly" in info.lacking
    asked = len(old.engine.documents)
    assert await old.lowering.info() is info
    assert len(old.engine.documents) == asked


async def test_a_server_that_has_everything_is_asked_as_it_was_written(store):
    old = Old(store)
    response = await old.answer(RUNS)
    assert not response.errors
    assert old.engine.documents == [RUNS]


async def test_a_refusal_that_comes_late_is_no_surprise(store):
    """Several first requests at once, whose refusals come one after the other, at a server without introspection."""
    old = Old(store, "Run.readOnly", introspection=False)

    def after(seconds):
        async def send(request):
            response = old.engine.execute(request)
            await asyncio.sleep(seconds)
            return response

        return send

    request = Request('{ project(name: "vision") { run(name: "r0") { readOnly name } } }')
    answers = await asyncio.gather(*(old.lowering.answer(request, after(number / 50)) for number in range(4)))
    assert sum(len(answer.note.told) for answer in answers if answer.note is not None) == 1
    assert [answer.data for answer in answers] == [{"project": {"run": {"readOnly": None, "name": "r0"}}}] * 4
