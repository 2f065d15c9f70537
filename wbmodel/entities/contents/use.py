"""Note that a run uses an artifact version as input."""

from __future__ import annotations

from typing import Any

from wbmodel.backend.asks import Request
from wbmodel.backend.verbs import Send
from wbmodel.compiler.target import Target
from wbmodel.errors import FieldError, ServerError
from wbmodel.meta import entity_meta
from wbmodel.operations import answers
from wbmodel.operations.answer import Operation, answer
from wbmodel.operations.save import require_writable
from wbmodel.query.conditions import resolve
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q

__all__ = ["use_artifact"]

_DOCUMENT = """\
mutation UseArtifact($artifactID: ID!, $entityName: String, $projectName: String, $runName: String!) {
  useArtifact(
    input: {artifactID: $artifactID, entityName: $entityName, projectName: $projectName, runName: $runName}
  ) {
    artifact {
      id
    }
  }
}"""


def use_artifact(run: Any, target: Target, artifact: Any) -> Operation[Any]:
    """Note that ``run`` uses ``artifact``, a version or the name of one. Returns the version."""
    target.refuse_foreign(run)
    require_writable(target)
    meta = entity_meta("Artifact")
    if isinstance(artifact, str):
        where, scopes = resolve(meta, Q(path=artifact))
        artifact = yield from answers.get(Plan(meta=meta, where=where, scopes=scopes), target)
    elif not isinstance(artifact, meta.cls):
        raise FieldError(f"use_artifact() takes an Artifact or the name of one, not {artifact!r:.80}")
    target.refuse_foreign(artifact)
    variables = {
        "artifactID": artifact.node_id,
        "entityName": run.project.entity,
        "projectName": run.project.name,
        "runName": run.id,
    }
    request = Request(_DOCUMENT, variables, "UseArtifact")
    data = answer(target, request, (yield Send(request)))
    used = data.get("useArtifact")
    if not isinstance(used, dict) or not isinstance(used.get("artifact"), dict):
        raise ServerError(
            f"{target.place} answered UseArtifact of {run!r} without confirming it", operation="UseArtifact"
        )
    return artifact
