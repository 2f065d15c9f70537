"""Cases about changes of artifacts: texts, aliases, use and deletion. What a case changes it changes back."""

from __future__ import annotations

from typing import Any

from wbmodel.codec import dumps
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import case
from wbmodel.testing.conformance.kit import Kit
from wbmodel.testing.conformance.mutations import make_run, read_run, refuse, scratch, send

__all__ = ["ArtifactMutationTests"]


def _artifact(kit: Kit, name: str) -> Any:
    collection, _, version = name.partition(":v")
    return kit.ask(kit.objects("Artifact").filter(collection=collection), "get", version_index=int(version))


def _alias(kit: Kit, alias: str) -> dict[str, str]:
    entity, project = kit.world.project.split("/")
    return {"entityName": entity, "projectName": project, "artifactCollectionName": "images", "alias": alias}


class ArtifactMutationTests(BackendTests):
    """Cases about changes of artifacts: texts, aliases, use and deletion. What a case changes it changes back."""

    @case("mutation/updateArtifact", parts=["artifacts"], flags=["writable"])
    def test_mutation_update_artifact(self, kit: Kit) -> None:
        """updateArtifact changes description and metadata, and leaves alone what is null."""
        item = _artifact(kit, "images:v0")
        row = next(row for row in kit.rows("Artifact") if row["name"] == "images:v0")
        try:
            send(
                kit, "updateArtifact", "artifact { id }", artifactID=item.node_id, description="changed", metadata=None
            )
            changed = _artifact(kit, "images:v0")
            kit.equal([changed.description, changed.metadata], ["changed", row["metadata"]], "description and metadata")
            send(kit, "updateArtifact", "artifact { id }", artifactID=item.node_id, metadata=dumps({"rows": 0}))
            kit.equal(_artifact(kit, "images:v0").metadata, {"rows": 0}, "metadata, which is given as a whole,")
        finally:
            before = {"description": row["description"], "metadata": dumps(row["metadata"])}
            send(kit, "updateArtifact", "artifact { id }", artifactID=item.node_id, **before)

    @case("mutation/addAliases", parts=["artifacts"], flags=["writable"])
    def test_mutation_add_aliases(self, kit: Kit) -> None:
        """addAliases gives a version an alias, by which it is then found; an alias moves from the version that had
        it."""
        alias = f"kit-{kit.colour}"
        first, second = _artifact(kit, "images:v0"), _artifact(kit, "images:v1")
        for item, name in ((first, "images:v0"), (second, "images:v1")):
            made = send(kit, "addAliases", "success", artifactID=item.node_id, aliases=[_alias(kit, alias)])
            kit.equal(made["success"], True, "success")
            found = kit.ask(kit.objects("Artifact"), "get", name=f"images:{alias}")
            kit.equal(found.name, name, f"the version called images:{alias}")
        kit.equal(alias in _artifact(kit, "images:v0").aliases, False, "whether the first version still has the alias")
        send(kit, "deleteAliases", "success", artifactID=second.node_id, aliases=[_alias(kit, alias)])

    @case("mutation/deleteAliases", parts=["artifacts"], flags=["writable"])
    def test_mutation_delete_aliases(self, kit: Kit) -> None:
        """deleteAliases takes an alias away, and only that."""
        alias, item = f"kit-gone-{kit.colour}", _artifact(kit, "images:v1")
        before = sorted(item.aliases)
        send(kit, "addAliases", "success", artifactID=item.node_id, aliases=[_alias(kit, alias)])
        send(kit, "deleteAliases", "success", artifactID=item.node_id, aliases=[_alias(kit, alias)])
        kit.equal(sorted(_artifact(kit, "images:v1").aliases), before, "the aliases afterwards")

    @case("mutation/useArtifact", parts=["artifacts"], flags=["writable"])
    def test_mutation_use_artifact(self, kit: Kit) -> None:
        """useArtifact notes that a run used a version, on both sides."""
        item = _artifact(kit, "images:v2")
        with scratch(kit) as (entity, name, _):
            make_run(kit, entity, name, "r1")
            send(
                kit,
                "useArtifact",
                "artifact { id }",
                artifactID=item.node_id,
                entityName=entity,
                projectName=name,
                runName="r1",
            )
            run = read_run(kit, f"{entity}/{name}", "r1")
            kit.equal([other.name for other in kit.all(run.used_artifacts)], ["images:v2"], "the run's used_artifacts")
            kit.equal("r1" in kit.names("Run", item.used_by), True, "whether the run is among the version's used_by")

    @case("mutation/deleteFiles", parts=["files", "projects"], flags=["writable"])
    def test_mutation_delete_files(self, kit: Kit) -> None:
        """deleteFiles refuses ids that do not exist, and files of artifacts."""
        refuse(kit, "deleteFiles", files=["bm93aGVyZQ=="])

    @case("mutation/deleteArtifact", parts=["artifacts", "projects"], flags=["writable"])
    def test_mutation_delete_artifact(self, kit: Kit) -> None:
        """deleteArtifact deletes a version."""
        from wbmodel import Artifact

        name = f"spare-{kit.colour}"
        rows = Artifact.objects.using(kit.session).filter(project=kit.world.second, collection=name)
        item = kit.ask(rows, "get")
        send(kit, "deleteArtifact", "artifact { id }", artifactID=item.node_id, deleteAliases=True)
        left = [row for row in kit.all(rows) if row.state != "DELETED"]
        kit.equal(left, [], f"the versions of {name} that are left")
        kit.world.artifacts = [row for row in kit.world.artifacts if row["collection"] != name]
