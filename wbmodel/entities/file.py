"""Files of runs and of artifacts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from wbmodel.entities.base import Model, entity
from wbmodel.errors import FieldError
from wbmodel.meta import Arg, Kind, Options, ReadOnly, Route, Step, Writes, field, relation
from wbmodel.meta.scopes import ARTIFACT, RUN
from wbmodel.meta.state import is_loaded
from wbmodel.meta.wiring import PROJECT_STEP, RUN_STEP
from wbmodel.objects.manager import Manager

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wbmodel.entities.artifact import Artifact
    from wbmodel.entities.run import Run
    from wbmodel.objects.queryset import QuerySet

__all__ = ["File"]


@entity
class File(Model):
    """One file of a run (``run.files``) or of an artifact version (``artifact.files``)."""

    node_id: ReadOnly[str] = field("id", Kind.ID, "The GraphQL id, the identity everywhere.", nullable=False)
    name: ReadOnly[str] = field("name", Kind.TEXT, "The path inside the run or artifact, with slashes.", nullable=False)
    size: ReadOnly[int] = field(
        "sizeBytes", Kind.INT, "The size in bytes.", nullable=False, aliases=("size_bytes", "sizeBytes")
    )
    md5: ReadOnly[str | None] = field("md5", Kind.TEXT, "The MD5 of the content, base64.")
    digest: ReadOnly[str | None] = field("digest", Kind.TEXT, "The digest in the artifact's manifest.", selected=False)
    mimetype: ReadOnly[str | None] = field("mimetype", Kind.TEXT, "The media type.", shared=True)
    updated_at: ReadOnly[datetime | None] = field(
        "updatedAt", Kind.TIME, "When it last changed.", aliases=("updatedAt",)
    )
    url: ReadOnly[str | None] = field("url", Kind.TEXT, "Where its bytes are.")
    direct_url: ReadOnly[str] = field(
        "directUrl",
        Kind.TEXT,
        "Where its bytes are, without credentials.",
        nullable=False,
        selected=False,
        aliases=("directUrl",),
    )

    run: ReadOnly[Run] = relation(
        "Run", "run", "The run it belongs to; only files of runs have it.", identity=("id", "project"), through=True
    )
    artifact: ReadOnly[Artifact] = relation(
        "Artifact",
        "artifact",
        "The artifact version it belongs to; only files of artifacts have it.",
        identity=("version_index", "digest", "collection"),
        through=True,
    )

    @property
    def owner(self) -> Run | Artifact:
        """The run or the artifact version that it belongs to."""
        return self.run if is_loaded(self, "run") else self.artifact

    @property
    def path(self) -> str:
        """``"entity/project/run/name"``, or ``"entity/project/collection:v3/name"``."""
        return f"{self.owner.path}/{self.name}"

    def delete(self) -> None:
        """Delete the file of a run for good. Files of artifacts belong to their version and cannot be deleted."""
        self._delete()

    async def adelete(self) -> None:
        """The async twin of :meth:`delete`."""
        await self._adelete()

    def _refuse_deletion(self, flags: Mapping[str, bool]) -> None:
        if is_loaded(self, "artifact"):
            raise FieldError(f"{self!r} belongs to an artifact version, whose files are fixed; delete the version")

    def _label(self) -> str:
        return self.path

    def _found_by(self) -> dict[str, Any]:
        owner = "run" if is_loaded(self, "run") else "artifact"
        return {"name": self.name, owner: self.owner.path if owner == "run" else self.owner.node_id}

    objects = Manager["QuerySet[File]"]()
    __wbmodel__ = Options(
        key="name",
        scopes={RUN: RUN, ARTIFACT: ARTIFACT},
        routes=(
            Route(
                needs=(RUN,),
                steps=(PROJECT_STEP, attrs.evolve(RUN_STEP, relation=RUN)),
                connection="files",
                context=RUN,
                count="parent:fileCount",
                names=Arg("names", "names", "[String]"),
            ),
            Route(
                steps=(Step("artifact", (Arg("id", ARTIFACT, "ID!"),), entity="Artifact", relation=ARTIFACT),),
                connection="files",
                context=ARTIFACT,
                names=Arg("names", "names", "[String!]"),
            ),
        ),
        order=("name",),
        node_context=(RUN, ARTIFACT),
        shown=("name", "size", "mimetype", "updated_at"),
        writes=Writes(
            id="files", delete="deleteFiles", delete_id="[ID!]!", delete_list=True, existing=True, confirms=True
        ),
    )
