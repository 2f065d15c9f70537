"""An answer that cannot be read where it is read at once is the server's fault, and says so."""

from __future__ import annotations

import pytest

from wbmodel import Run, connect
from wbmodel.errors import ServerError, UnreadableValue
from wbmodel.testing import Fault, served

WORLD = {"entities": {"ada": {"projects": {"vision": {"runs": {"a": {"summary": {"loss": 0.5}}}}}}}}


@pytest.mark.parametrize(
    ("field", "value"), [("heartbeatAt", "x"), ("createdAt", "yesterday"), ("createdAt", 7)], ids=str
)
def test_what_cannot_be_read_names_the_server(field, value):
    def spoil(answer):
        answer["data"]["project"]["runs"]["edges"][0]["node"][field] = value

    with served(WORLD) as server, connect(server.url, project="ada/vision", default=False):
        server.faults.add(Fault(edit=spoil))
        with pytest.raises(ServerError, match="answered Runs, but the response has the wrong shape"):
            list(Run.objects.only("id", "heartbeat_at", "created_at"))


def test_a_json_text_that_cannot_be_read_costs_that_value_alone():
    def spoil(answer):
        answer["data"]["project"]["runs"]["edges"][0]["node"]["systemMetrics"] = "{bad"

    with served(WORLD) as server, connect(server.url, project="ada/vision", default=False) as session:
        server.faults.add(Fault(edit=spoil))
        (run,) = Run.objects.using(session).only("id", "system_metrics", "state")
        assert run.id == "a"
        with pytest.raises(UnreadableValue, match="system_metrics of .*a.* cannot be read"):
            _ = run.system_metrics
