"""The generic rows know no entity by its name: what differs between entities is said where they are declared."""

from __future__ import annotations

import re

import wbmodel.entities  # noqa: F401  # so that all are registered
from tools.source_tree import ROOT, literals, sources
from wbmodel.meta import all_entities

GENERIC = ("wbmodel.query.", "wbmodel.compiler.", "wbmodel.operations.")

# file -> reason -> texts that are the same as a name and mean something else. One that is gone from its file fails.
LEFT = {
    "compiler.explain": {"a field of the answer, and of the JSON that is made of it": "entity"},
    "query.histories": {"the column that tells the rows of several runs apart": "run"},
    "operations.journal": {"a name in the files that journals are": "entity"},
}


def spellings(name: str) -> set[str]:
    """``ArtifactType`` as it may stand in a text: as it is, ``artifactType``, ``artifact_type``, ``artifacttype``."""
    return {name, name[0].lower() + name[1:], re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), name.lower()}


def test_no_entity_is_named() -> None:
    words = {word for name in all_entities() for word in spellings(name)}
    assert {"Run", "project", "artifact_type"} <= words
    left = {(file, word) for file, of in LEFT.items() for texts in of.values() for word in texts.split()}
    wrong, used = [], set()
    for module, source in sources().items():
        file = module.removeprefix("wbmodel.")
        for line, word in literals(source, words) if module.startswith(GENERIC) else ():
            used.add((file, word))
            if (file, word) not in left:
                wrong.append(f"{source.path.relative_to(ROOT)}:{line} names {word!r}")
    assert not wrong, "\n".join(wrong)
    assert left <= used, f"no longer so, take it out of LEFT: {sorted(left - used)}"
