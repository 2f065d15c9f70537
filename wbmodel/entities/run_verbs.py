"""What a run can do with its files and with artifacts: a base of ``Run``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from wbmodel.entities.written import Written
from wbmodel.errors import FieldNotLoaded
from wbmodel.meta.state import holds

if TYPE_CHECKING:
    from wbmodel.entities.artifact import Artifact
    from wbmodel.entities.contents.lineage import Lineage

__all__ = ["WithFiles"]


class WithFiles(Written):
    """The verbs of runs for files and artifacts."""

    __slots__ = ()

    @property
    def duration(self) -> float | None:
        """How long the run has run, in seconds: what its process reported last, ``summary["_runtime"]``; else from
        ``created_at`` to ``heartbeat_at``, which counts the time between a run and its resumption too. None if neither
        is known."""
        if not holds(self, ("summary", "_runtime")):
            raise FieldNotLoaded(
                "Run.duration needs summary['_runtime']; a query with .also('summary._runtime') loads it"
            )
        row: Any = self  # a Run, which declares the fields
        logged = row.summary.get("_runtime")
        if isinstance(logged, (int, float)) and not isinstance(logged, bool) and math.isfinite(logged):
            return float(logged)
        if row.heartbeat_at is None:
            return None
        seconds: float = (row.heartbeat_at - row.created_at).total_seconds()
        return max(0.0, seconds)

    def metadata(self) -> dict[str, Any] | None:
        """What its client noted of the program and the machine: the content of its file ``wandb-metadata.json``
        (``program``, ``args``, ``git``, ``host``, ``gpu`` ...). None if it has no such file. Makes requests."""
        from wbmodel.entities.contents.run_files import metadata

        return self._run(metadata)

    async def ametadata(self) -> dict[str, Any] | None:
        """The async twin of :meth:`metadata`."""
        from wbmodel.entities.contents.run_files import metadata

        return await self._arun(metadata)

    def use_artifact(self, artifact: Artifact | str) -> Artifact:
        """Note that the run uses an artifact version as input, and return the version. It may be given by its name, in
        every form that ``Artifact.objects.get(path=...)`` takes. To note it twice changes nothing."""
        from wbmodel.entities.contents.use import use_artifact

        used: Artifact = self._run(use_artifact, artifact)
        return used

    async def ause_artifact(self, artifact: Artifact | str) -> Artifact:
        """The async twin of :meth:`use_artifact`."""
        from wbmodel.entities.contents.use import use_artifact

        used: Artifact = await self._arun(use_artifact, artifact)
        return used

    def lineage(self, direction: Literal["both", "inputs", "outputs"] = "both", depth: int | None = None) -> Lineage:
        """The graph of the versions that it used and logged, and so on; see :meth:`Artifact.lineage`."""
        from wbmodel.entities.contents.lineage import lineage

        return self._run(lineage, direction, depth)

    async def alineage(
        self, direction: Literal["both", "inputs", "outputs"] = "both", depth: int | None = None
    ) -> Lineage:
        """The async twin of :meth:`lineage`."""
        from wbmodel.entities.contents.lineage import lineage

        return await self._arun(lineage, direction, depth)
