"""Named queries as they are sent: the document in ``tests/snapshots/NAME.graphql``, the rest in ``NAME.json``.

Written anew by ``pytest --update-snapshots``; read the difference before you commit it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.conftest import SNAPSHOTS
from tests.support.backends import served
from tests.support.worlds import make_world
from wbmodel import Artifact, ArtifactCollection, ArtifactType, Entity, F, File, Project, Q, Report, Run, Sweep, User

STORE = make_world().store()
DAY = datetime(2021, 4, 23, tzinfo=timezone.utc)

QUERIES: dict[str, Callable[[], Any]] = {
    "runs_all": Run.objects.all,
    "runs_readme": lambda: (
        Run.objects.filter(state="finished", config__optimizer__in=["adam", "sgd"], summary__loss__lt=0.3)
        .exclude(tags__contains="broken")
        .order_by("summary.loss", "-created_at")[:10]
    ),
    "runs_excluded": lambda: Run.objects.exclude(config__lr=0.1).exclude(created_at__lt=DAY),
    "runs_or": lambda: Run.objects.filter(Q(config__lr__gt=0.1) | Q(summary__loss__isnull=True), group=None),
    "runs_literal_keys": lambda: Run.objects.filter(F.summary["eval/acc"] > 0.9, F.config["a.b"] == 1).order_by(
        "-config.lr"
    ),
    "runs_only": lambda: Run.objects.only("name", "tags"),
    "runs_values": lambda: Run.objects.values("name", "summary.loss"),
    "runs_related": lambda: Run.objects.select_related("user", "project")[:3],
    "runs_two_projects": lambda: Run.objects.filter(project__in=["acme/vision", "acme/nlp"], state="finished"),
    "run_by_id": lambda: Run.objects.filter(id="v01"),
    "run_by_path": lambda: Run.objects.filter(path="acme/vision/v01"),
    "projects_of_entity": lambda: Project.objects.filter(entity="acme"),
    "project_by_path": lambda: Project.objects.filter(path="acme/vision"),
    "sweeps": lambda: Sweep.objects.filter(state="RUNNING").order_by("name"),
    "reports": Report.objects.all,
    "collections_of_type": lambda: ArtifactCollection.objects.filter(type="dataset"),
    "artifact_types": ArtifactType.objects.all,
    "artifact_versions": lambda: Artifact.objects.filter(collection="images", version_index__gte=1),
    "artifact_by_name": lambda: Artifact.objects.filter(name="images:latest"),
    "artifacts_logged": lambda: Artifact.objects.filter(logged_by="acme/vision/v01").select_related("collection"),
    "files_of_run": lambda: File.objects.filter(run="acme/vision/v01"),
    "users": User.objects.all,
    "entities": Entity.objects.all,
}


@pytest.mark.parametrize("name", QUERIES)
def test_query(name: str, snapshot: Callable[[str, str], None]) -> None:
    told: dict[str, Any] = {}
    texts: dict[str, str] = {}
    for kind in ("full", "weak"):
        with served(STORE, kind):
            data = QUERIES[name]().explain().to_dict()
        [document] = data.pop("documents")
        texts[kind] = document["text"]
        told[kind] = {**data, "variables": document["variables"]}
    same = len(set(texts.values())) == 1
    shown = {"full and weak": texts["full"]} if same else texts
    snapshot(f"{name}.graphql", "\n\n".join(f"# {kind}\n{text}" for kind, text in shown.items()))
    snapshot(f"{name}.json", json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True))


def test_no_snapshot_is_left_over() -> None:
    assert {file.stem for file in SNAPSHOTS.iterdir()} == {*QUERIES, "plans"}
