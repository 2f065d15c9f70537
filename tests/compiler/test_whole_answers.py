"""An answer that cannot be read where it is read at once is the server's fault, and says so."""

from __future__ import annotations

import pytest

from wbmodel import Run, connect
from wbmodel.errors import ServerError
from wbmodel.testing import Fault, served

WORLD = {"entities": {"ada": {"projects": {"vision": {"runs": {"a": {"summary": {"loss": 0.5}}}}}}}}


@pytest.mark.parametrize(
    ("field", "value"), [("systemMetrics", "{bad"), ("createdAt", "yesterday"), ("createdAt", 7)], ids=str
)
def test_what_cannot_be_read_names_the_server(field, value):
    def spoil(answer):
        answer["data"]["project"]["runs"]["edges"][0]["node"][field] = value

    with served(WORLD) as server, connect(server.url, project="ada/vision", default=False):
        server.faults.add(Fault(edit=spoil))
        with pytest.raises(ServerError, match="answered Runs, but the response has the wrong shape"):
            list(Run.objects.only("id", "system_metrics", "created_at"))
