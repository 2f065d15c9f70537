"""Facts of a run that are in its files."""

from __future__ import annotations

from typing import Any

from wbmodel.codec import loads
from wbmodel.compiler.target import Target
from wbmodel.entities.contents.files import FIELDS, read
from wbmodel.errors import IntegrityError
from wbmodel.meta import entity_meta
from wbmodel.operations.answer import Operation
from wbmodel.operations.run import collect
from wbmodel.query.conditions import resolve
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q

__all__ = ["METADATA", "metadata"]

METADATA = "wandb-metadata.json"
"""The file in which W&B's clients note the program and the machine of a run."""


def metadata(run: Any, target: Target) -> Operation[dict[str, Any] | None]:
    """The content of a run's :data:`METADATA`; None if it has no such file."""
    target.refuse_foreign(run)
    meta = entity_meta("File")
    where, scopes = resolve(meta, Q(run=run.path, name=METADATA))
    found = yield from collect(Plan(meta=meta, where=where, scopes=scopes, only=FIELDS), target)
    if not found:
        return None
    data = yield from read(found[0], target)
    try:
        value = loads(data)
    except ValueError as error:
        raise IntegrityError(f"{found[0].path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise IntegrityError(f"{found[0].path} is not a JSON object")
    return value
