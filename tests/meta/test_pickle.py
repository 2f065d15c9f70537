"""Descriptions are compared by identity, so a pickle of one is the same object again."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest

from wbmodel.meta import all_entities


@pytest.mark.parametrize("name", sorted(all_entities()))
def test_a_description_is_one_object(name: str) -> None:
    meta = all_entities()[name]
    for item in (meta, *meta.fields.values()):
        assert pickle.loads(pickle.dumps(item)) is item
        assert copy.deepcopy(item) is item


def test_a_process_that_has_imported_nothing_finds_it() -> None:
    data = pickle.dumps((all_entities()["Run"], all_entities()["Sweep"].fields["config"]))
    script = f"import pickle; meta, field = pickle.loads({data!r}); print(meta, field.name)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "<EntityMeta Run> config\n"
