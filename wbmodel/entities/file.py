"""Files of runs and of artifacts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from wbmodel.entities.base import Model, entity
from wbmodel.meta import Arg, Kind, Options, ReadOnly, Route, Step, field
from wbmodel.meta.scopes import ARTIFACT, RUN
from wbmodel.meta.wiring import PROJECT_STEP, RUN_STEP
from wbmodel.objects.manager import Manager

if TYPE_CHECKING:
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

    objects = Manager["QuerySet[File]"]()
    __wbmodel__ = Options(
        key="name",
        scopes={RUN: RUN, ARTIFACT: ARTIFACT},
        routes=(
            Route(
                needs=(RUN,),
                steps=(PROJECT_STEP, RUN_STEP),
                connection="files",
                count="parent:fileCount",
                names=Arg("names", "names", "[String]"),
            ),
            Route(
                steps=(Step("artifact", (Arg("id", ARTIFACT, "ID!"),), entity="Artifact"),),
                connection="files",
                names=Arg("names", "names", "[String!]"),
            ),
        ),
        order=("name",),
    )
