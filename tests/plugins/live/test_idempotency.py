"""Which requests are idempotent."""

from __future__ import annotations

import pytest

from wbmodel.request import Request
from wbmodel_live.idempotency import intent_of

RUN = "mutation UpsertBucket($id: String, $name: String) { upsertBucket(input: {id: $id, name: $name}) { inserted } }"
INPUT = "mutation M($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted } }"


def test_queries_are_is_idempotent():
    found = intent_of(Request("query Runs { viewer { id } }"))
    assert (found.name, found.mutates, found.idempotent) == ("Runs", False, True)
    assert intent_of(Request("{ viewer { id } }")).name == "the query"
    assert intent_of(Request("{ viewer { id } }", {}, "Mine")).name == "Mine"


@pytest.mark.parametrize(
    ("document", "variables", "idempotent"),
    [
        (RUN, {"id": "UnVu"}, True),
        (RUN, {"name": "abc"}, True),
        (RUN, {"id": None, "name": ""}, False),
        (INPUT, {"input": {"id": "UnVu", "notes": "x"}}, True),
        (INPUT, {"input": {"notes": "x"}}, False),
        (INPUT, {}, False),
        ('mutation { upsertView(input: {id: "V1", spec: "{}"}) { view { id } } }', {}, True),
        ('mutation { upsertView(input: {spec: "{}", name: "x"}) { view { id } } }', {}, False),
        ('mutation { deleteRun(input: {id: "UnVu"}) { clientMutationId } }', {}, False),
        ('mutation { upsertSweep(input: {config: "{}"}) { sweep { id } } }', {}, False),
        # A document is idempotent only if all its mutations are.
        (
            'mutation { a: upsertBucket(input: {id: "x"}) { inserted } b: deleteRun(input: {id: "x"}) { success } }',
            {},
            False,
        ),
        ('mutation { ...F } fragment F on Mutation { deleteRun(input: {id: "x"}) { success } }', {}, False),
    ],
)
def test_mutations(document, variables, idempotent):
    found = intent_of(Request(document, variables))
    assert found.mutates
    assert found.idempotent is idempotent


def test_the_operation_that_is_named_counts():
    both = 'query Q { viewer { id } } mutation M { deleteRun(input: {id: "x"}) { success } }'
    assert intent_of(Request(both, {}, "Q")).idempotent
    assert not intent_of(Request(both, {}, "M")).idempotent


def test_a_document_that_is_not_graphql_is_refused():
    from graphql import GraphQLError

    with pytest.raises(GraphQLError):
        intent_of(Request("query {"))
