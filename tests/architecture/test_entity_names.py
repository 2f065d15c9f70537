"""The generic rows know no entity by its name: what differs between entities is said where they are declared."""

from __future__ import annotations

import re

import wbmodel.entities  # noqa: F401  # so that all are registered
from tools.source_tree import ROOT, literals, sources
from wbmodel.meta import all_entities

GENERIC = ("wbmodel.query.", "wbmodel.compiler.", "wbmodel.operations.")

# file -> names that still stand there as texts. Left until entities declare how they are reached and written; a name
# that is gone from its file fails, so that this ends empty.
LEFT = {
    "compiler.access": "artifact entity project run",
    "compiler.explain": "entity",
    "compiler.hydrate": "project",
    "compiler.mutations": "Sweep",
    "operations.bulk": "entity project run",
    "operations.create": "Project Run Sweep entity project sweep",
    "operations.journal": "entity",
    "operations.pages": "Artifact Entity Project Run artifact entity project run",
    "operations.prefetch": "project",
    "operations.rows": "entity project",
    "operations.save": "entity project run",
    "query.conditions": "entity project",
    "query.scopes": "Artifact ArtifactCollection ArtifactType Entity Project Run User artifact entity project run",
}


def spellings(name: str) -> set[str]:
    """``ArtifactType`` as it may stand in a text: as it is, ``artifactType``, ``artifact_type``, ``artifacttype``."""
    return {name, name[0].lower() + name[1:], re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), name.lower()}


def test_no_entity_is_named() -> None:
    words = {word for name in all_entities() for word in spellings(name)}
    assert {"Run", "project", "artifact_type"} <= words
    wrong, used = [], set()
    for module, source in sources().items():
        file = module.removeprefix("wbmodel.")
        for line, word in literals(source, words) if module.startswith(GENERIC) else ():
            used.add((file, word))
            if word not in LEFT.get(file, "").split():
                wrong.append(f"{source.path.relative_to(ROOT)}:{line} names {word!r}")
    assert not wrong, "\n".join(wrong)
    gone = {(file, word) for file, words in LEFT.items() for word in words.split()} - used
    assert not gone, f"no longer so, take it out of LEFT: {sorted(gone)}"
