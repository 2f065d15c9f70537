"""What ``session.execute`` takes: text, and what gql and graphql-core make of it."""

from __future__ import annotations

import pytest
from gql import GraphQLRequest, gql
from gql.dsl import DSLMutation, DSLQuery, DSLSchema, DSLVariableDefinitions, dsl_gql
from graphql import DocumentNode, build_schema, parse

from wbmodel import connect
from wbmodel.engine.schema import schema_text
from wbmodel.errors import QueryError, ServerError
from wbmodel.request import Document, Request
from wbmodel.testing import count_requests, served

TEXT = "query Names($project: String) { project(name: $project) { name } }"
VARIABLES = {"project": "gpt3-chem"}
ANSWER = {"project": {"name": "gpt3-chem"}}


@pytest.fixture(scope="module")
def schema():
    return DSLSchema(build_schema(schema_text(), assume_valid_sdl=True))


@pytest.fixture(params=["in process", "over HTTP"])
def session(request):
    if request.param == "in process":
        with connect("demo:", project="demo/gpt3-chem", default=False) as session:
            yield session
    else:
        with served("demo:") as server, connect(server.url, project="demo/gpt3-chem", default=False) as session:
            yield session


@pytest.fixture(params=["sync", "async"])
def execute(request, session):
    """``session.execute``, in both colours, as a coroutine function."""

    async def ask(*args, **kwargs):
        if request.param == "sync":
            return session.execute(*args, **kwargs)
        return await session.aexecute(*args, **kwargs)

    return ask


@pytest.mark.parametrize(
    "make", [str, Document, parse, gql, GraphQLRequest], ids=["text", "Document", "ast", "gql", "request"]
)
async def test_every_form_of_a_document_has_one_answer(execute, make):
    assert (await execute(make(TEXT), VARIABLES, "Names")).data == ANSWER


async def test_a_request_brings_its_variables_and_its_operation(execute):
    two = f"{TEXT} query Other {{ viewer {{ username }} }}"
    with count_requests() as sent:
        asked = GraphQLRequest(two, variable_values=VARIABLES, operation_name="Names")
        assert (await execute(asked)).data == ANSWER
        assert (await execute(GraphQLRequest(two, variable_values=VARIABLES), operation_name="Names")).data == ANSWER
        assert (await execute(GraphQLRequest(two, operation_name="Names"), VARIABLES)).data == ANSWER
    assert [(request.operation_name, request.variables) for request in sent.requests] == [("Names", VARIABLES)] * 3


@pytest.mark.parametrize(
    ("brought", "given", "words"),
    [
        ({"variable_values": VARIABLES}, {"variables": {}}, "variables is given twice, .*variable_values="),
        ({"operation_name": "Names"}, {"operation_name": "Names"}, "operation_name is given twice"),
        ({"extensions": {"persisted": 1}}, {}, "has extensions="),
    ],
)
async def test_what_is_given_twice_or_cannot_be_carried_is_refused(execute, brought, given, words):
    with count_requests() as sent, pytest.raises(QueryError, match=words):
        await execute(GraphQLRequest(TEXT, **brought), **given)
    assert not sent.requests


async def test_queries_of_the_dsl(execute, schema):
    variables = DSLVariableDefinitions()
    project = schema.Query.project(name=variables.project).select(schema.Project.name)
    query = DSLQuery(project)
    query.variable_definitions = variables
    assert (await execute(dsl_gql(query), VARIABLES)).data == ANSWER
    assert (await execute(query, VARIABLES)).data == ANSWER
    fixed = DSLQuery(schema.Query.project(name="gpt3-chem").select(schema.Project.name))
    assert (await execute(fixed)).data == ANSWER
    assert (await execute(dsl_gql(Names=fixed))).data == ANSWER


async def test_a_mutation_of_the_dsl_is_a_mutation(execute, schema):
    stop = schema.Mutation.stopRun(input={"id": "nothing"}).select(schema.StopRunPayload.success)
    with count_requests() as sent, pytest.raises(ServerError):
        await execute(DSLMutation(stop))
    assert sent.requests[0].document.text.startswith("mutation")


@pytest.mark.parametrize("wrong", [5, None, b"{ viewer { id } }", Request("{ viewer { id } }")])
async def test_what_is_not_a_document(execute, wrong):
    with pytest.raises(QueryError, match=rf"not {type(wrong).__name__}$"):
        await execute(wrong)


def test_a_document_of_an_older_gql():
    """``gql()`` made a ``DocumentNode`` before version 4."""
    with connect("demo:", default=False) as session:
        document = parse("{ viewer { username } }")
        assert isinstance(document, DocumentNode)
        assert session.execute(document).data["viewer"]["username"]
