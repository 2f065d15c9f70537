from wbmodel.backend import Capabilities, SyncBackend
from wbmodel.engine.execute import Engine
from wbmodel.engine.memory import MemoryStore
from wbmodel.request import CallNote, Response


class AcmeBackend(SyncBackend):
    """Runs of one made-up project, kept in memory and answered by wbmodel's engine."""

    api_version = 0
    name = "acme"

    def __init__(self, url, *, runs=3, api_key=None):
        self.url = url
        self.runs = runs
        self.api_key = api_key
        self.origin = f"{url}#{'known' if api_key else 'anonymous'}"
        self._engine = None
        self.closed = False

    @property
    def capabilities(self):
        return Capabilities(strict_values=True, literal_keys=True, regex=True, exists=True, nulls_last=True)

    def execute(self, request, *, timeout=None):
        if self._engine is None:
            self._engine = Engine(self._world())
        response = self._engine.execute(request)
        return Response(response.data, response.errors, note=CallNote(attempts=2, received=100))

    def _world(self):
        store = MemoryStore()
        store.add_entity("acme")
        project = store.add_project("acme", "rockets")
        for number in range(self.runs):
            store.add_run(project, f"run{number}", config={"stage": number}, summary={"loss": 1 / (number + 1)})
        return store

    def close(self):
        super().close()
        self.closed = True
