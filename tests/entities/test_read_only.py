"""What type checkers are told of a field is what setting it does."""

from __future__ import annotations

import pytest

from wbmodel import Artifact, Project, Report, Run, Sweep
from wbmodel.meta import EntityMeta, all_entities


@pytest.mark.parametrize("meta", all_entities().values(), ids=str)
def test_a_field_is_read_only_where_it_is_not_editable(meta: EntityMeta) -> None:
    told = meta.cls.__annotations__
    for name, field in meta.fields.items():
        assert told[name].startswith("ReadOnly[") is not field.editable, name


def test_all_entities_are_looked_at() -> None:
    assert {cls.__name__ for cls in (Artifact, Project, Report, Run, Sweep)} <= all_entities().keys()
